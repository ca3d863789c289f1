//! What is known around a finding when it is ranked: the risk of its entity, what other rules say of the same credential, and what
//! people have said of its like.
//!
//! Legitimate context lowers a finding in the order and does nothing else; it has to come from two people, it is forgotten after
//! thirty days, and an attack on the same lineage ends it at once.

use std::collections::{BTreeMap, BTreeSet};

use trailloop_finding::Level;

use crate::entry::Entry;
use crate::judgement::{Judgement, Opinion, Reason, Standing};
use crate::metrics::Observed;
use crate::posterior::Posterior;
use crate::rank::{Benign, Features, Seen};
use crate::risk::{Contribution, Criticality, risk, score_of};
use crate::shown::plain;

/// Within so long other rules speak of the same: a day.
const TOGETHER_MS: i64 = 24 * 60 * 60 * 1000;

/// For so long legitimate context holds: thirty days.
const BENIGN_MS: i64 = 30 * TOGETHER_MS;

/// By how much log odds sink for each reason that two people gave.
const BENIGN_WEIGHT: f64 = 1.0;

/// How many people have to say so.
const PEOPLE_MIN: usize = 2;

/// How many other rules are named.
const NAMED_MAX: usize = 10;

/// So many unjudged findings of a rule are looked at before and after; a rule counts three times its greatest score, so more add
/// nothing.
const NEAR_MAX: usize = 16;

/// So many judged ones.
const JUDGED_MAX: usize = 64;

/// What only who keeps counts, verdicts and accounts can know.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// What is believed of the rule's precision.
    pub precision: Posterior,
    /// How often principal and event, principal and network, account and event were seen before.
    pub seen: Vec<Seen>,
    /// How much what the finding concerns matters.
    pub criticality: Criticality,
}

impl Known {
    /// Nothing but the level.
    #[must_use]
    pub fn nothing(level: Level) -> Self {
        Self {
            precision: Posterior::prior(level),
            seen: Vec::new(),
            criticality: Criticality::Normal,
        }
    }
}

/// Findings by lineage and rule, to look at each beside the others of its lineage. What an attacker can make many of costs no more
/// for that: of each other rule the findings nearest in time are looked at, and those that people judged.
pub struct Neighbours<'a> {
    lineages: BTreeMap<&'a str, BTreeMap<&'a str, OfRule<'a>>>,
}

/// The findings of one rule on one lineage.
#[derive(Default)]
struct OfRule<'a> {
    /// Those that nobody has judged, by time.
    unjudged: Vec<Kin<'a>>,
    /// The others, by time, attacks last.
    judged: Vec<Kin<'a>>,
}

impl<'a> Neighbours<'a> {
    /// Those of the last thirty days, or more; of what has no lineage nothing is known.
    #[must_use]
    pub fn of(observed: &[Observed<'a>]) -> Self {
        let mut lineages = BTreeMap::<&str, BTreeMap<&str, OfRule<'_>>>::new();
        for one in observed {
            let Some(lineage) = one.entry.lineage() else { continue };
            let of_rule = lineages.entry(lineage).or_default().entry(&one.entry.rule).or_default();
            let standing = Standing::of(one.opinions);
            let kin = Kin { entry: one.entry, opinions: one.opinions, standing };
            match kin.standing {
                Some(_) => of_rule.judged.push(kin),
                None => of_rule.unjudged.push(kin),
            }
        }
        for of_rule in lineages.values_mut().flat_map(BTreeMap::values_mut) {
            of_rule.unjudged.sort_by_key(Kin::at);
            // Attacks last, which are the ones that stay when there are too many.
            let is_attack = |one: &Kin<'_>| one.judgement() == Some(Judgement::TruePositive);
            of_rule.judged.sort_by_key(|one| (is_attack(one), one.at()));
        }
        Self { lineages }
    }

    /// Those of the finding's lineage that are looked at, itself among them if it is there.
    fn beside(&self, entry: &Entry) -> impl Iterator<Item = &Kin<'a>> {
        let of_lineage = entry.lineage().and_then(|lineage| self.lineages.get(lineage));
        let at = (entry.first_ms, entry.uid.as_str());
        of_lineage.into_iter().flat_map(BTreeMap::values).flat_map(move |of_rule| {
            let OfRule { unjudged, judged } = of_rule;
            let middle = unjudged.partition_point(|one| one.at() < at);
            let (first, after) = (middle.saturating_sub(NEAR_MAX), middle.saturating_add(NEAR_MAX));
            let near = unjudged.get(first..after.min(unjudged.len())).unwrap_or_default();
            // People judge in bounded numbers; of more the last and attacks count.
            let heard = judged.len().saturating_sub(JUDGED_MAX);
            near.iter().chain(judged.get(heard..).unwrap_or_default())
        })
    }
}

impl Features {
    /// What is known of a finding beside the others of its lineage.
    #[must_use]
    pub fn beside(entry: &Entry, neighbours: &Neighbours<'_>, known: Known, now_ms: i64) -> Self {
        let Known { precision, seen, criticality } = known;
        let all: Vec<&Kin<'_>> = neighbours.beside(entry).collect();
        let is_attack = all.iter().any(|one| one.judgement() == Some(Judgement::TruePositive));
        let kin: Vec<&Kin<'_>> = all.into_iter().filter(|one| one.entry.uid != entry.uid).collect();
        Self {
            level: entry.level,
            precision,
            seen,
            entity_risk: entity_risk(&kin, criticality, now_ms),
            corroboration: corroboration(entry, &kin),
            armed: None,
            benign: if is_attack { Vec::new() } else { benign(entry, &kin, now_ms) },
            criticality,
            tactics: entry.tactics.keys().cloned().collect(),
        }
    }

    /// The same for one finding alone, of `others` in the last thirty days. Who has many asks [`Neighbours`] once.
    #[must_use]
    pub fn around(entry: &Entry, others: &[Observed<'_>], known: Known, now_ms: i64) -> Self {
        Self::beside(entry, &Neighbours::of(others), known, now_ms)
    }
}

/// Another finding of the lineage.
struct Kin<'a> {
    entry: &'a Entry,
    opinions: &'a [Opinion],
    standing: Option<Standing>,
}

impl<'a> Kin<'a> {
    fn at(&self) -> (i64, &'a str) {
        (self.entry.first_ms, &self.entry.uid)
    }

    fn judgement(&self) -> Option<Judgement> {
        self.standing.as_ref().map(|standing| standing.judgement)
    }
}

/// The risk that the lineage has without this finding.
fn entity_risk(kin: &[&Kin<'_>], criticality: Criticality, now_ms: i64) -> f64 {
    let contribution = |one: &&Kin<'_>| Contribution {
        rule: one.entry.rule.clone(),
        score: score_of(one.entry.level),
        at_ms: one.entry.last_ms,
        judgement: one.judgement(),
        is_suppressed: one.entry.suppressed_by.is_some(),
    };
    let contributions: Vec<Contribution> = kin.iter().map(contribution).collect();
    risk(&contributions, criticality, now_ms)
}

/// The other rules, with a tactic that this finding has not, that speak of the lineage within a day, and were not judged to be
/// wrong. What a filter moved down speaks as well.
fn corroboration(entry: &Entry, kin: &[&Kin<'_>]) -> Vec<String> {
    let mut rules = BTreeMap::<&str, &str>::new();
    for one in kin {
        let other = one.entry;
        let is_near = other.first_ms.saturating_sub(entry.last_ms) < TOGETHER_MS
            && entry.first_ms.saturating_sub(other.last_ms) < TOGETHER_MS;
        let is_other = other.rule != entry.rule
            && other.tactics.keys().any(|tactic| !entry.tactics.contains_key(tactic));
        let is_wrong = matches!(
            one.judgement(),
            Some(
                Judgement::FalsePositive
                    | Judgement::BenignPositive
                    | Judgement::Test
                    | Judgement::Duplicate
            )
        );
        if is_near && is_other && !is_wrong {
            rules.insert(&other.rule, &other.title);
        }
    }
    rules.into_values().take(NAMED_MAX).map(|title| plain(title).into_owned()).collect()
}

/// What speaks for legitimate use: a reason that two people gave for findings of the same rule and lineage.
fn benign(entry: &Entry, kin: &[&Kin<'_>], now_ms: i64) -> Vec<Benign> {
    let mut said = BTreeMap::<Reason, BTreeSet<&str>>::new();
    for one in kin {
        let Some(standing) = &one.standing else { continue };
        if one.entry.rule != entry.rule || standing.judgement != Judgement::BenignPositive {
            continue;
        }
        for opinion in one.opinions {
            let is_new = now_ms.saturating_sub(opinion.at_ms) < BENIGN_MS;
            let is_last_word = standing.by.contains(&opinion.by);
            if is_new && is_last_word && speaks_for_use(opinion.reason) {
                said.entry(opinion.reason).or_default().insert(&opinion.by);
            }
        }
    }
    let benign = |(reason, people): (Reason, BTreeSet<&str>)| {
        let what = format!("{reason}, said by {} people in 30 days", people.len());
        (people.len() >= PEOPLE_MIN).then_some(Benign { what, weight: BENIGN_WEIGHT })
    };
    said.into_iter().filter_map(benign).collect()
}

/// Whether a reason says that the same is to be expected again.
fn speaks_for_use(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ApprovedChange
            | Reason::Automation
            | Reason::Vendor
            | Reason::AdminMaintenance
            | Reason::ExpectedForRole
            | Reason::KnownScanner
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clocks;
    use crate::metrics::tests::{HOUR, entry};
    use crate::rank::{Priority, Weights};

    fn of(number: u32, rule: &str, tactic: &str, hour: i64) -> Entry {
        let mut entry = entry(number, rule, "ana", hour);
        entry.tactics = [(tactic.to_owned(), String::new())].into();
        entry.clocks = Clocks::default();
        entry
    }

    fn said(by: &str, judgement: Judgement, reason: Reason, hour: i64) -> Opinion {
        Opinion { at_ms: hour * HOUR, by: by.to_owned(), judgement, reason }
    }

    fn features(entry: &Entry, others: &[Observed<'_>], hour: i64) -> Features {
        Features::around(entry, others, Known::nothing(entry.level), hour * HOUR)
    }

    #[test]
    fn other_rules_of_other_tactics_on_the_lineage_corroborate() {
        let this = of(1, "r", "TA0001", 100);
        let mut elsewhere = of(6, "r6", "TA0002", 100);
        elsewhere.lineage_root = Some("ben".to_owned());
        let wrong = [said("eve", Judgement::FalsePositive, Reason::WrongLogic, 101)];
        let entries = [
            of(2, "r2", "TA0002", 110),
            of(3, "r3", "TA0003", 130),
            of(4, "r4", "TA0001", 100),
            of(5, "r", "TA0002", 100),
            elsewhere,
            of(7, "r7", "TA0007", 90),
        ];
        let others: Vec<Observed<'_>> = entries
            .iter()
            .map(|entry| Observed::new(entry, if entry.rule == "r7" { &wrong } else { &[] }))
            .chain([Observed::new(&this, &[])])
            .collect();
        let features = features(&this, &others, 100);
        assert_eq!(features.corroboration, ["Title of r2"], "the third is a day later");
        assert!(features.entity_risk > 0.0);
        let alone = self::features(&this, &[Observed::new(&this, &[])], 100);
        assert!(alone.entity_risk.abs() < 1e-9, "itself does not count");
        let priority = |features| Priority::of(features, &Weights::default()).score;
        assert!(priority(&features) > priority(&alone));
    }

    #[test]
    fn legitimate_context_takes_two_people_and_ends_with_an_attack() {
        let this = of(1, "r", "TA0001", 200);
        let earlier = of(2, "r", "TA0001", 100);
        let ana = said("ana", Judgement::BenignPositive, Reason::Automation, 101);
        let ben = said("ben", Judgement::BenignPositive, Reason::Automation, 102);
        let other = said("ben", Judgement::BenignPositive, Reason::Vendor, 102);
        let benign = |opinions: &[Opinion], hour| {
            features(&this, &[Observed::new(&earlier, opinions)], hour).benign.len()
        };
        assert_eq!(benign(&[ana.clone(), ben.clone()], 200), 1);
        assert_eq!(benign(std::slice::from_ref(&ana), 200), 0);
        assert_eq!(benign(&[ana.clone(), other], 200), 0, "they do not say the same");
        assert_eq!(benign(&[ana.clone(), ben.clone()], 102 + 30 * 24), 0, "it is forgotten");
        let confirmed = said("ben", Judgement::BenignPositive, Reason::UserConfirmed, 102);
        assert_eq!(benign(&[ana.clone(), confirmed], 200), 0, "it says nothing of the next time");
        let attack = of(3, "r9", "TA0040", 150);
        let malicious = [said("eve", Judgement::TruePositive, Reason::Malicious, 151)];
        let both = [ana, ben];
        let others = [Observed::new(&earlier, &both), Observed::new(&attack, &malicious)];
        assert_eq!(features(&this, &others, 200).benign, []);
        let others = [Observed::new(&earlier, &both), Observed::new(&this, &malicious)];
        assert_eq!(features(&this, &others, 200).benign, [], "nor if it is one itself");
    }

    #[test]
    fn a_flood_hides_neither_another_rule_nor_an_attack() {
        let this = of(1, "r", "TA0001", 1_000);
        let mut entries = vec![of(2, "quiet", "TA0040", 1_020), of(3, "r", "TA0001", 1)];
        let mut noise: Vec<Entry> =
            (10..2_010).map(|number| of(number, "noisy", "TA0007", 1_000)).collect();
        noise.extend((3_000..5_000).map(|number| of(number, "r", "TA0001", 1_000)));
        entries.extend(noise);
        let malicious = [said("eve", Judgement::TruePositive, Reason::Malicious, 2)];
        let benign: Vec<Opinion> = ["ana", "ben"]
            .map(|by| said(by, Judgement::BenignPositive, Reason::Automation, 900))
            .to_vec();
        let observed: Vec<Observed<'_>> = entries
            .iter()
            .map(|entry| match entry.uid.as_str() {
                "f3" => Observed::new(entry, &malicious),
                "f3000" => Observed::new(entry, &benign),
                _ => Observed::new(entry, &[]),
            })
            .collect();
        let neighbours = Neighbours::of(&observed);
        assert!(neighbours.beside(&this).count() < 200, "the work is bounded");
        let known = Known::nothing(Level::Medium);
        let features = Features::beside(&this, &neighbours, known, 1_100 * HOUR);
        assert_eq!(features.corroboration, ["Title of noisy", "Title of quiet"]);
        assert_eq!(features.benign, []);
    }
}
