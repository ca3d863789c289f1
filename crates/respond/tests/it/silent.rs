//! A rule that found something regularly and does so no more is a page, once a silence.

use std::time::Duration;

use serde_json::{Value, json};
use trailloop_feedback::Entry;
use trailloop_respond::{Responder, day_of, store};

use crate::kit::Kit;

const HOUR: Duration = Duration::from_secs(3_600);

/// A user is made, and found.
async fn found(kit: &Kit) {
    let record = kit.record("iam.amazonaws.com", "CreateUser", json!({"userName": "eve"}));
    let finding: Value = serde_json::from_str(&kit.finding_of(record).body).unwrap();
    let entry = Entry::of(&finding).unwrap();
    store::take(&*kit.table, &entry, &day_of(kit.now_ms())).await.unwrap();
}

/// Sweeps each hour, and tells how many pages there are by then.
async fn pages_after(kit: &Kit, responder: &Responder, hours: u32) -> usize {
    for _ in 0..hours {
        kit.manual.advance(HOUR);
        kit.sweep(responder).await;
    }
    let posts = kit.notifier.posts();
    posts.iter().filter(|post| post.body.contains("A rule has gone silent")).count()
}

#[tokio::test]
async fn a_silent_rule_is_one_page_and_the_next_silence_another() {
    let kit = Kit::new();
    let responder = kit.responder();
    for _ in 0..12 {
        found(&kit).await;
        assert_eq!(pages_after(&kit, &responder, 8).await, 0, "it is regular");
    }
    // Three times the longest silence there was.
    assert_eq!(pages_after(&kit, &responder, 16).await, 0);
    assert_eq!(pages_after(&kit, &responder, 2).await, 1);
    let page = kit.notifier.posts().pop().unwrap().body;
    assert!(page.contains("1f2e3d4c-0000-4000-8000-000000000001"), "{page}");
    assert!(page.contains("no finding for 2"), "{page}");
    assert_eq!(pages_after(&kit, &responder, 24).await, 1, "it was told");

    found(&kit).await;
    assert_eq!(pages_after(&kit, &responder, 300).await, 2);
}

#[tokio::test]
async fn of_several_workers_one_looks_and_another_takes_over() {
    let kit = Kit::new();
    let (one, mut other) = (kit.responder(), kit.responder());
    other.worker = "another".to_owned();
    for _ in 0..12 {
        found(&kit).await;
        pages_after(&kit, &one, 8).await;
    }
    kit.manual.advance(20 * HOUR);
    kit.sweep(&one).await;
    kit.sweep(&other).await;
    assert_eq!(pages_after(&kit, &other, 0).await, 1);
    // The first one is gone; the next silence is told by the other.
    found(&kit).await;
    assert_eq!(pages_after(&kit, &other, 300).await, 2);
}
