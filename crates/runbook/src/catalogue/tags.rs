//! Tags of EC2's resources, and snapshots, which are found again by what was written on them.

use serde_json::{Map, Value, json};

use super::effect::Fill::Filter;
use super::effect::{Custom, Effect, Read, Shape, call_like, only, unreadable};
use crate::call::Call;

/// Snapshots are evidence and are kept; the description tells whether they were made.
pub(super) const SNAPSHOTS: Effect = Effect {
    reads: &[Read {
        api: "DescribeSnapshots",
        inputs: &[("Filters", Filter("description", "Description"))],
    }],
    inverses: &[],
    shape: Shape::Custom(Custom {
        state: |_, answers| {
            let snapshots = only(answers).and_then(|answer| answer.get("Snapshots")?.as_array());
            let Some(snapshots) = snapshots else { return unreadable("Snapshots") };
            let mut ids: Vec<&str> =
                snapshots.iter().filter_map(|one| one.get("SnapshotId")?.as_str()).collect();
            ids.sort_unstable();
            if ids.is_empty() { Value::Null } else { json!({ "Snapshots": ids }) }
        },
        is_achieved: |_, state| !state.is_null(),
        restore: |_, _| None,
    }),
};

const fn tags(is_achieved: fn(&Call, &Value) -> bool) -> Effect {
    Effect {
        reads: &[Read {
            api: "DescribeTags",
            inputs: &[("Filters", Filter("resource-id", "Resources"))],
        }],
        inverses: &["CreateTags", "DeleteTags"],
        shape: Shape::Custom(Custom { state: tags_named, is_achieved, restore: tags_back }),
    }
}

/// The effect of `CreateTags`.
pub(super) const TAGS: Effect = tags(|call, state| {
    let wanted = tags_of(call);
    !wanted.is_empty()
        && wanted.iter().all(|(resource, key, value)| {
            state.get(resource).and_then(|tags| tags.get(key)) == value.as_ref()
        })
});
/// The effect of `DeleteTags`.
pub(super) const NO_TAGS: Effect = tags(|call, state| {
    let wanted = tags_of(call);
    !wanted.is_empty()
        && wanted.iter().all(|(resource, key, _)| {
            state.get(resource).is_some_and(|tags| tags.get(key).is_none())
        })
});

/// Each resource with each tag of a call.
fn tags_of(call: &Call) -> Vec<(&str, &str, Option<Value>)> {
    let items =
        |input: &str| call.inputs.get(input).and_then(Value::as_array).into_iter().flatten();
    items("Resources")
        .filter_map(Value::as_str)
        .flat_map(|resource| {
            items("Tags").filter_map(move |tag| {
                Some((resource, tag.get("Key")?.as_str()?, tag.get("Value").cloned()))
            })
        })
        .collect()
}

fn tags_named(call: &Call, answers: &[Option<Value>]) -> Value {
    let tags = only(answers).and_then(|answer| answer.get("Tags")?.as_array());
    let Some(tags) = tags else { return unreadable("Tags") };
    let mut state = Map::new();
    for (resource, key, _) in tags_of(call) {
        let kept = state.entry(resource).or_insert_with(|| json!({}));
        let is_it = |tag: &&Value| {
            tag.get("ResourceId").is_some_and(|had| had == resource)
                && tag.get("Key").is_some_and(|had| had == key)
        };
        let value = tags.iter().find(is_it).and_then(|tag| tag.get("Value"));
        if let (Some(kept), Some(value)) = (kept.as_object_mut(), value) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(state)
}

fn tags_back(call: &Call, before: &Value) -> Option<Vec<Call>> {
    let mut calls = Vec::new();
    for (resource, had) in before.as_object()? {
        let had = had.as_object()?;
        let absent: Vec<Value> = tags_of(call)
            .into_iter()
            .filter(|(named, key, _)| named == resource && !had.contains_key(*key))
            .map(|(_, key, _)| json!({ "Key": key }))
            .collect();
        let kept = had.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        for (api, tags) in [("CreateTags", kept), ("DeleteTags", absent)] {
            if !tags.is_empty() {
                let mut back = call_like(call, api, &[]);
                back.inputs.insert("Resources".to_owned(), json!([resource]));
                back.inputs.insert("Tags".to_owned(), Value::from(tags));
                calls.push(back);
            }
        }
    }
    Some(calls)
}
