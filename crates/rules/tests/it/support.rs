//! What the tests share.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use trailloop_cloudtrail::{
    Glance, Limits, Reader, Record, RecordBuffer, Scratch, Verdict, read_wanted,
};
use trailloop_rules::{Diagnostic, Lists, Loaded, MatchScratch, RuleSet, Severity};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Data beside the repository, if it is there; says so if it is not.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = repository().join("../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    // Not by a print macro: what they write is captured.
    let said = format!("skipped: {} is not there", path.display());
    std::io::Write::write_all(&mut std::io::stderr(), format!("{said}\n").as_bytes()).ok();
    None
}

/// The files of a folder, in order of their names.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Fails unless what was said of a folder of fixtures is what its `expected.txt` holds.
pub(crate) fn assert_is_expected(folder: &Path, said: &str) {
    let path = folder.join("expected.txt");
    let Ok(expected) = std::fs::read_to_string(&path) else {
        std::fs::write(&path, said).unwrap();
        panic!("{} is written anew: read it, then run again", path.display());
    };
    let new: Vec<_> =
        said.lines().filter(|line| !expected.lines().any(|old| old == *line)).collect();
    let gone: Vec<_> =
        expected.lines().filter(|line| !said.lines().any(|new| new == *line)).collect();
    assert!(
        said == expected,
        "{} says how to accept a change\nnew: {new:#?}\ngone: {gone:#?}",
        folder.join("README.md").display()
    );
}

/// Loads a file without what the linter says of it: these tests invent fields and events.
pub(crate) fn load(path: &str, text: &str) -> Loaded {
    load_with(path, text, &Lists::new())
}

/// The same with lists.
pub(crate) fn load_with(path: &str, text: &str, lists: &Lists) -> Loaded {
    let mut loaded = trailloop_rules::load_with(path, text, lists);
    loaded.diagnostics.retain(|one| !one.is_lint());
    loaded
}

/// A whole rule around a `detection:` section given without indentation.
pub(crate) fn rule_of(detection: &str) -> String {
    let indented: String = detection.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "title: A case\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a11\nlevel: low\n\
         logsource:\n  product: aws\n  service: cloudtrail\ndetection:\n{indented}"
    )
}

/// Loads one rule and compiles it alone; the errors if it is refused.
pub(crate) fn compiled(text: &str) -> Result<RuleSet, Vec<Diagnostic>> {
    let Loaded { rules, diagnostics, .. } = load("case.yml", text);
    if rules.is_empty() {
        assert!(diagnostics.iter().any(|d| d.severity == Severity::Error), "refused in silence");
        return Err(diagnostics);
    }
    Ok(RuleSet::build(rules, &[], &mut Vec::new()))
}

/// The numbers of the rules that match a record given as JSON, by way of the index and without it.
pub(crate) fn matches(rules: &RuleSet, json: &str) -> Vec<u32> {
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
    let mut scratch = MatchScratch::new();
    let (mut with, mut without) = (vec![u32::MAX], vec![u32::MAX]);
    rules.matches_into(&record, &mut scratch, &mut with);
    rules.matches_without_index_into(&record, &mut scratch, &mut without);
    assert_eq!(with, without, "the index changes what matches {json}");
    assert!(with.is_empty() || lets_pass(rules, json), "the gate hides what matches {json}");
    with
}

/// Whether the gate finds a record worth parsing, or was not asked.
pub(crate) fn lets_pass(rules: &RuleSet, json: &str) -> bool {
    struct Gate<'r> {
        rules: &'r RuleSet,
        lets_pass: bool,
    }
    impl Reader for Gate<'_> {
        fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
            self.lets_pass = self.rules.may_match(glance, &mut MatchScratch::new());
            Verdict::Parse
        }

        fn take(&mut self, _record: Record<'_>) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }
    let mut gate = Gate { rules, lets_pass: true };
    let object = format!("[{json}]");
    read_wanted(object.as_bytes(), &Limits::default(), &mut Scratch::new(), &mut gate);
    gate.lets_pass
}

/// Whether a detection matches a record.
pub(crate) fn detects(detection: &str, json: &str) -> bool {
    match compiled(&rule_of(detection)) {
        Ok(rules) => !matches(&rules, json).is_empty(),
        Err(diagnostics) => panic!("{detection}\n{diagnostics:#?}"),
    }
}
