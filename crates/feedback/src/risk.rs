//! How much risk an entity has gathered: whom to look at, whatever each finding says by itself.
//!
//! The sum is that of Elastic's risk engine, as its documentation gives it: scores in descending order, the i-th divided by i^1.5,
//! all by ζ(1.5), so that a hundred small ones never weigh as much as one great one; the criticality of the entity multiplies the
//! *odds*. Ours adds that a contribution fades (half-life of a day), that one rule counts at most three times its greatest score
//! (Splunk's limit of stacking), and that verdicts count.
//!
//! The entity is the root of a credential's lineage, not a session: else each new session would begin innocent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trailloop_finding::Level;

use crate::judgement::Judgement;
use crate::posterior::{whole, within};

/// The riskiest there is.
const RISK_MAX: f64 = 100.0;

/// The sum of i^-1.5 over all i.
const ZETA: f64 = 2.612_375_348_685_488;

/// After so long a contribution counts half.
const HALF_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// What counts of a finding that a filter moved down, and of legitimate behaviour.
const QUIET_SHARE: f64 = 0.2;

/// One rule counts at most so many times its greatest score.
const STACK_MAX: f64 = 3.0;

/// How much an entity or an account matters.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// A sandbox.
    Low,
    /// As most.
    #[default]
    Normal,
    /// Production.
    High,
    /// What the whole organization hangs on.
    Critical,
}

impl Criticality {
    /// By what odds and impact are multiplied.
    #[must_use]
    pub fn factor(self) -> f64 {
        match self {
            Self::Low => 0.5,
            Self::Normal => 1.0,
            Self::High => 1.5,
            Self::Critical => 2.0,
        }
    }

    /// The name, such as `critical`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a finding of this level adds, of a hundred: those of the public rules' risk scores.
#[must_use]
pub fn score_of(level: Level) -> f64 {
    match level {
        Level::Informational => 5.0,
        Level::Low => 21.0,
        Level::Medium => 47.0,
        Level::High => 73.0,
        Level::Critical => 99.0,
    }
}

/// What one finding adds to the risk of its entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// The rule.
    pub rule: String,
    /// How much, from 0 to 100.
    pub score: f64,
    /// When, in milliseconds of Unix time.
    pub at_ms: i64,
    /// What it was judged to be.
    pub judgement: Option<Judgement>,
    /// A filter moved it down.
    pub is_suppressed: bool,
}

impl Contribution {
    /// What is left of it.
    fn left(&self, now_ms: i64) -> f64 {
        let score = within(self.score, 0.0, RISK_MAX);
        let age = whole(now_ms.saturating_sub(self.at_ms).max(0)) / whole(HALF_LIFE_MS);
        let faded = score * 0.5_f64.powf(age);
        match self.judgement {
            // An attack does not become less of one by waiting.
            Some(Judgement::TruePositive) => score,
            Some(Judgement::FalsePositive | Judgement::Test | Judgement::Duplicate) => 0.0,
            Some(Judgement::BenignPositive) => faded * QUIET_SHARE,
            Some(Judgement::Inconclusive) | None if self.is_suppressed => faded * QUIET_SHARE,
            Some(Judgement::Inconclusive) | None => faded,
        }
    }
}

/// The risk of an entity, from 0 to 100.
#[must_use]
pub fn risk(contributions: &[Contribution], criticality: Criticality, now_ms: i64) -> f64 {
    let mut by_rule = BTreeMap::<&str, (f64, Vec<f64>)>::new();
    for contribution in contributions {
        let (most, scores) = by_rule.entry(&contribution.rule).or_default();
        *most = most.max(within(contribution.score, 0.0, RISK_MAX));
        scores.push(contribution.left(now_ms));
    }
    let mut scores = Vec::new();
    for (most, mut of_rule) in by_rule.into_values() {
        of_rule.sort_by(|one, other| other.total_cmp(one));
        let mut room = most * STACK_MAX;
        for score in of_rule {
            let counted = score.min(room);
            room -= counted;
            if counted > 0.0 {
                scores.push(counted);
            }
        }
    }
    with_criticality(sum(scores), criticality)
}

/// The weighted sum of scores, from 0 to 100.
fn sum(mut scores: Vec<f64>) -> f64 {
    scores.sort_by(|one, other| other.total_cmp(one));
    let mut sum = 0.0;
    let mut place = 0.0_f64;
    for score in scores {
        place += 1.0;
        sum += score / place.powf(1.5);
    }
    within(sum / ZETA, 0.0, RISK_MAX)
}

/// The same risk of what matters more or less.
fn with_criticality(risk: f64, criticality: Criticality) -> f64 {
    let share = risk / RISK_MAX;
    let weighed = share * criticality.factor();
    RISK_MAX * weighed / (weighed + (1.0 - share))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 60 * 60 * 1000;

    fn of(rule: &str, score: f64) -> Contribution {
        Contribution {
            rule: rule.to_owned(),
            score,
            at_ms: 0,
            judgement: None,
            is_suppressed: false,
        }
    }

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() < 0.006, "{one} is not {other}");
    }

    #[test]
    fn the_examples_that_are_documented() {
        let five = [of("a", 70.0), of("b", 45.0), of("c", 21.0), of("d", 21.0), of("e", 21.0)];
        near(risk(&five, Criticality::Normal, 0), 36.16);
        near(risk(&five, Criticality::Critical, 0), 53.11);
    }

    #[test]
    fn a_rule_counts_at_most_three_times() {
        let many = vec![of("a", 50.0); 100];
        near(risk(&many, Criticality::Normal, 0), risk(&many[..3], Criticality::Normal, 0));
        assert!(risk(&many[..2], Criticality::Normal, 0) < risk(&many, Criticality::Normal, 0));
    }

    #[test]
    fn it_fades_unless_it_was_an_attack() {
        let one = of("a", 80.0);
        let now = risk(std::slice::from_ref(&one), Criticality::Normal, 0);
        let later = risk(std::slice::from_ref(&one), Criticality::Normal, 24 * HOUR);
        near(later, now / 2.0);
        let judged = |judgement| {
            let one = Contribution { judgement: Some(judgement), ..one.clone() };
            risk(&[one], Criticality::Normal, 24 * HOUR)
        };
        near(judged(Judgement::TruePositive), now);
        near(judged(Judgement::FalsePositive), 0.0);
        near(judged(Judgement::BenignPositive), later / 5.0);
        near(judged(Judgement::Inconclusive), later);
        let quiet = Contribution { is_suppressed: true, ..one };
        near(risk(&[quiet], Criticality::Normal, 0), now / 5.0);
    }

    fn contribution() -> impl Strategy<Value = Contribution> {
        let rule = prop::sample::select(vec!["a", "b", "c"]);
        let judgement = prop::option::of(prop::sample::select(Judgement::ALL.to_vec()));
        (rule, any::<f64>(), any::<i64>(), judgement, any::<bool>()).prop_map(
            |(rule, score, at_ms, judgement, is_suppressed)| Contribution {
                rule: rule.to_owned(),
                score,
                at_ms,
                judgement,
                is_suppressed,
            },
        )
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_does_not_depend_on_the_order(
            contributions in prop::collection::vec(contribution(), 0..20), now_ms: i64,
        ) {
            let one = risk(&contributions, Criticality::High, now_ms);
            prop_assert!((0.0..=RISK_MAX).contains(&one), "{}", one);
            let turned: Vec<_> = contributions.into_iter().rev().collect();
            prop_assert_eq!(risk(&turned, Criticality::High, now_ms), one);
        }
    }
}
