//! What must never happen: forgeries, floods, injections, a rival who takes everything back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use trailloop_cloud::{Actions, Answer, Attempt, CloudError, CloudErrorKind, Session};
use trailloop_respond::Phase;
use trailloop_runbook::Call;

use crate::kit::{ACCOUNT, KEY, Kit, TRAIL, message};

fn call(service: &str, api: &str, inputs: Value) -> Call {
    let inputs = inputs.as_object().unwrap().clone();
    Call { service: service.to_owned(), api: api.to_owned(), inputs }
}

#[tokio::test]
async fn a_thousand_forged_findings_change_nothing_and_are_one_page() {
    let kit = Kit::new();
    let responder = kit.responder();
    let stop = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": TRAIL}));
    let real = kit.finding_of(stop);
    let mut forged: Value = serde_json::from_str(&real.body).unwrap();
    for number in 0..1000 {
        // Well formed, of another event, and most of them of a record that is really there.
        forged["finding_info"]["uid"] = json!(format!("{number:032x}"));
        if number % 3 == 1 {
            forged["unmapped"]["trailloop"]["location"]["bucket"] = json!("attackers-bucket");
        }
        if number % 3 == 2 {
            forged["unmapped"]["trailloop"]["location"]["key"] = json!(format!("AWSLogs/{number}"));
        }
        let handled = kit.drive(responder.respond(&message(&forged.to_string()))).await.unwrap();
        assert!(matches!(handled, trailloop_respond::Handled::Doubted(_)), "{handled:?}");
    }
    assert_eq!(kit.changes(), Vec::<String>::new());
    assert!(kit.runs().await.is_empty());
    assert_eq!(kit.notifier.posts().len(), 1, "one page, and what it held back is counted");
}

#[tokio::test]
async fn a_flood_is_held_by_its_budget_asks_for_the_rest_and_pages_once() {
    let mut kit = Kit::new();
    kit.settings.per_hour_account = 2;
    let responder = kit.responder();
    for number in 0..500 {
        let name = format!("trail-{number}");
        kit.accounts.add_trail(ACCOUNT, "us-east-1", &name, "example-trail");
        let arn = format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{name}");
        let stop = call("cloudtrail", "StopLogging", json!({"Name": arn}));
        kit.accounts.call_as(KEY, "us-east-1", &stop).unwrap();
        let record = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": arn}));
        kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    }
    let mut runs = kit.runs().await;
    runs.retain(|run| run.runbook == "restart-trail");
    assert_eq!(runs.len(), 500, "none is lost");
    let in_phase = |phase| runs.iter().filter(|run| run.phase == phase).count();
    assert_eq!(in_phase(Phase::Verifying), 2);
    assert_eq!(in_phase(Phase::AwaitingApproval), 498);
    assert_eq!(kit.changes().len(), 2);
    let pages = kit
        .notifier
        .posts()
        .iter()
        .filter(|post| post.body.contains("budget of restart-trail is spent; runs wait"))
        .count();
    assert_eq!(pages, 1);
}

#[tokio::test]
async fn text_of_a_record_is_interpreted_nowhere() {
    let hostile = [
        r#"","Effect":"Allow","Action":"*","#,
        "'; DROP TABLE state_row; --",
        "$(aws iam create-user --user-name eve)",
        "<!channel> <https://evil.example|AWS console>",
        "\u{1b}[2J\u{1b}[31mred",
        "{{ AccessKeyId }} {{ global:ACCOUNT_ID }}",
        "../../etc/passwd\u{0}",
        "\u{202e}gnp.exe",
    ];
    let kit = Kit::new();
    let responder = kit.responder();
    for text in hostile {
        let mut record = kit.record("iam.amazonaws.com", "CreateUser", json!({"userName": text}));
        record["userAgent"] = json!(text);
        record["sourceIPAddress"] = json!(text);
        record["requestID"] = json!(text);
        record["userIdentity"]["userName"] = json!(text);
        let handled = kit.drive(responder.respond(&kit.finding_of(record))).await.unwrap();
        let trailloop_respond::Handled::Runs(runs) = handled else { continue };
        for run in runs {
            let run = kit.run(&run).await;
            assert!(run.parameters.values().all(|value| value != text), "{run:?}");
        }
    }
    assert_eq!(kit.changes(), Vec::<String>::new());
    for post in kit.notifier.posts() {
        assert!(
            !post.body.contains("<!channel>") && !post.body.contains('\u{1b}'),
            "{}",
            post.body
        );
        assert!(!post.body.contains('\u{202e}'));
    }
}

#[tokio::test]
async fn by_default_nothing_is_changed_and_a_replay_never_acts() {
    let mut kit = Kit::new();
    kit.settings = trailloop_respond::Settings { simulates: false, ..Default::default() };
    let responder = kit.responder();
    let stop =
        |kit: &Kit| kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": TRAIL}));
    let runs = kit.respond(&responder, &kit.finding_of(stop(&kit))).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.phase, Phase::Planned);
    assert!(run.plan.iter().any(|line| line.contains("cloudtrail:StartLogging")), "{:?}", run.plan);

    kit.settings.mode = trailloop_runbook::document::Mode::Auto;
    kit.settings.first_day_auto = true;
    let responder = kit.responder();
    let mut replayed = kit.finding_of(stop(&kit));
    replayed.attributes.clear();
    let runs = kit.respond(&responder, &replayed).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!(
        (run.phase, run.reasons.last().map(|r| r.starts_with("replay"))),
        (Phase::Refused, Some(true))
    );
    assert_eq!(kit.changes(), Vec::<String>::new());
}

/// The attacker takes back what we attach, makes the key work again, and builds another way in, for as long as it can.
fn fight_back(kit: &Kit, policy: &str) -> Vec<Value> {
    let calls = [
        call("iam", "DeleteUserPolicy", json!({"UserName": "bob", "PolicyName": policy})),
        call(
            "iam",
            "UpdateAccessKey",
            json!({"UserName": "bob", "AccessKeyId": KEY, "Status": "Active"}),
        ),
        call("iam", "CreateAccessKey", json!({"UserName": "bob"})),
    ];
    let mut records = Vec::new();
    for call in calls {
        let mut record = kit.record("iam.amazonaws.com", &call.api, json!({"userName": "bob"}));
        if let Err(error) = kit.accounts.call_as(KEY, "us-east-1", &call) {
            record["errorCode"] = json!("AccessDenied");
            record["errorMessage"] = json!(error.message());
        }
        records.push(record);
    }
    records
}

#[tokio::test]
async fn a_rival_who_takes_everything_back_ends_denied_or_escalated_and_is_never_called_contained()
{
    let kit = Kit::with_propagation(Duration::from_secs(4));
    let responder = kit.responder();
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    let policy = format!("trailloop-contain-{}", &kit.run(&runs[0]).await.finding[..8]);
    let mut last_success = None;
    for second in 0..900 {
        kit.manual.advance(Duration::from_secs(1));
        let records = fight_back(&kit, &policy);
        let succeeded = records.iter().any(|record| record.get("errorCode").is_none());
        if succeeded {
            last_success = Some(second);
        }
        if second % 5 == 0 {
            kit.deliver(&records);
            kit.sweep(&responder).await;
        }
        for id in &runs {
            let phase = kit.run(id).await.phase;
            assert!(phase != Phase::Contained || !succeeded, "contained while a call succeeds");
        }
    }
    let phase = kit.run(&runs[0]).await.phase;
    let now_ms = kit.now_ms();
    let denied =
        matches!(kit.accounts.attempt(KEY, "iam:CreateUser", "*", now_ms), Attempt::Denied { .. });
    assert!(
        phase == Phase::Escalated || (denied && last_success.is_none_or(|at| at < 600)),
        "{phase:?}, last success at {last_success:?} s"
    );
    if phase == Phase::Escalated {
        assert!(kit.runs().await.iter().any(|run| run.parent.as_deref() == Some(&runs[0])));
    }
}

/// An account in which there is no role for us.
struct Closed;

#[async_trait]
impl Actions for Closed {
    async fn call(&self, _: &Session, call: &Call) -> Result<Answer, CloudError> {
        let text = "not authorized to perform: sts:AssumeRole";
        Err(CloudError::new(CloudErrorKind::Denied, "assume role", call.name(), text))
    }
}

#[tokio::test]
async fn an_account_that_can_not_be_entered_is_no_secret() {
    let mut kit = Kit::new();
    kit.actions = Arc::new(Closed);
    let responder = kit.responder();
    let stop = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": TRAIL}));
    let runs = kit.respond(&responder, &kit.finding_of(stop)).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert!(matches!(run.phase, Phase::Failed | Phase::Escalated), "{:?}", run.phase);
    assert!(
        run.reasons.iter().any(|reason| reason.contains("sts:AssumeRole")),
        "{:?}",
        run.reasons
    );
    let bodies: Vec<String> = kit.notifier.posts().into_iter().map(|post| post.body).collect();
    assert!(bodies.iter().any(|body| body.contains("sts:AssumeRole")), "{bodies:?}");
}

#[tokio::test]
async fn a_finding_of_rules_that_are_not_here_yet_is_let_go_and_then_told() {
    let kit = Kit::new();
    let responder = kit.responder();
    let stop = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": TRAIL}));
    let real = kit.finding_of(stop);
    let mut other: Value = serde_json::from_str(&real.body).unwrap();
    other["unmapped"]["trailloop"]["rule"]["hash"] = json!("0".repeat(64));
    let mut other = message(&other.to_string());
    assert!(kit.drive(responder.respond(&other)).await.is_err(), "it comes again");
    assert!(kit.notifier.posts().is_empty());
    other.receive_count = 3;
    let handled = kit.drive(responder.respond(&other)).await.unwrap();
    assert!(matches!(handled, trailloop_respond::Handled::Doubted(_)), "{handled:?}");
    assert_eq!((kit.notifier.posts().len(), kit.changes().len()), (1, 0));
}
