//! Test only: the whole service in one process, one thread, one seed, any fault.
//!
//! A seed makes a world: log objects good and bad, and their notifications. The service runs over it on
//! tokio's paused clock with the inline bridge, while the queues and the store fail as the seed says; it is killed and
//! stopped at moments of the seed's choosing, and at last the faults are healed and it runs until nothing is left.
//! Then the promise is checked: every record of an acknowledged object was evaluated, every finding arrived, every
//! message that was not simply done is parked with its reason, and nothing is in a finding that is not in a log.
//!
//! The same seed gives the same run, to the order of messages; a test holds that too.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{
    Clock, FaultPlan, FaultyQueue, FaultyStore, ManualClock, MemoryQueue, Queue, Store,
};
use trailloop_pipeline::bridge::Bridge;
use trailloop_pipeline::examine::Engine;
use trailloop_pipeline::{Counters, Pipeline, Seats, Service, ServiceLimits, Totals};

pub use crate::world::engine;
use crate::world::{Faults, World};

/// How long a healed world may take to settle, in simulated time.
const SETTLE: Duration = Duration::from_secs(4 * 3600);

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Faults that fired.
    pub faults: u64,
    /// Times the service was killed.
    pub kills: u32,
    /// Times it was stopped and drained.
    pub drains: u32,
    /// Messages parked.
    pub parked: usize,
    /// Findings in the action queue, repeats included, in order of arrival.
    pub findings: Vec<String>,
    /// Simulated time.
    pub took: Duration,
    /// What the last run of the service counted.
    pub totals: Totals,
}

/// Runs one seed.
///
/// # Panics
///
/// If the promise is broken; the message names the seed.
#[must_use]
pub fn simulate(seed: u64, engine: &Arc<Engine>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system");
    runtime.block_on(Simulation::new(seed, engine).run())
}

struct Simulation {
    seed: u64,
    random: Rng,
    engine: Arc<Engine>,
    world: World,
    notifications: MemoryQueue,
    actions: MemoryQueue,
    dead_letters: MemoryQueue,
    plan: FaultPlan,
    limits: ServiceLimits,
}

impl Simulation {
    fn new(seed: u64, engine: &Arc<Engine>) -> Self {
        let mut random = Rng::with_seed(seed);
        let world = World::new(&mut random);
        let plan = FaultPlan::seeded(seed, Faults::draw(&mut random).rates());
        let limits = ServiceLimits {
            pollers: random.usize(1..4),
            messages_in_flight_max: random.usize(1..40),
            receive_wait: Duration::from_secs(random.u64(1..20)),
            visibility: Duration::from_secs(random.u64(6..60)),
            drain: Duration::from_secs(random.u64(1..30)),
        };
        Self {
            seed,
            random,
            engine: Arc::clone(engine),
            world,
            notifications: MemoryQueue::new("notifications"),
            actions: MemoryQueue::new("actions"),
            dead_letters: MemoryQueue::new("dead-letters"),
            plan,
            limits,
        }
    }

    async fn run(mut self) -> Outcome {
        let started = Instant::now();
        self.world.announce(&self.notifications).await;
        let (mut kills, mut drains) = (0, 0);
        for _ in 0..self.random.u32(0..4) {
            let (stop, mut running, _) = self.start();
            sleep(Duration::from_millis(self.random.u64(1..90_000))).await;
            if self.random.bool() {
                // Dropping every future at once is what a kill looks like from outside.
                running.shutdown().await;
                kills += 1;
            } else {
                stop.cancel();
                while running.join_next().await.is_some() {}
                drains += 1;
            }
        }
        let faults = self.plan.fired_total();
        self.plan.heal();
        let (stop, mut running, pipeline) = self.start();
        let deadline = Instant::now() + SETTLE;
        while !self.notifications.is_empty() {
            let left = self.notifications.len();
            assert!(Instant::now() < deadline, "seed {}: {left} messages never settle", self.seed);
            sleep(Duration::from_secs(1)).await;
        }
        stop.cancel();
        while running.join_next().await.is_some() {}
        self.check().await;
        Outcome {
            faults,
            kills,
            drains,
            parked: self.dead_letters.len(),
            findings: self.actions.bodies(),
            took: started.elapsed(),
            totals: pipeline.counters.totals(),
        }
    }

    fn start(&self) -> (CancellationToken, JoinSet<()>, Arc<Pipeline>) {
        let faulty = |queue: &MemoryQueue| -> Arc<dyn Queue> {
            Arc::new(FaultyQueue::new(Arc::new(queue.clone()), self.plan.clone()))
        };
        let store: Arc<dyn Store> = Arc::new(self.world.store.clone());
        let pipeline = Arc::new(Pipeline {
            notifications: faulty(&self.notifications),
            store: Arc::new(FaultyStore::new(store, self.plan.clone())),
            actions: faulty(&self.actions),
            dead_letters: Some(faulty(&self.dead_letters)),
            bridge: Bridge::inline(Arc::clone(&self.engine)),
            seats: Seats::new(1 << 20, 1 << 20),
            clock: Clock::Manual(ManualClock::new(0)),
            counters: Counters::default(),
        });
        let stop = CancellationToken::new();
        let service = Service::new(Arc::clone(&pipeline), self.limits);
        let mut running = JoinSet::new();
        let token = stop.clone();
        running.spawn(async move {
            service.run(token).await;
        });
        (stop, running, pipeline)
    }

    /// The promise, checked on what the queues hold.
    async fn check(&self) {
        let seed = self.seed;
        let parked = self.parked_keys().await;
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut bodies: BTreeMap<String, String> = BTreeMap::new();
        for body in self.actions.bodies() {
            let finding: Value = serde_json::from_str(&body).expect("a finding is JSON");
            let text = |pointer: &str| {
                finding.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let key = text("/unmapped/trailloop/location/key");
            found.entry(key).or_default().insert(text("/finding_info/related_events/0/uid"));
            let first = bodies.entry(text("/finding_info/uid")).or_insert_with(|| body.clone());
            assert_eq!(*first, body, "seed {seed}: a repeat differs");
        }
        for (key, expected) in &self.world.expected {
            let found = found.remove(key).unwrap_or_default();
            assert!(found.is_subset(expected), "seed {seed}: {key}: {found:?}");
            // A parked message may name this object as the one that could not be had; without faults only a damaged
            // object is, and the others of its message are evaluated all the same.
            let excused = self.plan.fired_total() > 0 || self.world.damaged.contains(key);
            if parked.contains(key) && excused {
                continue;
            }
            assert!(
                !self.world.damaged.contains(key),
                "seed {seed}: {key} is damaged and was not parked"
            );
            assert_eq!(found, *expected, "seed {seed}: {key}");
        }
        assert!(found.is_empty(), "seed {seed}: findings of objects that hold none: {found:?}");
        for body in &self.world.nonsense {
            assert!(
                self.dead_letters.bodies().contains(body),
                "seed {seed}: a message that nobody understands was dropped"
            );
        }
    }

    /// The keys of every object that a parked message names.
    async fn parked_keys(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for body in self.dead_letters.bodies() {
            let Ok(message) = serde_json::from_str::<Value>(&body) else { continue };
            let records =
                message.get("Records").and_then(Value::as_array).cloned().unwrap_or_default();
            let named = records.iter().filter_map(|record| record.pointer("/s3/object/key"));
            keys.extend(named.filter_map(Value::as_str).map(str::to_owned));
        }
        keys
    }
}
