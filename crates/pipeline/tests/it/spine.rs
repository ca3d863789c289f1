//! What happens to a message, whatever happens to its objects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Semaphore;
use trailloop_cloud::{
    CloudError, CloudErrorKind, Message, Object, ObjectRef, Outgoing, Page, Queue, Receipt, Store,
};

use crate::world::{RECEIVED_MS, World, gzip, record, until};

#[tokio::test(start_paused = true)]
async fn findings_arrive_and_every_message_is_settled() {
    let world = World::new();
    world
        .log(
            "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/02/a b.json.gz",
            &[record("e1", "StopLogging"), record("e2", "Other")],
        )
        .await;
    world
        .log(
            "AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/11/02/i.json.gz",
            &[record("e3", "StopLogging")],
        )
        .await;
    world
        .notify(&[
            "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/11/02/d.json.gz",
            "AWSLogs/111122223333/Config/x",
        ])
        .await;
    world.send(json!({"Event": "s3:TestEvent"}).to_string()).await;
    let pipeline = world.plain();
    let (stop, running) = world.start(&pipeline);
    until("all settled", || world.notifications.is_empty()).await;
    stop.cancel();
    assert_eq!(running.await.unwrap().given_back, 0);
    assert_eq!(world.found(), ["e1", "e3"]);
    let totals = pipeline.counters.totals();
    assert_eq!((totals.messages_acknowledged, totals.messages_ignored), (4, 1));
    assert_eq!((totals.objects, totals.objects_skipped), (2, 2));
    assert_eq!((totals.records, totals.findings), (3, 2));
    // Wall-clock times travel beside a finding, not in it.
    let sent = world.actions.receive(10, Duration::ZERO, Duration::from_secs(9)).await.unwrap();
    for message in sent {
        assert_eq!(message.attributes["trailloop-received-ms"], RECEIVED_MS.to_string());
        assert!(message.attributes.contains_key("trailloop-notified-ms"));
        assert!(!message.body.contains(&RECEIVED_MS.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_never_succeed_is_parked_with_its_reason_after_the_good_part_is_done() {
    let world = World::new();
    let whole = gzip(
        json!({"Records": [record("e1", "StopLogging"), record("e2", "StopLogging")]})
            .to_string()
            .as_bytes(),
    );
    world.store.put("trail", "cut", whole[..whole.len() - 12].to_vec());
    world.store.put("trail", "part", br#"{"Records":[{"eventVersion":"1.11","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","eventID":"e3"},{"eventVersion":"1.11","x":tru}]}"#.to_vec());
    world.notify(&["cut"]).await;
    world.notify(&["part"]).await;
    world.notify(&["missing"]).await;
    world.send("not json".to_owned()).await;
    world.send("{\"some\":\"form\"}".to_owned()).await;
    let pipeline = world.plain();
    let (stop, running) = world.start(&pipeline);
    until("all settled", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.found().last().map(String::as_str), Some("e3"));

    let parked =
        world.dead_letters.receive(10, Duration::ZERO, Duration::from_secs(9)).await.unwrap();
    let reasons: BTreeMap<&str, &str> = parked
        .iter()
        .map(|message| {
            let attribute = |name: &str| message.attributes.get(name).map_or("-", String::as_str);
            (attribute("trailloop-reason"), attribute("trailloop-key"))
        })
        .collect();
    let expected = [
        ("notification_not_json", "-"),
        ("notification_unknown", "-"),
        ("object_damaged", "cut"),
        ("object_missing", "missing"),
        ("records_refused", "part"),
    ];
    assert_eq!(reasons, BTreeMap::from(expected));
    assert!(parked.iter().any(|message| message.body == "not json"), "the body is kept");
    let totals = pipeline.counters.totals();
    assert_eq!((totals.messages_parked, totals.objects_failed, totals.records_failed), (5, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn without_a_dead_letter_queue_nothing_is_deleted() {
    let world = World::new();
    world.send("not json".to_owned()).await;
    let pipeline =
        world.pipeline(Arc::new(world.store.clone()), Arc::new(world.actions.clone()), false);
    let (stop, running) = world.start(&pipeline);
    until("let go twice", || pipeline.counters.totals().messages_released >= 2).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.notifications.len(), 1);
}

/// A standard queue that takes only a part of the first batches.
struct Refusing {
    inner: trailloop_cloud::MemoryQueue,
    refusals: Semaphore,
}

#[async_trait]
impl Queue for Refusing {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError> {
        self.inner.receive(most, wait, visibility).await
    }

    async fn extend(
        &self,
        receipts: &[Receipt],
        visibility: Duration,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        self.inner.extend(receipts, visibility).await
    }

    async fn delete(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        self.inner.delete(receipts).await
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        // As a standard queue does, which knows no deduplication ids.
        let messages: Vec<Outgoing> =
            messages.iter().map(|one| Outgoing { deduplication: None, ..one.clone() }).collect();
        match self.refusals.try_acquire() {
            // The first message is accepted and the rest refused: a batch that fails in part.
            Ok(refusal) => {
                refusal.forget();
                let mut results = self.inner.send(&messages[..1]).await?;
                let error =
                    || CloudError::new(CloudErrorKind::Transient, "send", "actions", "try later");
                results.extend(messages[1..].iter().map(|_| Err(error())));
                Ok(results)
            }
            Err(_) => self.inner.send(&messages).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_until_every_finding_is_accepted() {
    let world = World::new();
    world
        .log(
            "a",
            &[
                record("e1", "StopLogging"),
                record("e2", "StopLogging"),
                record("e3", "StopLogging"),
            ],
        )
        .await;
    let actions = Arc::new(Refusing { inner: world.actions.clone(), refusals: Semaphore::new(3) });
    let pipeline = world.pipeline(Arc::new(world.store.clone()), actions, true);
    let (stop, running) = world.start(&pipeline);
    until("refused three times", || pipeline.counters.totals().messages_released == 3).await;
    assert_eq!(world.notifications.len(), 1);
    until("accepted", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    // Repeats are the same findings, byte for byte.
    let mut bodies = world.actions.bodies();
    assert_eq!(bodies.len(), 6);
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 3);
}

/// A queue that will never take one of the findings.
struct Picky(trailloop_cloud::MemoryQueue);

#[async_trait]
impl Queue for Picky {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError> {
        self.0.receive(most, wait, visibility).await
    }

    async fn extend(
        &self,
        receipts: &[Receipt],
        visibility: Duration,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        self.0.extend(receipts, visibility).await
    }

    async fn delete(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        self.0.delete(receipts).await
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let mut results = Vec::new();
        for message in messages {
            results.push(if message.body.contains("e2") {
                Err(CloudError::new(CloudErrorKind::Invalid, "send", "actions", "not this one"))
            } else {
                self.0.send(std::slice::from_ref(message)).await?.remove(0)
            });
        }
        Ok(results)
    }
}

#[tokio::test(start_paused = true)]
async fn a_finding_that_is_never_taken_does_not_keep_the_others() {
    let world = World::new();
    let records = ["e1", "e2", "e3"].map(|id| record(id, "StopLogging"));
    world.log("a", &records).await;
    let actions = Arc::new(Picky(world.actions.clone()));
    let pipeline = world.pipeline(Arc::new(world.store.clone()), actions, true);
    let (stop, running) = world.start(&pipeline);
    until("settled", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.found(), ["e1", "e3"]);
    let parked =
        world.dead_letters.receive(10, Duration::ZERO, Duration::from_secs(9)).await.unwrap();
    assert_eq!(parked[0].attributes["trailloop-reason"], "finding_refused");
}

#[tokio::test(start_paused = true)]
async fn a_denied_object_is_let_go_until_its_message_is_old() {
    let world = World::new();
    world.notify(&["denied"]).await;
    let pipeline = world.pipeline(Arc::new(Denying), Arc::new(world.actions.clone()), true);
    let (stop, running) = world.start(&pipeline);
    until("let go three times", || pipeline.counters.totals().messages_released >= 3).await;
    assert_eq!((world.notifications.len(), world.dead_letters.len()), (1, 0));
    world.clock.advance(Duration::from_secs(4 * 24 * 3600));
    until("settled", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    let parked =
        world.dead_letters.receive(10, Duration::ZERO, Duration::from_secs(9)).await.unwrap();
    assert_eq!(parked[0].attributes["trailloop-reason"], "object_denied");
}

/// A store that denies everything.
struct Denying;

#[async_trait]
impl Store for Denying {
    async fn list(&self, bucket: &str, _: &str, _: Option<&str>) -> Result<Page, CloudError> {
        Err(CloudError::new(CloudErrorKind::Denied, "list", bucket, "no"))
    }

    async fn get(&self, object: &ObjectRef, _: u64) -> Result<Object, CloudError> {
        Err(CloudError::new(CloudErrorKind::Denied, "get", object.to_string(), "no"))
    }
}

/// A store that answers after a while.
struct Slow {
    inner: trailloop_cloud::MemoryStore,
    takes: Duration,
}

#[async_trait]
impl Store for Slow {
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, CloudError> {
        self.inner.list(bucket, prefix, after).await
    }

    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        tokio::time::sleep(self.takes).await;
        self.inner.get(object, bytes_max).await
    }
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_keeps_a_slow_message_ours() {
    let world = World::new();
    world.log("slow", &[record("e1", "StopLogging")]).await;
    let store = Slow { inner: world.store.clone(), takes: Duration::from_secs(600) };
    let pipeline = world.pipeline(Arc::new(store), Arc::new(world.actions.clone()), true);
    let (stop, running) = world.start(&pipeline);
    until("settled", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    let totals = pipeline.counters.totals();
    assert_eq!(
        (totals.messages_received, totals.findings),
        (1, 1),
        "twenty visibilities long, and delivered once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_began_and_gives_back_what_does_not_finish() {
    let mut world = World::new();
    world.limits.messages_in_flight_max = 2;
    world.limits.drain = Duration::from_secs(60);
    for key in ["a", "b", "c"] {
        world.log(key, &[record(key, "StopLogging")]).await;
    }
    let store = Slow { inner: world.store.clone(), takes: Duration::from_secs(20) };
    let pipeline = world.pipeline(Arc::new(store), Arc::new(world.actions.clone()), true);
    let (stop, running) = world.start(&pipeline);
    until("two are in flight", || world.notifications.in_flight() == 2).await;
    stop.cancel();
    assert_eq!(running.await.unwrap().given_back, 0);
    assert_eq!(world.found(), ["a", "b"], "what began is finished, and the third was not received");
    assert_eq!((world.notifications.len(), world.notifications.in_flight()), (1, 0));

    world.limits.drain = Duration::from_secs(5);
    let store = Slow { inner: world.store.clone(), takes: Duration::from_secs(20) };
    let pipeline = world.pipeline(Arc::new(store), Arc::new(world.actions.clone()), true);
    let (stop, running) = world.start(&pipeline);
    until("one is in flight", || world.notifications.in_flight() == 1).await;
    stop.cancel();
    assert_eq!(running.await.unwrap().given_back, 1);
    assert_eq!(world.notifications.in_flight(), 0, "it can be received again at once");
    assert_eq!(world.found(), ["a", "b"]);
}
