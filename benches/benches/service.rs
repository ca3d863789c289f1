//! The stream service at the rate of an organization: the whole of `run` in one process, over the embedded queue and a
//! folder, on a real disk.
//!
//!     cargo bench -p trailloop-benches --bench service
//!     cargo bench -p trailloop-benches --bench service -- --objects 20000 --steady-seconds 300
//!
//! Three things are measured, each with the limits that the service has by default and with the shipped rules:
//!
//! - **Drain**: a queue full of messages, each of which names one small object (the commonest kind: accounts in which
//!   little happens). Objects a second and a core, and requests an object, as AWS would be sent them.
//! - **Steady**: [`ACCOUNTS`] accounts, each of which delivers one object from each of [`REGIONS`] regions every five
//!   minutes, spread evenly over them. Time goes on as it does, so a slice of [`STEADY_SECONDS`] is run and not a day.
//! - **Spike**: the same objects of five minutes, but all within one minute, and most of them at its beginning (the
//!   n-th of N after `60 (n/N)²` seconds, so that an eighth comes in the first second): delivery goes by the clock, and
//!   the clocks of accounts agree. Nothing is scaled.
//!
//! Latency is counted from the moment at which a message could be received until the action queue had accepted a
//! finding of its object. So every [`NOTABLE_EVERY`]th object holds a record that a rule must match. The queues' own
//! writing to disk is part of it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trailloop::synth::{Organization, SynthArgs};
use trailloop_benches::compile;
use trailloop_cloud::{
    Clock, CloudError, FolderStore, LocalQueues, Message, Meter, MeteredQueue, MeteredStore,
    Outgoing, Queue, Receipt,
};
use trailloop_cloudtrail::Limits;
use trailloop_content::shipped;
use trailloop_pipeline::bridge::Bridge;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::{Counters, Pipeline, Seats, Service, ServiceLimits};

/// Accounts of the organization.
const ACCOUNTS: u16 = 8000;

/// Regions from which each of them delivers.
const REGIONS: usize = 3;

/// How often each delivers.
const DELIVERY: Duration = Duration::from_secs(300);

/// Within this time the deliveries of a spike come.
const SPIKE: Duration = Duration::from_secs(60);

/// Accounts whose logs the objects are. They are fewer because each makes folders, which a bucket does not have.
const ACCOUNTS_WRITTEN: u16 = 100;

/// Records of an object, so that it has about 2 KB compressed.
const RECORDS: u32 = 5;

/// Each of so many objects holds a record that a rule must match.
const NOTABLE_EVERY: usize = 8;

/// Unless the command line says otherwise.
const OBJECTS: u32 = 100_000;
const STEADY_SECONDS: u32 = 60;

/// What nobody waits longer for.
const PATIENCE: Duration = Duration::from_secs(900);

const BUCKET: &str = "trail";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` runs this too, with a flag that says so; there is nothing to test here.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let number = |name: &str, default: u32| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().expect("a number"))
    };
    let objects = number("--objects", OBJECTS);
    let steady = Duration::from_secs(number("--steady-seconds", STEADY_SECONDS).into());
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let corpus = Corpus::write(folder.path(), objects);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("the runtime starts");
    println(&corpus.describe());

    let at_once: Vec<Duration> = corpus.notices.iter().map(|_| Duration::ZERO).collect();
    let drained = runtime.block_on(run("drain", &corpus, &at_once));
    println(&drained.rates(cores));

    if steady.is_zero() {
        return;
    }
    let fleet = usize::from(ACCOUNTS) * REGIONS;
    let share = |nth: usize| nth as f64 / fleet as f64;
    let spike: Vec<Duration> = (0..fleet).map(|nth| SPIKE.mul_f64(share(nth).powi(2))).collect();
    let steady: Vec<Duration> =
        (0..).map(|nth| DELIVERY.mul_f64(share(nth))).take_while(|at| *at < steady).collect();
    println(
        "| Arrivals | objects | findings | p50 | p99 | max | requests an object | CPU |\n|---|---|---|---|---|---|---|---|",
    );
    for (name, arrivals) in [("steady", &steady), ("spike", &spike)] {
        println(&runtime.block_on(run(name, &corpus, arrivals)).latencies(name));
    }
}

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
fn println(text: &str) {
    println!("{text}");
}

/// Small objects in a folder that is the bucket, and the message that S3 sends of each.
struct Corpus {
    folder: PathBuf,
    notices: Vec<String>,
    bytes: u64,
    records: u64,
}

impl Corpus {
    fn write(folder: &Path, objects: u32) -> Self {
        let organization = Organization::new(&SynthArgs {
            out: folder.to_owned(),
            seed: 1,
            objects,
            records: RECORDS,
            accounts: ACCOUNTS_WRITTEN,
            start: jiff::civil::date(2026, 11, 2),
        });
        let mut corpus =
            Self { folder: folder.to_owned(), notices: Vec::new(), bytes: 0, records: 0 };
        for nth in 0..objects {
            let mut object = organization.object(nth);
            corpus.records += u64::from(RECORDS);
            if (nth as usize).is_multiple_of(NOTABLE_EVERY) {
                object.bytes = with_notable(&object.bytes, nth);
                corpus.records += 1;
            }
            let path = folder.join(BUCKET).join(&object.key);
            fs::create_dir_all(path.parent().expect("a key has folders")).expect("make a folder");
            fs::write(path, &object.bytes).expect("write the corpus");
            corpus.bytes += object.bytes.len() as u64;
            corpus.notices.push(notice(&object.key, object.bytes.len()));
        }
        corpus
    }

    fn describe(&self) -> String {
        let objects = self.notices.len() as u64;
        format!(
            "{objects} objects of {} bytes and {:.1} records, in the mean\n",
            self.bytes / objects,
            self.records as f64 / objects as f64
        )
    }
}

/// The object with one record more: somebody stops a trail.
fn with_notable(object: &[u8], nth: u32) -> Vec<u8> {
    let mut text = Vec::new();
    MultiGzDecoder::new(object).read_to_end(&mut text).expect("the corpus is gzip");
    let mut log: Value = serde_json::from_slice(&text).expect("the corpus is JSON");
    let records = log["Records"].as_array_mut().expect("a log has records");
    let mut record = records.last().expect("an object has records").clone();
    record["eventSource"] = json!("cloudtrail.amazonaws.com");
    record["eventName"] = json!("StopLogging");
    record["eventID"] = json!(format!("{nth:08x}-0000-4000-8000-000000000000"));
    records.push(record);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(log.to_string().as_bytes()).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// What S3 tells of an object, with all that it tells.
fn notice(key: &str, bytes: usize) -> String {
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-11-02T09:14:03.127Z", "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDAEXAMPLE:regionalDeliverySession"},
        "requestParameters": {"sourceIPAddress": "198.51.100.7"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "trail",
            "bucket": {"name": BUCKET, "ownerIdentity": {"principalId": "A3NL1KOZZKExample"}, "arn": "arn:aws:s3:::trail"},
            "object": {"key": key, "size": bytes, "sequencer": "0055AED6DCD90281E5"}},
    }]})
    .to_string()
}

/// What a run came to.
struct Ran {
    objects: usize,
    records: u64,
    took: Duration,
    cpu: Duration,
    meter: Meter,
    latencies: Vec<Duration>,
}

impl Ran {
    fn requests(&self) -> String {
        let each = |requests: u64| requests as f64 / self.objects as f64;
        let named = self.meter.named();
        let named: Vec<String> =
            named.iter().map(|(name, requests)| format!("{name} {:.3}", each(*requests))).collect();
        format!("{:.3} ({})", each(self.meter.requests_total()), named.join(", "))
    }

    fn cpu_share(&self) -> f64 {
        100.0 * self.cpu.as_secs_f64() / self.took.as_secs_f64()
    }

    fn rates(&self, cores: usize) -> String {
        let (objects, seconds) = (self.objects as f64, self.took.as_secs_f64());
        format!(
            "| Drain | |\n|---|---|\n| objects | {} in {seconds:.1} s |\n| objects/s | {:.0} |\n\
             | objects/s a core ({cores} cores) | {:.0} |\n| records/s | {:.0} |\n\
             | CPU an object | {:.0} µs ({:.0} % of one core) |\n| findings | {} |\n| requests an object | {} |\n",
            self.objects,
            objects / seconds,
            objects / seconds / cores as f64,
            self.records as f64 / seconds,
            self.cpu.as_secs_f64() * 1e6 / objects,
            self.cpu_share(),
            self.latencies.len(),
            self.requests(),
        )
    }

    fn latencies(&self, name: &str) -> String {
        let at = |share: f64| {
            let last = self.latencies.len().saturating_sub(1);
            let nth = (share * last as f64).ceil() as usize;
            self.latencies.get(nth).map_or(0, Duration::as_millis)
        };
        format!(
            "| {name}: {} in {:.0} s | {} | {} | {} ms | {} ms | {} ms | {} | {:.0} % of one core |",
            self.objects,
            self.took.as_secs_f64(),
            self.objects,
            self.latencies.len(),
            at(0.5),
            at(0.99),
            at(1.0),
            self.requests(),
            self.cpu_share(),
        )
    }
}

/// Runs the service while messages arrive, the n-th at the n-th time, until each is settled.
async fn run(name: &str, corpus: &Corpus, arrivals: &[Duration]) -> Ran {
    let clock = Clock::System;
    let file = corpus.folder.join(format!("{name}.sqlite"));
    let queues = LocalQueues::open(file, clock.clone()).expect("the queues open");
    let notifications = queues.queue("notifications", None);
    let meter = Meter::default();
    let metered = |inner: Arc<dyn Queue>| -> Arc<dyn Queue> {
        Arc::new(MeteredQueue::new(inner, meter.clone()))
    };
    let actions = Arc::new(Timed {
        inner: metered(Arc::new(queues.queue("actions", None))),
        clock: clock.clone(),
        latencies: Mutex::default(),
    });
    let engine = Arc::new(Engine {
        rules: LiveRules::new(Arc::new(compile(shipped().rules))),
        limits: Limits::default(),
        filter: RecordFilter::default(),
    });
    let limits = limits();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let store = MeteredStore::new(Arc::new(FolderStore::new(&corpus.folder)), meter.clone());
    let pipeline = Arc::new(Pipeline {
        notifications: metered(Arc::new(notifications.clone())),
        store: Arc::new(store),
        actions: Arc::clone(&actions) as Arc<dyn Queue>,
        dead_letters: None,
        bridge: Bridge::threads(&engine, cores, limits.messages_in_flight_max)
            .expect("the workers start"),
        seats: Seats::new(256 << 20, 128 << 20),
        clock,
        counters: Counters::default(),
    });
    let waiting = arrivals.iter().take_while(|at| at.is_zero()).count();
    let notices = |range: std::ops::Range<usize>| -> Vec<Outgoing> {
        let bodies = range.map(|nth| corpus.notices[nth % corpus.notices.len()].clone());
        bodies.map(|body| Outgoing { body, ..Outgoing::default() }).collect()
    };
    for from in (0..waiting).step_by(10_000) {
        send(&notifications, notices(from..waiting.min(from + 10_000))).await;
    }

    let (started, cpu_before) = (Instant::now(), cpu_time());
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    let service = Service::new(Arc::clone(&pipeline), limits);
    running.spawn(service.run(stop.clone()));
    let mut next = waiting;
    while settled(&pipeline) < arrivals.len() as u64 {
        let due = arrivals[next..].iter().take_while(|at| **at <= started.elapsed()).count();
        send(&notifications, notices(next..next + due)).await;
        next += due;
        assert!(
            started.elapsed() < PATIENCE,
            "{} of {} settled",
            settled(&pipeline),
            arrivals.len()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (took, cpu) = (started.elapsed(), cpu_time() - cpu_before);
    stop.cancel();
    let drained = running.join_next().await.expect("it runs").expect("it does not panic");
    assert!(!drained.failed && drained.given_back == 0);
    let totals = pipeline.counters.totals();
    assert_eq!((totals.objects, totals.records_failed), (arrivals.len() as u64, 0));
    let mut latencies = std::mem::take(&mut *actions.latencies.lock().expect("not poisoned"));
    latencies.sort();
    Ran { objects: arrivals.len(), records: totals.records, took, cpu, meter, latencies }
}

/// The defaults of `trailloop run`.
fn limits() -> ServiceLimits {
    ServiceLimits {
        pollers: 8,
        messages_in_flight_max: 128,
        receive_wait: Duration::from_secs(10),
        visibility: Duration::from_secs(60),
        drain: Duration::from_secs(15),
    }
}

fn settled(pipeline: &Pipeline) -> u64 {
    pipeline.counters.totals().messages_acknowledged
}

async fn send(queue: &dyn Queue, messages: Vec<Outgoing>) {
    if messages.is_empty() {
        return;
    }
    for sent in queue.send(&messages).await.expect("the queue accepts") {
        sent.expect("the queue accepts");
    }
}

/// What the process has used of processors; nothing where the system does not tell it this way.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// The action queue, and how long ago the message could be received of which it accepts a finding.
struct Timed {
    inner: Arc<dyn Queue>,
    clock: Clock,
    latencies: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Queue for Timed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn receive(
        &self,
        messages_max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError> {
        self.inner.receive(messages_max, wait, visibility).await
    }

    async fn extend(
        &self,
        receipts: &[Receipt],
        visibility: Duration,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        self.inner.extend(receipts, visibility).await
    }

    async fn delete(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        self.inner.delete(receipts).await
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let results = self.inner.send(messages).await?;
        let now_ms = self.clock.now_ms();
        let notified = |message: &Outgoing| -> i64 {
            message.attributes["trailloop-notified-ms"].parse().expect("a number")
        };
        let each = messages.iter().map(|message| now_ms - notified(message));
        let each = each.map(|ms| Duration::from_millis(ms.try_into().unwrap_or(0)));
        self.latencies.lock().expect("not poisoned").extend(each);
        Ok(results)
    }
}
