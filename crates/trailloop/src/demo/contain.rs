//! The same attacker, answered in time: the first finding that calls for a key to be contained, in an account in memory.
//!
//! The account has what the shipped logs say of it. The clock stands at the minute in which CloudTrail delivered the finding's
//! object, and the trail's bucket holds what was delivered until then; from there on things go another way than in the logs.
//! Everything between finding and proof is what `trailloop respond` runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use trailloop_cloud::{
    Clock, FakeAccounts, FolderStore, FolderVault, LocalTable, ManualClock, MemoryNotifier,
    Message, Store, Table,
};
use trailloop_content::runbooks;
use trailloop_pipeline::examine::Engine;
use trailloop_query::Source;
use trailloop_respond::confirm::Archive;
use trailloop_respond::hint::{Hint, Origin};
use trailloop_respond::ledger::Ledger;
use trailloop_respond::tell::Destinations;
use trailloop_respond::voices::{self, Approval};
use trailloop_respond::{
    Case, Handled, Phase, Queries, Responder, Run, Settings, Switch, own_tables, rows,
};
use trailloop_runbook::catalogue;
use trailloop_runbook::document::Mode;
use trailloop_runbook::{Call, Runbook, choose_all};

use super::{BUCKET, LOGS, collect, write};
use crate::story::Containment;

/// What the shipped logs say of the attacker's account.
const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const USER: &str = "ci-deployer";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const OTHER_USER: &str = "backup-operator";
const ADDRESS: &str = "203.0.113.77";

/// What the logs show that the user may do: it looks around in IAM, and makes keys and passwords for others.
const RIGHTS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:List*","iam:CreateAccessKey","iam:CreateLoginProfile","lambda:ListFunctions"],"Resource":"*"}]}"#;

/// The runbook whose work is shown.
const RUNBOOK: &str = "contain-iam-user-key";

/// Who approves.
const APPROVER: &str = "demo";

/// As long as IAM may take until what was changed is enforced.
const PROPAGATION: Duration = Duration::from_secs(4);

const MINUTE: Duration = Duration::from_secs(60);

/// As long as the questions of a finding may take together.
const BUDGET_MS: u32 = 60_000;

/// Minutes of the clock after which the demo says that something is wrong.
const MINUTES_MAX: u32 = 60;

/// Answers the first of these findings that leads to the runbook.
pub(super) async fn contain(
    dir: &Path,
    engine: &Arc<Engine>,
    messages: &[(Value, Message)],
) -> anyhow::Result<Containment> {
    let mut runbooks = runbooks::shipped().0;
    // The machine that shows this may be busy; the limits of runbooks are for services.
    runbooks.iter_mut().flat_map(|one| &mut one.enrich).for_each(|one| one.max_ms = BUDGET_MS);
    let whole = archive(&dir.join("buckets"), engine);
    let first = first(&whole, &runbooks, messages).await?;
    let buckets = dir.join("answered").join("buckets");
    fill(&buckets, first.delivered_ms)?;
    let world = World::new(buckets, first.delivered_ms - 180_000);
    // Whoever holds a key mints tokens with it, which live on when the key is switched off.
    let token = world.accounts.mint(ACCOUNT, USER, None);
    world.deliver(&world.minted(&token), 1)?;
    world.manual.advance(3 * MINUTE);

    let state = dir.join("state.sqlite");
    let config = dir.join("respond.toml");
    write(&config, format!("[respond]\nstate = {:?}\n", state.display().to_string()).as_bytes())?;
    let table: Arc<dyn Table> = Arc::new(LocalTable::open(&state).context("open the state")?);
    let archive = archive(&world.buckets, engine);
    let responder = responder(archive, table, dir.join("evidence"), runbooks, &world);
    let told = Told { responder: &responder, world: &world, message: first.message, token: &token };
    let (id, took) = Box::pin(told.act()).await?;
    let attempts = told.attack()?;
    let run = told.watch(&id).await?;
    let audited = responder.ledger.audit(None).await.context("read the ledger")?;
    let watched_ms = responder.clock.now_ms() - run.acted_ms.unwrap_or_default();
    Ok(Containment {
        asked: told.asked(&id).await?,
        title: run.title.clone(),
        event_ms: run.event_ms,
        delivered_ms: first.delivered_ms,
        approver: APPROVER.to_owned(),
        calls: told.calls(),
        took,
        attempts,
        watched: Duration::from_millis(u64::try_from(watched_ms).unwrap_or(0)),
        ledger: audited.context("the ledger breaks")?,
        config,
        run,
    })
}

/// The trail's bucket below a folder.
fn archive(buckets: &Path, engine: &Arc<Engine>) -> Archive {
    Archive {
        store: Arc::new(FolderStore::new(buckets)),
        buckets: vec![BUCKET.to_owned()],
        engine: Arc::clone(engine),
        object_bytes_max: 1 << 30,
        index: None,
    }
}

/// A finding that leads to the runbook, and when its object was delivered.
struct First<'a> {
    message: &'a Message,
    delivered_ms: i64,
}

/// The first of the findings, by their event's time, for which the runbook is chosen.
async fn first<'a>(
    archive: &Archive,
    runbooks: &[Runbook],
    messages: &'a [(Value, Message)],
) -> anyhow::Result<First<'a>> {
    // The others are nothing for a runbook that asks for level high.
    let serious = messages.iter().filter(|(finding, _)| finding["severity_id"].as_u64() >= Some(4));
    for (_, message) in serious {
        let hint = Hint::of(message).context("read a finding")?;
        let case = Case::of(archive.confirm(&hint, None).await.context("make the finding again")?);
        let Origin::Record { object, .. } = &hint.of else { continue };
        let key = &object.key;
        let delivered_ms = delivered_ms(key).with_context(|| format!("no time is in {key}"))?;
        let context = case.context(None, delivered_ms);
        if choose_all(runbooks, &context).iter().any(|one| one.id == RUNBOOK) {
            return Ok(First { message, delivered_ms });
        }
    }
    anyhow::bail!("no finding of the shipped logs leads to {RUNBOOK}")
}

/// What `trailloop respond` runs, with everything that leaves the process in memory or in the folder.
fn responder(
    archive: Archive,
    table: Arc<dyn Table>,
    evidence: PathBuf,
    runbooks: Vec<Runbook>,
    world: &World,
) -> Responder {
    let queries = queries(&archive.store, &table, &world.manual);
    Responder {
        archive,
        ledger: Ledger::new(Arc::clone(&table), APPROVER),
        table,
        vault: Some(Arc::new(FolderVault::new(evidence))),
        actions: Arc::new(world.accounts.clone()),
        notifier: Arc::new(MemoryNotifier::new()),
        destinations: Destinations::default(),
        runbooks,
        queries: Some(queries),
        switch: Switch::None,
        settings: Settings {
            mode: Mode::Auto,
            first_day_auto: true,
            simulates: false,
            ..Settings::default()
        },
        clock: Clock::Manual(world.manual.clone()),
        worker: APPROVER.to_owned(),
        canaries: None,
        next_looks: trailloop_respond::looks::NextLooks::default(),
        memory: Mutex::default(),
    }
}

/// The shipped queries, asked of the trail and of what the executor keeps.
fn queries(store: &Arc<dyn Store>, table: &Arc<dyn Table>, clock: &ManualClock) -> Queries {
    let trail = Source {
        store: Arc::clone(store),
        bucket: BUCKET.to_owned(),
        prefix: "AWSLogs/".to_owned(),
    };
    let mut engine = trailloop_query::Engine::new(trailloop_query::Archive::new(vec![trail]));
    for (shape, rows) in own_tables(table, &Clock::Manual(clock.clone())) {
        engine = engine.with_own(shape, rows);
    }
    let kept = trailloop_content::queries::files()
        .into_iter()
        .filter_map(|(path, text)| trailloop_query::named::load(path, text).query)
        .collect();
    Queries { engine, kept, budget: Duration::from_millis(BUDGET_MS.into()) }
}

/// The account, its trail and its time.
struct World {
    accounts: FakeAccounts,
    manual: ManualClock,
    buckets: PathBuf,
}

/// The run from the finding to the proof.
struct Told<'a> {
    responder: &'a Responder,
    world: &'a World,
    message: &'a Message,
    token: &'a str,
}

impl Told<'_> {
    /// Takes the finding in, approves the run's plan, and lets it act; gives the run and how long that took.
    async fn act(&self) -> anyhow::Result<(String, Duration)> {
        let Self { responder, world, .. } = self;
        let began = Instant::now();
        let handled = world.drive(responder.respond(self.message)).await.context("respond")?;
        let Handled::Runs(runs) = handled else { anyhow::bail!("no run was opened: {handled:?}") };
        let mut waiting = None;
        for id in &runs {
            let run = self.run(id).await?;
            if run.runbook == RUNBOOK {
                waiting = Some(run);
            }
        }
        let waiting = waiting.context("the key's run was not opened")?;
        expect(&waiting, Phase::AwaitingApproval)?;
        self.approve(&waiting).await?;
        world.drive(responder.sweep()).await.context("sweep")?;
        let took = began.elapsed();
        expect(&self.run(&waiting.id).await?, Phase::Verifying)?;
        Ok((waiting.id, took))
    }

    /// What queries answered about the finding, a line each.
    async fn asked(&self, run: &str) -> anyhow::Result<Vec<String>> {
        let case = self.responder.case(run).await.context("read the finding")?;
        Ok(case.map(|case| case.answers()).unwrap_or_default())
    }

    /// The attacker goes on, first with the key, then with the token.
    fn attack(&self) -> anyhow::Result<Vec<(String, String, String)>> {
        let world = self.world;
        world.manual.advance(MINUTE);
        let mut inputs = Map::new();
        inputs.insert("UserName".to_owned(), OTHER_USER.into());
        let (code, sentence) = world.refused(KEY, &call("iam", "CreateAccessKey", inputs))?;
        let with_key =
            (format!("iam:CreateAccessKey for {OTHER_USER}, with the key"), code, sentence);
        let (code, sentence) =
            world.refused(self.token, &call("lambda", "ListFunctions", Map::new()))?;
        // A request by a key that is switched off reaches no account's trail; that of the token does.
        world.deliver(&world.denied(self.token, (&code, &sentence)), 2)?;
        let with_token =
            ("lambda:ListFunctions, with a token minted from it before".to_owned(), code, sentence);
        Ok(vec![with_key, with_token])
    }

    /// Looks at the run each minute until the watch is over.
    async fn watch(&self, id: &str) -> anyhow::Result<Run> {
        for _ in 0..MINUTES_MAX {
            self.world.manual.advance(MINUTE);
            self.world.drive(self.responder.sweep()).await.context("sweep")?;
            let run = self.run(id).await?;
            if run.phase != Phase::Verifying {
                expect(&run, Phase::Contained)?;
                return Ok(run);
            }
        }
        anyhow::bail!("the watch did not end in {MINUTES_MAX} minutes")
    }

    async fn run(&self, id: &str) -> anyhow::Result<Run> {
        let kept = rows::load::<Run>(&*self.responder.table, &Run::key(id)).await;
        Ok(kept.context("read the run")?.context("the run is gone")?.value)
    }

    async fn approve(&self, run: &Run) -> anyhow::Result<()> {
        let approval = Approval {
            by: APPROVER.to_owned(),
            agrees: true,
            runbook_hash: run.hash.clone(),
            parameters_hash: run.parameters_hash(),
            at_ms: self.responder.clock.now_ms(),
        };
        let kept = voices::say(&*self.responder.table, &run.id, &approval).await;
        ensure!(kept.context("approve")?, "somebody has approved before");
        Ok(())
    }

    /// The calls of ours that changed something, with their request ids.
    fn calls(&self) -> Vec<(String, String)> {
        let changes =
            |call: &Call| catalogue::find(&call.service, &call.api).is_none_or(|api| api.changes);
        let requests = self.world.accounts.requests().into_iter();
        requests
            .filter(|one| one.session.is_some() && one.error.is_none() && changes(&one.call))
            .map(|one| (one.call.name(), one.request_id))
            .collect()
    }
}

impl World {
    fn new(buckets: PathBuf, now_ms: i64) -> Self {
        let manual = ManualClock::new(now_ms);
        let clock = Clock::Manual(manual.clone());
        let accounts = FakeAccounts::new(clock).with_propagation(PROPAGATION);
        accounts.add_access_key(ACCOUNT, USER, KEY);
        accounts.add_policy(ACCOUNT, USER, "deploy", RIGHTS);
        accounts.add_user(ACCOUNT, OTHER_USER);
        Self { accounts, manual, buckets }
    }

    /// What the attacker is told: the code and the sentence.
    fn refused(&self, key: &str, call: &Call) -> anyhow::Result<(String, String)> {
        let Err(error) = self.accounts.call_as(key, REGION, call) else {
            anyhow::bail!("the attacker's {} succeeded", call.name());
        };
        // IAM says of a key that is switched off what it says of one that never was.
        let code = match error.message() {
            text if text.contains("security token") => "InvalidClientTokenId",
            _ => error.code().unwrap_or_default(),
        };
        Ok((code.to_owned(), error.message().to_owned()))
    }

    /// The record of a token that was minted from the key.
    fn minted(&self, token: &str) -> Value {
        let mut record = self.record(KEY, ("sts.amazonaws.com", "GetSessionToken"), 1);
        record["responseElements"] = json!({"credentials": {"accessKeyId": token}});
        record
    }

    /// The record of a call that was denied.
    fn denied(&self, token: &str, (code, sentence): (&str, &str)) -> Value {
        let mut record = self.record(token, ("lambda.amazonaws.com", "ListFunctions20150331"), 2);
        record["errorCode"] = json!(code);
        record["errorMessage"] = json!(sentence);
        record
    }

    /// A record of the attacker's, now, as CloudTrail writes it.
    fn record(&self, key: &str, (source, name): (&str, &str), number: u32) -> Value {
        json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser", "principalId": "AIDACKCEVSQ6C2EXAMPLE",
                "arn": format!("arn:aws:iam::{ACCOUNT}:user/{USER}"), "accountId": ACCOUNT,
                "accessKeyId": key, "userName": USER,
            },
            "eventTime": self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "eventSource": source, "eventName": name, "awsRegion": REGION,
            "sourceIPAddress": ADDRESS, "userAgent": "aws-cli/2.22.4",
            "requestParameters": null, "responseElements": null,
            "requestID": format!("3af9f30c-5a66-4477-bda9-{number:012}"),
            "eventID": format!("baa2919c-0ded-47bb-bec0-{number:012}"),
            "readOnly": true, "eventType": "AwsApiCall", "managementEvent": true,
            "recipientAccountId": ACCOUNT, "eventCategory": "Management",
        })
    }

    fn now(&self) -> Timestamp {
        let now_ms = Clock::Manual(self.manual.clone()).now_ms();
        Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Writes a log object of one record into the trail's bucket.
    fn deliver(&self, record: &Value, number: u32) -> anyhow::Result<()> {
        let now = self.now();
        let (day, stamp) = (now.strftime("%Y/%m/%d"), now.strftime("%Y%m%dT%H%MZ"));
        let name = format!("{ACCOUNT}_CloudTrail_{REGION}_{stamp}_{number:016}.json.gz");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(json!({ "Records": [record] }).to_string().as_bytes())?;
        let prefix = organization_prefix();
        let path = format!("{BUCKET}/{prefix}/{ACCOUNT}/CloudTrail/{REGION}/{day}/{name}");
        write(&self.buckets.join(path), &gzip.finish()?)
    }

    /// Waits for a future while the clock goes on: 50 ms of it for each millisecond of ours.
    async fn drive<T>(&self, future: impl Future<Output = T>) -> T {
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
}

/// Copies the shipped objects that were delivered until then.
fn fill(buckets: &Path, until_ms: i64) -> anyhow::Result<()> {
    let mut files = Vec::new();
    collect(&LOGS, &mut files);
    for (path, bytes) in files {
        if delivered_ms(&path.to_string_lossy()).is_some_and(|ms| ms <= until_ms) {
            write(&buckets.join(BUCKET).join(path), bytes)?;
        }
    }
    Ok(())
}

/// The part of the shipped keys before the account: `AWSLogs`, with the organization if it has one.
fn organization_prefix() -> String {
    let mut files = Vec::new();
    collect(&LOGS, &mut files);
    let marker = format!("/{ACCOUNT}/CloudTrail/");
    let prefix = files.iter().find_map(|(path, _)| {
        path.to_string_lossy().split_once(&marker).map(|(prefix, _)| prefix.to_owned())
    });
    prefix.unwrap_or_else(|| "AWSLogs".to_owned())
}

/// When CloudTrail delivered an object, by the minute in its name.
fn delivered_ms(key: &str) -> Option<i64> {
    let name = key.rsplit('/').next()?;
    let stamp = name.split('_').find_map(|part| DateTime::strptime("%Y%m%dT%H%MZ", part).ok())?;
    Some(TimeZone::UTC.to_timestamp(stamp).ok()?.as_millisecond())
}

fn call(service: &str, api: &str, inputs: Map<String, Value>) -> Call {
    Call { service: service.to_owned(), api: api.to_owned(), inputs }
}

fn expect(run: &Run, phase: Phase) -> anyhow::Result<()> {
    let reasons = run.reasons.join("; ");
    ensure!(
        run.phase == phase,
        "the run is {} and not {}: {reasons}",
        run.phase.name(),
        phase.name()
    );
    Ok(())
}
