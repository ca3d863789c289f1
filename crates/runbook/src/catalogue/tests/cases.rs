//! What a case of a change is, and the usual ones.

use serde_json::json;

use crate::catalogue::*;

/// A change, the answers before it, the answers after it, and the calls that put it back.
pub(super) struct Case {
    pub(super) call: Call,
    pub(super) before: Vec<Option<Value>>,
    pub(super) after: Vec<Option<Value>>,
    pub(super) back: Option<Vec<(&'static str, Value)>>,
}

pub(super) fn case(
    name: &str,
    inputs: Value,
    before: Option<Value>,
    after: Option<Value>,
    back: Option<Vec<(&'static str, Value)>>,
) -> Case {
    let (service, api) = name.split_once(':').unwrap();
    let Value::Object(inputs) = inputs else { panic!("inputs are an object") };
    let call = Call { service: service.to_owned(), api: api.to_owned(), inputs };
    Case { call, before: vec![before], after: vec![after], back }
}

pub(super) const OLD: &str = r#"{ "Version":"2012-10-17", "Statement":[] }"#;
pub(super) const NEW: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
/// As AWS may write it.
pub(super) const NEW_TOO: &str =
    r#"{"Statement":[{"Action":["*"],"Effect":"Deny","Resource":"*"}],"Version":"2012-10-17"}"#;

/// Puts and deletions of a property by the same three calls, and what is known of each.
pub(super) fn property(
    service: &str,
    keys: &Value,
    names: [&'static str; 2],
    input: &str,
    wrap: fn(Value) -> Value,
    values: [Value; 2],
) -> Vec<Case> {
    let [put, delete] = names;
    let [old, new] = values;
    let with = |value: &Value| {
        let mut inputs = keys.clone();
        inputs[input] = value.clone();
        inputs
    };
    let mut cases = vec![case(
        &format!("{service}:{put}"),
        with(&new),
        Some(wrap(old.clone())),
        Some(wrap(new.clone())),
        Some(vec![(put, with(&old))]),
    )];
    if !delete.is_empty() {
        let absent = if wrap(json!("x")).get("absent").is_some() { Some(json!({})) } else { None };
        cases.push(case(
            &format!("{service}:{put}"),
            with(&new),
            absent.clone(),
            Some(wrap(new)),
            Some(vec![(delete, keys.clone())]),
        ));
        cases.push(case(
            &format!("{service}:{delete}"),
            keys.clone(),
            Some(wrap(old.clone())),
            absent,
            Some(vec![(put, with(&old))]),
        ));
    }
    cases
}

/// Additions to a list and removals from it.
pub(super) fn membership(
    service: &str,
    names: [&'static str; 2],
    keys: &Value,
    list: &str,
    item: &Value,
) -> Vec<Case> {
    let (with, without) =
        (json!({ list: [{"Other": "x"}, item] }), json!({ list: [{"Other": "x"}] }));
    let [add, remove] = names;
    vec![
        case(
            &format!("{service}:{add}"),
            keys.clone(),
            Some(without.clone()),
            Some(with.clone()),
            Some(vec![(remove, keys.clone())]),
        ),
        case(
            &format!("{service}:{remove}"),
            keys.clone(),
            Some(with),
            Some(without),
            Some(vec![(add, keys.clone())]),
        ),
    ]
}

/// On and off.
pub(super) fn switch(
    service: &str,
    names: [&'static str; 2],
    keys: &Value,
    wrap: fn(bool) -> Value,
) -> Vec<Case> {
    let [on, off] = names;
    vec![
        case(
            &format!("{service}:{on}"),
            keys.clone(),
            Some(wrap(false)),
            Some(wrap(true)),
            Some(vec![(off, keys.clone())]),
        ),
        case(
            &format!("{service}:{off}"),
            keys.clone(),
            Some(wrap(true)),
            Some(wrap(false)),
            Some(vec![(on, keys.clone())]),
        ),
    ]
}
