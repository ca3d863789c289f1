//! What can be told of several runbooks only: that ids are unique, that those named are there, and that a name
//! of an answer means one query.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Severity, code};
use crate::document::{Action, Enrich, Runbook};

/// Checks runbooks together: each id stands once, and each runbook that another names is there. Places are those of the files'
/// beginnings, since a runbook that is loaded has lost its lines.
#[must_use]
pub fn check_set(runbooks: &[Runbook]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut ids: BTreeMap<&str, &Runbook> = BTreeMap::new();
    for runbook in runbooks {
        if let Some(first) = ids.insert(&runbook.id, runbook) {
            let message = format!("the id `{}` is that of {}, too", runbook.id, first.path);
            problems.push(problem(runbook, code::DUPLICATE_NAME, message, "rename one of them"));
        }
    }
    for runbook in runbooks {
        for (where_to, id) in named(runbook) {
            if !ids.contains_key(id) {
                let message = format!("{where_to} names `{id}`, and there is no such runbook");
                let help = "write the `id` of a runbook that is loaded, or remove it";
                problems.push(problem(runbook, code::UNKNOWN_RUNBOOK, message, help));
            } else if id == runbook.id {
                let message = format!("{where_to} names the runbook itself");
                let help = "name another runbook";
                problems.push(problem(runbook, code::UNKNOWN_RUNBOOK, message, help));
            }
        }
    }
    problems.extend(aliases(runbooks));
    problems
}

/// Runbooks are chosen by one set of answers, so a name in it means one query.
fn aliases(runbooks: &[Runbook]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut known: BTreeMap<&str, (&Enrich, &Runbook)> = BTreeMap::new();
    for (runbook, one) in runbooks.iter().flat_map(|one| one.enrich.iter().map(move |of| (one, of)))
    {
        let (first, of) = *known.entry(&one.alias).or_insert((one, runbook));
        if (&first.query, first.window) != (&one.query, one.window) {
            let message = format!(
                "`enrich` calls `{}` what is another query or window in {}",
                one.alias, of.path
            );
            let help = "give one of them another name with `as`";
            problems.push(problem(runbook, code::DUPLICATE_NAME, message, help));
        }
    }
    problems
}

/// The runbooks that a runbook names.
fn named(runbook: &Runbook) -> Vec<(&'static str, &str)> {
    let mut named: Vec<(&str, &str)> = Vec::new();
    named.extend(runbook.redirect.iter().map(|one| ("`redirect`", one.to.as_str())));
    named.extend(runbook.escalate.iter().map(|id| ("`escalate`", id.as_str())));
    named.extend(runbook.guards.ping_pong.iter().map(|(_, id)| ("`ping_pong`", id.as_str())));
    named.extend(runbook.steps.iter().filter_map(|step| match &step.action {
        Action::Automation { runbook, .. } => Some(("aws:executeAutomation", runbook.as_str())),
        _ => None,
    }));
    named
}

fn problem(runbook: &Runbook, code: &'static str, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        path: runbook.path.clone(),
        line: 1,
        column: 1,
        severity: Severity::Error,
        code,
        message,
        help: help.to_owned(),
    }
}
