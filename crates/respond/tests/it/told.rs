//! Who is told: routes and owners, what was held back, and what follows from a verdict.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use trailloop_cloud::{Actions, Answer, CloudError, Session};
use trailloop_finding::Level;
use trailloop_respond::alert::route::{Match, Route};
use trailloop_respond::tell::{Destination, DestinationKind};
use trailloop_respond::voices::{self, Judgement};
use trailloop_respond::{Phase, Responder};
use trailloop_runbook::Call;

use crate::kit::Kit;

/// Takes what Security Hub is told, answers what people said there, and hands on the rest.
struct Hub(Arc<dyn Actions>, Arc<Mutex<Vec<Call>>>, Value);

#[async_trait]
impl Actions for Hub {
    async fn call(&self, session: &Session, call: &Call) -> Result<Answer, CloudError> {
        if call.service == "securityhub" {
            assert_eq!(session.account, "444455556666", "our own account");
            self.1.lock().unwrap().push(call.clone());
            let body = if call.api == "GetFindings" { self.2.clone() } else { Value::Null };
            return Ok(Answer { body, ..Answer::default() });
        }
        self.0.call(session, call).await
    }
}

/// A responder with several destinations of the same URL; a message's name says for whom it was.
fn responder(kit: &Kit, names: &[&str]) -> Responder {
    let mut responder = kit.responder();
    let slack = responder.destinations.all[0].kind.clone();
    for name in names {
        responder
            .destinations
            .all
            .push(Destination { name: (*name).to_owned(), kind: slack.clone() });
    }
    responder
}

/// Whom something was posted to, with the same one after the other taken as one.
fn told(kit: &Kit) -> Vec<String> {
    let mut names: Vec<String> =
        kit.notifier.posts().into_iter().map(|post| post.destination).collect();
    names.dedup();
    names
}

#[tokio::test]
async fn alerts_go_where_the_routes_say() {
    let kit = Kit::new();
    let mut responder = responder(&kit, &["production", "critical-only"]);
    let route = |matches, to: &str| Route { matches, to: vec![to.to_owned()] };
    responder.destinations.routes.routes = vec![
        route(Match { accounts: vec!["1111*".into()], ..Match::default() }, "production"),
        route(Match { min_severity: Some(Level::Critical), ..Match::default() }, "critical-only"),
    ];
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    assert_eq!(told(&kit), ["production"], "and not the default");
}

#[tokio::test]
async fn what_no_route_takes_goes_to_the_default_and_so_does_what_nobody_owns() {
    let kit = Kit::new();
    let mut responder = responder(&kit, &["other"]);
    let other = Match { accounts: vec!["9999*".into()], ..Match::default() };
    responder.destinations.routes.routes =
        vec![Route { matches: other, to: vec!["other".to_owned()] }];
    for runbook in &mut responder.runbooks {
        runbook.notify.iter_mut().for_each(|notify| notify.to = "owner".to_owned());
    }
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    assert_eq!(told(&kit), ["default"]);
}

#[tokio::test]
async fn what_was_held_back_is_told_by_itself() {
    let kit = Kit::new();
    let responder = kit.responder();
    for _ in 0..30 {
        let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
        kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    }
    let before = kit.notifier.posts().len();
    assert!(before < 30, "{before} messages");
    kit.pass(&responder, Duration::from_secs(120), Duration::from_secs(30)).await;
    let posts = kit.notifier.posts();
    let last = posts.iter().filter(|post| post.body.contains("Messages were held back"));
    assert_eq!(last.clone().count(), 1);
    assert!(last.clone().all(|post| post.body.contains(" more since ")), "{posts:?}");
}

#[tokio::test]
async fn a_verdict_is_told_wherever_the_finding_is_and_undoes_what_was_kept() {
    let mut kit = Kit::new();
    let calls = Arc::new(Mutex::new(Vec::new()));
    kit.actions = Arc::new(Hub(Arc::clone(&kit.actions), Arc::clone(&calls), Value::Null));
    let mut responder = kit.responder();
    let DestinationKind::Slack { url_file } = responder.destinations.all[0].kind.clone() else {
        panic!()
    };
    let pager = DestinationKind::PagerDuty { key_file: url_file };
    responder.destinations.all = vec![
        Destination { name: "default".to_owned(), kind: pager },
        Destination {
            name: "hub".to_owned(),
            kind: DestinationKind::SecurityHub { region: "eu-west-1".to_owned() },
        },
    ];
    responder.destinations.home = Some(("444455556666".to_owned(), "eu-west-1".to_owned()));
    responder.destinations.routes.routes =
        vec![Route { matches: Match::default(), to: vec!["default".to_owned(), "hub".to_owned()] }];
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    kit.approve(&runs[0], "ana").await;
    kit.sweep(&responder).await;
    let finding = kit.run(&runs[0]).await.finding;
    kit.pass(&responder, Duration::from_secs(33 * 60), Duration::from_secs(60)).await;
    kit.judge(&finding, Judgement::TruePositive).await;
    kit.sweep(&responder).await;
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::Kept);
    // Somebody knows better by now, though the run is at its end.
    kit.manual.advance(Duration::from_secs(1));
    kit.judge(&finding, Judgement::FalsePositive).await;
    kit.sweep(&responder).await;
    kit.sweep(&responder).await;
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::Undone);

    let imported = calls.lock().unwrap().clone();
    let of = |api: &str| imported.iter().filter(|call| call.api == api).collect::<Vec<_>>();
    let first = &of("BatchImportFindings")[0].inputs["Findings"][0];
    let product = "arn:aws:securityhub:eu-west-1:444455556666:product/444455556666/default";
    assert_eq!(first["ProductArn"], product);
    assert_eq!(first["AwsAccountId"], "444455556666");
    let updates: Vec<&Value> =
        of("BatchUpdateFindings").iter().map(|call| &call.inputs["VerificationState"]).collect();
    assert_eq!(updates, ["TRUE_POSITIVE", "FALSE_POSITIVE"]);
    let named = &of("BatchUpdateFindings")[0].inputs["FindingIdentifiers"][0];
    assert_eq!((&named["Id"], &named["ProductArn"]), (&first["Id"], &json!(product)));

    let events: Vec<Value> =
        kit.notifier.posts().iter().map(|post| serde_json::from_str(&post.body).unwrap()).collect();
    let opened = events.iter().find(|event| event["event_action"] == "trigger").unwrap();
    let closed: Vec<&Value> =
        events.iter().filter(|event| event["event_action"] == "resolve").collect();
    assert!(!closed.is_empty(), "{events:#?}");
    assert!(closed.iter().all(|event| event["dedup_key"] == opened["dedup_key"]), "{closed:#?}");
    assert!(closed.iter().all(|event| event["routing_key"] != ""), "{closed:#?}");

    let kept = kit.evidence.path().join("verdicts").join(&finding);
    let mut verdicts: Vec<Value> = std::fs::read_dir(kept)
        .unwrap()
        .map(|file| serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap())
        .collect();
    verdicts.sort_by_key(|one| one["time"].as_i64());
    let said: Vec<&Value> = verdicts.iter().map(|one| &one["verdict_id"]).collect();
    assert_eq!(said, [2, 1], "true positive, false positive");
    assert!(verdicts.iter().all(|one| one["finding_info"]["uid"] == finding.as_str()));
}

#[tokio::test]
async fn what_people_say_in_security_hub_is_a_verdict_once() {
    let mut kit = Kit::new();
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let message = kit.finding_of(record);
    let finding: Value = serde_json::from_str(&message.body).unwrap();
    let uid = finding["finding_info"]["uid"].as_str().unwrap().to_owned();
    let at = trailloop_respond::rfc3339(kit.now_ms() + 60_000);
    let said = |id: &str, ours: Value| {
        json!({"Id": format!("trailloop:{id}"), "UpdatedAt": at, "VerificationState": "BENIGN_POSITIVE",
            "Note": {"Text": "automation: our scanner", "UpdatedBy": "carla"}, "UserDefinedFields": ours})
    };
    let answer = json!({"Findings": [
        said(&uid, json!(null)),
        said(&uid.replace(|_: char| true, "0"), json!({"trailloop.verdict": "benign_positive"})),
        said("../../etc", json!(null)),
    ]});
    let calls = Arc::new(Mutex::new(Vec::new()));
    kit.actions = Arc::new(Hub(Arc::clone(&kit.actions), Arc::clone(&calls), answer));
    let mut responder = kit.responder();
    responder.destinations.all.push(Destination {
        name: "hub".to_owned(),
        kind: DestinationKind::SecurityHub { region: "eu-west-1".to_owned() },
    });
    responder.destinations.home = Some(("444455556666".to_owned(), "eu-west-1".to_owned()));
    kit.respond(&responder, &message).await.unwrap();
    kit.sweep(&responder).await;
    let is_asked = || calls.lock().unwrap().iter().any(|call| call.api == "GetFindings");
    assert!(!is_asked(), "not unless the operator says so");
    responder.settings.hears_security_hub = true;
    for _ in 0..3 {
        kit.manual.advance(Duration::from_secs(6 * 60));
        kit.sweep(&responder).await;
    }
    let asked = calls.lock().unwrap().iter().filter(|call| call.api == "GetFindings").count();
    assert_eq!(asked, 3);
    let verdicts = voices::verdicts(&*kit.table, &uid).await.unwrap();
    let all: Vec<[&str; 3]> =
        verdicts.iter().map(|one| [&*one.judgement, &*one.reason, &*one.by]).collect();
    assert_eq!(all, [["benign_positive", "automation", "carla"]]);
}
