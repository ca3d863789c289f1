//! The closed catalogue: what a runbook may ask of AWS, and how the effect of each call is read back.

use serde_json::Value;

use crate::call::Call;

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
    /// Rights.
    pub rights: &'static [&'static str],
}

/// Ours.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    /// Role.
    pub responder_role: String,
    /// Globs.
    pub break_glass: Vec<String>,
    /// Management.
    pub management_account: Option<String>,
}

/// The API of this name.
#[must_use]
pub fn find(_service: &str, _api: &str) -> Option<&'static Api> {
    None
}

impl Api {
    /// The reads that show the state which this call changes, in order. Never empty for a call that changes something.
    #[must_use]
    pub fn state_reads(&self, _call: &Call) -> Vec<Call> {
        Vec::new()
    }

    /// That state, from the answers to the reads (`None`: AWS says there is no such thing). Null is "absent". Two equal states
    /// are equal values, so what AWS orders freely is sorted here.
    #[must_use]
    pub fn state(&self, _call: &Call, _answers: &[Option<Value>]) -> Value {
        Value::Null
    }

    /// Never.
    pub fn never(&self, _call: &Call, _target: &crate::Target, _ours: &Ours) -> Result<(), crate::Refusal> {
        Ok(())
    }

    /// Whether the state is what the call would make of it.
    #[must_use]
    pub fn is_achieved(&self, _call: &Call, _state: &Value) -> bool {
        false
    }

    /// The calls that put the state back to `before`; `None` if no call can.
    #[must_use]
    pub fn restore(&self, _call: &Call, _before: &Value) -> Option<Vec<Call>> {
        None
    }
}
