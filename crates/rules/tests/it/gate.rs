//! The gate: what it turns away, and that it hides nothing.

use trailloop_rules::RuleSet;

use crate::support::{lets_pass, load, matches, rule_of};

/// A list of rules that the call itself rules out is empty, and begins where the next list does.
#[test]
fn what_one_call_rules_out_hides_nothing_of_the_next() {
    let rule = |nth: u32, detection: &str| {
        let id = format!("9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a{nth:02}");
        rule_of(detection).replace("9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a11", &id)
    };
    let texts = [
        rule(
            1,
            "selection:\n  eventName: [Aaa, Aab]\nfilter:\n  eventName: [Aaa, Aab]\n\
             condition: selection and not filter",
        ),
        rule(2, "selection:\n  eventName: Aac\n  errorCode: null\ncondition: selection"),
        rule(3, "selection:\n  eventName: Aad\n  userAgent: rare\ncondition: selection"),
    ];
    let loaded = texts.iter().flat_map(|text| load("case.yml", text).rules).collect();
    let set = RuleSet::build(loaded, &[], &mut Vec::new());
    let record =
        |name: &str| format!(r#"{{"eventSource":"s","eventName":"{name}","userAgent":"usual"}}"#);
    assert_eq!(matches(&set, &record("Aac")), [1]);
    assert_eq!(matches(&set, &record("Aaa")), Vec::<u32>::new());
    let passes = |name: &str| lets_pass(&set, &record(name));
    assert!(passes("Aac") && !passes("Aad") && !passes("Aae"));
}

#[test]
fn what_no_single_name_satisfies_may_match_a_record_with_two() {
    let detection = "one:\n  eventSource: a\nother:\n  eventSource: b\ncondition: one and other";
    let set = RuleSet::build(load("case.yml", &rule_of(detection)).rules, &[], &mut Vec::new());
    let record = |more: &str| format!(r#"{{"eventSource":"a",{more}"eventName":"n"}}"#);
    assert_eq!(matches(&set, &record("\"eventSource\":\"b\",")), [0]);
    assert_eq!(matches(&set, &record("")), Vec::<u32>::new());
    assert!(!lets_pass(&set, &record("")));
}

#[test]
fn objects_are_searched_for_what_rules_want_in_them() {
    let set = |detection: &str| {
        let rules = load("case.yml", &rule_of(detection)).rules;
        RuleSet::build(rules, &[], &mut Vec::new())
    };
    let record = |name: &str, parameters: &str| {
        format!(
            r#"{{"eventSource":"s","eventName":"{name}","requestParameters":{parameters},"userAgent":"wanted"}}"#
        )
    };
    let under_a_name = "selection:\n  eventName: Aaa\n  requestParameters|contains: [WantEd, 0.0.0.0/0]\ncondition: selection";
    let by_itself =
        "selection:\n  requestParameters|contains: [wanted, 0.0.0.0/0]\ncondition: selection";
    for detection in [under_a_name, by_itself] {
        let set = set(detection);
        let passes = |parameters: &str| lets_pass(&set, &record("Aaa", parameters));
        for found in [
            r#"{"a":"unwanted"}"#,
            r#"{"a":[{"b":"0.0.0.0/0"}]}"#,
            r#"{"WANTED":1}"#,
            r#"{"a":{"b":[1,"wanted"]},"c":{}}"#,
        ] {
            assert_eq!(matches(&set, &record("Aaa", found)), [0], "{found}");
        }
        for other in ["{}", r#"{"a":"want","b":["ed",{"c":0.0}]}"#, "null", "\"want\""] {
            assert!(!passes(other) && matches(&set, &record("Aaa", other)).is_empty(), "{other}");
        }
        // What an array holds is for the parser.
        assert!(passes(r#"["want"]"#));
    }
    // One string holds the one and another the other.
    let both = set(
        "a:\n  requestParameters: [first, second]\nb:\n  requestParameters: [second, third]\ncondition: a and b",
    );
    let parameters = r#"{"a":"first","b":"third"}"#;
    assert_eq!(matches(&both, &record("Aaa", parameters)), [0]);
    // Across the bounds of tokens only compact text can tell.
    let across = set("selection:\n  requestParameters|contains: '\"n\":[1,'\ncondition: selection");
    for parameters in [r#"{"n":[1,2]}"#, r#"{"n" : [1 , 2]}"#] {
        assert_eq!(matches(&across, &record("Aaa", parameters)), [0], "{parameters}");
    }
}
