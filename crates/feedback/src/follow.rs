//! What follows what in attacks, so that what comes next is watched for before it happens.
//!
//! A table of counts is made of attacks as they were carried out, those of corpora and the incidents that people judged true: in how
//! many of them a rule found something, and in how many of these which others did within a day of it. Most rules were seen in one
//! attack or in none, so what is counted of a rule is drawn towards what is known of its kinds (its tactics, the services whose
//! calls it reads), which is drawn towards how often kinds follow kinds, and towards how often the rule comes after anything:
//!
//! ```text
//! P(b after a)    = (n(a, b) + K·(mean of P(b after a kind of a) + P(b after anything))/2) / (n(a) + K)
//! P(b after kind) = (n(kind, b) + K·(greatest P(kind of b after kind)·(share of b in that kind))) / (n(kind) + K)
//! ```
//!
//! Each attack counts once, however often a rule found something in it: who repeats a step teaches nothing more by that.
//!
//! A rule that is armed is looked at sooner and ranks higher ([`crate::Plan`]). Nothing ranks lower for not being armed, so an
//! attacker who does what nobody did before, or teaches the table by a decoy, loses nobody's attention.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::incident::{GAP_MS, Incident};
use crate::judgement::Judgement;
use crate::posterior::{rounded, within};

/// What happens so long after does not follow: a day.
pub const WITHIN_MS: i64 = GAP_MS;

/// What follows is asked of so many rules of an attack, the last that found something.
const OPEN_MAX: usize = 32;

/// What is known in general is worth so many attacks beside what was counted.
const BACKOFF: f64 = 4.0;

/// That a rule began an attack says so much of whether it may follow in one: most corpora hold one step of what would be many.
const BEGAN: f64 = 1.0 / 3.0;

/// What follows in one attack of four or more is taken to come.
const LIKELY: f64 = 0.25;

/// A step of an attack: something that a rule or a query found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Step {
    /// When it happened.
    pub at_ms: i64,
    /// The id of the rule or query.
    pub rule: String,
}

impl Step {
    /// Those of an incident, in the order in which they happened.
    #[must_use]
    pub fn of(incident: &Incident) -> Vec<Self> {
        let members = incident.members.iter();
        let mut steps: Vec<Self> =
            members.map(|one| Self { at_ms: one.event_ms, rule: one.rule.clone() }).collect();
        steps.sort();
        steps
    }
}

/// How many rules are armed at once, and how likely each has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// So many at most.
    pub rules_max: usize,
    /// None that follows with less than this probability.
    pub floor: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { rules_max: 20, floor: 0.02 }
    }
}

/// Counts of what followed what. Made once of corpora, kept as JSON, and added to by incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Follows {
    /// How many attacks were learnt from.
    attacks: u32,
    rules: BTreeMap<String, OfRule>,
    kinds: BTreeMap<String, OfKind>,
}

/// What is known of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct OfRule {
    kinds: BTreeSet<String>,
    /// How many attacks it found something in.
    attacks: u32,
    /// In how many of them another rule had found something before.
    followed: u32,
    /// In how many of its attacks each other rule followed it.
    then: BTreeMap<String, u32>,
}

/// What is known of the rules of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct OfKind {
    /// How many rules are of it.
    rules: u32,
    /// In how many attacks each of them found something, added up.
    found: u32,
    /// How many attacks any of them found something in.
    attacks: u32,
    /// In how many of its attacks each rule followed another of this kind.
    then: BTreeMap<String, u32>,
    /// In how many of its attacks a rule of each kind did.
    then_kinds: BTreeMap<String, u32>,
}

/// A rule that is armed: what it looks for is likely to come next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Armed {
    /// Its id.
    pub rule: String,
    /// With which probability it follows.
    pub probability: f64,
    /// When the step happened that it would follow.
    pub since_ms: i64,
    /// Why.
    pub because: Because,
}

impl Armed {
    /// When it ends.
    #[must_use]
    pub fn until_ms(&self) -> i64 {
        self.since_ms.saturating_add(WITHIN_MS)
    }

    /// How much it speaks for a finding, from 0 to 1.
    #[must_use]
    pub fn strength(&self) -> f64 {
        within(self.probability / LIKELY, 0.0, 1.0)
    }

    /// Whether it is likely enough to raise a finding's level in the order.
    #[must_use]
    pub fn is_likely(&self) -> bool {
        self.probability >= LIKELY
    }
}

/// Why a rule is armed: what was counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// The rule of the step that it would follow.
    pub step: String,
    /// What followed what.
    pub ground: Ground,
    /// In so many attacks it did,
    pub followed: u32,
    /// of so many.
    pub of: u32,
}

/// What followed what: the closest that was ever seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// The rule followed the step's.
    Rule,
    /// It followed rules of this kind.
    Kind(String),
    /// Rules of a kind followed rules of another.
    Kinds {
        /// The step's.
        step: String,
        /// What followed.
        next: String,
    },
    /// Nothing of its like.
    Nothing,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, ground, followed, of } = self;
        match ground {
            Ground::Rule => write!(f, "it followed {step} in {followed} of {of} attacks"),
            Ground::Kind(kind) => {
                write!(f, "it followed {kind}, which {step} is, in {followed} of {of} attacks")
            }
            Ground::Kinds { step: kind, next } => {
                write!(f, "{next} followed {kind}, which {step} is, in {followed} of {of} attacks")
            }
            Ground::Nothing => write!(f, "nothing of its like was ever seen after {step}"),
        }
    }
}

impl Follows {
    /// How many attacks were learnt from.
    #[must_use]
    pub fn attacks(&self) -> u32 {
        self.attacks
    }

    /// Makes a rule known, with its tactics and the services whose calls it reads. Only what is known or was learnt of is armed.
    pub fn know<'k>(&mut self, rule: &str, kinds: impl IntoIterator<Item = &'k str>) {
        let known = self.rules.entry(rule.to_owned()).or_default();
        for kind in kinds {
            if known.kinds.insert(kind.to_owned()) {
                let of_kind = self.kinds.entry(kind.to_owned()).or_default();
                of_kind.rules = of_kind.rules.saturating_add(1);
                of_kind.found = of_kind.found.saturating_add(known.attacks);
            }
        }
    }

    /// Learns from an incident that was judged to be an attack; others teach nothing.
    pub fn learn_incident(&mut self, incident: &Incident) {
        if incident.judgement == Some(Judgement::TruePositive) {
            self.learn(&Step::of(incident));
        }
    }

    /// Learns from an attack. Its rules are made known before, since what their kinds did is counted now.
    pub fn learn(&mut self, steps: &[Step]) {
        let mut times = BTreeMap::<&str, Vec<i64>>::new();
        for step in steps {
            times.entry(&step.rule).or_default().push(step.at_ms);
        }
        times.values_mut().for_each(|times| times.sort_unstable());
        let mut pairs = BTreeSet::new();
        for (rule, earlier) in &times {
            let others = times.iter().filter(|(next, _)| next != &rule);
            pairs.extend(
                others
                    .filter(|(_, later)| is_after(earlier, later))
                    .map(|(next, _)| (*rule, *next)),
            );
        }
        if !times.is_empty() {
            self.attacks = self.attacks.saturating_add(1);
            self.count(times.into_keys().collect(), &pairs);
        }
    }

    /// Counts one attack: its rules, and which of them came after which.
    fn count(&mut self, rules: BTreeSet<&str>, pairs: &BTreeSet<(&str, &str)>) {
        let more = |count: &mut u32| *count = count.saturating_add(1);
        for rule in &rules {
            more(&mut self.rules.entry((*rule).to_owned()).or_default().attacks);
        }
        let of: BTreeMap<&str, Vec<String>> = rules
            .into_iter()
            .map(|rule| (rule, self.rules[rule].kinds.iter().cloned().collect()))
            .collect();
        for (rule, next) in pairs {
            if let Some(known) = self.rules.get_mut(*rule) {
                more(known.then.entry((*next).to_owned()).or_default());
            }
        }
        for next in pairs.iter().map(|(_, next)| *next).collect::<BTreeSet<_>>() {
            if let Some(known) = self.rules.get_mut(next) {
                more(&mut known.followed);
            }
        }
        for kind in of.values().flatten() {
            more(&mut self.kinds.entry(kind.clone()).or_default().found);
        }
        for kind in of.values().flatten().collect::<BTreeSet<_>>() {
            more(&mut self.kinds.entry(kind.clone()).or_default().attacks);
        }
        let mut then = BTreeSet::new();
        let mut then_kinds = BTreeSet::new();
        for (rule, next) in pairs {
            for kind in &of[rule] {
                then.insert((kind, *next));
                then_kinds.extend(of[next].iter().map(|next| (kind, next)));
            }
        }
        for (kind, next) in then {
            more(
                self.kinds
                    .entry(kind.clone())
                    .or_default()
                    .then
                    .entry(next.to_owned())
                    .or_default(),
            );
        }
        for (kind, next) in then_kinds {
            let of_kind = self.kinds.entry(kind.clone()).or_default();
            more(of_kind.then_kinds.entry(next.clone()).or_default());
        }
    }

    /// The rules that are armed at this time after these steps of one attack, the most likely first; none that found something in it.
    #[must_use]
    pub fn armed(&self, steps: &[Step], at_ms: i64, bounds: Bounds) -> Vec<Armed> {
        let found: BTreeSet<&str> = steps.iter().map(|step| step.rule.as_str()).collect();
        let open = open(steps, at_ms);
        let others = self.rules.keys().filter(|rule| !found.contains(rule.as_str()));
        let mut armed: Vec<(f64, Armed)> = others
            .filter_map(|rule| self.likeliest(rule, &open))
            .filter(|(_, one)| one.probability >= bounds.floor)
            .collect();
        armed.sort_by(|(one, of_one), (other, of_other)| {
            other.total_cmp(one).then_with(|| of_one.rule.cmp(&of_other.rule))
        });
        armed.truncate(bounds.rules_max);
        armed.into_iter().map(|(_, one)| one).collect()
    }

    /// Whether this rule was armed when it found something at this time, after these steps; `None` too if it had found something
    /// before.
    #[must_use]
    pub fn was_armed(
        &self,
        rule: &str,
        at_ms: i64,
        steps: &[Step],
        bounds: Bounds,
    ) -> Option<Armed> {
        let before: Vec<Step> = steps.iter().filter(|step| step.at_ms < at_ms).cloned().collect();
        if before.iter().any(|step| step.rule == rule) {
            return None;
        }
        let likeliest = self.likeliest(rule, &open(&before, at_ms)).map(|(_, armed)| armed);
        likeliest.filter(|one| one.probability >= bounds.floor)
    }

    /// A rule after that of the steps after which it is most likely, of equals the last; and how likely it would be if each step by
    /// itself led to it, which orders rules. That is no probability to be acted on: steps tell of the same, and are many in a flood.
    fn likeliest(&self, rule: &str, open: &[&Step]) -> Option<(f64, Armed)> {
        let next = self.rules.get(rule)?;
        let after: Vec<(&Step, Chance)> =
            open.iter().map(|step| (*step, self.after(step, rule, next))).collect();
        let none: f64 = after.iter().map(|(_, chance)| 1.0 - chance.probability).product();
        let (step, chance) = after.into_iter().max_by(|(one, of_one), (other, of_other)| {
            of_one.order(of_other).then_with(|| one.at_ms.cmp(&other.at_ms))
        })?;
        let Chance { probability, ground, followed, of } = chance;
        let because = Because { step: step.rule.clone(), ground, followed, of };
        let probability = rounded(probability);
        Some((
            1.0 - none,
            Armed { rule: rule.to_owned(), probability, since_ms: step.at_ms, because },
        ))
    }

    /// How likely a rule is to follow a step.
    fn after(&self, step: &Step, rule: &str, next: &OfRule) -> Chance {
        let none = OfRule::default();
        let known = self.rules.get(&step.rule).unwrap_or(&none);
        let of_kinds: Vec<Chance> =
            known.kinds.iter().map(|kind| self.after_kind(kind, rule, next)).collect();
        let count = f64::from(u32::try_from(of_kinds.len()).unwrap_or(u32::MAX)).max(1.0);
        let mean = of_kinds.iter().map(|one| one.probability).sum::<f64>() / count;
        let began = f64::from(next.attacks.saturating_sub(next.followed));
        let anyway = (f64::from(next.followed) + BEGAN * began) / (f64::from(self.attacks) + 1.0);
        let closest = of_kinds.into_iter().max_by(Chance::order).unwrap_or_else(|| Chance::of(0.0));
        let general = Chance { probability: f64::midpoint(mean, anyway), ..closest };
        let followed = known.then.get(rule).copied().unwrap_or_default();
        general.drawn(followed, known.attacks, || Ground::Rule)
    }

    /// How likely it is to follow rules of a kind.
    fn after_kind(&self, kind: &str, rule: &str, next: &OfRule) -> Chance {
        let none = OfKind::default();
        let known = self.kinds.get(kind).unwrap_or(&none);
        let by_kind = |to: &String| {
            let of_next = self.kinds.get(to).unwrap_or(&none);
            // All rules of a kind share one attack more than was seen, so that one never seen has its part.
            let share = (f64::from(next.attacks) + 1.0 / f64::from(of_next.rules.max(1)))
                / (f64::from(of_next.found) + 1.0);
            let anyway = f64::from(of_next.attacks) / (f64::from(self.attacks) + 1.0);
            let followed = known.then_kinds.get(to).copied().unwrap_or_default();
            let ground = || Ground::Kinds { step: kind.to_owned(), next: to.clone() };
            let of_kind = Chance::of(anyway).drawn(followed, known.attacks, ground);
            Chance { probability: of_kind.probability * share.min(1.0), ..of_kind }
        };
        let of_kinds = next.kinds.iter().map(by_kind).max_by(Chance::order);
        let followed = known.then.get(rule).copied().unwrap_or_default();
        of_kinds
            .unwrap_or_else(|| Chance::of(0.0))
            .drawn(followed, known.attacks, || Ground::Kind(kind.to_owned()))
    }
}

/// Whether any of the later times is within a day of an earlier one. Records have whole seconds, so of what happened in one second
/// nobody knows the order, and each is taken to have come after the other.
fn is_after(earlier: &[i64], later: &[i64]) -> bool {
    later.iter().any(|at| {
        let before = earlier.partition_point(|one| one <= at);
        let last = before.checked_sub(1).and_then(|last| earlier.get(last));
        last.is_some_and(|last| at.saturating_sub(*last) < WITHIN_MS)
    })
}

/// The steps that something may follow at this time: of each rule the last, of bounded many rules.
fn open(steps: &[Step], at_ms: i64) -> Vec<&Step> {
    let mut last = BTreeMap::<&str, &Step>::new();
    for step in steps {
        let is_open = step.at_ms <= at_ms && at_ms.saturating_sub(step.at_ms) < WITHIN_MS;
        let is_later = last.get(step.rule.as_str()).is_none_or(|known| known.at_ms < step.at_ms);
        if is_open && is_later {
            last.insert(&step.rule, step);
        }
    }
    let mut open: Vec<&Step> = last.into_values().collect();
    open.sort_by(|one, other| other.cmp(one));
    open.truncate(OPEN_MAX);
    open
}

/// How likely something is to follow, and by what was counted.
struct Chance {
    probability: f64,
    ground: Ground,
    followed: u32,
    of: u32,
}

impl Chance {
    fn of(probability: f64) -> Self {
        Self { probability, ground: Ground::Nothing, followed: 0, of: 0 }
    }

    /// A share that was counted, drawn towards this; what was seen is said rather than what is only like it.
    fn drawn(self, followed: u32, of: u32, ground: impl FnOnce() -> Ground) -> Self {
        let probability =
            (f64::from(followed) + BACKOFF * self.probability) / (f64::from(of) + BACKOFF);
        match followed {
            0 => Self { probability, ..self },
            _ => Self { probability, ground: ground(), followed, of },
        }
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.probability.total_cmp(&other.probability)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn steps(steps: &[(i64, &str)]) -> Vec<Step> {
        steps
            .iter()
            .map(|(hour, rule)| Step { at_ms: hour * HOUR, rule: (*rule).to_owned() })
            .collect()
    }

    /// Keys follow users in two attacks of three; of `c` nothing is known but its kinds.
    fn learnt() -> Follows {
        let mut follows = Follows::default();
        for (rule, kinds) in [
            ("user", ["TA0003", "iam"]),
            ("key", ["TA0003", "iam"]),
            ("list", ["TA0007", "iam"]),
            ("share", ["TA0010", "ec2"]),
            ("never", ["TA0003", "iam"]),
            ("other", ["TA0040", "sqs"]),
        ] {
            follows.know(rule, kinds);
        }
        follows.learn(&steps(&[(0, "list"), (1, "user"), (2, "key"), (2, "key")]));
        follows.learn(&steps(&[(0, "user"), (5, "key"), (6, "share")]));
        follows.learn(&steps(&[(0, "user")]));
        follows
    }

    fn armed(follows: &Follows, open: &[(i64, &str)], hour: i64) -> Vec<(String, String)> {
        let armed = follows.armed(&steps(open), hour * HOUR, Bounds { rules_max: 20, floor: 0.0 });
        armed.into_iter().map(|one| (one.rule, one.because.to_string())).collect()
    }

    #[test]
    fn what_followed_is_armed_and_says_by_what_count() {
        let follows = learnt();
        assert_eq!(follows.attacks(), 3);
        let after_user = armed(&follows, &[(0, "user")], 1);
        let of = |rule: &str| &after_user.iter().find(|(one, _)| one == rule).unwrap().1;
        assert_eq!(after_user[0].0, "key");
        assert_eq!(of("key"), "it followed user in 2 of 3 attacks");
        assert_eq!(of("never"), "TA0003 followed iam, which user is, in 2 of 3 attacks");
        assert_eq!(of("other"), "nothing of its like was ever seen after user");
        let after_never = armed(&follows, &[(0, "never")], 1);
        assert_eq!(after_never[0].1, "it followed iam, which never is, in 2 of 3 attacks");
        let place = |rule: &str| after_user.iter().position(|(one, _)| one == rule).unwrap();
        assert!(place("never") < place("other"), "its kind followed: {after_user:?}");
    }

    #[test]
    fn what_was_found_is_not_armed_and_a_day_ends_it() {
        let follows = learnt();
        assert!(
            armed(&follows, &[(0, "user"), (1, "key")], 2).iter().all(|(rule, _)| rule != "key")
        );
        assert_eq!(armed(&follows, &[(0, "user")], 24), []);
        assert_eq!(armed(&follows, &[(5, "user")], 4), [], "it has not happened yet");
        let was = |at: i64, rule: &str, open: &[(i64, &str)]| {
            follows.was_armed(rule, at * HOUR, &steps(open), Bounds::default()).is_some()
        };
        assert!(was(1, "key", &[(0, "user"), (1, "key"), (2, "key")]));
        assert!(!was(2, "key", &[(0, "user"), (1, "key"), (2, "key")]), "it comes again");
        assert!(!was(1, "key", &[(1, "user")]), "in one second nobody knows what was first");
        assert!(!was(30, "key", &[(0, "user")]));
    }

    #[test]
    fn a_day_parts_steps_and_one_second_does_not_order_them() {
        let mut follows = Follows::default();
        follows.learn(&steps(&[(0, "a"), (24, "b"), (24, "c")]));
        let why = |open: &str, next: &str| {
            let all = armed(&follows, &[(0, open)], 0);
            all.into_iter().find(|(rule, _)| rule == next).unwrap().1
        };
        assert!(why("a", "b").starts_with("nothing"), "{}", why("a", "b"));
        assert_eq!(why("b", "c"), "it followed b in 1 of 1 attacks");
        assert_eq!(why("c", "b"), "it followed c in 1 of 1 attacks");
    }

    #[test]
    fn the_set_is_bounded_and_the_table_reads_back() {
        let follows = learnt();
        let some = |rules_max, floor| {
            follows.armed(&steps(&[(0, "user")]), HOUR, Bounds { rules_max, floor }).len()
        };
        assert_eq!((some(2, 0.0), some(20, 0.45), some(20, 1.1)), (2, 1, 0));
        let kept = serde_json::to_string(&follows).unwrap();
        assert_eq!(serde_json::from_str::<Follows>(&kept).unwrap(), follows);
        assert_eq!(serde_json::from_str::<Follows>("{}").unwrap(), Follows::default());
    }

    fn attack() -> impl Strategy<Value = Vec<Step>> {
        let step =
            (0_i64..60, prop::sample::select(vec!["user", "key", "list", "share", "x", "y"]));
        prop::collection::vec(step, 0..12).prop_map(|drawn| steps(&drawn))
    }

    proptest! {
        #[test]
        fn neither_order_nor_repeats_teach_anything(
            (attack, shuffled) in attack().prop_flat_map(|attack| {
                let twice = [attack.clone(), attack.clone()].concat();
                (Just(attack), Just(twice).prop_shuffle())
            }),
        ) {
            let (mut once, mut again) = (learnt(), learnt());
            once.learn(&attack);
            again.learn(&shuffled);
            prop_assert_eq!(once, again);
        }

        /// A decoy may push a rule out of those that are armed; it never makes one less likely.
        #[test]
        fn more_steps_make_nothing_less_likely(
            attacks in prop::collection::vec(attack(), 0..6),
            (open, decoy) in (attack(), attack()),
        ) {
            let mut follows = learnt();
            attacks.iter().for_each(|attack| follows.learn(attack));
            let all = Bounds { rules_max: usize::MAX, floor: 0.0 };
            let at = 60 * HOUR;
            let before = follows.armed(&open, at, all);
            let after = follows.armed(&[open.clone(), decoy.clone()].concat(), at, all);
            for one in &before {
                prop_assert!((0.0..=1.0).contains(&one.probability));
                let is_found = decoy.iter().any(|step| step.rule == one.rule);
                let same = after.iter().find(|other| other.rule == one.rule);
                prop_assert!(is_found || same.is_some_and(|same| same.probability >= one.probability));
            }
        }

        #[test]
        fn no_time_and_no_table_panics(times in prop::collection::vec(any::<i64>(), 0..6), at: i64, count: u32) {
            let steps: Vec<Step> =
                times.iter().map(|at_ms| Step { at_ms: *at_ms, rule: "user".to_owned() }).collect();
            let text = format!(
                r#"{{"attacks":{count},"rules":{{"a":{{"kinds":["k"],"attacks":{count},"followed":{count},"then":{{"user":7}}}},"user":{{"kinds":["k","l"],"then":{{"a":{count}}}}}}},"kinds":{{"k":{{"found":{count},"then_kinds":{{"k":{count}}}}}}}}}"#
            );
            let mut follows: Follows = serde_json::from_str(&text).unwrap();
            follows.know("a", ["m"]);
            follows.learn(&steps);
            let armed = follows.armed(&steps, at, Bounds { rules_max: 20, floor: 0.0 });
            prop_assert!(armed.iter().all(|one| one.probability.is_finite()));
            drop(follows.was_armed("a", at, &steps, Bounds::default()));
        }
    }
}
