//! One key among very many small objects, with an index and without.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Runtime;
use trailloop::synth::{Organization, SynthArgs};
use trailloop_benches::corpus::{Corpus, files};
use trailloop_benches::process::cpu;
use trailloop_cloud::{FolderStore, FolderVault};
use trailloop_cloudtrail::{Limits, LogKey, Scratch, read_records};
use trailloop_query::{
    Archive, Bound, Cost, Engine, Index, Indexed, Meter, Parameters, Prepared, make_index,
};

use crate::Arguments;
use crate::engines::archive;

/// Accounts, days, and records of an object.
const ACCOUNTS: u16 = 200;
const DAYS: u32 = 30;
const RECORDS: u32 = 5;
/// The first day, as the corpus and the query have it.
const START: jiff::civil::Date = jiff::civil::date(2026, 11, 2);

/// Everything that a key did.
const SQL: &str = "SELECT eventtime, account, region, eventsource, eventname, errorcode, sourceipaddress \
    FROM cloudtrail WHERE useridentity.accesskeyid = :key \
    AND eventtime >= '2026-11-02T00:00:00Z' AND eventtime < '2026-12-02T00:00:00Z' ORDER BY eventtime";

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn measure(arguments: &Arguments) {
    let runtime = Runtime::new().expect("start the runtime");
    let corpus = corpus(arguments);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\n## One key in {DAYS} days of {ACCOUNTS} accounts\n\n{}", corpus.describe());
    corpus.warm();
    let mut archive = archive(&corpus.folder, threads);
    let place = arguments.folder.join("index");
    fs::remove_dir_all(&place).ok();
    let index = Index {
        store: Arc::new(FolderStore::new(&arguments.folder)),
        bucket: "index".to_owned(),
        prefix: String::new(),
    };
    let (built, took, on_processors) = build(&runtime, &archive, &index, &place);
    let Indexed { added, bytes_logs, bytes_index, .. } = built;
    println!(
        "\nThe index: {added} objects in {:.1} s, {:.1} s of CPU; {bytes_index} bytes, {:.1} an object, {:.2} % of the logs' {bytes_logs} bytes\n",
        took.as_secs_f64(),
        on_processors.as_secs_f64(),
        bytes_index as f64 / added as f64,
        100.0 * bytes_index as f64 / bytes_logs as f64
    );
    println!(
        "| Key of a user | Records | Objects that hold it | Objects read | Share | s | Without index: objects | s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let index = Arc::new(index);
    for (which, key, holders) in keys(&corpus.folder) {
        archive.index = None;
        let (all, without, slow) = ask(&runtime, &archive, &key);
        archive.index = Some(Arc::clone(&index));
        let (rows, with, fast) = ask(&runtime, &archive, &key);
        assert_eq!(rows, all, "the index hides nothing");
        println!(
            "| {which} | {rows} | {holders} | {} | {:.3} % | {:.2} | {} | {:.2} |",
            with.objects,
            100.0 * with.objects as f64 / corpus.objects as f64,
            fast.as_secs_f64(),
            without.objects,
            slow.as_secs_f64()
        );
    }
}

fn build(
    runtime: &Runtime,
    archive: &Archive,
    index: &Index,
    place: &Path,
) -> (Indexed, Duration, Duration) {
    let (vault, meter) = (FolderVault::new(place), Arc::new(Meter::default()));
    let (started, on_processors) = (Instant::now(), cpu());
    let made = runtime.block_on(make_index(archive, index, &vault, &meter));
    let made = made.expect("the index is made");
    assert_eq!(meter.failures(), Vec::<String>::new());
    (made, started.elapsed(), cpu().saturating_sub(on_processors))
}

fn ask(runtime: &Runtime, archive: &Archive, key: &str) -> (usize, Cost, Duration) {
    let given = Parameters::from([("key".to_owned(), Bound::Text(key.to_owned()))]);
    let engine = Engine::new(archive.clone());
    let started = Instant::now();
    let (batches, cost) = runtime.block_on(async {
        let query = Prepared::parse(SQL).expect("it is SQL");
        let answer = engine.ask(&query, &given).await.expect("it is planned");
        answer.all(usize::MAX).await.expect("it is answered")
    });
    assert_eq!(cost.objects_failed, 0);
    (batches.iter().map(|batch| batch.num_rows()).sum(), cost, started.elapsed())
}

/// Objects of all days and accounts: of those that the organization writes in these days, each so-manieth.
fn corpus(arguments: &Arguments) -> Corpus {
    let objects = arguments.small_objects;
    let by = json!({ "objects": objects, "records": RECORDS, "accounts": ACCOUNTS, "days": DAYS });
    Corpus::made(arguments.folder.join("small"), by, |folder| {
        let synth = SynthArgs {
            out: PathBuf::new(),
            seed: 1,
            objects,
            records: RECORDS,
            accounts: ACCOUNTS,
            start: START,
        };
        let organization = Organization::new(&synth);
        let step = step(&organization, objects);
        for nth in 0..objects {
            let object = organization.object(nth * step);
            let path = folder.join(&object.key);
            fs::create_dir_all(path.parent().expect("a key with folders")).expect("make a folder");
            fs::write(path, object.bytes).expect("write the corpus");
        }
    })
}

/// How many objects lie between two, so that the last is of the last day.
fn step(organization: &Organization, objects: u32) -> u32 {
    let end = START.saturating_add(jiff::Span::new().days(DAYS));
    let day = |nth: u32| LogKey::parse(&organization.object(nth).key).date.expect("a day");
    let beyond = (1..1000).find(|step| day((objects - 1) * step) > end);
    // At least every one, even if the last of them is of a later day.
    (beyond.expect("some step leads there") - 1).max(1)
}

/// Keys of users, with how many objects hold them: the one in most, the one in the middle, and the one in fewest.
fn keys(folder: &Path) -> [(&'static str, String, u64); 3] {
    let mut holders: BTreeMap<String, u64> = BTreeMap::new();
    let mut scratch = Scratch::new();
    for path in files(folder) {
        let object = fs::read(path).expect("read the corpus");
        let mut found = Vec::new();
        let read = read_records(&object, &Limits::default(), &mut scratch, |record| {
            let key = record.text(&["userIdentity", "accessKeyId"]);
            found.extend(key.filter(|key| key.starts_with("AKIA")).map(str::to_owned));
        });
        assert!(read.is_whole());
        found.sort_unstable();
        found.dedup();
        found.into_iter().for_each(|key| *holders.entry(key).or_default() += 1);
    }
    let mut keys: Vec<(u64, String)> = holders.into_iter().map(|(key, of)| (of, key)).collect();
    keys.sort_unstable();
    let at = |which, at: usize| (which, keys[at].1.clone(), keys[at].0);
    let last = keys.len() - 1;
    [("in the most objects", last), ("in the middle", last / 2), ("in the fewest", 0)]
        .map(|(which, nth)| at(which, nth))
}
