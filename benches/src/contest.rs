//! Several engines over the same records, in turns, on a machine that may be busy.
//!
//! A round is one way through all records by one engine; then it is the next one's turn. The records are taken in
//! parts of [`PART`]. Of each part an engine's best round counts, because a short part finds an undisturbed moment
//! sooner than a whole round does. Each part is gone over twice and the second time is taken, so that the records are
//! in the cache, as they are for an engine that has just parsed them.

use std::ops::Range;
use std::time::{Duration, Instant};

/// The most rounds.
pub const ROUNDS: usize = 100;

/// So many records are timed together.
pub const PART: usize = 50;

/// An engine that took this long takes part in no further round, after three.
const ENGINE_MAX: Duration = Duration::from_secs(3);

/// What came of an engine's rounds.
pub struct Outcome {
    /// How often rules matched, in one round.
    pub matches: usize,
    /// The time for all records.
    pub time: Duration,
}

/// Runs each in turn, round after round, over so many records. An engine is given which records to go over, the
/// [`PART`] of a number, and answers how often rules matched.
pub fn compete<const N: usize>(
    records: usize,
    mut engines: [&mut dyn FnMut(Range<usize>) -> usize; N],
) -> [Outcome; N] {
    let parts = records.div_ceil(PART);
    let mut best = vec![[Duration::MAX; N]; parts];
    let (mut matches, mut spent) = ([0; N], [Duration::ZERO; N]);
    for round in 0..ROUNDS {
        for (nth, engine) in engines.iter_mut().enumerate() {
            if round >= 3 && spent[nth] >= ENGINE_MAX {
                continue;
            }
            for (part, best) in best.iter_mut().enumerate() {
                let range = part * PART..records.min((part + 1) * PART);
                let found = engine(range.clone());
                let started = Instant::now();
                assert_eq!(engine(range), found, "an engine changed its mind");
                let took = started.elapsed();
                best[nth] = took.min(best[nth]);
                spent[nth] += took;
                matches[nth] += if round == 0 { found } else { 0 };
            }
        }
    }
    std::array::from_fn(|nth| Outcome {
        matches: matches[nth],
        time: best.iter().map(|best| best[nth]).sum(),
    })
}
