//! How fast queries are answered over log objects, beside other engines over the same files; and how few objects a question
//! for one key opens.
//!
//! Speed: two questions over large objects, how often each call occurs, and everything of one access key. Each engine runs
//! in a process of its own; they take turns, round by round, because a machine that is shared drifts; the best round of each
//! counts. A process reads files that lie in the page cache and says how long the query took, its own start aside. DuckDB
//! and chdb are asked in the fastest way that was found for each: with the types of the columns named that the question
//! needs, and DuckDB also by the query that one writes first.
//!
//! The needle: everything that one key did in 30 days, over small objects of 200 accounts, with an index and without.
//!
//!     cargo bench -p trailloop-benches --bench queries
//!     cargo bench -p trailloop-benches --bench queries -- --help

mod engines;
mod needle;
mod speed;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use trailloop_benches::process::machine;

/// Measures queries.
#[derive(Debug, Parser)]
#[command(name = "queries")]
struct Arguments {
    /// What to measure. May be given several times [default: all].
    #[arg(long, value_name = "WHAT")]
    what: Vec<What>,
    /// Only engines whose name holds this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Rounds, of which the best counts.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Objects of 8,000 records for the measurement of speed; 88 are 1 GB of JSON.
    #[arg(long, value_name = "N", default_value_t = 88)]
    objects: u32,
    /// Objects of a few records for the needle.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    small_objects: u32,
    /// Where corpora are kept, and what other engines need.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/queries"))]
    folder: PathBuf,
    /// What cargo says when it runs benchmarks.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Two questions over large objects, beside other engines.
    Speed,
    /// One key among very many small objects, with an index.
    Needle,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(engines::CHILD) {
        return engines::child(arguments);
    }
    let arguments = Arguments::parse();
    // `cargo test --benches` runs this too; there is nothing to test here.
    if arguments.bench {
        let asked = |what| arguments.what.is_empty() || arguments.what.contains(&what);
        machine();
        if asked(What::Speed) {
            speed::measure(&arguments);
        }
        if asked(What::Needle) {
            needle::measure(&arguments);
        }
    }
    ExitCode::SUCCESS
}
