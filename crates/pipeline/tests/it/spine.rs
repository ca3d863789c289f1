//! What happens to a message, whatever happens to its objects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use trailloop_cloud::{
    CloudErrorKind, Fault, FaultPlan, FaultRate, FaultyQueue, FaultyStore, Operation, Queue,
    ScriptedFault, Store,
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

/// Faults at these calls of an operation, counted from 0; each message of a batch is a call.
fn faults(operation: Operation, calls: &[u64], fault: Fault) -> FaultPlan {
    FaultPlan::script(calls.iter().map(|call| ScriptedFault { operation, call: *call, fault }))
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
    // Three batches of which the first finding is accepted and the others are not.
    let refused = Fault::Fails(CloudErrorKind::Transient);
    let plan = faults(Operation::Send, &[1, 2, 4, 5, 7, 8], refused);
    let actions = Arc::new(FaultyQueue::new(Arc::new(world.actions.clone()), plan));
    let pipeline = world.pipeline(Arc::new(world.store.clone()), actions, true);
    let (stop, running) = world.start(&pipeline);
    until("refused three times", || pipeline.counters.totals().messages_released == 3).await;
    assert_eq!(world.notifications.len(), 1);
    until("accepted", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.found(), ["e1", "e2", "e3"]);
}

#[tokio::test(start_paused = true)]
async fn a_finding_that_is_never_taken_does_not_keep_the_others() {
    let world = World::new();
    let records = ["e1", "e2", "e3"].map(|id| record(id, "StopLogging"));
    world.log("a", &records).await;
    let plan = faults(Operation::Send, &[1], Fault::Fails(CloudErrorKind::Invalid));
    let actions = Arc::new(FaultyQueue::new(Arc::new(world.actions.clone()), plan));
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
    let pipeline = {
        let fault = Fault::Fails(CloudErrorKind::Denied);
        let always = FaultRate { operation: Operation::Get, fault, per_mille: 1000 };
        let plan = FaultPlan::seeded(1, [always]);
        let store = Arc::new(FaultyStore::new(Arc::new(world.store.clone()), plan));
        world.pipeline(store, Arc::new(world.actions.clone()), true)
    };
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

/// The world's store, which answers after a while.
fn slow(world: &World, takes: Duration) -> Arc<dyn Store> {
    let plan = faults(Operation::Get, &[0, 1, 2, 3], Fault::Delay(takes));
    Arc::new(FaultyStore::new(Arc::new(world.store.clone()), plan))
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_keeps_a_slow_message_ours() {
    let world = World::new();
    world.log("slow", &[record("e1", "StopLogging")]).await;
    let store = slow(&world, Duration::from_secs(600));
    let pipeline = world.pipeline(store, Arc::new(world.actions.clone()), true);
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
    let store = slow(&world, Duration::from_secs(20));
    let pipeline = world.pipeline(store, Arc::new(world.actions.clone()), true);
    let (stop, running) = world.start(&pipeline);
    until("two are in flight", || world.notifications.in_flight() == 2).await;
    stop.cancel();
    assert_eq!(running.await.unwrap().given_back, 0);
    assert_eq!(world.found(), ["a", "b"], "what began is finished, and the third was not received");
    assert_eq!((world.notifications.len(), world.notifications.in_flight()), (1, 0));

    world.limits.drain = Duration::from_secs(5);
    let store = slow(&world, Duration::from_secs(20));
    let pipeline = world.pipeline(store, Arc::new(world.actions.clone()), true);
    let (stop, running) = world.start(&pipeline);
    until("one is in flight", || world.notifications.in_flight() == 1).await;
    stop.cancel();
    assert_eq!(running.await.unwrap().given_back, 1);
    assert_eq!(world.notifications.in_flight(), 0, "it can be received again at once");
    assert_eq!(world.found(), ["a", "b"]);
}
