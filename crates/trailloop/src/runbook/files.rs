//! The runbooks that are loaded: those of the files and folders that were named, and those we ship.

use std::path::{Path, PathBuf};

use serde_json::Value;
use trailloop_content::runbooks;
use trailloop_rules::text_of_file;
use trailloop_runbook::{Diagnostic, Runbook, Severity, check_set, load};

use crate::UsageError;
use crate::rulefiles::read_path;

/// Runbooks that were read.
pub(super) struct RunbookFiles {
    /// Those that were asked for, first, and then those that they may name.
    pub(super) all: Vec<Runbook>,
    /// How many were asked for.
    pub(super) own: usize,
    /// What was said of all.
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl RunbookFiles {
    /// Reads files and folders; without any, the shipped runbooks are what is asked for. With some, shipped ones come after
    /// them unless their id is taken, so that one may name another.
    pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        let mut diagnostics = Vec::new();
        let mut add = |name: &str, text: &str, all: &mut Vec<Runbook>| {
            let loaded = load(name, text);
            diagnostics.extend(loaded.diagnostics);
            all.extend(loaded.runbook);
        };
        let mut refused = Vec::new();
        for path in paths {
            for file in read_path(path)? {
                // A folder of rules may lie beside, with its lists.
                if file.name.ends_with(".txt") {
                    continue;
                }
                match text_of_file(&file.name, &file.bytes) {
                    Ok(text) => add(&file.name, text, &mut all),
                    Err(problem) => refused.push(problem),
                }
            }
        }
        let given = all.len();
        for (name, text) in runbooks::files() {
            let mut one = Vec::new();
            add(name, text, &mut one);
            all.extend(
                one.into_iter()
                    .filter(|one| !all[..given].iter().any(|other| other.id == one.id))
                    .collect::<Vec<_>>(),
            );
        }
        diagnostics.extend(refused);
        diagnostics.extend(check_set(&all));
        let own = if paths.is_empty() { all.len() } else { given };
        Ok(Self { all, own, diagnostics })
    }

    /// The runbooks that were asked for.
    pub(super) fn own(&self) -> &[Runbook] {
        &self.all[..self.own]
    }

    /// How many errors there are.
    pub(super) fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|one| one.severity == Severity::Error).count()
    }
}

/// The runbooks of these files and folders, and the shipped ones whose id they don't take. With an error among them none is
/// loaded: a runbook that is left out in silence is an attack without an answer.
pub(crate) fn load_runbooks(paths: &[PathBuf]) -> anyhow::Result<Vec<Runbook>> {
    let files = RunbookFiles::read(paths)?;
    let errors = files.errors();
    if errors > 0 {
        let noun = if errors == 1 { "error" } else { "errors" };
        let mut text = format!("{errors} {noun} in the runbooks");
        for one in files.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
            text.push_str(&format!("\n{one}"));
        }
        return Err(UsageError(text).into());
    }
    for one in &files.diagnostics {
        tracing::warn!("{one}");
    }
    Ok(files.all)
}

/// The record in a file beside a runbook; of a log object its first.
pub(super) fn record_beside(runbook: &Runbook, file: &str) -> Result<Value, String> {
    let path = Path::new(&runbook.path).with_file_name(file);
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| format!("{} is not JSON: {error}", path.display()))?;
    Ok(value.pointer("/Records/0").cloned().unwrap_or(value))
}
