//! How long things took: AWS's delivery apart from ours, detection, containment, decision.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::judgement::Standing;
use crate::observed::{Observed, share};

/// Within so long a finding should have been judged: a day.
pub const JUDGED_WITHIN_MS: i64 = 24 * 60 * 60 * 1000;

/// How long something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Times {
    /// Of how many it is known.
    pub known: u64,
    /// The median, in milliseconds.
    pub p50_ms: Option<i64>,
    /// What 95 of 100 keep.
    pub p95_ms: Option<i64>,
}

impl Times {
    /// The quantiles by nearest rank.
    #[must_use]
    pub fn of(mut times: Vec<i64>) -> Self {
        times.sort_unstable();
        let nearest = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).copied()
        };
        Self { known: times.len() as u64, p50_ms: nearest(50), p95_ms: nearest(95) }
    }
}

/// The day of a time, in UTC.
#[must_use]
pub fn day_of(at_ms: i64) -> String {
    let day = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    day.strftime("%Y-%m-%d").to_string()
}

/// How long the stages took.
pub(crate) struct Stages {
    pub(crate) delivery: Times,
    pub(crate) ours: Times,
    pub(crate) to_detect: Times,
    pub(crate) to_contain: Times,
    pub(crate) to_decide: Times,
}

impl Stages {
    pub(crate) fn of(group: &[Observed<'_>], standings: &[Option<Standing>]) -> Self {
        let times = |time: fn(&Entry, Option<&Standing>) -> Option<i64>| {
            let pairs = group.iter().zip(standings);
            let known = pairs.filter_map(|(one, standing)| time(one.entry, standing.as_ref()));
            Times::of(known.collect())
        };
        Self {
            delivery: times(|entry, _| between(entry.clocks.event_ms, entry.clocks.received_ms)),
            ours: times(|entry, _| between(entry.clocks.received_ms, entry.clocks.finding_ms)),
            to_detect: times(|entry, _| between(entry.clocks.event_ms, entry.clocks.finding_ms)),
            to_contain: times(|entry, _| between(entry.clocks.event_ms, entry.clocks.contained_ms)),
            to_decide: times(|entry, standing| {
                between(found_ms(entry), verdict_ms(entry, standing))
            }),
        }
    }
}

/// The share of findings a day old that had been judged within a day.
pub(crate) fn judged_in_time(
    group: &[Observed<'_>],
    standings: &[Option<Standing>],
    now_ms: i64,
) -> Option<f64> {
    let (mut due, mut in_time) = (0, 0);
    for (one, standing) in group.iter().zip(standings) {
        let found = found_ms(one.entry).unwrap_or(one.entry.first_ms);
        if now_ms.saturating_sub(found) < JUDGED_WITHIN_MS {
            continue;
        }
        due += 1;
        let verdict = verdict_ms(one.entry, standing.as_ref());
        in_time += u64::from(
            verdict.is_some_and(|verdict| verdict.saturating_sub(found) <= JUDGED_WITHIN_MS),
        );
    }
    share(in_time, due)
}

/// When the finding was made; of one whose making was not timed, when it happened.
fn found_ms(entry: &Entry) -> Option<i64> {
    entry.clocks.finding_ms.or(entry.clocks.event_ms)
}

/// When somebody first judged.
fn verdict_ms(entry: &Entry, standing: Option<&Standing>) -> Option<i64> {
    standing.map(|standing| standing.first_ms).or(entry.clocks.verdict_ms)
}

/// From one time to another. Clocks of different machines differ, so what seems to go backwards took no time.
pub(crate) fn between(from_ms: Option<i64>, to_ms: Option<i64>) -> Option<i64> {
    Some(to_ms?.saturating_sub(from_ms?).max(0))
}
