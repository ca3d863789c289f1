//! Parameters and outputs: what is used is declared, what is declared is used, and what is bound is declared.

use std::collections::BTreeSet;

use serde_json::Value;
use trailloop_rules::source::{Data, Node, nearest, quoted};

use super::Places;
use crate::diagnostic::code;
use crate::document::{Parameter, Runbook};
use crate::fill::ASSUME_ROLE;
use crate::load::Reading;
use crate::template::{Part, Reference, parts};

pub(super) fn check(runbook: &Runbook, places: &Places<'_>, reading: &mut Reading<'_, '_>) {
    let mut values = Values { runbook, reading, used: BTreeSet::new() };
    for nth in 0..runbook.steps.len() {
        values.node(places.inputs(nth), Some(nth), false);
    }
    for key in ["assumeRole", "outputs"] {
        if let Some(node) = places.document.get(key) {
            values.node(node, None, false);
        }
    }
    values.node_if(places.document.get(crate::load::OURS).and_then(|ours| ours.get("undo")), true);
    values
        .node_if(places.document.get(crate::load::OURS).and_then(|ours| ours.get("verify")), false);
    values.declarations(places);
}

struct Values<'f, 'r, 'a> {
    runbook: &'f Runbook,
    reading: &'f mut Reading<'r, 'a>,
    used: BTreeSet<String>,
}

impl Values<'_, '_, '_> {
    fn node_if(&mut self, node: Option<&Node>, is_undo: bool) {
        if let Some(node) = node {
            self.node(node, None, is_undo);
        }
    }

    /// Every template below a node. `step` is the step that it belongs to; without one all steps came before.
    fn node(&mut self, node: &Node, step: Option<usize>, is_undo: bool) {
        match &node.data {
            Data::Sequence(nodes) => nodes.iter().for_each(|node| self.node(node, step, is_undo)),
            Data::Mapping(entries) => {
                for (key, value) in entries {
                    if key.text().contains("{{") {
                        let message = format!("the key {} holds a template", quoted(key.text()));
                        let help = "put templates into values only";
                        self.reading.error(key.mark, code::BAD_TEMPLATE, message, help);
                    }
                    self.node(value, step, is_undo);
                }
            }
            Data::Scalar(scalar) => match parts(&scalar.text) {
                Ok(parts) => {
                    for part in parts {
                        if let Part::Value(reference) = part {
                            self.reference(node, &reference, step, is_undo);
                        }
                    }
                }
                Err(error) => {
                    let mark =
                        self.reading.reporter.mark_within(node, &scalar.text, error.offset, "{{");
                    self.reading.error(mark, code::BAD_TEMPLATE, error.message, error.help);
                }
            },
        }
    }

    fn reference(
        &mut self,
        node: &Node,
        reference: &Reference,
        step: Option<usize>,
        is_undo: bool,
    ) {
        let runbook = self.runbook;
        let problem = match reference {
            Reference::Run(_) => None,
            Reference::Parameter(name) => {
                self.used.insert(name.clone());
                let names: Vec<&str> =
                    runbook.parameters.iter().map(|one| one.name.as_str()).collect();
                (!names.contains(&name.as_str())).then(|| match nearest(name, &names) {
                    Some(near) => format!("write `{near}` if that is meant"),
                    None => "declare it under `parameters:`".to_owned(),
                })
            }
            Reference::Output { step: from, name } => {
                let before = step.unwrap_or(runbook.steps.len());
                let source = runbook.steps[..before].iter().find(|step| step.name == *from);
                let is_declared = source
                    .is_some_and(|step| step.outputs.iter().any(|output| output.name == *name));
                (!is_declared)
                    .then(|| "declare it under `outputs:` of a step before this one".to_owned())
            }
            Reference::Before { step, .. } if is_undo => runbook
                .step(step)
                .is_none()
                .then(|| "write `{{ before.STEP.NAME }}` with the name of a step".to_owned()),
            Reference::Before { .. } => Some("use it under `undo:` only".to_owned()),
        };
        if let Some(help) = problem {
            let message = format!("`{{{{ {} }}}}` has no value here", reference.name());
            self.reading.error(node.mark, code::UNDECLARED_VALUE, message, help);
        }
    }

    fn declarations(&mut self, places: &Places<'_>) {
        let runbook = self.runbook;
        for parameter in &runbook.parameters {
            let name = &parameter.name;
            let mark = places.parameter(name);
            if !self.used.contains(name) {
                let message = format!("no step uses the parameter `{name}`");
                let help = format!("write `{{{{ {name} }}}}` where it belongs, or remove it");
                self.reading.error(mark, code::UNUSED_PARAMETER, message, help);
            }
            let is_bound = runbook.bind.iter().any(|(bound, _)| bound == name);
            if !is_bound && parameter.default.is_none() && name != ASSUME_ROLE {
                let message = format!("the parameter `{name}` has no value");
                let help =
                    format!("write `{name}: finding.…` under `bind:`, or give it a `default`");
                self.reading.error(mark, code::MISSING_BIND, message, help);
            }
        }
        for (name, _) in &runbook.bind {
            let names: Vec<&str> = runbook.parameters.iter().map(|one| one.name.as_str()).collect();
            if !names.contains(&name.as_str()) {
                let message = format!("`bind` names {}, which is no parameter", quoted(name));
                let help = match nearest(name, &names) {
                    Some(near) => format!("write `{near}` if that is meant"),
                    None => "declare it under `parameters:`".to_owned(),
                };
                let mark = places.key("bind", name);
                self.reading.error(mark, code::UNDECLARED_VALUE, message, help);
            }
        }
    }
}

/// The parameters that a value's templates name.
pub(super) fn parameters_in<'p>(runbook: &'p Runbook, value: &Value) -> Vec<&'p Parameter> {
    match value {
        Value::String(text) => parts(text)
            .unwrap_or_default()
            .iter()
            .filter_map(|part| match part {
                Part::Value(Reference::Parameter(name)) => {
                    runbook.parameters.iter().find(|one| one.name == *name)
                }
                _ => None,
            })
            .collect(),
        Value::Array(values) => {
            values.iter().flat_map(|value| parameters_in(runbook, value)).collect()
        }
        Value::Object(entries) => {
            entries.values().flat_map(|value| parameters_in(runbook, value)).collect()
        }
        _ => Vec::new(),
    }
}
