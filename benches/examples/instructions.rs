//! Matching and nothing else, for an instrument that counts instructions: the counts repeat to a thousandth on a busy
//! machine, where times don't.
//!
//! ```sh
//! cargo build --release -p trailloop-benches --example instructions
//! valgrind --tool=callgrind --toggle-collect='*matches_into*' target/release/examples/instructions 800
//! ```
//!
//! Divide what valgrind says it collected by the records that this says it matched; `callgrind_annotate` has the rest.
//! A second argument `real` takes the real records beside the repository.

use trailloop_benches::records::Records;
use trailloop_benches::synthetic_rules;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::MatchScratch;

/// Each is matched once, so that what an engine remembers of values it has seen is worth no more than in a stream.
const RECORDS: u16 = 4000;

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(800, |count| count.parse().expect("a number of rules"));
    let records = match arguments.next().as_deref() {
        Some("real") => Records::real(RECORDS.into()).expect("they lie beside the repository"),
        _ => Records::synthetic(RECORDS.into()),
    };
    let rules = synthetic_rules(count);
    let mut buffers: Vec<RecordBuffer<'_>> =
        records.each.iter().map(|_| RecordBuffer::new()).collect();
    let parsed: Vec<Record<'_>> = records
        .each
        .iter()
        .zip(&mut buffers)
        .map(|(record, buffer)| Record::parse(record, buffer).expect("the records are valid"))
        .collect();
    let (mut scratch, mut hits, mut matches) = (MatchScratch::default(), Vec::new(), 0);
    for record in &parsed {
        rules.matches_into(record, &mut scratch, &mut hits);
        matches += hits.len();
    }
    println!("{count} rules, {} records, {matches} matches", parsed.len());
}
