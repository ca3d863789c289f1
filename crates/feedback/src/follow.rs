//! What follows what in attacks, so that what comes next is watched for before it happens.
//!
//! A table of counts is made of attacks as they were carried out, those of corpora and the incidents that people judged true: in how
//! many of them a rule found something, and in how many of these which others did within a day of it. Most rules were seen in one
//! attack or in none, so what is known of a rule is drawn towards what is known of its kinds (its tactics, the services whose calls
//! it reads), and that towards how often kinds follow kinds:
//!
//! ```text
//! P(b after a)    = (n(a, b) + K·P(b after a kind of a)) / (n(a) + K)
//! P(b after kind) = (n(kind, b) + K·P(a kind of b after kind)·(share of b in that kind)) / (n(kind) + K)
//! ```
//!
//! Of several kinds the one that says most counts. Each attack counts once, however often a rule found something in it: who
//! repeats a step teaches nothing more by that.
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

/// What is known of kinds is worth so many attacks beside what is known of a rule.
const BACKOFF: f64 = 1.0;

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
        Self { rules_max: 20, floor: 0.01 }
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
    /// The sum of what is counted as `followed` of each.
    followed: u32,
    /// How many attacks any of them found something in.
    attacks: u32,
    /// In how many of all attacks one of them followed another rule.
    after: u32,
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
                of_kind.followed = of_kind.followed.saturating_add(known.followed);
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
            for kind in &of[next] {
                more(&mut self.kinds.entry(kind.clone()).or_default().followed);
            }
        }
        let all = |of: &mut dyn Iterator<Item = String>| of.collect::<BTreeSet<String>>();
        for kind in all(&mut of.values().flatten().cloned()) {
            more(&mut self.kinds.entry(kind).or_default().attacks);
        }
        for kind in all(&mut pairs.iter().flat_map(|(_, next)| of[next].clone())) {
            more(&mut self.kinds.entry(kind).or_default().after);
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
        let mut armed: Vec<Armed> = others
            .filter_map(|rule| self.likeliest(rule, &open))
            .filter(|one| one.probability >= bounds.floor)
            .collect();
        armed.sort_by(|one, other| {
            other.probability.total_cmp(&one.probability).then_with(|| one.rule.cmp(&other.rule))
        });
        armed.truncate(bounds.rules_max);
        armed
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
        let likeliest = self.likeliest(rule, &open(&before, at_ms));
        likeliest.filter(|one| one.probability >= bounds.floor)
    }

    /// A rule after that of the steps after which it is most likely; of equals the last.
    fn likeliest(&self, rule: &str, open: &[&Step]) -> Option<Armed> {
        let next = self.rules.get(rule)?;
        let after = open.iter().map(|step| (*step, self.after(step, rule, next)));
        let (step, chance) = after.max_by(|(one, of_one), (other, of_other)| {
            let times = one.at_ms.cmp(&other.at_ms);
            of_one.probability.total_cmp(&of_other.probability).then(times)
        })?;
        let Chance { probability, ground, followed, of } = chance;
        Some(Armed {
            rule: rule.to_owned(),
            probability: rounded(probability),
            since_ms: step.at_ms,
            because: Because { step: step.rule.clone(), ground, followed, of },
        })
    }

    fn after(&self, step: &Step, rule: &str, next: &OfRule) -> Chance {
        let none = OfRule::default();
        let known = self.rules.get(&step.rule).unwrap_or(&none);
        let kinds = known.kinds.iter().map(|kind| self.after_kind(kind, rule, next));
        let of_kinds = kinds.max_by(Chance::order).unwrap_or_else(|| self.anyway(next));
        let followed = known.then.get(rule).copied().unwrap_or_default();
        of_kinds.drawn(followed, known.attacks, || Ground::Rule)
    }

    fn after_kind(&self, kind: &str, rule: &str, next: &OfRule) -> Chance {
        let none = OfKind::default();
        let known = self.kinds.get(kind).unwrap_or(&none);
        let to_kind = |to: &String| {
            let of_next = self.kinds.get(to).unwrap_or(&none);
            // Of two rules of a kind that are equally likely each has its part of the kind's one attack that is always added.
            let share = (f64::from(next.followed) + 1.0 / f64::from(of_next.rules.max(1)))
                / (f64::from(of_next.followed) + 1.0);
            let anyway = f64::from(of_next.after) / f64::from(self.attacks.max(1));
            let followed = known.then_kinds.get(to).copied().unwrap_or_default();
            let ground = || Ground::Kinds { step: kind.to_owned(), next: to.clone() };
            let of_kind = Chance::of(anyway).drawn(followed, known.attacks, ground);
            Chance { probability: of_kind.probability * share.min(1.0), ..of_kind }
        };
        let of_kinds = next.kinds.iter().map(to_kind).max_by(Chance::order);
        let followed = known.then.get(rule).copied().unwrap_or_default();
        of_kinds
            .unwrap_or_else(|| self.anyway(next))
            .drawn(followed, known.attacks, || Ground::Kind(kind.to_owned()))
    }

    /// How likely a rule is to follow anything.
    fn anyway(&self, next: &OfRule) -> Chance {
        Chance::of(f64::from(next.followed) / (f64::from(self.attacks) + 1.0))
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
