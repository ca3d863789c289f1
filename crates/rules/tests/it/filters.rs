//! Filters: which rules they speak of, and what they take away from them.

use trailloop_rules::{Loaded, RuleSet, run_tests};

use crate::support::{load, matches};

const FIRST: &str = "title: First\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a01\nname: first_rule\nlevel: low\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  selection:\n    a: x\n  condition: 1 of them\n";
const SECOND: &str = "title: Second\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a02\nlevel: low\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  selection:\n    a: x\n  scanner:\n    a: y\n  condition: all of sel* or scanner\n";

fn filter(rules: &str, body: &str) -> String {
    format!(
        "title: A filter\nlogsource: {{product: aws, service: cloudtrail}}\nfilter:\n{rules}{body}"
    )
}

const BODY: &str = "  scanner:\n    agent: scan\n  condition: not scanner\n";

/// The two rules and these filters, with the codes of what was said of them.
fn joined(filters: &[String]) -> (RuleSet, Vec<&'static str>) {
    let text = [&[FIRST.to_owned(), SECOND.to_owned()], filters].concat().join("---\n");
    let Loaded { rules, filters, mut diagnostics, .. } = load("rules.yml", &text);
    let set = RuleSet::build(rules, &filters, &mut diagnostics);
    diagnostics.retain(|one| !one.is_lint());
    (set, diagnostics.iter().map(|one| one.code).collect())
}

#[test]
fn filters_name_their_rules() {
    let both = r#"{"a":"x","agent":"other"}"#;
    let scanned = r#"{"a":"x","agent":"scan"}"#;
    for (rules, left, said) in [
        ("  rules: [9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a01]\n", &[1_u32][..], &[][..]),
        ("  rules: [9A8D3F1C-0F0E-4B57-8F5E-0D7A5C1C8A02]\n", &[0], &[]),
        ("  rules: first_rule\n", &[1], &[]),
        ("  rules:\n    - first_rule\n    - 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a02\n", &[], &[]),
        ("  rules: any\n", &[], &[]),
        ("  rules: Any\n", &[], &[]),
        ("  rules: []\n", &[], &[]),
        ("  rules:\n", &[], &[]),
        ("", &[], &[]),
        ("  rules: [not_there]\n", &[0, 1], &["unknown-rule"]),
        ("  rules: [not_there, first_rule]\n", &[1], &["unknown-rule"]),
        ("  rules: [First]\n", &[0, 1], &["unknown-rule"]),
    ] {
        let (set, codes) = joined(&[filter(rules, BODY)]);
        assert_eq!(codes, said, "{rules}");
        assert_eq!(matches(&set, both), [0, 1], "{rules}");
        assert_eq!(matches(&set, scanned), left, "{rules}");
    }
}

#[test]
fn several_filters_join() {
    let other = "  office:\n    ip|cidr: 192.0.2.0/24\n  condition: not office\n";
    let (set, codes) =
        joined(&[filter("  rules: first_rule\n", BODY), filter("  rules: any\n", other)]);
    assert!(codes.is_empty(), "{codes:?}");
    for (json, expected) in [
        (r#"{"a":"x"}"#, &[0_u32, 1][..]),
        (r#"{"a":"x","agent":"scan"}"#, &[1]),
        (r#"{"a":"x","ip":"192.0.2.7"}"#, &[]),
        (r#"{"a":"y","ip":"198.51.100.7","agent":"scan"}"#, &[1]),
        (r#"{"a":"z"}"#, &[]),
    ] {
        assert_eq!(matches(&set, json), expected, "{json}");
    }
}

#[test]
fn a_filter_is_joined_as_it_is_written() {
    let keeps = "  scanner:\n    agent: scan\n  condition: scanner\n";
    let (set, codes) = joined(&[filter("  rules: first_rule\n", keeps)]);
    assert_eq!(codes, ["filter-polarity"]);
    assert_eq!(matches(&set, r#"{"a":"x","agent":"scan"}"#), [0, 1]);
    assert_eq!(matches(&set, r#"{"a":"x"}"#), [1]);
    for says_not in [
        "  scanner:\n    agent|neq: scan\n  condition: scanner\n",
        "  scanner:\n    agent: scan\n  condition: NOT scanner\n",
        "  scanner:\n    agent: scan\n  condition: [not scanner]\n",
    ] {
        let (set, codes) = joined(&[filter("", says_not)]);
        assert!(!codes.contains(&"filter-polarity"), "{says_not}");
        assert_eq!(matches(&set, r#"{"a":"x","agent":"scan"}"#), [0_u32; 0], "{says_not}");
        assert_eq!(matches(&set, r#"{"a":"x"}"#), [0, 1], "{says_not}");
    }
}

#[test]
fn names_of_a_filter_are_its_own() {
    // `selection` and `scanner` are names of the rules as well.
    let body = "  selection:\n    agent: scan\n  scanner:\n    ip: 192.0.2.7\n  condition: not 1 of them\n";
    let (set, codes) = joined(&[filter("", body)]);
    assert!(codes.is_empty(), "{codes:?}");
    assert_eq!(matches(&set, r#"{"a":"x"}"#), [0, 1]);
    assert_eq!(matches(&set, r#"{"a":"x","agent":"scan"}"#), [0_u32; 0]);
    assert_eq!(matches(&set, r#"{"a":"x","ip":"192.0.2.7"}"#), [0_u32; 0]);
    // The rules' `1 of them` and `sel*` see no name of the filter.
    assert_eq!(matches(&set, r#"{"agent":"other","ip":"other"}"#), [0_u32; 0]);
    // Nor does a filter see theirs.
    let (_, codes) = joined(&[filter("", "  mine:\n    agent: scan\n  condition: not scanner\n")]);
    assert_eq!(codes, ["undefined-identifier"]);
}

#[test]
fn a_rules_own_tests_run_without_filters() {
    let text = format!(
        "{FIRST}trailloop:\n  tests:\n    - {{name: hit, event: {{a: x, agent: scan}}, expect: true}}\n---\n{}",
        filter("", BODY)
    );
    let Loaded { rules, filters, mut diagnostics, .. } = load("rules.yml", &text);
    let set = RuleSet::build(rules, &filters, &mut diagnostics);
    diagnostics.retain(|one| !one.is_lint());
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    assert_eq!(matches(&set, r#"{"a":"x","agent":"scan"}"#), [0_u32; 0]);
    let outcomes = run_tests(set.rule(0), &|path| Err(path.to_owned()));
    assert!(outcomes[0].is_passed(), "{outcomes:#?}");
}

#[test]
fn filters_know_scopes_texts_and_derived_fields() {
    let body = "  quiet:\n    ua.family: aws-cli\n    a[any]: y\n  condition: not quiet\n";
    let text = filter("", body).replacen("filter:", "sigma-version: 3\nfilter:", 1);
    let (set, codes) = joined(&[text]);
    assert!(codes.is_empty(), "{codes:?}");
    assert_eq!(matches(&set, r#"{"a":["x","y"],"userAgent":"aws-cli/2.0"}"#), [0_u32; 0]);
    assert_eq!(matches(&set, r#"{"a":["x","y"],"userAgent":"curl/8"}"#), [0, 1]);
    assert_eq!(matches(&set, r#"{"a":["x"],"userAgent":"aws-cli/2.0"}"#), [0, 1]);
}
