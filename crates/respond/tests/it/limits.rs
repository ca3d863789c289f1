//! What a runbook's own limits do: ping-pong, reads before the first change, redirects on the way to others, and what is not
//! known yet.

use std::time::Duration;

use serde_json::{Map, Value, json};
use trailloop_respond::voices::Judgement;
use trailloop_respond::{Phase, day_of, store};
use trailloop_runbook::Call;
use trailloop_runbook::document::{Mode, Runbook};

use crate::kit::{ACCOUNT, KEY, Kit, TRAIL};

/// The shipped runbooks, one of them with other text.
fn with(name: &str, from: &str, to: &str) -> Vec<Runbook> {
    let files = trailloop_content::runbooks::files();
    let load = |(path, text): &(&str, &str)| {
        let text = match *path == name {
            true => {
                assert!(text.contains(from), "{from} in {path}");
                text.replace(from, to)
            }
            false => (*text).to_owned(),
        };
        trailloop_runbook::load(path, &text).runbook.unwrap()
    };
    files.iter().map(load).collect()
}

#[tokio::test]
async fn a_trail_that_is_stopped_again_at_once_calls_another_runbook() {
    let kit = Kit::new();
    let guards = "deterministic: true, ping_pong: {within: 1h, then: contain-caller}";
    let runbooks = with("restart-trail.yml", "deterministic: true", guards);
    let responder = kit.responder_with(runbooks);
    let stop = || {
        let mut call =
            Call { service: "cloudtrail".into(), api: "StopLogging".into(), inputs: Map::new() };
        call.inputs.insert("Name".to_owned(), json!(TRAIL));
        kit.accounts.call_as(KEY, "us-east-1", &call).unwrap();
        kit.finding_of(kit.record(
            "cloudtrail.amazonaws.com",
            "StopLogging",
            json!({"name": TRAIL}),
        ))
    };
    let of = async |id: &str| {
        let runs = kit.respond(&responder, &stop()).await.unwrap();
        let mut all = Vec::new();
        for run in runs {
            all.push(kit.run(&run).await);
        }
        all.into_iter().find(|run| run.runbook == id).unwrap()
    };
    assert_eq!(of("restart-trail").await.phase, Phase::Verifying);
    let again = of("restart-trail").await;
    assert_eq!(again.phase, Phase::Refused);
    let said = again.reasons.join("; ");
    assert!(said.contains("ping_pong") && said.contains("contain-caller takes over"), "{said}");
    let runs = kit.runs().await;
    assert!(runs.iter().any(|run| run.parent.as_deref() == Some(&again.id)), "{runs:?}");
}

#[tokio::test]
async fn without_what_was_there_before_nothing_is_changed() {
    let mut kit = Kit::new();
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let message = kit.finding_of(record);
    kit.actions = std::sync::Arc::new(Blind(std::sync::Arc::clone(&kit.actions)));
    let responder = kit.responder();
    let runs = kit.respond(&responder, &message).await.unwrap();
    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    let said = kit.run(&runs[0]).await.reasons.join("; ");
    assert!(said.contains("what was there before can't be kept: iam:ListUserPolicies"), "{said}");
    assert_eq!(kit.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_there_before_is_kept_with_the_run_and_the_evidence() {
    let kit = Kit::new();
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let responder = kit.responder();
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::Verifying);
    let file = kit.evidence.path().join(&runs[0]).join("before.json");
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept["iam:ListAccessKeys"]["AccessKeyMetadata"][0]["Status"], "Active");
    assert_eq!(kept["iam:ListUserPolicies"]["PolicyNames"], json!(["admin"]));
}

/// Refuses to list policies.
struct Blind(std::sync::Arc<dyn trailloop_cloud::Actions>);

#[async_trait::async_trait]
impl trailloop_cloud::Actions for Blind {
    async fn call(
        &self,
        session: &trailloop_cloud::Session,
        call: &trailloop_runbook::Call,
    ) -> Result<trailloop_cloud::Answer, trailloop_cloud::CloudError> {
        if call.api == "ListUserPolicies" {
            let kind = trailloop_cloud::CloudErrorKind::Denied;
            return Err(trailloop_cloud::CloudError::new(kind, "call", call.name(), "not allowed"));
        }
        self.0.call(session, call).await
    }
}

/// What becomes of the finding of a key whose runbook asks for `auto` and has other text.
async fn asks_for_auto(changes: &[(&str, &str)]) -> (Phase, String) {
    let kit = Kit::new();
    assert_eq!((kit.settings.mode, kit.settings.first_day_auto), (Mode::Auto, true));
    let (_, text) = trailloop_content::runbooks::files()
        .into_iter()
        .find(|(name, _)| *name == "contain-iam-user-key.yml")
        .unwrap();
    let mut text = text.replace("mode: approve", "mode: auto");
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let loaded = trailloop_runbook::load("contain.yml", &text);
    let runbook = loaded.runbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let responder = kit.responder_with(vec![runbook]);
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let message = kit.finding_of(record);
    let runs = Box::pin(kit.respond(&responder, &message)).await.unwrap();
    let run = kit.run(&runs[0]).await;
    if run.phase == Phase::AwaitingApproval {
        assert_eq!(kit.changes(), Vec::<String>::new());
    }
    (run.phase, run.reasons.join("; "))
}

#[tokio::test]
async fn what_is_not_known_yet_means_that_a_person_agrees() {
    // The lowest limits that can be asked for: it is not that they are missed, but that nobody knows.
    let limits = ("guards: {", "guards: {auto_min_precision: 0.0, max_percent_principals: 100, ");
    let (phase, said) = asks_for_auto(&[limits]).await;
    assert_eq!(phase, Phase::AwaitingApproval);
    assert!(said.contains("confidence: ") && said.contains("precision is not known"), "{said}");
    // A trigger without doubt needs no record of verdicts, but only for what acts narrowly.
    let certain = ("guards: {", "guards: {deterministic: true, ");
    assert_eq!(asks_for_auto(&[limits, certain]).await.0, Phase::Verifying);
    let wide = ("DateLessThan\":{\"aws:TokenIssueTime", "DateGreaterThan\":{\"aws:CurrentTime");
    assert_eq!(asks_for_auto(&[limits, certain, wide]).await.0, Phase::Verifying);
    let few = ("max_percent_principals: 100", "max_percent_principals: 10");
    let (phase, said) = asks_for_auto(&[limits, certain, wide, few]).await;
    assert_eq!(phase, Phase::AwaitingApproval);
    assert!(said.contains("of the account's") && said.contains("may on 10 %"), "{said}");
}

/// The runbook of keys as one that acts by itself where the rule was right often enough.
fn by_itself() -> trailloop_runbook::Runbook {
    let (_, text) = trailloop_content::runbooks::files()
        .into_iter()
        .find(|(name, _)| *name == "contain-iam-user-key.yml")
        .unwrap();
    let text = text
        .replace("mode: approve", "mode: auto")
        .replace("guards: {", "guards: {auto_min_precision: 0.5, ");
    trailloop_runbook::load("contain.yml", &text).runbook.unwrap()
}

/// Keeps findings of others of the same rule, each judged so.
async fn history(kit: &Kit, count: usize, judgement: Judgement) {
    for nth in 0..count {
        let mut record =
            kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
        record["userIdentity"]["arn"] = json!(format!("arn:aws:iam::{ACCOUNT}:user/other-{nth}"));
        record["userIdentity"]["userName"] = json!(format!("other-{nth}"));
        let message = kit.finding_of(record);
        let finding: Value = serde_json::from_str(&message.body).unwrap();
        let entry = trailloop_feedback::Entry::of(&finding).unwrap();
        store::take(&*kit.table, &entry, &day_of(entry.first_ms)).await.unwrap();
        kit.judge(&entry.uid, judgement).await;
        assert!(store::judge(&*kit.table, &entry.uid).await.unwrap());
    }
}

#[tokio::test]
async fn a_rule_that_was_right_often_lets_its_runbook_act_until_a_run_is_wrong() {
    let kit = Kit::new();
    let responder = kit.responder_with(vec![by_itself()]);
    history(&kit, 20, Judgement::TruePositive).await;
    let found = || {
        kit.finding_of(kit.record(
            "iam.amazonaws.com",
            "GetAccountAuthorizationDetails",
            json!(null),
        ))
    };
    let runs = kit.respond(&responder, &found()).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!((run.mode.as_str(), run.phase), ("auto", Phase::Verifying), "{:?}", run.reasons);

    kit.judge(&run.finding, Judgement::FalsePositive).await;
    kit.sweep(&responder).await;
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::Undone);
    kit.manual.advance(Duration::from_secs(2 * 3600));
    let runs = kit.respond(&responder, &found()).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::AwaitingApproval);
    let said = run.reasons.join("; ");
    assert!(said.contains("confidence: ") && said.contains("was automatic and wrong"), "{said}");
}

#[tokio::test]
async fn a_rule_that_was_wrong_often_makes_its_runbook_ask_whatever_its_trigger() {
    let kit = Kit::new();
    let mut runbook = by_itself();
    runbook.guards.deterministic = true;
    let responder = kit.responder_with(vec![runbook]);
    history(&kit, 20, Judgement::FalsePositive).await;
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::AwaitingApproval);
    let said = run.reasons.join("; ");
    assert!(said.contains("20 verdicts put the rule's precision between"), "{said}");
}

#[tokio::test]
async fn whoever_takes_over_is_the_one_that_redirects_lead_to() {
    let kit = Kit::new();
    let redirect = "  redirect:\n    - {when: \"finding.target.user_name == 'bob'\", use: quarantine-account}\n  bind:";
    let runbooks = with("deny-iam-user.yml", "  bind:", redirect);
    let responder = kit.responder_with(runbooks);
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    // The key is used after the grace period: what was done does not hold.
    kit.pass(&responder, std::time::Duration::from_secs(180), std::time::Duration::from_secs(30))
        .await;
    kit.deliver(&[kit.record("s3.amazonaws.com", "ListBuckets", json!(null))]);
    kit.pass(&responder, std::time::Duration::from_secs(30), std::time::Duration::from_secs(10))
        .await;
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::Escalated);
    let ledger =
        trailloop_respond::ledger::Ledger::new(std::sync::Arc::clone(&kit.table), "reader");
    let lines = ledger.export(0).await.unwrap();
    let children: Vec<&str> = lines.lines().filter(|line| line.contains("takes over")).collect();
    assert!(children.len() == 1 && children[0].contains("quarantine-account"), "{children:?}");
}

#[tokio::test]
async fn where_nothing_is_done_people_are_told_what_would_take_it_back() {
    let kit = Kit::new();
    let mut runbooks = with("default-high.yml", "", "");
    runbooks.retain(|one| one.id == "default-high");
    let responder = kit.responder_with(runbooks);
    let record = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": TRAIL}));
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    let plan = kit.run(&runs[0]).await.plan;
    let said = plan.iter().find(|line| line.contains("by hand, to take it back"));
    assert!(said.is_some_and(|line| line.contains("cloudtrail:StartLogging")), "{plan:?}");
    assert_eq!(kit.changes(), Vec::<String>::new());
}
