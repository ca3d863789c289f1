//! Proposals as a commit on a branch of their own, beside whatever the working copy holds.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::UsageError;
use crate::show::shown;

/// A branch that is being written, checked out in a folder of its own.
pub(super) struct Branch {
    name: String,
    repository: PathBuf,
    checkout: TempDir,
    /// Where in the repository the proposals go.
    below: PathBuf,
}

impl Branch {
    /// Begins a branch at what the repository around `out` has checked out.
    pub(super) fn begin(name: &str, out: &Path) -> anyhow::Result<Self> {
        let out = std::path::absolute(out).with_context(|| format!("find {}", out.display()))?;
        let there = out.ancestors().find(|folder| folder.is_dir()).unwrap_or(&out);
        let said = git(there, &["rev-parse", "--show-toplevel"]).map_err(|error| {
            UsageError(format!("--branch needs a folder in a git repository: {error:#}"))
        })?;
        let repository = PathBuf::from(said.trim());
        let there = there.canonicalize().with_context(|| format!("find {}", there.display()))?;
        let new = out.strip_prefix(out.ancestors().find(|one| one.is_dir()).unwrap_or(&out))?;
        let below = there.strip_prefix(&repository).unwrap_or(Path::new("")).join(new);
        let checkout = tempfile::tempdir().context("make a folder for the branch")?;
        let tree = checkout.path().join("tree");
        let tree = tree.to_str().context("the temporary folder's name is no UTF-8")?;
        // What stands after the dashes is never taken for an option.
        git(&repository, &["worktree", "add", "--quiet", "-b", name, "--", tree, "HEAD"])?;
        Ok(Self { name: name.to_owned(), repository, checkout, below })
    }

    /// The folder to write to.
    pub(super) fn folder(&self) -> PathBuf {
        self.tree().join(&self.below)
    }

    fn tree(&self) -> PathBuf {
        self.checkout.path().join("tree")
    }

    /// Commits what was written. Without a message, or with nothing written, the branch goes again.
    pub(super) fn end(self, message: Option<&str>) -> anyhow::Result<()> {
        let tree = self.tree();
        git(&tree, &["add", "--all"])?;
        let is_changed = !git(&tree, &["status", "--porcelain"])?.is_empty();
        let committed = match message.filter(|_| is_changed) {
            Some(message) => git(&tree, &["commit", "--quiet", "-m", message]).map(|_| true),
            None => Ok(false),
        };
        let place = tree.to_str().context("the temporary folder's name is no UTF-8")?;
        git(&self.repository, &["worktree", "remove", "--force", "--", place])?;
        if !matches!(committed, Ok(true)) {
            git(&self.repository, &["branch", "--quiet", "-D", "--", &self.name])?;
        }
        committed.map(drop)
    }
}

/// What git says.
fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output();
    let output = output.context("run git, which --branch needs")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let word = arguments.first().copied().unwrap_or_default();
    ensure!(output.status.success(), "git {word}: {}", shown(said.trim()));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
