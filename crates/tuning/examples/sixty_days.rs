//! Sixty simulated days of the loop, over many seeds: `sixty_days [--seeds N] [--first N] [--labels SHARE] [--chart FILE.svg|FILE.md]`.
//!
//! Prints what came of each seed and of all, and writes a chart of false positives a day. The simulation is that of the
//! tests, which run it with fewer seeds.

#![expect(clippy::print_stdout, reason = "an example that is run for what it prints")]

use std::process::ExitCode;

#[path = "../tests/it/sixty_days/mod.rs"]
mod sixty_days;

use sixty_days::outcome::{Outcome, Summary};
use sixty_days::{Setup, chart, run};

struct Options {
    first: u64,
    seeds: u64,
    labels: f64,
    chart: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options { first: 0, seeds: 50, labels: 1.0, chart: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} has no value"))?;
        let bad = |error: &dyn std::fmt::Display| format!("{word} {value}: {error}");
        match word.as_str() {
            "--first" => options.first = value.parse().map_err(|error| bad(&error))?,
            "--seeds" => options.seeds = value.parse().map_err(|error| bad(&error))?,
            "--labels" => options.labels = value.parse().map_err(|error| bad(&error))?,
            "--chart" => options.chart = Some(value),
            _ => return Err(format!("there is no option {word}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            println!("{error}; options are --first N, --seeds N, --labels SHARE, --chart FILE");
            return ExitCode::FAILURE;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let of_thread = |thread: u64| -> Vec<(u64, Outcome)> {
        let mine = (0..options.seeds).filter(|nth| nth % threads == thread);
        let labels = options.labels;
        mine.map(|nth| options.first + nth)
            .map(|seed| (seed, run(Setup { seed, labels })))
            .collect()
    };
    let mut outcomes: Vec<(u64, Outcome)> = std::thread::scope(|scope| {
        let of_thread = &of_thread;
        let started: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        started.into_iter().flat_map(|one| one.join().unwrap_or_default()).collect()
    });
    outcomes.sort_by_key(|(seed, _)| *seed);
    for (seed, outcome) in &outcomes {
        println!(
            "seed {seed}: {:.0} % fewer false positives a day, {} attacks ({} with a borrowed identity), hidden {:?}, {} steps quieted, {} filters merged, voided {:?}, refused {:?}",
            outcome.reduction(),
            outcome.attacks,
            outcome.borrowed,
            outcome.hidden,
            outcome.steps_quieted,
            outcome.merged,
            outcome.voided,
            outcome.refused,
        );
    }
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    let summary = Summary::of(&outcomes);
    println!("{summary}");
    if let Some(path) = &options.chart {
        let is_svg = path.rsplit('.').next() == Some("svg");
        let text =
            if is_svg { chart::svg(&outcomes) } else { chart::markdown(&outcomes, &summary) };
        if let Err(error) = std::fs::write(path, text) {
            println!("{path} is not written: {error}");
            return ExitCode::FAILURE;
        }
    }
    if summary.hidden == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
