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
