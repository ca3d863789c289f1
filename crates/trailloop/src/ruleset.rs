//! Which rules run: the files and folders that were named, or those we ship.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trailloop_content::shipped;
use trailloop_rules::{Diagnostic, Loaded, RuleSet, Severity, load};

use crate::UsageError;
use crate::cli::{Global, LogFormat};

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
        let files = Self::compile(read(paths)?);
        if files.set.is_empty() {
            for one in &files.diagnostics {
                // Nothing is left to be done if standard error is closed.
                drop(writeln!(std::io::stderr(), "{one}"));
            }
            let text =
                "no rule was loaded; run `trailloop rules check` on the same paths".to_owned();
            return Err(UsageError(text).into());
        }
        Ok(files)
    }

    /// Compiles rules; a second rule of the same id is rejected here.
    pub(crate) fn compile(loaded: Loaded) -> Self {
        let Loaded { rules, mut diagnostics, mut rejected } = loaded;
        let count = rules.len();
        let set = RuleSet::build(rules, &mut diagnostics);
        rejected += count - set.len();
        Self { set: Arc::new(set), diagnostics, rejected: rejected as u64 }
    }

    /// Prints why rules were rejected, and unless asked for quiet how the others were compiled, on standard error; as
    /// log lines if the log is to be JSON.
    pub(crate) fn report(&self, global: &Global) {
        if global.log_format() == LogFormat::Json {
            return self.log();
        }
        let mut stderr = std::io::stderr().lock();
        let errors = self.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        for error in errors {
            // Nothing is left to be done if standard error is closed.
            drop(writeln!(stderr, "{error}"));
        }
        if !global.quiet {
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

/// Reads rules without compiling them; without paths, those we ship.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Loaded> {
    if paths.is_empty() {
        return Ok(shipped());
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
    let mut all = Loaded { rules: Vec::new(), diagnostics: Vec::new(), rejected: 0 };
    for path in &files {
        let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
        let text = String::from_utf8_lossy(&bytes);
        let loaded = load(&path.display().to_string(), &text);
        all.rules.extend(loaded.rules);
        all.diagnostics.extend(loaded.diagnostics);
        all.rejected += loaded.rejected;
    }
    Ok(all)
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
