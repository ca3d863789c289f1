//! With whom a snapshot or an image is shared.
//!
//! The state holds only those whom the call names: others are none of its business.

use serde_json::{Value, json};

use super::effect::Fill::{Same, Text};
use super::effect::{Custom, Effect, Read, Shape, call_like, only, unreadable};
use crate::call::Call;

/// The effect of `ModifySnapshotAttribute`.
pub(super) const SNAPSHOT: Effect = Effect {
    reads: &[Read {
        api: "DescribeSnapshotAttribute",
        inputs: &[("SnapshotId", Same), ("Attribute", Text("createVolumePermission"))],
    }],
    inverses: &["ModifySnapshotAttribute"],
    shape: Shape::Custom(Custom {
        state: |call, answers| state(call, answers, "CreateVolumePermissions"),
        is_achieved,
        restore: |call, before| restore(call, before, "SnapshotId"),
    }),
};

/// The effect of `ModifyImageAttribute`.
pub(super) const IMAGE: Effect = Effect {
    reads: &[Read {
        api: "DescribeImageAttribute",
        inputs: &[("ImageId", Same), ("Attribute", Text("launchPermission"))],
    }],
    inverses: &["ModifyImageAttribute"],
    shape: Shape::Custom(Custom {
        state: |call, answers| state(call, answers, "LaunchPermissions"),
        is_achieved,
        restore: |call, before| restore(call, before, "ImageId"),
    }),
};

/// The inputs that name someone, and the member of the answer that does.
const NAMING: [(&str, &str); 3] =
    [("UserIds", "UserId"), ("GroupNames", "Group"), ("UserGroups", "Group")];

/// Those whom the call names, by input, sorted.
fn named(call: &Call) -> impl Iterator<Item = (&'static str, &'static str, Vec<&str>)> {
    NAMING.into_iter().filter_map(|(input, member)| {
        let mut names: Vec<&str> =
            call.inputs.get(input)?.as_array()?.iter().filter_map(Value::as_str).collect();
        names.sort_unstable();
        names.dedup();
        Some((input, member, names))
    })
}

fn state(call: &Call, answers: &[Option<Value>], list: &str) -> Value {
    let Some(answer) = only(answers) else { return Value::Null };
    let Some(shared) = answer.get(list).and_then(Value::as_array) else { return unreadable(list) };
    let here = named(call).map(|(input, member, names)| {
        let is_shared =
            |name: &&str| shared.iter().any(|one| one.get(member).is_some_and(|had| had == name));
        (input.to_owned(), json!(names.into_iter().filter(is_shared).collect::<Vec<_>>()))
    });
    Value::Object(here.collect())
}

fn is_achieved(call: &Call, state: &Value) -> bool {
    let adds = match call.text("OperationType") {
        Some("add") => true,
        Some("remove") => false,
        _ => return false,
    };
    named(call).next().is_some()
        && named(call).all(|(input, _, names)| {
            state
                .get(input)
                .is_some_and(|here| *here == if adds { json!(names) } else { json!([]) })
        })
}

/// A call for those who were there and one for those who weren't, as they are needed.
fn restore(call: &Call, before: &Value, id: &str) -> Option<Vec<Call>> {
    before.as_object()?;
    let mut calls = Vec::new();
    for operation in ["add", "remove"] {
        let mut back = call_like(call, &call.api, &[id, "Attribute"]);
        back.inputs.insert("OperationType".to_owned(), Value::from(operation));
        let fixed = back.inputs.len();
        for (input, _, names) in named(call) {
            let was_there = |name: &&str| {
                let here = before.get(input).and_then(Value::as_array);
                here.is_some_and(|here| here.iter().any(|had| had == name))
            };
            let wanted = |name: &&str| was_there(name) == (operation == "add");
            let names: Vec<&str> = names.into_iter().filter(wanted).collect();
            if !names.is_empty() {
                back.inputs.insert(input.to_owned(), json!(names));
            }
        }
        // The call itself did the one half at most; the other half is how it was already.
        if back.inputs.len() > fixed && call.text("OperationType") != Some(operation) {
            calls.push(back);
        }
    }
    Some(calls)
}
