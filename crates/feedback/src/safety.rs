//! What follows by itself, since it only goes towards safety: a runbook asks again, a silent rule raises an alarm, and people are
//! asked for the verdicts that teach most. Nothing here hides a finding or lets more be done.
//!
//! Analysts judge what stands on top, so verdicts alone say nothing of what stands below. Therefore a twentieth of a day's capacity
//! goes to an audit sample ([`audit`]): findings that nobody would have looked at, drawn with a probability that is kept, by whose
//! inverse their verdicts count. If none of those drawn from behind a filter is an attack, [`crate::bound_of_none`] says how many
//! may still be hidden there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trailloop_finding::{Level, sha256};

use crate::entry::Entry;
use crate::metrics::{Observed, Row, longest_gap};
use crate::posterior::{count, rounded};
use crate::rank::Ranked;
use crate::runs::{Ending, RunSeen};

/// A runbook that may no longer act on this rule's findings without asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demotion {
    /// The runbook.
    pub runbook: String,
    /// The rule.
    pub rule: String,
    /// The last run that was undone.
    pub run: String,
    /// How many were.
    pub undone: u64,
    /// When the last one was.
    pub undone_ms: i64,
}

/// The pairs of runbook and rule that have to ask, since a verdict undid a run of theirs. `runs` are those since the pair was last
/// allowed to act, which only people can allow.
#[must_use]
pub fn demotions(runs: &[RunSeen]) -> Vec<Demotion> {
    let mut pairs = BTreeMap::<(&str, &str), Demotion>::new();
    for run in runs.iter().filter(|run| run.ending == Ending::Undone) {
        let undone_ms = run.undone_ms.unwrap_or_default();
        let known = pairs.entry((&run.runbook, &run.rule)).or_insert_with(|| Demotion {
            runbook: run.runbook.clone(),
            rule: run.rule.clone(),
            run: run.run.clone(),
            undone: 0,
            undone_ms,
        });
        known.undone += 1;
        if (undone_ms, &run.run) > (known.undone_ms, &known.run) {
            known.undone_ms = undone_ms;
            known.run.clone_from(&run.run);
        }
    }
    pairs.into_values().collect()
}

/// What counts as regular, and as silent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Regularity {
    /// A rule that fired less often is not missed.
    pub findings_min: u64,
    /// Nor one that fired over a shorter time.
    pub span_min_ms: i64,
    /// It is missed after so many times the longest it was ever silent.
    pub times: f64,
    /// And never sooner than this.
    pub silent_min_ms: i64,
}

impl Default for Regularity {
    fn default() -> Self {
        const HOUR_MS: i64 = 60 * 60 * 1000;
        Self {
            findings_min: 10,
            span_min_ms: 3 * 24 * HOUR_MS,
            times: 3.0,
            silent_min_ms: 6 * HOUR_MS,
        }
    }
}

/// A rule that fired regularly, and does so no more: the rule, the trail or its delivery may be broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silent {
    /// The rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Its last finding.
    pub last_ms: i64,
    /// For how long it has been silent.
    pub silent_ms: i64,
    /// The longest it had been silent before.
    pub longest_gap_ms: i64,
}

impl Silent {
    /// The silence of a rule, if it is one: `volume` findings from the first to the last, between which it never was silent for longer
    /// than `longest_gap_ms`.
    fn of(
        (rule, title): (&str, &str),
        volume: u64,
        (first_ms, last_ms, now_ms): (i64, i64, i64),
        longest_gap_ms: i64,
        regularity: &Regularity,
    ) -> Option<Self> {
        let span_ms = last_ms.saturating_sub(first_ms);
        if volume < regularity.findings_min || span_ms < regularity.span_min_ms {
            return None;
        }
        // What folded shows no gaps, so there is at least the mean one.
        let mean_gap_ms =
            span_ms / i64::try_from(volume.saturating_sub(1)).unwrap_or(i64::MAX).max(1);
        let longest_gap_ms = longest_gap_ms.max(mean_gap_ms);
        let allowed = (longest_gap_ms as f64 * regularity.times).max(0.0);
        let silent_ms = now_ms.saturating_sub(last_ms).max(0);
        let is_missed = silent_ms >= regularity.silent_min_ms && silent_ms as f64 > allowed;
        is_missed.then(|| Self {
            rule: rule.to_owned(),
            title: title.to_owned(),
            last_ms,
            silent_ms,
            longest_gap_ms,
        })
    }
}

/// The rules that have gone silent.
#[must_use]
pub fn silent(rows: &[Row], regularity: &Regularity) -> Vec<Silent> {
    let of = |row: &Row| {
        let times = (row.first_ms, row.last_ms, row.last_ms.saturating_add(row.silent_ms));
        Silent::of((&row.id, &row.title), row.volume, times, row.longest_gap_ms, regularity)
    };
    rows.iter().filter_map(of).collect()
}

/// When rules found something, for who has no room for the findings of a month.
#[derive(Debug, Default)]
pub struct Rhythms(BTreeMap<String, Rhythm>);

#[derive(Debug, Default)]
struct Rhythm {
    title: String,
    volume: u64,
    /// From the first to the last of what folded.
    spans: Vec<(i64, i64)>,
}

impl Rhythms {
    /// Takes up a finding.
    pub fn add(&mut self, entry: &Entry) {
        let rhythm = self.0.entry(entry.rule.clone()).or_default();
        rhythm.title.clone_from(&entry.title);
        rhythm.volume = rhythm.volume.saturating_add(entry.count());
        rhythm.spans.push((entry.first_ms, entry.last_ms));
    }

    /// The rules that have gone silent.
    #[must_use]
    pub fn silent(self, now_ms: i64, regularity: &Regularity) -> Vec<Silent> {
        let of = |(rule, rhythm): (String, Rhythm)| {
            let Rhythm { title, volume, spans } = rhythm;
            let first_ms = spans.iter().map(|(first, _)| *first).min()?;
            let last_ms = spans.iter().map(|(_, last)| *last).max()?;
            let (name, times) = ((rule.as_str(), title.as_str()), (first_ms, last_ms, now_ms));
            Silent::of(name, volume, times, longest_gap(spans), regularity)
        };
        self.0.into_iter().filter_map(of).collect()
    }
}

/// A synthetic event that was sent through the real path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The rule that should fire.
    pub rule: String,
    /// When it was sent.
    pub sent_ms: i64,
    /// When its finding was there.
    #[serde(default)]
    pub found_ms: Option<i64>,
    /// Within what time it should be.
    pub objective_ms: i64,
}

/// A canary that was not found in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The canary.
    pub canary: Canary,
    /// How long it took, or has taken.
    pub took_ms: i64,
}

/// The rules whose last canary was not found, or too late: of each rule the last one that is due. One that is late is an alarm as
/// well, since an attack would have been as late.
#[must_use]
pub fn missed(canaries: &[Canary], now_ms: i64) -> Vec<Missed> {
    let mut last = BTreeMap::<&str, (&Canary, i64)>::new();
    for canary in canaries {
        let took_ms = canary.found_ms.unwrap_or(now_ms).saturating_sub(canary.sent_ms);
        let is_due = canary.found_ms.is_some() || took_ms > canary.objective_ms;
        let is_later = |known: &(&Canary, i64)| {
            (canary.sent_ms, canary.found_ms) > (known.0.sent_ms, known.0.found_ms)
        };
        if is_due && last.get(canary.rule.as_str()).is_none_or(is_later) {
            last.insert(&canary.rule, (canary, took_ms));
        }
    }
    let missed = |(canary, took_ms): (&Canary, i64)| {
        (took_ms > canary.objective_ms).then(|| Missed { canary: canary.clone(), took_ms })
    };
    last.into_values().filter_map(missed).collect()
}

/// A finding whose verdict would teach much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The finding.
    pub uid: String,
    /// Its rule.
    pub rule: String,
    /// How much it would teach: uncertainty of the rule's precision, times volume, times severity.
    pub worth: f64,
    /// Why.
    pub because: String,
}

/// The findings to ask about first, one of each rule: the last unjudged one of those that stand for most.
#[must_use]
pub fn questions(rows: &[Row], observed: &[Observed<'_>], most: usize) -> Vec<Question> {
    let mut unjudged = BTreeMap::<&str, (u64, i64, &str)>::new();
    for Observed { entry, .. } in observed.iter().filter(|one| one.opinions.is_empty()) {
        let this = (entry.count(), entry.last_ms, entry.uid.as_str());
        let known = unjudged.entry(&entry.rule).or_insert(this);
        *known = this.max(*known);
    }
    let question = |row: &Row| {
        let (_, _, uid) = *unjudged.get(row.id.as_str())?;
        let deviation = row.precision.deviation();
        let worth = rounded(deviation * count(row.volume) * severity(row.level));
        let because = format!(
            "its rule, of level {}, made {} findings, and its precision is {:.2}, give or take {deviation:.2}",
            row.level, row.volume, row.mean,
        );
        Some(Question { uid: uid.to_owned(), rule: row.id.clone(), worth, because })
    };
    let mut questions: Vec<Question> = rows.iter().filter_map(question).collect();
    questions.sort_by(|one, other| {
        other.worth.total_cmp(&one.worth).then_with(|| one.rule.cmp(&other.rule))
    });
    questions.truncate(most);
    questions
}

fn severity(level: Level) -> f64 {
    f64::from(level.severity_id())
}

/// What of a day's capacity goes to the audit sample: one of so many.
const AUDIT_OF: usize = 20;

/// A finding that was drawn to be judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// The finding.
    pub uid: String,
    /// With which probability; its verdict counts by the inverse.
    pub probability: f64,
}

/// The audit sample of a day, when people judge `capacity` findings a day: a twentieth of it, at least one, drawn evenly from what they
/// would not have come to and from what is suppressed.
///
/// The same day and seed draw the same, whatever the order of the queue. The seed should be one that attackers don't know, else they
/// could choose what is drawn.
#[must_use]
pub fn audit(queue: &[Ranked], capacity: usize, day: &str, seed: &str) -> Vec<Drawn> {
    let mut queue: Vec<&Ranked> = queue.iter().collect();
    queue.sort_by(|one, other| one.order(other));
    queue.dedup_by(|one, other| one.uid == other.uid);
    let looked_at = queue.iter().filter(|one| !one.is_suppressed).take(capacity);
    let looked_at: Vec<&str> = looked_at.map(|one| one.uid.as_str()).collect();
    let ticket = |uid: &str| sha256([seed, "\0", day, "\0", uid].concat().as_bytes());
    let mut tickets = BTreeMap::new();
    // Those looked at are the first of the queue but for suppressed ones, so both lists are walked together.
    let mut next = looked_at.iter().peekable();
    for one in queue {
        if next.next_if(|uid| **uid == one.uid).is_none() {
            tickets.insert(ticket(&one.uid), one.uid.as_str());
        }
    }
    let drawn = capacity.div_ceil(AUDIT_OF).max(1).min(tickets.len());
    let probability = rounded(count(drawn as u64) / count(tickets.len().max(1) as u64));
    // A share that rounds to nothing is still more than nothing.
    let probability = probability.max(1e-4);
    let uids = tickets.into_values().take(drawn);
    uids.map(|uid| Drawn { uid: uid.to_owned(), probability }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::metrics::tests::{HOUR, entry, said};
    use crate::metrics::{Changes, Window, rows};
    use crate::runs::tests::run;
    use crate::{Entry, Judgement};

    #[test]
    fn a_run_undone_makes_its_runbook_ask() {
        let mut other = run(1, Ending::Contained, true);
        other.rule = "other".to_owned();
        let mut last = run(3, Ending::Undone, true);
        last.undone_ms = Some(5 * HOUR);
        let runs = [other, last, run(2, Ending::Undone, false)];
        let demotions = demotions(&runs);
        assert_eq!(demotions.len(), 1);
        assert_eq!((demotions[0].run.as_str(), demotions[0].undone), ("run-3", 2));
        assert_eq!(demotions[0].undone_ms, 5 * HOUR);
    }

    fn rows_of(entries: &[Entry], hour: i64) -> Vec<Row> {
        let observed: Vec<Observed<'_>> =
            entries.iter().map(|entry| Observed::new(entry, &[])).collect();
        rows(&observed, Window { from_ms: 0, to_ms: hour * HOUR }, &Changes::new())
    }

    #[test]
    fn a_rule_that_fired_regularly_is_missed() {
        let each_ten_hours: Vec<Entry> =
            (0..12).map(|number| entry(number, "r", "ana", i64::from(number) * 10)).collect();
        let last = 110;
        let at = |hour| silent(&rows_of(&each_ten_hours, hour), &Regularity::default());
        assert_eq!(at(last + 30), [], "three times its longest silence is allowed");
        let missed = at(last + 31);
        assert_eq!(missed.len(), 1);
        assert_eq!((missed[0].silent_ms, missed[0].longest_gap_ms), (31 * HOUR, 10 * HOUR));
        let mut rhythms = Rhythms::default();
        each_ten_hours.iter().rev().for_each(|entry| rhythms.add(entry));
        assert_eq!(rhythms.silent((last + 31) * HOUR, &Regularity::default()), missed);
        let seldom = silent(&rows_of(&each_ten_hours[..5], 10_000), &Regularity::default());
        assert_eq!(seldom, []);
        // Folded to one, it is missed after three times the mean.
        let mut folded = each_ten_hours[0].clone();
        for entry in &each_ten_hours[1..] {
            assert!(folded.fold(entry));
        }
        let rows = rows_of(&[folded], last + 31);
        assert_eq!(silent(&rows, &Regularity::default()), missed);
    }

    #[test]
    fn a_canary_that_was_not_found_in_time_is_an_alarm() {
        let canary = |rule: &str, sent_ms, found_ms| Canary {
            rule: rule.to_owned(),
            sent_ms,
            found_ms,
            objective_ms: 100,
        };
        let canaries = [
            canary("found", 0, Some(50)),
            canary("found", 1_000, None),
            canary("late", 0, Some(150)),
            canary("lost", 0, Some(50)),
            canary("lost", 500, None),
            canary("mended", 0, None),
            canary("mended", 500, Some(510)),
        ];
        let missed = missed(&canaries, 1_050);
        let shown: Vec<(&str, i64)> =
            missed.iter().map(|one| (one.canary.rule.as_str(), one.took_ms)).collect();
        assert_eq!(shown, [("late", 150), ("lost", 550)]);
    }

    #[test]
    fn the_verdict_that_would_teach_most_is_asked_for() {
        let mut entries: Vec<Entry> =
            (0..40).map(|number| entry(number, "noisy", "ana", i64::from(number))).collect();
        entries.push(entry(50, "rare", "ana", 1));
        let mut grave = entry(60, "known", "ana", 1);
        grave.level = Level::Critical;
        entries.push(grave);
        let opinions = [said("ana", Judgement::TruePositive, 2)];
        let observed: Vec<Observed<'_>> = entries
            .iter()
            .map(|entry| {
                let is_judged = entry.rule == "known" || entry.uid == "f39";
                Observed::new(entry, if is_judged { &opinions } else { &[] })
            })
            .collect();
        let rows = rows(&observed, Window { from_ms: 0, to_ms: 48 * HOUR }, &Changes::new());
        let questions = questions(&rows, &observed, 5);
        let shown: Vec<(&str, &str)> =
            questions.iter().map(|one| (one.rule.as_str(), one.uid.as_str())).collect();
        assert_eq!(shown, [("noisy", "f38"), ("rare", "f50")], "what is judged is not asked");
    }

    fn queue(all: u32, suppressed: u32) -> Vec<Ranked> {
        let one = |number: u32| Ranked {
            uid: format!("f{number}"),
            level: Level::Medium,
            score: 100.0 * f64::from(all - number) / f64::from(all),
            is_suppressed: number >= all - suppressed,
            event_ms: 0,
        };
        (0..all).map(one).collect()
    }

    #[test]
    fn a_twentieth_of_the_day_goes_to_what_nobody_would_have_seen() {
        let queue = queue(400, 100);
        let drawn = audit(&queue, 100, "2026-11-26", "seed");
        assert_eq!(drawn.len(), 5);
        for one in &drawn {
            assert!((one.probability - 5.0 / 300.0).abs() < 1e-4);
            let number: u32 = one.uid[1..].parse().unwrap();
            assert!(number >= 100, "{} would have been looked at", one.uid);
        }
        let turned: Vec<Ranked> = queue.iter().rev().cloned().collect();
        assert_eq!(audit(&turned, 100, "2026-11-26", "seed"), drawn);
        assert_ne!(audit(&queue, 100, "2026-11-27", "seed"), drawn);
        assert_ne!(audit(&queue, 100, "2026-11-26", "other"), drawn);
        assert_eq!(audit(&[], 100, "2026-11-26", "seed"), []);
    }

    #[test]
    fn each_is_drawn_as_often_as_its_probability_says() {
        let queue = queue(50, 20);
        let mut hits = BTreeMap::<String, u32>::new();
        for day in 0..2_000 {
            for one in audit(&queue, 40, &day.to_string(), "seed") {
                assert!((one.probability - 0.1).abs() < 1e-9);
                *hits.entry(one.uid).or_default() += 1;
            }
        }
        // 2,000 draws of a tenth: 200, with a deviation of 13.
        assert_eq!(hits.len(), 20);
        assert!(hits.values().all(|hits| (140..260).contains(hits)), "{hits:?}");
    }

    proptest! {
        #[test]
        fn no_more_are_drawn_than_there_are(
            all in 0..60_u32, suppressed in 0..60_u32, capacity in 0..200_usize, seed: String,
        ) {
            let queue = queue(all, suppressed.min(all));
            let drawn = audit(&queue, capacity, "day", &seed);
            let uids: BTreeSet<&str> = drawn.iter().map(|one| one.uid.as_str()).collect();
            prop_assert_eq!(uids.len(), drawn.len());
            prop_assert!(drawn.len() <= capacity.div_ceil(20).max(1));
            for one in &drawn {
                prop_assert!(one.probability > 0.0 && one.probability <= 1.0);
            }
        }
    }
}
