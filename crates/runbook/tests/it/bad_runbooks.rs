//! What the loader says of bad runbooks.

use std::fmt::Write as _;

use trailloop_runbook::CODES;

use crate::runbooks_support::{load, repository};

#[test]
fn bad_runbooks_are_refused_with_place_and_remedy() {
    let folder = repository().join("fixtures/runbooks-bad");
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut said = String::new();
    let mut count = 0;
    for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "yml")) {
        count += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let loaded = load(&name, &std::fs::read_to_string(path).unwrap());
        assert!(!loaded.diagnostics.is_empty(), "{name} is not bad");
        for diagnostic in &loaded.diagnostics {
            let line = diagnostic.to_string();
            assert!(!diagnostic.help.is_empty() && !line.contains('\n'), "{line}");
            writeln!(said, "{line}").unwrap();
        }
        assert_eq!(loaded.runbook.is_none(), loaded.has_errors());
        said.push('\n');
    }
    assert!(count >= 25, "only {count} files");
    let expected_path = folder.join("expected.txt");
    let Ok(expected) = std::fs::read_to_string(&expected_path) else {
        std::fs::write(&expected_path, said).unwrap();
        panic!("{} is written anew: read it, then run again", expected_path.display());
    };
    assert!(said == expected, "{}", line_difference(&said, &expected));
}

fn line_difference(said: &str, expected: &str) -> String {
    let new: Vec<_> = said.lines().filter(|line| !expected.contains(line)).collect();
    let gone: Vec<_> = expected.lines().filter(|line| !said.contains(line)).collect();
    format!("new: {new:#?}\ngone: {gone:#?}\nto accept it, delete expected.txt and run again")
}

#[test]
fn every_code_is_shown_by_a_fixture() {
    let path = repository().join("fixtures/runbooks-bad/expected.txt");
    let expected = std::fs::read_to_string(path).unwrap();
    // This is said of several runbooks together.
    for (code, _) in CODES.iter().filter(|(code, _)| *code != "unknown-runbook") {
        assert!(expected.contains(&format!("[{code}]")), "no fixture shows {code}");
    }
}

#[test]
fn runbooks_are_checked_together() {
    let (path, text) = crate::runbooks_support::examples().next().unwrap();
    let one = load(path, text).runbook.unwrap();
    let problems = trailloop_runbook::check_set(&[one.clone(), one]);
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(
        lines[0].contains("error[duplicate-name]: the id `contain-iam-user-key`"),
        "{lines:#?}"
    );
    assert!(lines[1].contains("error[unknown-runbook]: `redirect` names `contain-iam-user`"));
    assert_eq!(lines.len(), 5);
}
