//! What a runbook wants read and kept before its first change, as calls.

use serde_json::{Map, Value};

use crate::catalogue;
use crate::document::{Action, Runbook, Template};

/// The reads that a runbook wants before its first change. Each input is what the parameter of its name holds, or what a step
/// gives to the input of that name of the same service.
///
/// # Errors
///
/// The read that can't be made, and the input it lacks.
pub fn reads(runbook: &Runbook) -> Result<Vec<Template>, String> {
    let steps = || {
        runbook.steps.iter().filter_map(|step| match &step.action {
            Action::Call(template) => Some(template),
            Action::Assert(property) | Action::Wait(property) => Some(&property.call),
            _ => None,
        })
    };
    let mut reads = Vec::new();
    for name in &runbook.before {
        let (service, api) = name.split_once(':').unwrap_or((name, ""));
        let Some(known) = catalogue::find(service, api).filter(|api| !api.changes) else {
            return Err(format!("`before` names {name}, which is no read of the catalogue"));
        };
        let mut inputs = Map::new();
        for input in known.inputs {
            let of_step = steps().find_map(|step| {
                step.inputs.get(input.name).filter(|_| step.service == service).cloned()
            });
            let of_parameter = runbook
                .parameters
                .iter()
                .any(|parameter| parameter.name == input.name)
                .then(|| Value::String(format!("{{{{ {} }}}}", input.name)));
            match of_parameter.or(of_step) {
                Some(value) => {
                    inputs.insert(input.name.to_owned(), value);
                }
                None if input.required => {
                    return Err(format!(
                        "`before` names {name}, whose input {} no parameter of that name and no step gives",
                        input.name
                    ));
                }
                None => {}
            }
        }
        reads.push(Template { service: service.to_owned(), api: api.to_owned(), inputs });
    }
    Ok(reads)
}
