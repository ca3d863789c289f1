//! What a sketch of a rule means, from the words of docs/sigma.md and nothing else: no code is shared with the engine,
//! and speed does not matter. Where this and the engine differ, one of them or the page is wrong.

pub(crate) mod derived;
pub(crate) mod json;
mod number;
pub(crate) mod path;
mod text;
pub(crate) mod time;
mod value;

use self::json::Json;
use self::path::{Place, Selector, Step, elements, nth, steps, walk};
use self::text::{fits, tokens};
use crate::sketch::{Block, Condition, Detection, Entry, Filter, Item, Quantity, Value, Values};

/// The numbers of the rules that match a record, after the filters.
pub(crate) fn matching(rules: &[Detection], filters: &[Filter], record: &Json) -> Vec<u32> {
    let holds = |number: usize| {
        let mut own = filters.iter().filter(|f| f.rules.is_empty() || f.rules.contains(&number));
        matches(&rules[number], record) && own.all(|filter| matches(&filter.detection, record))
    };
    (0..rules.len()).filter(|number| holds(*number)).map(|number| number as u32).collect()
}

/// Whether a rule by itself matches a record.
pub(crate) fn matches(rule: &Detection, record: &Json) -> bool {
    let here = Place { value: record.clone(), strings: 0 };
    detection_holds(rule, &Scope { record, here, is_below_selector: false })
}

/// What fields are looked up in: the record, or an element of it below a selector.
struct Scope<'a> {
    record: &'a Json,
    here: Place,
    is_below_selector: bool,
}

fn detection_holds(detection: &Detection, scope: &Scope<'_>) -> bool {
    let names: Vec<(&str, bool)> = detection
        .names
        .iter()
        .map(|(name, block)| (name.as_str(), block_holds(block, scope)))
        .collect();
    detection.conditions.iter().any(|condition| condition_holds(condition, &names))
}

fn condition_holds(condition: &Condition, names: &[(&str, bool)]) -> bool {
    match condition {
        Condition::Name(name) => names.iter().find(|(other, _)| other == name).unwrap().1,
        Condition::Not(part) => !condition_holds(part, names),
        Condition::And(parts) => parts.iter().all(|part| condition_holds(part, names)),
        Condition::Or(parts) => parts.iter().any(|part| condition_holds(part, names)),
        Condition::Of(quantity, wanted) => {
            let chosen: Vec<bool> = names
                .iter()
                .filter(|(name, _)| is_chosen(name, wanted))
                .map(|(_, is)| *is)
                .collect();
            assert!(!chosen.is_empty(), "{wanted} fits no name");
            let count = chosen.iter().filter(|is| **is).count();
            match quantity {
                Quantity::All => count == chosen.len(),
                Quantity::Any => count > 0,
                Quantity::AtLeast(least) => count >= *least,
            }
        }
    }
}

/// Whether `1 of wanted` is about a name.
pub(crate) fn is_chosen(name: &str, wanted: &str) -> bool {
    let is_pattern = wanted == "them" || wanted.contains('*');
    let is_hidden = name.starts_with('_') && !wanted.starts_with('_');
    let pattern = if wanted == "them" { "*" } else { wanted };
    fits(name, &tokens(pattern), true) && !(is_pattern && is_hidden)
}

fn block_holds(block: &Block, scope: &Scope<'_>) -> bool {
    match block {
        Block::Map(items) => map_holds(items, scope),
        Block::Keyword(value) => keyword_holds(value, scope),
        Block::List(entries) => entries.iter().any(|entry| match entry {
            Entry::Map(items) => map_holds(items, scope),
            Entry::Keyword(value) => keyword_holds(value, scope),
        }),
    }
}

fn map_holds(items: &[Item], scope: &Scope<'_>) -> bool {
    items.iter().all(|item| item_holds(item, scope))
}

fn keyword_holds(value: &Value, scope: &Scope<'_>) -> bool {
    item_holds(&Item::new("", &[], Values::One(value.clone())), scope)
}

fn item_holds(item: &Item, scope: &Scope<'_>) -> bool {
    if item.field.is_empty() {
        return value::keywords_hold(item, scope.record);
    }
    if !scope.is_below_selector
        && let Some(values) = derived::values(&item.field, scope.record)
    {
        let mut places: Vec<Option<Place>> =
            values.into_iter().map(|text| Some(place(Json::Text(text)))).collect();
        if places.is_empty() {
            places.push(None);
        }
        return value::holds(item, &places, scope.record);
    }
    steps_hold(&steps(&item.field), vec![Some(scope.here.clone())], item, scope)
}

/// Follows a field step by step. A selector with a quantifier opens a scope of its own on what comes after it.
fn steps_hold(
    steps: &[Step],
    mut places: Vec<Option<Place>>,
    item: &Item,
    scope: &Scope<'_>,
) -> bool {
    for (at, step) in steps.iter().enumerate() {
        places = places.iter().flat_map(|place| follow(place.as_ref(), &step.keys)).collect();
        let rest = |element: Place| match &item.values {
            values if at + 1 < steps.len() || !values.is_body() => {
                steps_hold(&steps[at + 1..], vec![Some(element)], item, scope)
            }
            values => body_holds(values, element, scope),
        };
        let mut elements = elements(&places).into_iter();
        match step.selector {
            None => {}
            Some(Selector::Number(number)) => {
                places = places.into_iter().map(|place| nth(place, number)).collect();
            }
            Some(Selector::Any) => return elements.any(rest),
            Some(Selector::None) => return !elements.any(rest),
            Some(Selector::AllOrEmpty) => return elements.all(rest),
            Some(Selector::All) => return elements.len() > 0 && elements.all(rest),
        }
    }
    value::holds(item, &places, scope.record)
}

fn follow(place: Option<&Place>, keys: &[String]) -> Vec<Option<Place>> {
    place.map_or_else(|| vec![None], |place| walk(place, keys))
}

fn body_holds(body: &Values, element: Place, scope: &Scope<'_>) -> bool {
    let scope = Scope { record: scope.record, here: element, is_below_selector: true };
    match body {
        Values::Body(items) => map_holds(items, &scope),
        Values::Parts(detection) => detection_holds(detection, &scope),
        Values::One(_) | Values::Many(_) => unreachable!("values are no body"),
    }
}

/// A value that no path led to.
fn place(value: Json) -> Place {
    Place { value, strings: 0 }
}

/// All values of a field of the whole record, for `fieldref`.
fn values_of(field: &str, record: &Json) -> Vec<Json> {
    if let Some(values) = derived::values(field, record) {
        return values.into_iter().map(Json::Text).collect();
    }
    let mut places = vec![Some(place(record.clone()))];
    for step in steps(field) {
        places = places.iter().flat_map(|place| follow(place.as_ref(), &step.keys)).collect();
    }
    places.into_iter().flatten().map(|place| place.value).collect()
}

#[cfg(test)]
mod tests {
    //! By hand, what no engine has been compared with when this was written.

    use super::{Json, matches};
    use crate::sketch::{Block, Condition, Detection, Item, Value, Values};

    fn rule(items: Vec<Item>) -> Detection {
        let names = vec![("s".to_owned(), Block::Map(items))];
        Detection { names, conditions: vec![Condition::Name("s".to_owned())] }
    }

    fn item(field: &str, modifiers: &[&'static str], value: Value) -> Item {
        Item::new(field, modifiers, Values::One(value))
    }

    fn text(field: &str, value: &str) -> Item {
        item(field, &[], Value::Text(value.to_owned()))
    }

    fn check(items: &[Item], rows: &[(&str, bool)]) {
        for (json, expected) in rows {
            let record = Json::parse(json).unwrap();
            assert_eq!(matches(&rule(items.to_vec()), &record), *expected, "{items:?} on {json}");
        }
    }

    #[test]
    fn paths_go_on_into_strings() {
        check(
            &[text("a.b", "x")],
            &[
                (r#"{"a":"{\"b\":\"x\"}"}"#, true),
                (r#"{"a":" [{}, {\"b\": [\"y\", \"X\"]}] "}"#, true),
                (r#"{"a":"%7B%22b%22%3A%22x%22%7D"}"#, true),
                (r#"{"a":"{\"b\":\"x\""}"#, false),
                (r#"{"a":"\"b\""}"#, false),
                (r#"{"a":"{\"b\":\"[\\\"x\\\"]\"}"}"#, false),
            ],
        );
        let deep = |times: usize| {
            let inner = Json::parse(r#"{"b":"x"}"#).unwrap();
            let layer = |value: Json| Json::List(vec![Json::Text(value.render())]);
            let value = (0..times).fold(inner, |value, _| layer(value));
            Json::Object(vec![("a".to_owned(), value)]).render()
        };
        check(&[text("a.b", "x")], &[(&deep(4), true), (&deep(5), false)]);
        check(&[item("a.b", &[], Value::Null)], &[(&deep(4), false), (&deep(5), true)]);
    }

    #[test]
    fn scopes_bind_tests_to_one_element() {
        let body = |quantifier: &str| {
            let port = item("port", &["lte"], Value::Number("22".to_owned()));
            let items = vec![port, text("to.ip", "0.0.0.0/0")];
            vec![Item::new(&format!("a.b[{quantifier}]"), &[], Values::Body(items))]
        };
        let hit = r#"{"port":22,"to":[{"ip":"10.0.0.0/8"},{"ip":"0.0.0.0/0"}]}"#;
        let miss = r#"{"port":22,"to":{"ip":"10.0.0.0/8"}},{"port":443,"to":{"ip":"0.0.0.0/0"}}"#;
        let list = |elements: &[&str]| format!(r#"{{"a":{{"b":[{}]}}}}"#, elements.join(","));
        let (none, one, both) = (list(&[]), list(&[hit]), list(&[hit, miss]));
        let rows = |expected: [bool; 4]| {
            let json = [none.as_str(), one.as_str(), both.as_str(), r#"{"a":{"b":null}}"#];
            json.into_iter().zip(expected).collect::<Vec<_>>()
        };
        check(&body("any"), &rows([false, true, true, false]));
        check(&body("all"), &rows([false, true, false, false]));
        check(&body("all_or_empty"), &rows([true, true, false, true]));
        check(&body("none"), &rows([true, false, false, true]));
        let named = |name: &str, item: Item| (name.to_owned(), Block::Map(vec![item]));
        let parts = Detection {
            names: vec![named("p", text("port", "443")), named("q", text("to.ip", "0.0.0.0/0"))],
            conditions: vec![Condition::Not(Box::new(Condition::Of(
                crate::sketch::Quantity::Any,
                "them".to_owned(),
            )))],
        };
        let parts = [Item::new("a.b[any]", &[], Values::Parts(parts))];
        check(&parts, &rows([false, false, true, false]));
        check(
            &body("any"),
            &[(&list(&[miss]), false), (&format!(r#"{{"a":{{"b":{hit}}}}}"#), true)],
        );
    }

    #[test]
    fn selectors_in_short() {
        let json = r#"{"a":[{"b":["x","y"]},{"b":["z"]},{"c":1}],"k[0]":"x"}"#;
        for (field, value, expected) in [
            ("a[0].b", "y", true),
            ("a.b[0]", "z", true),
            ("a.b[0]", "y", false),
            ("a.b[-1]", "y", true),
            ("a[9].b", "y", false),
            ("a.c[0]", "1", false),
            ("a[any].b[all]", "z", true),
            ("a[all].b[all]", "z", false),
            ("a.b[any]", "y", true),
            ("a.b[none]", "q", true),
            ("d[all_or_empty].e", "q", true),
            (r"k\[0\]", "x", true),
        ] {
            check(&[text(field, value)], &[(json, expected)]);
        }
        // Short for a body of one item, so that `neq` stands within.
        check(&[item("a.b[any]", &["neq"], Value::Text("x".to_owned()))], &[(json, true)]);
        check(&[item("a.b[all]", &["neq"], Value::Text("x".to_owned()))], &[(json, false)]);
    }
}
