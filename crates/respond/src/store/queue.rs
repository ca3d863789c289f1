//! The queue: findings of some days in the order in which they are worth looking at, each with the terms of its priority.

use std::collections::BTreeMap;

use trailloop_cloud::{CloudError, Table};
use trailloop_feedback::{
    Benign, Contribution, Criticality, Entry, Features, GAP_MS, Judgement, Label, Posterior,
    Priority, Ranked, Reason, Standing, Weights, risk, score_of,
};

use super::{Judged, Kept, Place, of_day, of_rule};

/// Benign context counts for so long after it was said.
const BENIGN_MS: i64 = 30 * 86_400_000;

/// What benign context takes away.
const BENIGN_WEIGHT: f64 = 1.5;

/// So many people have to say so.
const BENIGN_AUTHORS: usize = 2;

/// A finding as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Where it is kept.
    pub place: Place,
    /// What is kept.
    pub kept: Kept,
    /// What was said of it, oldest first.
    pub judged: Option<Judged>,
    /// What holds of that.
    pub standing: Option<Standing>,
    /// Its priority, with its terms.
    pub priority: Priority,
}

impl Shown {
    /// What its place in the queue follows from.
    fn ranked(&self) -> Ranked {
        Ranked {
            uid: self.place.uid.clone(),
            level: self.kept.entry.level,
            score: self.priority.score,
            is_suppressed: self.kept.entry.suppressed_by.is_some(),
            event_ms: self.kept.entry.first_ms,
        }
    }
}

/// The findings of these days, the most important first. What is judged is ranked as well; who shows a queue leaves it out.
pub async fn queue(
    table: &dyn Table,
    days: &[String],
    now_ms: i64,
) -> Result<Vec<Shown>, CloudError> {
    let mut all = Vec::new();
    for day in days {
        all.extend(of_day(table, day).await?);
    }
    let mut judged = BTreeMap::new();
    for (_, kept) in &all {
        let rule = kept.entry.rule.as_str();
        if !judged.contains_key(rule) {
            judged.insert(rule.to_owned(), of_rule(table, rule).await?);
        }
    }
    let mut shown = shown(&all, &judged, now_ms);
    shown.sort_by(|one, other| one.ranked().order(&other.ranked()));
    Ok(shown)
}

/// A finding beside which another is ranked.
#[derive(Clone)]
struct Beside<'k> {
    place: &'k Place,
    entry: &'k Entry,
    judgement: Option<Judgement>,
}

impl<'k> Beside<'k> {
    /// What it adds to the risk of whom it is about.
    fn contribution(&self) -> Contribution<'k> {
        Contribution {
            rule: &self.entry.rule,
            score: score_of(self.entry.level),
            at_ms: self.entry.last_ms,
            judgement: self.judgement,
            is_suppressed: self.entry.suppressed_by.is_some(),
        }
    }
}

/// What is shown of each finding, beside the others and what was said of their rules.
#[must_use]
pub fn shown(
    all: &[(Place, Kept)],
    judged: &BTreeMap<String, Vec<Judged>>,
    now_ms: i64,
) -> Vec<Shown> {
    let of_rule = |rule: &str| judged.get(rule).map(Vec::as_slice).unwrap_or_default();
    let said_of = |place: &Place, kept: &Kept| {
        of_rule(&kept.entry.rule).iter().find(|one| one.place == *place)
    };
    let mut by_whom: BTreeMap<&str, Vec<Beside<'_>>> = BTreeMap::new();
    for (place, kept) in all {
        let standing = said_of(place, kept).and_then(Judged::standing);
        let judgement = standing.map(|standing| standing.judgement);
        if let Some(who) = kept.entry.who() {
            by_whom.entry(who).or_default().push(Beside { place, entry: &kept.entry, judgement });
        }
    }
    let one = |(place, kept): &(Place, Kept)| {
        let entry = &kept.entry;
        let of_whom = entry.who().and_then(|who| by_whom.get(who));
        let of_whom = of_whom.map(Vec::as_slice).unwrap_or_default();
        let others: Vec<Beside<'_>> =
            of_whom.iter().filter(|other| other.place != place).cloned().collect();
        let features = features((place, entry), of_rule(&entry.rule), &others, now_ms);
        let said = said_of(place, kept);
        Shown {
            place: place.clone(),
            kept: kept.clone(),
            judged: said.cloned(),
            standing: said.and_then(Judged::standing),
            priority: Priority::of(&features, &Weights::default()),
        }
    };
    all.iter().map(one).collect()
}

/// What is known of a finding when it is ranked.
fn features(
    (place, entry): (&Place, &Entry),
    of_rule: &[Judged],
    others: &[Beside<'_>],
    now_ms: i64,
) -> Features {
    // What is said of a finding tells of its rule, and not of itself once more.
    let labels = of_rule.iter().filter(|judged| judged.place != *place).filter_map(|judged| {
        let standing = judged.standing()?;
        Some(Label::new(standing.judgement, now_ms.saturating_sub(standing.last_ms)))
    });
    let contributions: Vec<Contribution<'_>> = others.iter().map(Beside::contribution).collect();
    Features {
        level: entry.level,
        precision: Posterior::prior(entry.level).with_all(labels),
        seen: Vec::new(),
        entity_risk: risk(&contributions, Criticality::Normal, now_ms),
        corroboration: corroboration(entry, others),
        benign: benign(entry, of_rule, now_ms).into_iter().collect(),
        criticality: Criticality::Normal,
        tactics: entry.tactics.keys().cloned().collect(),
    }
}

/// Other rules, of other tactics, about the same within a day.
fn corroboration(entry: &Entry, others: &[Beside<'_>]) -> Vec<String> {
    let mut rules = BTreeMap::new();
    for Beside { entry: other, judgement, .. } in others {
        let is_other = other.rule != entry.rule
            && other.tactics.keys().any(|tactic| !entry.tactics.contains_key(tactic));
        let is_near = other.first_ms.saturating_sub(entry.last_ms) < GAP_MS
            && entry.first_ms.saturating_sub(other.last_ms) < GAP_MS;
        let may_be_one =
            matches!(judgement, None | Some(Judgement::TruePositive | Judgement::Inconclusive));
        if is_other && is_near && may_be_one {
            rules.insert(other.rule.as_str(), other.title.clone());
        }
    }
    rules.into_values().collect()
}

/// That at least two people said of the same rule and caller lately that it is an approved change, or automation.
fn benign(entry: &Entry, of_rule: &[Judged], now_ms: i64) -> Option<Benign> {
    let who = entry.who()?;
    let mut authors: Vec<&str> = of_rule
        .iter()
        .filter(|judged| judged.who.as_deref() == Some(who))
        .flat_map(|judged| &judged.opinions)
        .filter(|said| {
            said.judgement == Judgement::BenignPositive
                && matches!(said.reason, Reason::ApprovedChange | Reason::Automation)
                && now_ms.saturating_sub(said.at_ms) < BENIGN_MS
        })
        .map(|said| said.by.as_str())
        .collect();
    authors.sort_unstable();
    authors.dedup();
    (authors.len() >= BENIGN_AUTHORS).then(|| Benign {
        what: format!("{} people said that {who} does this rightly", authors.len()),
        weight: BENIGN_WEIGHT,
    })
}
