//! Files whose documents share parts: `action: global`, `repeat` and `reset`.

use trailloop_rules::{Loaded, RuleSet};

use crate::support::{load, matches};

const SOURCE: &str = "logsource: {product: aws, service: cloudtrail}\n";

/// The rules of a file, which must hold no error, as `(title, id's last digit)`.
fn titles(text: &str) -> Vec<(String, char)> {
    let loaded = load("collection.yml", text);
    assert_eq!(loaded.rejected, 0, "{:#?}", loaded.diagnostics);
    let title = |rule: &trailloop_rules::Rule| {
        (rule.analytic.name.clone(), rule.analytic.uid.chars().last().unwrap())
    };
    loaded.rules.iter().map(title).collect()
}

fn id(last: char) -> String {
    format!("id: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a0{last}\n")
}

/// What a record hits, by title.
fn hits(text: &str, json: &str) -> Vec<String> {
    let Loaded { rules, filters, diagnostics, .. } = load("collection.yml", text);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    let set = RuleSet::build(rules, &filters, &mut Vec::new());
    matches(&set, json).into_iter().map(|nth| set.rule(nth).analytic.name.clone()).collect()
}

#[test]
fn a_template_serves_all_later_documents() {
    let text = format!(
        "title: Before\n{before}level: high\n{SOURCE}detection:\n  s:\n    a: x\n  condition: s\n---\n\
         action: global\nlevel: low\n{SOURCE}detection:\n  s:\n    a: x\n  condition: s\n---\n\
         title: One\n{one}---\n\
         title: Two\n{two}detection:\n  s:\n    b: y\n---\n\
         title: Three\n{three}detection:\n  s:\n    a: z\n---\n\
         title: Four\n{four}detection:\n  t:\n    b: y\n  condition: s or t\n",
        before = id('0'),
        one = id('1'),
        two = id('2'),
        three = id('3'),
        four = id('4'),
    );
    assert_eq!(
        titles(&text).iter().map(|(title, _)| title.as_str()).collect::<Vec<_>>(),
        ["Before", "One", "Two", "Three", "Four"]
    );
    // Key by key into mappings: `Two` wants both fields, `Three` has another value for the one.
    assert_eq!(hits(&text, r#"{"a":"x"}"#), ["Before", "One", "Four"]);
    assert_eq!(hits(&text, r#"{"a":"x","b":"y"}"#), ["Before", "One", "Two", "Four"]);
    assert_eq!(hits(&text, r#"{"a":"z"}"#), ["Three"]);
    let levels: Vec<_> = load("c.yml", &text)
        .rules
        .iter()
        .map(|rule| format!("{:?}", rule.analytic.level))
        .collect();
    assert_eq!(levels, ["High", "Low", "Low", "Low", "Low"]);
}

#[test]
fn lists_and_scalars_are_replaced_whole() {
    let text = format!(
        "action: global\ntags: [one, two]\nlevel: low\n{SOURCE}detection:\n  s:\n    a: [x, y]\n  condition: s\n---\n\
         title: One\n{}tags: [three]\ndetection:\n  s:\n    a: [z]\n---\n\
         title: Two\n{}detection:\n  s: [keyword]\n",
        id('1'),
        id('2'),
    );
    assert_eq!(load("c.yml", &text).rules[0].analytic.tags, ["three"]);
    assert_eq!(load("c.yml", &text).rules[1].analytic.tags, ["one", "two"]);
    assert_eq!(hits(&text, r#"{"a":"x"}"#), [""; 0]);
    assert_eq!(hits(&text, r#"{"a":"z"}"#), ["One"]);
    assert_eq!(hits(&text, r#"{"b":"a keyword"}"#), ["Two"]);
}

#[test]
fn templates_add_up_until_they_are_forgotten() {
    let text = format!(
        "action: global\nlevel: low\n{SOURCE}---\n\
         action: global\ndetection:\n  s:\n    a: x\n  condition: s\n---\n\
         title: One\n{}---\n\
         action: reset\n---\n\
         title: Two\n{}level: high\n{SOURCE}detection:\n  s:\n    a: x\n  condition: s\n---\n\
         action: global\nlevel: critical\n{SOURCE}---\n\
         title: Three\n{}detection:\n  s:\n    a: y\n  condition: s\n",
        id('1'),
        id('2'),
        id('3'),
    );
    let loaded = load("c.yml", &text);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let levels: Vec<_> =
        loaded.rules.iter().map(|rule| format!("{:?}", rule.analytic.level)).collect();
    assert_eq!(levels, ["Low", "High", "Critical"]);
    assert_eq!(hits(&text, r#"{"a":"x"}"#), ["One", "Two"]);
}

#[test]
fn repeating_lays_over_the_last_rule() {
    let text = format!(
        "title: One\n{}level: low\n{SOURCE}detection:\n  s:\n    a: x\n    b: y\n  condition: s\n---\n\
         action: repeat\ntitle: Two\n{}detection:\n  s:\n    b: z\n---\n\
         action: repeat\ntitle: Three\n{}detection:\n  s:\n    a: w\n",
        id('1'),
        id('2'),
        id('3'),
    );
    assert_eq!(
        titles(&text),
        [("One".to_owned(), '1'), ("Two".to_owned(), '2'), ("Three".to_owned(), '3')]
    );
    assert_eq!(hits(&text, r#"{"a":"x","b":"y"}"#), ["One"]);
    assert_eq!(hits(&text, r#"{"a":"x","b":"z"}"#), ["Two"]);
    // The last rule is the one that was repeated last.
    assert_eq!(hits(&text, r#"{"a":"w","b":"z"}"#), ["Three"]);
}

#[test]
fn ids_and_places_of_collections() {
    // Two rules of one id: that of the template.
    let text = format!(
        "action: global\n{}level: low\n{SOURCE}detection:\n  s:\n    a: x\n  condition: s\n---\ntitle: One\n---\ntitle: Two\n",
        id('1'),
    );
    let mut diagnostics = Vec::new();
    let set = RuleSet::build(load("c.yml", &text).rules, &[], &mut diagnostics);
    diagnostics.retain(|one| !one.is_lint());
    assert_eq!(set.len(), 1);
    assert_eq!(diagnostics.iter().map(|one| one.code).collect::<Vec<_>>(), ["duplicate-id"]);
    assert_eq!(set.rule(0).analytic.name, "One");
    // Without an id, the title stands for it.
    let without = text.replace(&id('1'), "");
    assert_eq!(load("c.yml", &without).rules.len(), 2);
    assert_ne!(
        load("c.yml", &without).rules[0].analytic.uid,
        load("c.yml", &without).rules[1].analytic.uid
    );
    // What is wrong in the template is said where it stands there, what is wrong in the rule where it stands in it.
    let text = "action: global\nlevel: hgih\ndetection:\n  s:\n    a|contians: x\n  condition: s\n---\ntitle: One\ndetection:\n  t:\n    b|contians: y\n";
    let said: Vec<_> = load("c.yml", text)
        .diagnostics
        .iter()
        .filter(|one| matches!(one.code, "bad-level" | "unknown-modifier"))
        .map(|one| (one.line, one.column))
        .collect();
    assert_eq!(said, [(2, 8), (5, 7), (11, 7)]);
    // A rule's line is that of its own document.
    assert_eq!(load("c.yml", &without).rules[0].line, 9);
}

#[test]
fn actions_that_make_no_sense_cost_themselves_only() {
    let rule = format!(
        "title: One\n{}level: low\n{SOURCE}detection:\n  s:\n    a: x\n  condition: s\n",
        id('1')
    );
    for (before, code) in [
        ("action: repeat\nlevel: low\n", "bad-action"),
        ("action: glboal\nlevel: low\n", "bad-action"),
        ("action: reset\n---\naction: repeat\n", "bad-action"),
        ("action: [global]\n", "bad-action"),
    ] {
        let loaded = load("c.yml", &format!("{before}---\n{rule}"));
        assert_eq!(loaded.rules.len(), 1, "{before}");
        assert!(loaded.rejected > 0, "{before}");
        assert_eq!(loaded.diagnostics.iter().map(|one| one.code).collect::<Vec<_>>(), [code]);
    }
    // Neither a template nor a reset is a rule.
    let loaded = load("c.yml", "action: global\nlevel: low\n---\naction: reset\n");
    assert!(loaded.rules.is_empty());
}

#[test]
fn filters_take_part_in_collections() {
    let text = format!(
        "action: global\n{SOURCE}---\n\
         title: One\n{}level: low\ndetection:\n  s:\n    a: x\n  condition: s\n---\n\
         title: A filter\nfilter:\n  t:\n    b: y\n  condition: not t\n",
        id('1'),
    );
    assert_eq!(hits(&text, r#"{"a":"x"}"#), ["One"]);
    assert_eq!(hits(&text, r#"{"a":"x","b":"y"}"#), [""; 0]);
}
