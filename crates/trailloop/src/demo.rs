//! `trailloop demo`: the whole path in one process, on shipped logs, without an account.
//!
//! A folder is the bucket and SQLite holds the queues; everything else is what the service runs: notifications are
//! received, objects downloaded, examined on worker threads, findings sent to the action queue, messages acknowledged.
//! The shipped logs tell of one intrusion; around them lies a quiet day of a synthetic organization. Then the first of the
//! findings that call for it is answered, in an account in memory: see `contain`. At last what people say of a noisy rule makes it
//! quieter: see `close`.

mod close;
mod contain;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use include_dir::{Dir, include_dir};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{Clock, FolderStore, LocalQueues, Message, Outgoing, Queue};
use trailloop_cloudtrail::Limits;
use trailloop_pipeline::bridge::Bridge;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::{Counters, Pipeline, Seats, Service, ServiceLimits, Totals};

use crate::cli::{DemoArgs, Global, SynthArgs};
use crate::config::cores;
use crate::ruleset::RuleFiles;
use crate::story::{Containment, Story};
use crate::{Exit, enrichment, synth};

/// The shipped logs, laid out like a bucket.
static LOGS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures/logs");

/// What the organization of those logs knows of itself: a tiny address database, its accounts and principals, and what it
/// expects.
static FACTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures/enrichment");

/// The demo's bucket.
const BUCKET: &str = "example-org-trail";

/// The quiet day around the intrusion.
const BACKGROUND_OBJECTS: u32 = 60;
const BACKGROUND_RECORDS: u32 = 1000;

/// How long the demo waits for its own work before it says that something is wrong.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs the command.
pub(crate) fn demo(arguments: &DemoArgs, global: &Global) -> anyhow::Result<Exit> {
    let dir = match &arguments.dir {
        Some(dir) => {
            synth::refuse_if_not_empty(dir)?;
            dir.clone()
        }
        None => tempfile::Builder::new()
            .prefix("trailloop-demo-")
            .tempdir()
            .context("make a folder")?
            .keep(),
    };
    let keys = fill_bucket(&dir)?;
    let facts = dir.join("enrichment");
    for file in FACTS.files() {
        write(&facts.join(file.path()), file.contents())?;
    }
    let facts = enrichment::load(Some(&facts))?;
    let rules = RuleFiles::load(&[], &facts)?;
    rules.report(global);
    let rule_count = rules.set.len();
    let ran = crate::runtime()?.block_on(run(&dir, &keys, rules))?;
    let story = Story {
        findings: &ran.findings,
        totals: ran.totals,
        rules: rule_count,
        workers: cores(),
        took: ran.took,
        findings_file: &ran.findings_file,
        containment: &ran.containment,
        closing: &close::close(&dir, &facts, global)?,
    };
    std::io::stdout().write_all(story.tell().as_bytes()).context("write the story")?;
    Ok(Exit::Done)
}

/// What the service and the executor did.
struct Ran {
    findings: Vec<Value>,
    totals: Totals,
    took: Duration,
    findings_file: PathBuf,
    containment: Containment,
}

/// Writes the shipped logs and the background into the folder that stands for the bucket; gives their keys.
fn fill_bucket(dir: &Path) -> anyhow::Result<Vec<String>> {
    let bucket = dir.join("buckets").join(BUCKET);
    let mut files = Vec::new();
    collect(&LOGS, &mut files);
    ensure!(!files.is_empty(), "the program was built without its logs");
    for (path, bytes) in &files {
        write(&bucket.join(path), bytes)?;
    }
    let mut keys: Vec<String> =
        files.iter().map(|(path, _)| path.to_string_lossy().into_owned()).collect();
    let background = synth::Organization::new(&SynthArgs {
        out: bucket.clone(),
        seed: 1,
        objects: BACKGROUND_OBJECTS,
        records: BACKGROUND_RECORDS,
        accounts: 12,
        start: jiff::civil::date(2026, 11, 20),
    });
    for nth in 0..BACKGROUND_OBJECTS {
        let object = background.object(nth);
        write(&bucket.join(&object.key), &object.bytes)?;
        keys.push(object.key);
    }
    Ok(keys)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    synth::write_file(path, bytes).with_context(|| format!("write {}", path.display()))
}

fn collect(dir: &'static Dir<'static>, files: &mut Vec<(PathBuf, &'static [u8])>) {
    files.extend(dir.files().map(|file| (file.path().to_owned(), file.contents())));
    for inner in dir.dirs() {
        collect(inner, files);
    }
}

async fn run(dir: &Path, keys: &[String], rules: RuleFiles) -> anyhow::Result<Ran> {
    let queues = LocalQueues::open(dir.join("queues.sqlite"), Clock::System)
        .context("open the demo's queues")?;
    let queue = |name: &str| -> Arc<dyn Queue> { Arc::new(queues.queue(name, None)) };
    let (notifications, actions, dead_letters) =
        (queue("notifications"), queue("actions"), queue("dead-letters"));
    let sent = notify(&*notifications, keys).await?;

    let engine = Arc::new(Engine {
        rules: LiveRules::new(rules.set),
        limits: Limits::default(),
        filter: RecordFilter::default(),
    });
    let limits = ServiceLimits {
        pollers: 2,
        messages_in_flight_max: 32,
        receive_wait: Duration::from_millis(50),
        visibility: Duration::from_secs(60),
        drain: Duration::from_secs(10),
    };
    let pipeline = Arc::new(Pipeline {
        notifications,
        store: Arc::new(FolderStore::new(dir.join("buckets"))),
        actions: Arc::clone(&actions),
        dead_letters: Some(dead_letters),
        bridge: Bridge::threads(&engine, cores(), limits.messages_in_flight_max)
            .context("start the workers")?,
        seats: Seats::new(64 << 20, 64 << 20),
        clock: Clock::System,
        counters: Counters::default(),
    });
    let started = Instant::now();
    let took = run_until_done(Arc::clone(&pipeline), limits, sent, started).await?;

    let messages = drain(&*actions).await?;
    let findings: Vec<Value> = messages.iter().map(|(finding, _)| finding.clone()).collect();
    let findings_file = dir.join("findings.ndjson");
    let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    fs::write(&findings_file, lines)
        .with_context(|| format!("write {}", findings_file.display()))?;
    let totals = pipeline.counters.totals();
    let count = findings.len() as u64;
    ensure!(count == totals.findings, "{} findings were sent and {count} arrived", totals.findings);
    let containment = Box::pin(contain::contain(dir, &engine, &messages)).await?;
    Ok(Ran { findings, totals, took, findings_file, containment })
}

/// Tells the queue of every object, as S3 would: a test event first, then one event for each object.
async fn notify(queue: &dyn Queue, keys: &[String]) -> anyhow::Result<u64> {
    let mut bodies = vec![
        json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}).to_string(),
    ];
    bodies.extend(keys.iter().map(|key| {
        json!({"Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": BUCKET}, "object": {"key": key}},
        }]})
        .to_string()
    }));
    let outgoing: Vec<Outgoing> =
        bodies.into_iter().map(|body| Outgoing { body, ..Outgoing::default() }).collect();
    for result in queue.send(&outgoing).await? {
        result?;
    }
    Ok(outgoing.len() as u64)
}

/// Runs the service until every message is settled; gives how long that took.
async fn run_until_done(
    pipeline: Arc<Pipeline>,
    limits: ServiceLimits,
    messages: u64,
    started: Instant,
) -> anyhow::Result<Duration> {
    let stop = CancellationToken::new();
    let service = Service::new(Arc::clone(&pipeline), limits).run(stop.clone());
    let watch = async {
        let mut took = started.elapsed();
        while pipeline.counters.totals().messages_acknowledged < messages && took < PATIENCE {
            tokio::time::sleep(Duration::from_millis(2)).await;
            took = started.elapsed();
        }
        stop.cancel();
        took
    };
    let (_, took) = tokio::join!(service, watch);
    ensure!(
        took < PATIENCE,
        "the demo's messages were not all settled in {} s",
        PATIENCE.as_secs()
    );
    Ok(took)
}

/// Takes every finding off the action queue, in order of event time.
async fn drain(actions: &dyn Queue) -> anyhow::Result<Vec<(Value, Message)>> {
    let mut findings: Vec<(Value, Message)> = Vec::new();
    loop {
        let messages = actions.receive(10, Duration::ZERO, Duration::from_secs(60)).await?;
        if messages.is_empty() {
            break;
        }
        let receipts: Vec<_> = messages.iter().map(|message| message.receipt.clone()).collect();
        for message in messages {
            let finding = serde_json::from_str(&message.body).context("read a finding")?;
            findings.push((finding, message));
        }
        for result in actions.delete(&receipts).await? {
            result?;
        }
    }
    findings.sort_by_key(|(finding, _)| {
        let uid = finding.pointer("/finding_info/uid").and_then(Value::as_str).unwrap_or_default();
        (finding.get("time").and_then(Value::as_i64), uid.to_owned())
    });
    Ok(findings)
}
