//! The compiled matcher against the naive interpreter, on rules drawn out of real records: fields and values that occur,
//! with their case changed, cut short, or taken from another record; and on records that were changed afterwards.

use std::net::IpAddr;
use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

use crate::naive::json::Json;
use crate::naive::path::json_in;
use crate::property::{assert_both_outcomes, cases, compare, detection_of, drawn};
use crate::sketch::{Detection, Item, Value, Values, without_repeats};
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

/// A field that occurs in a record, and a value it leads to.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) keys: Vec<String>,
    pub(crate) value: Json,
}

impl Node {
    pub(crate) fn field(&self) -> String {
        self.keys.join(".")
    }
}

/// Every node of a record, in arrays too; on demand also those in texts that hold JSON.
pub(crate) fn nodes(record: &Json, through_strings: bool) -> Vec<Node> {
    fn visit(value: &Json, keys: &[String], strings: Option<usize>, nodes: &mut Vec<Node>) {
        if !keys.is_empty() {
            nodes.push(Node { keys: keys.to_vec(), value: value.clone() });
        }
        match value {
            Json::Object(members) => {
                for (key, member) in members {
                    visit(member, &[keys, std::slice::from_ref(key)].concat(), strings, nodes);
                }
            }
            Json::List(elements) => {
                for element in elements {
                    visit(element, keys, strings, nodes);
                }
            }
            Json::Text(text) => {
                if let (Some(left @ 1..), Some(inside)) = (strings, json_in(text)) {
                    visit(&inside, keys, Some(left - 1), nodes);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    visit(record, &[], through_strings.then_some(5), &mut found);
    found
}

/// Where chance has its say in making an item.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    pub(crate) node: Index,
    pub(crate) other: Index,
    from: Index,
    length: usize,
    pub(crate) kind: usize,
    is_cased: bool,
    is_negated: bool,
}

pub(crate) fn draw() -> impl Strategy<Value = Draw> {
    let flags = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.15));
    (any::<Index>(), any::<Index>(), any::<Index>(), 1_usize..12, 0_usize..18, flags).prop_map(
        |(node, other, from, length, kind, (is_cased, is_negated))| Draw {
            node,
            other,
            from,
            length,
            kind,
            is_cased,
            is_negated,
        },
    )
}

/// An item about a node of a record: mostly true of it. `others` are nodes that its value may be taken from instead.
pub(crate) fn item_about(node: &Node, others: &[Node], draw: &Draw) -> Item {
    let (field, other) = (node.field(), draw.other.get(others));
    let text: Vec<char> = text_of(&node.value).chars().take(120).collect();
    let start = draw.from.index(text.len() + 1);
    let end = (start + draw.length).min(text.len());
    let piece = |from: usize, to: usize| escaped(&text[from..to]);
    let one = |text: String| Values::One(Value::Text(text));
    let (modifiers, values): (Vec<&'static str>, Values) = match draw.kind {
        0 => (vec![], one(piece(0, text.len()))),
        1 => (vec![], one(other_case(&piece(0, text.len())))),
        2 => (vec!["startswith"], one(piece(0, end))),
        3 => (vec!["endswith"], one(other_case(&piece(start, text.len())))),
        4 => (vec!["contains"], one(piece(start, end))),
        5 => (vec![], one(format!("{}*{}", piece(0, start), piece(end, text.len())))),
        6 => (vec![], one(format!("*{}?*", piece(start, end)))),
        7 => {
            let texts = others.iter().skip(start).take(10).chain([node]);
            let value = |node: &Node| {
                Value::Text(escaped(&text_of(&node.value).chars().take(120).collect::<Vec<_>>()))
            };
            (vec![], Values::Many(texts.map(value).collect()))
        }
        8 => {
            let pattern =
                format!("{}.*", regex::escape(&text[start..end].iter().collect::<String>()));
            (vec!["re"], one(pattern))
        }
        9 => return network_of(&field, &node.value, draw),
        10 => (vec!["gte"], Values::One(Value::Number(number_of(&node.value)))),
        11 => return time_item(draw),
        12 => (vec!["fieldref"], one(other.field())),
        13 => (vec!["fieldref", "contains"], one(field.clone())),
        14 => {
            let is_there = draw.length > 4;
            return Item::new(&field, &["exists"], Values::One(Value::Bool(is_there)));
        }
        15 => (vec![], typed(&node.value)),
        16 => return keyword(&piece(start, end), draw),
        _ => (vec!["windash", "startswith"], one(piece(0, end).replace('/', "-"))),
    };
    let is_about_case = !matches!(draw.kind, 8 | 10);
    let cased = if draw.is_cased && is_about_case { &["cased"][..] } else { &[] };
    let negated = if draw.is_negated { &["neq"][..] } else { &[] };
    Item::new(&field, &[&modifiers[..], cased, negated].concat(), values)
}

fn keyword(text: &str, draw: &Draw) -> Item {
    let text = if draw.is_negated { other_case(text) } else { text.to_owned() };
    Item::new("", &["contains"], Values::One(Value::Text(text)))
}

/// A network around an address; of what is no address, whether it has a value.
fn network_of(field: &str, value: &Json, draw: &Draw) -> Item {
    let address = match value {
        Json::Text(text) => text.parse::<IpAddr>().ok(),
        _ => None,
    };
    let Some(IpAddr::V4(v4)) = address else {
        return Item::new(field, &[], Values::One(Value::Text("*".to_owned())));
    };
    let prefix = [8, 16, 25, 32][draw.from.index(4)];
    let base = v4.to_bits() & (u32::MAX << (32 - prefix));
    let network = format!("{}/{prefix}", std::net::Ipv4Addr::from_bits(base));
    let negated = if draw.is_negated { &["cidr", "neq"][..] } else { &["cidr"] };
    Item::new(field, negated, Values::One(Value::Text(network)))
}

fn time_item(draw: &Draw) -> Item {
    let parts = ["minute", "hour", "day", "week", "month", "year"];
    let number = if draw.kind == 11 && draw.length > 8 { 2024 } else { draw.length * 3 };
    let part = parts[draw.from.index(6)];
    let modifiers = if draw.is_cased { vec![part] } else { vec![part, "lte"] };
    Item::new("eventTime", &modifiers, Values::One(Value::Number(number.to_string())))
}

/// A value of the rule that has the type of the record's.
fn typed(value: &Json) -> Values {
    Values::One(match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(number.clone()),
        Json::List(values) if !values.is_empty() => return typed(&values[0]),
        Json::Object(_) | Json::List(_) => Value::Text("*".to_owned()),
        Json::Text(text) => Value::Text(escaped(&text.chars().take(120).collect::<Vec<_>>())),
    })
}

fn number_of(value: &Json) -> String {
    match value {
        Json::Number(number) => number.clone(),
        _ => "7".to_owned(),
    }
}

/// The text that a value is found by.
fn text_of(value: &Json) -> String {
    match value {
        Json::Text(text) => text.clone(),
        other => other.render(),
    }
}

fn escaped(text: &[char]) -> String {
    let mut escaped = String::new();
    for c in text {
        if matches!(c, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(*c);
    }
    escaped
}

fn other_case(text: &str) -> String {
    let other = |c: char| {
        if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    text.chars().map(other).collect()
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

/// A mapping about one record; every other one begins with what the index is made of.
fn map_about(own: &[Node], others: &[Node], first: usize, draws: &[Draw]) -> Vec<Item> {
    let named = |name: &str| own.iter().find(|node| node.field() == name);
    let mut items = Vec::new();
    if let Some(name) = ["eventName", "eventSource"].get(first).and_then(|name| named(name)) {
        items.push(Item::new(&name.field(), &[], typed(&name.value)));
    }
    items.extend(draws.iter().map(|draw| item_about(draw.node.get(own), others, draw)));
    without_repeats(items)
}

/// A rule about one real record.
pub(crate) fn rule_about(
    records: &'static [Json],
    through_strings: bool,
) -> impl Strategy<Value = (usize, Detection)> {
    (0..records.len(), 0..records.len()).prop_flat_map(move |(own, other)| {
        let nodes = [own, other].map(|at| nodes(&records[at], through_strings));
        let map = (0_usize..4, vec(draw(), 1..4))
            .prop_map(move |(first, draws)| map_about(&nodes[0], &nodes[1], first, &draws));
        detection_of(map).prop_map(move |rule| (own, rule))
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
    check(500, scene(rule_about(records, false), records, CHANGES));
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
