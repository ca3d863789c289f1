//! What is counted: harmless findings that people see, attacks that they don't, and where the others stand in the queue.

use std::collections::{BTreeMap, BTreeSet};

use trailloop_tuning::Voided;

use super::DAYS;
use super::rank::{Place, Ranking};
use super::service::Finding;
use super::world::{How, World};

/// The first of the queue that everybody sees.
const TOP: usize = 20;

/// Counted day by day.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    false_positives: Vec<u32>,
    true_positives: Vec<u32>,
    in_top: Vec<u32>,
    in_top_by_level: Vec<u32>,
    brier: Vec<f64>,
    brier_by_level: Vec<f64>,
    ranked: Vec<u32>,
    pub(crate) merged: u32,
    pub(crate) refused: BTreeMap<u8, u32>,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Harmless findings that people see, a day.
    pub(crate) false_positives: Vec<u32>,
    /// Findings of attacks that people see, a day, and how many of them stand in the top twenty: by our order, and by level.
    pub(crate) true_positives: Vec<u32>,
    pub(crate) in_top: Vec<u32>,
    pub(crate) in_top_by_level: Vec<u32>,
    /// The sums of squared errors of the last thirty days: ours, and of the levels; and of how many findings.
    pub(crate) brier: f64,
    pub(crate) brier_by_level: f64,
    pub(crate) ranked: u32,
    /// Attacks, and those of which no finding was visible on its day.
    pub(crate) attacks: usize,
    pub(crate) hidden: Vec<How>,
    /// Findings of attacks that were made quieter while another of the same attack was visible.
    pub(crate) steps_quieted: usize,
    pub(crate) merged: u32,
    /// How often each tripwire voided a filter.
    pub(crate) voided: BTreeMap<&'static str, usize>,
    /// Attackers who used the identity of an automation or a person.
    pub(crate) borrowed: usize,
    /// How often each gate refused.
    pub(crate) refused: BTreeMap<u8, u32>,
}

impl Tally {
    pub(crate) fn day(&mut self, findings: &[Finding], queue: &[Place], ranking: &Ranking) {
        let finding = |seen: &Place| &findings[seen.finding];
        let is_attack = |seen: &&Place| finding(seen).attack.is_some();
        self.false_positives.push(count(queue.iter().filter(|seen| !is_attack(seen)).count()));
        self.true_positives.push(count(queue.iter().filter(is_attack).count()));
        self.in_top.push(count(queue.iter().take(TOP).filter(is_attack).count()));
        // Without the loop: by level, oldest first.
        let mut by_level: Vec<&Place> = queue.iter().collect();
        by_level.sort_by(|a, b| {
            let level = |seen: &Place| ranking.of_level(finding(seen).rule);
            level(b).total_cmp(&level(a)).then(a.finding.cmp(&b.finding))
        });
        self.in_top_by_level.push(count(by_level.into_iter().take(TOP).filter(is_attack).count()));
        let squared = |probability: f64, seen: &Place| {
            let truth = if finding(seen).attack.is_some() { 1.0 } else { 0.0 };
            (probability - truth) * (probability - truth)
        };
        self.brier.push(queue.iter().map(|seen| squared(seen.probability, seen)).sum());
        self.brier_by_level.push(
            queue.iter().map(|seen| squared(ranking.of_level(finding(seen).rule), seen)).sum(),
        );
        self.ranked.push(count(queue.len()));
    }

    pub(crate) fn outcome(self, world: &World, findings: &[Finding], voided: &[Voided]) -> Outcome {
        let visible: BTreeSet<usize> =
            findings.iter().filter(|one| !one.is_quieted).filter_map(|one| one.attack).collect();
        let seen: BTreeSet<usize> = findings.iter().filter_map(|one| one.attack).collect();
        let late = usize::from(DAYS / 2);
        Outcome {
            false_positives: self.false_positives,
            true_positives: self.true_positives,
            in_top: self.in_top,
            in_top_by_level: self.in_top_by_level,
            brier: self.brier[late..].iter().sum(),
            brier_by_level: self.brier_by_level[late..].iter().sum(),
            ranked: self.ranked[late..].iter().sum(),
            attacks: world.attacks(),
            hidden: seen.difference(&visible).map(|attack| world.how(*attack)).collect(),
            steps_quieted: findings
                .iter()
                .filter(|one| one.is_quieted && one.attack.is_some())
                .count(),
            merged: self.merged,
            voided: voided.iter().fold(BTreeMap::new(), |mut counts, one| {
                *counts.entry(one.tripwire).or_default() += 1;
                counts
            }),
            borrowed: (0..world.attacks()).filter(|nth| world.how(*nth) != How::Foothold).count(),
            refused: self.refused,
        }
    }
}

impl Outcome {
    /// How many of a hundred harmless findings a day are gone in the last week, measured by the first.
    pub(crate) fn reduction(&self) -> f64 {
        let week = |days: &[u32]| days.iter().map(|day| f64::from(*day)).sum::<f64>();
        let first = week(&self.false_positives[..7]);
        let last = week(&self.false_positives[self.false_positives.len() - 7..]);
        100.0 * (1.0 - last / first)
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Many runs together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) seeds: usize,
    /// The least and the mean of [`Outcome::reduction`], and how many runs reach seventy.
    pub(crate) reduction_least: f64,
    pub(crate) reduction_mean: f64,
    pub(crate) reduced: usize,
    pub(crate) attacks: usize,
    pub(crate) hidden: usize,
    pub(crate) steps_quieted: usize,
    /// The share of findings of attacks in the top twenty: first two weeks, last two, and the last two by level alone.
    pub(crate) top_first: f64,
    pub(crate) top_last: f64,
    pub(crate) top_by_level: f64,
    /// The same of all days: ours, and by level alone.
    pub(crate) top: f64,
    pub(crate) top_by_level_all: f64,
    /// The mean squared error of the last thirty days, ours and that of levels.
    pub(crate) brier: f64,
    pub(crate) brier_by_level: f64,
    pub(crate) merged: u32,
    pub(crate) voided: usize,
}

impl Summary {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX)).max(1.0);
        let reductions: Vec<f64> = outcomes.iter().map(Outcome::reduction).collect();
        let share = |top: fn(&Outcome) -> &[u32], from: usize, to: usize| {
            let sum = |of: fn(&Outcome) -> &[u32]| -> u32 {
                outcomes.iter().flat_map(|one| of(one)[from..to].iter()).sum()
            };
            f64::from(sum(top)) / f64::from(sum(|one| &one.true_positives)).max(1.0)
        };
        let days = usize::from(DAYS);
        let ranked: u32 = outcomes.iter().map(|one| one.ranked).sum();
        Self {
            seeds: outcomes.len(),
            reduction_least: reductions.iter().copied().fold(100.0, f64::min),
            reduction_mean: reductions.iter().sum::<f64>() / number(outcomes.len()),
            reduced: reductions.iter().filter(|one| **one >= 70.0).count(),
            attacks: outcomes.iter().map(|one| one.attacks).sum(),
            hidden: outcomes.iter().map(|one| one.hidden.len()).sum(),
            steps_quieted: outcomes.iter().map(|one| one.steps_quieted).sum(),
            top_first: share(|one| &one.in_top, 0, 14),
            top_last: share(|one| &one.in_top, days - 14, days),
            top_by_level: share(|one| &one.in_top_by_level, days - 14, days),
            top: share(|one| &one.in_top, 0, days),
            top_by_level_all: share(|one| &one.in_top_by_level, 0, days),
            brier: outcomes.iter().map(|one| one.brier).sum::<f64>() / f64::from(ranked.max(1)),
            brier_by_level: outcomes.iter().map(|one| one.brier_by_level).sum::<f64>()
                / f64::from(ranked.max(1)),
            merged: outcomes.iter().map(|one| one.merged).sum(),
            voided: outcomes.iter().map(|one| one.voided.values().sum::<usize>()).sum(),
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} seeds: {:.1} % fewer false positives a day in the last week than in the first (least {:.1} %, {} seeds reach 70 %); {} of {} attacks hidden, {} of their findings quieted beside visible ones; {:.0} % of findings of attacks in the top 20 in the first two weeks, {:.0} % in the last two ({:.0} % by level alone), over all days {:.0} % ({:.0} % by level alone); Brier {:.3}, of levels {:.3}; {} filters merged, {} voided",
            self.seeds,
            self.reduction_mean,
            self.reduction_least,
            self.reduced,
            self.hidden,
            self.attacks,
            self.steps_quieted,
            self.top_first * 100.0,
            self.top_last * 100.0,
            self.top_by_level * 100.0,
            self.top * 100.0,
            self.top_by_level_all * 100.0,
            self.brier,
            self.brier_by_level,
            self.merged,
            self.voided,
        )
    }
}
