//! What the stream writes beside its examination, for queries to leave objects out by.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{Clock, CloudError, CloudErrorKind, ObjectRef, Store as _, Vault};
use trailloop_finding::Place;
use trailloop_pipeline::bridge::Bridge;
use trailloop_pipeline::examine::{Engine, RecordFilter, Worker};
use trailloop_pipeline::indexing::{IndexWriter, SEGMENT_OBJECTS};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::needle::{Entries, Prints, decode, fingerprint, object_hash};
use trailloop_pipeline::{Counters, Pipeline, Seats};

use crate::world::{World, engine, gzip, record, until};

const DAY: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/31";

/// A vault in memory, which may be told to take nothing.
#[derive(Default)]
struct MemoryVault {
    files: Mutex<BTreeMap<String, Bytes>>,
    refuses: AtomicBool,
    asked: AtomicUsize,
}

#[async_trait]
impl Vault for MemoryVault {
    fn name(&self) -> &str {
        "memory"
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), CloudError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.refuses.load(Ordering::Relaxed) {
            return Err(CloudError::new(CloudErrorKind::Denied, "keep", name, "refused"));
        }
        self.files.lock().unwrap().insert(name.to_owned(), bytes);
        Ok(())
    }
}

impl MemoryVault {
    fn names(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().cloned().collect()
    }

    /// All segments together.
    fn entries(&self) -> Entries {
        let mut entries = Entries::new();
        for bytes in self.files.lock().unwrap().values() {
            decode(bytes, &mut entries).unwrap();
        }
        entries
    }
}

fn caller(id: &str, name: &str, key: &str) -> Value {
    let mut record = record(id, name);
    record["userIdentity"] = json!({"accessKeyId": key, "arn": format!("arn:aws:iam::111122223333:user/{id}"),
        "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/app"}}});
    record["sourceIPAddress"] = json!("198.51.100.7");
    record
}

fn pipeline(world: &World, index: Option<Arc<IndexWriter>>) -> Arc<Pipeline> {
    Arc::new(Pipeline {
        notifications: Arc::new(world.notifications.clone()),
        store: Arc::new(world.store.clone()),
        actions: Arc::new(world.actions.clone()),
        dead_letters: Some(Arc::new(world.dead_letters.clone())),
        bridge: Bridge::inline_indexing(engine(), index),
        seats: Seats::new(64 << 20, 64 << 20),
        clock: Clock::Manual(world.clock.clone()),
        counters: Counters::default(),
    })
}

/// Runs the service over an object that is whole, one that is cut off, and one without a day in its key.
async fn run(index: Option<Arc<IndexWriter>>) -> (World, Vec<String>) {
    let world = World::new();
    // A match, one that a glance tells of, and one that names its key in escapes.
    let records = [
        caller("one", "StopLogging", "AKIAONE"),
        caller("two", "DescribeTrails", "AKIATWO"),
        caller("three", "DescribeTrails", "AKIA\u{e9}\"THREE"),
    ];
    world.log(&format!("{DAY}/whole.json.gz"), &records).await;
    world.log("copied/elsewhere.json.gz", &records).await;
    let text = json!({ "Records": [caller("four", "StopLogging", "AKIAFOUR")] }).to_string();
    let cut = gzip(text.as_bytes());
    let key = format!("{DAY}/cut.json.gz");
    world.store.put("trail", &key, cut[..cut.len() - 12].to_vec());
    world.notify(&[&key]).await;
    let pipeline = pipeline(&world, index);
    let (stop, running) = world.start(&pipeline);
    until("all is done", || pipeline.counters.totals().messages_acknowledged == 3).await;
    stop.cancel();
    running.await.unwrap();
    let found = world.actions.bodies();
    (world, found)
}

#[tokio::test(start_paused = true)]
async fn the_stream_keeps_what_each_whole_object_holds() {
    let vault = Arc::new(MemoryVault::default());
    let index = Arc::new(IndexWriter::new(Arc::clone(&vault) as Arc<dyn Vault>));
    let (world, found) = run(Some(Arc::clone(&index))).await;
    let (_, without) = run(None).await;
    let sorted = |mut found: Vec<String>| {
        found.sort();
        found
    };
    assert_eq!(sorted(found), sorted(without), "the same findings, byte for byte");

    assert_eq!(index.waiting(), 1);
    index.flush().await.unwrap();
    assert_eq!(index.waiting(), 0);
    let names = vault.names();
    assert_eq!(names.len(), 1);
    assert!(names[0].starts_with("needles/2026/01/31/") && names[0].ends_with(".tln"), "{names:?}");
    let key = format!("{DAY}/whole.json.gz");
    // As a listing tells it.
    let listed = world.store.list("trail", &key, None).await.unwrap().objects.remove(0);
    let object = world.store.get(&ObjectRef::new("trail", &key), 1 << 20).await.unwrap();
    assert_eq!(listed.etag, object.etag);
    let entries = vault.entries();
    assert_eq!(entries.len(), 1);
    let prints = &entries[&object_hash(&key, listed.bytes, listed.etag.as_deref())];
    for (field, text) in [
        (0, "AKIAONE"),
        (0, "AKIATWO"),
        (0, "AKIA\u{e9}\"THREE"),
        (1, "arn:aws:iam::111122223333:user/three"),
        (2, "arn:aws:iam::111122223333:role/app"),
        (3, "198.51.100.7"),
    ] {
        assert!(prints.may_hold(fingerprint(field, text)), "{field} {text}");
    }
    assert!(!prints.may_hold(fingerprint(0, "AKIAFOUR")));
}

#[test]
fn a_record_that_a_filter_leaves_is_indexed_all_the_same() {
    let engine = Engine {
        rules: LiveRules::new(Arc::clone(&engine().rules.now().rules)),
        limits: Default::default(),
        filter: RecordFilter { accounts: vec!["444455556666".to_owned()], ..Default::default() },
    };
    let records =
        [caller("one", "StopLogging", "AKIAONE"), caller("\u{e9}", "StopLogging", "AKIATWO")];
    let object = gzip(json!({ "Records": records }).to_string().as_bytes());
    let place = Place { source: "trail/key", version: None };
    let examined = |is_on| {
        let mut findings = 0;
        let examined = Worker::indexing(is_on).examine(&engine, &object, place, |_| {
            findings += 1;
            std::ops::ControlFlow::Continue(())
        });
        (examined, findings)
    };
    let (indexed, findings) = examined(true);
    let (plain, _) = examined(false);
    assert_eq!((findings, indexed.records_evaluated), (0, plain.records_evaluated));
    assert!(plain.prints.is_none());
    let prints = indexed.prints.unwrap();
    assert!(["AKIAONE", "AKIATWO"].iter().all(|key| prints.may_hold(fingerprint(0, key))));
}

#[tokio::test(start_paused = true)]
async fn two_writers_of_one_day_lose_nothing_of_each_other() {
    let vault = Arc::new(MemoryVault::default());
    let prints = |key: &str| Prints::new(vec![fingerprint(0, key)]);
    let writer = || IndexWriter::new(Arc::clone(&vault) as Arc<dyn Vault>);
    let (one, other) = (writer(), writer());
    for nth in 0..10 {
        one.add(&format!("{DAY}/one{nth}"), 10, Some("\"e\""), prints("AKIAONE"));
        other.add(&format!("{DAY}/other{nth}"), 10, Some("\"e\""), prints("AKIAOTHER"));
        let (one, other) = tokio::join!(one.flush(), other.flush());
        one.and(other).unwrap();
    }
    assert_eq!((vault.names().len(), vault.entries().len()), (20, 20));
}

#[tokio::test(start_paused = true)]
async fn it_is_written_in_time_and_when_it_is_full_and_again_after_a_failure() {
    let vault = Arc::new(MemoryVault::default());
    let index = Arc::new(IndexWriter::new(Arc::clone(&vault) as Arc<dyn Vault>));
    let (every, stop) = (Duration::from_secs(300), CancellationToken::new());
    let mut keeping = tokio::task::JoinSet::new();
    keeping.spawn(Arc::clone(&index).keep(every, stop.clone()));
    let add = |from: usize, to: usize| {
        for nth in from..to {
            index.add(&format!("{DAY}/{nth}"), 10, None, Prints::new(vec![7]));
        }
    };
    let begun = tokio::time::Instant::now();
    add(0, 1);
    until("it is written in time", || !vault.names().is_empty()).await;
    assert!(begun.elapsed() >= every);

    vault.refuses.store(true, Ordering::Relaxed);
    let begun = tokio::time::Instant::now();
    add(1, SEGMENT_OBJECTS + 1);
    until("a full one is written at once", || vault.asked.load(Ordering::Relaxed) == 2).await;
    assert!(begun.elapsed() < every);
    add(SEGMENT_OBJECTS + 1, SEGMENT_OBJECTS + 10);
    vault.refuses.store(false, Ordering::Relaxed);
    until("it is written again", || vault.names().len() == 2).await;
    // In its time, and not for each object that came.
    assert!(begun.elapsed() >= every);
    assert_eq!(vault.asked.load(Ordering::Relaxed), 3);
    assert_eq!((vault.entries().len(), index.waiting()), (SEGMENT_OBJECTS + 10, 0));

    stop.cancel();
    keeping.join_next().await.unwrap().unwrap();
}
