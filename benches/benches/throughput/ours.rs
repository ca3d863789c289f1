//! Trailloop: the engine of `trailloop replay` in this process, and the whole command.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use trailloop_benches::process::{cpu, peak_bytes};
use trailloop_benches::rules::rule_set;
use trailloop_benches::{compile, synthetic_rules};
use trailloop_cloudtrail::Limits;
use trailloop_content::shipped;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::replay::{Body, Fetched, Replayed, replay};
use trailloop_rules::RuleSet;

use crate::contender::{Clock, Outcome};

/// The name of the rules that are shipped.
pub(crate) const SHIPPED: &str = "shipped";
/// The name of the one rule that asks for one event.
pub(crate) const NEEDLE: &str = "needle";
/// The event: one of the first that is looked for, and a seldom one.
pub(crate) const NEEDLE_EVENT: &str = "ConsoleLogin";

/// The rules of a name, or so many synthetic ones.
pub(crate) fn rules(name: &str) -> Arc<RuleSet> {
    match name {
        SHIPPED => Arc::new(compile(shipped().rules)),
        NEEDLE => rule_set(&[format!(
            "title: Needle\nid: 00000000-0000-4000-8000-000000000001\nstatus: test\nlevel: low\n\
             logsource:\n  product: aws\n  service: cloudtrail\n\
             detection:\n  selection:\n    eventName: {NEEDLE_EVENT}\n  condition: selection\n"
        )]),
        count => synthetic_rules(count.parse().expect("a number of rules")),
    }
}

/// Replays files as the command does, and drops the findings.
pub(crate) fn run(name: &str, files: &[PathBuf], jobs: usize) -> Outcome {
    let engine = Engine {
        rules: LiveRules::new(rules(name)),
        limits: Limits::default(),
        filter: RecordFilter::default(),
    };
    let (mut bytes_raw, mut records, mut findings) = (0, 0, 0);
    let name = |path: &PathBuf| path.to_string_lossy().into_owned();
    let clock = Clock::start();
    replay(
        &engine,
        files,
        jobs,
        name,
        |_, path, buffer| fetch(path, buffer),
        |_, replayed| match replayed {
            Replayed::Findings(lines) => {
                findings += lines.count;
                true
            }
            Replayed::Examined { examined, .. } => {
                assert_eq!(examined.read.records_failed, 0, "{:?}", examined.read);
                bytes_raw += examined.read.bytes_raw;
                records += examined.records_evaluated;
                true
            }
            Replayed::Failed(error) => panic!("{error}"),
        },
    );
    clock.stop(Outcome { bytes_raw, records, findings, ..Outcome::default() })
}

/// Reads a file as the command does.
fn fetch(path: &Path, buffer: &mut Vec<u8>) -> Result<Fetched, String> {
    let mut read = || {
        let mut file = File::open(path)?;
        buffer.reserve(usize::try_from(file.metadata()?.len()).unwrap_or(0));
        file.read_to_end(buffer)
    };
    read().map_err(|error: std::io::Error| error.to_string())?;
    Ok(Fetched { body: Body::Buffer, version: None })
}

/// Is the command `trailloop`, which reads this process's arguments itself. Its summary goes to standard output, and
/// then its time on processors and its peak.
#[expect(clippy::print_stdout, reason = "this is what the parent reads")]
pub(crate) fn command() -> ExitCode {
    let code = trailloop::main();
    println!("{} {}", cpu().as_nanos(), peak_bytes());
    code
}

/// Reads what [`command`] printed.
pub(crate) fn outcome_of_command(said: &str) -> Result<Outcome, String> {
    let (summary, rest) = said.trim().rsplit_once('\n').ok_or("the command said nothing")?;
    let rest: Vec<u64> = rest.split(' ').flat_map(str::parse).collect();
    let &[cpu, peak_bytes] = &*rest else { return Err(format!("no two numbers in {said}")) };
    let summary: Value = serde_json::from_str(summary).map_err(|error| error.to_string())?;
    let number = |key: &str| summary[key].as_u64().ok_or_else(|| format!("no {key} in {said}"));
    Ok(Outcome {
        bytes_raw: number("bytes_raw")?,
        records: number("records")?,
        findings: number("findings")?,
        took: Duration::from_secs_f64(summary["seconds"].as_f64().unwrap_or_default()),
        cpu: Duration::from_nanos(cpu),
        peak_bytes,
    })
}
