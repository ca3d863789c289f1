//! `trailloop respond` killed with `kill -9` at its requests of AWS, against an emulator over real HTTP.
//!
//! A proxy falls silent at one request, before the emulator hears of it or after; then the process is killed, another is
//! started, and the finding is delivered again, three times in all. Whatever was under way: each change is made once, the
//! ledger is whole, and an undo gives everything back. `TRAILLOOP_TEST_MINISTACK` says where the emulator is.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use trailloop_cloud::{
    ActionOptions, Actions, Aws, AwsActions, AwsOptions, Clock, LocalTable, Outgoing, Queue as _,
    Session, Table, connect, provision,
};
use trailloop_cloudtrail::Limits;
use trailloop_finding::Place;
use trailloop_pipeline::examine::{Engine, RecordFilter, Worker};
use trailloop_pipeline::live::LiveRules;
use trailloop_respond::run::OPEN;
use trailloop_respond::voices::{self, Approval};
use trailloop_respond::{Phase, Run, rows};
use trailloop_rules::RuleSet;
use trailloop_runbook::Call;

use crate::proxy::{Asked, Proxy, Silence};
use crate::service::{endpoint, wait};
use crate::support::{say, status, stderr, text, trailloop};

const ACCOUNT: &str = "111122223333";

/// Worlds that live at the same time: most of their time they wait for a dead worker's hold to end.
const AT_ONCE: usize = 12;

const RULE: &str = "title: All of IAM is read\nid: 1f2e3d4c-0000-4000-8000-000000000005\nlevel: high\n\
    logsource: {product: aws, service: cloudtrail}\n\
    detection: {a: {eventName: GetAccountAuthorizationDetails}, condition: a}\n";

/// While which part of its life a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum During {
    Acting,
    Undoing,
}

/// Where a worker is killed.
#[derive(Clone, Copy, Debug)]
struct Fault {
    during: During,
    silence: Silence,
}

struct Emulator {
    runtime: Runtime,
    aws: Aws,
    actions: AwsActions,
    endpoint: String,
}

impl Emulator {
    fn new() -> Option<Self> {
        let endpoint = endpoint()?;
        let runtime = Runtime::new().unwrap();
        let options = AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(endpoint.clone()),
            path_style: true,
        };
        let aws = runtime.block_on(connect(options)).with_keys(ACCOUNT, "test");
        let actions = aws.actions(ActionOptions::default());
        Some(Self { runtime, aws, actions, endpoint })
    }

    fn iam(&self, api: &str, inputs: Value) -> Value {
        let Value::Object(inputs) = inputs else { panic!("{inputs}") };
        let call = Call { service: "iam".to_owned(), api: api.to_owned(), inputs };
        let session = Session {
            account: ACCOUNT.to_owned(),
            region: "us-east-1".to_owned(),
            run: "test".to_owned(),
            policy: None,
        };
        self.runtime.block_on(self.actions.call(&session, &call)).unwrap().body
    }
}

/// One user with a key, a finding about it, and a responder with a state of its own.
struct World {
    emulator: Arc<Emulator>,
    user: String,
    bucket: String,
    queue: String,
    finding: String,
    folder: TempDir,
    table: Arc<dyn Table>,
    /// What all workers asked for, one after the other.
    asked: Vec<Asked>,
    deliveries: usize,
}

impl World {
    fn new(emulator: &Arc<Emulator>) -> Self {
        static WORLDS: AtomicUsize = AtomicUsize::new(0);
        let number = WORLDS.fetch_add(1, Ordering::SeqCst);
        let user = format!("killed-{}-{number}", std::process::id());
        let (bucket, folder) = (format!("trail-{user}"), tempfile::tempdir().unwrap());
        iam(&emulator.endpoint, &format!("Action=CreateUser&UserName={user}"));
        let made = iam(&emulator.endpoint, &format!("Action=CreateAccessKey&UserName={user}"));
        let rest = made.split_once("<AccessKeyId>").unwrap().1;
        let key = rest.split_once('<').unwrap().0.to_owned();
        let (object, finding) = found(&bucket, &record(&user, &key));
        let aws = &emulator.aws;
        let queue = emulator.runtime.block_on(async {
            provision::create_bucket(aws, &bucket).await.unwrap();
            provision::put_object(aws, &bucket, &object.0, object.1).await.unwrap();
            provision::create_queue(aws, &bucket, &BTreeMap::new()).await.unwrap()
        });
        fs::write(folder.path().join("rule.yml"), RULE).unwrap();
        let table: Arc<dyn Table> =
            Arc::new(LocalTable::open(folder.path().join("state")).unwrap());
        let emulator = Arc::clone(emulator);
        Self {
            emulator,
            user,
            bucket,
            queue,
            finding,
            folder,
            table,
            asked: Vec::new(),
            deliveries: 0,
        }
    }

    fn config(&self, endpoint: &str) -> PathBuf {
        let path = self.folder.path().join("respond.toml");
        let folder = text(self.folder.path());
        let Self { queue, bucket, .. } = self;
        let text = format!(
            "[queues]\nactions = {queue:?}\n[rules]\npaths = [\"{folder}/rule.yml\"]\n\
             [aws]\nregion = \"us-east-1\"\nendpoint_url = {endpoint:?}\npath_style = true\n\
             [respond]\nstate = \"{folder}/state\"\nmode = \"auto\"\narchive_buckets = [{bucket:?}]\n\
             evidence = \"{folder}/evidence\"\nwatch_seconds = 86400\ntick_seconds = 1\nsimulate_rights = \"no\"\n"
        );
        fs::write(&path, text).unwrap();
        path
    }

    fn deliver(&mut self) {
        let attributes = [("trailloop-received-ms".to_owned(), "1".to_owned())].into();
        let message = Outgoing { body: self.finding.clone(), attributes, ..Outgoing::default() };
        let queue = self.emulator.aws.queue(&self.queue);
        let sent = self.emulator.runtime.block_on(queue.send(&[message])).unwrap();
        sent.into_iter().for_each(|one| one.unwrap());
        self.deliveries += 1;
    }

    fn start(&self, silence: Option<Silence>) -> Respond {
        let proxy = Proxy::new(&self.emulator.endpoint, silence).unwrap();
        let log = self.folder.path().join("log");
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let child = trailloop()
            .args(["respond", "--config"])
            .arg(self.config(&proxy.url))
            // The emulator takes the key for the account.
            .envs([("AWS_ACCESS_KEY_ID", ACCOUNT), ("AWS_SECRET_ACCESS_KEY", "test")])
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        Respond { child, proxy }
    }

    fn runs(&self) -> Vec<Run> {
        self.emulator.runtime.block_on(async {
            let mut runs = Vec::new();
            for (id, _) in rows::all::<String>(&*self.table, OPEN).await.unwrap() {
                let run = rows::load::<Run>(&*self.table, &Run::key(&id)).await.unwrap();
                runs.extend(run.map(|kept| kept.value));
            }
            runs
        })
    }

    /// Agrees to whatever waits and was not agreed to.
    fn approve(&self) {
        for run in self.runs().iter().filter(|run| run.phase == Phase::AwaitingApproval) {
            let approval = Approval {
                by: "ana".to_owned(),
                agrees: true,
                runbook_hash: run.hash.clone(),
                parameters_hash: run.parameters_hash(),
                at_ms: Clock::System.now_ms(),
            };
            let said = voices::say(&*self.table, &run.id, &approval);
            self.emulator.runtime.block_on(said).unwrap();
        }
    }

    /// Whether the one run there is has done its steps.
    fn has_acted(&self) -> bool {
        self.approve();
        let runs = self.runs();
        assert!(runs.len() <= 1, "{runs:?}");
        let phase = runs.first().map(|run| run.phase);
        assert!(!phase.is_some_and(Phase::is_final), "{:?}\n{}", runs[0].reasons, self.log());
        phase == Some(Phase::Verifying)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How often each changing call reached the emulator.
    fn changes(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let changing = |asked: &&Asked| {
            let (service, api) = asked.name.split_once(':').unwrap();
            asked.forwarded
                && trailloop_runbook::catalogue::find(service, api).is_some_and(|api| api.changes)
        };
        for asked in self.asked.iter().filter(changing) {
            *counts.entry(asked.name.clone()).or_insert(0) += 1;
        }
        counts
    }

    /// The status of the key, and the names of the user's policies.
    fn state(&self) -> (String, Vec<String>) {
        let user = json!({ "UserName": self.user });
        let keys = self.emulator.iam("ListAccessKeys", user.clone());
        let policies = self.emulator.iam("ListUserPolicies", user);
        let names = policies["PolicyNames"].as_array().into_iter().flatten();
        let status = keys["AccessKeyMetadata"][0]["Status"].as_str().unwrap().to_owned();
        (status, names.map(|name| name.as_str().unwrap().to_owned()).collect())
    }

    fn command(&self, arguments: &[&str]) -> String {
        let output = trailloop()
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("respond.toml"))
            .output()
            .unwrap();
        assert_eq!(status(&output), 0, "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A process of the binary, and what stands between it and the emulator.
struct Respond {
    child: Child,
    proxy: Proxy,
}

impl Respond {
    /// SIGTERM, so that nobody has to wait for what it held.
    fn stop(&mut self, world: &mut World) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap();
        world.asked.extend(self.proxy.asked());
    }

    /// SIGKILL; what it asked for is the world's now.
    fn kill(&mut self, world: &mut World) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        world.asked.extend(self.proxy.asked());
    }
}

impl Drop for Respond {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What became of a world with a fault, up to the kill.
struct Killed {
    world: World,
    fault: Fault,
}

/// Lets a worker live until the fault; none if it comes to its end before.
fn until_killed(emulator: &Arc<Emulator>, fault: Fault) -> Option<Killed> {
    let mut world = World::new(emulator);
    world.deliver();
    if fault.during == During::Undoing {
        let mut whole = world.start(None);
        wait("the steps are done", || world.has_acted());
        whole.stop(&mut world);
        let id = world.runs()[0].id.clone();
        world.command(&["runbook", "undo", &id, "--by", "ana"]);
    }
    let mut worker = world.start(Some(fault.silence));
    wait("the fault or the end", || {
        worker.proxy.is_silent()
            || match fault.during {
                During::Acting => world.has_acted(),
                During::Undoing => world.runs().is_empty(),
            }
    });
    let fell = worker.proxy.is_silent();
    worker.kill(&mut world);
    fell.then_some(Killed { world, fault })
}

/// Lets others come after the dead one, and holds what is there against what has to be.
fn afterwards(killed: Killed) {
    let Killed { mut world, fault } = killed;
    world.deliver();
    let mut worker = world.start(None);
    if fault.during == During::Acting {
        wait("the steps are done", || world.has_acted());
        let (status, policies) = world.state();
        assert_eq!((status.as_str(), policies.len()), ("Inactive", 1), "{fault:?}: {policies:?}");
        world.deliver();
        let id = world.runs()[0].id.clone();
        world.command(&["runbook", "undo", &id, "--by", "ana"]);
    }
    wait("the run is undone", || world.runs().is_empty());
    while world.deliveries < 3 {
        world.deliver();
    }
    let deletes = |proxy: &Proxy| {
        proxy.asked().iter().filter(|one| one.name.starts_with("sqs:DeleteMessage")).count()
    };
    wait("the last delivery is taken", || deletes(&worker.proxy) >= 1);
    worker.kill(&mut world);
    assert_eq!(world.state(), ("Active".to_owned(), Vec::new()), "{fault:?}\n{}", world.log());
    let once = [("iam:DeleteUserPolicy", 1), ("iam:PutUserPolicy", 1), ("iam:UpdateAccessKey", 2)];
    let once = once.map(|(name, count)| (name.to_owned(), count));
    let asked: Vec<_> = world.asked.iter().map(|one| (&one.name, one.forwarded)).collect();
    assert_eq!(world.changes(), BTreeMap::from(once), "{fault:?}\n{asked:#?}\n{}", world.log());
    let said = world.command(&["runbook", "audit"]);
    assert!(said.contains("each follows from the one before"), "{fault:?}: {said}");
}

/// One request of IAM that no runbook makes; the emulator takes any signature.
fn iam(endpoint: &str, query: &str) -> String {
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let body = format!("{query}&Version=2010-05-08");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/us-east-1/iam/aws4_request, \
         SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{query}: {answer}");
    answer
}

/// The object that CloudTrail would write for a record, and the finding that the stream makes of it.
fn found(bucket: &str, record: &Value) -> ((String, Vec<u8>), String) {
    let now = jiff::Timestamp::from_millisecond(Clock::System.now_ms()).unwrap();
    let (day, stamp) = (now.strftime("%Y/%m/%d"), now.strftime("%Y%m%dT%H%MZ"));
    let key = format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{day}/{ACCOUNT}_CloudTrail_us-east-1_{stamp}_0.json.gz"
    );
    let mut gzip = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::fast());
    gzip.write_all(json!({ "Records": [record] }).to_string().as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    let set = RuleSet::build(trailloop_rules::load("rule.yml", RULE).rules, &[], &mut Vec::new());
    let engine = Engine {
        rules: LiveRules::new(Arc::new(set)),
        limits: Limits::default(),
        filter: RecordFilter::default(),
    };
    let mut findings = Vec::new();
    let source = format!("{bucket}/{key}");
    let place = Place { source: &source, version: None };
    Worker::default().examine(&engine, &bytes, place, |finding| {
        findings.push(finding.json);
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(findings.len(), 1);
    ((key, bytes), findings.remove(0))
}

fn record(user: &str, key: &str) -> Value {
    let now = jiff::Timestamp::from_millisecond(Clock::System.now_ms()).unwrap();
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDACKCEVSQ6C2EXAMPLE",
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/{user}"), "accountId": ACCOUNT,
            "accessKeyId": key, "userName": user,
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "eventSource": "iam.amazonaws.com", "eventName": "GetAccountAuthorizationDetails",
        "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.77", "userAgent": "aws-cli/2.22.4",
        "requestParameters": null, "responseElements": null,
        "requestID": "3af9f30c-5a66-4477-bda9-000000000001", "eventID": format!("{user}-1"),
        "readOnly": true, "eventType": "AwsApiCall", "managementEvent": true,
        "recipientAccountId": ACCOUNT, "eventCategory": "Management",
    })
}

/// Does something with each of many, a few at a time.
fn each<T: Send>(all: Vec<T>, work: impl Fn(T) + Sync) {
    let left = Mutex::new(all.into_iter());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(one) = next else { return };
                    work(one);
                }
            });
        }
    });
}

#[test]
fn killed_at_every_request_each_change_happens_once_and_is_given_back() {
    let Some(emulator) = Emulator::new() else { return };
    let emulator = Arc::new(emulator);
    let started = Instant::now();
    let killed = Mutex::new(Vec::new());
    for during in [During::Acting, During::Undoing] {
        // One after the other until a worker is through before its fault.
        let next = AtomicUsize::new(1);
        each(vec![(); AT_ONCE], |()| {
            loop {
                let at = next.fetch_add(1, Ordering::SeqCst);
                let at_both = [false, true].map(|after| {
                    until_killed(&emulator, Fault { during, silence: Silence { at, after } })
                });
                let is_through = at_both.iter().any(Option::is_none);
                killed.lock().unwrap().extend(at_both.into_iter().flatten());
                if is_through {
                    return;
                }
            }
        });
    }
    let killed = killed.into_inner().unwrap();
    let (count, first) = (killed.len(), started.elapsed());
    each(killed, afterwards);
    say(&format!(
        "killed {count} workers in {first:?}, all looked at after {:?}",
        started.elapsed()
    ));
    assert!(count > 30, "{count} points at which a worker was killed");
}
