//! The local queue over time, over processes and over a death.

use std::time::Duration;

use trailloop_cloud::{Clock, CloudErrorKind, LocalQueues, ManualClock, Outgoing, Queue};

use crate::queue_contract::{outgoing, send_all};

const SECOND: Duration = Duration::from_secs(1);
const START_MS: i64 = 1_700_000_000_000;

/// The name of the variable that makes the test binary play the worker that is killed.
const VICTIM: &str = "TRAILLOOP_TEST_LOCAL_QUEUE_VICTIM";

#[tokio::test]
async fn a_lease_ends_by_itself_and_an_extension_puts_it_off() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(START_MS);
    let queues =
        LocalQueues::open(folder.path().join("q.db"), Clock::Manual(clock.clone())).unwrap();
    let queue = queues.queue("q", None);
    send_all(&queue, &["a"]).await;
    let first = queue.receive(1, Duration::ZERO, 30 * SECOND).await.unwrap();
    assert_eq!(first[0].sent_at_ms, Some(START_MS));
    let receipt = [first[0].receipt.clone()];
    clock.advance(20 * SECOND);
    assert!(queue.extend(&receipt, 30 * SECOND).await.unwrap()[0].is_ok());
    clock.advance(30 * SECOND - Duration::from_millis(1));
    assert_eq!(queue.receive(1, Duration::ZERO, SECOND).await.unwrap(), []);
    assert_eq!(queue.depth().await.unwrap(), (0, 1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(queue.depth().await.unwrap(), (1, 0));
    let error = queue.extend(&receipt, SECOND).await.unwrap()[0].clone().unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Gone, "a lapsed lease cannot be extended");
    let second = queue.receive(1, Duration::ZERO, 30 * SECOND).await.unwrap();
    assert_eq!(second[0].receive_count, 2);
    let error = queue.delete(&receipt).await.unwrap()[0].clone().unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Gone);
    clock.advance(43_150 * SECOND);
    let newest = queue.receive(1, Duration::ZERO, 30 * SECOND).await.unwrap();
    clock.advance(29 * SECOND);
    let beyond = queue.extend(&[newest[0].receipt.clone()], 43_172 * SECOND).await.unwrap();
    assert_eq!(beyond[0].as_ref().unwrap_err().kind(), CloudErrorKind::Invalid);
}

#[tokio::test]
async fn queues_of_one_file_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::Manual(ManualClock::new(START_MS));
    let queues = LocalQueues::open(folder.path().join("q.db"), clock).unwrap();
    let (one, other) = (queues.queue("one", None), queues.queue("other", None));
    send_all(&one, &["for one"]).await;
    assert_eq!(other.receive(10, Duration::ZERO, SECOND).await.unwrap(), []);
    let message = one.receive(10, Duration::ZERO, SECOND).await.unwrap();
    let wrong = other.delete(&[message[0].receipt.clone()]).await.unwrap();
    assert_eq!(wrong[0].as_ref().unwrap_err().kind(), CloudErrorKind::Gone);
    assert!(one.name().ends_with("q.db#one"), "{}", one.name());
}

#[tokio::test]
async fn a_deduplication_id_is_forgotten_after_five_minutes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(START_MS);
    let queues =
        LocalQueues::open(folder.path().join("q.db"), Clock::Manual(clock.clone())).unwrap();
    let queue = queues.queue("q", None);
    let message = Outgoing { deduplication: Some("id".to_owned()), ..outgoing("a") };
    for (minutes, visible) in [(0, 1), (4, 1), (1, 2)] {
        clock.advance(60 * minutes * SECOND);
        assert!(queue.send(std::slice::from_ref(&message)).await.unwrap()[0].is_ok());
        assert_eq!(queue.depth().await.unwrap(), (visible, 0));
    }
}

#[tokio::test]
async fn a_waiting_receive_wakes_for_a_send_and_for_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(START_MS);
    let queues =
        LocalQueues::open(folder.path().join("q.db"), Clock::Manual(clock.clone())).unwrap();
    let queue = queues.queue("q", None);
    // The clock stands still, so only the send can end this wait.
    let (received, ()) =
        tokio::join!(queue.receive(10, 20 * SECOND, 7 * SECOND), send_all(&queue, &["a"]));
    assert_eq!(received.unwrap().len(), 1);
    let (received, ()) = tokio::join!(queue.receive(10, 20 * SECOND, 7 * SECOND), async {
        tokio::task::yield_now().await;
        clock.advance(7 * SECOND);
    });
    assert_eq!(received.unwrap()[0].receive_count, 2);
    let (received, ()) = tokio::join!(queue.receive(10, 2 * SECOND, 7 * SECOND), async {
        tokio::task::yield_now().await;
        clock.advance(2 * SECOND);
    });
    assert_eq!(received.unwrap(), []);
}

#[tokio::test]
async fn two_openings_of_one_file_share_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.db");
    let clock = Clock::Manual(ManualClock::new(START_MS));
    let one = LocalQueues::open(&path, clock.clone()).unwrap().queue("q", None);
    let other = LocalQueues::open(&path, clock).unwrap().queue("q", None);
    send_all(&one, &["a", "b", "c", "d"]).await;
    let (mut left, right) =
        tokio::join!(async { one.receive(2, Duration::ZERO, SECOND).await.unwrap() }, async {
            other.receive(2, Duration::ZERO, SECOND).await.unwrap()
        });
    left.extend(right);
    let mut bodies: Vec<&str> = left.iter().map(|message| message.body.as_str()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["a", "b", "c", "d"], "each message was leased once");
}

/// A second run of this test binary sends three messages, deletes one, leases one, says so, and
/// waits to be killed with SIGKILL.
#[tokio::test]
async fn what_was_answered_ok_survives_a_kill() {
    #[expect(clippy::disallowed_methods, reason = "the killed worker is told its file this way")]
    if let Ok(path) = std::env::var(VICTIM) {
        victim(&path).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.db");
    let mut worker = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "local_durable::what_was_answered_ok_survives_a_kill", "--nocapture"])
        .env(VICTIM, &path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let said = std::io::BufReader::new(worker.stdout.take().unwrap());
    let ready = std::io::BufRead::lines(said).any(|line| line.unwrap().ends_with("victim: ready"));
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(ready);

    let clock = ManualClock::new(START_MS + 29_999);
    let queue = LocalQueues::open(&path, Clock::Manual(clock.clone())).unwrap().queue("q", None);
    let waiting = queue.receive(10, Duration::ZERO, 60 * SECOND).await.unwrap();
    let bodies: Vec<&str> = waiting.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["waiting"], "the deleted is gone, the leased is still leased");
    clock.advance(Duration::from_millis(1));
    let back = queue.receive(10, Duration::ZERO, 60 * SECOND).await.unwrap();
    assert_eq!((back[0].body.as_str(), back[0].receive_count), ("leased", 2));
}

async fn victim(path: &str) {
    let clock = Clock::Manual(ManualClock::new(START_MS));
    let queue = LocalQueues::open(path, clock).unwrap().queue("q", None);
    send_all(&queue, &["deleted", "leased", "waiting"]).await;
    let messages = queue.receive(2, Duration::ZERO, 30 * SECOND).await.unwrap();
    queue.delete(&[messages[0].receipt.clone()]).await.unwrap()[0].as_ref().unwrap();
    println!("victim: ready");
    std::future::pending::<()>().await;
}
