//! What the service asks of AWS, counted; and that sharing requests costs neither time nor promises.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use trailloop_cloud::{
    CloudErrorKind, Fault, FaultPlan, FaultyQueue, FaultyStore, Meter, MeteredQueue, MeteredStore,
    Operation, Queue, ScriptedFault, Store,
};
use trailloop_pipeline::Pipeline;

use crate::world::{World, record, until};

/// The world's pipeline, with its requests counted.
fn metered(world: &World, plan: &FaultPlan) -> (Arc<Pipeline>, Meter) {
    let meter = Meter::default();
    let queue = |queue: Arc<dyn Queue>| -> Arc<dyn Queue> {
        let queue = Arc::new(FaultyQueue::new(queue, plan.clone()));
        Arc::new(MeteredQueue::new(queue, meter.clone()))
    };
    let store = FaultyStore::new(Arc::new(world.store.clone()), plan.clone());
    let store: Arc<dyn Store> = Arc::new(MeteredStore::new(Arc::new(store), meter.clone()));
    let actions = queue(Arc::new(world.actions.clone()));
    let notifications = queue(Arc::new(world.notifications.clone()));
    let pipeline = Arc::into_inner(world.pipeline(store, actions, true)).unwrap();
    (Arc::new(Pipeline { notifications, ..pipeline }), meter)
}

fn fault(operation: Operation, call: u64, fault: Fault) -> FaultPlan {
    FaultPlan::script([ScriptedFault { operation, call, fault }])
}

#[tokio::test(start_paused = true)]
async fn a_thousand_small_objects_take_five_requests_for_four() {
    const OBJECTS: usize = 1000;
    let mut world = World::new();
    world.limits.pollers = 8;
    world.limits.messages_in_flight_max = 256;
    for nth in 0..OBJECTS {
        let name = if nth % 4 == 0 { "StopLogging" } else { "DescribeTrails" };
        world.log(&format!("{nth:04}"), &[record(&format!("e{nth:04}"), name)]).await;
    }
    let (pipeline, meter) = metered(&world, &FaultPlan::none());
    let (stop, running) = world.start(&pipeline);
    until("settled", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.found().len(), OBJECTS / 4);
    assert_eq!(meter.requests(Operation::Get), 1000);
    assert_eq!(meter.requests(Operation::Delete), 100);
    assert_eq!(meter.requests(Operation::Send), 25);
    // Those after the hundredth found the queue empty.
    assert!((100..=108).contains(&meter.requests(Operation::Receive)), "{:?}", meter.named());
    assert!(meter.requests_total() <= 1250, "{:?}", meter.named());
}

#[tokio::test(start_paused = true)]
async fn messages_that_come_one_by_one_are_received_together() {
    const MESSAGES: usize = 600;
    let world = World::new();
    let (pipeline, meter) = metered(&world, &FaultPlan::none());
    let (stop, running) = world.start(&pipeline);
    for nth in 0..MESSAGES {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.log(&nth.to_string(), &[record("e", "DescribeTrails")]).await;
    }
    until("settled", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    // A minute of four receives a second at most, and each set of messages is deleted as it came.
    let receives = meter.requests(Operation::Receive);
    assert!((200..=245).contains(&receives), "{receives} receives");
    assert!(meter.requests(Operation::Delete) <= receives, "{:?}", meter.named());
}

#[tokio::test(start_paused = true)]
async fn what_comes_alone_waits_for_nobody() {
    let world = World::new();
    let (pipeline, _) = metered(&world, &FaultPlan::none());
    let (stop, running) = world.start(&pipeline);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let came = Instant::now();
    world.log("a", &[record("e1", "StopLogging")]).await;
    while !world.notifications.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!((world.found().len(), came.elapsed()), (1, Duration::ZERO));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_message_keeps_no_other_from_being_deleted() {
    let world = World::new();
    for key in ["a", "b", "c"] {
        world.log(key, &[record(key, "StopLogging")]).await;
    }
    let plan = fault(Operation::Get, 0, Fault::Delay(Duration::from_secs(600)));
    let (pipeline, meter) = metered(&world, &plan);
    let (stop, running) = world.start(&pipeline);
    let began = Instant::now();
    until("two are deleted", || world.notifications.len() == 1).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    until("all are deleted", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(meter.requests(Operation::Delete), 2);
    assert_eq!(world.found(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_deletes_what_is_done_and_gives_back_the_rest() {
    let world = World::new();
    for key in ["a", "b", "c"] {
        world.log(key, &[record(key, "StopLogging")]).await;
    }
    let plan = fault(Operation::Get, 0, Fault::Delay(Duration::from_secs(600)));
    let (pipeline, _) = metered(&world, &plan);
    let (stop, running) = world.start(&pipeline);
    while world.found().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.notifications.in_flight(), 3, "those that are done wait to be deleted");
    stop.cancel();
    assert_eq!(running.await.unwrap().given_back, 1);
    assert_eq!((world.notifications.len(), world.notifications.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn each_message_of_a_shared_request_has_an_answer_of_its_own() {
    let world = World::new();
    for key in ["a", "b", "c"] {
        world.log(key, &[record(key, "StopLogging")]).await;
    }
    // The second finding is not accepted, so two messages are deleted, of which the second is not.
    let refused = Fault::Fails(CloudErrorKind::Transient);
    let scripted = |operation| ScriptedFault { operation, call: 1, fault: refused };
    let plan = FaultPlan::script([scripted(Operation::Send), scripted(Operation::Delete)]);
    let (pipeline, meter) = metered(&world, &plan);
    let (stop, running) = world.start(&pipeline);
    until("two are let go", || pipeline.counters.totals().messages_released == 2).await;
    assert_eq!(world.notifications.len(), 2);
    assert_eq!((meter.requests(Operation::Send), meter.requests(Operation::Delete)), (1, 1));
    until("all are deleted", || world.notifications.is_empty()).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(pipeline.counters.totals().messages_acknowledged, 3);
    assert_eq!(world.found(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn objects_of_unknown_size_are_downloaded_at_once() {
    let world = World::new();
    for key in ["a", "b", "c", "d"] {
        world.log(key, &[record(key, "StopLogging")]).await;
    }
    // Plain JSON, so that it is as large as it is long.
    let mut long = record("d", "StopLogging");
    long["requestParameters"] = "x".repeat(2 << 20).into();
    world.store.put("trail", "d", json!({ "Records": [long] }).to_string());
    let delay = Fault::Delay(Duration::from_secs(20));
    let plan = FaultPlan::script((0..4).map(|call| ScriptedFault {
        operation: Operation::Get,
        call,
        fault: delay,
    }));
    let (pipeline, meter) = metered(&world, &plan);
    let (stop, running) = world.start(&pipeline);
    let began = Instant::now();
    until("settled", || world.notifications.is_empty()).await;
    assert!(began.elapsed() < Duration::from_secs(30), "one after the other takes eighty seconds");
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.found(), ["a", "b", "c", "d"]);
    assert_eq!(meter.requests(Operation::Get), 5, "the large one is asked for again");
}
