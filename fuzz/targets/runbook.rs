//! Any text as a runbook: nothing panics, and what loads binds hostile findings to values that its templates take, or refuses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use trailloop_runbook::catalogue::Risk;
use trailloop_runbook::document::{Action, Undo};
use trailloop_runbook::{Known, Values, bind, choose, export, load_with};

/// Every API is known, and one in two changes something, so that all checks are reached.
fn find(service: &str, api: &str) -> Option<Known> {
    let changes = !api.starts_with("Get") && !api.starts_with("List");
    let risk = if changes { Risk::R1 } else { Risk::R0 };
    (!service.is_empty()).then_some(Known { risk, changes, runs: true, inputs: None })
}

/// What expressions see of a finding whose texts an attacker wrote.
fn context() -> Value {
    let hostile = "\"},{\"Effect\":\"Allow\"} {{ Now }} \u{1b}[31m";
    json!({
        "finding": {
            "uid": "0123456789abcdef", "uid8": "01234567", "severity": "high", "severity_id": 4, "title": hostile,
            "rule": "r", "tags": ["attack.t1078"], "account": "111122223333", "region": "us-east-1",
            "resource": {"type": hostile, "arn": hostile, "name": hostile},
            "target": {"class": "iam_user_key", "user_name": "bob", "access_key_id": "AKIAIOSFODNN7EXAMPLE", "role_name": hostile},
            "event": {"eventSource": "iam.amazonaws.com", "eventName": hostile, "list": [{"a": hostile}, 1, null]},
        },
        "run": {"id": "fedcba9876543210", "started_at": "2026-01-02T03:04:05Z", "account": "111122223333"},
        "enrich": {"minted": {"rows": 1, "events": [hostile]}},
    })
}

fuzz_target!(|text: &str| {
    let loaded = load_with("fuzz.yml", text, &find);
    assert!(loaded.runbook.is_some() != loaded.has_errors());
    for diagnostic in &loaded.diagnostics {
        assert!(!diagnostic.to_string().contains('\n'));
    }
    let Some(runbook) = loaded.runbook else { return };
    let exported: Value = serde_json::from_str(&export::ssm(&runbook)).expect("JSON");
    assert!(exported.get("trailloop").is_none());
    let context = context();
    let runbooks = [runbook];
    let _chosen = choose(&runbooks, &context);
    let runbook = &runbooks[0];
    let Ok(parameters) = bind(runbook, &context) else { return };
    let values = Values { parameters, ..Values::default() };
    for step in &runbook.steps {
        match &step.action {
            Action::Call(template) => drop(template.fill(&values)),
            Action::Assert(property) | Action::Wait(property) => drop(property.call.fill(&values)),
            Action::Branch { choices, .. } => {
                choices.iter().for_each(|choice| drop(choice.test.holds(&values)));
            }
            _ => {}
        }
    }
    for undo in runbook.undo.values() {
        if let Undo::Call(template) = undo {
            drop(template.fill(&values));
        }
    }
});
