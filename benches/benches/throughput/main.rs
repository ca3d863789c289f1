//! How fast log objects are read and matched, beside what bounds it and what others do with the same files.
//!
//! Each contender runs in a process of its own, so that none inherits another's memory, branch history or peak; they
//! take turns, round by round, because a machine that is shared drifts; the best round of each counts. A process reads
//! files that lie in the page cache, does its work on so many threads, and says how long that took, its start and the
//! compilation of rules aside.
//!
//!     cargo bench -p trailloop-benches --bench throughput
//!     cargo bench -p trailloop-benches --bench throughput -- --help
//!
//! The bounds and Trailloop go over their corpus three times in one process, so that what a process does once counts for little. Peers are
//! slow, so they go over one object. Candidates are the share of records for which the index leaves a rule to be
//! tried, counted over a sample; findings are those of a record, on average.
//!
//! The bounds: (a) libdeflate inflating each object whole into one buffer, and nothing else; (b) the same and simd-json
//! writing a tape of the whole object. Corpora are made once, from the seed, and described in
//! `docs/synthetic-organization.md`.

mod bounds;
mod contender;
mod hostile;
mod ours;
mod peers;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use trailloop_benches::corpus::Corpus;
use trailloop_benches::process::machine;
use trailloop_benches::python::python;

use crate::contender::Contender;

/// Measures throughput on corpora of log objects.
#[derive(Debug, Parser)]
#[command(name = "throughput")]
struct Arguments {
    /// What to measure on. May be given several times [default: all].
    #[arg(long, value_name = "CORPUS")]
    corpus: Vec<Kind>,
    /// Only contenders whose name holds this; the bounds are always run.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Rounds, of which the best counts.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Objects of the corpus of tiny ones.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    tiny_objects: u32,
    /// Objects of the corpus of busy ones.
    #[arg(long, value_name = "N", default_value_t = 120)]
    busy_objects: u32,
    /// Objects of the corpus of large ones.
    #[arg(long, value_name = "N", default_value_t = 2)]
    large_objects: u32,
    /// Where corpora are kept, and what others need.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/throughput"))]
    folder: PathBuf,
    /// What cargo says when it runs benchmarks.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The corpora.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Objects of a few records.
    Tiny,
    /// Objects of 8,000 records.
    Busy,
    /// Objects of 50 MB compressed.
    Large,
    /// Objects that somebody made to cost much.
    Hostile,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(contender::CHILD) => contender::child(arguments),
        Some("replay") => ours::command(),
        _ => {
            let arguments = Arguments::parse();
            // `cargo test --benches` runs this too; there is nothing to test here.
            if arguments.bench {
                measure(&arguments);
            }
            ExitCode::SUCCESS
        }
    }
}

fn measure(arguments: &Arguments) {
    machine();
    let asked = |kind| arguments.corpus.is_empty() || arguments.corpus.contains(&kind);
    let folder = |name: &str| arguments.folder.join(name);
    if asked(Kind::Tiny) {
        let corpus = Corpus::synthetic(folder("tiny"), arguments.tiny_objects, 5);
        compete("Tiny objects", &corpus, Contender::on_tiny(), arguments);
    }
    if asked(Kind::Busy) {
        let corpus = Corpus::synthetic(folder("busy"), arguments.busy_objects, 8000);
        let mut contenders = Contender::on_busy();
        match python(&arguments.folder) {
            Ok(python) => contenders.extend(Contender::of_duckdb(&python)),
            Err(error) => contenders.push(Contender::skipped("DuckDB", error)),
        }
        match peers::install_rsigma() {
            Ok(()) => contenders.extend(Contender::of_rsigma_as_command()),
            Err(error) => contenders.push(Contender::skipped("rsigma, the command", error)),
        }
        compete("Busy objects", &corpus, contenders, arguments);
    }
    if asked(Kind::Large) {
        let corpus = Corpus::synthetic(folder("large"), arguments.large_objects, 288_000);
        compete("Large objects", &corpus, Contender::on_large(), arguments);
    }
    if asked(Kind::Hostile) {
        hostile::measure(arguments);
    }
}

/// Runs contenders in turns and prints what came of it.
fn compete(title: &str, corpus: &Corpus, contenders: Vec<Contender>, arguments: &Arguments) {
    let only = arguments.only.as_deref().unwrap_or_default();
    let mut contenders: Vec<Contender> = contenders
        .into_iter()
        .filter(|contender| contender.is_bound() || contender.name.contains(only))
        .collect();
    corpus.warm();
    for _ in 0..arguments.rounds {
        for contender in &mut contenders {
            contender.run(corpus);
            assert!(contender.read_all(corpus), "{} left something out", contender.name);
        }
    }
    table::print(title, corpus, &contenders, arguments.rounds);
}
