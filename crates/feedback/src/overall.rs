//! All findings of a window together, and day by day.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::judgement::{Standing, last_words};
use crate::observed::{Observed, Window, standings};
use crate::posterior::{accuracy_of_agreement, rounded};
use crate::times::{Stages, Times, day_of, judged_in_time};

/// All findings of a window together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overall {
    /// How many findings.
    pub findings: u64,
    /// How many, as they are folded.
    pub folded: u64,
    /// How many of these nobody has judged: the queue.
    pub waiting: u64,
    /// Of how many people disagree.
    pub disputed: u64,
    /// The share of those a day old that had been judged within a day; none if none is so old.
    pub judged_in_time: Option<f64>,
    /// Of how many at least two people said whether they were attacks.
    pub judged_twice: u64,
    /// How often one person is right, as the agreement of two tells; none if nothing was judged twice.
    pub accuracy: Option<f64>,
    /// From event to receipt, which is AWS's.
    pub delivery: Times,
    /// From receipt to finding, which is ours.
    pub ours: Times,
    /// From event to finding.
    pub to_detect: Times,
    /// From event to what is proven to hold.
    pub to_contain: Times,
    /// From finding to verdict.
    pub to_decide: Times,
}

/// All findings of a window together.
#[must_use]
pub fn overall(observed: &[Observed<'_>], window: Window) -> Overall {
    let group: Vec<Observed<'_>> =
        observed.iter().filter(|one| window.holds(one.entry)).copied().collect();
    let standings = standings(&group);
    let stages = Stages::of(&group, &standings);
    let (agreed, judged_twice) = agreement(&group);
    Overall {
        findings: group.iter().map(|one| one.entry.count()).sum(),
        folded: group.len() as u64,
        waiting: standings.iter().filter(|standing| standing.is_none()).count() as u64,
        disputed: standings.iter().flatten().filter(|standing| standing.disagrees).count() as u64,
        judged_in_time: judged_in_time(&group, &standings, window.to_ms),
        judged_twice,
        accuracy: accuracy_of_agreement(agreed, judged_twice).map(rounded),
        delivery: stages.delivery,
        ours: stages.ours,
        to_detect: stages.to_detect,
        to_contain: stages.to_contain,
        to_decide: stages.to_decide,
    }
}

/// How often two people who judged the same finding agree on whether it was an attack, and how often two did. Of more than two the
/// first two by name count, so that no finding counts twice.
fn agreement(group: &[Observed<'_>]) -> (u64, u64) {
    let (mut agreed, mut both) = (0, 0);
    for one in group {
        let words = last_words(one.opinions);
        let mut said = words.values().filter_map(|opinion| opinion.judgement.is_hit());
        if let (Some(first), Some(second)) = (said.next(), said.next()) {
            both += 1;
            agreed += u64::from(first == second);
        }
    }
    (agreed, both)
}

/// How many findings of each kind a day had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// The day, such as `2026-11-26`.
    pub day: String,
    /// How many findings by what they were judged to be; by an empty name those that nobody has judged.
    pub by_verdict: BTreeMap<String, u64>,
}

/// The name in [`Day`] of what nobody has judged.
pub const UNJUDGED: &str = "";

/// What happened on each day of a window, by the day of the first finding; days without any stand between.
#[must_use]
pub fn days(observed: &[Observed<'_>], window: Window) -> Vec<Day> {
    /// No report shows more.
    const DAYS_MAX: i64 = 366;
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let (last, first) =
        (window.to_ms.saturating_sub(1).div_euclid(DAY_MS), window.from_ms.div_euclid(DAY_MS));
    let first = first.max(last.saturating_sub(DAYS_MAX - 1));
    let mut days = BTreeMap::new();
    for day in first..=last {
        let day_ms = day.saturating_mul(DAY_MS);
        days.insert(day, Day { day: day_of(day_ms), ..Day::default() });
    }
    for one in observed {
        let Some(day) = days.get_mut(&one.entry.first_ms.div_euclid(DAY_MS)) else { continue };
        let standing = Standing::of(one.opinions);
        let verdict = standing.map_or(UNJUDGED, |standing| standing.judgement.name());
        *day.by_verdict.entry(verdict.to_owned()).or_default() += one.entry.count();
    }
    days.into_values().collect()
}
