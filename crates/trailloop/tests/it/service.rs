//! `trailloop run` against an AWS emulator over real HTTP: notifications to findings, stops and kills.
//!
//! `scripts/test` starts the emulator and names it in `TRAILLOOP_TEST_MINISTACK`; without it these tests say that they
//! were skipped. What S3 does is the emulator's own doing here: the notification is sent by its bucket, with its
//! spelling of keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use trailloop_cloud::{Aws, AwsOptions, Message, Queue, connect, provision};

use crate::support::{lines, say, trailloop};

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(180);

/// Good objects, beside some that are no logs and one that is damaged.
const OBJECTS: usize = 200;

struct World {
    runtime: Runtime,
    aws: Aws,
    endpoint: String,
    bucket: String,
    notifications: String,
    actions: String,
    dead_letters: String,
    folder: TempDir,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test learns from its environment where the emulator is"
)]
pub(crate) fn endpoint() -> Option<String> {
    let endpoint = std::env::var("TRAILLOOP_TEST_MINISTACK").ok();
    if endpoint.is_none() {
        say("skipped: TRAILLOOP_TEST_MINISTACK names no emulator; scripts/test starts one");
    }
    endpoint
}

impl World {
    /// A bucket that notifies a queue with a dead-letter queue, and a queue for findings.
    fn new(name: &str) -> Option<Self> {
        let endpoint = endpoint()?;
        let runtime = Runtime::new().unwrap();
        let options = AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(endpoint.clone()),
            path_style: true,
        };
        let aws = runtime.block_on(connect(options));
        let bucket = format!("trail-{name}-{}", std::process::id());
        let queue = |kind: &str, redrive: Option<&str>| {
            let mut attributes = std::collections::BTreeMap::new();
            attributes.insert("VisibilityTimeout".to_owned(), "5".to_owned());
            if let Some(arn) = redrive {
                let policy =
                    json!({"deadLetterTargetArn": arn, "maxReceiveCount": "10"}).to_string();
                attributes.insert("RedrivePolicy".to_owned(), policy);
            }
            runtime
                .block_on(provision::create_queue(&aws, &format!("{bucket}-{kind}"), &attributes))
                .unwrap()
        };
        let actions = queue("actions", None);
        let dead_letters = queue("dead-letters", None);
        let dead_arn = runtime.block_on(provision::queue_arn(&aws, &dead_letters)).unwrap();
        let notifications = queue("notifications", Some(&dead_arn));
        let arn = runtime.block_on(provision::queue_arn(&aws, &notifications)).unwrap();
        runtime.block_on(provision::create_bucket(&aws, &bucket)).unwrap();
        runtime.block_on(provision::set_bucket_notification(&aws, &bucket, &arn)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Some(Self { runtime, aws, endpoint, bucket, notifications, actions, dead_letters, folder })
    }

    fn put(&self, key: &str, bytes: Vec<u8>) {
        self.runtime.block_on(provision::put_object(&self.aws, &self.bucket, key, bytes)).unwrap();
    }

    /// 200 log objects, some with spaces and `+` in their keys, some objects that are no logs, one that is cut.
    fn put_objects(&self, records: usize) {
        for nth in 0..OBJECTS {
            let front = match nth % 10 {
                3 => "with space/",
                6 => "a+b=c/",
                _ => "",
            };
            self.put(&format!("{front}{}", key(nth)), object(nth, records));
        }
        for nth in 0..10 {
            self.put(
                &format!("AWSLogs/111122223333/Config/us-east-1/2026/11/2/{nth}.json.gz"),
                b"no log".to_vec(),
            );
            self.put(
                &format!(
                    "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/11/02/{nth}.json.gz"
                ),
                b"{}".to_vec(),
            );
        }
        let whole = object(999, records);
        self.put(&cut_key(), whole[..whole.len() / 2].to_vec());
    }

    fn config(&self, more: &str) -> PathBuf {
        let path = self.folder.path().join("trailloop.toml");
        // Without rules of its own the service runs the shipped ones, and these have been agreed to.
        let agreed = format!("[rules]\ncontent_version = {:?}\n", trailloop_content::VERSION);
        let more = if more.is_empty() { agreed.as_str() } else { more };
        let Self { notifications, actions, dead_letters, endpoint, .. } = self;
        let text = format!(
            "[queues]\nnotifications = \"{notifications}\"\nactions = \"{actions}\"\ndead_letters = \"{dead_letters}\"\n\
             [aws]\nregion = \"us-east-1\"\nendpoint_url = \"{endpoint}\"\npath_style = true\n\
             [limits]\nworkers = 2\nreceive_wait_seconds = 1\nvisibility_seconds = 5\nbytes_in_flight_max = {BYTES_IN_FLIGHT_MAX}\n\
             object_bytes_max = {BYTES_IN_FLIGHT_MAX}\n{more}",
        );
        fs::write(&path, text).unwrap();
        path
    }

    /// Starts the service; its log goes to a file.
    fn start(&self, log: &str) -> Service {
        self.start_with(log, "")
    }

    /// The same with more of a configuration.
    fn start_with(&self, log: &str, more: &str) -> Service {
        let log = self.folder.path().join(log);
        let stderr = fs::File::create(&log).unwrap();
        let child = trailloop()
            .args(["run", "--config"])
            .arg(self.config(more))
            .stderr(Stdio::from(stderr))
            .spawn()
            .unwrap();
        Service { child, log }
    }

    fn depth(&self, queue: &str) -> (u64, u64) {
        self.runtime.block_on(provision::queue_depth(&self.aws, queue)).unwrap()
    }

    fn wait_until_empty(&self) {
        wait("the notifications queue is empty", || self.depth(&self.notifications) == (0, 0));
    }

    /// Takes every message off a queue.
    fn take_all(&self, queue: &str) -> Vec<Message> {
        let queue = self.aws.queue(queue);
        self.runtime.block_on(async {
            let mut taken = Vec::new();
            loop {
                let received =
                    queue.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
                if received.is_empty() {
                    return taken;
                }
                let receipts: Vec<_> =
                    received.iter().map(|message| message.receipt.clone()).collect();
                for deleted in queue.delete(&receipts).await.unwrap() {
                    deleted.unwrap();
                }
                taken.extend(received);
            }
        })
    }

    /// What `replay` finds in the bucket.
    fn replayed(&self) -> BTreeSet<String> {
        let output = trailloop()
            .args([
                "replay",
                &format!("s3://{}/", self.bucket),
                "--endpoint-url",
                &self.endpoint,
                "--path-style",
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        lines(&output.stdout).iter().map(Value::to_string).collect()
    }

    /// The findings in the action queue, each once; a repeat must be the same to the byte.
    fn found(&self) -> (usize, BTreeSet<String>) {
        let taken = self.take_all(&self.actions);
        let bodies: BTreeSet<String> = taken
            .iter()
            .map(|message| serde_json::from_str::<Value>(&message.body).unwrap().to_string())
            .collect();
        let uids: BTreeSet<String> = bodies
            .iter()
            .map(|body| {
                serde_json::from_str::<Value>(body).unwrap()["finding_info"]["uid"].to_string()
            })
            .collect();
        assert_eq!(uids.len(), bodies.len(), "a repeat carries the same finding");
        (taken.len(), bodies)
    }
}

/// The whole budget of the memory test; the others do not notice it.
const BYTES_IN_FLIGHT_MAX: u64 = 64 << 20;

struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    fn signal(&self, signal: &str) {
        let sent =
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Sends SIGTERM and waits; the exit status must be 0 within 30 seconds.
    fn stop(mut self) -> String {
        self.signal("-TERM");
        let started = Instant::now();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.log());
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "the drain took {:?}",
            started.elapsed()
        );
        self.log()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The most memory it has had resident, in bytes.
    fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }
}

fn key(nth: usize) -> String {
    format!(
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/02/111122223333_CloudTrail_us-east-1_20261102T0900Z_{nth:05}.json.gz"
    )
}

fn cut_key() -> String {
    key(0).replace("00000", "damaged")
}

/// A log object; one of its records is a trail being stopped.
fn object(nth: usize, records: usize) -> Vec<u8> {
    use std::io::Write as _;
    let record = |one: usize| {
        let name = if one == records / 4 { "StopLogging" } else { "DescribeTrails" };
        json!({"eventVersion": "1.11", "eventTime": "2026-11-02T09:14:03Z", "eventSource": "cloudtrail.amazonaws.com",
            "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.77", "userAgent": "aws-cli/2.19",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ci-deployer", "userName": "ci-deployer",
                "accountId": "111122223333", "accessKeyId": "AKIAIOSFODNN7EXAMPLE"},
            "requestParameters": {"name": "org-trail", "sessionToken": "CANARY-token"}, "responseElements": null, "eventID": format!("{nth}-{one}"),
            "eventType": "AwsApiCall", "recipientAccountId": "111122223333"})
    };
    let records: Vec<Value> = (0..records).map(record).collect();
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(json!({ "Records": records }).to_string().as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Waits for a value, not for a time.
pub(crate) fn wait(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_action_queue_ends_with_what_replay_finds() {
    let Some(world) = World::new("whole") else { return };
    world.put_objects(8);
    let service = world.start("log");
    world.wait_until_empty();
    let log = service.stop();
    let (_, found) = world.found();
    assert!(found.len() >= OBJECTS);
    assert_eq!(found, world.replayed());
    let parked = world.take_all(&world.dead_letters);
    let reasons: Vec<_> = parked
        .iter()
        .map(|message| {
            (
                message.attributes["trailloop-reason"].as_str(),
                message.attributes["trailloop-key"].clone(),
            )
        })
        .collect();
    assert_eq!(reasons, [("object_damaged", cut_key())], "the damaged object is named and kept");
    let said = format!("{log}{found:?}{parked:?}");
    assert!(!said.contains("CANARY"), "a secret is in the log, a finding or a parked message");
    assert!(log.contains("objects_failed=1") && log.contains("objects_skipped=20"), "{log}");
    assert!(!log.contains("\"level\":\"WARN\""), "{log}");
}

#[test]
fn a_stop_in_the_middle_loses_nothing() {
    let Some(world) = World::new("stop") else { return };
    world.put_objects(8);
    let first = world.start("first");
    wait("some findings are there", || world.depth(&world.actions).0 >= 5);
    first.stop();
    assert_ne!(world.depth(&world.notifications), (0, 0), "it was the middle");
    let second = world.start("second");
    world.wait_until_empty();
    second.stop();
    let (_, found) = world.found();
    assert_eq!(found, world.replayed());
}

#[test]
fn a_kill_in_the_middle_loses_nothing_and_repeats_are_the_same() {
    let Some(world) = World::new("kill") else { return };
    world.put_objects(8);
    for round in 0..3 {
        let service = world.start(&format!("killed-{round}"));
        let before = world.depth(&world.actions).0;
        wait("more findings are there", || {
            world.depth(&world.actions).0 > before + 10
                || world.depth(&world.notifications) == (0, 0)
        });
        service.kill();
        assert!(round > 0 || world.depth(&world.notifications) != (0, 0), "it was the middle");
    }
    let last = world.start("last");
    world.wait_until_empty();
    last.stop();
    let (sent, found) = world.found();
    say(&format!(
        "{sent} findings sent over four starts and three kills, {} distinct",
        found.len()
    ));
    assert_eq!(found, world.replayed());
}

#[test]
fn memory_stays_under_the_sum_with_a_full_queue_and_a_50_mb_object() {
    let Some(world) = World::new("memory") else { return };
    for nth in 0..499 {
        world.put(&key(nth), object(nth, 8));
    }
    let large = large_object();
    let large_bytes = large.len();
    assert!(large_bytes >= 50_000_000);
    world.put(&key(499), large);
    let service = world.start("log");
    world.wait_until_empty();
    let peak = service.peak_bytes();
    let log = service.stop();
    assert!(log.contains("objects=500"), "{log}");
    const BLOCK_BYTES_MAX: u64 = 4 << 20;
    const WORKERS: u64 = 2;
    // What a process has before it does anything: code, runtime, TLS, compiled rules.
    const IDLE_BYTES: u64 = 64 << 20;
    let sum = BYTES_IN_FLIGHT_MAX + WORKERS * 6 * BLOCK_BYTES_MAX + IDLE_BYTES;
    let (peak_mb, sum_mb) = (peak / 1_000_000, sum / 1_000_000);
    say(&format!(
        "memory: peak {peak_mb} MB, bound {sum_mb} MB, one object of {large_bytes} bytes"
    ));
    assert!(peak < sum, "peak {peak}, bound {sum}");
}

#[test]
fn changed_rules_run_between_objects_and_bad_ones_do_not() {
    let Some(world) = World::new("reload") else { return };
    let rules = world.folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    let write = |text: &str| fs::write(rules.join("rule.yml"), text).unwrap();
    let rule = |title: &str| {
        format!(
            "title: {title}\nid: 0a4c1c9e-55c2-4a53-8b4e-3d9d36d2f4b7\nlevel: high\n\
             logsource: {{product: aws, service: cloudtrail}}\n\
             detection: {{a: {{eventName: StopLogging}}, condition: a}}\n"
        )
    };
    write(&rule("First"));
    let more =
        format!("[rules]\npaths = [{:?}]\nreload_seconds = 1\n", rules.display().to_string());
    let service = world.start_with("log", &more);
    let mut put = 0;
    let mut some_objects = || {
        for nth in put..put + 40 {
            world.put(&key(nth), object(nth, 8));
        }
        put += 40;
    };
    some_objects();
    wait("some findings are there", || world.depth(&world.actions).0 >= 5);
    write(&rule("Second and longer"));
    some_objects();
    wait("the change is in force", || service.log().contains("are in force"));
    some_objects();
    write("title: Third\ndetection: [\n");
    wait("the bad change is refused", || service.log().contains("are refused"));
    some_objects();
    world.wait_until_empty();
    let log = service.stop();
    assert!(log.contains("rule.yml:"), "the log names the place: {log}");
    let (_, found) = world.found();
    let mut titles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for finding in found {
        let finding: Value = serde_json::from_str(&finding).unwrap();
        let text = |pointer: &str| finding.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let title = text("/finding_info/analytic/name");
        titles.entry(title).or_default().insert(text("/unmapped/trailloop/rule_set"));
    }
    let sets: BTreeSet<&String> = titles.values().flatten().collect();
    assert_eq!(titles.keys().collect::<Vec<_>>(), ["First", "Second and longer"]);
    assert_eq!(sets.len(), 2, "each finding names the rules that made it");
    assert!(titles.values().all(|sets| sets.len() == 1));
}

#[test]
fn rules_under_a_prefix_are_read_and_watched() {
    let Some(world) = World::new("prefix") else { return };
    let bucket = format!("{}-rules", world.bucket);
    world.runtime.block_on(provision::create_bucket(&world.aws, &bucket)).unwrap();
    let put = |text: &str| {
        let bytes = text.as_bytes().to_vec();
        let put = provision::put_object(&world.aws, &bucket, "live/rule.yml", bytes);
        world.runtime.block_on(put).unwrap();
    };
    let rule = |title: &str| {
        format!(
            "title: {title}\nid: 0a4c1c9e-55c2-4a53-8b4e-3d9d36d2f4b7\nlevel: high\n\
             logsource: {{product: aws, service: cloudtrail}}\n\
             detection: {{a: {{eventName: StopLogging}}, condition: a}}\n"
        )
    };
    put(&rule("First"));
    let more = format!("[rules]\npaths = [\"s3://{bucket}/live/\"]\nreload_seconds = 1\n");
    let service = world.start_with("log", &more);
    world.put(&key(0), object(0, 8));
    wait("the first finding is there", || world.depth(&world.actions).0 >= 1);
    put(&rule("Second"));
    wait("the change is in force", || service.log().contains("are in force"));
    world.put(&key(1), object(1, 8));
    wait("the second finding is there", || world.depth(&world.actions).0 >= 2);
    service.stop();
    let (_, found) = world.found();
    let title = |finding: &String| {
        let finding: Value = serde_json::from_str(finding).unwrap();
        finding.pointer("/finding_info/analytic/name").unwrap().as_str().unwrap().to_owned()
    };
    let mut titles: Vec<String> = found.iter().map(title).collect();
    titles.sort();
    assert_eq!(titles, ["First", "Second"]);
}

/// 50 MB of gzip: text that hardly compresses, so that it need not be half a gigabyte of JSON to get there.
fn large_object() -> Vec<u8> {
    let mut state = 1_u64;
    let mut noise = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}", state ^ (state >> 29))
    };
    let mut members = Vec::new();
    while members.len() < 50_000_000 {
        let record = json!({"eventVersion": "1.11", "eventName": "GetObject", "eventSource": "s3.amazonaws.com",
            "requestParameters": {"key": (0..6000).map(|_| noise()).collect::<String>()}});
        let text = json!({"Records": vec![record; 1]}).to_string();
        use std::io::Write as _;
        let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        members.extend(encoder.finish().unwrap());
    }
    members
}
