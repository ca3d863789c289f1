//! Terms to values. Total: what does not fit comes to null, or to false where a truth is asked for.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Kind, Operator, Term};

/// A longer text is not joined: a binding of it comes to null, and is refused.
const JOINED_MAX: usize = 64 * 1024;

/// A path through lists gathers no more values.
const GATHERED_MAX: usize = 10_000;

pub(super) fn value(term: &Term, context: &Value) -> Value {
    match &term.kind {
        Kind::Literal(value) => value.clone(),
        Kind::Path(names) => find(names, context),
        Kind::List(terms) => terms.iter().map(|term| value(term, context)).collect(),
        Kind::Any(names, text) => Value::Bool(any(&find(names, context), text)),
        Kind::Not(term) => Value::Bool(!is_true(term, context)),
        Kind::And(terms) => Value::Bool(terms.iter().all(|term| is_true(term, context))),
        Kind::Or(terms) => Value::Bool(terms.iter().any(|term| is_true(term, context))),
        Kind::Compare(operator, left, right) => {
            Value::Bool(compare(*operator, &value(left, context), &value(right, context)))
        }
        Kind::In(member, list) => {
            let member = value(member, context);
            let holds = match value(list, context) {
                Value::Array(values) => values.iter().any(|value| equal(value, &member)),
                _ => false,
            };
            Value::Bool(holds)
        }
        Kind::Join(terms) => join(terms, context),
        Kind::Choose(condition, then, otherwise) => {
            value(if is_true(condition, context) { then } else { otherwise }, context)
        }
    }
}

fn is_true(term: &Term, context: &Value) -> bool {
    value(term, context) == Value::Bool(true)
}

fn join(terms: &[Term], context: &Value) -> Value {
    let mut text = String::new();
    for term in terms {
        // Something that is missing must not become a name with a hole in it.
        let Value::String(part) = value(term, context) else { return Value::Null };
        text.push_str(&part);
        if text.len() > JOINED_MAX {
            return Value::Null;
        }
    }
    Value::String(text)
}

/// The value at a path. Through a list, a number picks one element, and a name gathers what all elements have under it.
fn find(names: &[String], context: &Value) -> Value {
    let mut at = vec![context];
    let mut is_gathered = false;
    for name in names {
        let mut next = Vec::new();
        for value in at {
            match value {
                Value::Object(entries) => next.extend(entries.get(name)),
                Value::Array(elements) => match name.parse::<usize>() {
                    Ok(nth) => next.extend(elements.get(nth)),
                    Err(_) => {
                        is_gathered = true;
                        next.extend(elements.iter().filter_map(|element| element.get(name)));
                    }
                },
                _ => {}
            }
            if next.len() > GATHERED_MAX {
                next.truncate(GATHERED_MAX);
                break;
            }
        }
        at = next;
    }
    if is_gathered {
        return at.into_iter().cloned().collect();
    }
    at.first().map_or(Value::Null, |value| (*value).clone())
}

/// Whether a list of texts holds this one; of an answer under `enrich`, whether its events do.
fn any(value: &Value, text: &str) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| value.as_str() == Some(text)),
        Value::Object(answer) => answer
            .get("events")
            .and_then(Value::as_array)
            .is_some_and(|values| values.iter().any(|value| value.as_str() == Some(text))),
        _ => false,
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => order(left, right) == Some(Ordering::Equal),
        _ => left == right,
    }
}

fn compare(operator: Operator, left: &Value, right: &Value) -> bool {
    match operator {
        Operator::Equal => equal(left, right),
        Operator::Differs => !equal(left, right),
        Operator::Less => order(left, right).is_some_and(Ordering::is_lt),
        Operator::AtMost => order(left, right).is_some_and(Ordering::is_le),
        Operator::Greater => order(left, right).is_some_and(Ordering::is_gt),
        Operator::AtLeast => order(left, right).is_some_and(Ordering::is_ge),
    }
}

/// How two numbers or two texts stand to each other; nothing else does. Instants of one notation are ordered as texts.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i128(), right.as_i128()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        _ => None,
    }
}
