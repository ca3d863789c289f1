//! What a run would do, before it does anything: the changing calls of the steps that can be reached.

use serde_json::{Map, Value};
use trailloop_runbook::document::{Action, Runbook, Template};
use trailloop_runbook::template::{self, Part, Reference, Values};
use trailloop_runbook::{Call, Refusal, catalogue, inverse};

use crate::alert::escape;

/// The changing calls in the order of the steps, with those inputs filled in that are known beforehand. A branch that depends
/// on an answer is planned with both ways; a call whose inputs depend on one is planned as far as it is known.
pub(crate) fn changes(runbook: &Runbook, values: &Values) -> Result<Vec<(String, Call)>, Refusal> {
    let mut planned = Vec::new();
    for step in &runbook.steps {
        let Action::Call(template) = &step.action else { continue };
        let api = catalogue::find(&template.service, &template.api);
        if !api.is_some_and(|api| api.changes) {
            continue;
        }
        let call = match template.fill(values) {
            Ok(call) => call,
            // What follows from an answer is known when it came.
            Err(_) if awaits_answer(template) => Call {
                service: template.service.clone(),
                api: template.api.clone(),
                inputs: Map::new(),
            },
            Err(refusal) => return Err(refusal),
        };
        planned.push((step.name.clone(), call));
    }
    Ok(planned)
}

/// What a person may do where no runbook does anything: the calls that take back what the record did, as far as the record alone
/// tells them.
pub(crate) fn by_hand(record: &Value) -> Vec<String> {
    let calls = inverse::of(record, &[]).unwrap_or_default();
    calls.iter().map(|call| format!("by hand, to take it back: {}", line(call))).collect()
}

/// A call as a line for people: `iam:PutUserPolicy UserName=bob PolicyName=…`. Documents are shortened.
#[must_use]
pub(crate) fn line(call: &Call) -> String {
    let mut text = call.name();
    for (name, value) in &call.inputs {
        let shown = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.push_str(&format!(" {name}={}", escape::line(&shown, 120)));
    }
    text
}

/// Whether an input follows from the answer to an earlier step.
fn awaits_answer(template: &Template) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::String(text) => template::parts(text).is_ok_and(|parts| {
                parts.iter().any(|part| matches!(part, Part::Value(Reference::Output { .. })))
            }),
            Value::Array(values) => values.iter().any(any),
            Value::Object(members) => members.values().any(any),
            _ => false,
        }
    }
    template.inputs.values().any(any)
}
