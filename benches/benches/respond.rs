//! From a finding in the action queue to the first call in the account, and to the first call that changes something.
//!
//!     cargo bench -p trailloop-benches --bench respond -- --emulator http://127.0.0.1:4566 --findings 200
//!
//! The whole of `respond` in one process, over HTTP against an emulator of AWS: its queue, its bucket, its trails; the
//! state in a file of SQLite that is synced, evidence in a folder, the shipped rules. Each finding is of a trail that was
//! stopped, in an object of [`RECORDS`] records, and `restart-trail` answers it by itself. One finding is on its way at a time.
//!
//! A proxy before the emulator keeps when each request had come and when its answer was there. The clock runs from the
//! receive that brought the finding until the request; while the emulator had a request in hand it stands still. What is left is
//! ours: reading the record again, matching it, state, guards, evidence, session policies, signing, HTTP.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trailloop_benches::proxy::{Asked, Proxy};
use trailloop_cloud::{
    ActionOptions, Aws, AwsOptions, Clock, FolderVault, HttpNotifier, LocalTable, Outgoing,
    Queue as _, Table, connect, provision,
};
use trailloop_cloudtrail::Limits;
use trailloop_content::{runbooks, shipped};
use trailloop_finding::Place;
use trailloop_pipeline::examine::{Engine, RecordFilter, Worker};
use trailloop_pipeline::live::LiveRules;
use trailloop_respond::confirm::Archive;
use trailloop_respond::ledger::Ledger;
use trailloop_respond::service::{Queues, serve};
use trailloop_respond::tell::Destinations;
use trailloop_respond::{Responder, Settings, Switch};
use trailloop_runbook::document::{Mode, Runbook};

/// Records of an object, of which the last is the finding's.
const RECORDS: usize = 500;

/// Unless the command line says otherwise.
const FINDINGS: usize = 200;

/// What nobody waits longer for.
const PATIENCE: Duration = Duration::from_secs(60);

const ACCOUNT: &str = "111122223333";
const BUCKET: &str = "bench-trail";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` runs this too, with a flag that says so; there is nothing to test here.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map(|at| arguments[at + 1].clone())
    };
    let Some(emulator) = value("--emulator") else {
        println(
            "write --emulator URL of an emulator of AWS, such as that of scripts/emulators/ministack.txt",
        );
        return;
    };
    let findings = value("--findings").map_or(FINDINGS, |count| count.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let measured = runtime.expect("the runtime starts").block_on(measure(&emulator, findings));
    println(
        "| From the receive to | p50 | p99 | max | of it the emulator's own, p50 |\n|---|---|---|---|---|",
    );
    for (name, mut taken) in measured {
        taken.sort_unstable();
        let at = |share: usize| taken[(taken.len() - 1) * share / 100].0;
        let mut theirs: Vec<Duration> = taken.iter().map(|(_, theirs)| *theirs).collect();
        theirs.sort_unstable();
        println(&format!(
            "| {name} | {:.1?} | {:.1?} | {:.1?} | {:.1?} |",
            at(50),
            at(99),
            at(100),
            theirs[theirs.len() / 2]
        ));
    }
}

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
fn println(text: &str) {
    println!("{text}");
}

/// Ours and the emulator's time, of each finding.
type Taken = Vec<(Duration, Duration)>;

async fn measure(emulator: &str, findings: usize) -> Vec<(&'static str, Taken)> {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let engine = Arc::new(engine());
    let straight = aws(emulator).await;
    let queue_url = provision::create_queue(&straight, "bench-actions", &BTreeMap::new()).await;
    let queue_url = queue_url.expect("the emulator makes a queue");
    provision::create_bucket(&straight, BUCKET).await.expect("the emulator makes a bucket");
    let proxy = Proxy::new(emulator, None).expect("a port");
    let through = aws(&proxy.url).await;
    let responder = responder(&through, Arc::clone(&engine), folder.path());
    let queues = Queues { actions: Arc::new(through.queue(&queue_url)), dead_letters: None };
    let stop = CancellationToken::new();
    let mut serving = JoinSet::new();
    serving.spawn(serve(responder, queues, stop.clone()));
    let queue = straight.queue(&queue_url);
    let (mut first, mut changing) = (Taken::new(), Taken::new());
    for nth in 0..findings {
        let trail = format!("bench-{}-{nth}", std::process::id());
        make_trail(emulator, &trail);
        let (key, bytes) = object(&trail, nth);
        let body = finding(&engine, &key, &bytes);
        provision::put_object(&straight, BUCKET, &key, bytes).await.expect("an object is put");
        let from = proxy.asked().len();
        let attributes = [("trailloop-received-ms".to_owned(), "1".to_owned())].into();
        let message = Outgoing { body, attributes, ..Outgoing::default() };
        for sent in queue.send(&[message]).await.expect("the queue takes a message") {
            sent.expect("the queue takes a message");
        }
        let asked = settled(&proxy, from).await;
        first.push(until(&asked, from, |one| !is_of_ours(one)));
        changing.push(until(&asked, from, |one| one.name == "cloudtrail:StartLogging"));
    }
    stop.cancel();
    serving.join_next().await.expect("a task").expect("the service ends");
    vec![("the first call in the account", first), ("the first change", changing)]
}

/// All that was asked, once the trail was started and the message deleted.
async fn settled(proxy: &Proxy, from: usize) -> Vec<Asked> {
    let started = Instant::now();
    loop {
        let asked = proxy.asked();
        let since = &asked[from..];
        let has = |name: &str| {
            since.iter().any(|one| one.name.starts_with(name) && one.answered.is_some())
        };
        if has("cloudtrail:StartLogging") && has("sqs:DeleteMessage") {
            return asked;
        }
        assert!(started.elapsed() < PATIENCE, "never: a finding is answered; {since:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The queue and the trail's bucket are the responder's own, and no account's that it acts in.
fn is_of_ours(asked: &Asked) -> bool {
    asked.name.starts_with("sqs:") || asked.name.starts_with("s3:")
}

/// How long it took from the receive that brought the finding to a request, without the time in which the emulator had
/// one in hand; and that time.
fn until(asked: &[Asked], from: usize, is_end: impl Fn(&Asked) -> bool) -> (Duration, Duration) {
    let read = asked[from..].iter().position(|one| one.name.starts_with("s3:GET"));
    // The receive that brings a finding may have been asked before the finding was sent.
    let read = from + read.expect("a read");
    let receives = asked[..read].iter().filter(|one| one.name == "sqs:ReceiveMessage");
    let begun = receives.filter_map(|one| one.answered).filter(|at| *at <= asked[read].at).max();
    let begun = begun.expect("an answered receive");
    let end = asked[read..].iter().find(|one| is_end(one)).expect("a call in the account").at;
    let mut spans: Vec<(Instant, Instant)> = asked[from..]
        .iter()
        .filter(|one| one.name != "sqs:ReceiveMessage")
        .filter_map(|one| Some((one.at.max(begun), one.answered?.min(end))))
        .filter(|(from, to)| from < to)
        .collect();
    spans.sort_unstable();
    let (mut theirs, mut reached) = (Duration::ZERO, begun);
    for (from, to) in spans {
        theirs += to.saturating_duration_since(from.max(reached));
        reached = reached.max(to);
    }
    (end.duration_since(begun).saturating_sub(theirs), theirs)
}

async fn aws(endpoint: &str) -> Aws {
    let options = AwsOptions {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(endpoint.to_owned()),
        path_style: true,
    };
    // The emulator takes the key for the account.
    connect(options).await.with_keys(ACCOUNT, "test")
}

fn engine() -> Engine {
    Engine {
        rules: LiveRules::new(Arc::new(trailloop_benches::compile(shipped().rules))),
        limits: Limits::default(),
        filter: RecordFilter::default(),
    }
}

/// `restart-trail`, with a budget for as many as are measured.
fn runbook() -> Runbook {
    let shipped = runbooks::files();
    let (name, text) =
        shipped.iter().find(|(name, _)| *name == "restart-trail.yml").expect("the runbook");
    let text =
        text.replace("per_hour: {account: 2, org: 10}", "per_hour: {account: 1000, org: 1000}");
    trailloop_runbook::load(name, &text).runbook.expect("the runbook loads")
}

fn responder(aws: &Aws, engine: Arc<Engine>, folder: &Path) -> Arc<Responder> {
    let table = LocalTable::open(folder.join("state")).expect("a state");
    let table: Arc<dyn Table> = Arc::new(table);
    Arc::new(Responder {
        archive: Archive {
            store: Arc::new(aws.store()),
            buckets: vec![BUCKET.to_owned()],
            engine,
            object_bytes_max: 128 << 20,
            index: None,
        },
        ledger: Ledger::new(Arc::clone(&table), "bench"),
        table,
        vault: Some(Arc::new(FolderVault::new(folder.join("evidence")))),
        actions: Arc::new(aws.actions(ActionOptions::default())),
        notifier: Arc::new(HttpNotifier::new()),
        destinations: Destinations::default(),
        runbooks: vec![runbook()],
        queries: None,
        switch: Switch::None,
        settings: Settings {
            mode: Mode::Auto,
            first_day_auto: true,
            simulates: false,
            per_hour_account: 1000,
            per_hour_org: 1000,
            // Runs that are watched would be looked at in between.
            tick: Duration::from_secs(3600),
            ..Settings::default()
        },
        clock: Clock::System,
        worker: "bench".to_owned(),
        canaries: None,
        next_looks: trailloop_respond::looks::NextLooks::default(),
        memory: Mutex::default(),
    })
}

/// A trail that does not log, as [`finding`] says.
fn make_trail(emulator: &str, name: &str) {
    let address = emulator.trim_start_matches("http://").trim_end_matches('/');
    let body = json!({ "Name": name, "S3BucketName": BUCKET }).to_string();
    let mut stream = TcpStream::connect(address).expect("the emulator");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.CreateTrail\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/us-east-1/cloudtrail/aws4_request, \
         SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("the emulator reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the emulator answers");
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
}

/// The finding that the stream makes of an object's last record.
fn finding(engine: &Engine, key: &str, bytes: &[u8]) -> String {
    let source = format!("{BUCKET}/{key}");
    let mut findings = Vec::new();
    let place = Place { source: &source, version: None };
    Worker::default().examine(engine, bytes, place, |finding| {
        findings.push(finding.json);
        std::ops::ControlFlow::Continue(())
    });
    findings.pop().expect("a rule matches a stopped trail")
}

/// An object as CloudTrail writes it: reads, and at last a trail that is stopped.
fn object(trail: &str, nth: usize) -> (String, Vec<u8>) {
    let now = jiff::Timestamp::from_millisecond(Clock::System.now_ms()).expect("a time");
    let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let record = |number: usize| {
        let (name, parameters) = match number + 1 {
            RECORDS => {
                let arn = format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{trail}");
                ("StopLogging", json!({ "name": arn }))
            }
            _ => ("DescribeTrails", Value::Null),
        };
        json!({
            "eventVersion": "1.11", "eventTime": time, "eventSource": "cloudtrail.amazonaws.com",
            "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.77",
            "userAgent": "aws-cli/2.22.4", "requestParameters": parameters, "responseElements": null,
            "userIdentity": {"type": "IAMUser", "principalId": "AIDACKCEVSQ6C2EXAMPLE", "userName": "bob",
                "arn": format!("arn:aws:iam::{ACCOUNT}:user/bob"), "accountId": ACCOUNT,
                "accessKeyId": "AKIAIOSFODNN7EXAMPLE"},
            "requestID": format!("{trail}-{number}"), "eventID": format!("{trail}-{number}"),
            "readOnly": false, "eventType": "AwsApiCall", "managementEvent": true,
            "recipientAccountId": ACCOUNT, "eventCategory": "Management",
        })
    };
    let records: Vec<Value> = (0..RECORDS).map(record).collect();
    let (day, stamp) = (now.strftime("%Y/%m/%d"), now.strftime("%Y%m%dT%H%MZ"));
    let key = format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{day}/{ACCOUNT}_CloudTrail_us-east-1_{stamp}_{nth:016}.json.gz"
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(json!({ "Records": records }).to_string().as_bytes()).expect("it is memory");
    (key, gzip.finish().expect("it is memory"))
}
