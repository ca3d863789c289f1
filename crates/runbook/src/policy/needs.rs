//! What whole runbooks need: the rights of every call that they may make, gathered.

use serde_json::{Map, Value};

use super::{Place, Use, rights};
use crate::before;
use crate::call::Call;
use crate::catalogue;
use crate::document::{Action, Mode, Runbook, Template, Undo, Verify};

/// Reads that the guards make whatever the runbook: who is protected by a tag, of how many an act reaches some, and what the responder
/// role may do.
const GUARDS: [(&str, &str); 4] = [
    ("iam", "GetAccountSummary"),
    ("iam", "GetRole"),
    ("iam", "GetUser"),
    ("iam", "SimulatePrincipalPolicy"),
];

/// The policy of a role that carries out all these runbooks, as IAM's JSON. One in dry run takes the reads of what it would change.
#[must_use]
pub fn needs(runbooks: &[Runbook], place: &Place) -> Value {
    let mut reads: Vec<Template> = GUARDS.map(|(service, api)| read(service, api)).into();
    let mut uses: Vec<Use<'_>> = Vec::new();
    for runbook in runbooks.iter().filter(|runbook| runbook.not_run_here().is_none()) {
        // One whose reads can't be made is refused when it is loaded.
        reads.extend(before::reads(runbook).unwrap_or_default());
        if runbook.mode > Mode::DryRun {
            uses.extend(calls(runbook));
        } else {
            reads.extend(states(runbook));
        }
    }
    uses.extend(reads.iter().map(plain));
    rights(&uses, place)
}

/// The reads that show the states which a runbook would change: all that one in dry run asks for.
fn states(runbook: &Runbook) -> Vec<Template> {
    let of_step = |action: &Action| {
        let Action::Call(Template { service, api, inputs }) = action else { return Vec::new() };
        let call = Call { service: service.clone(), api: api.clone(), inputs: inputs.clone() };
        catalogue::find(service, api).map_or(Vec::new(), |api| api.state_reads(&call))
    };
    let reads = runbook.steps.iter().flat_map(|step| of_step(&step.action));
    reads.map(|Call { service, api, inputs }| Template { service, api, inputs }).collect()
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

fn read(service: &str, api: &str) -> Template {
    Template { service: service.to_owned(), api: api.to_owned(), inputs: Map::new() }
}
