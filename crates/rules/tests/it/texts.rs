//! Paths that go on into JSON held by a string of the record.

use serde_json::{Value, json};

use crate::cases::check;
use crate::support::{compiled, matches, rule_of};

/// A record whose field `a` is this text.
fn with_text(text: &str) -> String {
    json!({ "a": text }).to_string()
}

/// `{"b": …}` as a text, that text in another one, and so on.
fn nested(deep: usize, innermost: &str) -> String {
    (1..deep)
        .fold(json!({ "b": innermost }), |inner, _| json!({ "b": inner.to_string() }))
        .to_string()
}

const DEEP: &str = "s:\n  a.b.b.b.b: x\ncondition: s";

#[test]
fn plain_and_percent_encoded() {
    let b = "s:\n  a.b: x\ncondition: s";
    let effect = "s:\n  a.Statement.Effect: Allow\ncondition: s";
    check(&[
        (b, &with_text(r#"{"b":"X"}"#), true),
        (b, &with_text(" \r\n\t{\"b\" : \"x\"} "), true),
        (b, &with_text(r#"[{"b":"y"},{"b":"x"}]"#), true),
        (b, &with_text("%7B%22b%22%3A%22x%22%7D"), true),
        (b, &with_text("%7b%22b%22:%22x%22%7d"), true),
        (b, &with_text("%20%7B%22b%22%3A%22x%22%7D"), true),
        (
            effect,
            &with_text("%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%7D%5D%7D"),
            true,
        ),
        // In a text that is not encoded, a percent sign is one.
        ("s:\n  a.b: '%78'\ncondition: s", &with_text(r#"{"b":"%78"}"#), true),
        (b, &with_text(r#"{"b":"%78"}"#), false),
        ("s:\n  a.b: é\ncondition: s", &with_text("%7B%22b%22%3A%22%C3%A9%22%7D"), true),
        ("s:\n  a.c.b: x\ncondition: s", r#"{"a":{"c":"{\"b\":\"x\"}"}}"#, true),
        (
            "s:\n  a.b|contains|all: [foo, bar]\ncondition: s",
            &with_text(r#"{"b":["foo","bar"]}"#),
            true,
        ),
        ("s:\n  a.b|gt: 5\ncondition: s", &with_text(r#"{"b":6}"#), true),
        ("s:\n  a.b: true\ncondition: s", &with_text(r#"{"b":true}"#), true),
        ("s:\n  a.b|fieldref: c\ncondition: s", r#"{"a":"{\"b\":\"X\"}","c":"x"}"#, true),
        ("s:\n  c|fieldref: a.b\ncondition: s", r#"{"a":"{\"b\":\"X\"}","c":"x"}"#, true),
        ("s:\n  a.b|contains: '\"c\":1'\ncondition: s", &with_text(r#"{"b": {"c" : 1}}"#), true),
    ]);
}

#[test]
fn strings_in_strings_are_followed_four_deep() {
    check(&[
        (DEEP, &with_text(&nested(4, "x")), true),
        ("s:\n  a.b.b.b: x\ncondition: s", &with_text(&nested(3, "x")), true),
        ("s:\n  a.b.b.b.b.b: x\ncondition: s", &with_text(&nested(5, "x")), false),
        ("s:\n  a.b.b.b.b.b: null\ncondition: s", &with_text(&nested(5, "x")), true),
        ("s:\n  a.b.b.b.b|contains: x\ncondition: s", &with_text(&nested(5, "x")), true),
        // An object on the way is no string.
        ("s:\n  a.b.c.b.b.b: x\ncondition: s", r#"{"a":{"b":{"c":{"b":{"b":{"b":"x"}}}}}}"#, true),
    ]);
}

#[test]
fn a_text_that_is_no_json_breaks_the_path_off() {
    for text in [
        "plain",
        "",
        "7",
        "\"{}\"",
        "null",
        "{\"b\":\"x\"",
        "{\"b\":\"x\"} and more",
        "{'b':'x'}",
        "{b:x}",
        "[S3Console/0.4]",
        "%7B%22b%22%3A%22x%22",
        "%7G%22b%22",
        "%7B%ff",
        "%",
        "%7",
        "%é",
        "{\"b\":\"\\ud800\"}",
        "\u{feff}{\"b\":\"x\"}",
    ] {
        let json = with_text(text);
        check(&[
            ("s:\n  a.b: x\ncondition: s", &json, false),
            ("s:\n  a.b: null\ncondition: s", &json, true),
            ("s:\n  a.b|exists: true\ncondition: s", &json, false),
            ("s:\n  a.b|neq: x\ncondition: s", &json, true),
            ("s:\n  a|exists: true\ncondition: s", &json, true),
        ]);
    }
    // Nesting has a limit of its own.
    let deep = |levels: usize| format!("{{\"b\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    check(&[
        ("s:\n  a.b: 1\ncondition: s", &with_text(&deep(100)), true),
        ("s:\n  a.b: 1\ncondition: s", &with_text(&deep(200)), false),
    ]);
}

#[test]
fn texts_among_the_elements_of_an_array() {
    let b = "s:\n  a.b: x\ncondition: s";
    check(&[
        (b, r#"{"a":["{\"b\":\"y\"}","{\"b\":\"x\"}"]}"#, true),
        (b, r#"{"a":["no json",{"b":"x"}]}"#, true),
        (b, r#"{"a":["no json","{\"b\":\"y\"}"]}"#, false),
        (b, r#"{"a":[["{\"b\":\"x\"}"]]}"#, true),
        ("s:\n  a.b: null\ncondition: s", r#"{"a":["{\"b\":\"y\"}","no json"]}"#, true),
        ("s:\n  a.b: null\ncondition: s", r#"{"a":["{\"b\":\"y\"}","{\"b\":\"y\"}"]}"#, false),
    ]);
}

#[test]
fn odd_contents_of_texts() {
    check(&[
        // A number keeps its text.
        ("s:\n  a.b|contains: '.50'\ncondition: s", &with_text(r#"{"b":1.50}"#), true),
        ("s:\n  a.b: 1.5\ncondition: s", &with_text(r#"{"b":1.50}"#), true),
        (
            "s:\n  a.b: 18446744073709551617\ncondition: s",
            &with_text(r#"{"b":18446744073709551617}"#),
            true,
        ),
        (
            "s:\n  a.b: 18446744073709551616\ncondition: s",
            &with_text(r#"{"b":18446744073709551617}"#),
            false,
        ),
        ("s:\n  a.b|startswith: 1E\ncondition: s", &with_text(r#"{"b":1e3}"#), true),
        ("s:\n  a.b|endswith: '.50'\ncondition: s", &with_text("%7B%22b%22%3A1.50%7D"), true),
        // A key that stands twice stands for both, one with dots for itself.
        ("s:\n  a.b: x\ncondition: s", &with_text(r#"{"b":"x","b":"y"}"#), true),
        ("s:\n  a.b: y\ncondition: s", &with_text(r#"{"b":"x","b":"y"}"#), true),
        ("s:\n  a.b.c: x\ncondition: s", &with_text(r#"{"b.c":"x","b":{"c":"y"}}"#), true),
        ("s:\n  a.b.c: y\ncondition: s", &with_text(r#"{"b.c":"x","b":{"c":"y"}}"#), false),
        // Escapes are those of JSON.
        ("s:\n  a.b: \"\\U0001F512\"\ncondition: s", &with_text(r#"{"b":"\ud83d\udd12"}"#), true),
        (
            "s:\n  a.b|contains: 'say \"hi\"'\ncondition: s",
            &with_text(r#"{"b":"say \"hi\""}"#),
            true,
        ),
        // The string itself is a text still.
        ("s:\n  a|contains: '\"b\" : 1'\ncondition: s", &with_text(r#"{"b" : 1}"#), true),
        ("s:\n  a|contains: '\"b\":1'\ncondition: s", &with_text(r#"{"b" : 1}"#), false),
        // Keywords look at the strings of the record as they are.
        ("k: ['b%22']\ncondition: k", &with_text("%7B%22b%22%3A1%7D"), true),
        ("k: [xé]\ncondition: k", &with_text(r#"{"b":"x\u00e9"}"#), false),
    ]);
}

#[test]
fn several_rules_ask_into_one_text_and_texts_are_forgotten() {
    let rule = |nth: usize, detection: &str| {
        rule_of(detection).replace("9a8d3f1c", &format!("9a8d3f{nth:02}"))
    };
    let text = [
        rule(10, "s:\n  a.b: x\ncondition: s"),
        rule(11, "s:\n  a.c|contains: y\ncondition: s"),
        rule(12, "s:\n  a.b|neq: x\n  a.c: null\ncondition: s"),
        rule(13, "s:\n  a.d.e: 1\n  a.b: x\ncondition: s"),
    ]
    .join("---\n");
    let rules = compiled(&text).unwrap();
    assert_eq!(rules.len(), 4);
    let ask = |value: &Value| matches(&rules, &json!({ "a": value.to_string() }).to_string());
    for _ in 0..3 {
        assert_eq!(ask(&json!({"b": "x", "c": "yy"})), [0, 1]);
        assert_eq!(ask(&json!({"b": "z"})), [2]);
        assert_eq!(ask(&json!({"b": "x", "d": json!({"e": 1}).to_string()})), [0, 3]);
        assert_eq!(matches(&rules, r#"{"a":"plain"}"#), [2]);
        assert_eq!(matches(&rules, r#"{"a":"{\"b\":\"x\"}","a":"{\"c\":\"y\"}"}"#), [0, 1]);
    }
}
