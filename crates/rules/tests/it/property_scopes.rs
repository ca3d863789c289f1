//! Array scopes: the engine against the naive interpreter.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::about::{Draw, Node, cases_about, draw, item_about, nodes, scene_about, spelled};
use crate::naive::json::Json;
use crate::property::{
    assert_both_outcomes, compare, detection_of, drawn, item_of, json, map as plain_map, parts_of,
    record_of,
};
use crate::real::{CHANGES, check, records, scene};
use crate::sketch::{Block, Condition, Detection, Item, Quantity, Value, Values, without_repeats};

const QUANTIFIERS: &[&str] = &["[any]", "[all]", "[all_or_empty]", "[none]"];
const POSITIONS: &[&str] = &["[0]", "[1]", "[-1]", "[-2]", "[9]"];
const ROOTS: &[&str] =
    &["a", "a.b", "b", "x-y", r"a.k\[0\]", "eventName", "a[0]", "b[-1]", "a[any].b"];
const BELOW: &[&str] = &[".", "a", "b", "b.c", "c", "a.b", r"k\[0\]", "b[0]", "outcome"];

/// Lists of objects, as CloudTrail's items are, besides values of all kinds.
fn items() -> impl Strategy<Value = Json> {
    let key = || select(&["a", "b", "c", "k[0]"][..]).prop_map(str::to_owned);
    let object = vec((key(), json()), 0..4).prop_map(Json::Object);
    let element = prop_oneof![3 => object, 1 => json()];
    prop_oneof![
        3 => vec(element.clone(), 0..4).prop_map(Json::List),
        1 => vec(vec(element, 0..3).prop_map(Json::List), 1..3).prop_map(Json::List),
        1 => json(),
    ]
}

/// A field that ends in a selector or has one in its middle, with a test of one value.
fn short() -> impl Strategy<Value = Item> {
    let selector = prop_oneof![2 => select(QUANTIFIERS), 1 => select(POSITIONS)];
    let field = (select(ROOTS), selector, select(BELOW)).prop_map(|(root, selector, below)| {
        if below == "." { format!("{root}{selector}") } else { format!("{root}{selector}.{below}") }
    });
    item_of(field)
}

/// A selector with a body, and bodies in it.
fn long() -> impl Strategy<Value = Item> {
    let plain = item_of(select(BELOW).prop_map(str::to_owned));
    plain.prop_recursive(2, 6, 3, |inner| {
        let map = || vec(inner.clone(), 1..3).prop_map(without_repeats);
        let body = prop_oneof![
            2 => map().prop_map(Values::Body),
            1 => parts_of(map(), false).prop_map(|mut parts| {
                parts.conditions.truncate(1);
                Values::Parts(parts)
            }),
        ];
        let field = (select(ROOTS), select(QUANTIFIERS))
            .prop_map(|(root, quantifier)| format!("{root}{quantifier}"));
        (field, body).prop_map(|(field, values)| Item::new(&field, &[], values))
    })
}

fn map() -> impl Strategy<Value = Vec<Item>> {
    // The recursion may stay at its leaf, whose fields are those of a body.
    let long = long().prop_filter("no selector", |item| item.values.is_body());
    let scoped = prop_oneof![short(), long].prop_map(|item| vec![item]);
    (scoped, vec(plain_map(), 0..2))
        .prop_map(|(scoped, more)| without_repeats([scoped, more.concat()].concat()))
}

proptest! {
    #![proptest_config(crate::property::cases(400))]

    #[test]
    fn array_scopes_hold_where_the_interpreter_says(
        sketches in vec(detection_of(map()), 1..4),
        records in vec(record_of(items()), 1..5),
    ) {
        compare(&sketches, &records)?;
    }

    #[test]
    fn array_scopes_about_a_record_hold_where_the_interpreter_says(
        (rules, records) in scene_about(vec(record_of(items()), 1..4), false, scoped_map),
    ) {
        compare(&rules, &records)?;
    }
}

#[test]
fn the_interpreter_finds_both_outcomes_in_scopes() {
    assert_both_outcomes(&drawn(&(detection_of(map()), record_of(items())), 300));
    assert_both_outcomes(&cases_about(vec(record_of(items()), 2), false, scoped_map));
}

/// Items below a part of a node's path: of the node itself and of others below the same part.
fn scoped_item(own: &[Node], others: &[Node], shape: (Index, usize), draws: &[Draw]) -> Item {
    let node = draws[0].node.get(own);
    let (root, _) = node.keys.split_at(1 + shape.0.index(node.keys.len()));
    let near: Vec<Node> = own.iter().filter(|node| node.keys.starts_with(root)).cloned().collect();
    let quantifier = [QUANTIFIERS, POSITIONS].concat()[shape.1];
    let about = |draw: &Draw, node: &Node| {
        let mut item = item_about(node, others, draw);
        if item.field != node.field() {
            let text = if draw.kind < 9 { "*" } else { "?*" };
            item = Item::new("", &[], Values::One(Value::Text(text.to_owned())));
        }
        item.field = below(root, node, draw);
        item
    };
    let mut items = vec![about(&draws[0], node)];
    items.extend(draws[1..].iter().map(|draw| about(draw, draw.other.get(&near))));
    let root = format!("{}{quantifier}", spelled(root));
    if shape.1 < QUANTIFIERS.len() {
        let items = without_repeats(items);
        let body = if draws[0].kind.is_multiple_of(3) { parts(items) } else { Values::Body(items) };
        return Item::new(&root, &[], body);
    }
    // Numbers take no body here, for they open no scope.
    let mut item = items.remove(0);
    item.field = if item.field == "." { root } else { format!("{root}.{}", item.field) };
    item
}

/// Items as named parts: one of them, but of two not the second.
fn parts(items: Vec<Item>) -> Values {
    let names: Vec<(String, Block)> = items
        .into_iter()
        .enumerate()
        .map(|(at, item)| (format!("p{at}"), Block::Map(vec![item])))
        .collect();
    let last = Condition::Name(names[names.len() - 1].0.clone());
    let any = Condition::Of(Quantity::Any, "p*".to_owned());
    let condition = match names.len() {
        1 => last,
        2 => Condition::And(vec![any, Condition::Not(Box::new(last))]),
        _ => any,
    };
    Values::Parts(Detection { names, conditions: vec![condition] })
}

/// The field of a node from an element on; now and then with a selector of its own.
fn below(root: &[String], node: &Node, draw: &Draw) -> String {
    match &node.keys[root.len()..] {
        [] => ".".to_owned(),
        [first, rest @ ..] if draw.kind > 14 && !rest.is_empty() => {
            let first = spelled(std::slice::from_ref(first));
            format!("{first}{}.{}", QUANTIFIERS[draw.kind % 4], spelled(rest))
        }
        keys => spelled(keys),
    }
}

fn scoped_rule(records: &'static [Json]) -> impl Strategy<Value = (usize, Detection)> {
    // Records without an array in them have little to say here.
    let has_array = |at: &usize| {
        nodes(&records[*at], false).iter().any(|node| matches!(node.value, Json::List(_)))
    };
    let with_arrays: Vec<usize> = (0..records.len()).filter(has_array).collect();
    (select(with_arrays), 0..records.len()).prop_flat_map(move |(own, other)| {
        let [own_nodes, others] = [own, other].map(|at| nodes(&records[at], false));
        // Nodes deep in the record are those that arrays lead to.
        let deep: Vec<Node> =
            own_nodes.into_iter().filter(|node| node.keys[0].ends_with("Parameters")).collect();
        detection_of(scoped_map(&deep, &others)).prop_map(move |rule| (own, rule))
    })
}

/// Mappings of one or two scopes about a record.
fn scoped_map(own: &[Node], others: &[Node]) -> BoxedStrategy<Vec<Item>> {
    let (own, others) = (own.to_vec(), [own, others].concat());
    let shape = (any::<Index>(), 0..QUANTIFIERS.len() + POSITIONS.len());
    let items = vec((shape, vec(draw(), 1..4)), 1..3);
    items
        .prop_map(move |items| {
            let item = |(shape, draws): (_, Vec<Draw>)| scoped_item(&own, &others, shape, &draws);
            without_repeats(items.into_iter().map(item).collect())
        })
        .boxed()
}

#[test]
fn scopes_in_real_records_hold_where_the_interpreter_says() {
    let Some(records) = records() else { return };
    check(150, scene(scoped_rule(records), records, CHANGES));
}

#[test]
fn scopes_in_real_records_find_both_outcomes() {
    let Some(records) = records() else { return };
    let drawn = drawn(&scoped_rule(records), 300);
    let cases: Vec<_> = drawn.into_iter().map(|(at, rule)| (rule, records[at].clone())).collect();
    assert_both_outcomes(&cases);
}

#[test]
fn no_field_is_derived_below_a_selector() {
    // Chance would seldom ask for this.
    let exists = |field: &str| Item::new(field, &["exists"], Values::One(Value::Bool(true)));
    let rule = |item: Item| Detection {
        names: vec![("s".to_owned(), Block::Map(vec![item]))],
        conditions: vec![Condition::Name("s".to_owned())],
    };
    let rules = [
        rule(Item::new("a[any]", &[], Values::Body(vec![exists("outcome")]))),
        rule(exists("a[any].outcome")),
    ];
    for record in [r#"{"a":[{}]}"#, r#"{"a":[{"outcome":1}]}"#] {
        compare(&rules, &[Json::parse(record).unwrap()]).unwrap();
    }
}
