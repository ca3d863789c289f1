//! Which rules run: the files and folders that were named, or those we ship.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trailloop_content::shipped;
use trailloop_rules::{Diagnostic, Lists, Loaded, RuleSet, Severity, load_with, text_of_file};

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
        let Loaded { rules, filters, mut diagnostics, mut rejected } = loaded;
        let count = rules.len();
        let set = RuleSet::build(rules, &filters, &mut diagnostics);
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
        for one in self.diagnostics.iter().filter(|one| is_serious(one)) {
            // Nothing is left to be done if standard error is closed.
            drop(writeln!(stderr, "{one}"));
        }
        if !global.quiet {
            drop(writeln!(stderr, "{}", self.set.strategy()));
        }
    }

    /// The same into the log, for the service.
    pub(crate) fn log(&self) {
        for one in self.diagnostics.iter().filter(|one| is_serious(one)) {
            match one.severity {
                Severity::Error => tracing::error!("rejected a rule: {one}"),
                Severity::Warning | Severity::Note => tracing::warn!("{one}"),
            }
        }
        tracing::info!(rules = self.set.len(), rejected = self.rejected, "{}", self.set.strategy());
    }
}

/// Whether a problem changes what is found: a rejected rule, or a filter that does not do what filters are for.
fn is_serious(one: &Diagnostic) -> bool {
    one.severity == Severity::Error || matches!(one.code, "filter-polarity" | "unknown-rule")
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
        if !files[found..].iter().any(|file| !is_list(file)) {
            let text = format!("no .yml or .yaml file in {}", path.display());
            return Err(UsageError(text).into());
        }
    }
    let mut all = Loaded::default();
    let read = |path: &PathBuf| {
        let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
        Ok::<_, UsageError>((path.display().to_string(), bytes))
    };
    let (lists, rules): (Vec<PathBuf>, Vec<PathBuf>) =
        files.into_iter().partition(|path| is_list(path));
    let mut by_name = Lists::new();
    for path in &lists {
        let (name, bytes) = read(path)?;
        let problem = match text_of_file(&name, &bytes) {
            Ok(text) => by_name.add(&name, text),
            Err(problem) => Some(problem),
        };
        all.rejected += usize::from(problem.is_some());
        all.diagnostics.extend(problem);
    }
    for path in &rules {
        let (name, bytes) = read(path)?;
        match text_of_file(&name, &bytes) {
            Ok(text) => all.extend(load_with(&name, text, &by_name)),
            Err(problem) => {
                all.rejected += 1;
                all.diagnostics.push(problem);
            }
        }
    }
    Ok(all)
}

/// Whether a file is a list for `expand`: text in a folder named `lists`.
fn is_list(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == "lists")
        && path.extension().is_some_and(|extension| extension == "txt")
}

fn unreadable(path: &Path, error: &std::io::Error) -> UsageError {
    UsageError(format!("failed to read rules from {}: {error}", path.display()))
}

/// A file that was named, or the YAML files and lists below a folder in the order of their paths.
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
        } else if yaml || is_list(&entry) {
            files.push(entry);
        }
    }
    Ok(())
}
