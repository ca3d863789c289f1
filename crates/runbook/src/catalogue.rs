//! The closed catalogue: what a runbook may ask of AWS, and how the effect of each call is read back.
//!
//! It is data. Each service has a table of its APIs: their inputs, their risk, the right they need and on which resources, and for
//! a change its effect ([`effect`](self)): the reads that show what the call changes and nothing else, how their answers become a
//! state, when the state is what the call wants, and the calls that put an earlier state back. A state holds only what its call
//! changes, so that the next step of a runbook doesn't look like drift to the one before.

mod attributes;
mod common;
mod data;
mod effect;
mod identity;
mod logging;
mod network;
mod never;
mod organization;
mod page;
mod permission;
mod risk;
mod roles;
mod tags;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::call::Call;
use effect::Effect;
pub use effect::is_readable;
pub use never::{Ours, PREFIX};
pub use page::reference;
pub use risk::denies_principal;

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

/// What an input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A list.
    List,
    /// A whole number.
    Number,
    /// True or false.
    Flag,
    /// An object.
    Object,
    /// A policy document, as JSON text.
    Document,
}

/// An input of an API, by the name of the API reference.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// The name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a call without it is refused.
    pub required: bool,
}

impl Input {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: true }
    }

    const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// Whether this value can be the input: of its kind, or a text that a plan fills in later.
    fn takes(&self, value: &Value) -> bool {
        let is_template = value.as_str().is_some_and(|text| text.contains("{{"));
        is_template
            || match self.kind {
                Kind::Text | Kind::Document => value.is_string(),
                Kind::List => value.is_array(),
                Kind::Number => value.is_i64() || value.is_u64(),
                Kind::Flag => value.is_boolean(),
                Kind::Object => value.is_object(),
            }
    }
}

/// A right beside the API's own that a call needs.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// The action, such as `iam:PassRole`.
    pub action: &'static str,
    /// The resources; templates as in [`Api::resources`].
    pub resources: &'static [&'static str],
}

/// An API of the catalogue.
#[derive(Debug)]
pub struct Api {
    /// The service, as in [`Call::service`].
    pub service: &'static str,
    /// The API.
    pub name: &'static str,
    /// How much harm it can do, at most; [`Api::risk_of`] knows of one call.
    pub risk: Risk,
    /// Whether it changes something.
    pub changes: bool,
    /// Whether the executor makes it; others are planned and exported only.
    pub runs: bool,
    /// Whether it tells somebody something: it reads nothing, and there is nothing to put back.
    pub tells: bool,
    /// Whether it is only made to undo another.
    pub undo_only: bool,
    /// Its inputs.
    pub inputs: &'static [Input],
    /// The resources that a policy names: ARNs in which `{partition}`, `{region}`, `{account}` and `{Input}` are filled in.
    /// Empty: AWS knows no resource for it.
    pub resources: &'static [&'static str],
    /// The rights beside its own.
    pub also: &'static [Right],
    /// A condition of its right: the key and the input whose value it has to have.
    pub condition: Option<(&'static str, &'static str)>,
    /// The action in policies, if it is not the service and the API.
    action: Option<&'static str>,
    effect: Option<&'static Effect>,
}

/// The tables of the services.
const TABLES: [&[Api]; 13] = [
    identity::USERS,
    roles::ROLES,
    identity::OTHERS,
    organization::ORGANIZATION,
    organization::IDENTITY_CENTER,
    data::S3,
    data::KMS,
    data::LAMBDA,
    logging::CLOUDTRAIL,
    logging::OTHERS,
    logging::TELLING,
    network::READS,
    network::CHANGES,
];

/// All APIs, by service as the tables stand.
pub fn all() -> impl Iterator<Item = &'static Api> {
    TABLES.into_iter().flatten()
}

/// The API of this name.
#[must_use]
pub fn find(service: &str, api: &str) -> Option<&'static Api> {
    all().find(|known| known.service == service && known.name == api)
}

impl Api {
    /// `iam:UpdateAccessKey`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.service, self.name)
    }

    /// The action that a policy allows.
    #[must_use]
    pub fn action(&self) -> String {
        self.action.map_or_else(|| format!("{}:{}", self.service, self.name), str::to_owned)
    }

    /// The input of this name.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<&'static Input> {
        self.inputs.iter().find(|input| input.name == name)
    }

    /// What is wrong with these inputs; templates pass for every kind.
    #[must_use]
    pub fn problems(&self, inputs: &Map<String, Value>) -> Vec<String> {
        let api = self.full_name();
        let missing = self.inputs.iter().filter(|input| input.required);
        let missing = missing.filter(|input| !inputs.contains_key(input.name));
        let missing = missing.map(|input| format!("{api} needs the input `{}`", input.name));
        let wrong = inputs.iter().filter_map(|(name, value)| match self.input(name) {
            None => Some(format!(
                "{api} has no input `{name}` here; it takes {}",
                self.inputs.iter().map(|input| input.name).collect::<Vec<_>>().join(", ")
            )),
            Some(input) if !input.takes(value) => {
                Some(format!("`{name}` of {api} has to be {}", input.kind.words()))
            }
            Some(_) => None,
        });
        missing.chain(wrong).collect()
    }

    /// The reads that show the state which this call changes, in order. Never empty for a call that changes something.
    #[must_use]
    pub fn state_reads(&self, call: &Call) -> Vec<Call> {
        self.effect.map(|effect| effect.reads_of(self.service, call)).unwrap_or_default()
    }

    /// That state, from the answers to the reads (`None`: AWS says there is no such thing). Null is "absent". Two equal states
    /// are equal values, so what AWS orders freely is sorted here. An answer without what has to be in it makes a state that is not
    /// [readable](is_readable): it is achieved by nothing and can't be put back.
    #[must_use]
    pub fn state(&self, call: &Call, answers: &[Option<Value>]) -> Value {
        self.effect.map_or(Value::Null, |effect| effect.state(call, answers))
    }

    /// Whether the state is what the call would make of it.
    #[must_use]
    pub fn is_achieved(&self, call: &Call, state: &Value) -> bool {
        is_readable(state) && self.effect.is_some_and(|effect| effect.is_achieved(call, state))
    }

    /// The calls that put the state back to `before`; `None` if no call can.
    #[must_use]
    pub fn restore(&self, call: &Call, before: &Value) -> Option<Vec<Call>> {
        if !is_readable(before) {
            return None;
        }
        self.effect?.restore(call, before)
    }

    /// The APIs that [`Api::restore`] may ask for, of the same service.
    #[must_use]
    pub fn inverses(&self) -> &'static [&'static str] {
        self.effect.map_or(&[], |effect| effect.inverses)
    }

    /// The APIs that [`Api::state_reads`] asks for, of the same service.
    pub fn reads(&self) -> impl Iterator<Item = &'static str> {
        self.effect.into_iter().flat_map(|effect| effect.reads.iter().map(|read| read.api))
    }
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::List => "a list",
            Self::Number => "a whole number",
            Self::Flag => "true or false",
            Self::Object => "an object",
            Self::Document => "a policy document as JSON text",
        }
    }
}
