//! The memory queue over time, on tokio's paused clock.

use std::time::Duration;

use tokio::time::{Instant, advance};
use trailloop_cloud::{CloudErrorKind, MemoryQueue, Outgoing, Queue};

use crate::queue_contract::{outgoing, send_all};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_lease_ends_by_itself_and_not_before() {
    let queue = MemoryQueue::new("q");
    send_all(&queue, &["a"]).await;
    let first = queue.receive(1, Duration::ZERO, 30 * SECOND).await.unwrap();
    advance(30 * SECOND - Duration::from_millis(1)).await;
    assert_eq!(queue.receive(1, Duration::ZERO, 30 * SECOND).await.unwrap(), []);
    advance(Duration::from_millis(1)).await;
    let lapsed = [first[0].receipt.clone()];
    let error = queue.extend(&lapsed, SECOND).await.unwrap()[0].clone().unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Gone, "a lapsed lease cannot be extended");
    let second = queue.receive(1, Duration::ZERO, 30 * SECOND).await.unwrap();
    assert_eq!(second[0].receive_count, 2);
    let error = queue.delete(&lapsed).await.unwrap()[0].clone().unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Gone, "someone else holds it now");
}

#[tokio::test(start_paused = true)]
async fn an_extension_counts_from_now_and_ends_after_twelve_hours() {
    let queue = MemoryQueue::new("q");
    send_all(&queue, &["a"]).await;
    let message = queue.receive(1, Duration::ZERO, 30 * SECOND).await.unwrap();
    let receipt = [message[0].receipt.clone()];
    advance(20 * SECOND).await;
    assert!(queue.extend(&receipt, 30 * SECOND).await.unwrap()[0].is_ok());
    advance(29 * SECOND).await;
    assert_eq!(queue.in_flight(), 1);
    let twelve_hours = 43_200 * SECOND;
    assert!(queue.extend(&receipt, twelve_hours - 49 * SECOND).await.unwrap()[0].is_ok());
    let error = queue.extend(&receipt, twelve_hours - 48 * SECOND).await.unwrap()[0].clone();
    assert_eq!(error.unwrap_err().kind(), CloudErrorKind::Invalid);
    assert_eq!(queue.in_flight(), 1, "a refused extension leaves the lease as it was");
}

#[tokio::test(start_paused = true)]
async fn a_late_delete_is_good_while_nobody_took_the_message() {
    let queue = MemoryQueue::new("q");
    send_all(&queue, &["a"]).await;
    let message = queue.receive(1, Duration::ZERO, SECOND).await.unwrap();
    advance(5 * SECOND).await;
    assert!(queue.delete(&[message[0].receipt.clone()]).await.unwrap()[0].is_ok());
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receive_wakes_for_what_is_sent_and_what_comes_back() {
    let queue = MemoryQueue::new("q");
    let began = Instant::now();
    let (received, ()) = tokio::join!(queue.receive(10, 20 * SECOND, 7 * SECOND), async {
        tokio::time::sleep(3 * SECOND).await;
        send_all(&queue, &["a"]).await;
    });
    assert_eq!((received.unwrap().len(), began.elapsed()), (1, 3 * SECOND));
    let again = queue.receive(10, 20 * SECOND, 60 * SECOND).await.unwrap();
    assert_eq!((again[0].receive_count, began.elapsed()), (2, 10 * SECOND));
    // Longer than SQS waits is cut to what it waits.
    assert_eq!(queue.receive(10, 60 * SECOND, SECOND).await.unwrap(), []);
    assert_eq!(began.elapsed(), 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn idle_receivers_go_on_waiting_when_another_takes_the_message() {
    let queue = MemoryQueue::new("q");
    let began = Instant::now();
    let (one, other, ()) = tokio::join!(
        queue.receive(10, 20 * SECOND, 60 * SECOND),
        queue.receive(10, 20 * SECOND, 60 * SECOND),
        async {
            tokio::time::sleep(SECOND).await;
            send_all(&queue, &["a"]).await;
        }
    );
    assert_eq!(one.unwrap().len() + other.unwrap().len(), 1);
    assert_eq!(began.elapsed(), 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_deduplication_id_is_forgotten_after_five_minutes() {
    let queue = MemoryQueue::new("q");
    let message = Outgoing { deduplication: Some("id".to_owned()), ..outgoing("a") };
    for (minutes, length) in [(0, 1), (4, 1), (1, 2)] {
        advance(60 * minutes * SECOND).await;
        assert!(queue.send(std::slice::from_ref(&message)).await.unwrap()[0].is_ok());
        assert_eq!(queue.len(), length);
    }
}
