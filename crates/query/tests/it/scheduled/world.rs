//! A world for scheduled queries: events in a bucket, a queue, a state and a clock, each of which fails when a test wants it to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{
    Clock, CloudError, FaultPlan, FaultyQueue, FaultyTable, ManualClock, MemoryQueue, MemoryTable,
    Object, ObjectRef, Page, RowKey, Store, Table,
};
use trailloop_query::named::{NamedQuery, load};
use trailloop_query::{Archive, Engine, Runner, RunnerLimits, Source, Tallied};

use crate::kit::{Small, call, key};
pub(super) const MINUTE: i64 = 60;
pub(super) const LEASE: Duration = Duration::from_secs(60);

pub(super) fn second(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

pub(super) fn shown(second: i64) -> String {
    Timestamp::from_second(second).unwrap().to_string()
}

/// Every event is a row, and every row a finding, which is known by the event's id.
pub(super) fn query(id: &str, schedule: &str) -> NamedQuery {
    let text = format!(
        "id: {id}\ntitle: Events\ndescription: All of them.\n\
         parameters:\n  from: {{type: time, description: From}}\n  to: {{type: time, description: To}}\n\
         sql: SELECT eventid, eventtime, account FROM cloudtrail WHERE eventtime >= :from AND eventtime < :to ORDER BY eventid\n\
         schedule: {{{schedule}}}\nfinding: {{severity: low, key: [eventid]}}\n"
    );
    let loaded = load("events.yml", &text);
    loaded.query.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// What runners share.
pub(super) struct World {
    pub(super) small: Small,
    pub(super) table: MemoryTable,
    pub(super) queue: MemoryQueue,
    pub(super) clock: ManualClock,
    pub(super) faults: FaultPlan,
    /// Each reading of an object takes one of these for a moment.
    pub(super) gate: Arc<Semaphore>,
    pub(super) rows_max: usize,
}

/// A store that reads when the gate lets it.
pub(super) struct Gated {
    pub(super) inner: Arc<dyn Store>,
    pub(super) gate: Arc<Semaphore>,
}

#[async_trait]
impl Store for Gated {
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, CloudError> {
        self.inner.list(bucket, prefix, after).await
    }

    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        let _open = self.gate.acquire().await;
        self.inner.get(object, bytes_max).await
    }
}

impl World {
    /// A world in which it is `now`, with an event each minute between these times.
    pub(super) fn new(now: &str, (from, to): (&str, &str)) -> Self {
        let small = Small::new();
        let mut objects: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for time in (second(from)..second(to)).step_by(60) {
            let time = shown(time);
            let day = time[..10].replace('-', "/");
            let key = key("111122223333", "eu-west-1", &day, &time[11..13]);
            let event = call("GetObject", &time, json!({"eventID": format!("e-{time}")}));
            objects.entry(key).or_default().push(event);
        }
        objects.iter().for_each(|(key, records)| small.put(key, records));
        Self {
            small,
            table: MemoryTable::new("state"),
            queue: MemoryQueue::new("actions"),
            clock: ManualClock::new(1000 * second(now)),
            faults: FaultPlan::none(),
            gate: Arc::new(Semaphore::new(64)),
            rows_max: 10_000,
        }
    }

    pub(super) fn runner(
        &self,
        holder: &str,
        queries: Vec<NamedQuery>,
        bytes_max: Option<u64>,
    ) -> Arc<Runner> {
        let inner = Arc::clone(&self.small.archive.sources[0].store);
        let store = Arc::new(Gated { inner, gate: Arc::clone(&self.gate) });
        let source = Source { store, bucket: "logs".into(), prefix: String::new() };
        let archive = Archive { bytes_max, jobs: 2, ..Archive::new(vec![source]) };
        let table = FaultyTable::new(Arc::new(self.table.clone()), self.faults.clone());
        let queue = FaultyQueue::new(Arc::new(self.queue.clone()), self.faults.clone());
        let rows_max = self.rows_max;
        let limits = RunnerLimits { lease: LEASE, at_once: 2, rows_max, ..RunnerLimits::default() };
        Arc::new(Runner::new(
            queries,
            Engine::new(archive),
            (Arc::new(table), Arc::new(queue)),
            (Clock::Manual(self.clock.clone()), holder.to_owned()),
            limits,
        ))
    }

    pub(super) fn row_key(query: &str) -> RowKey {
        RowKey::new("query-schedule", query)
    }

    pub(super) async fn row(&self, query: &str) -> Option<(u64, Value)> {
        let row = self.table.get(&Self::row_key(query)).await.unwrap()?;
        Some((row.version, serde_json::from_str(&row.value).unwrap()))
    }

    /// Waits until all before this time was asked about.
    pub(super) async fn done(&self, query: &str, time: &str) {
        let done = second(time);
        until(async || self.row(query).await.is_some_and(|(_, row)| row["done"] == done)).await;
    }

    /// The ids of the events that were found, each with the ids of the findings that tell of it.
    pub(super) fn found(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for body in self.queue.bodies() {
            let body: Value = serde_json::from_str(&body).unwrap();
            let event = body["evidences"][0]["data"]["eventtime"].as_str().unwrap().to_owned();
            let uid = body["finding_info"]["uid"].as_str().unwrap().to_owned();
            found.entry(event).or_default().insert(uid);
        }
        found
    }

    /// Each event between these times was found once, and no other.
    pub(super) fn assert_found(&self, from: &str, to: &str) {
        let found = self.found();
        let times: Vec<&String> = found.keys().collect();
        let wanted: Vec<String> = (second(from)..second(to)).step_by(60).map(shown).collect();
        assert_eq!(times, wanted.iter().collect::<Vec<_>>());
        let several: Vec<_> = found.iter().filter(|(_, uids)| uids.len() != 1).collect();
        assert!(several.is_empty(), "events of two windows: {several:?}");
    }

    pub(super) fn clock_second(&self) -> i64 {
        Clock::Manual(self.clock.clone()).now_ms() / 1000
    }

    pub(super) fn advance(&self, minutes: i64) {
        self.clock.advance(Duration::from_secs(u64::try_from(minutes * MINUTE).unwrap()));
    }
}

/// Waits for something that comes by itself.
pub(super) async fn until(holds: impl AsyncFn() -> bool) {
    let patience = Duration::from_secs(120);
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(patience, wait).await.expect("it never came");
}

/// Runners under way.
#[derive(Default)]
pub(super) struct Running {
    pub(super) tasks: JoinSet<()>,
    pub(super) stop: CancellationToken,
}

impl Running {
    pub(super) fn start(&mut self, runner: &Arc<Runner>) -> tokio::task::AbortHandle {
        let (runner, stop) = (Arc::clone(runner), self.stop.clone());
        self.tasks.spawn(async move { runner.run(stop).await.unwrap() })
    }

    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            assert!(ended.is_ok() || ended.unwrap_err().is_cancelled());
        }
    }
}

pub(super) fn tally(runner: &Runner, query: &str) -> Tallied {
    runner.totals()[query]
}
