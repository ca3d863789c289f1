//! What the loader says of bad rules, and that hostile files cost a bounded amount of work.

use std::fmt::Write as _;
use std::time::Instant;

use trailloop_rules::{CODES, Loaded, RuleSet, Severity, load};

use crate::support::{files, repository, rule_of};

#[test]
fn bad_rules_are_refused_with_place_and_remedy() {
    let folder = repository().join("fixtures/rules-bad");
    let mut said = String::new();
    for path in files(&folder) {
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Loaded { rules, filters, mut diagnostics, .. } =
            load(&name, &std::fs::read_to_string(&path).unwrap());
        let loaded = RuleSet::build(rules, &filters, &mut diagnostics).len();
        assert!(!diagnostics.is_empty(), "{name} is not bad");
        for diagnostic in &diagnostics {
            assert!(CODES.iter().any(|(code, _)| *code == diagnostic.code), "{diagnostic}");
            assert!(
                !diagnostic.help.is_empty() && !diagnostic.to_string().contains('\n'),
                "{diagnostic}"
            );
            writeln!(said, "{diagnostic}").unwrap();
        }
        writeln!(said, "{name}: {loaded} loaded\n").unwrap();
    }
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
        "fixtures/rules-bad/README.md says how to accept a change\nnew: {new:#?}\ngone: {gone:#?}"
    );
}

#[test]
fn every_code_is_shown_by_a_fixture() {
    let expected =
        std::fs::read_to_string(repository().join("fixtures/rules-bad/expected.txt")).unwrap();
    // These are said of a file too full of problems to list, of lists, and of shipped rules.
    let elsewhere = ["too-many-problems", "bad-list", "missing-tests"];
    for (code, _) in CODES.iter().filter(|(code, _)| !elsewhere.contains(code)) {
        assert!(expected.contains(&format!("[{code}]")), "no fixture shows {code}");
    }
}

/// Loads a hostile text, which must take neither long nor much; returns the codes of its errors.
fn hostile(text: &str) -> Vec<&'static str> {
    let start = Instant::now();
    let loaded = load("hostile.yml", text);
    // Far above what any of these takes, far below what they would take without limits.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert!(loaded.diagnostics.iter().all(|d| d.to_string().len() < 2_000));
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    errors.map(|d| d.code).collect()
}

#[test]
fn hostile_files_are_bounded() {
    let selection = |value: &str| rule_of(&format!("s:\n  a: '{value}'\ncondition: s"));
    let condition = |text: &str| rule_of(&format!("s:\n  a: b\ncondition: {text}"));
    let many_values: String = (0..20_000).map(|n| format!("\n    - v{n}")).collect();
    let keys = |separator: &str| -> String {
        (0..20_000).map(|n| format!("k{n}|contains: x{separator}")).collect()
    };
    for (text, code) in [
        (rule_of(&format!("s:\n  {}\ncondition: t", keys("\n  "))), "undefined-identifier"),
        (rule_of(&format!("s: {{{}}}\ncondition: t", keys(", "))), "undefined-identifier"),
        (condition(&"s AND ".repeat(100_000)), "too-large"),
        (rule_of(&format!("{}\ncondition: 1 of them", keys("\n"))), "too-large"),
        (
            format!(
                "{}detection: x\n",
                (0..50_000).map(|n| format!("k{n}: x\n")).collect::<String>()
            ),
            "wrong-type",
        ),
        (selection(&"*a".repeat(50_000)), "too-large"),
        (selection(&"a".repeat(10_000)), "too-large"),
        ("a".repeat(2 * 1024 * 1024), "too-large"),
        ("- x\n".repeat(250_000), "too-large"),
        ("[".repeat(100_000), "yaml-syntax"),
        ("- ".repeat(100_000), "too-large"),
        ("{a: ".repeat(100_000), "yaml-syntax"),
        ("? ".repeat(100_000), "too-large"),
        (condition(&"(".repeat(10_000)), "too-large"),
        (condition(&"not ".repeat(10_000)), "too-large"),
        (
            rule_of(&format!("s:\n  a:{many_values}\ncondition: s{}", " or s".repeat(10_000))),
            "too-large",
        ),
        (format!("a: &a {}\nb: [{}]", "x".repeat(500_000), "*a, ".repeat(100_000)), "too-large"),
        ("a: 1\n".repeat(1_000), "duplicate-key"),
        ("a: &a [*a]\n".to_owned(), "yaml-alias"),
        ("\u{0}\u{1}".to_owned(), "yaml-syntax"),
        ("--- \"\n".repeat(10_000), "yaml-syntax"),
        ("--- [\n".repeat(50_000), "yaml-syntax"),
    ] {
        let codes = hostile(&text);
        assert!(
            codes.contains(&code),
            "{:?}… gave {codes:?}",
            text.chars().take(40).collect::<String>()
        );
    }
}

#[test]
fn a_long_list_of_values_is_no_hostile_file() {
    let values: String = (0..20_000).map(|n| format!("\n    - value-{n}")).collect();
    let loaded = load("long.yml", &rule_of(&format!("s:\n  a:{values}\ncondition: s")));
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
}

#[test]
fn a_broken_document_does_not_take_the_others_down() {
    let good = rule_of("s:\n  eventName: CreateUser\ncondition: s");
    let other = good.replace("9a8d3f1c", "9a8d3f1d");
    let broken = "title: broken\ndetection: [\n";
    let loaded = load("three.yml", &format!("{good}---\n{broken}---\n{other}"));
    assert_eq!(loaded.rules.len(), 2, "{:#?}", loaded.diagnostics);
    let line = u32::try_from(good.lines().count() + 1 + broken.lines().count() + 2).unwrap();
    assert_eq!(loaded.rules[1].line, line);
    assert_eq!(loaded.diagnostics.len(), 1, "{:#?}", loaded.diagnostics);
}
