//! Which rules run: the files and folders that were named, or those we ship.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trailloop_content::shipped;
use trailloop_rules::{Diagnostic, Loaded, Rule, RuleSet, Severity, load};

use crate::UsageError;

/// Rules that were read.
pub(crate) struct RuleFiles {
    /// The rules that run.
    pub(crate) set: Arc<RuleSet>,
    /// What was said of them.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Rules that do not run.
    pub(crate) rejected: u64,
}

impl RuleFiles {
    /// Reads and compiles rules; at least one must run.
    pub(crate) fn load(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let (rules, mut diagnostics) = read(paths)?;
        let set = RuleSet::build(rules, &mut diagnostics);
        let rejected = rejected(&diagnostics);
        let files = Self { set: Arc::new(set), diagnostics, rejected };
        if files.set.is_empty() {
            files.report(false);
            let text =
                "no rule was loaded; run `trailloop rules check` on the same paths".to_owned();
            return Err(UsageError(text).into());
        }
        Ok(files)
    }

    /// Prints why rules were rejected, and unless asked for quiet how the others were compiled, on standard error.
    pub(crate) fn report(&self, quiet: bool) {
        let mut stderr = std::io::stderr().lock();
        let errors = self.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        for error in errors {
            // Nothing is left to be done if standard error is closed.
            drop(writeln!(stderr, "{error}"));
        }
        if !quiet {
            drop(writeln!(stderr, "{}", self.set.strategy()));
        }
    }

    /// The same into the log, for the service.
    pub(crate) fn log(&self) {
        for one in self.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
            tracing::error!("rejected a rule: {one}");
        }
        tracing::info!(rules = self.set.len(), rejected = self.rejected, "{}", self.set.strategy());
    }
}

/// How many rules were rejected: one for each file and each first error in it would be too few for files of several
/// documents, so documents are told apart by the rule line that errors name.
pub(crate) fn rejected(diagnostics: &[Diagnostic]) -> u64 {
    diagnostics.iter().filter(|one| one.severity == Severity::Error).count() as u64
}

/// Reads rules without compiling them; without paths, those we ship.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<(Vec<Rule>, Vec<Diagnostic>)> {
    if paths.is_empty() {
        let Loaded { rules, diagnostics } = shipped();
        return Ok((rules, diagnostics));
    }
    let mut files = Vec::new();
    for path in paths {
        let found = files.len();
        collect(path, &mut files).map_err(|error| unreadable(path, &error))?;
        if files.len() == found {
            let text = format!("no .yml or .yaml file in {}", path.display());
            return Err(UsageError(text).into());
        }
    }
    let (mut rules, mut diagnostics) = (Vec::new(), Vec::new());
    for path in &files {
        let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
        let text = String::from_utf8_lossy(&bytes);
        let loaded = load(&path.display().to_string(), &text);
        rules.extend(loaded.rules);
        diagnostics.extend(loaded.diagnostics);
    }
    Ok((rules, diagnostics))
}

fn unreadable(path: &Path, error: &std::io::Error) -> UsageError {
    UsageError(format!("failed to read rules from {}: {error}", path.display()))
}

/// A file that was named, or the YAML files below a folder in the order of their paths.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        let yaml =
            entry.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        // Links are followed to files only, so that no walk is endless.
        if fs::symlink_metadata(&entry)?.is_dir() {
            collect(&entry, files)?;
        } else if yaml {
            files.push(entry);
        }
    }
    Ok(())
}
