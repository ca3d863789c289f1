//! Matching alone: our engine beside two others, with the same rules, on the same records, in one process.
//!
//! Each engine gets its best: records are parsed beforehand into what it matches on, and its rules are compiled with
//! the indexes that it turns on by itself (the optional filters of `rsigma-eval` made nothing here faster). The engines
//! take turns, and the best rounds count (`contest.rs`). A second table includes parsing: `rsigma-eval` is handed each
//! record's JSON by itself, has `serde_json` parse it and drops it; ours reads plain log objects of fifty records and
//! finds the records in them.
//!
//! What can't be made equal: the workspace has `serde_json` keep the order of keys, with which `rsigma-eval` takes a
//! tenth to a fifth longer than without. For each match it returns a result with the rule's title, tags and fields, and
//! ours the rule's number: the rows of records that no rule matches, for which both return nothing, are without that.
//!
//!     cargo bench -p trailloop-benches --bench rules

use std::sync::Arc;

use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;
use rsigma_parser::parse_sigma_yaml;
use serde_json::Value;
use trailloop_benches::contest::{Outcome, PART, ROUNDS, compete};
use trailloop_benches::records::{Records, object};
use trailloop_benches::rules::{rule_set, rule_texts};
use trailloop_cloudtrail::{Limits, Record, RecordBuffer, Scratch, read_records};
use trailloop_rules::{MatchScratch, RuleSet};

const RULES: [usize; 4] = [57, 200, 800, 3000];
const RECORDS: u16 = 1000;

const MATCHING: &str = "| Rules | Candidates | Matches | Trailloop, ns | rsigma, ns | to Trailloop | sigma-rust, ns | \
                        to Trailloop |\n|---|---|---|---|---|---|---|---|";
const PARSING: &str = "| Rules | Trailloop, ns | rsigma, ns | to Trailloop |\n|---|---|---|---|";

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
fn main() {
    // `cargo test --benches` runs this too, with a flag that says so; there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let engines = RULES.map(Engines::load);
    for engines in &engines {
        println!("{}", engines.ours.strategy());
    }
    for records in corpora() {
        println!("\n{}, matched; per record, best of {ROUNDS} rounds\n\n{MATCHING}", records.name);
        for engines in &engines {
            println!("{}", engines.matching("", &records.each));
        }
        for engines in &engines {
            let quiet = engines.quiet(&records.each);
            if !quiet.is_empty() && quiet.len() < records.each.len() {
                println!(
                    "{}",
                    engines.matching(&format!(" ({} that match nothing)", quiet.len()), &quiet)
                );
            }
        }
        println!("\n{}, parsed and matched\n\n{PARSING}", records.name);
        for engines in &engines {
            println!("{}", engines.parsing(&records));
        }
    }
}

#[expect(clippy::print_stderr, reason = "for the person at the terminal")]
fn corpora() -> Vec<Records> {
    let mut corpora = vec![Records::synthetic(RECORDS.into())];
    match Records::real(RECORDS.into()) {
        Some(records) => corpora.push(records),
        None => eprintln!("skipped: the real records are not beside the repository"),
    }
    corpora
}

/// The same rules, compiled by each engine.
struct Engines {
    ours: Arc<RuleSet>,
    rsigma: Engine,
    sigma_rust: Vec<sigma_rust::Rule>,
}

/// The same records, parsed for each engine.
struct Parsed<'a> {
    ours: Vec<Record<'a>>,
    rsigma: Vec<Value>,
    sigma_rust: Vec<sigma_rust::Event>,
}

impl<'a> Parsed<'a> {
    fn new(each: &[Vec<u8>], buffers: &'a mut [RecordBuffer<'a>]) -> Self {
        let ours = each.iter().zip(buffers).map(|(record, buffer)| Record::parse(record, buffer));
        let event =
            |record: &Vec<u8>| sigma_rust::event_from_json(&String::from_utf8_lossy(record));
        Self {
            ours: ours.collect::<Result<_, _>>().expect("the records are valid"),
            rsigma: each
                .iter()
                .map(|record| serde_json::from_slice(record).expect("the records are JSON"))
                .collect(),
            sigma_rust: each.iter().map(|record| event(record).expect("JSON")).collect(),
        }
    }
}

fn buffers<'a>(each: &[Vec<u8>]) -> Vec<RecordBuffer<'a>> {
    each.iter().map(|_| RecordBuffer::new()).collect()
}

impl Engines {
    fn load(count: usize) -> Self {
        let texts = rule_texts(count);
        let mut rsigma_rules = Vec::new();
        let mut sigma_rust = Vec::new();
        for text in &texts {
            let parsed = parse_sigma_yaml(text).expect("rsigma parses every rule");
            assert_eq!((parsed.rules.len(), parsed.errors.len()), (1, 0), "{text}");
            rsigma_rules.extend(parsed.rules);
            sigma_rust.push(sigma_rust::rule_from_yaml(text).expect("sigma-rust loads every rule"));
        }
        let mut rsigma = Engine::new();
        assert!(rsigma.add_rules(&rsigma_rules).is_empty(), "rsigma loads every rule");
        Self { ours: rule_set(&texts), rsigma, sigma_rust }
    }

    /// A row of matching alone.
    fn matching(&self, label: &str, each: &[Vec<u8>]) -> String {
        let mut buffers = buffers(each);
        let parsed = Parsed::new(each, &mut buffers);
        let (mut scratch, mut hits) = (MatchScratch::default(), Vec::new());
        let mut candidates = 0;
        for record in &parsed.ours {
            candidates += self.ours.candidates(record, &mut scratch);
        }
        let outcomes = compete(
            each.len(),
            [
                &mut |part| {
                    let mut matches = 0;
                    for record in &parsed.ours[part] {
                        self.ours.matches_into(record, &mut scratch, &mut hits);
                        matches += hits.len();
                    }
                    matches
                },
                &mut |part| {
                    let records = parsed.rsigma[part].iter();
                    records.map(|record| self.rsigma_matches(record)).sum()
                },
                &mut |part| {
                    let events = parsed.sigma_rust[part].iter();
                    let rules = &self.sigma_rust;
                    events
                        .map(|event| rules.iter().filter(|rule| rule.is_match(event)).count())
                        .sum()
                },
            ],
        );
        let mut matches =
            outcomes.iter().map(|outcome| per(outcome.matches, each.len())).collect::<Vec<_>>();
        matches.dedup();
        format!(
            "| {}{label} | {} | {} | {} |",
            self.ours.len(),
            per(candidates, each.len()),
            matches.join(", "),
            ratios(each.len(), &outcomes)
        )
    }

    /// A row of parsing and matching.
    fn parsing(&self, records: &Records) -> String {
        let objects: Vec<Vec<u8>> = records.each.chunks(PART).map(object).collect();
        let mut scratch = Scratch::new();
        let (mut match_scratch, mut hits) = (MatchScratch::default(), Vec::new());
        let outcomes = compete(
            records.each.len(),
            [
                &mut |part| {
                    let (object, mut matches) = (&objects[part.start / PART], 0);
                    read_records(object, &Limits::default(), &mut scratch, |record| {
                        self.ours.matches_into(&record, &mut match_scratch, &mut hits);
                        matches += hits.len();
                    });
                    matches
                },
                &mut |part| {
                    let parse = |record: &Vec<u8>| serde_json::from_slice(record).expect("JSON");
                    let records = records.each[part].iter();
                    records.map(|record| self.rsigma_matches(&parse(record))).sum()
                },
            ],
        );
        format!("| {} | {} |", self.ours.len(), ratios(records.each.len(), &outcomes))
    }

    fn rsigma_matches(&self, record: &Value) -> usize {
        self.rsigma.evaluate(&JsonEvent::borrow(record)).len()
    }

    /// The records that no rule matches.
    fn quiet(&self, each: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let (mut scratch, mut hits) = (MatchScratch::default(), Vec::new());
        let mut is_quiet = |record: &&Vec<u8>| {
            let mut buffer = RecordBuffer::new();
            let parsed = Record::parse(record, &mut buffer).expect("the records are valid");
            self.ours.matches_into(&parsed, &mut scratch, &mut hits);
            let value = serde_json::from_slice(record).expect("the records are JSON");
            hits.is_empty() && self.rsigma_matches(&value) == 0
        };
        each.iter().filter(|record| is_quiet(record)).cloned().collect()
    }
}

/// Nanoseconds a record of each, all but the first with their ratio to the first.
fn ratios(records: usize, outcomes: &[Outcome]) -> String {
    let mut cells = Vec::new();
    for (nth, Outcome { time, .. }) in outcomes.iter().enumerate() {
        cells.push((time.as_nanos() / records.max(1) as u128).to_string());
        if nth > 0 {
            cells.push(format!("{:.1}", time.as_secs_f64() / outcomes[0].time.as_secs_f64()));
        }
    }
    cells.join(" | ")
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn per(count: usize, records: usize) -> String {
    format!("{:.3}", count as f64 / records.max(1) as f64)
}
