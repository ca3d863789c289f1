//! What to look at first: a finding's priority, as a sum whose terms are kept, and the order of the queue.
//!
//! ```text
//! L        = logit(p of the rule) + 0.6·min(rarity, 4) + 2·(risk of the entity)/100 + 0.5·min(corroboration, 3) + armed − benign context
//! P        = 1/(1 + e^−L)
//! impact   = severity · criticality · stage
//! priority = 100·(1 − e^(−1.5·P·impact))
//! ```
//!
//! In the order p is hopeful of a rule of which little is known (mean and half a deviation), so that it is looked at. The probability
//! that is told is of the mean alone: hope is no evidence, and where verdicts are few all rules would be told to be right too often.
//!
//! So a noisy rule is not silenced; it only needs context to rise. The weights are a proposal and not fitted ([`Weights`]).
//!
//! Verdicts move the order by themselves, so the order has bounds that no verdict moves ([`Ranked`]): one of level high or
//! critical never stands below any of level low or informational, and what a filter moved down stands last among its like, in
//! sight.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use trailloop_finding::Level;

use crate::follow::Armed;
use crate::level_name;
use crate::posterior::{Posterior, count, rounded, within};
use crate::risk::Criticality;

/// A share is kept this far from 0 and 1, so that its log odds stay finite.
const SHARE_MIN: f64 = 0.001;

/// Less hope than this would be shown as none.
const HOPE_MIN: f64 = 0.005;

/// By what the terms are multiplied, and where they end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weights {
    /// Of the rarity, a power of ten.
    pub rarity: f64,
    /// Beyond it nothing is rarer.
    pub rarity_max: f64,
    /// Of the entity's risk, from 0 to 1.
    pub entity_risk: f64,
    /// Of each other rule that says so.
    pub corroboration: f64,
    /// More rules prove no more.
    pub corroboration_max: f64,
    /// Of what earlier steps on the lineage make likely, from 0 to 1.
    pub armed: f64,
    /// The most that benign context takes away.
    pub benign_max: f64,
    /// How fast priority grows with expected harm.
    pub steepness: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            rarity: 0.6,
            rarity_max: 4.0,
            entity_risk: 2.0,
            corroboration: 0.5,
            corroboration_max: 3.0,
            armed: 1.0,
            benign_max: 3.0,
            steepness: 1.5,
        }
    }
}

/// How often something was seen before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// What, such as `StopLogging by arn:aws:iam::111122223333:user/ana`.
    pub what: String,
    /// How often.
    pub count: u64,
    /// Among how many.
    pub all: u64,
    /// Of how many different kinds.
    pub kinds: u64,
}

impl Seen {
    /// How rare it is, as a power of ten.
    #[must_use]
    pub fn rarity(&self) -> f64 {
        let all = count(self.all) + count(self.kinds);
        (all / (count(self.count) + 1.0)).log10().max(0.0)
    }
}

/// Something that speaks for legitimate behaviour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Benign {
    /// What: an approved change in force, a known automation, maintenance.
    pub what: String,
    /// By how much log odds sink.
    pub weight: f64,
}

/// What is known of a finding when it is ranked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Its level.
    #[serde(with = "level_name")]
    pub level: Level,
    /// What is believed of its rule's precision.
    pub precision: Posterior,
    /// Principal and event, principal and network, account and event: the rarest counts.
    #[serde(default)]
    pub seen: Vec<Seen>,
    /// The risk of its entity without this finding, from 0 to 100.
    #[serde(default)]
    pub entity_risk: f64,
    /// Other rules, of other tactics, on the same lineage within a day.
    #[serde(default)]
    pub corroboration: Vec<String>,
    /// That earlier steps on the lineage made it likely, if they did.
    #[serde(default)]
    pub armed: Option<Armed>,
    /// What speaks for legitimate behaviour.
    #[serde(default)]
    pub benign: Vec<Benign>,
    /// How much what it concerns matters.
    #[serde(default)]
    pub criticality: Criticality,
    /// Its tactics, as ids of ATT&CK: the gravest counts.
    #[serde(default)]
    pub tactics: Vec<String>,
}

impl Features {
    /// The same with what earlier steps made likely.
    #[must_use]
    pub fn armed(self, armed: Option<Armed>) -> Self {
        Self { armed, ..self }
    }
}

/// What a term does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is added to the log odds of an attack.
    Adds,
    /// It is added to them in the order, and not in the probability that is told.
    Lifts,
    /// It multiplies the impact.
    Multiplies,
}

/// One term of a priority.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// Its name, such as `rarity`.
    pub name: String,
    /// What it does.
    pub effect: Effect,
    /// How much.
    pub value: f64,
    /// Why it is so much. It may name what records say, so who shows it escapes it.
    pub because: String,
}

/// How much a finding should be looked at, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Priority {
    /// From 0 to 100.
    pub score: f64,
    /// The probability of an attack.
    pub probability: f64,
    /// How much harm it would be, from 0 to 2.6.
    pub impact: f64,
    /// What it is made of.
    pub terms: Vec<Term>,
}

impl Priority {
    /// The priority of a finding.
    #[must_use]
    pub fn of(features: &Features, weights: &Weights) -> Self {
        let mut terms = log_odds(features, weights);
        terms.extend(impact(features));
        let with = |effect| terms.iter().filter(move |term| term.effect == effect);
        let sum = |effect| with(effect).map(|term| term.value).sum::<f64>();
        let odds = sum(Effect::Adds);
        let hopeful = of_odds(odds + sum(Effect::Lifts));
        let impact: f64 = with(Effect::Multiplies).map(|term| term.value).product();
        let probability = of_odds(odds);
        let harm = within(hopeful * impact * weights.steepness, 0.0, f64::MAX);
        let score = 100.0 * (1.0 - (-harm).exp());
        let [score, probability, impact] = [score, probability, impact].map(rounded);
        Self { score, probability, impact, terms }
    }

    /// The sum, as lines to be shown once they are escaped.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Self { score, probability, impact, terms } = self;
        let part = |effect: Effect, sign: fn(f64) -> String| {
            terms.iter().filter(move |term| term.effect == effect).map(move |term| {
                format!("    {:<14} {:>7}  {}", term.name, sign(term.value), term.because)
            })
        };
        let odds: f64 =
            terms.iter().filter(|term| term.effect == Effect::Adds).map(|term| term.value).sum();
        let mut lines = vec![format!("priority {score:.0} of 100")];
        lines.push(format!("  an attack with probability {probability:.2}: log odds {odds:+.2}"));
        lines.extend(part(Effect::Adds, |value| format!("{value:+.2}")));
        lines.extend(part(Effect::Lifts, |value| format!("({value:+.2})")));
        lines.push(format!("  impact {impact:.2}"));
        lines.extend(part(Effect::Multiplies, |value| format!("×{value:.2}")));
        lines
    }
}

fn term(name: &str, effect: Effect, value: f64, because: String) -> Term {
    Term { name: name.to_owned(), effect, value: rounded(value), because }
}

fn of_odds(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

fn odds_of(probability: f64) -> f64 {
    let probability = within(probability, SHARE_MIN, 1.0 - SHARE_MIN);
    (probability / (1.0 - probability)).ln()
}

/// What is added up.
fn log_odds(features: &Features, weights: &Weights) -> Vec<Term> {
    let adds = |name, value, because| term(name, Effect::Adds, value, because);
    let (mean, hopeful) = (features.precision.mean(), features.precision.for_rank());
    let because = format!(
        "its rule is taken to be right with probability {mean:.2}, give or take {:.2}",
        features.precision.deviation()
    );
    let mut terms = vec![adds("rule", odds_of(mean), because)];
    let hope = odds_of(hopeful) - odds_of(mean);
    if hope >= HOPE_MIN {
        let because =
            format!("in the order alone: what is little known is looked at, as if {hopeful:.2}");
        terms.push(term("hope", Effect::Lifts, hope, because));
    }
    let rarest = features.seen.iter().max_by(|one, other| one.rarity().total_cmp(&other.rarity()));
    if let Some(seen) = rarest {
        let value = weights.rarity * seen.rarity().min(weights.rarity_max);
        let because = format!("{}: seen {} times in {}", seen.what, seen.count, seen.all);
        terms.push(adds("rarity", value, because));
    } else {
        let because = "how often its like was seen before is not known".to_owned();
        terms.push(adds("rarity", 0.0, because));
    }
    let risk = within(features.entity_risk, 0.0, 100.0);
    let because = format!("its entity has a risk of {risk:.0} of 100 without it");
    terms.push(adds("entity_risk", weights.entity_risk * risk / 100.0, because));
    if !features.corroboration.is_empty() {
        let others = features.corroboration.len();
        let value = weights.corroboration * count(others as u64).min(weights.corroboration_max);
        let named: Vec<&str> = features.corroboration.iter().take(5).map(String::as_str).collect();
        let because = format!("{others} other on the same lineage: {}", named.join(", "));
        terms.push(adds("corroboration", value, because));
    }
    if let Some(armed) = &features.armed {
        let because = format!("likely next ({:.2}): {}", armed.probability, armed.because);
        terms.push(adds("armed", weights.armed * armed.strength(), because));
    }
    if !features.benign.is_empty() {
        let weight = features.benign.iter().map(|one| within(one.weight, 0.0, f64::MAX)).sum();
        let named: Vec<&str> =
            features.benign.iter().take(5).map(|one| one.what.as_str()).collect();
        let because = format!("speaks for legitimate use: {}", named.join(", "));
        terms.push(adds("benign_context", -within(weight, 0.0, weights.benign_max), because));
    }
    terms
}

/// What is multiplied.
fn impact(features: &Features) -> [Term; 3] {
    let multiplies = |name, value, because| term(name, Effect::Multiplies, value, because);
    let severity = match features.level {
        Level::Informational => 0.05,
        Level::Low => 0.15,
        Level::Medium => 0.35,
        Level::High => 0.7,
        Level::Critical => 1.0,
    };
    let Features { level, criticality, .. } = features;
    let (stage, tactic) = stage(&features.tactics);
    [
        multiplies("severity", severity, format!("its level is {level}")),
        multiplies(
            "criticality",
            criticality.factor(),
            format!("the criticality of what it concerns is {}", criticality.name()),
        ),
        multiplies("stage", stage, tactic),
    ]
}

/// How far an attack has come that does this: reconnaissance .6, impact 1.3. The gravest of the tactics counts.
fn stage(tactics: &[String]) -> (f64, String) {
    let of = |tactic: &str| -> f64 {
        match tactic {
            "TA0043" | "TA0042" | "TA0007" => 0.6,
            "TA0001" => 0.8,
            "TA0002" | "TA0008" | "TA0011" => 0.9,
            "TA0003" | "TA0005" | "TA0112" => 1.0,
            "TA0004" | "TA0006" | "TA0009" => 1.1,
            "TA0010" => 1.2,
            "TA0040" => 1.3,
            // What names no tactic is as most.
            _ => 1.0,
        }
    };
    let gravest = tactics.iter().max_by(|one, other| of(one).total_cmp(&of(other)));
    match gravest {
        Some(tactic) => (of(tactic), format!("its gravest tactic is {tactic}")),
        None => (1.0, "it names no tactic".to_owned()),
    }
}

/// A finding in the queue. They sort the first to look at first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Its id.
    pub uid: String,
    /// Its level.
    #[serde(with = "level_name")]
    pub level: Level,
    /// Its priority, from 0 to 100.
    pub score: f64,
    /// A filter moved it down.
    pub is_suppressed: bool,
    /// When it happened, in milliseconds of Unix time: of equals the oldest is first.
    pub event_ms: i64,
}

impl Ranked {
    /// Where it stands between 0 and 100. It says the same whatever else is in the queue: each level has a part of the line, low and
    /// high have parts that do not meet, medium may stand anywhere, and what is suppressed has the end of its level's part.
    fn place(&self) -> f64 {
        let score = within(self.score, 0.0, 100.0) / 100.0;
        let (last, first) = match (self.level, self.is_suppressed) {
            (Level::High | Level::Critical, false) => (52.0, 100.0),
            (Level::High | Level::Critical, true) => (50.0, 51.0),
            (Level::Medium, false) => (4.0, 100.0),
            (Level::Medium, true) => (2.0, 3.0),
            (Level::Low | Level::Informational, false) => (2.0, 49.0),
            (Level::Low | Level::Informational, true) => (0.0, 1.0),
        };
        last + (first - last) * score
    }

    /// The same where earlier steps made it likely: its level is raised by one in the order, but over the line that divides low from
    /// medium, since nothing low stands above anything high. What a filter moved down stays down.
    #[must_use]
    pub fn armed(self, armed: Option<&Armed>) -> Self {
        if self.is_suppressed || !armed.is_some_and(Armed::is_likely) {
            return self;
        }
        let level = match self.level {
            Level::Informational | Level::Low => Level::Low,
            Level::Medium => Level::High,
            Level::High | Level::Critical => Level::Critical,
        };
        Self { level, ..self }
    }

    /// The order of the queue: the first to look at is the least.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let places = other.place().total_cmp(&self.place());
        places
            .then_with(|| other.level.cmp(&self.level))
            .then_with(|| self.event_ms.cmp(&other.event_ms))
            .then_with(|| self.uid.cmp(&other.uid))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::follow::{Because, Ground};

    /// A rule of whose precision one is sure.
    fn sure(precision: f64) -> Posterior {
        Posterior { alpha: precision * 1e8, beta: (1.0 - precision) * 1e8 }
    }

    fn features(precision: f64) -> Features {
        Features {
            level: Level::High,
            precision: sure(precision),
            seen: vec![Seen { what: "it".to_owned(), count: 999, all: 2_000, kinds: 239 }],
            entity_risk: 0.0,
            corroboration: Vec::new(),
            armed: None,
            benign: Vec::new(),
            criticality: Criticality::Normal,
            tactics: Vec::new(),
        }
    }

    #[test]
    fn the_examples_that_are_documented() {
        let probability =
            |features: &Features| Priority::of(features, &Weights::default()).probability;
        let near = |one: f64, other: f64| assert!((one - other).abs() < 0.006, "{one} {other}");
        near(probability(&features(0.04)), 0.05);
        near(probability(&features(0.8)), 0.83);
        let with_context = Features {
            seen: vec![Seen { what: "it".to_owned(), count: 0, all: 50_000, kinds: 900 }],
            entity_risk: 31.0,
            corroboration: vec!["one".to_owned(), "two".to_owned()],
            ..features(0.04)
        };
        near(probability(&with_context), 0.70);
    }

    #[test]
    fn hope_moves_a_finding_up_and_is_no_evidence() {
        let of = |precision| {
            let features = Features { precision, seen: Vec::new(), ..features(0.25) };
            Priority::of(&features, &Weights::default())
        };
        let (known, untried) = (of(sure(0.25)), of(Posterior { alpha: 1.0, beta: 3.0 }));
        assert!((untried.probability - known.probability).abs() < 1e-6);
        assert!(untried.score > known.score);
        let hope = "(+0.47)  in the order alone: what is little known is looked at, as if 0.35";
        assert!(untried.lines().concat().contains(hope), "{:#?}", untried.lines());
        assert!(known.terms.iter().all(|term| term.effect != Effect::Lifts));
    }

    #[test]
    fn it_says_what_it_is_made_of() {
        let features = Features {
            corroboration: vec!["New access key".to_owned()],
            benign: vec![Benign { what: "change 4711".to_owned(), weight: 1.0 }],
            entity_risk: 40.0,
            criticality: Criticality::Critical,
            tactics: vec!["TA0007".to_owned(), "TA0040".to_owned()],
            ..features(0.25)
        };
        let priority = Priority::of(&features, &Weights::default());
        insta::assert_snapshot!(priority.lines().join("\n"));
        let kept = serde_json::to_string(&priority).unwrap();
        assert_eq!(serde_json::from_str::<Priority>(&kept).unwrap(), priority);
    }

    fn armed(probability: f64) -> Armed {
        let because =
            Because { step: "New access key".to_owned(), ground: Ground::Rule, followed: 2, of: 3 };
        Armed { rule: "r".to_owned(), probability, since_ms: 0, because }
    }

    #[test]
    fn what_earlier_steps_made_likely_rises_by_a_bounded_term() {
        let priority = |armed| Priority::of(&features(0.04).armed(armed), &Weights::default());
        let (without, with) = (priority(None), priority(Some(armed(0.5))));
        assert!(with.score > without.score && priority(Some(armed(0.05))).score < with.score);
        let term = with.terms.iter().find(|term| term.name == "armed").unwrap();
        assert!((term.value - 1.0).abs() < 1e-9, "{term:?}");
        assert_eq!(
            term.because,
            "likely next (0.50): it followed New access key in 2 of 3 attacks"
        );
        assert!(without.terms.iter().all(|term| term.name != "armed"));
    }

    #[test]
    fn a_level_is_raised_by_one_and_never_over_the_line() {
        let raised = |level, is_suppressed, probability| {
            let uid = "f".to_owned();
            let ranked = Ranked { uid, level, score: 1.0, is_suppressed, event_ms: 0 };
            ranked.armed(Some(&armed(probability))).level
        };
        let all = Level::ALL.map(|level| raised(level, false, 0.25));
        use Level::{Critical, High, Low};
        assert_eq!(all, [Low, Low, High, Critical, Critical]);
        assert_eq!(raised(Level::Medium, true, 1.0), Level::Medium, "what a filter moved down");
        assert_eq!(raised(Level::Medium, false, 0.24), Level::Medium);
    }

    fn level() -> impl Strategy<Value = Level> {
        prop::sample::select(Level::ALL.to_vec())
    }

    fn ranked() -> impl Strategy<Value = Ranked> {
        (level(), any::<f64>(), any::<bool>(), 0..5_i64, "[ab]{1,2}").prop_map(
            |(level, score, is_suppressed, event_ms, uid)| Ranked {
                uid,
                level,
                score,
                is_suppressed,
                event_ms,
            },
        )
    }

    fn scored() -> impl Strategy<Value = Ranked> {
        (ranked(), 0.0..100.0_f64).prop_map(|(ranked, score)| Ranked { score, ..ranked })
    }

    proptest! {
        #[test]
        fn the_queue_keeps_its_bounds(
            queue in prop::collection::vec(prop_oneof![ranked(), scored()], 0..30),
        ) {
            let mut queue = queue;
            queue.sort_by(Ranked::order);
            for (nth, upper) in queue.iter().enumerate() {
                for lower in &queue[nth + 1..] {
                    prop_assert!(
                        !(upper.level <= Level::Low && lower.level >= Level::High),
                        "{:?} stands above {:?}", upper, lower,
                    );
                    prop_assert!(
                        !(upper.is_suppressed && !lower.is_suppressed && upper.level == lower.level),
                        "{:?} stands above {:?}", upper, lower,
                    );
                }
            }
        }

        /// The same when some were armed for, by the levels that they had.
        #[test]
        fn arming_keeps_the_bounds(
            queue in prop::collection::vec((scored(), any::<bool>()), 0..30),
        ) {
            let armed = armed(1.0);
            let mut queue: Vec<(Ranked, Ranked)> = queue
                .into_iter()
                .map(|(one, is_armed)| (one.clone().armed(is_armed.then_some(&armed)), one))
                .collect();
            queue.sort_by(|(one, _), (other, _)| one.order(other));
            for (nth, (_, upper)) in queue.iter().enumerate() {
                for (_, lower) in &queue[nth + 1..] {
                    let is_lower = upper.level <= Level::Low && lower.level >= Level::High;
                    prop_assert!(!is_lower, "{:?} stands above {:?}", upper, lower);
                    let is_quiet = upper.is_suppressed && !lower.is_suppressed;
                    prop_assert!(!(is_quiet && upper.level == lower.level), "{:?} {:?}", upper, lower);
                }
            }
        }

        #[test]
        fn the_order_is_one(one in ranked(), two in ranked(), three in ranked()) {
            prop_assert_eq!(one.order(&two), two.order(&one).reverse());
            if one.order(&two).is_le() && two.order(&three).is_le() {
                prop_assert!(one.order(&three).is_le());
            }
        }

        #[test]
        fn a_priority_is_bounded_whatever_it_is_made_of(
            level in level(),
            (alpha, beta, entity_risk, weight) in any::<(f64, f64, f64, f64)>(),
            (count, all, kinds) in any::<(u64, u64, u64)>(),
        ) {
            let features = Features {
                level,
                precision: Posterior { alpha, beta },
                seen: vec![Seen { what: String::new(), count, all, kinds }],
                entity_risk,
                benign: vec![Benign { what: String::new(), weight }; 3],
                ..features(0.5)
            };
            let priority = Priority::of(&features, &Weights::default());
            prop_assert!((0.0..=100.0).contains(&priority.score), "{:?}", priority);
            // An endless supply of benign context takes away a bounded amount.
            let without = Priority::of(&Features { benign: Vec::new(), ..features }, &Weights::default());
            let odds = |of: &Priority| -> f64 {
                of.terms.iter().filter(|term| term.effect == Effect::Adds).map(|term| term.value).sum()
            };
            prop_assert!(odds(&without) - odds(&priority) <= 3.0 + 1e-6);
        }
    }
}
