//! Array scopes: which elements a body speaks of, and what there is inside of one.

use trailloop_rules::load;

use crate::support::{compiled, matches, rule_of};

/// A rule of the version of Sigma that knows scopes.
fn scoped(detection: &str) -> String {
    rule_of(detection).replacen("level: low\n", "level: low\nsigma-version: 3\n", 1)
}

/// Runs `(detection, record, expected)` rows and names every wrong one.
fn check(rows: &[(&str, &str, bool)]) {
    let wrong: Vec<_> = rows
        .iter()
        .filter(|(detection, json, expected)| match compiled(&scoped(detection)) {
            Ok(rules) => matches(&rules, json).is_empty() == *expected,
            Err(diagnostics) => panic!("{detection}\n{diagnostics:#?}"),
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const ANY: &str = "s:\n  a[any].b: x\ncondition: s";
const ALL: &str = "s:\n  a[all].b: x\ncondition: s";
const ALL_OR_EMPTY: &str = "s:\n  a[all_or_empty].b: x\ncondition: s";
const NONE: &str = "s:\n  a[none].b: x\ncondition: s";

#[test]
fn quantifiers_over_elements() {
    check(&[
        (ANY, r#"{"a":[{"b":"y"},{"b":"X"}]}"#, true),
        (ANY, r#"{"a":[{"b":"y"},{"c":"x"}]}"#, false),
        (ALL, r#"{"a":[{"b":"x"},{"b":"X"}]}"#, true),
        (ALL, r#"{"a":[{"b":"x"},{"b":"y"}]}"#, false),
        (ALL, r#"{"a":[{"b":"x"},{}]}"#, false),
        (ALL, r#"{"a":[{"b":"x"},null]}"#, false),
        (ALL_OR_EMPTY, r#"{"a":[{"b":"x"},{"b":"x"}]}"#, true),
        (ALL_OR_EMPTY, r#"{"a":[{"b":"x"},{"b":"y"}]}"#, false),
        (NONE, r#"{"a":[{"b":"y"},{"c":"x"}]}"#, true),
        (NONE, r#"{"a":[{"b":"y"},{"b":"x"}]}"#, false),
        // A body is about one element, and an element may hold an array itself.
        (ALL, r#"{"a":[{"b":["y","x"]},{"b":"x"}]}"#, true),
        (NONE, r#"{"a":[{"b":["y","x"]}]}"#, false),
    ]);
}

#[test]
fn nothing_null_and_single_values() {
    for nothing in [r#"{}"#, r#"{"a":null}"#, r#"{"a":[]}"#, r#"{"c":[{"b":"x"}]}"#] {
        check(&[
            (ANY, nothing, false),
            (ALL, nothing, false),
            (ALL_OR_EMPTY, nothing, true),
            (NONE, nothing, true),
        ]);
    }
    check(&[
        // A single value is an array of one.
        (ANY, r#"{"a":{"b":"x"}}"#, true),
        (ALL, r#"{"a":{"b":"x"}}"#, true),
        (ALL_OR_EMPTY, r#"{"a":{"b":"y"}}"#, false),
        (NONE, r#"{"a":{"b":"x"}}"#, false),
        (ANY, r#"{"a":"x"}"#, false),
        (ALL_OR_EMPTY, r#"{"a":"x"}"#, false),
        (NONE, r#"{"a":7}"#, true),
        ("s:\n  a[any]: x\ncondition: s", r#"{"a":"X"}"#, true),
        ("s:\n  a[all]: x\ncondition: s", r#"{"a":["x","X"]}"#, true),
        ("s:\n  a[all]: x\ncondition: s", r#"{"a":["x","y"]}"#, false),
        ("s:\n  a[none]: x\ncondition: s", r#"{"a":["z","y"]}"#, true),
        // A null element is an element, though none of its fields has a value.
        ("s:\n  a[any].b: null\ncondition: s", r#"{"a":[null]}"#, true),
        ("s:\n  a[any]: null\ncondition: s", r#"{"a":[1,null]}"#, true),
        ("s:\n  a[any]: null\ncondition: s", r#"{"a":[1,2]}"#, false),
        ("s:\n  a[any].b|exists: false\ncondition: s", r#"{"a":[{"b":1},{}]}"#, true),
        ("s:\n  a[all].b|exists: true\ncondition: s", r#"{"a":[{"b":null},{"b":1}]}"#, true),
    ]);
}

#[test]
fn positions_in_arrays() {
    check(&[
        ("s:\n  a[0]: x\ncondition: s", r#"{"a":["x","y"]}"#, true),
        ("s:\n  a[0]: x\ncondition: s", r#"{"a":["y","x"]}"#, false),
        ("s:\n  a[1]: x\ncondition: s", r#"{"a":["y","x"]}"#, true),
        ("s:\n  a[-1]: x\ncondition: s", r#"{"a":["y","x"]}"#, true),
        ("s:\n  a[-2]: y\ncondition: s", r#"{"a":["y","x"]}"#, true),
        ("s:\n  a[-3]: y\ncondition: s", r#"{"a":["y","x"]}"#, false),
        ("s:\n  a[2]: null\ncondition: s", r#"{"a":["y","x"]}"#, true),
        ("s:\n  a[2]|exists: true\ncondition: s", r#"{"a":["y","x"]}"#, false),
        ("s:\n  a[0]|exists: true\ncondition: s", r#"{"a":[null]}"#, true),
        // What is no array has no elements to count.
        ("s:\n  a[0]: x\ncondition: s", r#"{"a":"x"}"#, false),
        ("s:\n  a[0].b: x\ncondition: s", r#"{"a":{"b":"x"}}"#, false),
        ("s:\n  a[0].b: x\ncondition: s", r#"{"a":[{"b":"x"}]}"#, true),
        ("s:\n  a[0][1]: x\ncondition: s", r#"{"a":[["y","x"]]}"#, true),
        ("s:\n  a[9223372036854775807]: x\ncondition: s", r#"{"a":["x"]}"#, false),
        ("s:\n  a[-9223372036854775808]: x\ncondition: s", r#"{"a":["x"]}"#, false),
        // Of each array that the path leads to.
        ("s:\n  a.b[0]: x\ncondition: s", r#"{"a":[{"b":["y","x"]},{"b":["x"]}]}"#, true),
        ("s:\n  a.b[1]: x\ncondition: s", r#"{"a":[{"b":["x","y"]},{"b":["x"]}]}"#, false),
        ("s:\n  a[0]:\n    b: x\n    c: y\ncondition: s", r#"{"a":[{"b":"x","c":"y"}]}"#, true),
        (
            "s:\n  a[0]:\n    b: x\n    c: y\ncondition: s",
            r#"{"a":[{"b":"x"},{"c":"y","b":"x"}]}"#,
            false,
        ),
        ("s:\n  a[0]:\n    b: null\ncondition: s", r#"{"a":[]}"#, false),
        ("s:\n  a[0][any].b: x\ncondition: s", r#"{"a":[[{"b":"x"}],[]]}"#, true),
        ("s:\n  a[any][0]: x\ncondition: s", r#"{"a":[["y"],["x","y"]]}"#, true),
    ]);
}

/// Port 22, open to the world, in one permission.
const OPEN: &str = "s:\n  requestParameters.ipPermissions.items[any]:\n    fromPort|lte: 22\n    toPort|gte: 22\n    ipRanges.items.cidrIp: 0.0.0.0/0\ncondition: s";

#[test]
fn a_body_binds_to_one_element() {
    check(&[
        (
            OPEN,
            r#"{"requestParameters":{"ipPermissions":{"items":[{"fromPort":443,"toPort":443,"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]}},{"fromPort":22,"toPort":22,"ipRanges":{"items":[{"cidrIp":"192.0.2.0/24"}]}}]}}}"#,
            false,
        ),
        (
            OPEN,
            r#"{"requestParameters":{"ipPermissions":{"items":[{"fromPort":0,"toPort":65535,"ipRanges":{"items":[{"cidrIp":"192.0.2.0/24"},{"cidrIp":"0.0.0.0/0"}]}}]}}}"#,
            true,
        ),
        (OPEN, r#"{"requestParameters":{"ipPermissions":{"items":{}}}}"#, false),
        // Two keys open two scopes.
        ("s:\n  a[any].b: x\n  a[any].c: y\ncondition: s", r#"{"a":[{"b":"x"},{"c":"y"}]}"#, true),
        (
            "s:\n  a[any]:\n    b: x\n    c: y\ncondition: s",
            r#"{"a":[{"b":"x"},{"c":"y"}]}"#,
            false,
        ),
        // The elements of every array that the path leads to.
        ("s:\n  a.b[any].c: x\ncondition: s", r#"{"a":[{"b":[{"c":"y"}]},{"b":{"c":"x"}}]}"#, true),
        (
            "s:\n  a.b[all].c: x\ncondition: s",
            r#"{"a":[{"b":[{"c":"x"}]},{"b":[{"c":"y"}]}]}"#,
            false,
        ),
        ("s:\n  a.b[all].c: x\ncondition: s", r#"{"a":[{"b":[{"c":"x"}]},{"b":[]}]}"#, true),
        ("s:\n  a.b[none].c: x\ncondition: s", r#"{"a":[{"b":[]},{}]}"#, true),
    ]);
}

#[test]
fn bodies_nest_and_may_have_conditions() {
    let nested = "s:\n  a[any]:\n    k: x\n    b[all]:\n      c|startswith: y\ncondition: s";
    let dotted = "s:\n  a[any].b[none].c: z\ncondition: s";
    let extended = "s:\n  a[any]:\n    allow:\n      Effect: Allow\n    narrow:\n      Condition|exists: true\n    condition: allow and not narrow\ncondition: s";
    let list = "s:\n  a[none]:\n    parts:\n      - b: x\n      - c: y\n    condition: [parts]\ncondition: s";
    check(&[
        (nested, r#"{"a":[{"k":"x","b":[{"c":"y1"},{"c":"y2"}]}]}"#, true),
        (
            nested,
            r#"{"a":[{"k":"x","b":[{"c":"y1"},{"c":"z"}]},{"k":"w","b":[{"c":"y"}]}]}"#,
            false,
        ),
        (nested, r#"{"a":[{"k":"x","b":[]}]}"#, false),
        (dotted, r#"{"a":[{"b":[{"c":"z"}]},{"b":[{"c":"y"}]}]}"#, true),
        (dotted, r#"{"a":[{"b":[{"c":"z"}]}]}"#, false),
        (dotted, r#"{"a":[{}]}"#, true),
        (dotted, r#"{"a":[]}"#, false),
        (extended, r#"{"a":[{"Effect":"Allow","Condition":{}},{"Effect":"Deny"}]}"#, false),
        (extended, r#"{"a":[{"Effect":"Allow","Condition":{}},{"Effect":"Allow"}]}"#, true),
        (list, r#"{"a":[{"b":"y"},{"c":"x"}]}"#, true),
        (list, r#"{"a":[{"b":"y"},{"c":"y"}]}"#, false),
        // The parts of a body are no names of the rule, nor the other way round.
        (
            "s:\n  a[any]:\n    t:\n      b: x\n    u:\n      c: y\n    condition: 1 of them\nt:\n  d: z\ncondition: all of them",
            r#"{"a":{"c":"y"},"d":"z"}"#,
            true,
        ),
    ]);
}

#[test]
fn modifiers_inside_of_bodies() {
    let not_x = "s:\n  a[any]:\n    b|neq: x\ncondition: s";
    let both = "s:\n  a[any].t|contains|all: [foo, bar]\ncondition: s";
    let itself = "s:\n  a[any]:\n    .|startswith: 192.0.\n    .|endswith: '.7'\ncondition: s";
    check(&[
        (not_x, r#"{"a":[{"b":"x"},{"b":"y"}]}"#, true),
        (not_x, r#"{"a":[{"b":"x"},{"b":["y","x"]}]}"#, false),
        (not_x, r#"{"a":[{"b":"x"},{}]}"#, true),
        (not_x, r#"{"a":[]}"#, false),
        ("s:\n  a[any]|neq: x\ncondition: s", r#"{"a":["x","y"]}"#, true),
        ("s:\n  a[all]|neq: x\ncondition: s", r#"{"a":["x","y"]}"#, false),
        (both, r#"{"a":[{"t":"foo"},{"t":"bar"}]}"#, false),
        (both, r#"{"a":[{"t":"foo"},{"t":["a bar","a foo"]}]}"#, true),
        (itself, r#"{"a":["192.0.2.9","198.51.100.7"]}"#, false),
        (itself, r#"{"a":["198.51.100.9","192.0.2.7"]}"#, true),
        ("s:\n  a[any]|cidr: 192.0.2.0/24\ncondition: s", r#"{"a":["x","192.0.2.7"]}"#, true),
        ("s:\n  a[any]|re: '^x.$'\ncondition: s", r#"{"a":["ax1","x1"]}"#, true),
        ("s:\n  a[all]|gt: 5\ncondition: s", r#"{"a":[6,"7",8.5]}"#, true),
        ("s:\n  a[all]|gt: 5\ncondition: s", r#"{"a":[6,"x"]}"#, false),
        ("s:\n  a[any]|contains: '\"b\":1'\ncondition: s", r#"{"a":[{"b": 1}]}"#, true),
        ("s:\n  a[any]: [x, y]\ncondition: s", r#"{"a":["z","y"]}"#, true),
        ("s:\n  a[any]:\n    .: '*'\ncondition: s", r#"{"a":[null]}"#, false),
        // Elements that are arrays are tested element by element.
        ("s:\n  a[all]: x\ncondition: s", r#"{"a":[["y","x"],"x"]}"#, true),
    ]);
}

#[test]
fn another_field_is_one_of_the_record() {
    let other = "s:\n  a[any]:\n    owner|fieldref: account\n    role|neq: admin\ncondition: s";
    let derived = "s:\n  a[any]:\n    owner|fieldref: actor.account\ncondition: s";
    check(&[
        (other, r#"{"account":"1","a":[{"owner":"1","role":"dev"}]}"#, true),
        (other, r#"{"account":"1","a":[{"owner":"2"},{"owner":"1","role":"admin"}]}"#, false),
        (other, r#"{"a":[{"owner":"1","account":"1"}]}"#, false),
        (
            derived,
            r#"{"userIdentity":{"accountId":"111122223333"},"a":[{"owner":"111122223333"}]}"#,
            true,
        ),
        (
            "s:\n  a[any].b|fieldref|endswith: c\ncondition: s",
            r#"{"a":[{"b":"role/ci-deployer"}],"c":"CI-deployer"}"#,
            true,
        ),
        ("s:\n  a[none]|fieldref: c\ncondition: s", r#"{"a":["x","y"],"c":["z"]}"#, true),
        ("s:\n  a[none]|fieldref: c\ncondition: s", r#"{"a":["x","y"],"c":["z","X"]}"#, false),
        ("s:\n  a|fieldref: c[0]\ncondition: s", r#"{"a":"x","c":["x","y"]}"#, true),
        ("s:\n  a|fieldref: c[0]\ncondition: s", r#"{"a":"y","c":["x","y"]}"#, false),
        // A derived field's name means nothing of the kind inside a body.
        ("s:\n  a[any].outcome: success\ncondition: s", r#"{"a":[{}]}"#, false),
        ("s:\n  a[any].outcome: success\ncondition: s", r#"{"a":[{"outcome":"success"}]}"#, true),
    ]);
}

/// A statement that lets anybody do anything.
const WIDE: &str = "s:\n  requestParameters.policyDocument.Statement[any]:\n    Effect: Allow\n    Action: '\\*'\n    Resource: '\\*'\ncondition: s";

fn policy(statement: &str) -> String {
    let text = format!("{{\"Version\":\"2012-10-17\",\"Statement\":{statement}}}");
    let text = serde_json::Value::String(text);
    format!("{{\"requestParameters\":{{\"policyDocument\":{text}}}}}")
}

#[test]
fn scopes_reach_into_json_in_strings() {
    let allow = r#"{"Effect":"Allow","Action":["s3:Get*","*"],"Resource":"*"}"#;
    let halves = r#"[{"Effect":"Deny","Action":"*","Resource":"*"},{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]"#;
    check(&[
        (WIDE, &policy(&format!("[{allow}]")), true),
        (WIDE, &policy(allow), true),
        (WIDE, &policy(halves), false),
        (WIDE, &policy("[]"), false),
        (WIDE, r#"{"requestParameters":{"policyDocument":"no policy"}}"#, false),
        ("s:\n  a[any].b: x\ncondition: s", r#"{"a":"[{\"b\":\"y\"},{\"b\":\"x\"}]"}"#, true),
        ("s:\n  a[all].b: x\ncondition: s", r#"{"a":"[{\"b\":\"y\"},{\"b\":\"x\"}]"}"#, false),
        ("s:\n  a[any].b: x\ncondition: s", r#"{"a":["{\"b\":\"x\"}"]}"#, true),
        ("s:\n  a[1].b: x\ncondition: s", r#"{"a":"[{\"b\":\"y\"},{\"b\":\"x\"}]"}"#, true),
        ("s:\n  a[any]: x\ncondition: s", r#"{"a":"[\"y\",\"x\"]"}"#, true),
        ("s:\n  a[none]: x\ncondition: s", r#"{"a":"[]"}"#, true),
    ]);
}

#[test]
fn brackets_of_the_key_itself() {
    check(&[
        (
            r"s:
  a\[any\].b: x
condition: s",
            r#"{"a[any]":{"b":"x"}}"#,
            true,
        ),
        (
            r"s:
  a\[any\].b: x
condition: s",
            r#"{"a":[{"b":"x"}]}"#,
            false,
        ),
        (
            r"s:
  a\[0\][any]: x
condition: s",
            r#"{"a[0]":["x"]}"#,
            true,
        ),
        // A key that holds dots still wins over the path.
        ("s:\n  a.b[any].c: x\ncondition: s", r#"{"a.b":[{"c":"x"}],"a":{"b":[{"c":"y"}]}}"#, true),
        ("s:\n  a[any].b.c: x\ncondition: s", r#"{"a":[{"b.c":"x"},{"b":{"c":"y"}}]}"#, true),
        ("s:\n  a[any].b: x\ncondition: s", r#"{"a":[{"b":"x"}],"a":[]}"#, true),
    ]);
}

#[test]
fn selectors_want_their_version() {
    for (version, loads) in
        [("", false), ("sigma-version: 2\n", false), ("sigma-version: 3\n", true)]
    {
        for key in ["a[any].b", "a[0]", "a[-1].b", "a[all_or_empty]"] {
            let text = rule_of(&format!("s:\n  {key}: x\ncondition: s"));
            let text = text.replacen("level: low\n", &format!("level: low\n{version}"), 1);
            let loaded = load("case.yml", &text);
            assert_eq!(loaded.rules.len() == 1, loads, "{key} {version}");
            assert!(loads || loaded.diagnostics.iter().any(|one| one.code == "bad-scope"));
        }
    }
    // Escaped brackets, and brackets that select nothing, are a part of the key in either version.
    for (key, json) in
        [(r"a\[any\]", r#"{"a[any]":"x"}"#), ("a[some text]", r#"{"a[some text]":"x"}"#)]
    {
        let rules = compiled(&rule_of(&format!("s:\n  '{key}': x\ncondition: s"))).unwrap();
        assert_eq!(matches(&rules, json), [0], "{key}");
    }
    let rules = compiled(&scoped("s:\n  'a\\[any\\]': x\ncondition: s")).unwrap();
    assert_eq!(matches(&rules, r#"{"a[any]":"x"}"#), [0]);
}
