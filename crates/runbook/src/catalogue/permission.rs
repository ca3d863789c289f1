//! A statement of a function's policy: who may call the function.
//!
//! Lambda takes the parts of a statement and answers a whole policy, so putting one back means taking it apart. A statement that
//! Lambda's call can't express is not put back, and the plan says so.

use serde_json::{Map, Value};

use super::effect::Fill::Same;
use super::effect::{Custom, Effect, Read, Shape, at, call_like, only, says_the_same, unreadable};
use crate::call::Call;

/// The effect of `RemovePermission`.
pub(super) const REMOVE: Effect = effect(is_gone);
/// The effect of `AddPermission`.
pub(super) const ADD: Effect = effect(is_there);

const fn effect(is_achieved: fn(&Call, &Value) -> bool) -> Effect {
    Effect {
        reads: &[Read { api: "GetPolicy", inputs: &[("FunctionName", Same)] }],
        inverses: &["AddPermission", "RemovePermission"],
        shape: Shape::Custom(Custom { state, is_achieved, restore }),
    }
}

fn state(call: &Call, answers: &[Option<Value>]) -> Value {
    let Some(answer) = only(answers) else { return Value::Null };
    let policy = answer.get("Policy").and_then(Value::as_str);
    let policy = policy.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(statements) = policy.as_ref().and_then(|policy| policy.get("Statement")?.as_array())
    else {
        return unreadable("Policy");
    };
    let id = call.inputs.get("StatementId");
    let found = statements.iter().find(|statement| id.is_some() && statement.get("Sid") == id);
    found.cloned().unwrap_or(Value::Null)
}

fn is_gone(_: &Call, state: &Value) -> bool {
    state.is_null()
}

fn is_there(call: &Call, state: &Value) -> bool {
    parts(state).is_some_and(|parts| {
        !parts.is_empty()
            && parts.iter().all(|(name, had)| {
                call.inputs.get(name).is_some_and(|wanted| says_the_same(had, wanted))
            })
    })
}

fn restore(call: &Call, before: &Value) -> Option<Vec<Call>> {
    let keys = ["FunctionName", "StatementId"];
    if before.is_null() {
        return Some(vec![call_like(call, "RemovePermission", &keys)]);
    }
    let mut back = call_like(call, "AddPermission", &keys);
    back.inputs.extend(parts(before)?);
    Some(vec![back])
}

/// The inputs of `AddPermission` that make this statement; `None` if none do.
fn parts(statement: &Value) -> Option<Map<String, Value>> {
    if at(statement, &["Effect"])? != "Allow" {
        return None;
    }
    let mut parts = Map::new();
    parts.insert("Action".to_owned(), Value::from(at(statement, &["Action"])?.as_str()?));
    let principal = match at(statement, &["Principal"])? {
        Value::String(any) => any.as_str(),
        Value::Object(one) if one.len() == 1 => {
            let (kind, name) = one.iter().next()?;
            ["Service", "AWS"].contains(&kind.as_str()).then(|| name.as_str())??
        }
        _ => return None,
    };
    parts.insert("Principal".to_owned(), Value::from(principal));
    let conditions = match at(statement, &["Condition"]) {
        None => return Some(parts),
        Some(conditions) => conditions.as_object()?,
    };
    for (operator, keys) in conditions {
        for (key, value) in keys.as_object()? {
            let input = match (operator.as_str(), key.to_ascii_lowercase().as_str()) {
                ("ArnLike", "aws:sourcearn") => "SourceArn",
                ("StringEquals", "aws:sourceaccount") => "SourceAccount",
                ("StringEquals", "aws:principalorgid") => "PrincipalOrgID",
                ("StringEquals", "lambda:eventsourcetoken") => "EventSourceToken",
                ("StringEquals", "lambda:functionurlauthtype") => "FunctionUrlAuthType",
                _ => return None,
            };
            parts.insert(input.to_owned(), Value::from(value.as_str()?));
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_that_no_call_makes_is_not_put_back() {
        let statement = |condition: Value| {
            json!({"Sid": "s", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "lambda:InvokeFunction", "Resource": "arn", "Condition": condition})
        };
        let known = statement(json!({"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::example"}}));
        assert_eq!(parts(&known).unwrap()["SourceArn"], "arn:aws:s3:::example");
        assert_eq!(parts(&statement(json!({"Null": {"aws:x": "true"}}))), None);
        assert_eq!(parts(&statement(json!({"ArnLike": {"AWS:SourceArn": ["a", "b"]}}))), None);
    }
}
