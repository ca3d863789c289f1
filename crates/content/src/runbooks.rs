//! The runbooks this project ships, embedded, each with its tests.

use include_dir::{Dir, include_dir};
use trailloop_runbook::{Diagnostic, Runbook, check_set, load};

static RUNBOOKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/runbooks");

/// The files: path and text, in the order of their paths.
#[must_use]
pub fn files() -> Vec<(&'static str, &'static str)> {
    let file = |file: &'static include_dir::File<'static>| {
        Some((file.path().to_str()?, file.contents_utf8()?))
    };
    let mut files: Vec<_> = RUNBOOKS.files().filter_map(file).collect();
    files.retain(|(path, _)| path.ends_with(".yml"));
    files.sort_unstable();
    files
}

/// The shipped runbooks, and what is wrong with them, which is nothing.
#[must_use]
pub fn shipped() -> (Vec<Runbook>, Vec<Diagnostic>) {
    let mut runbooks = Vec::new();
    let mut diagnostics = Vec::new();
    for (path, text) in files() {
        let loaded = load(path, text);
        runbooks.extend(loaded.runbook);
        diagnostics.extend(loaded.diagnostics);
    }
    diagnostics.extend(check_set(&runbooks));
    (runbooks, diagnostics)
}

#[cfg(test)]
mod tests {
    use trailloop_runbook::trial::run_trials;

    use super::*;

    #[test]
    fn every_file_is_a_runbook_without_a_complaint() {
        let (runbooks, diagnostics) = shipped();
        let complaints: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(complaints, Vec::<String>::new());
        assert_eq!(runbooks.len(), files().len());
    }

    #[test]
    fn every_runbook_passes_its_tests() {
        let (runbooks, _) = shipped();
        for runbook in &runbooks {
            assert!(!runbook.tests.is_empty(), "{} has no test", runbook.id);
            let resolve = |record: &serde_json::Value| Ok(trailloop_runbook::resolve(record));
            for outcome in run_trials(runbook, &resolve, &|file| Err(format!("no file {file}"))) {
                assert!(outcome.is_passed(), "{}: {outcome:?}", runbook.id);
            }
        }
    }
}
