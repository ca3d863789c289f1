//! Public rules on real records: every rule loads, and known attacks are found.

use std::collections::BTreeSet;

use serde_json::Value;
use trailloop_rules::{RuleSet, Severity, load};

use crate::support::{files, matches, shared};

/// `(rule title, eventName)` pairs that must be among the hits. Each needs something that engines get wrong: null for
/// a missing field, arrays on the way, the start of a name.
const EXPECTED: &[(&str, &str)] = &[
    ("AWS CloudTrail Important Change", "DeleteTrail"),
    ("AWS CloudTrail Important Change", "StopLogging"),
    ("AWS New Lambda Layer Attached", "UpdateFunctionConfiguration20150331v2"),
    ("AWS VPC Flow Logs Deleted", "DeleteFlowLogs"),
    ("Ingress/Egress Security Group Modification", "AuthorizeSecurityGroupIngress"),
    ("Potential Malicious Usage of CloudTrail System Manager", "SendCommand"),
];

#[test]
fn the_public_rules_load_and_find_real_attacks() {
    let (Some(rules), Some(records)) = (shared("sigma-rules"), shared("stratus")) else { return };
    let mut loaded = Vec::new();
    for path in files(&rules) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let found = load(&name, &std::fs::read_to_string(&path).unwrap());
        let errors: Vec<_> =
            found.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        assert!(errors.is_empty() && !found.rules.is_empty(), "{name}: {errors:#?}");
        loaded.extend(found.rules);
    }
    let mut diagnostics = Vec::new();
    let set = RuleSet::build(loaded, &[], &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    println!("{}", set.strategy());
    let mut hits = BTreeSet::new();
    for path in files(&records) {
        let records: Vec<Value> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for record in records {
            for number in matches(&set, &record.to_string()) {
                let event = record["eventName"].as_str().unwrap_or_default().to_owned();
                hits.insert((set.rule(number).analytic.name.clone(), event));
            }
        }
    }
    for (rule, event) in &hits {
        println!("{rule}: {event}");
    }
    let missing: Vec<_> = EXPECTED
        .iter()
        .filter(|(rule, event)| !hits.contains(&((*rule).to_owned(), (*event).to_owned())))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
