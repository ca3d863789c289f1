//! The compiled matcher against a naive evaluator that shares no code with it, on random rules and records; and the
//! loader on arbitrary text.
//!
//! Rules and records are drawn from few fields and few values, so that they meet often. Records have repeated keys,
//! keys with dots, arrays in arrays and names of every type, to which the index must not be blind.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use trailloop_rules::{Loaded, MatchScratch, Rule, RuleSet, load};

use crate::support::matches;

#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(&'static str),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

#[derive(Clone, Debug)]
struct Item {
    field: &'static str,
    test: ItemTest,
    cased: bool,
    all: bool,
    negated: bool,
}

#[derive(Clone, Debug)]
enum ItemTest {
    /// `=`, `contains`, `startswith` or `endswith` with patterns.
    Text(&'static str, Vec<&'static str>),
    Numbers(Vec<i64>),
    Null,
    Exists(bool),
    Order(&'static str, i64),
    Regex(&'static str),
    OtherField(&'static str),
    Keywords(Vec<&'static str>),
}

#[derive(Clone, Debug)]
enum Condition {
    Selection(usize),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    AllOfThem,
    SomeOfThem(usize),
}

#[derive(Clone, Debug)]
struct Sketch {
    /// Three selections, each a list of mappings of items.
    selections: Vec<Vec<Vec<Item>>>,
    condition: Condition,
}

const FIELDS: &[&str] =
    &["eventName", "eventSource", "a", "a.b", "a.b.c", "b", "eventName.b", "x-y"];
const KEYS: &[&str] = &["eventName", "eventSource", "a", "b", "c", "x-y", "a.b", "b.c"];
const TEXTS: &[&str] = &[
    "CreateUser",
    "createuser",
    "CreateUserV2",
    "DeleteUser",
    "iam.amazonaws.com",
    "x",
    "X",
    "xy",
    "",
    "é",
    "É",
    "22",
    "true",
    "q\"x",
    "a*b",
    "back\\slash",
];
const PATTERNS: &[&str] = &[
    "CreateUser",
    "createuser",
    "Create*",
    "*User",
    "*teU*",
    "C?eateUser",
    "*e*e*",
    "?",
    "*",
    "",
    "x",
    "X?",
    "é",
    "É*",
    "22",
    "true",
    r"a\*b",
    "a*b",
    r"back\\slash",
    "iam.amazonaws.com",
    "\"b\":",
    "{*}",
];
const REGEXES: &[&str] = &["^Create", "User$", "e.*e", "^$", "x|y", "é"];

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::Bool),
        2 => prop_oneof![Just(0), Just(1), Just(22), Just(-5), Just(220)].prop_map(Json::Number),
        6 => proptest::sample::select(TEXTS).prop_map(Json::Text),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::List),
            proptest::collection::vec((proptest::sample::select(KEYS), inner), 0..4)
                .prop_map(Json::Object),
        ]
    })
}

fn record() -> impl Strategy<Value = Json> {
    let usual = (proptest::sample::select(TEXTS), proptest::sample::select(TEXTS));
    let more = proptest::collection::vec((proptest::sample::select(KEYS), json()), 0..5);
    (usual, 0..10, more).prop_map(|((source, name), shape, more)| {
        let mut members = Vec::new();
        // Most records have a source and a name, as CloudTrail's do.
        if shape > 0 {
            members.push(("eventSource", Json::Text(source)));
        }
        if shape > 1 {
            members.push(("eventName", Json::Text(name)));
        }
        let repeats =
            |key: &str| shape > 3 && matches!(key, "eventSource" | "eventName" | "a.b" | "b.c");
        members.extend(more.into_iter().filter(|(key, _)| !repeats(key)));
        Json::Object(members)
    })
}

fn item() -> impl Strategy<Value = Item> {
    // Long lists are gathered into one test, so some must be long.
    let patterns = || {
        let count = prop_oneof![4 => 1_usize..3, 1 => 8_usize..14];
        count.prop_flat_map(|count| {
            proptest::collection::vec(proptest::sample::select(PATTERNS), count)
        })
    };
    let test = prop_oneof![
        6 => (proptest::sample::select(&["", "contains", "startswith", "endswith"][..]), patterns())
            .prop_map(|(relation, patterns)| ItemTest::Text(relation, patterns)),
        1 => proptest::collection::vec(prop_oneof![Just(22), Just(0), Just(1)], 1..3).prop_map(ItemTest::Numbers),
        1 => Just(ItemTest::Null),
        1 => any::<bool>().prop_map(ItemTest::Exists),
        1 => (proptest::sample::select(&["lt", "lte", "gt", "gte"][..]), -5_i64..23)
            .prop_map(|(order, bound)| ItemTest::Order(order, bound)),
        1 => proptest::sample::select(REGEXES).prop_map(ItemTest::Regex),
        1 => proptest::sample::select(FIELDS).prop_map(ItemTest::OtherField),
        1 => patterns().prop_map(ItemTest::Keywords),
    ];
    // The first two fields are what the index is made of, and most rules test them.
    let field = prop_oneof![
        2 => Just("eventName"),
        1 => Just("eventSource"),
        3 => proptest::sample::select(FIELDS),
    ];
    let flags = (
        proptest::bool::weighted(0.2),
        proptest::bool::weighted(0.2),
        proptest::bool::weighted(0.2),
    );
    (field, test, flags).prop_map(|(field, test, (cased, all, negated))| Item {
        field,
        test,
        cased,
        all,
        negated,
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        6 => (0_usize..3).prop_map(Condition::Selection),
        1 => Just(Condition::AllOfThem),
        1 => (1_usize..4).prop_map(Condition::SomeOfThem),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| Condition::Not(Box::new(part))),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::And),
            proptest::collection::vec(inner, 2..4).prop_map(Condition::Or),
        ]
    })
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let mapping = proptest::collection::vec(item(), 1..4);
    let selection = proptest::collection::vec(mapping, 1..3);
    (proptest::collection::vec(selection, 3), condition())
        .prop_map(|(selections, condition)| Sketch { selections, condition })
}

// --- The sketch as a rule in YAML ---

fn yaml(sketch: &Sketch, number: usize) -> String {
    let mut text = format!(
        "title: Sketch {number}\nid: 00000000-0000-4000-8000-{number:012}\nlevel: low\ndetection:\n"
    );
    for (nth, selection) in sketch.selections.iter().enumerate() {
        writeln!(text, "  s{nth}:").unwrap();
        for mapping in selection {
            let mut lines: Vec<String> = Vec::new();
            for item in unique(mapping) {
                lines.push(format!("{}: {}", key_of(item), values_of(item)));
            }
            writeln!(text, "    - {}", lines.join("\n      ")).unwrap();
        }
    }
    writeln!(text, "  condition: {}", condition_text(&sketch.condition)).unwrap();
    text
}

/// A mapping has each key once; of equal keys the first counts.
fn unique(mapping: &[Item]) -> Vec<&Item> {
    let mut items: Vec<&Item> = Vec::new();
    for item in mapping {
        if !items.iter().any(|other| key_of(other) == key_of(item)) {
            items.push(item);
        }
    }
    items
}

fn key_of(item: &Item) -> String {
    let cased = if item.cased { "|cased" } else { "" };
    let all = if item.all { "|all" } else { "" };
    let negated = if item.negated { "|neq" } else { "" };
    let field = item.field;
    match &item.test {
        ItemTest::Text("", _) => format!("'{field}{cased}{all}{negated}'"),
        ItemTest::Text(relation, _) => format!("'{field}|{relation}{cased}{all}{negated}'"),
        ItemTest::Numbers(_) => format!("'{field}{all}{negated}'"),
        ItemTest::Null => format!("'{field}{negated}'"),
        ItemTest::Exists(_) => format!("'{field}|exists'"),
        ItemTest::Order(order, _) => format!("'{field}|{order}{negated}'"),
        ItemTest::Regex(_) => format!("'{field}|re{negated}'"),
        ItemTest::OtherField(_) => format!("'{field}|fieldref{cased}{negated}'"),
        ItemTest::Keywords(_) => format!("'|contains{cased}{all}{negated}'"),
    }
}

fn values_of(item: &Item) -> String {
    let quoted = |texts: &[&str]| {
        let texts: Vec<_> = texts.iter().map(|text| format!("'{text}'")).collect();
        format!("[{}]", texts.join(", "))
    };
    match &item.test {
        ItemTest::Text(_, patterns) | ItemTest::Keywords(patterns) => quoted(patterns),
        ItemTest::Numbers(numbers) => format!("{numbers:?}"),
        ItemTest::Null => "null".to_owned(),
        ItemTest::Exists(expected) => expected.to_string(),
        ItemTest::Order(_, bound) => bound.to_string(),
        ItemTest::Regex(text) | ItemTest::OtherField(text) => format!("'{text}'"),
    }
}

fn condition_text(condition: &Condition) -> String {
    let joined = |parts: &[Condition], word: &str| {
        let parts: Vec<_> =
            parts.iter().map(|part| format!("({})", condition_text(part))).collect();
        parts.join(word)
    };
    match condition {
        Condition::Selection(nth) => format!("s{nth}"),
        Condition::Not(part) => format!("not ({})", condition_text(part)),
        Condition::And(parts) => joined(parts, " and "),
        Condition::Or(parts) => joined(parts, " or "),
        Condition::AllOfThem => "all of s*".to_owned(),
        Condition::SomeOfThem(count) => format!("{count} of them"),
    }
}

// --- The naive evaluator ---

fn holds(sketch: &Sketch, record: &Json) -> bool {
    let selected: Vec<bool> = sketch
        .selections
        .iter()
        .map(|maps| maps.iter().any(|map| unique(map).iter().all(|item| item_holds(item, record))))
        .collect();
    condition_holds(&sketch.condition, &selected)
}

fn condition_holds(condition: &Condition, selected: &[bool]) -> bool {
    match condition {
        Condition::Selection(nth) => selected[*nth],
        Condition::Not(part) => !condition_holds(part, selected),
        Condition::And(parts) => parts.iter().all(|part| condition_holds(part, selected)),
        Condition::Or(parts) => parts.iter().any(|part| condition_holds(part, selected)),
        Condition::AllOfThem => selected.iter().all(|part| *part),
        Condition::SomeOfThem(count) => selected.iter().filter(|part| **part).count() >= *count,
    }
}

fn item_holds(item: &Item, record: &Json) -> bool {
    let ends = ends(record, item.field);
    let over = |results: Vec<bool>| {
        if item.all { results.iter().all(|r| *r) } else { results.iter().any(|r| *r) }
    };
    let result = match &item.test {
        ItemTest::Text(relation, patterns) => over(
            patterns
                .iter()
                .map(|pattern| {
                    let pattern = related(pattern, relation);
                    let number = if relation.is_empty() { pattern.parse().ok() } else { None };
                    ends.iter().flatten().any(|end| text_holds(end, &pattern, number, item.cased))
                })
                .collect(),
        ),
        ItemTest::Numbers(numbers) => over(
            numbers
                .iter()
                .map(|number| {
                    let text = number.to_string();
                    ends.iter().flatten().any(|end| text_holds(end, &text, Some(*number), false))
                })
                .collect(),
        ),
        ItemTest::Null => ends.iter().any(|end| end.as_ref().is_none_or(has_null)),
        ItemTest::Exists(expected) => return ends.iter().any(Option::is_some) == *expected,
        ItemTest::Order(order, bound) => {
            ends.iter().flatten().any(|end| order_holds(end, order, *bound))
        }
        ItemTest::Regex(source) => {
            let regex = regex::Regex::new(source).unwrap();
            let passes = |text: &str| regex.is_match(text);
            ends.iter().flatten().any(|end| any_text(end, &passes))
        }
        ItemTest::OtherField(other) => {
            let others: Vec<String> =
                self::ends(record, other).iter().flatten().flat_map(scalars).collect();
            let same = |a: &str, b: &str| if item.cased { a == b } else { lower(a) == lower(b) };
            others.iter().any(|other| {
                let passes = |text: &str| same(text, other);
                ends.iter().flatten().any(|end| any_text(end, &passes))
            })
        }
        ItemTest::Keywords(patterns) => over(
            patterns
                .iter()
                .map(|pattern| {
                    let pattern = related(pattern, "contains");
                    leaves(record).iter().any(|leaf| glob(leaf, &pattern, item.cased))
                })
                .collect(),
        ),
    };
    let can_be_negated = !matches!(item.test, ItemTest::Exists(_));
    result != (item.negated && can_be_negated)
}

/// Everything a path leads to, straight from the words of the design.
fn ends(value: &Json, path: &str) -> Vec<Option<Json>> {
    if path.is_empty() {
        return vec![Some(value.clone())];
    }
    match value {
        Json::Object(members) => {
            let words: Vec<&str> = path.split('.').collect();
            for taken in (1..=words.len()).rev() {
                let key = words[..taken].join(".");
                let found: Vec<_> = members.iter().filter(|(name, _)| *name == key).collect();
                if !found.is_empty() {
                    let rest = words[taken..].join(".");
                    return found.iter().flat_map(|(_, member)| ends(member, &rest)).collect();
                }
            }
            vec![None]
        }
        Json::List(elements) if !elements.is_empty() => {
            elements.iter().flat_map(|element| ends(element, path)).collect()
        }
        _ => vec![None],
    }
}

fn related(pattern: &str, relation: &str) -> String {
    match relation {
        "contains" => format!("*{pattern}*"),
        "startswith" => format!("{pattern}*"),
        "endswith" => format!("*{pattern}"),
        _ => pattern.to_owned(),
    }
}

fn text_holds(value: &Json, pattern: &str, number: Option<i64>, cased: bool) -> bool {
    let passes = |text: &str| glob(text, pattern, cased);
    match value {
        Json::Number(value) if number == Some(*value) => true,
        Json::List(elements) if elements.is_empty() => {
            pattern.contains('*') && pattern.chars().all(|c| c == '*')
        }
        Json::List(elements) => {
            elements.iter().any(|element| text_holds(element, pattern, number, cased))
        }
        _ => any_text(value, &passes),
    }
}

/// Whether a text that the value stands for passes.
fn any_text(value: &Json, passes: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(value) => passes(&value.to_string()),
        Json::Number(value) => passes(&value.to_string()),
        Json::Text(text) => passes(text),
        Json::List(elements) => elements.iter().any(|element| any_text(element, passes)),
        Json::Object(_) => passes(&render(value)) || strings(value).iter().any(|text| passes(text)),
    }
}

fn has_null(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::List(elements) => elements.iter().any(has_null),
        _ => false,
    }
}

fn order_holds(value: &Json, order: &str, bound: i64) -> bool {
    let number = match value {
        Json::Number(number) => *number,
        Json::Text(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => return false,
        },
        Json::List(elements) => {
            return elements.iter().any(|element| order_holds(element, order, bound));
        }
        _ => return false,
    };
    match order {
        "lt" => number < bound,
        "lte" => number <= bound,
        "gt" => number > bound,
        _ => number >= bound,
    }
}

fn scalars(value: &Json) -> Vec<String> {
    match value {
        Json::Null | Json::Object(_) => Vec::new(),
        Json::List(elements) => elements.iter().flat_map(scalars).collect(),
        Json::Text(text) => vec![(*text).to_owned()],
        other => vec![render(other)],
    }
}

fn strings(value: &Json) -> Vec<String> {
    match value {
        Json::Text(text) => vec![(*text).to_owned()],
        Json::List(elements) => elements.iter().flat_map(strings).collect(),
        Json::Object(members) => members.iter().flat_map(|(_, member)| strings(member)).collect(),
        _ => Vec::new(),
    }
}

fn leaves(value: &Json) -> Vec<String> {
    match value {
        Json::Number(number) => vec![number.to_string()],
        Json::List(elements) => elements.iter().flat_map(leaves).collect(),
        Json::Object(members) => members.iter().flat_map(|(_, member)| leaves(member)).collect(),
        _ => strings(value),
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// Wildcards by plain backtracking.
fn glob(text: &str, pattern: &str, cased: bool) -> bool {
    let (text, pattern) =
        if cased { (text.to_owned(), pattern.to_owned()) } else { (lower(text), lower(pattern)) };
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    glob_from(&text, &pattern)
}

fn glob_from(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['\\', c @ ('*' | '?' | '\\'), rest @ ..] => {
            text.first() == Some(c) && glob_from(&text[1..], rest)
        }
        ['*', rest @ ..] => (0..=text.len()).any(|at| glob_from(&text[at..], rest)),
        ['?', rest @ ..] => !text.is_empty() && glob_from(&text[1..], rest),
        [c, rest @ ..] => text.first() == Some(c) && glob_from(&text[1..], rest),
    }
}

fn render(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(value) => value.to_string(),
        Json::Text(text) => serde_json::to_string(text).unwrap(),
        Json::List(elements) => {
            let elements: Vec<_> = elements.iter().map(render).collect();
            format!("[{}]", elements.join(","))
        }
        Json::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("\"{key}\":{}", render(value))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn loaded(sketches: &[Sketch]) -> Vec<Rule> {
    let texts: Vec<_> =
        sketches.iter().enumerate().map(|(nth, sketch)| yaml(sketch, nth)).collect();
    let Loaded { rules, diagnostics, .. } = load("sketches.yml", &texts.join("---\n"));
    assert_eq!(rules.len(), sketches.len(), "{diagnostics:#?}\n{}", texts.join("---\n"));
    rules
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_rules_match_what_the_naive_evaluator_matches(
        sketches in proptest::collection::vec(sketch(), 1..5),
        records in proptest::collection::vec(record(), 1..5),
    ) {
        let set = RuleSet::build(loaded(&sketches), &[], &mut Vec::new());
        for record in &records {
            let expected: Vec<u32> = (0_u32..).zip(&sketches)
                .filter(|(_, sketch)| holds(sketch, record))
                .map(|(number, _)| number)
                .collect();
            // `matches` also compares the index with trying every rule.
            let found = matches(&set, &render(record));
            prop_assert_eq!(
                &found, &expected,
                "on {}\n{}", render(record), sketches.iter().enumerate().map(|(n, s)| yaml(s, n)).collect::<String>()
            );
        }
    }

    #[test]
    fn loading_any_text_never_panics(
        parts in proptest::collection::vec(
            proptest::sample::select(&[
                "detection:", "condition:", "  ", "\n", "- ", "a|re: '('", "title: x", ": ", "'", "\"", "[", "]", "{", "}",
                "&a ", "*a", "---\n", "s:\n", "|contains", "é", "\t", "!!str ", "? ", "|\n", ">-\n", "1 of them", "\u{feff}",
                "not ", "trailloop:", "tests:", "event: ", "\\", "#", "\u{0}", "logsource:", "id: ",
            ][..]),
            0..60,
        )
    ) {
        let loaded = load("any.yml", &parts.concat());
        let set = RuleSet::build(loaded.rules, &[], &mut Vec::new());
        matches(&set, r#"{"eventSource":"x","eventName":"y","a":{"b":1}}"#);
    }
}

#[test]
fn the_naive_evaluator_finds_both_outcomes() {
    // A property over rules that never match would hold for a matcher that does nothing.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut hits, mut tries) = (0, 0);
    for _ in 0..300 {
        let sketch = sketch().new_tree(&mut runner).unwrap().current();
        let record = record().new_tree(&mut runner).unwrap().current();
        hits += usize::from(holds(&sketch, &record));
        tries += 1;
    }
    assert!(hits * 5 > tries && hits * 5 < tries * 4, "{hits} of {tries}");
    let mut scratch = MatchScratch::new();
    let set = RuleSet::build(Vec::new(), &[], &mut Vec::new());
    assert!(set.is_empty());
    let mut buffer = trailloop_cloudtrail::RecordBuffer::new();
    let record = trailloop_cloudtrail::Record::parse(b"{}", &mut buffer).unwrap();
    let mut out = vec![1];
    set.matches_into(&record, &mut scratch, &mut out);
    assert!(out.is_empty());
}
