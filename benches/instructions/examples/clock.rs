//! The time that a record takes on the way to its findings, for a look at whether a change is worth a run of the benchmarks,
//! which take ten times as long to build.
//!
//! ```sh
//! cargo run --release -p trailloop-instructions --example clock -- 20 logs/*.json.gz
//! ```
//!
//! The first argument is how many rounds there are. Of each object its fastest round counts, because others use the machine
//! as well; compare two builds by turns. Without objects those of the fixtures are read.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use std::{env, fs};

use trailloop_cloudtrail::{Glance, Limits, Reader, Record, Scratch, Verdict, read_wanted};
use trailloop_finding::{FindingScratch, Findings, JsonLines, Origin, Place};
use trailloop_instructions::{records, rules};
use trailloop_rules::{MatchScratch, RuleSet};

/// As many bytes as replay hands on at once.
const BATCH_BYTES: usize = 256 << 10;

/// What replay does with each record, but for filters, trials and files of enrichment.
struct Examiner<'e> {
    rules: &'e RuleSet,
    matching: MatchScratch,
    hits: Vec<u32>,
    findings: FindingScratch,
    lines: JsonLines,
}

impl Reader for Examiner<'_> {
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        match self.rules.may_match(glance, &mut self.matching) {
            true => Verdict::Parse,
            false => Verdict::PassOver,
        }
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        let Self { rules, matching, hits, findings, lines } = self;
        rules.matches_into(&record, matching, hits);
        if hits.is_empty() {
            return ControlFlow::Continue(());
        }
        let place = Place { source: "bucket/key.json.gz", version: None };
        let origin = Origin { place, rule_set: rules.hash(), enrichment: &[] };
        let mut findings = Findings::new(record, origin, findings);
        for hit in hits.iter() {
            findings.append_line(&rules.rule(*hit).analytic, lines);
            if lines.len() > BATCH_BYTES {
                lines.clear();
            }
        }
        ControlFlow::Continue(())
    }
}

#[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "for people")]
fn main() {
    let mut arguments = env::args().skip(1);
    let rounds: usize = arguments.next().map_or(20, |number| number.parse().expect("a number"));
    let mut objects: Vec<Vec<u8>> =
        arguments.map(|path| fs::read(path).expect("the objects are there")).collect();
    if objects.is_empty() {
        objects.push(records::object());
    }
    let counted = |count| rules::compiled(rules::loaded(&rules::texts(count)));
    let sets = [
        ("no rules", counted(0)),
        ("57 rules", counted(57)),
        ("800 rules", counted(800)),
        ("one that matches every record", rules::of_every_record()),
    ];
    for (name, rules) in &sets {
        let (records, took) = fastest(rules, &objects, rounds);
        println!("{name}: {:.0} ns a record", took.as_nanos() as f64 / records as f64);
    }
}

/// How many records the objects hold, and the sum of their fastest rounds.
fn fastest(rules: &RuleSet, objects: &[Vec<u8>], rounds: usize) -> (u64, Duration) {
    let mut examiner = Examiner {
        rules,
        matching: MatchScratch::new(),
        hits: Vec::new(),
        findings: FindingScratch::default(),
        lines: JsonLines::default(),
    };
    let (mut scratch, mut sum) = (Scratch::new(), (0, Duration::ZERO));
    for object in objects {
        let mut best = (0, Duration::MAX);
        for _ in 0..rounds {
            let begun = Instant::now();
            let read = read_wanted(object, &Limits::default(), &mut scratch, &mut examiner);
            best = (read.records, best.1.min(begun.elapsed()));
        }
        sum = (sum.0 + best.0, sum.1 + best.1);
    }
    sum
}
