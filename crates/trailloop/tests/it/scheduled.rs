//! A fleet of three `trailloop run` on one state table asks a query by its schedule: every event is found once, also when who asks is
//! killed in the middle.
//!
//! Queue, bucket and table are an emulator's over HTTP, and time is real: the events of the next minutes lie in the bucket beforehand, and
//! windows of seconds close over them. `scripts/test` starts the emulator; without it these tests say that they were skipped.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use trailloop_cloud::{
    Aws, AwsOptions, LocalTable, Message, Queue, RowKey, Table, connect, provision,
};

use crate::service::{endpoint, wait};
use crate::support::{run, say, status, text, trailloop};

/// The events of so many seconds lie in the bucket.
const SECONDS: i64 = 900;

/// A window, and how long after its end it is asked about.
const EVERY: i64 = 3;
const LAG: i64 = 1;

/// So often who asks is killed in the middle.
const KILLS: usize = 3;

struct Fleet {
    runtime: Runtime,
    aws: Aws,
    table: Arc<dyn Table>,
    config: PathBuf,
    actions: String,
    folder: TempDir,
    begun: i64,
}

/// A process of the fleet.
struct Member {
    child: Child,
    log: PathBuf,
}

impl Member {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Whether its log has this text, such as the name under which it asks.
    fn has_said(&self, text: &str) -> bool {
        self.log().contains(text)
    }

    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.log());
        self.log()
    }
}

fn shown(second: i64) -> String {
    Timestamp::from_second(second).unwrap().to_string()
}

#[expect(clippy::disallowed_methods, reason = "the processes of this test live in real time")]
fn now() -> i64 {
    let now = std::time::SystemTime::now();
    i64::try_from(now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

impl Fleet {
    /// Everything but the processes. `state` is what the configuration says of the state table; if nothing, a file.
    fn new(name: &str, in_dynamo: bool) -> Option<Self> {
        let endpoint = endpoint()?;
        let runtime = Runtime::new().unwrap();
        let options = AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(endpoint.clone()),
            path_style: true,
        };
        let aws = runtime.block_on(connect(options));
        let bucket = format!("scheduled-{name}-{}", std::process::id());
        let plain = BTreeMap::new();
        let fifo = BTreeMap::from([("FifoQueue".to_owned(), "true".to_owned())]);
        let queue = |name: &str, attributes| {
            runtime.block_on(provision::create_queue(&aws, name, attributes)).unwrap()
        };
        let notifications = queue(&format!("{bucket}-notifications"), &plain);
        let actions = queue(&format!("{bucket}-actions.fifo"), &fifo);
        runtime.block_on(provision::create_bucket(&aws, &bucket)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.sqlite");
        let (state, table): (String, Arc<dyn Table>) = match in_dynamo {
            true => {
                runtime.block_on(provision::create_table(&aws, &bucket)).unwrap();
                (format!("dynamodb:{bucket}"), Arc::new(aws.table(&bucket)))
            }
            false => (file.display().to_string(), Arc::new(LocalTable::open(&file).unwrap())),
        };
        let begun = now() - 60;
        let objects = objects(begun);
        for (key, body) in objects {
            runtime.block_on(provision::put_object(&aws, &bucket, &key, body)).unwrap();
        }
        let query = folder.path().join("every-event.yml");
        fs::write(&query, format!(
            "id: every-event\ntitle: Events\ndescription: All of them.\n\
             parameters:\n  from: {{type: time, description: From}}\n  to: {{type: time, description: To}}\n\
             sql: SELECT eventid, eventtime, account FROM cloudtrail WHERE eventtime >= :from AND eventtime < :to ORDER BY eventtime\n\
             schedule: {{every: {EVERY}s, lag: {LAG}s, catch_up: 1000}}\nfinding: {{severity: low, key: [eventid]}}\n"
        )).unwrap();
        let config = folder.path().join("trailloop.toml");
        fs::write(&config, format!(
            "[queues]\nnotifications = \"{notifications}\"\nactions = \"{actions}\"\n\
             [aws]\nregion = \"us-east-1\"\nendpoint_url = \"{endpoint}\"\npath_style = true\n\
             [limits]\nworkers = 1\nreceive_wait_seconds = 1\n\
             [queries]\narchive = [\"s3://{bucket}/AWSLogs/\"]\npaths = [{:?}]\nstate = {state:?}\nlease_seconds = 3\n\
             [rules]\ncontent_version = {:?}\n",
            query.display().to_string(),
            trailloop_content::VERSION,
        )).unwrap();
        Some(Self { runtime, aws, table, config, actions, folder, begun })
    }

    fn start(&self, name: &str) -> Member {
        let log = self.folder.path().join(format!("{name}.log"));
        let stderr = Stdio::from(fs::File::create(&log).unwrap());
        let mut command = trailloop();
        command.args(["run", "--config"]).arg(&self.config).stderr(stderr);
        Member { child: command.spawn().unwrap(), log }
    }

    /// Who holds the lease, if anybody does, and until when all was asked about.
    fn row(&self) -> (String, i64) {
        let key = RowKey::new("query-schedule", "every-event");
        let Some(row) = self.runtime.block_on(self.table.get(&key)).unwrap() else {
            return (String::new(), 0);
        };
        let row: Value = serde_json::from_str(&row.value).unwrap();
        (row["holder"].as_str().unwrap().to_owned(), row["done"].as_i64().unwrap())
    }

    /// Takes every message off the queue.
    fn taken(&self) -> Vec<Message> {
        let queue = self.aws.queue(&self.actions);
        let mut taken = Vec::new();
        self.runtime.block_on(async {
            loop {
                let some =
                    queue.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
                if some.is_empty() {
                    return;
                }
                let receipts: Vec<_> = some.iter().map(|one| one.receipt.clone()).collect();
                queue.delete(&receipts).await.unwrap().into_iter().for_each(|one| one.unwrap());
                taken.extend(some);
            }
        });
        taken
    }
}

/// An event each second, each minute's in an object.
fn objects(begun: i64) -> BTreeMap<String, Vec<u8>> {
    let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for second in begun..begun + SECONDS {
        let time = shown(second);
        let day = time[..10].replace('-', "/");
        let key = format!(
            "AWSLogs/111122223333/CloudTrail/us-east-1/{day}/111122223333_CloudTrail_us-east-1_{}.json.gz",
            time[..16].replace(['-', ':'], "")
        );
        records.entry(key).or_default().push(json!({
            "eventVersion": "1.11", "eventTime": time, "eventSource": "s3.amazonaws.com", "eventName": "ListBuckets",
            "awsRegion": "us-east-1", "eventID": format!("e-{second}"), "recipientAccountId": "111122223333",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ana", "accountId": "111122223333"},
        }));
    }
    let zipped = |records: &Vec<Value>| {
        let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::fast());
        encoder.write_all(json!({ "Records": records }).to_string().as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    records.iter().map(|(key, records)| (key.clone(), zipped(records))).collect()
}

/// Waits for what lasts a moment.
fn wait_closely(what: &str, holds: impl Fn() -> bool) {
    wait(what, || {
        (0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(2));
            holds()
        })
    });
}

/// Three processes; who asks is killed in the middle, and another takes its place.
fn each_event_is_found_once(name: &str, in_dynamo: bool) {
    let Some(fleet) = Fleet::new(name, in_dynamo) else { return };
    let mut members: Vec<Member> =
        (0..3).map(|nth| fleet.start(&format!("{name}-{nth}"))).collect();
    wait("the first window was asked about", || fleet.row().1 > 0);
    let mut in_the_middle = 0;
    let mut killed = Vec::new();
    while in_the_middle < KILLS {
        let asking = RefCell::new(String::new());
        wait_closely("somebody asks", || {
            let (holder, _) = fleet.row();
            let is_new = !holder.is_empty() && !killed.contains(&holder);
            *asking.borrow_mut() = holder;
            is_new
        });
        let holder: String = asking.take();
        let nth = members.iter().position(|member| member.has_said(&holder)).unwrap();
        let mut victim = members.swap_remove(nth);
        victim.child.kill().unwrap();
        victim.child.wait().unwrap();
        // If its lease still stands, it died with a window that it had not finished.
        let (now_held, done) = fleet.row();
        if now_held == holder {
            in_the_middle += 1;
            wait("another goes on", || fleet.row().1 > done);
        }
        killed.push(holder);
        members.push(fleet.start(&format!("{name}-after-{}", killed.len())));
    }
    let (_, done) = fleet.row();
    wait("some more windows were asked about", || fleet.row().1 > done + 3 * EVERY);
    // Before that nobody listens for the signal.
    wait("all have started", || members.iter().all(|member| member.has_said("started")));
    let logs: Vec<String> = members.into_iter().map(Member::stop).collect();
    let (holder, done) = fleet.row();
    assert_eq!(holder, "", "who stops gives the lease back");
    let totals = |log: &String| log.contains("query every-event: windows=");
    assert!(logs.iter().all(totals), "each says at its end what it has done: {logs:?}");

    let taken = fleet.taken();
    let mut times: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in &taken {
        let body: Value = serde_json::from_str(&message.body).unwrap();
        let time = body["evidences"][0]["data"]["eventtime"].as_str().unwrap().to_owned();
        let uid = body["finding_info"]["uid"].as_str().unwrap().to_owned();
        times.entry(time).or_default().insert(uid);
    }
    let first: Timestamp = times.keys().next().unwrap().parse().unwrap();
    assert!(first.as_second() >= fleet.begun, "the first window lies in the bucket");
    let wanted: Vec<String> = (first.as_second()..done).map(shown).collect();
    assert_eq!(times.keys().collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
    assert!(times.values().all(|uids| uids.len() == 1), "no event is in two windows");
    assert_eq!(taken.len(), wanted.len(), "each arrives once");
    say(&format!(
        "fleet of three, state in {}: {} windows, {} findings, {} kills, {in_the_middle} of them in the middle of a window",
        if in_dynamo { "DynamoDB" } else { "SQLite" },
        wanted.len() / usize::try_from(EVERY).unwrap(),
        taken.len(),
        killed.len(),
    ));
}

#[test]
fn a_fleet_on_a_table_of_dynamodb_finds_each_event_once() {
    each_event_is_found_once("dynamo", true);
}

#[test]
fn a_fleet_on_a_file_finds_each_event_once() {
    each_event_is_found_once("sqlite", false);
}

#[test]
fn a_schedule_is_listed_and_the_columns_it_tells_rows_apart_by_are_checked() {
    let listed = run(&["query", "list"]);
    let said = String::from_utf8(listed.stdout).unwrap();
    assert!(said.contains("      every 15m, 20m later: high findings\n"), "{said}");
    assert!(said.contains("      cron 30 3 * * *, 20m later: medium findings\n"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("q.yml");
    fs::write(&file, "id: q\ntitle: Q\ndescription: Q.\nparameters:\n  from: {type: time, description: d}\n  to: {type: time, description: d}\n\
        sql: SELECT account, count(*) AS calls FROM cloudtrail WHERE eventtime >= :from AND eventtime < :to GROUP BY 1\n\
        schedule: {every: 1h}\nfinding: {severity: low, key: [account, principal]}\n").unwrap();
    let checked = run(&["query", "check", text(&file)]);
    assert_eq!(status(&checked), 1);
    let said = String::from_utf8(checked.stdout).unwrap();
    let wanted = "q: the answer has no column principal, by which `finding.key` tells rows apart; it has account, calls";
    assert!(said.contains(wanted), "{said}");
}
