//! From the text of a file to a runbook: it is read whole, then checked whole, and what is wrong is told with its place.

mod body;
mod branch;
mod limits;
mod ours;
mod read;
mod trials;

use serde_json::Value;
use trailloop_finding::sha256;
use trailloop_rules::source::{Mark, Node, Reporter};

use crate::catalogue;
use crate::check;
use crate::diagnostic::{Diagnostic, Severity, code};
use crate::document::{Parameter, Runbook, Template, Verify};

pub(crate) use read::Reading;
pub use read::{Find, Known};

/// What a file gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The runbook, if it has no error.
    pub runbook: Option<Runbook>,
    /// Every problem found, in the order of its place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether there is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|one| one.severity == Severity::Error)
    }
}

/// The key that holds all that is ours.
pub(crate) const OURS: &str = "trailloop";

/// Reads a file. `path` is used in diagnostics only.
#[must_use]
pub fn load(path: &str, text: &str) -> Loaded {
    load_with(path, text, &known)
}

/// What the catalogue knows of an API.
fn known(service: &str, api: &str) -> Option<Known> {
    catalogue::find(service, api).map(|api| Known {
        risk: api.risk,
        changes: api.changes,
        runs: api.runs && !api.undo_only,
        inputs: Some(api.inputs.iter().map(|input| input.name).collect()),
    })
}

/// [`load`] with another catalogue.
#[must_use]
pub fn load_with(path: &str, text: &str, find: Find<'_>) -> Loaded {
    let hash = sha256(text.as_bytes());
    // A byte order mark is no content; the columns of the first line are counted after it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reporter = Reporter::new(path, text);
    let documents = trailloop_rules::source::read(text, &mut reporter);
    let runbook = only(&documents, &mut reporter).and_then(|document| {
        let mut reading = Reading { reporter: &mut reporter, find };
        let mut runbook = runbook(document, &mut reading)?;
        path.clone_into(&mut runbook.path);
        runbook.hash = hash;
        check::check(&runbook, document, &mut reading);
        Some(runbook)
    });
    let has_errors = reporter.errors() > 0;
    let mut diagnostics = reporter.into_diagnostics();
    // A value that is both an input and a part of the body is read twice.
    diagnostics.dedup();
    Loaded { runbook: runbook.filter(|_| !has_errors), diagnostics }
}

/// The document of a file that holds one.
fn only<'n>(documents: &'n [Node], reporter: &mut Reporter<'_>) -> Option<&'n Node> {
    let start = Mark { line: 1, column: 1 };
    match documents {
        [document] => Some(document),
        [_, second, ..] => {
            let message = "the file holds more than one document";
            let help = "write each runbook in a file of its own, so that its hash is its own";
            reporter.error(second.mark, code::SEVERAL_RUNBOOKS, message, help);
            None
        }
        [] => {
            if reporter.errors() == 0 {
                let help = "write a runbook, or remove the file";
                reporter.error(start, code::EMPTY_FILE, "the file holds no runbook", help);
            }
            None
        }
    }
}

/// The runbook of a document; `None` if there was an error.
fn runbook(document: &Node, reading: &mut Reading<'_, '_>) -> Option<Runbook> {
    let errors = reading.reporter.errors();
    let body = body::read(document, reading);
    let ours = document.get(OURS);
    if ours.is_none() && body.is_some() {
        let message = "the runbook has no `trailloop`";
        let help = "write `trailloop:` with `id`, `version`, `owner`, `trigger` and `bind`";
        reading.error(document.mark, code::MISSING_KEY, message, help);
    }
    let ours = ours::read(ours?, reading);
    let json = reading.json(document);
    if reading.reporter.errors() > errors {
        return None;
    }
    let (body, ours) = (body?, ours?);
    let mut json = json?;
    if let Value::Object(entries) = &mut json {
        entries.shift_remove(OURS);
    }
    let mut runbook = Runbook {
        path: String::new(),
        hash: String::new(),
        description: body.description,
        parameters: body.parameters,
        steps: body.steps,
        body: json,
        ..ours
    };
    let Runbook { parameters, verify, .. } = &mut runbook;
    for verify in verify {
        if let Verify::Api { call, .. } = verify {
            same_names(call, parameters, reading);
        }
    }
    Some(runbook)
}

/// Gives a proof without inputs the parameters that have the names of its API's inputs.
fn same_names(call: &mut Template, parameters: &[Parameter], reading: &Reading<'_, '_>) {
    let inputs = (reading.find)(&call.service, &call.api).and_then(|known| known.inputs);
    let (true, Some(inputs)) = (call.inputs.is_empty(), inputs) else { return };
    for parameter in parameters.iter().filter(|one| inputs.contains(&one.name.as_str())) {
        let template = format!("{{{{ {} }}}}", parameter.name);
        call.inputs.insert(parameter.name.clone(), Value::String(template));
    }
}
