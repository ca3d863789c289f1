//! The rights that runbooks need, gathered from every call that they may make.

use serde_json::{Map, Value};
use trailloop_runbook::Runbook;
use trailloop_runbook::catalogue;
use trailloop_runbook::document::{Action, Template, Undo, Verify};
use trailloop_runbook::policy::{Place, Use, rights};

/// Reads that the guards make whatever the runbook: who is protected by a tag, and what the responder role may do.
const GUARDS: [(&str, &str); 3] =
    [("iam", "GetRole"), ("iam", "GetUser"), ("iam", "SimulatePrincipalPolicy")];

/// The policy of the responder role.
pub(super) fn policy(runbooks: &[Runbook]) -> Value {
    let mut reads: Vec<Template> = GUARDS.map(|(service, api)| read(service, api, None)).into();
    for runbook in runbooks {
        let named = runbook.before.iter().filter_map(|name| name.split_once(':'));
        reads.extend(named.map(|(service, api)| read(service, api, Some(runbook))));
    }
    let mut uses: Vec<Use<'_>> = reads.iter().map(plain).collect();
    for runbook in runbooks.iter().filter(|runbook| runbook.not_run_here().is_none()) {
        uses.extend(calls(runbook));
    }
    rights(&uses, &Place::anywhere_in("aws"))
}

fn plain(call: &Template) -> Use<'_> {
    Use { call, restores: false }
}

fn calls(runbook: &Runbook) -> Vec<Use<'_>> {
    let mut uses = Vec::new();
    for step in &runbook.steps {
        match &step.action {
            Action::Call(call) => {
                let restores = matches!(runbook.undo.get(&step.name), Some(Undo::Restore));
                uses.push(Use { call, restores });
            }
            Action::Assert(property) | Action::Wait(property) => uses.push(plain(&property.call)),
            _ => {}
        }
    }
    uses.extend(runbook.undo.values().filter_map(|undo| match undo {
        Undo::Call(call) => Some(plain(call)),
        Undo::Restore | Undo::None(_) => None,
    }));
    uses.extend(runbook.verify.iter().filter_map(|verify| match verify {
        Verify::Api { call, .. } => Some(plain(call)),
        Verify::Stream { .. } => None,
    }));
    uses
}

/// A read; its inputs are the runbook's parameters of the same name.
fn read(service: &str, api: &str, of: Option<&Runbook>) -> Template {
    let mut inputs = Map::new();
    if let (Some(known), Some(runbook)) = (catalogue::find(service, api), of) {
        for parameter in &runbook.parameters {
            if known.inputs.iter().any(|input| input.name == parameter.name) {
                let template = format!("{{{{ {} }}}}", parameter.name);
                inputs.insert(parameter.name.clone(), Value::String(template));
            }
        }
    }
    Template { service: service.to_owned(), api: api.to_owned(), inputs }
}
