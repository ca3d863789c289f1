//! From finding to contained, proved and undone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use trailloop_cloud::{Actions, Answer, CloudError, Session};
use trailloop_respond::voices::Judgement;
use trailloop_respond::{Phase, day_of, ledger, store};
use trailloop_runbook::Call;

use crate::kit::{ACCOUNT, KEY, Kit, TRAIL};

const MINUTE: Duration = Duration::from_secs(60);

/// The runbook asks for half an hour of proof after the two minutes of grace.
const WATCH: Duration = Duration::from_secs(33 * 60);

#[tokio::test]
async fn a_key_is_contained_proved_by_a_denial_and_given_back_when_it_was_wrong() {
    let kit = Kit::new();
    let responder = kit.responder();
    let before = kit.accounts.attempt(KEY, "iam:CreateUser", "*", kit.now_ms());
    let message = kit.finding_of(kit.record(
        "iam.amazonaws.com",
        "GetAccountAuthorizationDetails",
        json!(null),
    ));
    let runs = kit.respond(&responder, &message).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::AwaitingApproval, "{:?}", run.reasons);
    let radius = run.plan.last().unwrap();
    assert!(radius.starts_with("would stop arn:aws:iam::"), "{radius}");
    assert!(!radius.contains(" 0 calls"), "the finding's own call is one: {radius}");
    assert_eq!(kit.changes(), Vec::<String>::new(), "nothing before somebody agreed");

    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::Verifying, "{:?}", run.reasons);
    assert_eq!(kit.changes(), ["iam:UpdateAccessKey", "iam:PutUserPolicy"]);

    kit.manual.advance(MINUTE);
    let mut denied = kit.record("s3.amazonaws.com", "ListBuckets", json!(null));
    denied["errorCode"] = json!("AccessDenied");
    denied["errorMessage"] = json!("User: … with an explicit deny in an identity-based policy");
    kit.deliver(&[denied]);
    kit.pass(&responder, WATCH, MINUTE).await;
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::Contained, "{:?}", run.reasons);
    // What metrics tell of it: when it acted, and when that was proven to hold.
    let day = day_of(kit.now_ms());
    let mut queue = store::queue(&*kit.table, &[day], kit.now_ms()).await.unwrap();
    let seen = store::runs(&*kit.table, &mut queue).await.unwrap();
    assert_eq!(seen.iter().filter(|one| one.contained_ms == run.contained_ms).count(), 1);
    let clocks = &queue[0].kept.entry.clocks;
    assert!(clocks.contained_ms.is_some() && clocks.action_ms < clocks.contained_ms, "{clocks:?}");
    assert_eq!(run.stream_proof.as_deref(), Some("explicit_deny"));

    kit.judge(&run.finding, Judgement::FalsePositive).await;
    kit.sweep(&responder).await;
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::Undone, "{:?}", run.reasons);
    assert!(run.undone_ms >= run.contained_ms, "{:?}", run.undone_ms);
    assert_eq!(kit.accounts.attempt(KEY, "iam:CreateUser", "*", kit.now_ms()), before);
    let summary = ledger::Ledger::new(kit.table.clone(), "auditor").audit(None).await.unwrap();
    assert!(summary.unwrap().lines > 8);
    assert!(kit.runs().await.is_empty(), "nothing is open any more");

    for phase in ["awaiting_approval", "running", "contained", "undone"] {
        let folder = kit.evidence.path().join(&runs[0]).join(phase);
        let files = ["manifest.json", "records.ndjson", "findings.ndjson", "ledger.ndjson"];
        let read = |name: &str| (name.to_owned(), std::fs::read(folder.join(name)).unwrap().into());
        trailloop_respond::evidence::verify(&files.map(read).into()).unwrap();
    }
    let told = kit.evidence.path().join(&runs[0]).join("undone/remediation.json");
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(told).unwrap()).unwrap();
    assert_eq!((&told["class_uid"], &told["status_id"]), (&json!(7001), &json!(1)));
}

/// A success that comes after the configured quarter of an hour, and within the half hour for which the runbook asks.
#[tokio::test]
async fn the_stream_is_watched_for_as_long_as_the_runbook_asks() {
    let kit = Kit::new();
    let responder = kit.responder();
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    kit.pass(&responder, 25 * MINUTE, MINUTE).await;
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::Verifying);
    kit.deliver(&[kit.record("s3.amazonaws.com", "ListBuckets", json!(null))]);
    kit.pass(&responder, 2 * MINUTE, MINUTE).await;
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::Escalated, "{:?}", run.reasons);
}

/// Makes the first call of an API and never answers it.
struct Hangs {
    inner: Arc<dyn Actions>,
    api: &'static str,
    hung: AtomicBool,
}

#[async_trait::async_trait]
impl Actions for Hangs {
    async fn call(&self, session: &Session, call: &Call) -> Result<Answer, CloudError> {
        let answer = self.inner.call(session, call).await;
        if call.api == self.api && !self.hung.swap(true, Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        answer
    }
}

#[tokio::test]
async fn a_call_that_is_never_answered_is_settled_by_reading_and_not_made_twice() {
    let mut kit = Kit::new();
    let api = "UpdateAccessKey";
    let inner = Arc::clone(&kit.actions);
    kit.actions = Arc::new(Hangs { inner, api, hung: AtomicBool::new(false) });
    let responder = kit.responder();
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::Verifying, "{:?}", run.reasons);
    assert_eq!(kit.changes(), ["iam:UpdateAccessKey", "iam:PutUserPolicy"]);
}

#[tokio::test]
async fn a_stopped_trail_is_started_without_asking_where_that_is_switched_on() {
    let kit = Kit::new();
    let responder = kit.responder();
    let call = Call {
        service: "cloudtrail".to_owned(),
        api: "StopLogging".to_owned(),
        inputs: json!({"Name": TRAIL}).as_object().unwrap().clone(),
    };
    kit.accounts.call_as(KEY, "us-east-1", &call).unwrap();
    let message = kit.finding_of(kit.record(
        "cloudtrail.amazonaws.com",
        "StopLogging",
        json!({"name": TRAIL}),
    ));
    let runs = kit.respond(&responder, &message).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::Verifying, "{:?}", run.reasons);
    assert_eq!(kit.changes(), ["cloudtrail:StartLogging"]);
}

#[tokio::test]
async fn a_change_in_between_is_not_overwritten_by_an_undo() {
    let kit = Kit::new();
    let responder = kit.responder();
    let message = kit.finding_of(kit.record(
        "iam.amazonaws.com",
        "GetAccountAuthorizationDetails",
        json!(null),
    ));
    let runs = kit.respond(&responder, &message).await.unwrap();
    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    kit.pass(&responder, WATCH, MINUTE).await;
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::Contained, "{:?}", run.reasons);
    let policy = format!("trailloop-contain-{}", &kit.run(&runs[0]).await.finding[..8]);
    let other = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
    kit.accounts.add_policy(ACCOUNT, "bob", &policy, other);
    kit.judge(&kit.run(&runs[0]).await.finding, Judgement::BenignPositive).await;
    let changes = kit.changes();
    kit.sweep(&responder).await;
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::UndoRefused);
    assert!(run.reasons.iter().any(|reason| reason.contains("s3:*")), "{:?}", run.reasons);
    assert_eq!(kit.changes(), changes, "nothing was touched");
}

#[tokio::test]
async fn a_user_who_is_denied_everything_and_works_on_with_another_key_is_not_contained() {
    let kit = Kit::new();
    let responder = kit.responder();
    let mut record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    record["userIdentity"]["accessKeyId"] = json!("ASIAIOSFODNN7EXAMPLE");
    record["userIdentity"]["sessionContext"] = json!({"attributes": {
        "creationDate": "2026-11-20T08:40:00Z", "mfaAuthenticated": "false"}});
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    let run = kit.run(&runs[0]).await;
    assert_eq!((run.runbook.as_str(), run.phase), ("deny-iam-user", Phase::Verifying));

    kit.manual.advance(5 * MINUTE);
    let mut other = kit.record("s3.amazonaws.com", "ListBuckets", json!(null));
    other["userIdentity"]["accessKeyId"] = json!("AKIAI44QH8DHBEXAMPLE");
    kit.deliver(&[other]);
    kit.sweep(&responder).await;
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::Escalated, "{:?}", run.reasons);
}
