//! The queue contract over the kinds of our own.

use std::sync::Arc;

use trailloop_cloud::{
    Clock, DeadLetters, FaultPlan, FaultyQueue, LocalQueues, ManualClock, MemoryQueue,
};

use crate::queue_contract::{Differences, check, check_dead_letters, check_deduplication};

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract() {
    let queue = MemoryQueue::new("memory");
    check(&queue, Differences::default()).await;
    check_deduplication(&queue, Differences::default()).await;
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn memory_moves_dead_letters() {
    let dead_letters = MemoryQueue::new("dead");
    let queue = MemoryQueue::with_dead_letters("memory", &dead_letters, 2);
    check_dead_letters(&queue, &dead_letters).await;
}

#[tokio::test(start_paused = true)]
async fn faulty_with_an_empty_plan_keeps_the_contract() {
    let plan = FaultPlan::none();
    let queue = FaultyQueue::new(Arc::new(MemoryQueue::new("memory")), plan.clone());
    check(&queue, Differences::default()).await;
    check_deduplication(&queue, Differences::default()).await;
    let dead_letters = MemoryQueue::new("dead");
    let inner = MemoryQueue::with_dead_letters("memory", &dead_letters, 2);
    let queue = FaultyQueue::new(Arc::new(inner), plan.clone());
    check_dead_letters(&queue, &dead_letters).await;
    assert_eq!(plan.fired_total(), 0);
}

#[tokio::test]
async fn local_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::Manual(ManualClock::new(1_700_000_000_000));
    let queues = LocalQueues::open(folder.path().join("queues.db"), clock).unwrap();
    let queue = queues.queue("local", None);
    check(&queue, Differences::default()).await;
    check_deduplication(&queue, Differences::default()).await;
    assert_eq!(queue.depth().await.unwrap(), (0, 0));
}

#[tokio::test]
async fn local_moves_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::Manual(ManualClock::new(1_700_000_000_000));
    let queues = LocalQueues::open(folder.path().join("queues.db"), clock).unwrap();
    let dead_letters = DeadLetters { queue: "dead".to_owned(), receives_max: 2 };
    let queue = queues.queue("local", Some(dead_letters));
    check_dead_letters(&queue, &queues.queue("dead", None)).await;
}
