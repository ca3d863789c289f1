//! How often a rule is right, and how sure one can be of it.
//!
//! Precision after verdicts is Beta(α₀ + Σw of hits, β₀ + Σw of misses). The prior is the level's: a rule of a high level is
//! believed more before anybody has judged it. From one distribution come three numbers, for three uses: the mean and half a
//! deviation to rank by, so that a new rule is looked at; the 10 % quantile to be allowed to act by; the 90 % quantile to be moved
//! down by. Wilson's interval is for display: after one hit of one its lower bound is .378, which nobody should act on.

use serde::{Deserialize, Serialize};
use trailloop_finding::Level;

use crate::beta;
use crate::judgement::Judgement;

/// After so long a verdict counts half: 90 days.
pub(crate) const HALF_LIFE_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// A verdict that was drawn with less probability than this counts as if it had been this, so that a single one cannot turn a rule.
const PROBABILITY_MIN: f64 = 0.01;

/// What a narrowed rule keeps of its history, in verdicts.
const CARRIED_MAX: f64 = 10.0;

/// The 90 % point of the normal distribution: a tenth lies above.
const Z_90: f64 = 1.281_551_565_544_8;

/// A verdict as evidence of a rule's precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// What it says.
    pub judgement: Judgement,
    /// How old it is.
    pub age_ms: i64,
    /// How much its author is relied on, from 0 to 1.
    pub reliance: f64,
    /// With which probability the finding was chosen to be judged: 1 if people chose it themselves.
    pub probability: f64,
}

impl Label {
    /// A verdict that somebody gave of their own accord.
    #[must_use]
    pub fn new(judgement: Judgement, age_ms: i64) -> Self {
        Self { judgement, age_ms, reliance: 1.0, probability: 1.0 }
    }

    /// How much it counts.
    #[must_use]
    pub fn weight(&self) -> f64 {
        // Clocks differ: a verdict from the future is new.
        let age = whole(self.age_ms.max(0)) / whole(HALF_LIFE_MS);
        within(self.reliance, 0.0, 1.0) * 0.5_f64.powf(age)
            / within(self.probability, PROBABILITY_MIN, 1.0)
    }
}

/// What has become of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It fires on the same as before: its words changed, not what it asks.
    Same,
    /// It fires on less than before, so what was said of it is still worth something.
    Narrowed,
    /// Anything else: it begins anew.
    Other,
}

/// What is believed of a rule's precision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Posterior {
    /// Hits, with those of the prior.
    pub alpha: f64,
    /// Misses, with those of the prior.
    pub beta: f64,
}

impl Posterior {
    /// What is believed of a rule of this level that nobody has judged.
    #[must_use]
    pub fn prior(level: Level) -> Self {
        let (alpha, beta) = match level {
            Level::Critical => (2.0, 2.0),
            Level::High => (1.5, 2.5),
            Level::Medium => (1.0, 3.0),
            Level::Low | Level::Informational => (0.25, 4.75),
        };
        Self { alpha, beta }
    }

    /// The prior of a rule after a change: of one that asks the same its history, of a narrowed one that as at most ten verdicts; else
    /// that of the level.
    #[must_use]
    pub fn carried_over(self, level: Level, change: Change) -> Self {
        let (alpha, beta) = self.parameters();
        match change {
            Change::Same => self,
            Change::Other => Self::prior(level),
            Change::Narrowed => {
                let scale = (CARRIED_MAX / (alpha + beta)).min(1.0);
                Self { alpha: alpha * scale, beta: beta * scale }
            }
        }
    }

    /// What is believed after a verdict.
    #[must_use]
    pub fn with(self, label: Label) -> Self {
        let Self { alpha, beta } = self;
        match label.judgement.is_hit() {
            Some(true) => Self { alpha: alpha + label.weight(), beta },
            Some(false) => Self { alpha, beta: beta + label.weight() },
            None => self,
        }
    }

    /// What is believed after all of these.
    #[must_use]
    pub fn with_all(self, labels: impl IntoIterator<Item = Label>) -> Self {
        labels.into_iter().fold(self, Self::with)
    }

    /// The expected precision.
    #[must_use]
    pub fn mean(self) -> f64 {
        let (alpha, beta) = self.parameters();
        alpha / (alpha + beta)
    }

    /// How far it may be from that.
    #[must_use]
    pub fn deviation(self) -> f64 {
        let (alpha, beta) = self.parameters();
        let all = alpha + beta;
        (alpha * beta / (all * all * (all + 1.0))).sqrt()
    }

    /// The precision below which it lies with this probability.
    #[must_use]
    pub fn quantile(self, probability: f64) -> f64 {
        let (alpha, beta) = self.parameters();
        beta::quantile(within(probability, 0.0, 1.0), alpha, beta)
    }

    /// What to rank by: hopeful of what is little known.
    #[must_use]
    pub fn for_rank(self) -> f64 {
        (self.mean() + 0.5 * self.deviation()).min(1.0)
    }

    /// What to be allowed to act by: surely no less.
    #[must_use]
    pub fn to_act(self) -> f64 {
        self.quantile(0.1)
    }

    /// What to be moved down by: surely no more.
    #[must_use]
    pub fn to_demote(self) -> f64 {
        self.quantile(0.9)
    }

    fn parameters(self) -> (f64, f64) {
        (beta::bounded(self.alpha), beta::bounded(self.beta))
    }
}

/// The true share behind an observed one, when those who judge find a hit with probability `sensitivity` and a miss with
/// `specificity` (Rogan and Gladen, 1978). None if they do no better than a coin.
#[must_use]
pub fn rogan_gladen(observed: f64, sensitivity: f64, specificity: f64) -> Option<f64> {
    let better_than_a_coin = sensitivity + specificity - 1.0;
    if better_than_a_coin.is_nan() || better_than_a_coin <= 0.0 {
        return None;
    }
    Some(within((observed + specificity - 1.0) / better_than_a_coin, 0.0, 1.0))
}

/// How often one person is right, from how often two agree who judged the same findings: `a² + (1−a)²` is the share of agreement
/// of two who err alike and independently. None without such findings, or if they agree less often than coins do.
#[must_use]
pub fn accuracy_of_agreement(agreed: u64, both_judged: u64) -> Option<f64> {
    if both_judged == 0 {
        return None;
    }
    let agreement = count(agreed) / count(both_judged);
    let twice = 2.0 * agreement - 1.0;
    (twice >= 0.0).then(|| f64::midpoint(1.0, twice.min(1.0).sqrt()))
}

/// Wilson's interval of a share, with a tenth on either side.
#[must_use]
pub fn wilson(hits: u64, all: u64) -> (f64, f64) {
    if all == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (count(all), count(hits.min(all)) / count(all));
    let z2 = Z_90 * Z_90;
    let middle = share + z2 / (2.0 * n);
    let half = Z_90 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z2 / n;
    (within((middle - half) / whole, 0.0, 1.0), within((middle + half) / whole, 0.0, 1.0))
}

/// The greatest rate of attacks among hidden findings that is still likely (95 %) when none of `audited` was one.
#[must_use]
pub fn bound_of_none(audited: u64) -> f64 {
    match audited {
        0 => 1.0,
        n => 1.0 - 0.05_f64.powf(1.0 / count(n)),
    }
}

/// A number in a range; what is none is the lowest.
pub(crate) fn within(value: f64, low: f64, high: f64) -> f64 {
    match value.is_nan() {
        true => low,
        false => value.clamp(low, high),
    }
}

/// Four digits: no more are meant, and what is kept reads back as what it was.
pub(crate) fn rounded(value: f64) -> f64 {
    match value.is_finite() {
        true => (value * 1e4).round() / 1e4,
        false => 0.0,
    }
}

/// A count as a number to compute with; beyond 2^53 the last digits are lost, which no share shows.
pub(crate) fn count(count: u64) -> f64 {
    count as f64
}

/// A time as a number to compute with.
pub(crate) fn whole(ms: i64) -> f64 {
    ms as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(hits: usize, misses: usize) -> Posterior {
        let said = |judgement, n| std::iter::repeat_n(Label::new(judgement, 0), n);
        Posterior::prior(Level::Medium)
            .with_all(said(Judgement::TruePositive, hits))
            .with_all(said(Judgement::BenignPositive, misses))
    }

    #[test]
    fn the_examples_that_are_documented() {
        let examples = [
            (0, 0, 0.25, 0.035, 0.536),
            (1, 0, 0.40, 0.143, 0.680),
            (3, 0, 0.571, 0.333, 0.799),
            (5, 5, 0.429, 0.264, 0.598),
            (0, 20, 0.042, 0.005, 0.095),
            (40, 10, 0.759, 0.683, 0.831),
        ];
        for (hits, misses, mean, low, high) in examples {
            let posterior = after(hits, misses);
            let near = |one: f64, other: f64| {
                assert!((one - other).abs() < 0.000_6, "{hits} and {misses}: {one} is not {other}");
            };
            near(posterior.mean(), mean);
            near(posterior.to_act(), low);
            near(posterior.to_demote(), high);
        }
        assert!((wilson(1, 1).0 - 0.378).abs() < 0.000_6);
        assert!((wilson(3, 3).0 - 0.646).abs() < 0.000_6);
        assert!((bound_of_none(60) - 0.049).abs() < 0.000_6);
        assert!((bound_of_none(200) - 0.015).abs() < 0.000_6);
    }

    #[test]
    fn a_verdict_counts_by_age_author_and_draw() {
        let label = Label::new(Judgement::TruePositive, HALF_LIFE_MS);
        assert!((label.weight() - 0.5).abs() < 1e-12);
        let drawn = Label { age_ms: 0, probability: 0.05, ..label };
        assert!((drawn.weight() - 20.0).abs() < 1e-12);
        let doubted = Label { reliance: 0.25, ..drawn };
        assert!((doubted.weight() - 5.0).abs() < 1e-12);
        // What says nothing of precision changes nothing.
        let prior = Posterior::prior(Level::High);
        for judgement in [Judgement::Test, Judgement::Duplicate, Judgement::Inconclusive] {
            assert_eq!(prior.with(Label::new(judgement, 0)), prior);
        }
    }

    #[test]
    fn a_narrowed_rule_keeps_its_mean_and_ten_verdicts() {
        let old = after(40, 10);
        let new = old.carried_over(Level::Medium, Change::Narrowed);
        assert!((new.mean() - old.mean()).abs() < 1e-12);
        assert!((new.alpha + new.beta - 10.0).abs() < 1e-12);
        assert_eq!(after(1, 0).carried_over(Level::Medium, Change::Narrowed), after(1, 0));
        let anew = old.carried_over(Level::Critical, Change::Other);
        assert_eq!(anew, Posterior::prior(Level::Critical));
    }

    #[test]
    fn noise_of_those_who_judge_is_taken_out() {
        // Of 1,000 findings 300 are attacks; who errs in 17 % says so of 249 + 119.
        let corrected = rogan_gladen(0.368, 0.83, 0.83).unwrap();
        assert!((corrected - 0.3).abs() < 1e-9);
        assert_eq!(rogan_gladen(0.5, 0.5, 0.5), None);
        let agreed = 0.83 * 0.83 + 0.17 * 0.17;
        assert!((f64::from(7_178) / 10_000.0 - agreed).abs() < 1e-9);
        assert!((accuracy_of_agreement(7_178, 10_000).unwrap() - 0.83).abs() < 1e-9);
        assert_eq!(accuracy_of_agreement(1, 10), None);
    }

    proptest! {
        #[test]
        fn more_hits_never_lower_what_is_believed(hits in 0..50_usize, misses in 0..50_usize) {
            let (one, more) = (after(hits, misses), after(hits + 1, misses));
            prop_assert!(more.mean() > one.mean());
            prop_assert!(more.to_act() >= one.to_act());
            prop_assert!(one.to_act() <= one.mean() && one.mean() <= one.to_demote() + 0.2);
        }

        #[test]
        fn no_label_takes_it_out_of_bounds(
            age_ms: i64, reliance: f64, probability: f64, alpha: f64, beta: f64,
        ) {
            let label = Label { judgement: Judgement::TruePositive, age_ms, reliance, probability };
            prop_assert!((0.0..=100.0).contains(&label.weight()));
            let posterior = Posterior { alpha, beta }.with(label);
            for value in [posterior.mean(), posterior.for_rank(), posterior.to_act()] {
                prop_assert!((0.0..=1.0).contains(&value), "{}", value);
            }
        }
    }
}
