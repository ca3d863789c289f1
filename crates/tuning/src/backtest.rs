//! Two sets of rules over the same events: which findings one gains and the other loses, by rule and by entity.
//!
//! The findings come from replaying the same archive twice; here they are only compared. The order in which they come does not
//! matter, and the same findings give the same bytes.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use jiff::civil::Date;
use serde::Serialize;

use crate::evidence::Label;
use crate::file::quoted;

/// So many findings and entities are shown as text; the JSON has all.
const SHOWN_MAX: usize = 20;

/// A finding of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id, a hash of rule and event.
    pub uid: String,
    /// The id of its rule.
    pub rule: String,
    /// Who did it.
    pub entity: String,
    /// The day of its event.
    pub day: Date,
    /// What it was judged to be, if it was.
    pub label: Option<Label>,
}

/// What the replays cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// How many events each read.
    pub events: u64,
    /// Nanoseconds an event, with the old rules.
    pub old_nanoseconds: u64,
    /// The same with the new rules.
    pub new_nanoseconds: u64,
}

/// How many findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Only the new rules find them.
    pub gained: u64,
    /// Only the old rules find them.
    pub lost: u64,
    /// Both do.
    pub kept: u64,
}

/// A finding that only one of the two has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Differing {
    /// The id of its rule.
    pub rule: String,
    /// The day of its event.
    pub day: String,
    /// Who did it.
    pub entity: String,
    /// Its id.
    pub uid: String,
    /// What it was judged to be.
    pub label: Option<&'static str>,
}

/// What came of a comparison. As JSON its members stand in one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backtest {
    /// Whether the new rules may take the place of the old ones.
    pub passed: bool,
    /// All findings.
    pub total: Change,
    /// Labelled attacks that only the old rules find.
    pub attacks_lost: u64,
    /// Labelled attacks that only the new rules find.
    pub attacks_gained: u64,
    /// Findings judged harmless that only the old rules find.
    pub harmless_lost: u64,
    /// Findings judged harmless that only the new rules find.
    pub harmless_gained: u64,
    /// What the replays cost, if it was measured. Time is never the same twice: leave it out of what has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// By rule.
    pub rules: BTreeMap<String, Change>,
    /// By entity, those that are only kept aside.
    pub entities: BTreeMap<String, Change>,
    /// What is gained.
    pub gained: Vec<Differing>,
    /// What is lost.
    pub lost: Vec<Differing>,
}

/// Compares what two sets of rules found. A finding that comes twice counts once.
#[must_use]
pub fn compare(old: &[Found], new: &[Found], cost: Option<Cost>) -> Backtest {
    let by_uid = |found: &[Found]| -> BTreeMap<String, Found> {
        found.iter().map(|one| (one.uid.clone(), one.clone())).collect()
    };
    let (old, new) = (by_uid(old), by_uid(new));
    let mut total = Change::default();
    let mut rules: BTreeMap<String, Change> = BTreeMap::new();
    let mut entities: BTreeMap<String, Change> = BTreeMap::new();
    let mut count = |one: &Found, add: fn(&mut Change)| {
        add(&mut total);
        add(rules.entry(one.rule.clone()).or_default());
        add(entities.entry(one.entity.clone()).or_default());
    };
    let (mut gained, mut lost) = (Vec::new(), Vec::new());
    for (uid, one) in &old {
        if new.contains_key(uid) {
            count(one, |change| change.kept += 1);
        } else {
            count(one, |change| change.lost += 1);
            lost.push(one);
        }
    }
    for (_, one) in new.iter().filter(|(uid, _)| !old.contains_key(*uid)) {
        count(one, |change| change.gained += 1);
        gained.push(one);
    }
    entities.retain(|_, change| change.gained + change.lost > 0);
    let of = |found: &[&Found], is_attack: bool| {
        let labelled = found.iter().filter_map(|one| one.label);
        crate::applied::count(labelled.filter(|label| label.is_attack() == is_attack).count())
    };
    let attacks_lost = of(&lost, true);
    Backtest {
        passed: attacks_lost == 0,
        total,
        attacks_lost,
        attacks_gained: of(&gained, true),
        harmless_lost: of(&lost, false),
        harmless_gained: of(&gained, false),
        cost,
        rules,
        entities,
        gained: differing(&gained),
        lost: differing(&lost),
    }
}

fn differing(found: &[&Found]) -> Vec<Differing> {
    let mut differing: Vec<Differing> = found
        .iter()
        .map(|one| Differing {
            rule: one.rule.clone(),
            day: one.day.to_string(),
            entity: one.entity.clone(),
            uid: one.uid.clone(),
            label: one.label.map(Label::name),
        })
        .collect();
    differing.sort();
    differing
}

impl Backtest {
    /// As JSON, for machines.
    #[must_use]
    pub fn json(&self) -> String {
        // Maps with text for keys, texts and numbers always serialise.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// As text, for people.
impl fmt::Display for Backtest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { gained, lost, kept } = self.total;
        writeln!(f, "{gained} findings gained, {lost} lost, {kept} kept")?;
        writeln!(
            f,
            "of those judged: {} attacks lost, {} gained; {} harmless lost, {} gained",
            self.attacks_lost, self.attacks_gained, self.harmless_lost, self.harmless_gained
        )?;
        if let Some(Cost { events, old_nanoseconds, new_nanoseconds }) = self.cost {
            writeln!(
                f,
                "{events} events; {old_nanoseconds} ns an event before, {new_nanoseconds} after"
            )?;
        }
        let changed = |change: &Change| change.gained + change.lost > 0;
        table(f, "rule", self.rules.iter().filter(|(_, change)| changed(change)))?;
        table(f, "entity", self.entities.iter())?;
        list(f, "lost", &self.lost)?;
        list(f, "gained", &self.gained)?;
        let verdict = if self.passed { "passes" } else { "fails: labelled attacks are lost" };
        writeln!(f, "\n{verdict}")
    }
}

fn table<'c>(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    changes: impl Iterator<Item = (&'c String, &'c Change)>,
) -> fmt::Result {
    let mut changes: Vec<_> = changes.collect();
    changes.sort_by_key(|(name, change)| (u64::MAX - change.gained - change.lost, *name));
    if !changes.is_empty() {
        writeln!(f, "\n{:>8} {:>8} {:>8}  {what}", "gained", "lost", "kept")?;
    }
    for (name, Change { gained, lost, kept }) in changes.iter().take(SHOWN_MAX) {
        writeln!(f, "{gained:>8} {lost:>8} {kept:>8}  {}", quoted(name))?;
    }
    more(f, changes.len())
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, found: &[Differing]) -> fmt::Result {
    // Labelled ones are what a reader looks for.
    let mut found: Vec<&Differing> = found.iter().collect();
    found.sort_by_key(|one| one.label.is_none());
    if !found.is_empty() {
        writeln!(f, "\n{what}:")?;
    }
    for one in found.iter().take(SHOWN_MAX) {
        let mut line = format!("  {} {} {}", one.day, quoted(&one.rule), quoted(&one.entity));
        write!(line, " {}", quoted(&one.uid))?;
        if let Some(label) = one.label {
            write!(line, ", judged {label}")?;
        }
        writeln!(f, "{line}")?;
    }
    more(f, found.len())
}

fn more(f: &mut fmt::Formatter<'_>, all: usize) -> fmt::Result {
    match all.checked_sub(SHOWN_MAX) {
        Some(more @ 1..) => writeln!(f, "  and {more} more"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(nth: u32, rule: &str, entity: &str, label: Option<Label>) -> Found {
        Found {
            uid: format!("{rule}-{nth}"),
            rule: rule.to_owned(),
            entity: entity.to_owned(),
            day: Date::constant(2026, 6, 1),
            label,
        }
    }

    #[test]
    fn gained_and_lost_are_told_by_rule_and_entity() {
        let old = [
            found(1, "a", "ana", None),
            found(2, "a", "ben", Some(Label::False)),
            found(3, "b", "ben", None),
        ];
        let new = [found(1, "a", "ana", None), found(4, "b", "eve", Some(Label::True))];
        let backtest = compare(&old, &new, None);
        assert!(backtest.passed);
        assert_eq!(backtest.total, Change { gained: 1, lost: 2, kept: 1 });
        assert_eq!(backtest.rules["a"], Change { gained: 0, lost: 1, kept: 1 });
        assert_eq!(backtest.entities.keys().collect::<Vec<_>>(), ["ben", "eve"]);
        assert_eq!((backtest.attacks_gained, backtest.harmless_lost), (1, 1));
        assert!(backtest.to_string().ends_with("\npasses\n"));
    }

    #[test]
    fn a_lost_attack_fails() {
        for label in [Label::True, Label::Test] {
            let backtest = compare(&[found(1, "a", "eve", Some(label))], &[], None);
            assert!(!backtest.passed && backtest.json().contains("\"attacks_lost\": 1"));
            assert!(backtest.to_string().contains("fails: labelled attacks are lost"));
        }
    }

    #[test]
    fn the_same_findings_give_the_same_bytes_in_any_order() {
        let mut old: Vec<Found> =
            (0..50).map(|nth| found(nth, "a", &format!("e{}", nth % 7), None)).collect();
        let mut new: Vec<Found> = old.iter().skip(9).cloned().collect();
        new.extend((60..90).map(|nth| found(nth, "b", "x\n\u{202e}", Some(Label::Benign))));
        let cost = Some(Cost { events: 1_000, old_nanoseconds: 310, new_nanoseconds: 320 });
        let first = compare(&old, &new, cost);
        old.reverse();
        new.rotate_left(13);
        new.push(new[0].clone());
        let second = compare(&old, &new, cost);
        assert_eq!(first.json(), second.json());
        assert_eq!(first.to_string(), second.to_string());
        assert!(first.to_string().contains("  and 10 more\n") && first.to_string().is_ascii());
        assert!(serde_json::from_str::<serde_json::Value>(&first.json()).is_ok());
    }
}
