//! Canaries: sent on time, found by the way that findings come, judged tests; what is late is a page, and what is forged is none.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use trailloop_cloud::{CloudError, MemoryStore, Vault};
use trailloop_respond::canary::{Canaries, canaries};
use trailloop_respond::token::Secret;
use trailloop_respond::{Handled, Responder, store};

use crate::kit::{BUCKET, Kit};

const MINUTE: Duration = Duration::from_secs(60);
const CANARY_ACCOUNT: &str = "000000000000";
const RULE: &str = "1f2e3d4c-0000-4000-8000-000000000002";

/// Writes where the trail delivers.
struct Delivered(Arc<MemoryStore>);

#[async_trait]
impl Vault for Delivered {
    fn name(&self) -> &str {
        "the trail's bucket"
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), CloudError> {
        self.0.put(BUCKET, name, bytes);
        Ok(())
    }
}

fn responder(kit: &Kit) -> Responder {
    let mut event = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": "main"}));
    event["recipientAccountId"] = json!(CANARY_ACCOUNT);
    event["userIdentity"]["accountId"] = json!(CANARY_ACCOUNT);
    let mut responder = kit.responder();
    responder.canaries = Some(Canaries {
        vault: Arc::new(Delivered(Arc::clone(&kit.store))),
        account: CANARY_ACCOUNT.to_owned(),
        secret: Secret::new(vec![7; 32]).unwrap(),
        every: 24 * 60 * MINUTE,
        objective: 15 * MINUTE,
        events: vec![(RULE.to_owned(), event)],
    });
    responder
}

/// The keys of the canaries' objects.
async fn delivered(kit: &Kit) -> Vec<String> {
    use trailloop_cloud::Store as _;
    let page = kit.store.list(BUCKET, &format!("AWSLogs/{CANARY_ACCOUNT}/"), None).await.unwrap();
    page.objects.into_iter().map(|object| object.key).collect()
}

fn pages(kit: &Kit) -> Vec<String> {
    let sent = kit.notifier.posts().into_iter().map(|one| one.body);
    sent.filter(|body| body.contains("canary was not found")).collect()
}

#[tokio::test]
async fn a_canary_is_found_judged_a_test_and_leads_to_nothing() {
    let kit = Kit::new();
    kit.deliver(&[kit.record("s3.amazonaws.com", "ListBuckets", json!(null))]);
    let responder = responder(&kit);
    kit.sweep(&responder).await;
    let keys = delivered(&kit).await;
    assert_eq!(keys.len(), 1);
    // Another worker sends no second one.
    kit.sweep(&self::responder(&kit)).await;
    assert_eq!(delivered(&kit).await.len(), 1);

    kit.manual.advance(5 * MINUTE);
    let messages = kit.findings(&keys[0]);
    assert_eq!(messages.len(), 1);
    let handled = responder.respond(&messages[0]).await.unwrap();
    assert!(matches!(handled, Handled::Canary), "{handled:?}");
    assert_eq!(kit.changes(), Vec::<String>::new());
    let finding: Value = serde_json::from_str(&messages[0].body).unwrap();
    let uid = finding["finding_info"]["uid"].as_str().unwrap();
    let judged = store::of_rule(&*kit.table, RULE).await.unwrap();
    let standing = judged.iter().find(|one| one.place.uid == uid).unwrap().standing().unwrap();
    assert_eq!(standing.judgement, trailloop_respond::voices::Judgement::Test);

    kit.manual.advance(20 * MINUTE);
    kit.sweep(&responder).await;
    assert_eq!(pages(&kit), Vec::<String>::new());
    let sent = canaries(&*kit.table).await.unwrap();
    assert_eq!(sent[0].found_ms.unwrap() - sent[0].sent_ms, 300_000);
}

#[tokio::test]
async fn a_late_canary_is_one_page_and_the_next_one_is_sent_in_its_turn() {
    let kit = Kit::new();
    let responder = responder(&kit);
    kit.sweep(&responder).await;
    kit.manual.advance(16 * MINUTE);
    kit.sweep(&responder).await;
    kit.manual.advance(2 * MINUTE);
    kit.sweep(&responder).await;
    assert_eq!(pages(&kit).len(), 1);
    assert!(pages(&kit)[0].contains(RULE), "{:?}", pages(&kit));
    kit.manual.advance(24 * 60 * MINUTE);
    kit.sweep(&responder).await;
    assert_eq!(delivered(&kit).await.len(), 2);
}

#[tokio::test]
async fn an_event_of_the_canaries_account_that_is_not_signed_is_a_finding_like_any_other() {
    let kit = Kit::new();
    let responder = responder(&kit);
    kit.sweep(&responder).await;
    let mut record = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": "main"}));
    record["recipientAccountId"] = json!(CANARY_ACCOUNT);
    let handled = responder.respond(&kit.finding_of(record)).await.unwrap();
    assert!(!matches!(handled, Handled::Canary), "{handled:?}");
}
