//! Filters that move findings down: such findings are kept and nothing is done about them, until a tripwire voids the filter.

use serde_json::json;
use trailloop_cloud::Message;
use trailloop_respond::voices::Judgement;
use trailloop_respond::{Handled, Responder, day_of, store};

use crate::kit::Kit;

const STOPPED: &str = "1f2e3d4c-0000-4000-8000-000000000002";

/// What bob does from where he always does it.
const FILTER: &str = "title: Bob stops his trail
logsource: {product: aws, service: cloudtrail}
filter:
  rules: [1f2e3d4c-0000-4000-8000-000000000002]
  who: {userIdentity.arn: 'arn:aws:iam::111122223333:user/bob', awsRegion: us-east-1}
  condition: not who
trailloop:
  action: downrank
  owner: platform
  reason: automation
  created: 2026-11-10
  expires: 2026-12-01
  tripwires: [trust_changed, policy_changed, key_created, new_network, tp_on_entity, volume_gt_3x]
  seen: {entities: ['arn:aws:iam::111122223333:user/bob'], events: [StopLogging], networks: [203.0.113.0/24], regions: [us-east-1], agents: [aws-cli]}
  evidence: {verdicts: 5, reviewers: 2, days: 11}
  backtest: {rule: RULE, from: 2026-05-24, to: 2026-08-22, events: 4123, removed: 18, kept: 3, entities: 1, unreviewed_entities: 0, tp_hidden: 0, corpora_hidden: 0, audited: 60, hidden_tp_ub95: 0.049, daily_p95: 2, sha256: SEAL}
";

fn stopped(kit: &Kit) -> Message {
    let record = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": "main"}));
    kit.finding_of(record)
}

async fn handled(kit: &Kit, responder: &Responder, message: &Message) -> Handled {
    kit.drive(responder.respond(message)).await.unwrap()
}

/// How many kept findings a filter moves down, and how many it does not.
async fn kept(kit: &Kit) -> (usize, usize) {
    let kept = store::of_day(&*kit.table, &day_of(kit.now_ms())).await.unwrap();
    let down = kept.iter().filter(|(_, kept)| kept.entry.suppressed_by.is_some()).count();
    (down, kept.len() - down)
}

#[tokio::test]
async fn what_is_moved_down_is_kept_and_nothing_is_done() {
    let kit = Kit::new().with_filter(STOPPED, FILTER);
    let responder = kit.responder();
    let message = stopped(&kit);
    assert!(message.body.contains(r#""status":"Suppressed""#), "{}", message.body);
    for _ in 0..3 {
        let handled = handled(&kit, &responder, &message).await;
        assert!(matches!(handled, Handled::Quieted), "{handled:?}");
    }
    assert_eq!(kept(&kit).await, (1, 0));
    assert!(kit.runs().await.is_empty() && kit.notifier.posts().is_empty());
    let incidents = store::incidents(&*kit.table, &day_of(kit.now_ms())).await.unwrap();
    assert!(incidents.iter().all(|one| !one.is_visible()), "it opens none by itself");
}

#[tokio::test]
async fn another_network_voids_the_filter_and_what_it_hid_comes_up() {
    let kit = Kit::new().with_filter(STOPPED, FILTER);
    let responder = kit.responder();
    handled(&kit, &responder, &stopped(&kit)).await;
    let mut record = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": "main"}));
    record["sourceIPAddress"] = "198.51.100.7".into();
    let handled = handled(&kit, &responder, &kit.finding_of(record)).await;
    assert!(matches!(handled, Handled::Runs(_)), "it is acted upon: {handled:?}");
    assert_eq!(kept(&kit).await.0, 0);
    let told: String = kit.notifier.posts().iter().map(|post| post.body.clone()).collect();
    assert!(told.contains("A filter is void") && told.contains("198.51.100.0/24"), "{told}");
    // It stays void, for other executors as well.
    let handled = self::handled(&kit, &kit.responder(), &stopped(&kit)).await;
    assert!(matches!(handled, Handled::Runs(_)), "{handled:?}");
}

#[tokio::test]
async fn a_change_of_whom_it_speaks_of_voids_the_filter() {
    let kit = Kit::new().with_filter(STOPPED, FILTER);
    let responder = kit.responder();
    let made = kit.record("iam.amazonaws.com", "CreateUser", json!({"userName": "eve"}));
    handled(&kit, &responder, &kit.finding_of(made)).await;
    let handled_ = handled(&kit, &responder, &stopped(&kit)).await;
    assert!(matches!(handled_, Handled::Quieted), "another user is not bob: {handled_:?}");
}

#[tokio::test]
async fn more_than_its_backtest_saw_voids_the_filter() {
    let kit = Kit::new().with_filter(STOPPED, FILTER);
    let responder = kit.responder();
    let mut quieted = 0;
    for _ in 0..8 {
        let message = stopped(&kit);
        // However often each is delivered.
        handled(&kit, &responder, &message).await;
        quieted +=
            usize::from(matches!(handled(&kit, &responder, &message).await, Handled::Quieted));
    }
    assert_eq!(quieted, 6, "three times two a day");
}

#[tokio::test]
async fn an_attack_on_whom_it_speaks_of_voids_the_filter() {
    let kit = Kit::new().with_filter(STOPPED, FILTER);
    let responder = kit.responder();
    let made = kit.record("iam.amazonaws.com", "CreateUser", json!({"userName": "eve"}));
    let made = kit.finding_of(made);
    handled(&kit, &responder, &made).await;
    let finding: serde_json::Value = serde_json::from_str(&made.body).unwrap();
    let uid = finding["finding_info"]["uid"].as_str().unwrap();
    kit.judge(uid, Judgement::TruePositive).await;
    kit.sweep(&responder).await;
    let handled = handled(&kit, &responder, &stopped(&kit)).await;
    assert!(matches!(handled, Handled::Runs(_)), "{handled:?}");
}

#[tokio::test]
async fn risk_that_whom_it_speaks_of_has_gathered_voids_the_filter() {
    let filter = FILTER.replace("new_network, ", "new_network, entity_risk_gt_60, ");
    let kit = Kit::new().with_filter(STOPPED, &filter);
    let responder = kit.responder();
    let quieted = handled(&kit, &responder, &stopped(&kit)).await;
    assert!(matches!(quieted, Handled::Quieted), "{quieted:?}");
    let made = kit.record("iam.amazonaws.com", "CreateUser", json!({"userName": "eve"}));
    let made: serde_json::Value = serde_json::from_str(&kit.finding_of(made).body).unwrap();
    let begun = trailloop_feedback::Entry::of(&made).unwrap();
    let gather = async |number: u32| {
        let mut entry = begun.clone();
        entry.uid = format!("{number:032x}");
        entry.folded = [entry.uid.as_str()].into_iter().collect();
        entry.rule = format!("rule-{number}");
        entry.level = trailloop_finding::Level::Critical;
        store::take(&*kit.table, &entry, &day_of(kit.now_ms())).await.unwrap();
    };
    for number in 0..2 {
        gather(number).await;
    }
    let quieted = handled(&kit, &responder, &stopped(&kit)).await;
    assert!(matches!(quieted, Handled::Quieted), "two are not enough: {quieted:?}");
    for number in 2..6 {
        gather(number).await;
    }
    let acted = handled(&kit, &responder, &stopped(&kit)).await;
    assert!(matches!(acted, Handled::Runs(_)), "{acted:?}");
    let told: String = kit.notifier.posts().iter().map(|post| post.body.clone()).collect();
    assert!(told.contains("has gathered a risk of"), "{told}");
}

#[tokio::test]
async fn after_its_last_day_a_filter_moves_nothing_down() {
    let kit = Kit::new()
        .with_filter(STOPPED, &FILTER.replace("expires: 2026-12-01", "expires: 2026-11-20"));
    let handled = handled(&kit, &kit.responder(), &stopped(&kit)).await;
    assert!(matches!(handled, Handled::Runs(_)), "{handled:?}");
}
