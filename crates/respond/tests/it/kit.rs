//! One account with an attacker in it, its trail, and a responder: all in this process, on a clock that the test moves.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use trailloop_cloud::{
    Actions, Clock, FakeAccounts, FolderVault, ManualClock, MemoryNotifier, MemoryStore,
    MemoryTable, Message, Receipt, Table,
};
use trailloop_cloudtrail::Limits;
use trailloop_finding::Place;
use trailloop_pipeline::examine::{Engine, RecordFilter, Worker};
use trailloop_pipeline::live::LiveRules;
use trailloop_respond::confirm::Archive;
use trailloop_respond::ledger::Ledger;
use trailloop_respond::tell::{Destination, DestinationKind, Destinations};
use trailloop_respond::voices::{self, Approval, Judgement, Verdict};
use trailloop_respond::{Halt, Handled, Phase, Responder, Run, Settings, Switch, rows, run};
use trailloop_rules::RuleSet;
use trailloop_runbook::document::{Mode, Runbook};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const BUCKET: &str = "example-trail";
pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:111122223333:trail/main";

/// When the attacker's first call happened: 2026-11-20T08:47:12Z.
pub(crate) const BEGIN_MS: i64 = 1_795_164_432_000;

const RULES: &str = r"
title: A user is made
id: 1f2e3d4c-0000-4000-8000-000000000001
status: experimental
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: iam.amazonaws.com, eventName: CreateUser}
  condition: selection
---
title: All of IAM is read
id: 1f2e3d4c-0000-4000-8000-000000000005
status: experimental
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: iam.amazonaws.com, eventName: GetAccountAuthorizationDetails}
  condition: selection
---
title: Logging is stopped
id: 1f2e3d4c-0000-4000-8000-000000000002
status: experimental
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: cloudtrail.amazonaws.com, eventName: StopLogging}
  condition: selection
---
title: A bucket is opened
id: 1f2e3d4c-0000-4000-8000-000000000003
status: experimental
level: medium
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: s3.amazonaws.com, eventName: DeleteBucketPublicAccessBlock}
  condition: selection
---
title: A key is to be deleted
id: 1f2e3d4c-0000-4000-8000-000000000004
status: experimental
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: kms.amazonaws.com, eventName: ScheduleKeyDeletion}
  condition: selection
";

pub(crate) struct Kit {
    pub(crate) accounts: FakeAccounts,
    pub(crate) table: Arc<dyn Table>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) notifier: Arc<MemoryNotifier>,
    pub(crate) manual: ManualClock,
    pub(crate) settings: Settings,
    pub(crate) actions: Arc<dyn Actions>,
    engine: Arc<Engine>,
    objects: Mutex<u32>,
    secret: tempfile::NamedTempFile,
    pub(crate) evidence: tempfile::TempDir,
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self::with_propagation(Duration::ZERO)
    }

    pub(crate) fn with_propagation(propagation: Duration) -> Self {
        let manual = ManualClock::new(BEGIN_MS);
        let accounts =
            FakeAccounts::new(Clock::Manual(manual.clone())).with_propagation(propagation);
        accounts.add_access_key(ACCOUNT, "bob", KEY);
        let admin = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        accounts.add_policy(ACCOUNT, "bob", "admin", admin);
        accounts.add_trail(ACCOUNT, "us-east-1", "main", BUCKET);
        accounts.add_bucket(ACCOUNT, "example-data");
        let engine = engine(RULES);
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret.write_all(b"https://hooks.example.com/T0/B0/secret\n").unwrap();
        Self {
            actions: Arc::new(accounts.clone()),
            accounts,
            table: Arc::new(MemoryTable::new("state")),
            store: Arc::new(MemoryStore::new()),
            notifier: Arc::new(MemoryNotifier::new()),
            manual,
            settings: Settings {
                mode: Mode::Auto,
                first_day_auto: true,
                simulates: false,
                ..Settings::default()
            },
            engine: Arc::new(engine),
            objects: Mutex::new(0),
            secret,
            evidence: tempfile::tempdir().unwrap(),
        }
    }

    /// The same with other rules.
    pub(crate) fn with_rules(rules: &str) -> Self {
        Self { engine: Arc::new(engine(rules)), ..Self::new() }
    }

    /// The same with a filter that moves findings down: `SEAL` and `RULE` in its text become what fits the rule of this id.
    pub(crate) fn with_filter(mut self, rule: &str, filter: &str) -> Self {
        let loaded = |seal: &str, hash: &str| {
            let filter = filter.replace("SEAL", seal).replace("RULE", hash);
            let text = format!("{RULES}---\n{filter}");
            (trailloop_rules::load("rules.yml", &text), text)
        };
        let none = "0".repeat(64);
        let (bare, _) = loaded(&none, &none);
        let of = bare.rules.iter().find(|one| one.analytic.uid == rule).unwrap();
        let (_, text) = loaded(&bare.filters[0].seal(of), &of.analytic.hash);
        self.engine = Arc::new(engine(&text));
        assert_eq!(self.engine.rules.now().rules.quieting().len(), 1, "{text}");
        self
    }

    pub(crate) fn responder(&self) -> Responder {
        let (runbooks, diagnostics) = trailloop_content::runbooks::shipped();
        assert!(!runbooks.is_empty(), "{diagnostics:?}");
        self.responder_with(runbooks)
    }

    pub(crate) fn responder_with(&self, runbooks: Vec<Runbook>) -> Responder {
        static WORKERS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = WORKERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let worker = format!("worker-{number}");
        let kind = DestinationKind::Slack { url_file: self.secret.path().to_owned() };
        Responder {
            archive: Archive {
                store: self.store.clone(),
                buckets: vec![BUCKET.to_owned()],
                engine: Arc::clone(&self.engine),
                object_bytes_max: 1 << 30,
                index: None,
            },
            ledger: Ledger::new(Arc::clone(&self.table), worker.clone()),
            table: Arc::clone(&self.table),
            vault: Some(Arc::new(FolderVault::new(self.evidence.path()))),
            actions: Arc::clone(&self.actions),
            notifier: self.notifier.clone(),
            destinations: Destinations {
                all: vec![Destination { name: "default".to_owned(), kind }],
                ..Destinations::default()
            },
            runbooks,
            queries: None,
            switch: Switch::None,
            settings: self.settings.clone(),
            clock: Clock::Manual(self.manual.clone()),
            worker,
            canaries: None,
            next_looks: trailloop_respond::looks::NextLooks::default(),
            memory: Mutex::default(),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        Clock::Manual(self.manual.clone()).now_ms()
    }

    /// A record of bob's key, now.
    pub(crate) fn record(&self, source: &str, name: &str, parameters: Value) -> Value {
        let number = self.next();
        json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser", "principalId": "AIDACKCEVSQ6C2EXAMPLE",
                "arn": format!("arn:aws:iam::{ACCOUNT}:user/bob"), "accountId": ACCOUNT,
                "accessKeyId": KEY, "userName": "bob",
            },
            "eventTime": time(self.now_ms()),
            "eventSource": source, "eventName": name, "awsRegion": "us-east-1",
            "sourceIPAddress": "203.0.113.77", "userAgent": "aws-cli/2.22.4",
            "requestParameters": parameters, "responseElements": null,
            "requestID": format!("3af9f30c-5a66-4477-bda9-{number:012x}"),
            "eventID": format!("baa2919c-0ded-47bb-bec0-{number:012x}"),
            "readOnly": false, "eventType": "AwsApiCall", "managementEvent": true,
            "recipientAccountId": ACCOUNT, "eventCategory": "Management",
        })
    }

    fn next(&self) -> u32 {
        let mut number = self.objects.lock().unwrap();
        *number += 1;
        *number
    }

    /// Delivers records as CloudTrail does, and gives the object's key.
    pub(crate) fn deliver(&self, records: &[Value]) -> String {
        let now = jiff::Timestamp::from_millisecond(self.now_ms()).unwrap();
        let (day, stamp) = (now.strftime("%Y/%m/%d"), now.strftime("%Y%m%dT%H%MZ"));
        let account = records[0]["recipientAccountId"].as_str().unwrap();
        let key = format!(
            "AWSLogs/{account}/CloudTrail/us-east-1/{day}/{account}_CloudTrail_us-east-1_{stamp}_{:016}.json.gz",
            self.next()
        );
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(json!({ "Records": records }).to_string().as_bytes()).unwrap();
        self.store.put(BUCKET, &key, gzip.finish().unwrap());
        key
    }

    /// The messages that the stream sends for an object.
    pub(crate) fn findings(&self, key: &str) -> Vec<Message> {
        use trailloop_cloud::{ObjectRef, Store as _};
        let object = futures(self.store.get(&ObjectRef::new(BUCKET, key), 1 << 30)).unwrap();
        let source = format!("{BUCKET}/{key}");
        let mut messages = Vec::new();
        Worker::default().examine(
            &self.engine,
            &object.bytes,
            Place { source: &source, version: None },
            |finding| {
                messages.push(message(&finding.json));
                std::ops::ControlFlow::Continue(())
            },
        );
        messages
    }

    /// The finding of one record.
    pub(crate) fn finding_of(&self, record: Value) -> Message {
        let key = self.deliver(&[record]);
        let mut messages = self.findings(&key);
        assert_eq!(messages.len(), 1, "one finding");
        messages.remove(0)
    }

    /// Waits for a future while the clock goes on: 50 ms of it for each millisecond of ours.
    pub(crate) async fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                done = &mut future => return done,
                () = tokio::time::sleep(Duration::from_millis(1)) => {
                    self.manual.advance(Duration::from_millis(50));
                }
            }
        }
    }

    pub(crate) async fn respond(
        &self,
        responder: &Responder,
        message: &Message,
    ) -> Result<Vec<String>, Halt> {
        match self.drive(responder.respond(message)).await? {
            Handled::Runs(runs) => Ok(runs),
            other => panic!("no run: {other:?}"),
        }
    }

    pub(crate) async fn sweep(&self, responder: &Responder) {
        self.drive(responder.sweep()).await.unwrap();
        self.drive(responder.look_around()).await;
    }

    /// Sweeps every `step` for so long.
    pub(crate) async fn pass(&self, responder: &Responder, duration: Duration, step: Duration) {
        let until_ms = self.now_ms() + i64::try_from(duration.as_millis()).unwrap();
        while self.now_ms() < until_ms {
            self.manual.advance(step);
            self.sweep(responder).await;
        }
    }

    pub(crate) async fn run(&self, id: &str) -> Run {
        rows::load::<Run>(&*self.table, &Run::key(id)).await.unwrap().unwrap().value
    }

    pub(crate) async fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for (id, _) in rows::all::<String>(&*self.table, run::OPEN).await.unwrap() {
            runs.push(self.run(&id).await);
        }
        runs
    }

    pub(crate) async fn approve(&self, id: &str, by: &str) {
        let run = self.run(id).await;
        assert_eq!(run.phase, Phase::AwaitingApproval, "{:?}", run.reasons);
        let approval = Approval {
            by: by.to_owned(),
            agrees: true,
            runbook_hash: run.hash.clone(),
            parameters_hash: run.parameters_hash(),
            at_ms: self.now_ms(),
        };
        assert!(voices::say(&*self.table, id, &approval).await.unwrap());
    }

    pub(crate) async fn approve_if_not_said(&self, id: &str, by: &str) {
        let run = self.run(id).await;
        if voices::said(&*self.table, &run).await.unwrap().is_empty() {
            self.approve(id, by).await;
        }
    }

    pub(crate) async fn judge(&self, finding: &str, judgement: Judgement) {
        let verdict = Verdict {
            finding: finding.to_owned(),
            judgement: judgement.name().to_owned(),
            reason: "user_confirmed".to_owned(),
            by: "ana".to_owned(),
            at_ms: self.now_ms(),
        };
        assert!(voices::judge(&*self.table, &verdict).await.unwrap());
    }

    /// The calls that changed something, as `service:Api`, in order; those that AWS refused left out.
    pub(crate) fn changes(&self) -> Vec<String> {
        let requests = self.accounts.requests();
        let ours = requests.iter().filter(|one| one.session.is_some() && one.error.is_none());
        let changing = ours.filter(|one| {
            trailloop_runbook::catalogue::find(&one.call.service, &one.call.api)
                .is_none_or(|api| api.changes)
        });
        changing.map(|one| one.call.name()).collect()
    }
}

fn engine(rules: &str) -> Engine {
    let loaded = trailloop_rules::load("rules.yml", rules);
    assert!(
        loaded.diagnostics.iter().all(|one| one.severity != trailloop_rules::Severity::Error),
        "{:?}",
        loaded.diagnostics
    );
    let set = RuleSet::build(loaded.rules, &loaded.filters, &mut Vec::new());
    Engine {
        rules: LiveRules::new(Arc::new(set)),
        limits: Limits::default(),
        filter: RecordFilter::default(),
    }
}

/// A future that does not wait for anything.
fn futures<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("memory does not wait"),
    }
}

pub(crate) fn message(body: &str) -> Message {
    let received = [("trailloop-received-ms".to_owned(), BEGIN_MS.to_string())];
    Message {
        id: "m".to_owned(),
        receipt: Receipt("r".to_owned()),
        body: body.to_owned(),
        attributes: received.into(),
        receive_count: 1,
        sent_at_ms: Some(BEGIN_MS),
    }
}

pub(crate) fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap();
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
