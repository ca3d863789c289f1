//! A compiled filter applied to the evidence: what it would have made quieter, counted once for all gates.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{QuietBacktest, QuietEvidence, Seen};

use crate::candidate::{Candidate, Compiled, CompiledScratch};
use crate::evidence::{Attack, Audited, Evidence, Hit};
use crate::file::Figures;
use crate::flat::{Profile, profile_of};

/// So many of each kind are listed in a filter; one that comes from more places is no single automation.
pub(crate) const SEEN_MAX: usize = 20;

/// What a filter would have done.
#[derive(Debug)]
pub struct Applied<'e> {
    /// The findings that it would have made quieter, in the order of the archive.
    pub hidden: Vec<&'e Hit>,
    /// How many it would have left.
    pub kept: u64,
    /// Whose the former are, and how many.
    pub entities: BTreeMap<&'e str, u64>,
    /// Those of them whom nobody ever judged.
    pub unreviewed: BTreeSet<&'e str>,
    /// How many a day.
    pub by_day: BTreeMap<Date, u64>,
    /// On nineteen of twenty days no more.
    pub daily_p95: u64,
    /// Whether the root user is among them.
    pub names_root: bool,
    /// What they have in common.
    pub seen: Seen,
    /// The known attacks of which it describes some event, each with how many.
    pub attacks: Vec<(&'e str, u64)>,
    /// The same of the corpora.
    pub corpora: Vec<(&'e str, u64)>,
    /// How many were drawn at random from what it describes.
    pub audited: u64,
    /// How many of these are attacks.
    pub audited_attacks: u64,
    /// The last day of the audit.
    pub audited_on: Option<Date>,
    /// The verdicts on what it describes.
    pub evidence: QuietEvidence,
    /// Hits that the rule no longer finds beside the filter; always none if the filter only downranks.
    pub lost: u64,
}

impl<'e> Applied<'e> {
    /// Applies the filter to all of the evidence.
    #[must_use]
    pub fn new(compiled: &Compiled, evidence: &'e Evidence) -> Self {
        let mut scratch = CompiledScratch::default();
        let (mut hidden, mut kept, mut lost) = (Vec::new(), 0, 0);
        let mut by_day: BTreeMap<Date, u64> = BTreeMap::new();
        let mut entities: BTreeMap<&str, u64> = BTreeMap::new();
        let mut sets = SeenSets::default();
        for hit in &evidence.archive.hits {
            let mut buffer = RecordBuffer::new();
            let record = Record::parse(&hit.record, &mut buffer).ok();
            let described = record.filter(|one| compiled.describes_parsed(one, &mut scratch));
            let Some(record) = described else {
                kept += 1;
                continue;
            };
            let (with, alone) = compiled.matches_parsed(&record, &mut scratch);
            lost += u64::from(with != alone);
            sets.insert(hit, profile_of(&record));
            *by_day.entry(hit.day).or_default() += 1;
            *entities.entry(&hit.entity).or_default() += 1;
            hidden.push(hit);
        }
        let unreviewed = hidden.iter().filter(|hit| !hit.is_reviewed).map(|hit| &*hit.entity);
        // Of two verdicts on one finding the graver counts.
        let mut audited: BTreeMap<&str, &Audited> = BTreeMap::new();
        for one in &evidence.audited {
            if compiled.describes(&one.record, &mut scratch) {
                let known = audited.entry(&one.uid).or_insert(one);
                *known = if one.is_attack { one } else { known };
            }
        }
        Self {
            kept,
            unreviewed: unreviewed.collect(),
            entities,
            daily_p95: daily_p95(&by_day, evidence.archive.from, evidence.archive.to),
            by_day,
            names_root: sets.names_root,
            seen: sets.seen(),
            attacks: touched(compiled, &evidence.attacks, &mut scratch),
            corpora: touched(compiled, &evidence.corpora, &mut scratch),
            audited: count(audited.len()),
            audited_attacks: count(audited.values().filter(|audited| audited.is_attack).count()),
            audited_on: audited.values().map(|audited| audited.day).max(),
            evidence: verdicts(compiled, evidence, &mut scratch),
            lost,
            hidden,
        }
    }

    /// With 95 % confidence no more than this share of what the filter describes is true: of none among n drawn.
    #[must_use]
    pub fn hidden_true_at_most(&self) -> f64 {
        upper_bound(self.audited, self.audited_attacks)
    }

    /// The figures of the file.
    #[must_use]
    pub fn figures(&self, candidate: &Candidate, evidence: &Evidence) -> Figures {
        let sum = |touched: &[(&str, u64)]| touched.iter().map(|(_, events)| events).sum();
        let backtest = QuietBacktest {
            rule: candidate.rule.analytic.hash.clone(),
            from: evidence.archive.from.to_string(),
            to: evidence.archive.to.to_string(),
            events: evidence.archive.events,
            removed: count(self.hidden.len()),
            kept: self.kept,
            entities: count(self.entities.len()),
            unreviewed_entities: count(self.unreviewed.len()),
            tp_hidden: sum(&self.attacks),
            corpora_hidden: sum(&self.corpora),
            audited: self.audited,
            hidden_tp_ub95: self.hidden_true_at_most(),
            daily_p95: self.daily_p95,
            sha256: String::new(),
        };
        Figures { evidence: self.evidence, backtest }
    }
}

/// The upper bound of 95 % on the share of attacks: `1 - 0.05^(1/n)` if none of n drawn was one, and everything otherwise,
/// because one is enough to refuse.
#[must_use]
pub fn upper_bound(drawn: u64, attacks: u64) -> f64 {
    if drawn == 0 || attacks > 0 {
        return 1.0;
    }
    // More than some billions are not drawn by hand.
    let drawn = u32::try_from(drawn).unwrap_or(u32::MAX);
    1.0 - 0.05_f64.powf(1.0 / f64::from(drawn))
}

pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The days without a finding count: a filter on something rare has a small measure.
fn daily_p95(by_day: &BTreeMap<Date, u64>, from: Date, to: Date) -> u64 {
    let days = from.until(to).map_or(0, |span| span.get_days()).max(0) + 1;
    let days = usize::try_from(days).unwrap_or(usize::MAX).max(by_day.len());
    let mut counts: Vec<u64> = by_day.values().copied().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    // The rank from the top: of twenty days the second highest, of one hundred the sixth.
    counts.get(days / 20).copied().unwrap_or(0).max(1)
}

/// What hidden findings have in common, each once and in order.
#[derive(Default)]
struct SeenSets {
    entities: BTreeSet<String>,
    events: BTreeSet<String>,
    networks: BTreeSet<String>,
    regions: BTreeSet<String>,
    agents: BTreeSet<String>,
    names_root: bool,
}

impl SeenSets {
    fn insert(&mut self, hit: &Hit, profile: Profile) {
        self.entities.insert(hit.entity.clone());
        self.events.insert(profile.event);
        self.networks.insert(profile.network);
        self.regions.insert(profile.region);
        self.agents.insert(profile.agent);
        self.names_root |= profile.is_root;
    }

    fn seen(self) -> Seen {
        let list = |set: BTreeSet<String>| set.into_iter().filter(|one| !one.is_empty()).collect();
        Seen {
            entities: list(self.entities),
            events: list(self.events),
            networks: list(self.networks),
            regions: list(self.regions),
            agents: list(self.agents),
        }
    }
}

fn touched<'e>(
    compiled: &Compiled,
    attacks: &'e [Attack],
    scratch: &mut CompiledScratch,
) -> Vec<(&'e str, u64)> {
    let mut touched = Vec::new();
    for attack in attacks {
        let events =
            attack.records.iter().filter(|record| compiled.describes(record, scratch)).count();
        if events > 0 {
            touched.push((attack.name.as_str(), count(events)));
        }
    }
    touched
}

/// How much people said of what the filter describes.
fn verdicts(
    compiled: &Compiled,
    evidence: &Evidence,
    scratch: &mut CompiledScratch,
) -> QuietEvidence {
    let mut described = Vec::new();
    for judged in evidence.judged.iter().filter(|judged| !judged.label.is_attack()) {
        if compiled.describes(&judged.record, scratch) {
            described.push(judged);
        }
    }
    let reviewers: BTreeSet<&str> = described.iter().map(|judged| &*judged.reviewer).collect();
    let findings: BTreeSet<&str> = described.iter().map(|judged| &*judged.uid).collect();
    let days: BTreeSet<i64> =
        described.iter().map(|judged| judged.at.as_second().div_euclid(86_400)).collect();
    QuietEvidence {
        verdicts: count(findings.len()),
        reviewers: count(reviewers.len()),
        days: count(days.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_that_of_none_among_so_many() {
        for (drawn, attacks, bound) in
            [(0, 0, 1.0), (1, 0, 0.95), (60, 0, 0.0487), (200, 0, 0.0149), (200, 1, 1.0)]
        {
            assert!((upper_bound(drawn, attacks) - bound).abs() < 0.0001, "{drawn}");
        }
    }

    #[test]
    fn days_without_a_finding_count() {
        let day = |day: i8| Date::constant(2026, 3, day);
        let mut by_day = BTreeMap::from([(day(1), 9), (day(2), 4), (day(3), 2)]);
        assert_eq!(daily_p95(&by_day, day(1), day(20)), 4);
        assert_eq!(daily_p95(&by_day, day(1), day(19)), 9);
        by_day.clear();
        assert_eq!(daily_p95(&by_day, day(1), day(20)), 1);
    }
}
