//! Sigma's semantics, one event a case: those shared with other engines' authors, and our own for what they leave out.

use serde_json::Value;

use crate::support::{compiled, detects, matches, rule_of, shared};

#[test]
fn the_shared_cases_pass() {
    let Some(path) = shared("sigma-cases.json") else { return };
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let id = case["id"].as_str().unwrap();
        let outcome = compiled(&rule_of(case["detection"].as_str().unwrap()))
            .map(|rules| !matches(&rules, &case["event"].to_string()).is_empty());
        // An expectation of null: the rule must be refused.
        let is_right = match (&outcome, case["expect"].as_bool()) {
            (Ok(matched), Some(expected)) => *matched == expected,
            (Err(_), None) => true,
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{id}: expected {}, got {outcome:?}", case["expect"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() > 100);
}

/// Runs `(detection, record, expected)` rows and names every wrong one.
pub(crate) fn check(rows: &[(&str, &str, bool)]) {
    let wrong: Vec<_> = rows
        .iter()
        .filter(|(detection, json, expected)| detects(detection, json) != *expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn long_lists_of_keywords_are_keywords() {
    let words: String = (0..50).map(|nth| format!("\n  - word-{nth}")).collect();
    let mixed = format!("s:{words}\n  - a: 7\ncondition: s");
    check(&[
        (&mixed, r#"{"x":{"y":["a WORD-49 more"]}}"#, true),
        (&mixed, r#"{"word-7":"x"}"#, false),
        (&mixed, r#"{"a":7}"#, true),
        (&mixed, r#"{"b":7}"#, false),
        (&mixed, r#"{"x":"wörd word-3é"}"#, true),
    ]);
}

#[test]
fn null_missing_and_present() {
    let is_null = "s:\n  a.b: null\ncondition: s";
    let exists = "s:\n  a.b|exists: true\ncondition: s";
    let any = "s:\n  a: '*'\ncondition: s";
    check(&[
        (is_null, r#"{}"#, true),
        (is_null, r#"{"a":null}"#, true),
        (is_null, r#"{"a":"text"}"#, true),
        (is_null, r#"{"a":{"b":null}}"#, true),
        (is_null, r#"{"a":{"b":[null]}}"#, true),
        (is_null, r#"{"a":{"b":0}}"#, false),
        (is_null, r#"{"a":{"b":{}}}"#, false),
        (is_null, r#"{"a":[]}"#, true),
        (is_null, r#"{"a":[{"b":1},{}]}"#, true),
        (is_null, r#"{"a":[{"b":1},{"b":2}]}"#, false),
        (exists, r#"{"a":{"b":null}}"#, true),
        (exists, r#"{"a":[{},{"b":0}]}"#, true),
        (exists, r#"{"a":{}}"#, false),
        (any, r#"{"a":[]}"#, true),
        (any, r#"{"a":{}}"#, true),
        (any, r#"{"a":false}"#, true),
        (any, r#"{"a":[null]}"#, false),
        (any, r#"{}"#, false),
    ]);
}

#[test]
fn numbers_and_booleans_by_text_and_by_value() {
    let is_22 = "s:\n  a: 22\ncondition: s";
    let is_22_text = "s:\n  a: '22'\ncondition: s";
    let account = "s:\n  a: 012345678901\ncondition: s";
    let above = "s:\n  a|gt: 9007199254740993\ncondition: s";
    check(&[
        (is_22, r#"{"a":22.0}"#, true),
        (is_22, r#"{"a":2.2e1}"#, true),
        (is_22, r#"{"a":"22"}"#, true),
        (is_22, r#"{"a":"22.0"}"#, false),
        (is_22, r#"{"a":220}"#, false),
        (is_22_text, r#"{"a":22}"#, true),
        (is_22_text, r#"{"a":22.0}"#, true),
        (account, r#"{"a":"012345678901"}"#, true),
        (above, r#"{"a":9007199254740993}"#, false),
        (above, r#"{"a":9007199254740994}"#, true),
        (above, r#"{"a":"9007199254740994"}"#, true),
        (above, r#"{"a":99999999999999999999999}"#, true),
        (above, r#"{"a":1e400}"#, true),
        (above, r#"{"a":true}"#, false),
        ("s:\n  a: 18446744073709551616\ncondition: s", r#"{"a":18446744073709551616}"#, true),
        ("s:\n  a: 18446744073709551616\ncondition: s", r#"{"a":18446744073709551617}"#, false),
        ("s:\n  a: 1e400\ncondition: s", r#"{"a":1e400}"#, true),
        ("s:\n  a: 100000000000000000000\ncondition: s", r#"{"a":1e20}"#, false),
        ("s:\n  a: 1e20\ncondition: s", r#"{"a":100000000000000000000}"#, false),
        ("s:\n  a|fieldref: b\ncondition: s", r#"{"a":22.0,"b":"22"}"#, true),
        ("s:\n  a|fieldref: b\ncondition: s", r#"{"a":"22.0","b":22}"#, false),
        ("s:\n  a|contains: '.5'\ncondition: s", r#"{"a":1.50}"#, true),
        ("s:\n  a|endswith: '50'\ncondition: s", r#"{"a":1.50}"#, true),
        ("s:\n  a: -5\ncondition: s", r#"{"a":-5}"#, true),
        ("s:\n  a: 0\ncondition: s", r#"{"a":-0}"#, true),
        ("s:\n  a: 1\ncondition: s", r#"{"a":true}"#, false),
        ("s:\n  a: TRUE\ncondition: s", r#"{"a":true}"#, true),
        ("s:\n  a|cased: true\ncondition: s", r#"{"a":true}"#, true),
        ("s:\n  a|gte: 2.5\ncondition: s", r#"{"a":2.5}"#, true),
        ("s:\n  a|lte: 2\ncondition: s", r#"{"a":{"b":1}}"#, false),
    ]);
}

#[test]
fn paths_arrays_objects_and_repeated_keys() {
    let deep = "s:\n  a.b.c: x\ncondition: s";
    let object = "s:\n  a|contains: '\"b\":1'\ncondition: s";
    let all = "s:\n  a|contains|all:\n    - foo\n    - bar\ncondition: s";
    check(&[
        (deep, r#"{"a":[{"b":[{"c":"y"},{"c":["z","X"]}]}]}"#, true),
        (deep, r#"{"a.b.c":"x"}"#, true),
        (deep, r#"{"a.b":{"c":"x"}}"#, true),
        (deep, r#"{"a":{"b.c":"x"}}"#, true),
        (deep, r#"{"a.b.c":"y","a":{"b":{"c":"x"}}}"#, false),
        (deep, r#"{"a":{"b":{"c":"x"}},"a":{"b":1}}"#, true),
        (deep, r#"{"a":{"b":{"c":"x","c":"y"}}}"#, true),
        (deep, r#"{"a":{"b":{"c":"y","c":"x"}}}"#, true),
        (deep, r#"{"a":{"bc":"x"}}"#, false),
        (object, r#"{"a":{"x":0, "b":1}}"#, true),
        (object, r#"{"a":[{"b" : 1}]}"#, true),
        (object, r#"{"a":{"b":"1"}}"#, false),
        ("s:\n  a: leaf\ncondition: s", r#"{"a":{"b":{"c":["x","LEAF"]}}}"#, true),
        ("s:\n  a|re: '^leaf$'\ncondition: s", r#"{"a":{"b":"leaf"}}"#, true),
        ("s:\n  a|contains: 'say \"hi\"'\ncondition: s", r#"{"a":{"b":"say \"hi\""}}"#, true),
        (all, r#"{"a":["a foo","a bar"]}"#, true),
        (all, r#"{"a":["a foo","a baz"]}"#, false),
        (
            "s:\n  eventName: x\ncondition: s",
            r#"{"eventSource":"s","eventName":"y","eventName":"x"}"#,
            true,
        ),
        ("s:\n  eventName: x\ncondition: s", r#"{"eventSource":"s","eventName":["y","x"]}"#, true),
        ("s:\n  eventName: x\n  eventSource: null\ncondition: s", r#"{"eventName":"X"}"#, true),
    ]);
}

#[test]
fn text_modifiers() {
    check(&[
        ("s:\n  a: évil\ncondition: s", r#"{"a":"ÉVIL"}"#, true),
        ("s:\n  a|re: 'É'\ncondition: s", r#"{"a":"é"}"#, false),
        ("s:\n  a|re|i: 'É'\ncondition: s", r#"{"a":"é"}"#, true),
        ("s:\n  a|re|i|s: 'A.B'\ncondition: s", r#"{"a":"a\nb"}"#, true),
        ("s:\n  a|re|contains: 'b+'\ncondition: s", r#"{"a":"abbc"}"#, true),
        ("s:\n  a|startswith|cased: Ab\ncondition: s", r#"{"a":"abc"}"#, false),
        ("s:\n  a|neq|all:\n    - x\n    - y\ncondition: s", r#"{"a":["x","z"]}"#, true),
        ("s:\n  a|neq: x\ncondition: s", r#"{"a":["z","x"]}"#, false),
        ("s:\n  a|contains|neq: x\ncondition: s", r#"{"a":null}"#, true),
        ("s:\n  a|re|neq: '^x'\ncondition: s", r#"{"a":"yx"}"#, true),
        ("s:\n  a|cidr: '10.1.0.0/16'\ncondition: s", r#"{"a":["AWS Internal","10.1.2.3"]}"#, true),
        ("s:\n  a|cidr: '10.1.2.3'\ncondition: s", r#"{"a":"10.1.2.3"}"#, true),
        ("s:\n  a|cidr: '0.0.0.0/0'\ncondition: s", r#"{"a":"035.249.253.232"}"#, false),
        ("s:\n  a|cidr: '0.0.0.0/0'\ncondition: s", r#"{"a":"2001:db8::1"}"#, false),
        ("s:\n  a|cidr: '::/0'\ncondition: s", r#"{"a":"2001:db8::1"}"#, true),
        ("s:\n  a|cidr: '::ffff:10.0.0.0/104'\ncondition: s", r#"{"a":"10.9.9.9"}"#, true),
        ("s:\n  a|windash: '-f'\ncondition: s", r#"{"a":"―F"}"#, true),
        ("s:\n  a|windash: 'x-f'\ncondition: s", r#"{"a":"x/f"}"#, false),
        ("s:\n  a|windash|base64: '-f'\ncondition: s", r#"{"a":"L2Y="}"#, true),
        (
            "s:\n  t|hour|lt: 6\n  t|year: 2026\ncondition: s",
            r#"{"t":"2026-01-02T03:04:05Z"}"#,
            true,
        ),
        ("s:\n  t|hour: 3\ncondition: s", r#"{"t":"three"}"#, false),
    ]);
}

#[test]
fn fields_compared_with_fields() {
    let arn = "s:\n  arn|fieldref|endswith: user\ncondition: s";
    check(&[
        ("s:\n  a|fieldref: b\ncondition: s", r#"{"a":"X","b":"x"}"#, true),
        ("s:\n  a|fieldref|cased: b\ncondition: s", r#"{"a":"X","b":"x"}"#, false),
        ("s:\n  a|fieldref: b\ncondition: s", r#"{"a":22,"b":"22"}"#, true),
        ("s:\n  a|fieldref: b\ncondition: s", r#"{"a":22,"b":22.0}"#, true),
        ("s:\n  a|fieldref: b\ncondition: s", r#"{"a":["p","q"],"b":["r","Q"]}"#, true),
        ("s:\n  a|fieldref: b\ncondition: s", r#"{"a":null,"b":null}"#, false),
        ("s:\n  a|fieldref: b\ncondition: s", r#"{}"#, false),
        ("s:\n  a|fieldref|neq: b\ncondition: s", r#"{"a":"x","b":"y"}"#, true),
        (
            arn,
            r#"{"arn":"arn:aws:iam::111122223333:user/backup-operator","user":"Backup-Operator"}"#,
            true,
        ),
        (
            arn,
            r#"{"arn":"arn:aws:iam::111122223333:user/backup-operator","user":"ci-deployer"}"#,
            false,
        ),
    ]);
}

#[test]
fn keywords_look_at_values_everywhere() {
    check(&[
        ("k:\n  - evil\n  - worse\ncondition: k", r#"{"a":[{"b":"so WORSE"}]}"#, true),
        ("k: evil\ncondition: k", r#"{"a":"an evil"}"#, true),
        ("k: evil\ncondition: k", r#"{"evil":"x"}"#, false),
        ("k:\n  '|all':\n    - foo\n    - bar\ncondition: k", r#"{"a":"foo"}"#, false),
        ("k:\n  '|re': '^f.o$'\ncondition: k", r#"{"a":["foo"]}"#, true),
        ("k:\n  '|contains|all':\n    - foo\n    - bar\ncondition: k", r#"{"a":"barfoo"}"#, true),
        ("k:\n  - evil\n  - a: x\ncondition: k", r#"{"a":"x"}"#, true),
        ("k:\n  - true\ncondition: k", r#"{"a":true}"#, false),
    ]);
}

#[test]
fn conditions() {
    let parts = "a:\n  a: 1\nb:\n  b: 1\nc:\n  c: 1\n_d:\n  d: 1\ncondition: ";
    let check = |condition: &str, json: &str, expected: bool| {
        assert_eq!(
            detects(&format!("{parts}{condition}"), json),
            expected,
            "{condition} on {json}"
        );
    };
    check("a or b and c", r#"{"a":1}"#, true);
    check("(a or b) and c", r#"{"a":1}"#, false);
    check("not a or b", r#"{"a":1,"b":1}"#, true);
    check("not not a", r#"{"a":1}"#, true);
    check("a AND NOT b", r#"{"a":1}"#, true);
    check("2 of them", r#"{"a":1,"c":1}"#, true);
    check("2 of them", r#"{"a":1,"d":1}"#, false);
    check("not 2 of them", r#"{"a":1,"c":1}"#, false);
    check("not 2 of them", r#"{"c":1}"#, true);
    check("all of them", r#"{"a":1,"b":1,"c":1}"#, true);
    check("1 of _*", r#"{"d":1}"#, true);
    check("\n  - a\n  - b", r#"{"b":1}"#, true);
}

#[test]
fn names_with_versions_and_unusual_case_are_indexed_soundly() {
    let versioned = "s:\n  eventSource: lambda.amazonaws.com\n  eventName|startswith: UpdateFunctionCode\ncondition: s";
    let cased = "s:\n  eventName|cased: CreateUser\ncondition: s";
    check(&[
        (
            versioned,
            r#"{"eventSource":"lambda.amazonaws.com","eventName":"UpdateFunctionCode20150331v2"}"#,
            true,
        ),
        (
            versioned,
            r#"{"eventSource":"lambda.amazonaws.com","eventName":"updatefunctioncode"}"#,
            true,
        ),
        (
            versioned,
            r#"{"eventSource":"iam.amazonaws.com","eventName":"UpdateFunctionCode"}"#,
            false,
        ),
        (cased, r#"{"eventSource":"iam.amazonaws.com","eventName":"CreateUser"}"#, true),
        (cased, r#"{"eventSource":"iam.amazonaws.com","eventName":"createuser"}"#, false),
        (
            "s:\n  eventName: key\n  eventSource: x\ncondition: s",
            "{\"eventSource\":\"X\",\"eventName\":\"\u{212A}ey\"}",
            true,
        ),
    ]);
}

#[test]
fn a_rule_set_is_shared_between_threads_and_a_scratch_serves_any_set() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    let small = compiled(&rule_of("s:\n  a: x\ncondition: s")).unwrap();
    let large = compiled(&rule_of("s:\n  a|contains|all: [a, b, c, d, e]\ncondition: s")).unwrap();
    shared(&small);
    let mut buffer = trailloop_cloudtrail::RecordBuffer::new();
    let record =
        trailloop_cloudtrail::Record::parse(br#"{"a":["x","abcde"]}"#, &mut buffer).unwrap();
    let mut scratch = trailloop_rules::MatchScratch::new();
    let mut out = Vec::new();
    for rules in [&small, &large, &small] {
        rules.matches_into(&record, &mut scratch, &mut out);
        assert_eq!(out, [0]);
    }
}

#[test]
fn ids_order_the_rules_and_titles_stand_for_missing_ones() {
    let text = "title: B\ndetection:\n  s:\n    a: x\n  condition: s\n";
    let loaded = trailloop_rules::load(
        "two.yml",
        &format!("{text}---\n{}", rule_of("s:\n  a: x\ncondition: s")),
    );
    let rules = trailloop_rules::RuleSet::build(loaded.rules, &[], &mut Vec::new());
    let ids: Vec<_> = rules.rules().iter().map(|rule| rule.analytic.uid.as_str()).collect();
    // The UUIDv5 of `urn:trailloop:rule:B` in the URL namespace; it must never change.
    assert_eq!(
        ids,
        ["98676e0e-545d-5ee0-8bde-cec8043f000f", "9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a11"]
    );
    assert_eq!(matches(&rules, r#"{"a":"x"}"#), [0, 1]);
}
