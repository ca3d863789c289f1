//! What came of it, as a table of Markdown.

use trailloop_benches::corpus::Corpus;
use trailloop_benches::rules::Share;

use crate::contender::{Contender, Outcome};

const HEADING: &str = "| What | Threads | MB/s of JSON | records/s | to (a) | to (b) | CPU to (a) | Candidates | Findings | Peak, MB |\n\
                       |---|---|---|---|---|---|---|---|---|---|";

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
pub(crate) fn print(title: &str, corpus: &Corpus, contenders: &[Contender], rounds: usize) {
    println!("\n## {title}\n\n{}; best of {rounds} rounds\n\n{HEADING}", corpus.describe());
    for contender in contenders {
        println!("{}", row(contender, contenders, corpus));
    }
}

fn row(contender: &Contender, all: &[Contender], corpus: &Corpus) -> String {
    let Contender { name, threads, share, best, .. } = contender;
    let best = match best {
        Ok(best) => best,
        Err(reason) => return format!("| {name} | {threads} | skipped: {reason} | | | | | | | |"),
    };
    // A bound on as many threads, and how this one's speed by some measure stands to it.
    let to = |letter: &str, speed: fn(&Outcome, &Corpus) -> f64| {
        let is_it =
            |other: &&Contender| other.name.starts_with(letter) && other.threads == *threads;
        let bound = all.iter().find(is_it).and_then(|bound| bound.best.as_ref().ok());
        let ratio = bound.map(|bound| speed(best, corpus) / speed(bound, corpus));
        ratio.filter(|ratio| ratio.is_finite()).map_or(String::new(), |ratio| format!("{ratio:.2}"))
    };
    let candidates = share.map_or(String::new(), |Share { records, candidates, .. }| {
        format!("{:.3}", per(candidates as u64, records as u64))
    });
    let (mut records, mut findings) = (String::new(), String::new());
    if best.records > 0 {
        records = format!("{:.0}", per(best.records, 1) / best.took.as_secs_f64());
        findings = format!("{:.5}", per(best.findings, best.records));
    }
    let peak = match best.peak_bytes {
        0 => String::new(),
        bytes => (bytes / 1_000_000).to_string(),
    };
    format!(
        "| {name} | {threads} | {:.0} | {records} | {} | {} | {} | {candidates} | {findings} | {peak} |",
        rate(best, corpus),
        to("(a)", rate),
        to("(b)", rate),
        to("(a)", rate_of_cpu)
    )
}

/// Millions of bytes of JSON in a second.
pub(crate) fn rate(outcome: &Outcome, corpus: &Corpus) -> f64 {
    megabytes(outcome, corpus) / outcome.took.as_secs_f64()
}

/// Millions of bytes of JSON in a second of one processor; not finite if that time isn't known.
pub(crate) fn rate_of_cpu(outcome: &Outcome, corpus: &Corpus) -> f64 {
    megabytes(outcome, corpus) / outcome.cpu.as_secs_f64()
}

/// Who does not count bytes went over the whole corpus.
fn megabytes(outcome: &Outcome, corpus: &Corpus) -> f64 {
    let bytes = if outcome.bytes_raw == 0 { corpus.bytes_raw } else { outcome.bytes_raw };
    per(bytes, 1_000_000)
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn per(count: u64, of: u64) -> f64 {
    count as f64 / of as f64
}
