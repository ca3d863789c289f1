//! Rules about a record: drawn out of the fields and values that it has, with their case changed, cut short, or taken
//! from another record, so that hits are common.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::naive::json::Json;
use crate::naive::path::json_in;
use crate::naive::time::part;
use crate::property::{detection_of, drawn};
use crate::sketch::{Detection, Item, Value, Values, without_repeats};

/// A field that occurs in a record, and a value it leads to.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) keys: Vec<String>,
    pub(crate) value: Json,
    /// How many strings its path goes on into.
    pub(crate) strings: usize,
}

impl Node {
    /// The field as a rule spells it.
    pub(crate) fn field(&self) -> String {
        spelled(&self.keys)
    }
}

/// Keys as a rule spells them.
pub(crate) fn spelled(keys: &[String]) -> String {
    keys.join(".").replace('[', "\\[").replace(']', "\\]")
}

/// Every node of a record, in arrays too; on demand also those in texts that hold JSON.
pub(crate) fn nodes(record: &Json, through_strings: bool) -> Vec<Node> {
    let mut found = Vec::new();
    let start = Node { keys: Vec::new(), value: record.clone(), strings: 0 };
    visit(start, 0, if through_strings { 5 } else { 0 }, &mut found);
    found
}

/// Adds a node and those below it. `passed` counts the strings on the way so far, of which no more than `most` are
/// opened.
fn visit(node: Node, passed: usize, most: usize, nodes: &mut Vec<Node>) {
    if !node.keys.is_empty() {
        nodes.push(node.clone());
    }
    match &node.value {
        Json::Object(members) => {
            for (key, member) in members {
                let keys = [&node.keys[..], std::slice::from_ref(key)].concat();
                visit(Node { keys, value: member.clone(), strings: passed }, passed, most, nodes);
            }
        }
        Json::List(elements) => {
            for element in elements {
                visit(Node { value: element.clone(), ..node.clone() }, passed, most, nodes);
            }
        }
        Json::Text(text) if passed < most => {
            if let Some(value) = json_in(text) {
                visit(Node { value, ..node.clone() }, passed + 1, most, nodes);
            }
        }
        _ => {}
    }
}

const RELATIONS: &[&str] = &["contains", "startswith", "endswith"];

/// Codes, and the modifiers and the value that stand for them.
const ENCODED: &[(&str, &[&str], &str)] = &[
    ("eHk=", &["base64"], "xy"),
    ("Q3JlYXRlVXNlcg==", &["base64", "startswith"], "Create"),
    ("IENyZWF0ZVVzZXI=", &["base64offset", "contains"], "CreateUser"),
    ("eAB5AA==", &["wide", "base64"], "xy"),
    ("AHgAeQ==", &["utf16be", "base64offset", "contains"], "y"),
    ("//54AHkA", &["utf16", "base64"], "xy"),
];

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
    (any::<Index>(), any::<Index>(), any::<Index>(), 1_usize..12, 0_usize..19, flags).prop_map(
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
    let (field, other) = (node.field(), referred(node, others, draw));
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
        9 => return network_item(node, others, draw),
        10 => return order_item(node, others, draw),
        11 => return time_item(node, others, draw),
        12 => (vec!["fieldref"], one(other.field())),
        13 => (vec!["fieldref", RELATIONS[draw.length % 3]], one(field.clone())),
        14 => {
            let is_there = draw.length > 4;
            return Item::new(&field, &["exists"], Values::One(Value::Bool(is_there)));
        }
        15 => (vec![], typed(&node.value)),
        16 => return keyword(&piece(start, end), draw),
        17 => return encoded_item(node, others, draw),
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

/// A field of the node or else of the others, whose text is of a kind.
fn of_kind<T>(
    node: &Node,
    others: &[Node],
    draw: &Draw,
    kind: impl Fn(&str) -> Option<T>,
) -> Option<(String, T)> {
    let value = |node: &Node| match &node.value {
        Json::Text(text) => kind(text).map(|value| (node.field(), value)),
        _ => None,
    };
    let mut found: Vec<(String, T)> = [node].into_iter().chain(others).filter_map(value).collect();
    (!found.is_empty()).then(|| found.swap_remove(draw.other.index(found.len())))
}

/// A network around an address that occurs.
fn network_item(node: &Node, others: &[Node], draw: &Draw) -> Item {
    let address = of_kind(node, others, draw, |text| text.parse::<IpAddr>().ok());
    let (field, network) = match address {
        None => (node.field(), "10.0.0.0/8".to_owned()),
        Some((field, IpAddr::V4(v4))) => {
            let prefix = [8, 16, 25, 32][draw.from.index(4)];
            let base = v4.to_bits() & (u32::MAX << (32 - prefix));
            (field, format!("{}/{prefix}", Ipv4Addr::from_bits(base)))
        }
        Some((field, IpAddr::V6(v6))) => {
            let prefix = [96, 104, 112, 128][draw.from.index(4)];
            let base = v6.to_bits() & (u128::MAX << (128 - prefix));
            (field, format!("{}/{prefix}", Ipv6Addr::from_bits(base)))
        }
    };
    let negated = if draw.is_negated { &["cidr", "neq"][..] } else { &["cidr"] };
    Item::new(&field, negated, Values::One(Value::Text(network)))
}

/// A part of a time that occurs, or nearly.
fn time_item(node: &Node, others: &[Node], draw: &Draw) -> Item {
    let name = ["minute", "hour", "day", "week", "month", "year"][draw.from.index(6)];
    let (field, number) = of_kind(node, others, draw, |text| part(text, name))
        .unwrap_or_else(|| ("eventTime".to_owned(), 7));
    let number = (number + [0, 0, 1, -1][draw.length % 4]).max(0);
    let modifiers = match draw.length {
        0..4 => vec![name],
        length => vec![name, ["lt", "lte", "gt", "gte"][length % 4]],
    };
    Item::new(&field, &modifiers, Values::One(Value::Number(number.to_string())))
}

/// An encoded text that occurs, and what it is the code of.
fn encoded_item(node: &Node, others: &[Node], draw: &Draw) -> Item {
    let known = |text: &str| ENCODED.iter().find(|(code, ..)| *code == text);
    let (field, (_, modifiers, value)) = of_kind(node, others, draw, known)
        .unwrap_or_else(|| (node.field(), draw.from.get(ENCODED)));
    Item::new(&field, modifiers, Values::One(Value::Text((*value).to_owned())))
}

/// A node of another field with the same value, if there is one.
fn referred<'a>(node: &Node, others: &'a [Node], draw: &Draw) -> &'a Node {
    let is_same = |other: &&Node| {
        other.keys != node.keys && text_of(&other.value).eq_ignore_ascii_case(&text_of(&node.value))
    };
    others.iter().find(is_same).unwrap_or_else(|| draw.other.get(others))
}

/// A comparison with a number that occurs.
fn order_item(node: &Node, others: &[Node], draw: &Draw) -> Item {
    let numbers = [node].into_iter().chain(others).filter_map(|node| match &node.value {
        Json::Number(number) if !number.contains("e400") => Some((node.field(), number.clone())),
        _ => None,
    });
    let (field, number) =
        numbers.cycle().nth(draw.length).unwrap_or_else(|| (node.field(), draw.length.to_string()));
    let order = ["lt", "lte", "gt", "gte"][draw.from.index(4)];
    Item::new(&field, &[order], Values::One(Value::Number(number)))
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

/// Mappings about one record; every other one begins with what the index is made of.
pub(crate) fn about(own: &[Node], others: &[Node]) -> BoxedStrategy<Vec<Item>> {
    let (own, others) = (own.to_vec(), [own, others].concat());
    let map = move |first: usize, draws: &[Draw]| {
        let named = |name: &str| own.iter().find(|node| node.field() == name);
        let mut items = Vec::new();
        if let Some(name) = ["eventName", "eventSource"].get(first).and_then(|name| named(name)) {
            items.push(Item::new(&name.field(), &[], typed(&name.value)));
        }
        items.extend(draws.iter().map(|draw| item_about(draw.node.get(&own), &others, draw)));
        without_repeats(items)
    };
    (0_usize..4, vec(draw(), 1..4)).prop_map(move |(first, draws)| map(first, &draws)).boxed()
}

/// A strategy for mappings, given the nodes of a record and those of another.
pub(crate) type About = fn(&[Node], &[Node]) -> BoxedStrategy<Vec<Item>>;

/// A rule about each of some records, and the records.
pub(crate) fn scene_about(
    records: impl Strategy<Value = Vec<Json>>,
    through_strings: bool,
    about: About,
) -> impl Strategy<Value = (Vec<Detection>, Vec<Json>)> {
    // A record without any field would leave nothing to draw from.
    let empty = || Json::Object(vec![("a".to_owned(), Json::Null)]);
    let nodes = move |record: &Json| match nodes(record, through_strings) {
        none if none.is_empty() => nodes(&empty(), false),
        some => some,
    };
    records.prop_flat_map(move |records| {
        let others = records.iter().rev();
        let rules: Vec<_> = records
            .iter()
            .zip(others)
            .map(|(own, other)| detection_of(about(&nodes(own), &nodes(other))))
            .collect();
        rules.prop_map(move |rules| (rules, records.clone()))
    })
}

/// Some rules with the record they are about.
pub(crate) fn cases_about(
    records: impl Strategy<Value = Vec<Json>>,
    through_strings: bool,
    about: About,
) -> Vec<(Detection, Json)> {
    let scenes = drawn(&scene_about(records, through_strings, about), 150);
    scenes.into_iter().flat_map(|(rules, records)| rules.into_iter().zip(records)).collect()
}

#[test]
fn nodes_know_how_many_strings_they_lie_in() {
    let record = Json::parse(r#"{"a":"[{\"b\":\"{\\\"c\\\":1}\"}]"}"#).unwrap();
    let deep = nodes(&record, true);
    let last = deep.last().unwrap();
    assert_eq!((last.field().as_str(), last.strings), ("a.b.c", 2));
    assert_eq!(nodes(&record, false).len(), 1);
}
