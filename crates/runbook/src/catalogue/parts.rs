//! What the tables are made of: rows, and the ways in which states are read, recognised and put back.

use serde_json::{Map, Value};

use super::{Api, Effect, Reading, Risk};
use crate::call::Call;

/// A row that reads.
pub(super) const fn read(
    service: &'static str,
    name: &'static str,
    (required, optional): (&'static [&'static str], &'static [&'static str]),
    rights: &'static [&'static str],
    resource: &'static str,
) -> Api {
    Api {
        service,
        name,
        risk: Risk::R0,
        changes: false,
        runs: true,
        required,
        optional,
        rights,
        resource,
        effect: None,
    }
}

/// A row that changes something.
pub(super) const fn change(
    (service, name, risk): (&'static str, &'static str, Risk),
    (required, optional): (&'static [&'static str], &'static [&'static str]),
    rights: &'static [&'static str],
    resource: &'static str,
    effect: Effect,
) -> Api {
    Api {
        service,
        name,
        risk,
        changes: true,
        runs: true,
        required,
        optional,
        rights,
        resource,
        effect: Some(effect),
    }
}

/// A row that is planned and exported, and never made here.
pub(super) const fn planned(
    service: &'static str,
    name: &'static str,
    (required, optional): (&'static [&'static str], &'static [&'static str]),
    rights: &'static [&'static str],
    resource: &'static str,
) -> Api {
    Api {
        service,
        name,
        risk: Risk::R3,
        changes: true,
        runs: false,
        required,
        optional,
        rights,
        resource,
        effect: None,
    }
}

/// A read whose inputs have the names of the call's.
pub(super) const fn reading(
    api: &'static str,
    inputs: &'static [(&'static str, &'static str)],
) -> Reading {
    Reading { api, inputs, fixed: &[] }
}

/// A call of the same service with some of the call's inputs, and more.
pub(super) fn other(call: &Call, api: &str, kept: &[&str], more: &[(&str, Value)]) -> Call {
    let mut inputs = Map::new();
    for name in kept {
        if let Some(value) = call.inputs.get(*name) {
            inputs.insert((*name).to_owned(), value.clone());
        }
    }
    for (name, value) in more {
        inputs.insert((*name).to_owned(), value.clone());
    }
    Call { service: call.service.clone(), api: api.to_owned(), inputs }
}

/// The part of the first answer at this pointer; null if the answer or the part is absent.
pub(super) fn at(answers: &[Option<Value>], pointer: &str) -> Value {
    let answer = answers.first().and_then(Option::as_ref);
    answer.and_then(|answer| answer.pointer(pointer)).cloned().unwrap_or(Value::Null)
}

/// The entry of a list of the first answer whose member has this value.
pub(super) fn entry(
    answers: &[Option<Value>],
    list: &str,
    member: &str,
    value: Option<&Value>,
) -> Option<Value> {
    let answer = answers.first()?.as_ref()?;
    let entries = answer.get(list)?.as_array()?;
    entries.iter().find(|entry| entry.get(member) == value).cloned()
}

/// Whether two texts are the same JSON document, or the same text.
pub(super) fn same_document(one: &Value, other: &Value) -> bool {
    let parsed = |value: &Value| -> Option<Value> { serde_json::from_str(value.as_str()?).ok() };
    one == other || matches!((parsed(one), parsed(other)), (Some(one), Some(other)) if one == other)
}

/// Texts of a list, sorted.
pub(super) fn sorted(values: impl IntoIterator<Item = Value>) -> Value {
    let mut texts: Vec<Value> = values.into_iter().collect();
    texts.sort_by_key(Value::to_string);
    Value::Array(texts)
}

/// A row whose call is made to take another back, and by no step: its effect is read through the call that it undoes.
pub(super) const fn undoing(
    service: &'static str,
    name: &'static str,
    (required, optional): (&'static [&'static str], &'static [&'static str]),
    rights: &'static [&'static str],
    resource: &'static str,
) -> Api {
    Api {
        service,
        name,
        risk: Risk::R1,
        changes: true,
        runs: false,
        required,
        optional,
        rights,
        resource,
        effect: None,
    }
}
