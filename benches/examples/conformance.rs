//! The shared cases of Sigma's semantics on our engine and on two others: the tables of `docs/conformance.md`.
//!
//!     cargo run --release -p trailloop-benches --example conformance

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use rsigma_eval::event::JsonEvent;
use rsigma_parser::parse_sigma_yaml;
use serde_json::Value;
use trailloop_benches::compile;
use trailloop_benches::records::shared;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{MatchScratch, load};

/// A name, and what runs a rule on an event.
type Engine = (&'static str, fn(rule: &str, event: &Value) -> Outcome);

const ENGINES: [Engine; 3] =
    [("Trailloop", trailloop), ("rsigma 0.23", rsigma), ("sigma-rust 0.7", sigma_rust)];

/// What an engine makes of a rule and an event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Match,
    NoMatch,
    /// The rule did not load.
    Refused,
    Panic,
}

struct Case {
    id: String,
    group: String,
    basis: String,
    expected: Outcome,
    outcomes: [Outcome; ENGINES.len()],
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the product, for people")]
fn main() {
    let path = shared("sigma-cases.json");
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    // Panics are outcomes here.
    set_hook(Box::new(|_| {}));
    let cases: Vec<Value> = serde_json::from_slice(&text).expect("the cases are JSON");
    let cases: Vec<Case> = cases.iter().map(Case::run).collect();
    println!("{}\n{}", by_group(&cases), differences(&cases));
}

impl Case {
    fn run(case: &Value) -> Self {
        let text = |key: &str| case[key].as_str().expect("a text").to_owned();
        let rule = rule_of(&text("detection"));
        let run = |(_, engine): Engine| {
            catch_unwind(AssertUnwindSafe(|| engine(&rule, &case["event"])))
                .unwrap_or(Outcome::Panic)
        };
        Self {
            id: text("id"),
            group: text("group"),
            basis: text("basis"),
            // An expectation of null: the rule must be refused.
            expected: case["expect"].as_bool().map_or(Outcome::Refused, Outcome::of),
            outcomes: ENGINES.map(run),
        }
    }
}

impl Outcome {
    fn of(is_match: bool) -> Self {
        if is_match { Self::Match } else { Self::NoMatch }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Match => "match",
            Self::NoMatch => "no match",
            Self::Refused => "refused",
            Self::Panic => "panic",
        })
    }
}

/// A whole rule around a `detection:` section given without indentation.
fn rule_of(detection: &str) -> String {
    let indented: String = detection.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "title: A case\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a11\nlevel: low\n\
         logsource:\n  product: aws\n  service: cloudtrail\ndetection:\n{indented}"
    )
}

fn trailloop(rule: &str, event: &Value) -> Outcome {
    let rules = load("case.yml", rule).rules;
    if rules.is_empty() {
        return Outcome::Refused;
    }
    let set = compile(rules);
    let json = event.to_string();
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(json.as_bytes(), &mut buffer).expect("the event is a record");
    let mut hits = Vec::new();
    set.matches_into(&record, &mut MatchScratch::new(), &mut hits);
    Outcome::of(!hits.is_empty())
}

fn rsigma(rule: &str, event: &Value) -> Outcome {
    let mut engine = rsigma_eval::Engine::new();
    match parse_sigma_yaml(rule) {
        Ok(parsed) if parsed.errors.is_empty() && !parsed.rules.is_empty() => {
            if !engine.add_rules(&parsed.rules).is_empty() {
                return Outcome::Refused;
            }
        }
        _ => return Outcome::Refused,
    }
    Outcome::of(!engine.evaluate(&JsonEvent::borrow(event)).is_empty())
}

fn sigma_rust(rule: &str, event: &Value) -> Outcome {
    match sigma_rust::rule_from_yaml(rule) {
        Ok(rule) => {
            let event = sigma_rust::event_from_json(&event.to_string()).expect("the event is JSON");
            Outcome::of(rule.is_match(&event))
        }
        Err(_) => Outcome::Refused,
    }
}

/// A table of how many cases of each group each engine gets right.
fn by_group(cases: &[Case]) -> String {
    let mut groups: Vec<&str> = Vec::new();
    for case in cases {
        if !groups.contains(&case.group.as_str()) {
            groups.push(&case.group);
        }
    }
    let mut table = heading("| Group | Cases |");
    let mut row = |name: &str, of: &dyn Fn(&&Case) -> bool| {
        table.push_str(&format!("| {name} | {} |", cases.iter().filter(of).count()));
        for engine in 0..ENGINES.len() {
            let right = |case: &&Case| case.outcomes[engine] == case.expected;
            let count = cases.iter().filter(of).filter(right).count();
            table.push_str(&format!(" {count} |"));
        }
        table.push('\n');
    };
    for group in groups {
        row(group, &|case| case.group == group);
    }
    row("**all**", &|_| true);
    row("of these, from the specification", &|case| case.basis == "spec");
    table
}

/// A table of the cases in which an engine is not as expected.
fn differences(cases: &[Case]) -> String {
    let mut table = heading("| Case | Basis | Expected |");
    for Case { id, basis, expected, outcomes, .. } in cases {
        if outcomes.iter().all(|outcome| outcome == expected) {
            continue;
        }
        table.push_str(&format!("| `{id}` | {basis} | {expected} |"));
        for outcome in outcomes {
            // What is as expected stays blank.
            let shown = if outcome == expected { String::new() } else { format!("{outcome} ") };
            table.push_str(&format!(" {shown}|"));
        }
        table.push('\n');
    }
    table
}

/// The first two lines of a table that ends in the engines.
fn heading(first: &str) -> String {
    let names: String = ENGINES.iter().map(|(name, _)| format!(" {name} |")).collect();
    let columns = first.matches('|').count() - 1 + ENGINES.len();
    format!("{first}{names}\n|{}\n", "---|".repeat(columns))
}
