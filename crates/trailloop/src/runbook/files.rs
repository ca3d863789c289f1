//! The runbooks that are loaded: those of the files and folders that were named, and those we ship.

use std::path::{Path, PathBuf};

use serde_json::Value;
use trailloop_content::runbooks;
use trailloop_rules::text_of_file;
use trailloop_runbook::document::Action;
use trailloop_runbook::{Diagnostic, Runbook, Severity, before, check_set, load};

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
        diagnostics.extend(all.iter().flat_map(unheeded));
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

/// What a runbook says and the executor does not do: nothing of it is passed over in silence. Places are those of the file's
/// beginning, since a runbook that is loaded has lost its lines.
fn unheeded(runbook: &Runbook) -> Vec<Diagnostic> {
    let problem = |severity, code, message, help: &str| Diagnostic {
        path: runbook.path.clone(),
        line: 1,
        column: 1,
        severity,
        code,
        message,
        help: help.to_owned(),
    };
    let mut problems = Vec::new();
    for step in &runbook.steps {
        let name = &step.name;
        if step.on_cancel.is_some() {
            problems.push(problem(
                Severity::Warning,
                "exported-only",
                format!("step `{name}` has `onCancel`, which is exported and never used here"),
                "a run is not cancelled here but undone: write what takes the step back under `undo:`",
            ));
        }
        if let Action::Automation { parameters, .. } = &step.action
            && !parameters.iter().all(is_bound_there)
        {
            problems.push(problem(
                Severity::Warning,
                "exported-only",
                format!("step `{name}` gives parameters, which are exported and never used here"),
                "the other runbook binds its own parameters to the finding: write them under its `bind:`",
            ));
        }
    }
    if let Err(message) = before::reads(runbook) {
        let help = "name a parameter as the input, or read something else";
        problems.push(problem(Severity::Error, "unknown-input", message, help));
    }
    problems
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

/// Whether a parameter is handed on under its own name, which the other runbook binds by itself.
fn is_bound_there((name, value): (&String, &Value)) -> bool {
    let value = match value {
        Value::Array(values) if values.len() == 1 => &values[0],
        value => value,
    };
    value.as_str().is_some_and(|text| {
        text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}")).map(str::trim)
            == Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_done_here_is_said() {
        let (name, text) = runbooks::files()
            .into_iter()
            .find(|(name, _)| *name == "contain-iam-user-key.yml")
            .unwrap();
        let said = |from: &str, to: &str| {
            assert!(text.contains(from));
            let loaded = load(name, &text.replacen(from, to, 1));
            let runbook = loaded.runbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
            let said: Vec<String> = unheeded(&runbook).iter().map(ToString::to_string).collect();
            said.join("\n")
        };
        assert_eq!(said("", ""), "");
        let cancel =
            said("    maxAttempts: 4", "    onCancel: step:denyTokens\n    maxAttempts: 4");
        assert!(
            cancel.contains("warning[exported-only]") && cancel.contains("`onCancel`"),
            "{cancel}"
        );
        let before = said("[\"iam:ListAccessKeys\",", "[\"kms:DescribeKey\",");
        assert!(before.contains("error[unknown-input]") && before.contains("KeyId"), "{before}");
    }
}
