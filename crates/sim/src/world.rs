//! What a seed makes: log objects, their notifications, and what should be found.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use trailloop_cloud::{
    CloudErrorKind, Fault, FaultRate, MemoryQueue, MemoryStore, Operation, Outgoing, Queue,
};
use trailloop_cloudtrail::Limits;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_rules::{RuleSet, load};

const BUCKET: &str = "trail";

const RULE: &str = "title: Logging stopped\nid: 0a4c1c9e-55c2-4a53-8b4e-3d9d36d2f4b7\nlevel: high\n\
    logsource:\n  product: aws\n  service: cloudtrail\n\
    detection:\n  selection:\n    eventName: StopLogging\n  condition: selection\n";

/// The engine that every run shares: one rule, and blocks so small that objects have several.
///
/// # Panics
///
/// If the rule does not load.
#[must_use]
pub fn engine() -> Arc<Engine> {
    let rules = RuleSet::build(load("rule.yml", RULE).rules, &[], &mut Vec::new());
    assert_eq!(rules.len(), 1, "the simulation's rule loads");
    let limits = Limits { block_bytes_max: 512, ..Limits::default() };
    Arc::new(Engine {
        rules: LiveRules::new(Arc::new(rules)),
        limits,
        filter: RecordFilter::default(),
    })
}

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    /// The eventIDs that must be found, by key; also for objects that hold none.
    pub(crate) expected: BTreeMap<String, BTreeSet<String>>,
    /// Objects that are damaged where they lie, or missing.
    pub(crate) damaged: BTreeSet<String>,
    /// Messages that nobody understands.
    pub(crate) nonsense: Vec<String>,
    messages: Vec<String>,
}

impl World {
    pub(crate) fn new(random: &mut Rng) -> Self {
        let mut world = Self {
            store: MemoryStore::new(),
            expected: BTreeMap::new(),
            damaged: BTreeSet::new(),
            nonsense: Vec::new(),
            messages: Vec::new(),
        };
        let mut waiting = Vec::new();
        for nth in 0..random.usize(1..24) {
            waiting.push(world.object(random, nth));
            // A message may name several objects.
            if random.u8(0..4) > 0 {
                world.messages.push(s3_event(&waiting));
                waiting.clear();
            }
        }
        world.messages.push(s3_event(&waiting));
        for nth in 0..random.usize(0..3) {
            let body = format!("nonsense {nth}");
            world.nonsense.push(body.clone());
            world.messages.push(body);
        }
        world.messages.push(json!({"Event": "s3:TestEvent"}).to_string());
        // S3 tells of some objects twice.
        for _ in 0..random.usize(0..3) {
            let again = world.messages[random.usize(0..world.messages.len())].clone();
            world.messages.push(again);
        }
        random.shuffle(&mut world.messages);
        world
    }

    pub(crate) async fn announce(&self, queue: &MemoryQueue) {
        let messages: Vec<Outgoing> = self
            .messages
            .iter()
            .map(|body| Outgoing { body: body.clone(), ..Outgoing::default() })
            .collect();
        for sent in queue.send(&messages).await.expect("a queue in memory accepts") {
            sent.expect("a queue in memory accepts");
        }
    }

    /// Makes an object and gives its key.
    fn object(&mut self, random: &mut Rng, nth: usize) -> String {
        let kind = ["CloudTrail", "CloudTrail-Insight", "CloudTrail-Digest", "Config"]
            [pick(random, &[12, 2, 1, 1])];
        let key = format!("AWSLogs/111122223333/{kind}/us-east-1/2026/11/02/{nth}.json.gz");
        let mut expected = BTreeSet::new();
        let records: Vec<Value> =
            (0..random.usize(0..20)).map(|one| record(random, nth, one, &mut expected)).collect();
        let mut bytes = gzip(json!({ "Records": records }).to_string().as_bytes());
        if kind == "CloudTrail-Digest" || kind == "Config" {
            expected.clear();
        } else {
            match random.u8(0..16) {
                0 => {
                    bytes.truncate(bytes.len() / 2);
                    self.damaged.insert(key.clone());
                }
                1 => {
                    self.damaged.insert(key.clone());
                    self.expected.insert(key.clone(), BTreeSet::new());
                    return key;
                }
                _ => {}
            }
        }
        self.store.put(BUCKET, &key, bytes);
        self.expected.insert(key.clone(), expected);
        key
    }
}

fn record(random: &mut Rng, object: usize, nth: usize, expected: &mut BTreeSet<String>) -> Value {
    let hit = random.u8(0..4) == 0;
    let id = format!("{object}-{nth}");
    let name = if hit { "StopLogging" } else { "DescribeTrails" };
    let padding = "x".repeat(random.usize(0..200));
    let record = json!({"eventVersion": "1.11", "eventName": name, "eventID": id, "requestParameters": {"p": padding}});
    if hit {
        expected.insert(id);
    }
    record
}

fn s3_event(keys: &[String]) -> String {
    let record = |key: &String| {
        json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}})
    };
    json!({"Records": keys.iter().map(record).collect::<Vec<_>>()}).to_string()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::fast());
    // Writing to a vector does not fail.
    encoder.write_all(text).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// An index, by weight.
fn pick(random: &mut Rng, weights: &[u32]) -> usize {
    let mut at = random.u32(0..weights.iter().sum());
    for (nth, weight) in weights.iter().enumerate() {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return nth,
        }
    }
    0
}

/// How badly the world behaves.
pub(crate) struct Faults(u32);

impl Faults {
    /// Every fourth world behaves; the others fail in up to every tenth call.
    pub(crate) fn draw(random: &mut Rng) -> Self {
        Self(if random.u8(0..4) == 0 { 0 } else { random.u32(1..100) })
    }

    pub(crate) fn rates(&self) -> Vec<FaultRate> {
        let late = Fault::Delay(Duration::from_secs(90));
        let transient = Fault::Fails(CloudErrorKind::Transient);
        let faults = [
            (Operation::Receive, transient),
            (Operation::Receive, Fault::DoneButFails),
            (Operation::Receive, Fault::Repeat),
            (Operation::Receive, late),
            (Operation::Extend, transient),
            (Operation::Extend, Fault::Fails(CloudErrorKind::Gone)),
            (Operation::Extend, late),
            (Operation::Delete, transient),
            (Operation::Delete, Fault::DoneButFails),
            (Operation::Delete, late),
            (Operation::Send, transient),
            (Operation::Send, Fault::DoneButFails),
            (Operation::Send, late),
            (Operation::Get, transient),
            (Operation::Get, Fault::Fails(CloudErrorKind::NotFound)),
            (Operation::Get, Fault::Fails(CloudErrorKind::Denied)),
            (Operation::Get, Fault::Truncate),
            (Operation::Get, late),
        ];
        let rate = |(operation, fault)| FaultRate { operation, fault, per_mille: self.0 };
        faults.into_iter().map(rate).collect()
    }
}
