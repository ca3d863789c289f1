//! Which runbook answers which rule: each record that a rule gives as an example of what it matches, put to the runbooks as
//! the executor would.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trailloop_finding::Level;
use trailloop_respond::Case;
use trailloop_respond::confirm::Confirmed;
use trailloop_rules::{Rule, TestEvent};
use trailloop_runbook::{Runbook, choose_all};

use crate::rulefiles::beside;

/// From this level on a rule without a runbook is a mistake.
pub(super) const LEVEL_LEAST: Level = Level::Medium;

/// A rule and the runbooks that answer it.
pub(super) struct Served<'a> {
    /// The rule.
    pub(super) rule: &'a Rule,
    /// The runbooks, by id.
    pub(super) by: BTreeSet<&'a str>,
    /// The examples that none answers.
    pub(super) unanswered: Vec<&'a str>,
}

/// What answers each rule.
pub(super) fn served<'a>(rules: &'a [Rule], runbooks: &'a [Runbook]) -> Vec<Served<'a>> {
    rules.iter().map(|rule| of_rule(rule, runbooks)).collect()
}

fn of_rule<'a>(rule: &'a Rule, runbooks: &'a [Runbook]) -> Served<'a> {
    let mut served = Served { rule, by: BTreeSet::new(), unanswered: Vec::new() };
    for example in rule.tests.iter().filter(|test| test.expect) {
        let record = match &example.event {
            TestEvent::Json(text) => serde_json::from_str(text).ok(),
            TestEvent::File(file) => {
                beside(rule, file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
            }
        };
        let chosen = choose_all(runbooks, &context(rule, record.unwrap_or(Value::Null)));
        if chosen.is_empty() {
            served.unanswered.push(&example.name);
        }
        served.by.extend(chosen.iter().map(|runbook| runbook.id.as_str()));
    }
    served
}

/// What expressions see of a finding of this rule for this record.
fn context(rule: &Rule, record: Value) -> Value {
    let about = &rule.analytic;
    let finding = json!({
        "finding_info": {
            "uid": "0123456789abcdef0123456789abcdef",
            "title": about.name,
            "analytic": {"uid": about.uid},
        },
        "severity_id": about.level.severity_id(),
        "cloud": {"account": {"uid": record["recipientAccountId"]}, "region": record["awsRegion"]},
        "unmapped": {"trailloop": {"rule": {"tags": about.tags}}},
    });
    Case::of(Confirmed { finding, record }).context(None, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = r#"
title: Something new
id: 1f2e3d4c-0000-4000-8000-000000000001
level: medium
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: [StopLogging, SomethingNew]}
  condition: selection
trailloop:
  tests:
    - {name: stopped, expect: true, event: {eventSource: cloudtrail.amazonaws.com, eventName: StopLogging, requestParameters: {name: "arn:aws:cloudtrail:us-east-1:111122223333:trail/main"}}}
    - {name: new, expect: true, event: {eventSource: new.amazonaws.com, eventName: SomethingNew}}
    - {name: other, expect: false, event: {eventSource: new.amazonaws.com, eventName: Other}}
"#;

    #[test]
    fn a_rule_is_answered_example_by_example() {
        let rules = trailloop_rules::load("rule.yml", RULE).rules;
        assert_eq!(rules.len(), 1);
        let (mut runbooks, _) = trailloop_content::runbooks::shipped();
        let all = served(&rules, &runbooks);
        assert!(all[0].by.contains("restart-trail") && all[0].unanswered.is_empty());
        runbooks.retain(|one| one.id == "restart-trail");
        let some = served(&rules, &runbooks);
        assert_eq!(some[0].unanswered, ["new"]);
        let none = served(&rules, &[]);
        assert_eq!((none[0].by.len(), none[0].unanswered.len()), (0, 2));
    }
}
