//! The compiled matcher against the naive interpreter, on rules drawn out of real records: fields and values that occur,
//! with their case changed, cut short, or taken from another record; and on records that were changed afterwards.

use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

use crate::about::{about, nodes};
use crate::naive::json::Json;
use crate::property::{assert_both_outcomes, cases, compare, detection_of, drawn};
use crate::sketch::Detection;
use crate::support::{files, shared};

/// The real records, if they are there.
pub(crate) fn records() -> Option<&'static [Json]> {
    static RECORDS: OnceLock<Option<Vec<Json>>> = OnceLock::new();
    let read = || {
        let mut records = Vec::new();
        for path in files(&shared("stratus")?) {
            match Json::parse(&std::fs::read_to_string(path).unwrap()) {
                Some(Json::List(elements)) => records.extend(elements),
                _ => panic!("no list of records"),
            }
        }
        Some(records)
    };
    RECORDS.get_or_init(read).as_deref()
}

/// What may happen to a value of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Remove,
    Null,
    InArray,
    InArrays,
    EmptyArray,
    /// `{"a": {"b": 1}}` becomes `{"a.b": 1}`.
    Flatten,
    /// The key stands twice, first with null.
    Repeat,
    InString,
    InPercent,
}

pub(crate) const CHANGES: &[Change] = &[
    Change::Remove,
    Change::Null,
    Change::InArray,
    Change::InArrays,
    Change::EmptyArray,
    Change::Flatten,
    Change::Repeat,
];

/// Changes the value with a number, counted in the order of the text; numbers start anew after the last.
pub(crate) fn change(record: &mut Json, number: Index, change: Change) {
    let count = count(record);
    if count > 0 {
        change_nth(record, &mut number.index(count), change);
    }
}

fn count(value: &Json) -> usize {
    match value {
        Json::List(elements) => elements.iter().map(|value| 1 + count(value)).sum(),
        Json::Object(members) => members.iter().map(|(_, value)| 1 + count(value)).sum(),
        _ => 0,
    }
}

/// Whether the value was found, and so the search is over.
fn change_nth(value: &mut Json, left: &mut usize, change: Change) -> bool {
    let is_here = |left: &mut usize| {
        let is_here = *left == 0;
        *left = left.wrapping_sub(1);
        is_here
    };
    match value {
        Json::List(elements) => {
            for at in 0..elements.len() {
                if is_here(left) {
                    let element = elements.remove(at);
                    let changed = changed(vec![(String::new(), element)], change);
                    elements.splice(at..at, changed.into_iter().map(|(_, value)| value));
                    return true;
                }
                if change_nth(&mut elements[at], left, change) {
                    return true;
                }
            }
        }
        Json::Object(members) => {
            for at in 0..members.len() {
                if is_here(left) {
                    let member = members.remove(at);
                    members.splice(at..at, changed(vec![member], change));
                    return true;
                }
                if change_nth(&mut members[at].1, left, change) {
                    return true;
                }
            }
        }
        _ => {}
    }
    false
}

fn changed(mut members: Vec<(String, Json)>, change: Change) -> Vec<(String, Json)> {
    let (key, value) = members.pop().unwrap();
    let other = |value: Json| vec![(key.clone(), value)];
    match change {
        Change::Remove => Vec::new(),
        Change::Null => other(Json::Null),
        Change::InArray => other(Json::List(vec![value])),
        Change::InArrays => {
            let inner = Json::List(vec![Json::Null, value]);
            other(Json::List(vec![Json::List(Vec::new()), inner]))
        }
        Change::EmptyArray => other(Json::List(Vec::new())),
        Change::Flatten => match value {
            Json::Object(members) if !key.is_empty() => members
                .into_iter()
                .map(|(below, value)| (format!("{key}.{below}"), value))
                .collect(),
            value => other(value),
        },
        Change::Repeat => vec![(key.clone(), Json::Null), (key, value)],
        Change::InString => other(Json::Text(value.render())),
        Change::InPercent => other(Json::Text(percent_encoded(&value.render()))),
    }
}

pub(crate) fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match char::from(byte) {
        c if c.is_ascii_alphanumeric() || "-_.~".contains(c) => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// A rule about one real record, with values that may be another's.
pub(crate) fn rule_about(
    records: &'static [Json],
    through_strings: bool,
) -> impl Strategy<Value = (usize, Detection)> {
    (0..records.len(), 0..records.len()).prop_flat_map(move |(own, other)| {
        let nodes = [own, other].map(|at| nodes(&records[at], through_strings));
        detection_of(about(&nodes[0], &nodes[1])).prop_map(move |rule| (own, rule))
    })
}

/// Rules, the records they are about, and the same records changed.
pub(crate) fn scene(
    rule: impl Strategy<Value = (usize, Detection)>,
    records: &'static [Json],
    changes: &'static [Change],
) -> impl Strategy<Value = (Vec<Detection>, Vec<Json>)> {
    let edits = vec((any::<Index>(), select(changes)), 1..6);
    (vec(rule, 1..4), vec(edits, 1..4)).prop_map(|(rules, edits)| {
        let mut shown: Vec<Json> = rules.iter().map(|(at, _)| records[*at].clone()).collect();
        for (edits, (at, _)) in edits.iter().zip(&rules) {
            let mut record = records[*at].clone();
            for (number, edit) in edits {
                change(&mut record, *number, *edit);
            }
            shown.push(record);
        }
        (rules.into_iter().map(|(_, rule)| rule).collect(), shown)
    })
}

/// Runs a property over scenes.
pub(crate) fn check(count: u32, scenes: impl Strategy<Value = (Vec<Detection>, Vec<Json>)>) {
    let outcome =
        TestRunner::new(cases(count)).run(&scenes, |(rules, records)| compare(&rules, &records));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn rules_about_real_records_match_what_the_interpreter_matches() {
    let Some(records) = records() else { return };
    check(300, scene(rule_about(records, false), records, CHANGES));
}

#[test]
fn rules_about_real_records_find_both_outcomes() {
    let Some(records) = records() else { return };
    let drawn = drawn(&rule_about(records, false), 300);
    let cases: Vec<_> = drawn.into_iter().map(|(at, rule)| (rule, records[at].clone())).collect();
    assert_both_outcomes(&cases);
}

#[test]
fn changes_of_records_are_what_they_are_called() {
    let changed = |what: Change| {
        let mut record = Json::parse(r#"{"a":{"b":[1]}}"#).unwrap();
        assert!(change_nth(&mut record, &mut 0, what));
        record.render()
    };
    for (what, expected) in [
        (Change::Remove, r#"{}"#),
        (Change::Null, r#"{"a":null}"#),
        (Change::InArray, r#"{"a":[{"b":[1]}]}"#),
        (Change::InArrays, r#"{"a":[[],[null,{"b":[1]}]]}"#),
        (Change::EmptyArray, r#"{"a":[]}"#),
        (Change::Flatten, r#"{"a.b":[1]}"#),
        (Change::Repeat, r#"{"a":null,"a":{"b":[1]}}"#),
        (Change::InString, r#"{"a":"{\"b\":[1]}"}"#),
        (Change::InPercent, r#"{"a":"%7B%22b%22%3A%5B1%5D%7D"}"#),
    ] {
        assert_eq!(changed(what), expected);
    }
}
