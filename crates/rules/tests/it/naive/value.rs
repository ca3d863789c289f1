//! The test that one key of a rule asks for, on the values its field leads to.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::json::Json;
use super::number::{compare, equal, is_number};
use super::path::Place;
use super::text::{Token, asks_for_any, encoded, fits, literal, plain, tokens, windash};
use super::{time, values_of};
use crate::sketch::{Item, Value, Values};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Whole,
    Contains,
    StartsWith,
    EndsWith,
}

/// What the modifiers of a key add up to.
#[derive(Debug)]
struct Test {
    kind: Kind,
    relation: Relation,
    is_cased: bool,
    wants_all: bool,
    is_negated: bool,
    /// `windash` and encodings, in the order written.
    transforms: Vec<&'static str>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// By the kind of each value: text, number, boolean or null.
    Plain,
    Exists,
    /// With its flags.
    Regex(String),
    Cidr,
    Order(&'static str),
    FieldRef,
    /// A part of a time, and how it is compared.
    Time(&'static str, Option<&'static str>),
}

fn test_of(modifiers: &[&'static str]) -> Test {
    let mut test = Test {
        kind: Kind::Plain,
        relation: Relation::Whole,
        is_cased: false,
        wants_all: false,
        is_negated: false,
        transforms: Vec::new(),
    };
    for modifier in modifiers {
        match (*modifier, &mut test.kind) {
            ("contains", _) => test.relation = Relation::Contains,
            ("startswith", _) => test.relation = Relation::StartsWith,
            ("endswith", _) => test.relation = Relation::EndsWith,
            ("all", _) => test.wants_all = true,
            ("cased", _) => test.is_cased = true,
            ("neq", _) => test.is_negated = true,
            ("exists", _) => test.kind = Kind::Exists,
            ("re", _) => test.kind = Kind::Regex(String::new()),
            ("i" | "ignorecase", Kind::Regex(flags)) => flags.push('i'),
            ("m" | "multiline", Kind::Regex(flags)) => flags.push('m'),
            ("s" | "dotall", Kind::Regex(flags)) => flags.push('s'),
            ("cidr", _) => test.kind = Kind::Cidr,
            ("lt" | "lte" | "gt" | "gte", Kind::Time(_, order)) => *order = Some(modifier),
            ("lt" | "lte" | "gt" | "gte", _) => test.kind = Kind::Order(modifier),
            ("fieldref", _) => test.kind = Kind::FieldRef,
            ("minute" | "hour" | "day" | "week" | "month" | "year", _) => {
                test.kind = Kind::Time(modifier, None);
            }
            _ => test.transforms.push(modifier),
        }
    }
    test
}

fn listed(values: &Values) -> Vec<Value> {
    match values {
        Values::One(value) => vec![value.clone()],
        // An empty list asks for no value.
        Values::Many(values) if values.is_empty() => vec![Value::Null],
        Values::Many(values) => values.clone(),
        Values::Body(_) | Values::Parts(_) => unreachable!("only a selector has a body"),
    }
}

/// Whether the item is true of what its field leads to; `None` among the places is no value.
pub(crate) fn holds(item: &Item, places: &[Option<Place>], record: &Json) -> bool {
    let test = test_of(&item.modifiers);
    over(&test, item, &|value| match (&test.kind, value) {
        (Kind::Exists, Value::Bool(expected)) => places.iter().any(Option::is_some) == *expected,
        (Kind::Plain, Value::Null) => {
            places.iter().any(|place| place.as_ref().is_none_or(|place| has_null(&place.value)))
        }
        _ => places.iter().flatten().any(|place| value_holds(&test, value, &place.value, record)),
    })
}

/// Keywords: a substring of any string or number of the record, wherever it stands.
pub(crate) fn keywords_hold(item: &Item, record: &Json) -> bool {
    let mut test = test_of(&item.modifiers);
    if test.relation == Relation::Whole {
        test.relation = Relation::Contains;
    }
    let leaves: Vec<String> = strings(record, true);
    over(&test, item, &|value| leaves.iter().any(|leaf| text_holds(&test, value, leaf)))
}

/// Any of the listed values, or with `all` every one; and `neq` turns the item around.
fn over(test: &Test, item: &Item, holds: &dyn Fn(&Value) -> bool) -> bool {
    let values = listed(&item.values);
    let result = if test.wants_all { values.iter().all(holds) } else { values.iter().any(holds) };
    result != test.is_negated
}

/// One value of the rule against one value of the record. Arrays are tested element by element, at any depth.
fn value_holds(test: &Test, wanted: &Value, value: &Json, record: &Json) -> bool {
    if let Json::List(elements) = value {
        let is_asked_for_any = test.kind == Kind::Plain
            && patterns(test, wanted).iter().any(|pattern| asks_for_any(pattern));
        return elements.iter().any(|element| value_holds(test, wanted, element, record))
            || (elements.is_empty() && is_asked_for_any);
    }
    match &test.kind {
        Kind::Plain | Kind::Regex(_) => {
            is_same_number(test, wanted, value)
                || texts(value).iter().any(|text| text_holds(test, wanted, text))
        }
        Kind::Cidr => matches!(value, Json::Text(text) if is_in_network(text, &spelled(wanted))),
        Kind::Order(order) => {
            number_in(value).is_some_and(|number| is_ordered(number, order, &spelled(wanted)))
        }
        Kind::FieldRef => {
            let others = values_of(&spelled(wanted), record);
            let others: Vec<Json> = others.iter().flat_map(scalars).collect();
            others.iter().any(|other| is_related(test, value, other))
        }
        Kind::Time(part, order) => {
            let Json::Text(text) = value else { return false };
            let Some(number) = time::part(text, part) else { return false };
            let (number, wanted) = (number.to_string(), spelled(wanted));
            order.map_or(number == wanted, |order| is_ordered(&number, order, &wanted))
        }
        Kind::Exists => unreachable!("exists looks at no value"),
    }
}

/// 22 is 22.0 by value, whether the rule writes it as a number or as a text.
fn is_same_number(test: &Test, wanted: &Value, value: &Json) -> bool {
    let is_whole =
        test.kind == Kind::Plain && test.relation == Relation::Whole && test.transforms.is_empty();
    let Json::Number(number) = value else { return false };
    is_whole && is_number(&spelled(wanted)) && equal(number, &spelled(wanted))
}

/// A value of the rule as it is spelled.
fn spelled(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(text) | Value::Text(text) => text.clone(),
    }
}

/// A test of text on one text.
fn text_holds(test: &Test, wanted: &Value, text: &str) -> bool {
    match &test.kind {
        Kind::Regex(flags) => {
            let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
            regex::Regex::new(&format!("{flags}{}", spelled(wanted))).unwrap().is_match(text)
        }
        _ => patterns(test, wanted).iter().any(|pattern| fits(text, pattern, test.is_cased)),
    }
}

/// What a value of the rule stands for, after `windash` and encodings, with a `*` on the sides that are open.
fn patterns(test: &Test, wanted: &Value) -> Vec<Vec<Token>> {
    let mut variants = match wanted {
        Value::Null => return Vec::new(),
        Value::Text(text) => vec![tokens(text)],
        Value::Bool(_) | Value::Number(_) => vec![literal(&spelled(wanted))],
    };
    let encodings = test.transforms.iter().filter(|name| **name != "windash");
    if test.transforms.contains(&"windash") {
        variants = variants.iter().flat_map(|variant| windash(variant)).collect();
    }
    let mut encodings = encodings.peekable();
    if encodings.peek().is_some() {
        let plain = |variant: &Vec<Token>| plain(variant).unwrap().into_bytes();
        let mut bytes: Vec<Vec<u8>> = variants.iter().map(plain).collect();
        for name in encodings {
            bytes = bytes.iter().flat_map(|bytes| encoded(name, bytes)).collect();
        }
        variants = bytes.iter().map(|bytes| literal(std::str::from_utf8(bytes).unwrap())).collect();
    }
    variants.into_iter().map(|variant| opened(test.relation, variant)).collect()
}

fn opened(relation: Relation, mut pattern: Vec<Token>) -> Vec<Token> {
    if matches!(relation, Relation::Contains | Relation::EndsWith) {
        pattern.insert(0, Token::Run);
    }
    if matches!(relation, Relation::Contains | Relation::StartsWith) {
        pattern.push(Token::Run);
    }
    pattern
}

/// The texts that a value is tested as. An object is each string below it and its compact text.
fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Null => Vec::new(),
        Json::Text(text) => vec![text.clone()],
        Json::Bool(_) | Json::Number(_) => vec![value.render()],
        Json::List(elements) => elements.iter().flat_map(texts).collect(),
        Json::Object(_) => {
            let mut texts = strings(value, false);
            texts.push(value.render());
            texts
        }
    }
}

/// Every string at or below a value, and every number too if asked.
fn strings(value: &Json, numbers_too: bool) -> Vec<String> {
    match value {
        Json::Text(text) => vec![text.clone()],
        Json::Number(number) if numbers_too => vec![number.clone()],
        Json::List(elements) => {
            elements.iter().flat_map(|element| strings(element, numbers_too)).collect()
        }
        Json::Object(members) => {
            members.iter().flat_map(|(_, member)| strings(member, numbers_too)).collect()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => Vec::new(),
    }
}

fn has_null(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::List(elements) => elements.iter().any(has_null),
        _ => false,
    }
}

/// The values that another field is compared with. Choice: a whole object is no such value.
fn scalars(value: &Json) -> Vec<Json> {
    match value {
        Json::Null | Json::Object(_) => Vec::new(),
        Json::List(elements) => elements.iter().flat_map(scalars).collect(),
        scalar => vec![scalar.clone()],
    }
}

fn is_related(test: &Test, value: &Json, other: &Json) -> bool {
    let other_text = texts(other).remove(0);
    let pattern = opened(test.relation, literal(&other_text));
    // The other field is compared with as a rule's own value would be: a text that is a number counts as that number.
    let is_same_number = match (value, number_in(other)) {
        (Json::Number(a), Some(b)) => test.relation == Relation::Whole && equal(a, b),
        _ => false,
    };
    is_same_number || texts(value).iter().any(|text| fits(text, &pattern, test.is_cased))
}

fn number_in(value: &Json) -> Option<&str> {
    match value {
        Json::Number(text) | Json::Text(text) if is_number(text) => Some(text),
        _ => None,
    }
}

fn is_ordered(number: &str, order: &str, bound: &str) -> bool {
    let found = compare(number, bound);
    match order {
        "lt" => found == Ordering::Less,
        "lte" => found != Ordering::Greater,
        "gt" => found == Ordering::Greater,
        _ => found != Ordering::Less,
    }
}

/// Whether a text is an address in a network. All addresses are compared as v6, where v4 has its mapped place; but a
/// v6 network that is wider than that place holds no v4 address.
fn is_in_network(text: &str, network: &str) -> bool {
    let (base, prefix) = network.split_once('/').unwrap_or((network, ""));
    let base: IpAddr = base.parse().unwrap();
    let Ok(address) = text.parse::<IpAddr>() else { return false };
    let mapped = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let own_bits = if base.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse().unwrap_or(own_bits) + 128 - own_bits;
    let mask = if prefix == 0 { 0 } else { u128::MAX << (128 - prefix) };
    let is_v4_in_wide_v6 = address.is_ipv4() && prefix < 96;
    !is_v4_in_wide_v6 && mapped(address) & mask == mapped(base) & mask
}
