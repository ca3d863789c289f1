//! What each rule and query is worth, in figures: how much it says, how often it is right, how long things take.
//!
//! A row a day is kept of each ([`Row`]), so that queries can ask for their own metrics. Everything is computed of
//! findings and what was said of them, for a window that ends at a time handed in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trailloop_finding::Level;

use crate::entry::Made;
use crate::judgement::{Judgement, Standing};
use crate::level_name;
use crate::observed::{precision, share, standings};
use crate::posterior::{Posterior, rounded};
use crate::times::{Stages, judged_in_time};

pub use crate::observed::{Changes, Observed, Window};
pub use crate::overall::{Day, Overall, UNJUDGED, days, overall};
pub use crate::times::{JUDGED_WITHIN_MS, Times, day_of};

/// How many noisy entities are named.
const NOISY_MAX: usize = 5;

/// An entity that makes much of a rule's noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noisy {
    /// Whom the findings are about. It comes from records, so who shows it escapes it.
    pub entity: String,
    /// How many.
    pub count: u64,
    /// Their share of the rule's, from 0 to 1.
    pub share: f64,
}

/// What a rule or query was worth in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The last day of the window, such as `2026-11-26`.
    pub as_of: String,
    /// Whether it is a rule or a query.
    #[serde(default)]
    pub made: Made,
    /// Its id.
    pub id: String,
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// The hash of what it says, as of its last finding.
    #[serde(default)]
    pub hash: Option<String>,
    /// Its level: the greatest of its findings.
    #[serde(with = "level_name")]
    pub level: Level,
    /// How many findings.
    #[serde(default)]
    pub volume: u64,
    /// How many of them a filter moved down.
    #[serde(default)]
    pub suppressed: u64,
    /// How many entities they are about.
    #[serde(default)]
    pub entities: u64,
    /// How often it was judged as what, of findings as they are folded: one verdict is for all that folded.
    #[serde(default)]
    pub verdicts: BTreeMap<String, u64>,
    /// How many findings, as they are folded.
    #[serde(default)]
    pub folded: u64,
    /// Of how many of them people disagree.
    #[serde(default)]
    pub disputed: u64,
    /// What is believed of its precision: hits and misses with those of the prior.
    pub precision: Posterior,
    /// The expected precision.
    #[serde(default)]
    pub mean: f64,
    /// It is surely (90 %) no less than this.
    #[serde(default)]
    pub q10: f64,
    /// It is surely (90 %) no more than this.
    #[serde(default)]
    pub q90: f64,
    /// The share in which the rule was right, whether or not the behaviour was legitimate; none without verdicts.
    #[serde(default)]
    pub validity: Option<f64>,
    /// The share that nobody has judged.
    #[serde(default)]
    pub unlabelled: f64,
    /// The share of those a day old that had been judged within a day; none if none is so old.
    #[serde(default)]
    pub judged_in_time: Option<f64>,
    /// The entities with most findings.
    #[serde(default)]
    pub noisy: Vec<Noisy>,
    /// From event to receipt, which is AWS's.
    #[serde(default)]
    pub delivery: Times,
    /// From receipt to finding, which is ours.
    #[serde(default)]
    pub ours: Times,
    /// From event to finding.
    #[serde(default)]
    pub to_detect: Times,
    /// From event to what is proven to hold.
    #[serde(default)]
    pub to_contain: Times,
    /// From finding to verdict.
    #[serde(default)]
    pub to_decide: Times,
    /// The event time of the first finding.
    #[serde(default)]
    pub first_ms: i64,
    /// The event time of the last finding.
    #[serde(default)]
    pub last_ms: i64,
    /// For how long it has been silent.
    #[serde(default)]
    pub silent_ms: i64,
    /// The longest it had been silent between two findings.
    #[serde(default)]
    pub longest_gap_ms: i64,
    /// Findings among a million events; who counts the events fills it in.
    #[serde(default)]
    pub per_million: Option<f64>,
    /// What the compiled rule costs an event, in nanoseconds; who measures it fills it in.
    #[serde(default)]
    pub cost_ns: Option<f64>,
}

/// What was measured of a rule over an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The hash of what the rule said.
    pub hash: String,
    /// Its findings among a million events.
    pub per_million: f64,
    /// What it cost an event, in nanoseconds.
    pub cost_ns: f64,
}

/// What was measured of rules, by their ids.
pub type Measured = BTreeMap<String, Measure>;

impl Row {
    /// Takes over what was measured of the rule as it was when it made its last finding.
    pub fn fill(&mut self, measured: &Measured) {
        let measure = measured.get(&self.id);
        if let Some(measure) = measure.filter(|one| Some(&one.hash) == self.hash.as_ref()) {
            self.per_million = Some(measure.per_million);
            self.cost_ns = Some(measure.cost_ns);
        }
    }
}

/// What each rule and query was worth in a window; the order is by kind and id.
#[must_use]
pub fn rows(observed: &[Observed<'_>], window: Window, changes: &Changes) -> Vec<Row> {
    let mut groups = BTreeMap::<(Made, &str), Vec<Observed<'_>>>::new();
    for one in observed.iter().filter(|one| window.holds(one.entry)) {
        groups.entry((one.entry.made, &one.entry.rule)).or_default().push(*one);
    }
    groups.into_values().filter_map(|group| row(&group, changes, window.to_ms)).collect()
}

fn row(group: &[Observed<'_>], changes: &Changes, now_ms: i64) -> Option<Row> {
    let last = group.iter().max_by_key(|one| (one.entry.last_ms, &one.entry.uid))?.entry;
    let standings = standings(group);
    let level = group.iter().map(|one| one.entry.level).max()?;
    let precision = precision(group, &standings, changes, now_ms);
    let volume = group.iter().map(|one| one.entry.count()).sum::<u64>();
    let quiet = group.iter().filter(|one| one.entry.suppressed_by.is_some());
    let judged = standings.iter().flatten().count() as u64;
    let folded = group.len() as u64;
    let verdicts = verdicts(&standings);
    let said = |judgement: Judgement| verdicts.get(judgement.name()).copied().unwrap_or_default();
    let right = said(Judgement::TruePositive) + said(Judgement::BenignPositive);
    let (entities, noisy) = noisy(group, volume);
    let stages = Stages::of(group, &standings);
    Some(Row {
        as_of: day_of(now_ms.saturating_sub(1)),
        made: last.made,
        id: last.rule.clone(),
        title: last.title.clone(),
        hash: last.rule_hash.clone(),
        level,
        volume,
        suppressed: quiet.map(|one| one.entry.count()).sum(),
        entities,
        folded,
        disputed: standings.iter().flatten().filter(|standing| standing.disagrees).count() as u64,
        precision,
        mean: rounded(precision.mean()),
        q10: rounded(precision.to_act()),
        q90: rounded(precision.to_demote()),
        validity: share(right, right + said(Judgement::FalsePositive)),
        unlabelled: share(folded - judged, folded).unwrap_or_default(),
        judged_in_time: judged_in_time(group, &standings, now_ms),
        noisy,
        delivery: stages.delivery,
        ours: stages.ours,
        to_detect: stages.to_detect,
        to_contain: stages.to_contain,
        to_decide: stages.to_decide,
        first_ms: group.iter().map(|one| one.entry.first_ms).min()?,
        last_ms: last.last_ms,
        silent_ms: now_ms.saturating_sub(last.last_ms).max(0),
        longest_gap_ms: longest_gap(
            group.iter().map(|one| (one.entry.first_ms, one.entry.last_ms)).collect(),
        ),
        per_million: None,
        cost_ns: None,
        verdicts,
    })
}

fn verdicts(standings: &[Option<Standing>]) -> BTreeMap<String, u64> {
    let mut verdicts = BTreeMap::new();
    for standing in standings.iter().flatten() {
        *verdicts.entry(standing.judgement.name().to_owned()).or_default() += 1;
    }
    verdicts
}

/// How many entities there are, and which have most findings.
fn noisy(group: &[Observed<'_>], volume: u64) -> (u64, Vec<Noisy>) {
    let mut counts = BTreeMap::<&str, u64>::new();
    for Observed { entry, .. } in group {
        let Some(who) = entry.who() else { continue };
        *counts.entry(who).or_default() += entry.count();
    }
    let known = counts.len() as u64;
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    let noisy = |(entity, count): (&str, u64)| {
        let share = share(count, volume).unwrap_or_default();
        Noisy { entity: entity.to_owned(), count, share }
    };
    (known, counts.into_iter().take(NOISY_MAX).map(noisy).collect())
}

/// The longest time between two findings one after the other, of which the first and the last times are given.
pub(crate) fn longest_gap(mut spans: Vec<(i64, i64)>) -> i64 {
    spans.sort_unstable();
    let (mut longest, mut seen) = (0, None::<i64>);
    for (first, last) in spans {
        if let Some(seen) = seen {
            longest = longest.max(first.saturating_sub(seen));
        }
        seen = Some(seen.map_or(last, |seen| seen.max(last)));
    }
    longest
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Entry, Opinion, Reason};

    pub(crate) const HOUR: i64 = 60 * 60 * 1000;

    /// A finding of this rule about this principal.
    pub(crate) fn entry(number: u32, rule: &str, who: &str, hour: i64) -> Entry {
        let finding = serde_json::json!({
            "finding_info": {"uid": format!("f{number}"), "title": format!("Title of {rule}"), "analytic": {"uid": rule}},
            "severity_id": 3, "time": hour * HOUR,
            "evidences": [{"actor": {"user": {"uid": who}}}],
        });
        let mut entry = Entry::of(&finding).unwrap();
        entry.clocks.received_ms = Some(hour * HOUR + 300_000);
        entry.clocks.finding_ms = Some(hour * HOUR + 302_000);
        entry
    }

    pub(crate) fn said(by: &str, judgement: Judgement, hour: i64) -> Opinion {
        let reason = Reason::of(judgement).next().unwrap();
        Opinion { at_ms: hour * HOUR, by: by.to_owned(), judgement, reason }
    }

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-3, "{one} is not {other}");
    }

    #[test]
    fn a_rule_in_figures() {
        let mut entries: Vec<Entry> = (0..10_u32)
            .map(|number| {
                let who = if number < 7 { "ci" } else { "ana" };
                entry(number, "r", who, i64::from(number) * 10)
            })
            .collect();
        entries[2].clocks.contained_ms = Some(20 * HOUR + 360_000);
        entries[1].suppressed_by = Some("filter".to_owned());
        let opinions: Vec<Vec<Opinion>> = vec![
            vec![said("ana", Judgement::TruePositive, 1)],
            vec![
                said("ana", Judgement::BenignPositive, 11),
                said("ben", Judgement::TruePositive, 12),
                said("eve", Judgement::BenignPositive, 12),
            ],
            vec![said("ana", Judgement::FalsePositive, 70)],
            vec![said("ana", Judgement::Test, 31)],
        ];
        let observed: Vec<Observed<'_>> = entries
            .iter()
            .enumerate()
            .map(|(nth, entry)| {
                let opinions = opinions.get(nth).map(Vec::as_slice).unwrap_or_default();
                Observed::new(entry, opinions)
            })
            .collect();
        let rows = rows(&observed, Window { from_ms: 0, to_ms: 100 * HOUR }, &Changes::new());
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.volume, row.suppressed, row.entities, row.disputed), (10, 1, 2, 1));
        assert_eq!(row.as_of, "1970-01-05");
        assert_eq!(row.verdicts["benign_positive"], 1);
        // Prior (1, 3), one hit, two misses, hardly aged.
        assert!((row.mean - 2.0 / 7.0).abs() < 0.01, "{}", row.mean);
        assert!(row.q10 < row.mean && row.mean < row.q90);
        near(row.validity.unwrap(), 2.0 / 3.0);
        near(row.unlabelled, 0.6);
        // Of the eight that are a day old, three were judged in a day.
        near(row.judged_in_time.unwrap(), 3.0 / 8.0);
        assert_eq!(row.noisy[0], Noisy { entity: "ci".to_owned(), count: 7, share: 0.7 });
        assert_eq!(row.delivery.p50_ms, Some(300_000));
        assert_eq!(row.ours.p95_ms, Some(2_000));
        assert_eq!(row.to_detect.p50_ms, Some(302_000));
        assert_eq!((row.to_contain.known, row.to_contain.p50_ms), (1, Some(360_000)));
        assert_eq!(row.to_decide.known, 4);
        let all = overall(&observed, Window { from_ms: 0, to_ms: 100 * HOUR });
        assert_eq!((all.findings, all.waiting, all.disputed), (10, 6, 1));
        assert_eq!((all.judged_twice, all.accuracy), (1, None), "they disagree more than coins do");
        assert_eq!((all.to_decide, all.judged_in_time), (row.to_decide, row.judged_in_time));
        assert_eq!((row.last_ms, row.silent_ms), (90 * HOUR, 10 * HOUR));
        assert_eq!(row.longest_gap_ms, 10 * HOUR);
        let kept = serde_json::to_string(row).unwrap();
        assert_eq!(&serde_json::from_str::<Row>(&kept).unwrap(), row);
    }

    #[test]
    fn quantiles_are_times_that_were_measured() {
        assert_eq!(
            Times::of((1..=100).collect()),
            Times { known: 100, p50_ms: Some(50), p95_ms: Some(95) }
        );
        assert_eq!(Times::of(vec![7]), Times { known: 1, p50_ms: Some(7), p95_ms: Some(7) });
        assert_eq!(Times::of(Vec::new()), Times::default());
    }

    #[test]
    fn days_without_findings_stand_between() {
        let entries = [entry(1, "r", "a", 1), entry(2, "r", "a", 49)];
        let opinions = [said("ana", Judgement::Test, 2)];
        let observed = [Observed::new(&entries[0], &opinions), Observed::new(&entries[1], &[])];
        let days = days(&observed, Window { from_ms: 0, to_ms: 72 * HOUR });
        let shown: Vec<(&str, usize)> =
            days.iter().map(|day| (day.day.as_str(), day.by_verdict.len())).collect();
        assert_eq!(shown, [("1970-01-01", 1), ("1970-01-02", 0), ("1970-01-03", 1)]);
        assert_eq!(days[0].by_verdict["test"], 1);
        assert_eq!(days[2].by_verdict[UNJUDGED], 1);
    }

    #[test]
    fn no_time_is_refused() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            let mut one = entry(1, "r", "a", 0);
            (one.first_ms, one.last_ms) = (at, at);
            one.clocks.event_ms = Some(at);
            let observed = [Observed { probability: f64::NAN, ..Observed::new(&one, &[]) }];
            let window = Window { from_ms: i64::MIN, to_ms: i64::MAX };
            assert!(rows(&observed, window, &Changes::new()).len() <= 1);
            assert!(days(&observed, window).len() <= 366);
            assert!(days(&observed, Window::days(i64::MAX, at)).len() <= 366);
        }
    }
}
