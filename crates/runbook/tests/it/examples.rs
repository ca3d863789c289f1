//! Whole runbooks: they load, choose, and plan what their own examples say.

use proptest::prelude::*;
use serde_json::json;
use trailloop_runbook::document::Verify;
use trailloop_runbook::trial::run_trials_with;
use trailloop_runbook::{Runbook, bind, choose};

use crate::runbooks_support::{examples, find, load, resolve};

fn runbooks() -> Vec<Runbook> {
    examples()
        .map(|(path, text)| {
            let loaded = load(path, text);
            assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
            loaded.runbook.unwrap()
        })
        .collect()
}

#[test]
fn examples_of_runbooks_pass() {
    let changes = |service: &str, api: &str| find(service, api).is_some_and(|api| api.changes);
    let read = |path: &str| Err(format!("{path} is not there"));
    let mut count = 0;
    for runbook in runbooks() {
        assert!(!runbook.tests.is_empty());
        for outcome in run_trials_with(&runbook, &resolve, &read, &changes) {
            assert!(outcome.is_passed(), "{}: {outcome:#?}", runbook.id);
            count += 1;
        }
    }
    assert_eq!(count, 10);
}

#[test]
fn an_example_that_expects_something_else_fails() {
    let (path, text) = examples().nth(2).unwrap();
    let text = text.replace("expect_calls: [cloudtrail:StartLogging]", "expect_calls: []");
    let runbook = load(path, &text).runbook.unwrap();
    let changes = |service: &str, api: &str| find(service, api).is_some_and(|api| api.changes);
    let outcomes = run_trials_with(&runbook, &resolve, &|_| Err(String::new()), &changes);
    let passed: Vec<bool> = outcomes.iter().map(|one| one.is_passed()).collect();
    assert_eq!(passed, [false, true]);
}

#[test]
fn the_narrowest_trigger_wins() {
    let runbooks = runbooks();
    let context = |class: &str, name: &str| {
        json!({
            "finding": {
                "severity": "high",
                "verdict": null,
                "target": {"class": class},
                "event": {"eventSource": "cloudtrail.amazonaws.com", "eventName": name},
            },
            "enrich": {},
        })
    };
    let chosen = |class: &str, name: &str| {
        choose(&runbooks, &context(class, name)).map(|runbook| runbook.id.clone())
    };
    // By the event before by the identity.
    assert_eq!(chosen("role_session", "StopLogging").as_deref(), Some("restart-cloudtrail"));
    assert_eq!(chosen("role_session", "ListTrails").as_deref(), Some("revoke-role-session"));
    assert_eq!(chosen("iam_user_key", "ListTrails").as_deref(), Some("contain-iam-user-key"));
    assert_eq!(chosen("root", "ListTrails"), None);
}

#[test]
fn what_is_missing_or_hostile_is_refused_by_name() {
    let runbook = &runbooks()[1];
    let context = |role: &str| {
        json!({
            "finding": {"uid8": "01234567", "target": {"role_name": role, "principal_id": "AROAEXAMPLEEXAMPLE12:al"}},
            "run": {"started_at": "2026-01-02T03:04:05Z"},
        })
    };
    assert!(bind(runbook, &context("deploy")).is_ok());
    for hostile in ["a\nb", "a\"}", "{{ Now }}", "١", "deploy\u{1b}[31m", &"x".repeat(100_000)] {
        let refusal = bind(runbook, &context(hostile)).unwrap_err();
        assert_eq!(refusal.guard, "parameters");
        assert!(refusal.reason.contains("`RoleName`"), "{refusal}");
        assert!(refusal.reason.len() < 300 && !refusal.reason.contains(char::is_control));
    }
    let refusal = bind(runbook, &json!({})).unwrap_err();
    assert_eq!(
        refusal.reason,
        "parameter `RoleName` has no value: `finding.target.role_name` is not there"
    );
}

#[test]
fn the_hash_is_of_the_text() {
    let (path, text) = examples().next().unwrap();
    let one = load(path, text).runbook.unwrap();
    let other = load(path, &format!("{text}# a comment\n")).runbook.unwrap();
    assert_eq!(one.hash.len(), 64);
    assert_ne!(one.hash, other.hash);
}

#[test]
fn a_proof_without_inputs_takes_the_parameters_of_the_same_names() {
    let (path, text) = examples().next().unwrap();
    let text = text.replace("inputs: {UserName: \"{{ UserName }}\"}, expect", "expect");
    let runbook = load(path, &text).runbook.unwrap();
    let Verify::Api { call, .. } = &runbook.verify[0] else { panic!("{:?}", runbook.verify) };
    assert_eq!(json!(call.inputs), json!({"UserName": "{{ UserName }}"}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_runbook_is_refused_or_loads(
        nth in 0_usize..3,
        from in any::<prop::sample::Index>(),
        length in 0_usize..12,
        insert in "[{}\\[\\]:'\"a0$ \n-]{0,4}",
    ) {
        let (path, text) = examples().nth(nth).unwrap();
        let from = from.index(text.len());
        let mut text = text.to_owned();
        text.replace_range(from..(from + length).min(text.len()), &insert);
        let loaded = load(path, &text);
        prop_assert!(loaded.runbook.is_some() != loaded.has_errors());
        if let Some(runbook) = loaded.runbook {
            // Nothing is there to bind: a refusal, or defaults.
            let _bound = bind(&runbook, &json!({}));
            let _chosen = choose(&[runbook], &json!({}));
        }
    }
}
