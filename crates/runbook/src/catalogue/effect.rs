//! What a change does, in a form that can be read back, compared and put back.
//!
//! Most changes are one of three: a property gets a value or loses it ([`Property`]), something becomes a member of a list or no
//! longer is ([`Member`]), a thing is on or off ([`Switch`]). The rest have functions of their own ([`Custom`]).

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::policy::document::same_policy;

/// The effect of a change.
#[derive(Debug)]
pub(super) struct Effect {
    /// The reads that show it.
    pub(super) reads: &'static [Read],
    /// The APIs that put it back.
    pub(super) inverses: &'static [&'static str],
    /// What it is.
    pub(super) shape: Shape,
}

/// A read of the state, of the same service as the change.
#[derive(Debug)]
pub(super) struct Read {
    /// The API.
    pub(super) api: &'static str,
    /// Its inputs.
    pub(super) inputs: &'static [(&'static str, Fill)],
}

/// Where an input of a read comes from. An input that the change doesn't have is left out.
#[derive(Debug)]
pub(super) enum Fill {
    /// The change's input of the same name.
    Same,
    /// The change's input of this name.
    From(&'static str),
    /// A list of it alone.
    ListOf(&'static str),
    /// Fixed text.
    Text(&'static str),
    /// A list of one filter of EC2: its name, and the change's input (a text or a list) with its values.
    Filter(&'static str, &'static str),
}

/// The kinds of effects.
#[derive(Debug)]
pub(super) enum Shape {
    /// A property has a value, or none.
    Property(Property),
    /// Something stands in a list, or doesn't.
    Member(Member),
    /// It is on or off.
    Switch(Switch),
    /// Anything else.
    Custom(Custom),
}

/// A property.
#[derive(Debug)]
pub(super) struct Property {
    /// The list in the answer and the field and the input that tell which item of it, if it is an item's.
    pub(super) item: Option<(&'static str, &'static str, &'static str)>,
    /// Where it stands in the answer or the item.
    pub(super) path: &'static [&'static str],
    /// Whether an answer without it means that there is none; else such an answer is not readable.
    pub(super) may_lack: bool,
    /// The input that has it in the call that sets it, and its name in the state.
    pub(super) input: &'static str,
    /// The inputs that say whose property it is.
    pub(super) keys: &'static [&'static str],
    /// The call that sets it.
    pub(super) put: &'static str,
    /// The call that removes it, if one can.
    pub(super) delete: Option<&'static str>,
    /// Whether this call sets it; else it removes it.
    pub(super) sets: bool,
    /// A call to be made after it was put back, with the given inputs and a fixed one.
    pub(super) then: Option<(&'static str, &'static [&'static str], (&'static str, &'static str))>,
}

/// Membership in a list.
#[derive(Debug)]
pub(super) struct Member {
    /// The list in the answer.
    pub(super) list: &'static str,
    /// The fields and the inputs that have to be equal.
    pub(super) fields: &'static [(&'static str, &'static str)],
    /// The inputs that both calls have.
    pub(super) keys: &'static [&'static str],
    /// The call that makes it a member, if one can.
    pub(super) add: Option<&'static str>,
    /// The call that ends it.
    pub(super) remove: Option<&'static str>,
    /// Whether this call adds; else it removes.
    pub(super) adds: bool,
}

/// Something that is on or off.
#[derive(Debug)]
pub(super) struct Switch {
    /// The list in the answer whose first item tells, if it is an item's.
    pub(super) list: Option<&'static str>,
    /// Where it stands.
    pub(super) path: &'static [&'static str],
    /// The text that means on; a boolean speaks for itself.
    pub(super) on: &'static str,
    /// Its name in the state.
    pub(super) name: &'static str,
    /// What this call makes of it; `Err` names the input that says so.
    pub(super) wants: Result<bool, &'static str>,
    /// The inputs that say what it is.
    pub(super) keys: &'static [&'static str],
    /// The call that puts it on, and the one that puts it off, if one may be asked for.
    pub(super) calls: [Option<&'static str>; 2],
}

/// An effect with functions of its own.
#[derive(Debug)]
pub(super) struct Custom {
    pub(super) state: fn(&Call, &[Option<Value>]) -> Value,
    pub(super) is_achieved: fn(&Call, &Value) -> bool,
    pub(super) restore: fn(&Call, &Value) -> Option<Vec<Call>>,
}

const UNREADABLE: &str = "unreadable";

/// The state of an answer that lacks what has to be in it.
pub(super) fn unreadable(what: &str) -> Value {
    json!({ UNREADABLE: what })
}

/// Whether the state says something. One that doesn't comes of an answer that AWS's documentation doesn't know.
#[must_use]
pub fn is_readable(state: &Value) -> bool {
    state.get(UNREADABLE).is_none()
}

/// The answer to the only read.
pub(super) fn only(answers: &[Option<Value>]) -> Option<&Value> {
    answers.first().and_then(Option::as_ref)
}

/// The value at this path; null counts as nothing.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name)).filter(|found| !found.is_null())
}

/// A call of this service with these inputs of another.
pub(super) fn call_like(call: &Call, api: &str, keys: &[&str]) -> Call {
    let inputs =
        keys.iter().filter_map(|key| Some(((*key).to_owned(), call.inputs.get(*key)?.clone())));
    Call { service: call.service.clone(), api: api.to_owned(), inputs: inputs.collect() }
}

/// Whether both say the same, however they are written: as text, as a number, as a policy.
pub(super) fn says_the_same(one: &Value, other: &Value) -> bool {
    one == other || plain(one).is_some_and(|text| plain(other).as_ref() == Some(&text)) || {
        let both = one.as_str().zip(other.as_str());
        both.is_some_and(|(one, other)| same_policy(one, other))
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Whether all that is wanted is had; what is had beside it is AWS's own completion.
pub(super) fn covers(had: &Value, wanted: &Value) -> bool {
    match (had, wanted) {
        (Value::Object(had), Value::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            had.get(name).map_or_else(|| is_nothing(wanted), |had| covers(had, wanted))
        }),
        (Value::Array(had), Value::Array(wanted)) => {
            had.len() == wanted.len()
                && had.iter().zip(wanted).all(|(had, wanted)| covers(had, wanted))
        }
        _ => says_the_same(had, wanted),
    }
}

/// What AWS leaves out when it is empty.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

impl Read {
    fn of(&self, service: &str, call: &Call) -> Call {
        let list = |value: &Value| match value {
            Value::Array(_) => value.clone(),
            one => json!([one]),
        };
        let fill = |(name, fill): &(&str, Fill)| {
            let value = match fill {
                Fill::Same => call.inputs.get(*name)?.clone(),
                Fill::From(input) => call.inputs.get(*input)?.clone(),
                Fill::ListOf(input) => list(call.inputs.get(*input)?),
                Fill::Text(text) => Value::from(*text),
                Fill::Filter(filter, input) => {
                    json!([{ "Name": filter, "Values": list(call.inputs.get(*input)?) }])
                }
            };
            Some(((*name).to_owned(), value))
        };
        Call {
            service: service.to_owned(),
            api: self.api.to_owned(),
            inputs: self.inputs.iter().filter_map(fill).collect(),
        }
    }
}

impl Effect {
    pub(super) fn reads_of(&self, service: &str, call: &Call) -> Vec<Call> {
        self.reads.iter().map(|read| read.of(service, call)).collect()
    }

    pub(super) fn state(&self, call: &Call, answers: &[Option<Value>]) -> Value {
        match &self.shape {
            Shape::Property(property) => property.state(call, only(answers)),
            Shape::Member(member) => member.state(call, only(answers)),
            Shape::Switch(switch) => switch.state(only(answers)),
            Shape::Custom(custom) => (custom.state)(call, answers),
        }
    }

    pub(super) fn is_achieved(&self, call: &Call, state: &Value) -> bool {
        match &self.shape {
            Shape::Property(property) => property.is_achieved(call, state),
            Shape::Member(member) => state.is_null() != member.adds,
            Shape::Switch(switch) => {
                switch.wanted(call).is_some_and(|wanted| switch.has(state) == Some(wanted))
            }
            Shape::Custom(custom) => (custom.is_achieved)(call, state),
        }
    }

    pub(super) fn restore(&self, call: &Call, before: &Value) -> Option<Vec<Call>> {
        match &self.shape {
            Shape::Property(property) => property.restore(call, before),
            Shape::Member(member) => {
                let api = if before.is_null() { member.remove } else { member.add };
                Some(vec![call_like(call, api?, member.keys)])
            }
            Shape::Switch(switch) => switch.restore(call, before),
            Shape::Custom(custom) => (custom.restore)(call, before),
        }
    }
}

impl Property {
    fn state(&self, call: &Call, answer: Option<&Value>) -> Value {
        let Some(answer) = answer else { return Value::Null };
        let owner = match self.item {
            None => Some(answer),
            Some((list, field, input)) => {
                let Some(items) = answer.get(list).and_then(Value::as_array) else {
                    return unreadable(list);
                };
                let wanted = call.inputs.get(input);
                items.iter().find(|item| wanted.is_some() && item.get(field) == wanted)
            }
        };
        let Some(owner) = owner else { return Value::Null };
        match at(owner, self.path) {
            // Identity Center answers an empty text where there is no policy.
            Some(Value::String(empty)) if empty.is_empty() && self.may_lack => Value::Null,
            Some(value) => json!({ self.input: value }),
            None if self.may_lack => Value::Null,
            None => unreadable(self.input),
        }
    }

    fn is_achieved(&self, call: &Call, state: &Value) -> bool {
        if !self.sets {
            return state.is_null();
        }
        match (state.get(self.input), call.inputs.get(self.input)) {
            (Some(had), Some(wanted)) => covers(had, wanted),
            _ => false,
        }
    }

    fn restore(&self, call: &Call, before: &Value) -> Option<Vec<Call>> {
        let first = match before.get(self.input) {
            Some(value) => {
                let mut put = call_like(call, self.put, self.keys);
                put.inputs.insert(self.input.to_owned(), value.clone());
                put
            }
            None if before.is_null() => call_like(call, self.delete?, self.keys),
            None => return None,
        };
        let then = self.then.map(|(api, keys, (name, text))| {
            let mut then = call_like(call, api, keys);
            then.inputs.insert(name.to_owned(), Value::from(text));
            then
        });
        Some(std::iter::once(first).chain(then).collect())
    }
}

impl Member {
    fn state(&self, call: &Call, answer: Option<&Value>) -> Value {
        let Some(answer) = answer else { return Value::Null };
        let Some(items) = answer.get(self.list).and_then(Value::as_array) else {
            return unreadable(self.list);
        };
        let is_it = |item: &&Value| {
            self.fields.iter().all(|(field, input)| {
                call.inputs.get(*input).is_some_and(|wanted| item.get(field) == Some(wanted))
            })
        };
        let Some(item) = items.iter().find(is_it) else { return Value::Null };
        let fields = self
            .fields
            .iter()
            .filter_map(|(field, _)| Some(((*field).to_owned(), item.get(field)?.clone())));
        Value::Object(fields.collect::<Map<_, _>>())
    }
}

impl Switch {
    fn state(&self, answer: Option<&Value>) -> Value {
        let Some(answer) = answer else { return Value::Null };
        let owner = match self.list {
            None => answer,
            Some(list) => match answer.get(list).and_then(Value::as_array) {
                None => return unreadable(list),
                Some(items) => match items.first() {
                    None => return Value::Null,
                    Some(first) => first,
                },
            },
        };
        match at(owner, self.path) {
            Some(Value::Bool(is_on)) => json!({ self.name: is_on }),
            Some(Value::String(text)) => json!({ self.name: text == self.on }),
            _ => unreadable(self.name),
        }
    }

    fn has(&self, state: &Value) -> Option<bool> {
        state.get(self.name).and_then(Value::as_bool)
    }

    fn wanted(&self, call: &Call) -> Option<bool> {
        match self.wants {
            Ok(wanted) => Some(wanted),
            Err(input) => call.inputs.get(input).and_then(|value| match value {
                Value::Bool(wanted) => Some(*wanted),
                Value::String(text) => text.to_ascii_lowercase().parse().ok(),
                _ => None,
            }),
        }
    }

    fn restore(&self, call: &Call, before: &Value) -> Option<Vec<Call>> {
        let was_on = self.has(before)?;
        let [on, off] = self.calls;
        let mut back = call_like(call, if was_on { on? } else { off? }, self.keys);
        if let Err(input) = self.wants {
            back.inputs.insert(input.to_owned(), Value::Bool(was_on));
        }
        Some(vec![back])
    }
}
