//! The compiled matcher against the naive interpreter, on random rules and records; and the loader on arbitrary text.
//!
//! Rules and records are drawn from few fields and few values, so that they meet often. Records have repeated keys,
//! keys with dots, arrays in arrays and names of every type, to which the index must not be blind.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use trailloop_rules::{Loaded, MatchScratch, Rule, RuleSet, load};

use crate::about::{about, cases_about, scene_about};
use crate::naive::json::Json;
use crate::naive::{is_chosen, matching};
use crate::sketch::{
    Block, Condition, Detection, Entry, Item, Quantity, Value, Values, rule_yaml, without_repeats,
};
use crate::support::matches;

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
    "2.5",
    "true",
    "q\"x",
    "a*b",
    "back\\slash",
    "x\ny",
    "x –f y",
    "10.1.2.3",
    "::ffff:10.1.2.3",
    "2001:db8::1",
    "2026-01-02T03:04:05Z",
    "2025-12-31T23:34:05.678-05:30",
    // `xy` and `CreateUser` in base64, and `xy` in UTF-16 in base64.
    "eHk=",
    "Q3JlYXRlVXNlcg==",
    "eAB5AA==",
];
/// Keys whose values are mostly of one kind, so that tests of that kind have something to find.
const KINDS: &[(&str, &[&str])] = &[
    (
        "t",
        &["2026-01-02T03:04:05Z", "2025-12-31T23:34:05.678-05:30", "2024-12-30T12:31:00Z", "soon"],
    ),
    ("ip", &["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "192.0.2.7", "iam.amazonaws.com"]),
    ("enc", &["eHk=", "Q3JlYXRlVXNlcg==", "IENyZWF0ZVVzZXI=", "eAB5AA==", "AHgAeQ==", "//54AHkA"]),
    ("cli", &["x –f y", "/f", "―f", "x -f y", "x/f y", "-F"]),
];
const NUMBERS: &[&str] =
    &["0", "-0", "1", "22", "22.0", "2.2e1", "-5", "220", "1.50", "9007199254740993", "1e400"];
/// Numbers to compare with: the engine refuses one beyond 64 bits here.
const BOUNDS: &[&str] = &["0", "1", "22", "22.0", "-5", "1.50", "9007199254740992", "1e3"];
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
    r"back\slash",
    "iam.amazonaws.com",
    "\"b\":",
    "{*}",
    "x*y",
];
const REGEXES: &[&str] = &["^Create", "User$", "e.*e", "^$", "x|Y", "É", "x.y", "^Y", "[0-9]"];
/// Names of blocks: like operators, hidden from patterns, and with what else a name may hold.
const NAMES: &[&str] = &["sel", "notsel", "sel-1", "s_x", "t_x", "_hidden", "_s_x"];
const PATTERNS_OF_NAMES: &[&str] =
    &["them", "s*", "*_x", "_*", "s*_x", "*", "sel", "_hidden", "*sel*"];

pub(crate) fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::Bool),
        2 => select(NUMBERS).prop_map(|number| Json::Number(number.to_owned())),
        6 => select(TEXTS).prop_map(|text| Json::Text(text.to_owned())),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let member = (select(KEYS).prop_map(str::to_owned), inner.clone());
        prop_oneof![
            vec(inner, 0..3).prop_map(Json::List),
            vec(member, 0..4).prop_map(Json::Object),
        ]
    })
}

/// A member whose value is of the kind that its key is for, alone or in a list.
fn member_of_kind() -> impl Strategy<Value = (&'static str, Json)> {
    let text = |text: &str| Json::Text(text.to_owned());
    let texts = select(KINDS).prop_flat_map(move |(key, texts)| {
        vec(select(texts), 1..3).prop_map(move |mut texts| {
            let first = text(texts.remove(0));
            let rest: Vec<Json> = texts.into_iter().map(text).collect();
            let value =
                if rest.is_empty() { first } else { Json::List([vec![first], rest].concat()) };
            (key, value)
        })
    });
    let number = select(NUMBERS).prop_map(|number| ("n", Json::Number(number.to_owned())));
    prop_oneof![4 => texts, 1 => number]
}

/// A record around a strategy for its values.
pub(crate) fn record_of(json: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    let usual = (select(TEXTS), select(TEXTS));
    let more = vec((select(KEYS), json), 0..5);
    let more = (more, vec(member_of_kind(), 0..3)).prop_map(|(more, kinds)| [more, kinds].concat());
    (usual, 0..10, more).prop_map(|((source, name), shape, more)| {
        let mut members = Vec::new();
        // Most records have a source and a name, as CloudTrail's do.
        if shape > 0 {
            members.push(("eventSource".to_owned(), Json::Text(source.to_owned())));
        }
        if shape > 1 {
            members.push(("eventName".to_owned(), Json::Text(name.to_owned())));
        }
        let repeats =
            |key: &str| shape > 3 && matches!(key, "eventSource" | "eventName" | "a.b" | "b.c");
        let more = more.into_iter().filter(|(key, _)| !repeats(key));
        members.extend(more.map(|(key, value)| (key.to_owned(), value)));
        Json::Object(members)
    })
}

/// The first two fields are what the index is made of, and most rules test them.
fn field() -> impl Strategy<Value = &'static str> {
    prop_oneof![2 => Just("eventName"), 1 => Just("eventSource"), 3 => select(FIELDS)]
}

/// A list, or now and then its first value alone.
fn one_or_many(
    values: impl Strategy<Value = Vec<Value>>,
    is_alone: f64,
) -> impl Strategy<Value = Values> {
    (values, proptest::bool::weighted(is_alone)).prop_map(|(mut values, is_alone)| {
        match values.pop() {
            Some(value) if is_alone => Values::One(value),
            Some(value) => {
                values.push(value);
                Values::Many(values)
            }
            None => Values::Many(values),
        }
    })
}

fn texts(choices: &'static [&'static str]) -> impl Strategy<Value = Values> {
    // Long lists are gathered into one test, so some must be long.
    let count = prop_oneof![4 => 1_usize..3, 1 => 8_usize..14];
    let text = move || select(choices).prop_map(|text| Value::Text(text.to_owned()));
    one_or_many(count.prop_flat_map(move |count| vec(text(), count)), 0.3)
}

/// Values of all kinds in one list.
fn mixed() -> impl Strategy<Value = Values> {
    let value = prop_oneof![
        3 => select(PATTERNS).prop_map(|text| Value::Text(text.to_owned())),
        2 => select(NUMBERS).prop_map(|number| Value::Number(number.to_owned())),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
    ];
    one_or_many(vec(value, 0..4), 0.5)
}

fn numbers(choices: &'static [&'static str]) -> impl Strategy<Value = Values> {
    one_or_many(vec(select(choices).prop_map(|n| Value::Number(n.to_owned())), 1..3), 0.7)
}

/// An optional word.
fn maybe(word: &'static str) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::bool::weighted(0.2).prop_map(move |is| if is { vec![word] } else { vec![] })
}

/// Some of the modifiers that a strategy for groups of them draws, in order.
fn modifiers(
    groups: impl Strategy<Value = Vec<Vec<&'static str>>>,
) -> impl Strategy<Value = Vec<&'static str>> {
    (groups, maybe("all"), maybe("neq"))
        .prop_map(|(groups, all, neq)| [groups.concat(), all, neq].concat())
}

fn relation() -> impl Strategy<Value = Vec<&'static str>> {
    words(&[&[], &["contains"], &["startswith"], &["endswith"]])
}

fn words(choices: &'static [&'static [&'static str]]) -> impl Strategy<Value = Vec<&'static str>> {
    select(choices).prop_map(<[_]>::to_vec)
}

/// Modifiers and values that go together, and the key whose values they are about, if there is one.
type Test = (&'static str, Vec<&'static str>, Values);

fn test_of_field() -> impl Strategy<Value = Test> {
    let text = || (relation(), maybe("cased")).prop_map(|(relation, cased)| vec![relation, cased]);
    let encodings: &[&[&str]] = &[
        &["base64"],
        &["base64", "contains"],
        &["base64offset", "contains"],
        &["wide", "base64"],
        &["utf16le", "base64offset", "contains"],
        &["utf16be", "base64offset", "contains"],
        &["utf16", "base64"],
    ];
    let dashes: &[&[&str]] = &[&["windash"], &["windash", "contains"], &["contains", "windash"]];
    let flags: &[&[&str]] =
        &[&["re"], &["re", "i"], &["re", "m", "s"], &["re", "ignorecase"], &["re", "contains"]];
    let parts: &[&[&str]] = &[&["minute"], &["hour"], &["day"], &["week"], &["month"], &["year"]];
    let orders: &[&[&str]] = &[&["lt"], &["lte"], &["gt"], &["gte"]];
    let order_or_not: &[&[&str]] = &[&[], &["lt"], &["lte"], &["gt"], &["gte"]];
    let with = |words: &'static [&'static [&'static str]]| {
        modifiers(self::words(words).prop_map(|words| vec![words]))
    };
    let plain = modifiers(maybe("cased").prop_map(|cased| vec![cased]));
    let timed =
        modifiers((words(parts), words(order_or_not)).prop_map(|(part, order)| vec![part, order]));
    let referred = modifiers(text().prop_map(|words| [vec![vec!["fieldref"]], words].concat()));
    let networks = &["10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "::1/128", "0.0.0.0/0"];
    let times = &["1", "2", "3", "4", "5", "12", "31", "2025", "2026"];
    prop_oneof![
        6 => (Just(""), modifiers(text()), texts(PATTERNS)),
        2 => (Just(""), plain, mixed()),
        1 => (Just("n"), with(&[&["contains"], &["startswith"]]), numbers(NUMBERS)),
        1 => (Just(""), maybe("neq"), Just(Values::One(Value::Null))),
        1 => (Just(""), Just(vec!["exists"]), any::<bool>().prop_map(|is| Values::One(Value::Bool(is)))),
        1 => (Just("enc"), with(encodings), texts(&["xy", "CreateUser", "user", "é"])),
        1 => (Just("cli"), with(dashes), texts(&["-f", "/f", "x -f y", "x*/f*"])),
        1 => (Just(""), with(flags), texts(REGEXES)),
        1 => (Just("ip"), with(&[&["cidr"]]), texts(networks)),
        1 => (Just("n"), with(orders), numbers(BOUNDS)),
        1 => (Just("t"), timed, numbers(times)),
        1 => (Just(""), referred, texts(FIELDS)),
    ]
}

/// A test of a field; of the field that holds what the test is about, more often than not.
pub(crate) fn item_of(field: impl Strategy<Value = String>) -> impl Strategy<Value = Item> {
    (field, test_of_field(), 0..4).prop_map(|(field, (key, modifiers, values), other)| {
        let field = if key.is_empty() || other == 0 { field } else { key.to_owned() };
        Item { field, modifiers, values }
    })
}

fn keywords() -> impl Strategy<Value = Item> {
    let kinds: &[&[&str]] = &[&[], &["contains"], &["contains", "cased"], &["cased"]];
    let encodings: &[&[&str]] = &[&["base64offset", "contains"], &["windash"], &["wide", "base64"]];
    let test = prop_oneof![
        4 => (words(kinds), texts(&["CreateUser", "user", "X", "é", "2", "xy", "x?", "."])),
        1 => (words(encodings), texts(&["xy", "-f", "user"])),
        1 => (words(&[&["re"], &["re", "i"]]), texts(REGEXES)),
    ];
    (test, maybe("all"), maybe("neq")).prop_filter_map(
        "a key without a field and modifiers is none",
        |((kind, values), all, neq)| {
            let modifiers = [kind, all, neq].concat();
            (!modifiers.is_empty()).then(|| Item { field: String::new(), modifiers, values })
        },
    )
}

pub(crate) fn map() -> impl Strategy<Value = Vec<Item>> {
    let item = prop_oneof![12 => item_of(field().prop_map(str::to_owned)), 1 => keywords()];
    vec(item, 1..4).prop_map(without_repeats)
}

fn keyword() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => select(&["createuser", "x*y", "É", "slash", r"\*"][..])
            .prop_map(|text| Value::Text(text.to_owned())),
        1 => select(&["22", "-5"][..]).prop_map(|number| Value::Number(number.to_owned())),
    ]
}

fn block_of(map: BoxedStrategy<Vec<Item>>, has_keywords: bool) -> BoxedStrategy<Block> {
    if !has_keywords {
        let entry = map.clone().prop_map(Entry::Map);
        return prop_oneof![map.prop_map(Block::Map), vec(entry, 1..3).prop_map(Block::List),]
            .boxed();
    }
    let entry =
        prop_oneof![5 => map.clone().prop_map(Entry::Map), 1 => keyword().prop_map(Entry::Keyword)];
    prop_oneof![
        3 => map.prop_map(Block::Map),
        3 => vec(entry, 1..3).prop_map(Block::List),
        1 => keyword().prop_map(Block::Keyword),
    ]
    .boxed()
}

/// A condition over the names that a detection has.
fn condition(names: Vec<String>) -> impl Strategy<Value = Condition> {
    // A count above what fits is refused, and so is what fits no name.
    let fitting: Vec<(Quantity, String)> = PATTERNS_OF_NAMES
        .iter()
        .flat_map(|wanted| {
            let count = names.iter().filter(|name| is_chosen(name, wanted)).count();
            let mut quantities: Vec<Quantity> = (1..=count).map(Quantity::AtLeast).collect();
            if count > 0 {
                quantities.extend([Quantity::All, Quantity::Any]);
            }
            quantities.into_iter().map(|quantity| (quantity, (*wanted).to_owned()))
        })
        .collect();
    let name = select(names).prop_map(Condition::Name);
    let leaf = if fitting.is_empty() {
        name.boxed()
    } else {
        let of = select(fitting).prop_map(|(quantity, names)| Condition::Of(quantity, names));
        prop_oneof![3 => name, 1 => of].boxed()
    };
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| Condition::Not(Box::new(part))),
            vec(inner.clone(), 2..4).prop_map(Condition::And),
            vec(inner, 2..4).prop_map(Condition::Or),
        ]
    })
}

/// A detection of mappings drawn from a strategy, now and then with keywords beside them.
pub(crate) fn detection_of(
    map: impl Strategy<Value = Vec<Item>> + 'static,
) -> impl Strategy<Value = Detection> {
    parts_of(map, true)
}

/// Named parts and conditions over them.
pub(crate) fn parts_of(
    map: impl Strategy<Value = Vec<Item>> + 'static,
    has_keywords: bool,
) -> impl Strategy<Value = Detection> {
    let names = proptest::sample::subsequence(NAMES, 1..=3);
    (names, vec(block_of(map.boxed(), has_keywords), 3)).prop_flat_map(|(names, blocks)| {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let conditions = prop_oneof![
            4 => vec(condition(names.clone()), 1),
            1 => vec(condition(names.clone()), 2),
        ];
        let blocks: Vec<(String, Block)> = names.into_iter().zip(blocks).collect();
        conditions.prop_map(move |conditions| Detection { names: blocks.clone(), conditions })
    })
}

/// The sketches as one file, loaded.
fn loaded(sketches: &[Detection]) -> Vec<Rule> {
    let text = file_of(sketches);
    let Loaded { rules, diagnostics, .. } = load("sketches.yml", &text);
    assert_eq!(rules.len(), sketches.len(), "{diagnostics:#?}\n{text}");
    rules
}

pub(crate) fn file_of(sketches: &[Detection]) -> String {
    let texts: Vec<String> =
        sketches.iter().enumerate().map(|(number, sketch)| rule_yaml(sketch, number)).collect();
    texts.join("---\n")
}

/// Compares the engine with the interpreter, on rules together and on each record.
pub(crate) fn compare(sketches: &[Detection], records: &[Json]) -> Result<(), TestCaseError> {
    let set = RuleSet::build(loaded(sketches), &[], &mut Vec::new());
    for record in records {
        let json = record.render();
        // `matches` also compares the index with trying every rule.
        let (found, expected) = (matches(&set, &json), matching(sketches, &[], record));
        prop_assert_eq!(
            &found,
            &expected,
            "engine, interpreter on {}\n{}",
            json,
            file_of(sketches)
        );
    }
    Ok(())
}

/// That hits are neither rare nor the rule. A property over rules that never match would hold for an engine that does
/// nothing.
pub(crate) fn assert_both_outcomes(cases: &[(Detection, Json)]) {
    let is_hit = |(rule, record): &&(Detection, Json)| crate::naive::matches(rule, record);
    let (hits, tries) = (cases.iter().filter(is_hit).count(), cases.len());
    assert!(hits * 5 > tries && hits * 5 < tries * 4, "{hits} of {tries}");
}

pub(crate) fn drawn<T: std::fmt::Debug>(
    strategy: &impl Strategy<Value = T>,
    count: usize,
) -> Vec<T> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// A configuration of so many cases.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(700))]

    #[test]
    fn compiled_rules_match_what_the_interpreter_matches(
        sketches in vec(detection_of(map()), 1..5),
        records in vec(record_of(json()), 1..5),
    ) {
        compare(&sketches, &records)?;
    }

    #[test]
    fn rules_about_a_record_match_what_the_interpreter_matches(
        (rules, records) in scene_about(vec(record_of(json()), 1..4), false, about),
    ) {
        compare(&rules, &records)?;
    }

    #[test]
    fn loading_any_text_never_panics(
        parts in vec(
            select(&[
                "detection:", "condition:", "  ", "\n", "- ", "a|re: '('", "title: x", ": ", "'", "\"", "[", "]", "{", "}",
                "&a ", "*a", "---\n", "s:\n", "|contains", "é", "\t", "!!str ", "? ", "|\n", ">-\n", "1 of them", "\u{feff}",
                "not ", "trailloop:", "tests:", "event: ", "\\", "#", "\u{0}", "logsource:", "id: ", "filter:", "rules: any",
                "sigma-version: 3", "a[any]", "[0]", "%", "|expand", "action: global", "action: repeat",
            ][..]),
            0..60,
        )
    ) {
        let loaded = load("any.yml", &parts.concat());
        let set = RuleSet::build(loaded.rules, &loaded.filters, &mut Vec::new());
        matches(&set, r#"{"eventSource":"x","eventName":"y","a":{"b":1}}"#);
    }
}

#[test]
fn the_interpreter_finds_both_outcomes() {
    assert_both_outcomes(&drawn(&(detection_of(map()), record_of(json())), 300));
    assert_both_outcomes(&cases_about(vec(record_of(json()), 2), false, about));
}

#[test]
fn an_empty_set_matches_nothing() {
    let mut scratch = MatchScratch::new();
    let set = RuleSet::build(Vec::new(), &[], &mut Vec::new());
    assert!(set.is_empty());
    let mut buffer = trailloop_cloudtrail::RecordBuffer::new();
    let record = trailloop_cloudtrail::Record::parse(b"{}", &mut buffer).unwrap();
    let mut out = vec![1];
    set.matches_into(&record, &mut scratch, &mut out);
    assert!(out.is_empty());
}
