//! The whole replay beside what bounds it: `gzip -dc` of the same files, and a loop of flate2 and simd-json with no
//! rules at all. One process, the same files, in alternation; the best round of each counts.
//!
//!     cargo bench --bench replay

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use simd_json::{Buffers, Tape, fill_tape};
use trailloop_benches::{compile, corpus, synthetic_rules};
use trailloop_cloudtrail::Limits;
use trailloop_content::shipped;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::replay::{Fetched, Replayed, replay};
use trailloop_rules::RuleSet;

const OBJECTS: u32 = 48;
const RECORDS: u32 = 8000;
const ROUNDS: usize = 5;

/// A name, and what to run under it.
type Case<'f> = (String, Box<dyn Fn() + 'f>);

struct Files {
    paths: Vec<PathBuf>,
    bytes_compressed: u64,
    bytes_raw: u64,
}

fn main() {
    // `cargo test --benches` runs this too, with a flag that says so; there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let files = write_corpus(folder.path());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let none = Arc::new(compile(Vec::new()));
    let ours = Arc::new(compile(shipped().rules));
    let shipped_count = ours.len();
    let many = synthetic_rules(800);

    let mut cases: Vec<Case<'_>> = vec![
        ("gzip -dc, one process".to_owned(), Box::new(|| gzip(&files))),
        ("flate2 and simd-json, 1 thread".to_owned(), Box::new(|| plain_loop(&files, 1))),
        ("replay, no rules, 1 thread".to_owned(), Box::new(|| run_replay(&files, &none, 1))),
        (
            format!("replay, {shipped_count} shipped rules, 1 thread"),
            Box::new(|| run_replay(&files, &ours, 1)),
        ),
        (
            "replay, 800 synthetic rules, 1 thread".to_owned(),
            Box::new(|| run_replay(&files, &many, 1)),
        ),
    ];
    if cores > 1 {
        cases.push((
            format!("flate2 and simd-json, {cores} threads"),
            Box::new(|| plain_loop(&files, cores)),
        ));
        cases.push((
            format!("replay, {shipped_count} shipped rules, {cores} threads"),
            Box::new(|| run_replay(&files, &ours, cores)),
        ));
    }
    let mut best = vec![Duration::MAX; cases.len()];
    for _ in 0..ROUNDS {
        for ((_, case), best) in cases.iter().zip(&mut best) {
            let started = Instant::now();
            case();
            *best = (*best).min(started.elapsed());
        }
    }
    print(&files, &cases, &best);
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "this is the product, for people"
)]
fn print(files: &Files, cases: &[Case<'_>], best: &[Duration]) {
    let Files { paths, bytes_compressed, bytes_raw } = files;
    let ratio = *bytes_raw as f64 / *bytes_compressed as f64;
    println!(
        "{} objects of {RECORDS} records, {} MB of JSON, compressed {ratio:.1} times, best of {ROUNDS} rounds\n",
        paths.len(),
        bytes_raw / 1_000_000
    );
    println!("| What | MB/s of JSON | records/s | against gzip -dc |\n|---|---|---|---|");
    let records = f64::from(RECORDS) * paths.len() as f64;
    for ((name, _), time) in cases.iter().zip(best) {
        let seconds = time.as_secs_f64();
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} |",
            *bytes_raw as f64 / 1e6 / seconds,
            records / seconds,
            best[0].as_secs_f64() / seconds
        );
    }
}

fn write_corpus(folder: &std::path::Path) -> Files {
    let mut files = Files { paths: Vec::new(), bytes_compressed: 0, bytes_raw: 0 };
    for (nth, object) in corpus(OBJECTS, RECORDS).into_iter().enumerate() {
        let path = folder.join(format!("{nth:03}.json.gz"));
        fs::write(&path, &object.bytes).expect("write the corpus");
        let mut text = Vec::new();
        MultiGzDecoder::new(&*object.bytes).read_to_end(&mut text).expect("the corpus is gzip");
        files.bytes_compressed += object.bytes.len() as u64;
        files.bytes_raw += text.len() as u64;
        files.paths.push(path);
    }
    files
}

fn gzip(files: &Files) {
    let status = Command::new("gzip").arg("-dc").args(&files.paths).stdout(Stdio::null()).status();
    assert!(status.expect("gzip is installed").success());
}

/// What most would write first: inflate the object whole, parse it whole, look at nothing.
fn plain_loop(files: &Files, threads: usize) {
    let (next, nodes) = (AtomicUsize::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffers = Buffers::default();
                while let Some(path) = files.paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let file = fs::read(path).expect("read the corpus");
                    let mut text = Vec::new();
                    MultiGzDecoder::new(&*file).read_to_end(&mut text).expect("the corpus is gzip");
                    let mut tape = Tape(Vec::new());
                    fill_tape(&mut text, &mut buffers, &mut tape).expect("the corpus is JSON");
                    nodes.fetch_add(tape.0.len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(nodes.into_inner() > 0);
}

fn run_replay(files: &Files, rules: &Arc<RuleSet>, jobs: usize) {
    let engine = Engine {
        rules: LiveRules::new(Arc::clone(rules)),
        limits: Limits::default(),
        filter: RecordFilter::default(),
    };
    let fetch = |path: &PathBuf| {
        let object = fs::read(path).map_err(|error| error.to_string())?;
        Ok(Fetched { object: object.into(), version: None })
    };
    let mut records = 0;
    replay(
        &engine,
        &files.paths,
        jobs,
        |path| path.display().to_string(),
        fetch,
        |_, replayed| {
            if let Replayed::Examined { examined, .. } = replayed {
                records += examined.records_evaluated;
            }
            true
        },
    );
    assert_eq!(records, u64::from(RECORDS) * files.paths.len() as u64);
}
