//! A small world around the pipeline: one bucket, three queues, one rule.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::{Compression, GzBuilder};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{Clock, ManualClock, MemoryQueue, MemoryStore, Outgoing, Queue, Store};
use trailloop_cloudtrail::Limits;
use trailloop_pipeline::bridge::Bridge;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::{Counters, Drained, Pipeline, Seats, Service, ServiceLimits};
use trailloop_rules::{RuleSet, load};

pub(crate) const RULE: &str = "title: Logging stopped\nid: 0a4c1c9e-55c2-4a53-8b4e-3d9d36d2f4b7\nlevel: high\n\
    logsource:\n  product: aws\n  service: cloudtrail\n\
    detection:\n  selection:\n    eventSource: cloudtrail.amazonaws.com\n    eventName: StopLogging\n  condition: selection\n";

/// The wall clock at the start: a little after the time that queues in memory give their first message.
pub(crate) const RECEIVED_MS: i64 = 1_700_000_000_999;

pub(crate) fn engine() -> Arc<Engine> {
    let rules = RuleSet::build(load("rule.yml", RULE).rules, &[], &mut Vec::new());
    assert_eq!(rules.len(), 1);
    Arc::new(Engine {
        rules: LiveRules::new(Arc::new(rules)),
        limits: Limits::default(),
        filter: RecordFilter::default(),
    })
}

pub(crate) fn record(event_id: &str, name: &str) -> serde_json::Value {
    json!({"eventVersion": "1.11", "eventTime": "2026-11-02T09:14:03Z", "eventSource": "cloudtrail.amazonaws.com",
        "eventName": name, "eventID": event_id, "recipientAccountId": "111122223333", "requestParameters": {"x": [1, 2.5, null]}})
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) notifications: MemoryQueue,
    pub(crate) actions: MemoryQueue,
    pub(crate) dead_letters: MemoryQueue,
    pub(crate) limits: ServiceLimits,
    /// The wall clock, which moves only when it is moved.
    pub(crate) clock: ManualClock,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            clock: ManualClock::new(RECEIVED_MS),
            notifications: MemoryQueue::new("notifications"),
            actions: MemoryQueue::new("actions"),
            dead_letters: MemoryQueue::new("dead-letters"),
            limits: ServiceLimits {
                pollers: 2,
                messages_in_flight_max: 8,
                receive_wait: Duration::from_secs(5),
                visibility: Duration::from_secs(30),
                drain: Duration::from_secs(10),
            },
        }
    }

    /// Puts a log object of these records and sends its notification.
    pub(crate) async fn log(&self, key: &str, records: &[serde_json::Value]) {
        let text = json!({"Records": records}).to_string();
        self.store.put("trail", key, gzip(text.as_bytes()));
        self.notify(&[key]).await;
    }

    pub(crate) async fn notify(&self, keys: &[&str]) {
        let records: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                    "s3": {"bucket": {"name": "trail"}, "object": {"key": key.replace(' ', "+")}}})
            })
            .collect();
        self.send(json!({"Records": records}).to_string()).await;
    }

    pub(crate) async fn send(&self, body: String) {
        let outgoing = Outgoing { body, ..Outgoing::default() };
        self.notifications.send(&[outgoing]).await.unwrap().remove(0).unwrap();
    }

    pub(crate) fn pipeline(
        &self,
        store: Arc<dyn Store>,
        actions: Arc<dyn Queue>,
        park: bool,
    ) -> Arc<Pipeline> {
        let dead_letters: Arc<dyn Queue> = Arc::new(self.dead_letters.clone());
        Arc::new(Pipeline {
            notifications: Arc::new(self.notifications.clone()),
            store,
            actions,
            dead_letters: park.then_some(dead_letters),
            bridge: Bridge::inline(engine()),
            seats: Seats::new(64 << 20, 64 << 20),
            clock: Clock::Manual(self.clock.clone()),
            counters: Counters::default(),
        })
    }

    pub(crate) fn plain(&self) -> Arc<Pipeline> {
        self.pipeline(Arc::new(self.store.clone()), Arc::new(self.actions.clone()), true)
    }

    /// Starts the service; the token stops it.
    pub(crate) fn start(
        &self,
        pipeline: &Arc<Pipeline>,
    ) -> (CancellationToken, JoinHandle<Drained>) {
        let stop = CancellationToken::new();
        let service = Service::new(Arc::clone(pipeline), self.limits);
        #[expect(clippy::disallowed_methods, reason = "the test holds the handle and awaits it")]
        let running = tokio::spawn(service.run(stop.clone()));
        (stop, running)
    }

    /// The eventIDs of the findings in the action queue.
    pub(crate) fn found(&self) -> Vec<String> {
        let id = |body: &String| {
            let finding: serde_json::Value = serde_json::from_str(body).unwrap();
            finding["finding_info"]["related_events"][0]["uid"].as_str().unwrap().to_owned()
        };
        let mut found: Vec<String> = self.actions.bodies().iter().map(id).collect();
        found.sort();
        found
    }
}

/// Waits, on the paused clock, until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never: {what}");
}
