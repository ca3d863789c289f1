//! From verdicts to candidates: conjunctions of fields that describe findings which people called harmless.
//!
//! The search is over texts of records, greedy and deterministic: a conjunction begins with who acted, is made longer only
//! where that keeps out what was judged true, and the best one takes the findings that it describes out of the game before
//! the next is looked for. It only proposes; whether a candidate describes what it seems to is for the engine and the gates.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use trailloop_rules::{Rule, TRIPWIRES};

use crate::applied::count;
use crate::candidate::{Candidate, Condition, Test};
use crate::evidence::{Judged, Label};
use crate::flat::{flatten, network_of};
use crate::forge::Class;
use crate::gates::{
    CONDITIONS_MAX, DAYS_MIN, FIRST_SIGHT_DAYS_MIN, REVIEWERS_MIN, VERDICTS_MIN, days_allowed,
};

/// What is looked for, and in whose name.
#[derive(Clone, Debug)]
pub struct Mine<'m> {
    /// Networks of the operator's own.
    pub own_networks: &'m [String],
    /// The day.
    pub today: Date,
    /// Who will answer for what is proposed.
    pub owner: &'m str,
    /// Who proposes.
    pub proposer: &'m str,
    /// How many findings a further condition has to be worth, in tenths.
    pub lambda_tenths: u64,
}

/// So many candidates of a rule at once: a person reads each.
const CANDIDATES_MAX: usize = 20;

/// So many conditions are combined; the strongest come first.
const ATOMS_MAX: usize = 24;

/// Verbs that only read, by which several names are one condition.
const VERBS: &[&str] = &["Describe", "Get", "List"];

/// A harmless finding with its fields.
struct Row<'j> {
    judged: &'j Judged,
    fields: BTreeMap<String, String>,
    /// The conditions that it satisfies and that tell it from others.
    atoms: Vec<Condition>,
}

impl<'j> Row<'j> {
    fn of(judged: &'j Judged, mine: &Mine<'_>) -> Self {
        let fields = flatten(&judged.record);
        Self { atoms: atoms(&fields, mine), fields, judged }
    }
}

/// Candidates for one rule from the verdicts on its findings, best first.
#[must_use]
pub fn mine(rule: &Rule, judged: &[Judged], mine: &Mine<'_>) -> Vec<Candidate> {
    let of_rule = || judged.iter().filter(|one| one.rule == rule.analytic.uid);
    let attacks: Vec<Row<'_>> =
        of_rule().filter(|one| one.label.is_attack()).map(|one| Row::of(one, mine)).collect();
    let open: Vec<Row<'_>> =
        of_rule().filter(|one| !one.label.is_attack()).map(|one| Row::of(one, mine)).collect();
    let mut found: Vec<(u64, Vec<Condition>, BTreeSet<usize>)> = Vec::new();
    for (who, rows) in identities(&open, mine) {
        if is_enough(&open, &rows, mine) {
            found.extend(grown(&who, &rows, &open, &attacks, mine));
        }
    }
    // The best takes what it describes out of the game before the next is looked at; among equals the first in the order of
    // texts.
    found.sort_by(|(a, ..), (b, ..)| b.cmp(a));
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    let mut candidates = Vec::new();
    for (_, conditions, described) in found {
        let left: BTreeSet<usize> = described.difference(&taken).copied().collect();
        if candidates.len() < CANDIDATES_MAX && is_enough(&open, &left, mine) {
            let rows: Vec<&Row<'_>> = left.iter().map(|nth| &open[*nth]).collect();
            candidates.push(candidate(rule, conditions, &rows, mine));
            taken.extend(left);
        }
    }
    candidates
}

/// Each identity among the rows, and the rows that it is in.
fn identities(open: &[Row<'_>], mine: &Mine<'_>) -> BTreeMap<Condition, BTreeSet<usize>> {
    let mut identities: BTreeMap<Condition, BTreeSet<usize>> = BTreeMap::new();
    for (nth, row) in open.iter().enumerate() {
        for atom in row.atoms.iter().filter(|atom| is_who(atom, mine)) {
            identities.entry(atom.clone()).or_default().insert(nth);
        }
    }
    identities
}

/// The conjunctions that begin with an identity: with each further condition that is strong enough, and with as many more
/// as keep out what was judged true.
fn grown(
    who: &Condition,
    rows: &BTreeSet<usize>,
    open: &[Row<'_>],
    attacks: &[Row<'_>],
    mine: &Mine<'_>,
) -> Vec<(u64, Vec<Condition>, BTreeSet<usize>)> {
    let mut counts: BTreeMap<&Condition, usize> = BTreeMap::new();
    for nth in rows {
        for atom in &open[*nth].atoms {
            *counts.entry(atom).or_default() += 1;
        }
    }
    let verbs = verbs(rows, open);
    counts.extend(verbs.iter().map(|verbs| (verbs, rows.len())));
    // From where comes before what; among equals what describes more, then the order of texts.
    let mut further: Vec<(Class, usize, Condition)> = counts
        .into_iter()
        .map(|(one, count)| (one.class(mine.own_networks), usize::MAX - count, one.clone()))
        .filter(|(class, _, one)| {
            one.field != who.field && matches!(class, Class::Where | Class::What)
        })
        .collect();
    further.sort();
    further.truncate(ATOMS_MAX);
    let mut found = Vec::new();
    for (_, _, second) in &further {
        let mut conditions = vec![who.clone(), second.clone()];
        let more = further.iter().map(|(_, _, condition)| condition);
        for condition in more {
            if conditions.len() == CONDITIONS_MAX || describing(attacks, &conditions).is_empty() {
                break;
            }
            let is_new = conditions.iter().all(|one| one.field != condition.field);
            let mut longer = conditions.clone();
            longer.push(condition.clone());
            let keeps_out =
                describing(attacks, &longer).len() < describing(attacks, &conditions).len();
            if is_new && keeps_out {
                conditions = longer;
            }
        }
        let described = satisfying(open, rows, &conditions);
        if describing(attacks, &conditions).is_empty() && is_enough(open, &described, mine) {
            conditions.sort();
            let complexity = count(conditions.len()) * mine.lambda_tenths;
            let score = (count(described.len()) * 10).saturating_sub(complexity);
            found.push((score, conditions, described));
        }
    }
    found
}

/// The conditions that a row of these fields satisfies and that tell it from others.
fn atoms(fields: &BTreeMap<String, String>, mine: &Mine<'_>) -> Vec<Condition> {
    let mut atoms: Vec<Condition> = fields
        .iter()
        .filter(|(field, value)| is_printable(field) && value.trim() == value.as_str())
        .map(|(field, value)| Condition::equals(field, value))
        .filter(|atom| atom.class(mine.own_networks) != Class::Chosen)
        .filter(|atom| atom.field != "sourceIPAddress")
        .collect();
    if let Some(address) = fields.get("sourceIPAddress") {
        // The network, because addresses within it come and go.
        let network = Condition {
            field: "sourceIPAddress".to_owned(),
            test: Test::Inside(network_of(address)),
        };
        atoms.extend(Some(network).filter(|one| one.class(mine.own_networks) == Class::Where));
    }
    atoms
}

/// Fields of AWS are plain words; others are somebody's keys.
fn is_printable(field: &str) -> bool {
    field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

fn is_who(atom: &Condition, mine: &Mine<'_>) -> bool {
    atom.class(mine.own_networks) == Class::Who
}

/// One condition for several names that only read, if every row has such a name.
fn verbs(rows: &BTreeSet<usize>, open: &[Row<'_>]) -> Option<Condition> {
    let names: BTreeSet<&str> = rows
        .iter()
        .map(|nth| open[*nth].fields.get("eventName").map_or("", String::as_str))
        .collect();
    let verb_of = |name: &str| {
        VERBS.iter().find(|verb| {
            name.strip_prefix(**verb)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        })
    };
    let verbs: BTreeSet<&str> = names.iter().filter_map(|name| verb_of(name)).copied().collect();
    let covers = names.iter().all(|name| verb_of(name).is_some());
    (covers && names.len() > 1).then(|| Condition {
        field: "eventName".to_owned(),
        test: Test::Begins(verbs.into_iter().map(ToOwned::to_owned).collect()),
    })
}

/// The rows that satisfy all conditions, by their texts.
fn describing(rows: &[Row<'_>], conditions: &[Condition]) -> BTreeSet<usize> {
    (0..rows.len()).filter(|nth| satisfies(&rows[*nth], conditions)).collect()
}

/// Those of some rows that do.
fn satisfying(rows: &[Row<'_>], of: &BTreeSet<usize>, conditions: &[Condition]) -> BTreeSet<usize> {
    of.iter().copied().filter(|nth| satisfies(&rows[*nth], conditions)).collect()
}

fn satisfies(row: &Row<'_>, conditions: &[Condition]) -> bool {
    conditions.iter().all(|condition| {
        let value = row.fields.get(&condition.field);
        value.is_some_and(|value| match &condition.test {
            // As the engine compares.
            Test::Equals(text) => value.eq_ignore_ascii_case(text),
            Test::Inside(network) => network_of(value) == *network,
            Test::Begins(starts) => starts.iter().any(|start| value.starts_with(start)),
        })
    })
}

/// Whether rows are verdicts enough: by several people, on several days, of what was first seen long enough ago.
fn is_enough(open: &[Row<'_>], rows: &BTreeSet<usize>, mine: &Mine<'_>) -> bool {
    let judged = || rows.iter().map(|nth| open[*nth].judged);
    let findings: BTreeSet<&str> = judged().map(|one| one.uid.as_str()).collect();
    let reviewers: BTreeSet<&str> = judged().map(|one| one.reviewer.as_str()).collect();
    let days: BTreeSet<Date> =
        judged().map(|one| TimeZone::UTC.to_datetime(one.at).date()).collect();
    let midnight = mine.today.to_datetime(jiff::civil::Time::midnight());
    let today = TimeZone::UTC.to_timestamp(midnight).unwrap_or(jiff::Timestamp::MIN);
    let watched = judged().map(|one| one.seen).min().map(|first| today.duration_since(first));
    let least = SignedDuration::from_hours(i64::from(FIRST_SIGHT_DAYS_MIN) * 24);
    count(findings.len()) >= VERDICTS_MIN
        && count(reviewers.len()) >= REVIEWERS_MIN
        && count(days.len()) >= DAYS_MIN
        && watched.is_some_and(|watched| watched >= least)
}

fn candidate(
    rule: &Rule,
    conditions: Vec<Condition>,
    rows: &[&Row<'_>],
    mine: &Mine<'_>,
) -> Candidate {
    let days = days_allowed(rule.analytic.level);
    Candidate {
        rule: rule.clone(),
        conditions,
        owner: mine.owner.to_owned(),
        proposer: mine.proposer.to_owned(),
        reason: reason(rows),
        created: mine.today,
        expires: mine.today.checked_add(days.days()).unwrap_or(mine.today),
        tripwires: TRIPWIRES.iter().map(|name| (*name).to_owned()).collect(),
        renews: None,
    }
}

/// The reason codes of the verdicts, most frequent first.
fn reason(rows: &[&Row<'_>]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        let code = match (row.judged.reason.trim(), row.judged.label) {
            ("", Label::False) => "false positive",
            ("", _) => "benign",
            (reason, _) => reason,
        };
        *counts.entry(code).or_default() += 1;
    }
    let mut codes: Vec<(&str, usize)> = counts.into_iter().collect();
    codes.sort_by_key(|(code, times)| (usize::MAX - times, *code));
    codes.iter().take(3).map(|(code, _)| *code).collect::<Vec<_>>().join(", ")
}
