//! The words in which the tables are written.

use super::effect::Effect;
use super::{Api, Input, Kind, Right, Risk};

pub(super) const fn text(name: &'static str) -> Input {
    Input::new(name, Kind::Text)
}

pub(super) const fn list(name: &'static str) -> Input {
    Input::new(name, Kind::List)
}

pub(super) const fn number(name: &'static str) -> Input {
    Input::new(name, Kind::Number)
}

pub(super) const fn flag(name: &'static str) -> Input {
    Input::new(name, Kind::Flag)
}

pub(super) const fn object(name: &'static str) -> Input {
    Input::new(name, Kind::Object)
}

pub(super) const fn document(name: &'static str) -> Input {
    Input::new(name, Kind::Document)
}

/// An API that reads.
pub(super) const fn read(
    service: &'static str,
    name: &'static str,
    inputs: &'static [Input],
    resources: &'static [&'static str],
) -> Api {
    Api {
        service,
        name,
        risk: Risk::R0,
        changes: false,
        runs: true,
        tells: false,
        undo_only: false,
        inputs,
        resources,
        also: &[],
        condition: None,
        action: None,
        effect: None,
    }
}

/// An API that changes something.
pub(super) const fn change(
    service: &'static str,
    name: &'static str,
    risk: Risk,
    inputs: &'static [Input],
    resources: &'static [&'static str],
    effect: &'static Effect,
) -> Api {
    let base = read(service, name, inputs, resources);
    Api { risk, changes: true, runs: !matches!(risk, Risk::R3), effect: Some(effect), ..base }
}

impl Api {
    /// Its action in policies.
    pub(super) const fn by(self, action: &'static str) -> Self {
        Self { action: Some(action), ..self }
    }

    /// Rights that it needs beside its own.
    pub(super) const fn with(self, also: &'static [Right]) -> Self {
        Self { also, ..self }
    }

    /// A condition of its right.
    pub(super) const fn only_if(self, key: &'static str, input: &'static str) -> Self {
        Self { condition: Some((key, input)), ..self }
    }

    /// It only undoes another.
    pub(super) const fn only_undoes(self) -> Self {
        Self { undo_only: true, ..self }
    }

    /// It is planned and exported, never made here.
    pub(super) const fn planned(self) -> Self {
        Self { runs: false, ..self }
    }

    /// It tells somebody something.
    pub(super) const fn telling(self) -> Self {
        Self { tells: true, ..self }
    }
}
