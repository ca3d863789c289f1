//! Other engines, each as its users have it.
//!
//! rsigma is handed lines of JSON that are not compressed, as its daemon reads them: in this process, and as its users run
//! it, by the command `rsigma engine eval` over a file. sigma-rust is driven as Suzaku
//! drives it: the object inflated, parsed whole by `serde_json`, each record written out again as text to make an event
//! of it, and every rule tried on it. DuckDB answers the question of a hunt, how often an event occurs, over the same
//! compressed files: with the columns named that it needs, which is its fastest way, and by the query that one writes
//! first.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::MultiGzDecoder;
use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;
use rsigma_parser::parse_sigma_yaml;
use serde_json::Value;
use trailloop_benches::corpus::say;
use trailloop_benches::python::succeeds;
use trailloop_benches::rules::rule_texts;

use crate::contender::{Clock, Outcome};

/// Counts an event; its arguments are the number of threads, the event's name and the folder.
pub(crate) const DUCKDB_SCRIPT: &str = include_str!("duckdb_count.py");

/// The same by the usual query.
pub(crate) const DUCKDB_USUAL_SCRIPT: &str = include_str!("duckdb_usual.py");

/// The version of the command `rsigma`: that of the crates that are run in this process.
const RSIGMA_VERSION: &str = "0.23.0";
/// Where the project's tools are installed.
const TOOLS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../tools");

/// Installs the command `rsigma` once, or says why it can't be.
pub(crate) fn install_rsigma() -> Result<(), String> {
    let version = Command::new(rsigma_command()).arg("--version").output();
    let said = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if said.is_ok_and(|said| said.split_whitespace().nth(1) == Some(RSIGMA_VERSION)) {
        return Ok(());
    }
    say("installing rsigma");
    let build = Path::new(TOOLS).join("build");
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "--quiet", "--locked", "rsigma", "--version", RSIGMA_VERSION]);
    cargo.args(["--root", TOOLS, "--target-dir"]).arg(&build);
    let installed = succeeds("cargo install rsigma", &mut cargo);
    fs::remove_dir_all(build).ok();
    installed
}

fn rsigma_command() -> PathBuf {
    Path::new(TOOLS).join("bin/rsigma")
}

pub(crate) fn rsigma(count: &str, files: &[PathBuf]) -> Outcome {
    let mut engine = Engine::new();
    for text in texts(count) {
        let parsed = parse_sigma_yaml(&text).expect("rsigma parses every rule");
        assert!(engine.add_rules(&parsed.rules).is_empty(), "rsigma compiles every rule");
    }
    let lines: Vec<String> = files.iter().flat_map(|path| lines(path)).collect();
    let clock = Clock::start();
    let (mut bytes_raw, mut findings) = (0, 0);
    for line in &lines {
        let record: Value = serde_json::from_str(line).expect("the corpus is JSON");
        findings += engine.evaluate(&JsonEvent::borrow(&record)).len() as u64;
        bytes_raw += line.len() as u64 + 1;
    }
    let records = lines.len() as u64;
    clock.stop(Outcome { bytes_raw, records, findings, ..Outcome::default() })
}

/// The command over a file of the records, with each rule in a file. It reads rules first: what it takes for one record is
/// taken off.
pub(crate) fn rsigma_as_command(count: &str, files: &[PathBuf]) -> Outcome {
    let home = tempfile::tempdir().expect("a folder for rules and records");
    let path = |name: &str| home.path().join(name);
    fs::create_dir(path("rules")).expect("write the rules");
    for (nth, text) in texts(count).iter().enumerate() {
        fs::write(path(&format!("rules/{nth:04}.yml")), text).expect("write the rules");
    }
    let lines: Vec<String> = files.iter().flat_map(|path| lines(path)).collect();
    let all = lines.iter().map(|line| line.clone() + "\n").collect::<String>();
    fs::write(path("one.ndjson"), format!("{}\n", lines[0])).expect("write a record");
    fs::write(path("all.ndjson"), &all).expect("write the records");
    let run = |events: &str| {
        let clock = Clock::start();
        let mut rsigma = Command::new(rsigma_command());
        rsigma.args(["engine", "eval", "--output-format", "ndjson", "--rules"]).arg(path("rules"));
        rsigma.arg("--event").arg(format!("@{}", path(events).display()));
        let output = rsigma.output().expect("it was installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let findings = output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64;
        clock.stop(Outcome { findings, ..Outcome::default() })
    };
    let (start, whole) = (run("one.ndjson"), run("all.ndjson"));
    Outcome {
        bytes_raw: all.len() as u64,
        records: lines.len() as u64,
        took: whole.took.saturating_sub(start.took),
        cpu: whole.cpu.saturating_sub(start.cpu),
        ..whole
    }
}

pub(crate) fn sigma_rust(count: &str, files: &[PathBuf]) -> Outcome {
    let rules: Vec<sigma_rust::Rule> = texts(count)
        .iter()
        .map(|text| sigma_rust::rule_from_yaml(text).expect("sigma-rust loads every rule"))
        .collect();
    let clock = Clock::start();
    let mut outcome = Outcome::default();
    for path in files {
        let text = inflate(path);
        outcome.bytes_raw += text.len() as u64;
        for record in records(&text) {
            let event = sigma_rust::event_from_json(&record.to_string()).expect("it was JSON");
            outcome.records += 1;
            outcome.findings += rules.iter().filter(|rule| rule.is_match(&event)).count() as u64;
        }
    }
    clock.stop(outcome)
}

fn texts(count: &str) -> Vec<String> {
    rule_texts(count.parse().expect("a number of rules"))
}

fn inflate(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    let file = File::open(path).expect("read the corpus");
    MultiGzDecoder::new(file).read_to_end(&mut text).expect("the corpus is gzip");
    text
}

fn records(text: &[u8]) -> Vec<Value> {
    let mut object: Value = serde_json::from_slice(text).expect("the corpus is JSON");
    match object["Records"].take() {
        Value::Array(records) => records,
        _ => panic!("the corpus holds arrays of records"),
    }
}

/// The records of an object, each as a line.
fn lines(path: &Path) -> Vec<String> {
    records(&inflate(path)).iter().map(Value::to_string).collect()
}
