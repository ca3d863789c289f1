//! Scheduled queries: windows that follow each other whatever happens to those who ask, and findings that come once.

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
    Clock, CloudError, CloudErrorKind, Expected, Fault, FaultPlan, FaultRate, FaultyQueue,
    FaultyTable, ManualClock, MemoryQueue, MemoryTable, Object, ObjectRef, Operation, Page, RowKey,
    Store, Table, Written,
};
use trailloop_query::named::{NamedQuery, load};
use trailloop_query::{Archive, Engine, Runner, RunnerLimits, Source, Tallied};

use crate::kit::{Small, call, key, runtime};

const MINUTE: i64 = 60;
const LEASE: Duration = Duration::from_secs(60);

fn second(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

fn shown(second: i64) -> String {
    Timestamp::from_second(second).unwrap().to_string()
}

/// Every event is a row, and every row a finding, which is known by the event's id.
fn query(id: &str, schedule: &str) -> NamedQuery {
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
struct World {
    small: Small,
    table: MemoryTable,
    queue: MemoryQueue,
    clock: ManualClock,
    faults: FaultPlan,
    /// Each reading of an object takes one of these for a moment.
    gate: Arc<Semaphore>,
    rows_max: usize,
}

/// A store that reads when the gate lets it.
struct Gated {
    inner: Arc<dyn Store>,
    gate: Arc<Semaphore>,
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
    fn new(now: &str, (from, to): (&str, &str)) -> Self {
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

    fn runner(
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

    fn row_key(query: &str) -> RowKey {
        RowKey::new("query-schedule", query)
    }

    async fn row(&self, query: &str) -> Option<(u64, Value)> {
        let row = self.table.get(&Self::row_key(query)).await.unwrap()?;
        Some((row.version, serde_json::from_str(&row.value).unwrap()))
    }

    /// Waits until all before this time was asked about.
    async fn done(&self, query: &str, time: &str) {
        let done = second(time);
        until(async || self.row(query).await.is_some_and(|(_, row)| row["done"] == done)).await;
    }

    /// The ids of the events that were found, each with the ids of the findings that tell of it.
    fn found(&self) -> BTreeMap<String, BTreeSet<String>> {
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
    fn assert_found(&self, from: &str, to: &str) {
        let found = self.found();
        let times: Vec<&String> = found.keys().collect();
        let wanted: Vec<String> = (second(from)..second(to)).step_by(60).map(shown).collect();
        assert_eq!(times, wanted.iter().collect::<Vec<_>>());
        let several: Vec<_> = found.iter().filter(|(_, uids)| uids.len() != 1).collect();
        assert!(several.is_empty(), "events of two windows: {several:?}");
    }

    fn clock_second(&self) -> i64 {
        Clock::Manual(self.clock.clone()).now_ms() / 1000
    }

    fn advance(&self, minutes: i64) {
        self.clock.advance(Duration::from_secs(u64::try_from(minutes * MINUTE).unwrap()));
    }
}

/// Waits for something that comes by itself.
async fn until(holds: impl AsyncFn() -> bool) {
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
struct Running {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Running {
    fn start(&mut self, runner: &Arc<Runner>) -> tokio::task::AbortHandle {
        let (runner, stop) = (Arc::clone(runner), self.stop.clone());
        self.tasks.spawn(async move { runner.run(stop).await.unwrap() })
    }

    async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            assert!(ended.is_ok() || ended.unwrap_err().is_cancelled());
        }
    }
}

fn tally(runner: &Runner, query: &str) -> Tallied {
    runner.totals()[query]
}

#[test]
fn windows_follow_one_another_and_are_committed() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        world.done("events", "2026-01-31T10:00:00Z").await;
        world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
        world.advance(14);
        world.advance(1);
        world.done("events", "2026-01-31T10:15:00Z").await;
        // Three at once, after a pause.
        world.advance(45);
        world.done("events", "2026-01-31T11:00:00Z").await;
        running.stop().await;
        world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T11:00:00Z");
        let (_, row) = world.row("events").await.unwrap();
        assert_eq!(row["holder"], "", "the lease is given back");
        let Tallied { windows, findings, rows, failures, objects, records, bytes_raw, .. } =
            tally(&runner, "events");
        assert_eq!((windows, findings, rows, failures), (5, 75, 75, 0));
        assert!(objects >= 5 && records >= 75 && bytes_raw > 0);
    });
}

#[test]
fn what_was_missed_for_too_long_is_given_up_and_counted() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T23:00:00Z"));
    let every = query("events", "every: 15m, lag: 20m, catch_up: 3");
    let runner = world.runner("one", vec![every], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        world.done("events", "2026-01-31T10:00:00Z").await;
        world.advance(120);
        world.done("events", "2026-01-31T12:00:00Z").await;
        running.stop().await;
    });
    let Tallied { windows, windows_given_up, .. } = tally(&runner, "events");
    assert_eq!((windows, windows_given_up), (1 + 3, 5));
    let found = world.found();
    assert!(
        found.contains_key("2026-01-31T09:45:00Z") && found.contains_key("2026-01-31T11:15:00Z")
    );
    assert!(!found.keys().any(|time| {
        (second("2026-01-31T10:00:00Z")..second("2026-01-31T11:15:00Z")).contains(&second(time))
    }));
}

#[test]
fn cron_and_a_restart_leave_no_gap() {
    let world =
        World::new("2026-01-30T03:21:00Z", ("2026-01-29T00:00:00Z", "2026-02-02T06:00:00Z"));
    let nightly = || vec![query("events", "cron: 0 3 * * mon-fri, lag: 20m")];
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&world.runner("one", nightly(), None));
        world.done("events", "2026-01-30T03:00:00Z").await;
        running.stop().await;
        world.advance(3 * 24 * 60);
        // The one that is started anew finds the weekend in one window.
        let mut running = Running::default();
        running.start(&world.runner("two", nightly(), None));
        world.done("events", "2026-02-02T03:00:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-29T03:00:00Z", "2026-02-02T03:00:00Z");
}

#[test]
fn a_lease_is_waited_for_and_taken_over_when_it_ends() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        // Killed while it held the lease.
        let until_ms = 1000 * second("2026-01-31T10:21:00Z");
        let row = json!({"done": second("2026-01-31T09:45:00Z"), "holder": "killed", "until_ms": until_ms, "failures": 0, "not_before_ms": 0});
        world.table.put(&World::row_key("events"), &row.to_string(), Expected::Absent).await.unwrap();
        let mut running = Running::default();
        running.start(&runner);
        world.clock.advance(Duration::from_secs(59));
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.row("events").await.unwrap().1, row, "the lease is respected");
        world.clock.advance(Duration::from_secs(1));
        world.done("events", "2026-01-31T10:00:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
}

#[test]
fn a_lease_is_renewed_while_a_query_runs_and_who_lost_it_commits_nothing() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        world.gate.forget_permits(64);
        let mut running = Running::default();
        running.start(&runner);
        let held_until = async || match world.row("events").await {
            Some((_, row)) if row["holder"] == "one" => row["until_ms"].as_i64().unwrap(),
            _ => 0,
        };
        until(async || held_until().await > 0).await;
        let first = held_until().await;
        // Three leases long.
        for _ in 0..9 {
            let before = held_until().await;
            world.clock.advance(LEASE / 3);
            until(async || held_until().await > before).await;
        }
        assert!(held_until().await >= first + 3 * 60_000);
        // Somebody else has it now, as if we had been frozen.
        let (version, mut row) = world.row("events").await.unwrap();
        row["holder"] = "two".into();
        row["until_ms"] = (held_until().await + 600_000).into();
        let taken = world
            .table
            .put(&World::row_key("events"), &row.to_string(), Expected::Version(version))
            .await
            .unwrap();
        assert!(matches!(taken, Written::Done(_)));
        world.clock.advance(LEASE / 3);
        until(async || tally(&runner, "events").leases_lost == 1).await;
        world.gate.add_permits(64);
        running.stop().await;
        assert_eq!(world.row("events").await.unwrap().1, row, "nothing is committed");
    });
    assert!(world.queue.is_empty());
}

#[test]
fn a_stop_leaves_the_window_to_the_next_and_gives_the_lease_back() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let events = || vec![query("events", "every: 15m, lag: 20m")];
    runtime().block_on(async {
        world.gate.forget_permits(64);
        let mut running = Running::default();
        running.start(&world.runner("one", events(), None));
        until(async || world.row("events").await.is_some_and(|(_, row)| row["holder"] == "one"))
            .await;
        running.stop().await;
        let (_, row) = world.row("events").await.unwrap();
        assert_eq!(
            (&row["holder"], &row["done"]),
            (&json!(""), &json!(second("2026-01-31T09:45:00Z")))
        );
        assert!(world.queue.is_empty());
        world.gate.add_permits(64);
        // The window is asked about although it is no longer the last one that is closed.
        world.advance(15);
        let mut running = Running::default();
        running.start(&world.runner("two", events(), None));
        world.done("events", "2026-01-31T10:15:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:15:00Z");
}

#[test]
fn a_query_that_fails_waits_and_holds_up_no_other() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let mut dear = query("dear", "every: 15m, lag: 20m");
    let sql = dear.sql.replace("eventtime >= :from", "coalesce(eventtime, '') >= :from");
    dear.prepared = trailloop_query::Prepared::parse(
        &sql.replace("eventtime < :to", "coalesce(eventtime, '') < :to"),
    )
    .unwrap();
    let small = query("events", "every: 15m, lag: 20m");
    // Enough for the objects of two days, and not for all of them.
    let bytes: Vec<u64> = runtime().block_on(async {
        let store = &world.small.archive.sources[0].store;
        let page = store.list("logs", "", None).await.unwrap();
        page.objects.iter().map(|one| one.bytes).collect()
    });
    world.small.put(&key("111122223333", "eu-west-1", "2025/06/01", "x"), &[]);
    let runner = world.runner("one", vec![dear, small], Some(bytes.iter().sum()));
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        world.done("events", "2026-01-31T10:00:00Z").await;
        until(async || tally(&runner, "dear").failures == 1).await;
        until(async || world.row("dear").await.is_some_and(|(_, row)| row["holder"] == "")).await;
        let (_, row) = world.row("dear").await.unwrap();
        assert_eq!(
            (&row["failures"], &row["done"]),
            (&json!(1), &json!(second("2026-01-31T09:45:00Z")))
        );
        let begun = 1000 * second("2026-01-31T10:20:00Z");
        assert_eq!(row["not_before_ms"], begun + 30_000);
        world.clock.advance(Duration::from_secs(30));
        until(async || tally(&runner, "dear").failures == 2).await;
        until(async || {
            world.row("dear").await.is_some_and(|(_, row)| row["not_before_ms"] == begun + 90_000)
        })
        .await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
}

#[test]
fn a_window_is_committed_when_every_finding_is_accepted() {
    let mut world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let fails = Fault::Fails(CloudErrorKind::Transient);
    let fault =
        |call| trailloop_cloud::ScriptedFault { operation: Operation::Send, call, fault: fails };
    world.faults = FaultPlan::script([fault(3)]);
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        until(async || tally(&runner, "events").failures == 1).await;
        until(async || world.row("events").await.is_some_and(|(_, row)| row["holder"] == "")).await;
        assert_eq!(world.row("events").await.unwrap().1["done"], second("2026-01-31T09:45:00Z"));
        assert_eq!(world.queue.len(), 14);
        world.clock.advance(Duration::from_secs(30));
        world.done("events", "2026-01-31T10:00:00Z").await;
        running.stop().await;
    });
    assert_eq!(world.queue.len(), 15);
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
}

#[test]
fn no_more_rows_are_taken_than_may_be_and_the_window_is_finished() {
    let mut world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    world.rows_max = 10;
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        world.done("events", "2026-01-31T10:00:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T09:55:00Z");
}

#[test]
fn an_object_that_can_t_be_read_is_tried_again_and_then_told() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let damaged = key("111122223333", "eu-west-1", "2026/01/31", "damaged");
    world.small.put_bytes(&damaged, b"\x1f\x8b\x08 no gzip".to_vec());
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        for failures in 1..=3 {
            until(async || tally(&runner, "events").failures == failures).await;
            until(async || {
                world.row("events").await.is_some_and(|(_, row)| row["failures"] == failures)
            })
            .await;
            assert!(world.queue.is_empty());
            world.advance(2);
        }
        world.done("events", "2026-01-31T10:00:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
}

/// Three runners on one table, under faults of table and queue, killed and started again at any point.
#[test]
fn a_fleet_under_faults_and_kills_finds_each_event_once() {
    let (mut fired, mut kills) = (0, 0);
    for seed in 0..6 {
        let mut world =
            World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T15:00:00Z"));
        let rates = [
            (Operation::GetRow, Fault::Fails(CloudErrorKind::Transient), 30),
            (Operation::PutRow, Fault::Fails(CloudErrorKind::Transient), 50),
            (Operation::PutRow, Fault::DoneButFails, 100),
            (Operation::Send, Fault::DoneButFails, 10),
            (Operation::Send, Fault::Fails(CloudErrorKind::Transient), 10),
        ];
        let rate = |(operation, fault, per_mille)| FaultRate { operation, fault, per_mille };
        world.faults = FaultPlan::seeded(seed, rates.map(rate));
        let every = || vec![query("events", "every: 15m, lag: 20m, catch_up: 1000")];
        let mut random = fastrand::Rng::with_seed(seed);
        runtime().block_on(async {
            let mut running = Running::default();
            let mut handles = Vec::new();
            for nth in 0..3 {
                handles.push(running.start(&world.runner(&format!("{seed}-{nth}"), every(), None)));
            }
            for round in 0..40 {
                world.advance(random.i64(1..12));
                tokio::time::sleep(Duration::from_micros(random.u64(0..6000))).await;
                let victim = random.usize(0..3);
                handles[victim].abort();
                kills += 1;
                let holder = format!("{seed}-{round}-{victim}");
                handles[victim] = running.start(&world.runner(&holder, every(), None));
            }
            world.faults.heal();
            // Until the leases of the killed have ended, and what failed is tried again.
            let end = second("2026-01-31T14:00:00Z");
            until(async || {
                let done =
                    world.row("events").await.map_or(0, |(_, row)| row["done"].as_i64().unwrap());
                let now = world.clock_second();
                if now < end + 20 * MINUTE {
                    world.advance(1);
                } else if done < end {
                    world.clock.advance(Duration::from_secs(10));
                }
                done >= end && done + 35 * MINUTE > world.clock_second()
            })
            .await;
            running.stop().await;
        });
        fired += world.faults.fired_total();
        let done = world.small.block_on(world.row("events")).unwrap().1["done"].as_i64().unwrap();
        world.assert_found("2026-01-31T09:45:00Z", &shown(done));
    }
    assert!(fired > 20 && kills == 240, "{fired} faults, {kills} kills");
}
