//! The closed catalogue: what a runbook may ask of AWS, and how the effect of each call is read back.
//!
//! An API is a row of a table, one table a service. Of a call that changes something the row says which reads show the state
//! that it changes, what of their answers that state is, when the call is achieved, and which calls put an earlier state
//! back. With these four the executor keeps the state before, settles a call whose answer was lost, watches, and undoes, without
//! knowing any API itself.

mod data;
mod iam;
mod never;
mod organization;
mod parts;
mod services;

use serde_json::{Map, Value};

use crate::call::Call;

pub use never::Ours;

/// How much harm a call can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// It reads, tells or keeps.
    R0,
    /// Reversible and narrow.
    R1,
    /// Reversible and wide.
    R2,
    /// Irreversible, or of a whole organization: planned and exported, never made here.
    R3,
}

impl Risk {
    /// `R0` to `R3`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::R0 => "R0",
            Self::R1 => "R1",
            Self::R2 => "R2",
            Self::R3 => "R3",
        }
    }
}

/// An API of the catalogue.
#[derive(Debug)]
pub struct Api {
    /// The service, as in [`Call::service`].
    pub service: &'static str,
    /// The API.
    pub name: &'static str,
    /// How much harm it can do.
    pub risk: Risk,
    /// Whether it changes something.
    pub changes: bool,
    /// Whether the executor makes it; others are planned and exported only.
    pub runs: bool,
    /// The inputs it must have, by the names of the API reference.
    pub required: &'static [&'static str],
    /// The inputs it may have.
    pub optional: &'static [&'static str],
    /// The IAM actions that it takes.
    pub rights: &'static [&'static str],
    /// The ARN of the resource, with `{partition}`, `{region}`, `{account}` and inputs in braces; `*` where IAM knows none.
    pub resource: &'static str,
    /// How its effect is read, if it has one.
    pub effect: Option<Effect>,
}

/// How the effect of a call is read, recognised and taken back.
#[derive(Debug)]
pub struct Effect {
    /// The reads that show the state.
    pub reads: &'static [Reading],
    /// The state, of the answers.
    pub state: fn(&Call, &[Option<Value>]) -> Value,
    /// Whether the state is what the call makes of it.
    pub achieved: fn(&Call, &Value) -> bool,
    /// The calls that put a state back.
    pub restore: fn(&Call, &Value) -> Option<Vec<Call>>,
}

/// A read: its API, and which of its inputs are which of the call's.
#[derive(Debug)]
pub struct Reading {
    /// The API, of the call's own service.
    pub api: &'static str,
    /// The read's input, and the call's.
    pub inputs: &'static [(&'static str, &'static str)],
    /// Inputs that are always the same.
    pub fixed: &'static [(&'static str, &'static str)],
}

/// The API of this name.
#[must_use]
pub fn find(service: &str, api: &str) -> Option<&'static Api> {
    all().find(|one| one.service == service && one.name == api)
}

/// Every API, by service and name as they stand in the tables.
pub fn all() -> impl Iterator<Item = &'static Api> {
    let tables: [&'static [Api]; 4] = [iam::APIS, organization::APIS, data::APIS, services::APIS];
    tables.into_iter().flatten()
}

impl Api {
    /// The reads that show the state which this call changes, in order. Never empty for a call that changes something and runs.
    #[must_use]
    pub fn state_reads(&self, call: &Call) -> Vec<Call> {
        let Some(effect) = &self.effect else { return Vec::new() };
        let read = |reading: &Reading| {
            let mut inputs = Map::new();
            for (theirs, ours) in reading.inputs {
                if let Some(value) = call.inputs.get(*ours) {
                    inputs.insert((*theirs).to_owned(), value.clone());
                }
            }
            for (name, value) in reading.fixed {
                inputs.insert((*name).to_owned(), (*value).into());
            }
            Call { service: self.service.to_owned(), api: reading.api.to_owned(), inputs }
        };
        effect.reads.iter().map(read).collect()
    }

    /// That state, from the answers to the reads (`None`: AWS says there is no such thing). Null is "absent". Two equal states
    /// are equal values, so what AWS orders freely is sorted here.
    #[must_use]
    pub fn state(&self, call: &Call, answers: &[Option<Value>]) -> Value {
        self.effect.as_ref().map_or(Value::Null, |effect| (effect.state)(call, answers))
    }

    /// Whether the state is what the call would make of it.
    #[must_use]
    pub fn is_achieved(&self, call: &Call, state: &Value) -> bool {
        self.effect.as_ref().is_some_and(|effect| (effect.achieved)(call, state))
    }

    /// The calls that put the state back to `before`; `None` if no call can.
    #[must_use]
    pub fn restore(&self, call: &Call, before: &Value) -> Option<Vec<Call>> {
        self.effect.as_ref().and_then(|effect| (effect.restore)(call, before))
    }
}
