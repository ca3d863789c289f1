//! How often each shipped rule fires where nothing is wrong, counted over a synthetic organization.
//!
//! `cargo run --release -p trailloop-benches --example rates` writes `crates/content/rates.tsv`, which ships with the
//! rules, and `docs/rules.md`, the list of them; `-- --check` compares both with what it would write. The organization is
//! described in `docs/synthetic-organization.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use trailloop::synth::{Organization, SynthArgs};
use trailloop_cloudtrail::{Limits, Scratch, read_records};
use trailloop_content::{VERSION, shipped};
use trailloop_finding::Level;
use trailloop_rules::{MatchScratch, Rule, RuleSet};

/// Records in all: objects times records in each.
const OBJECTS: u32 = 1_000;
const RECORDS: u32 = 1_000;

/// A seed of its own: nobody looked at these records when the rules were written.
const SEED: u64 = 20_261_125;

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
fn main() -> Result<(), String> {
    let rules = RuleSet::build(shipped().rules, &[], &mut Vec::new());
    let (records, findings) = count(&rules);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files: [(PathBuf, String); 2] = [
        (root.join("crates/content/rates.tsv"), table(records, &findings, &rules)),
        (root.join("docs/rules.md"), page(records, &findings, &rules)),
    ];
    summary(records, &findings, &rules);
    let checks = std::env::args().any(|argument| argument == "--check");
    for (path, text) in files {
        let name = path.display();
        if checks {
            let now = std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
            if now != text {
                return Err(format!("{name} is out of date; run this without --check"));
            }
        } else {
            std::fs::write(&path, text).map_err(|error| format!("{name}: {error}"))?;
            println!("wrote {name}");
        }
    }
    Ok(())
}

/// Findings by the number of the rule, over all records.
fn count(rules: &RuleSet) -> (u64, BTreeMap<u32, u64>) {
    let organization = Organization::new(&SynthArgs {
        out: PathBuf::new(),
        seed: SEED,
        objects: OBJECTS,
        records: RECORDS,
        accounts: 40,
        start: jiff::civil::date(2026, 11, 2),
    });
    let next = AtomicU32::new(0);
    let total = Mutex::new((0, BTreeMap::<u32, u64>::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let (mut scratch, mut matching) = (Scratch::new(), MatchScratch::new());
                let (mut hits, mut records, mut found) = (Vec::new(), 0, BTreeMap::new());
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= OBJECTS {
                        break;
                    }
                    let object = organization.object(nth);
                    read_records(&object.bytes, &Limits::default(), &mut scratch, |record| {
                        records += 1;
                        rules.matches_into(&record, &mut matching, &mut hits);
                        for hit in &hits {
                            *found.entry(*hit).or_insert(0) += 1;
                        }
                    });
                }
                let mut total = total.lock().expect("no thread panics with the lock");
                total.0 += records;
                for (rule, count) in found {
                    *total.1.entry(rule).or_insert(0) += count;
                }
            });
        }
    });
    total.into_inner().expect("no thread panics with the lock")
}

/// The rate of a count, for people.
fn per_million(count: u64, records: u64) -> String {
    // Tenths are enough, and they are exact in whole numbers.
    let tenths = (count * 10_000_000 + records / 2) / records.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn table(records: u64, findings: &BTreeMap<u32, u64>, rules: &RuleSet) -> String {
    let mut text = format!("records\t{records}\n");
    for (rule, number) in rules.rules().iter().zip(0..) {
        let count = findings.get(&number).copied().unwrap_or(0);
        let about = &rule.analytic;
        writeln!(text, "{}\t{count}\t{}", about.uid, about.name).expect("a String takes all");
    }
    text
}

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
fn summary(records: u64, findings: &BTreeMap<u32, u64>, rules: &RuleSet) {
    let mut by_level: BTreeMap<Level, u64> = BTreeMap::new();
    let mut sorted: Vec<(&u32, &u64)> = findings.iter().collect();
    sorted.sort_by_key(|(rule, count)| {
        (std::cmp::Reverse((rules.rule(**rule).analytic.level, **count)), **rule)
    });
    for (rule, count) in sorted {
        let about = &rules.rule(*rule).analytic;
        *by_level.entry(about.level).or_default() += count;
        println!("{:>10}  {:<13}  {}", per_million(*count, records), about.level, about.name);
    }
    let serious: u64 = by_level.iter().filter(|(l, _)| **l >= Level::Medium).map(|(_, n)| n).sum();
    for (level, count) in by_level.iter().rev() {
        println!("{:>10}  a million records at level {level}", per_million(*count, records));
    }
    println!(
        "{:>10}  a million records at medium and above; {records} records, {} rules",
        per_million(serious, records),
        rules.len()
    );
}

/// The list of the shipped rules, by pack and folder.
fn page(records: u64, findings: &BTreeMap<u32, u64>, rules: &RuleSet) -> String {
    let mut folders: BTreeMap<&str, Vec<(&Rule, u64)>> = BTreeMap::new();
    let mut serious = 0;
    for (rule, number) in rules.rules().iter().zip(0..) {
        let count = findings.get(&number).copied().unwrap_or(0);
        serious += if rule.analytic.level >= Level::Medium { count } else { 0 };
        let folder = rule.path.split_once('/').map_or("", |(folder, _)| folder);
        folders.entry(folder).or_default().push((rule, count));
    }
    let mut page = format!(
        "# The shipped rules\n\n\
         {} rules, version {VERSION}. Beside each stands how often it fired among a million records of the\n\
         [synthetic organization](synthetic-organization.md), in which nothing is wrong: {} a million at medium and above in all, before any\n\
         tuning ({records} records, seed {SEED}). Rules that test enriched fields are silent there, as no files of facts are given.\n\
         `cargo run --release -p trailloop-benches --example rates` counts again and writes this page.\n",
        rules.len(),
        per_million(serious, records)
    );
    for (folder, mut listed) in folders {
        listed.sort_by_key(|(rule, _)| {
            (std::cmp::Reverse(rule.analytic.level), rule.analytic.name.clone())
        });
        let pack = matches!(folder, "compliance" | "cost" | "change");
        let kind = if pack { " (pack)" } else { "" };
        write!(page, "\n## {folder}{kind}\n\n| level | a million | rule | why this level |\n|---|---|---|---|\n")
            .expect("a String takes all");
        for (rule, count) in listed {
            let about = &rule.analytic;
            let reason = rule.level_reason.as_deref().unwrap_or_default();
            writeln!(
                page,
                "| {} | {} | [{}](../crates/content/rules/{}) | {} |",
                about.level,
                per_million(count, records),
                about.name,
                rule.path,
                reason.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
            )
            .expect("a String takes all");
        }
    }
    page
}
