//! Paths that go on into texts that hold JSON, plain and percent-encoded: the engine against the naive interpreter.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::about::{Node, about, cases_about, scene_about};
use crate::naive::json::Json;
use crate::property::{assert_both_outcomes, compare, json, record_of};
use crate::real::{CHANGES, Change, check, percent_encoded, records, rule_about, scene};
use crate::sketch::Item;

/// Changes of real records, most of which turn a value into a text that holds it.
const INTO_STRINGS: &[Change] = &[
    Change::InString,
    Change::InString,
    Change::InPercent,
    Change::InArray,
    Change::Null,
    Change::Remove,
    Change::Flatten,
    Change::Repeat,
];

/// A value as a text, or nearly: some are no JSON, and others hold neither object nor array.
fn text_of(value: &Json, shape: usize) -> Json {
    let text = value.render();
    Json::Text(match shape {
        0..=3 => text,
        4..=5 => percent_encoded(&text),
        6 => format!("\n {text}\t"),
        7 => format!("{text}]"),
        _ => text[..text.len() - 1].to_owned(),
    })
}

/// Values with texts of JSON in them, and texts in those, up to six deep, which is two deeper than a path may go.
fn json_in_strings() -> impl Strategy<Value = Json> {
    let leaf =
        || prop_oneof![1 => json(), 2 => select(&["x", "CreateUser", "22"][..]).prop_map(text)];
    let object = |value: Json, key: &str| Json::Object(vec![(key.to_owned(), value)]);
    let mixed = (json(), vec((0..3, 0_usize..40), 0..4)).prop_map(move |(value, layers)| {
        layers.into_iter().fold(value, |value, (layer, shape)| match layer {
            0 => Json::List(vec![Json::Null, text_of(&value, shape / 4)]),
            1 => text_of(&Json::List(vec![value]), shape / 4),
            _ => text_of(&object(value, "b"), shape / 4),
        })
    });
    // An object with as many texts around it, all of which are JSON.
    let deep = (leaf(), 1_usize..7, 0_usize..6).prop_map(move |(value, layers, shape)| {
        let inner = text_of(&object(value, "b"), 0);
        (1..layers).fold(inner, |value, _| text_of(&Json::List(vec![value]), shape))
    });
    prop_oneof![mixed, deep]
}

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

/// Mappings about what lies in strings, and the more so the deeper; about the rest where there is no such thing.
fn about_strings(own: &[Node], others: &[Node]) -> BoxedStrategy<Vec<Item>> {
    let often = |node: &Node| vec![node.clone(); node.strings * node.strings];
    let inside: Vec<Node> = own.iter().flat_map(often).collect();
    about(if inside.is_empty() { own } else { &inside }, others)
}

proptest! {
    #![proptest_config(crate::property::cases(300))]

    #[test]
    fn paths_into_strings_lead_where_the_interpreter_says(
        (rules, records) in scene_about(vec(record_of(json_in_strings()), 1..4), true, about_strings),
    ) {
        compare(&rules, &records)?;
    }
}

#[test]
fn the_interpreter_finds_both_outcomes_in_strings() {
    assert_both_outcomes(&cases_about(vec(record_of(json_in_strings()), 2), true, about_strings));
}

#[test]
fn rules_about_real_records_look_into_strings() {
    let Some(records) = records() else { return };
    check(90, scene(rule_about(records, true), records, INTO_STRINGS));
    check(60, scene(rule_about(records, true), records, CHANGES));
}
