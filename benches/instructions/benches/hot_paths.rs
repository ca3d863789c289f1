//! The paths that every byte, every record or every message takes, each run once under callgrind.
//!
//! `scripts/instructions` runs this and compares the counts with those in `baseline.json`. What is prepared is not
//! counted, nor is what a first object needs, such as buffers that grow, nor giving memory back at the end: what a path
//! is given is leaked, and what it makes is returned.

#![expect(
    missing_docs,
    clippy::exit,
    reason = "the macros of gungraun make public modules, and a main that exits"
)]

use std::hint::black_box;
use std::ops::ControlFlow;

use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use trailloop_cloudtrail::notification::{self, Notification};
use trailloop_cloudtrail::{
    Glance, Limits, Reader, Record, Scratch, Verdict, read_records, read_wanted,
};
use trailloop_finding::{Finding, Origin, Place};
use trailloop_instructions::{records, rules};
use trailloop_rules::{MatchScratch, RuleSet};

fn leaked<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

struct Reading {
    object: Vec<u8>,
    /// Buffers that have read the object before.
    scratch: Scratch,
}

fn reading(object: Vec<u8>) -> &'static mut Reading {
    let mut scratch = Scratch::new();
    read_records(&object, &Limits::default(), &mut scratch, |_| ());
    leaked(Reading { object, scratch })
}

// Inflating, splitting and parsing, of records that nobody looks at.
#[library_benchmark]
#[bench::gzip(reading(records::object()))]
#[bench::plain(reading(records::plain()))]
fn read(given: &mut Reading) -> u64 {
    read_records(&given.object, &Limits::default(), &mut given.scratch, |record| {
        black_box(record.index());
    })
    .records
}

struct Gating {
    reading: &'static mut Reading,
    rules: RuleSet,
    matching: MatchScratch,
}

/// Parses what some rule may match.
struct Gate<'g> {
    rules: &'g RuleSet,
    matching: &'g mut MatchScratch,
    parsed: u64,
}

impl Reader for Gate<'_> {
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        match self.rules.may_match(glance, self.matching) {
            true => Verdict::Parse,
            false => Verdict::PassOver,
        }
    }

    fn take(&mut self, _record: Record<'_>) -> ControlFlow<()> {
        self.parsed += 1;
        ControlFlow::Continue(())
    }
}

impl Gating {
    fn read(&mut self) -> u64 {
        let Self { reading, rules, matching } = self;
        let mut gate = Gate { rules, matching, parsed: 0 };
        read_wanted(&reading.object, &Limits::default(), &mut reading.scratch, &mut gate);
        gate.parsed
    }
}

fn gating(count: usize) -> &'static mut Gating {
    let rules = rules::compiled(rules::loaded(&rules::texts(count)));
    let mut gating =
        Gating { reading: reading(records::object()), rules, matching: MatchScratch::new() };
    gating.read();
    leaked(gating)
}

// Inflating, splitting, a glance at each record, and parsing those that some rule may match.
#[library_benchmark]
#[bench::rules_0(gating(0))]
#[bench::rules_57(gating(57))]
#[bench::rules_800(gating(800))]
fn gate(given: &mut Gating) -> u64 {
    given.read()
}

struct Matching {
    rules: RuleSet,
    records: Vec<Record<'static>>,
    scratch: MatchScratch,
    hits: Vec<u32>,
}

/// The scratch has met the first record, which makes it that of these rules.
fn matching_of(count: usize) -> &'static mut Matching {
    let rules = rules::compiled(rules::loaded(&rules::texts(count)));
    let (records, mut scratch, mut hits) = (records::parsed(), MatchScratch::new(), Vec::new());
    rules.matches_into(&records[0], &mut scratch, &mut hits);
    leaked(Matching { rules, records, scratch, hits })
}

// Each record met once, so that what is remembered of values is worth no more than in a stream.
#[library_benchmark]
#[bench::rules_57(matching_of(57))]
#[bench::rules_800(matching_of(800))]
fn matching(given: &mut Matching) -> usize {
    let mut found = 0;
    for record in &given.records[1..] {
        given.rules.matches_into(record, &mut given.scratch, &mut given.hits);
        found += given.hits.len();
    }
    found
}

fn matched() -> &'static mut (RuleSet, Vec<Record<'static>>) {
    leaked((rules::of_every_record(), records::parsed()))
}

// Redaction and JSON, for each record.
#[library_benchmark]
#[bench::of_each_record(matched())]
fn finding((rules, records): &mut (RuleSet, Vec<Record<'static>>)) -> usize {
    let place = Place { source: "bucket/key", version: None };
    let origin = Origin { place, rule_set: rules.hash(), enrichment: &[] };
    let analytic = &rules.rule(0).analytic;
    records.iter().map(|record| Finding::new(analytic, *record, origin).json.len()).sum()
}

// Rules from their texts.
#[library_benchmark]
#[bench::rules_100(leaked(rules::texts(100)))]
fn compile(texts: &[String]) -> RuleSet {
    rules::compiled(rules::loaded(texts))
}

// A message of S3 in an envelope of SNS.
#[library_benchmark]
#[bench::s3_in_sns(include_str!("../../../fixtures/notifications/sns.json"))]
fn notify(body: &str) -> Notification {
    notification::parse(body).expect("the fixture is a notification")
}

library_benchmark_group!(
    name = hot_paths,
    benchmarks = [read, gate, matching, finding, compile, notify]
);
main!(
    // Instructions are counted, and caches are not simulated.
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = hot_paths
);
