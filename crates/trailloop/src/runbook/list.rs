//! `trailloop runbook list`: each runbook with how far it goes by itself, what it risks, when it is chosen and whom it serves.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use trailloop_runbook::catalogue::{self, Risk};
use trailloop_runbook::document::{Action, Trigger};
use trailloop_runbook::{Call, Runbook, Severity};

use trailloop_respond::alert::escape;

use super::files::RunbookFiles;
use super::served::served;
use crate::Exit;
use crate::show::shown;

/// As much of a condition fits a line of a table.
const CONDITION_CHARACTERS_MAX: usize = 100;

/// Runs the command.
pub(super) fn list(paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let files = RunbookFiles::read(paths)?;
    for one in files.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        // Nothing is left to be done if standard error is closed.
        drop(writeln!(std::io::stderr(), "{one}"));
    }
    let rules = trailloop_content::shipped().rules;
    let served = served(&rules, &files.all);
    let mut out = std::io::stdout().lock();
    let wide = files.own().iter().map(|one| one.id.len()).max().unwrap_or(0).max(2);
    writeln!(out, "{:<wide$}  version  {:<8}  risk  rules  trigger", "id", "mode")
        .context("write the list")?;
    for runbook in files.own() {
        let rules = served.iter().filter(|one| one.by.contains(runbook.id.as_str())).count();
        writeln!(
            out,
            "{:<wide$}  {:>7}  {:<8}  {:<4}  {rules:>5}  {}",
            runbook.id,
            runbook.version,
            runbook.mode.name(),
            risk(runbook),
            shown(&trigger(&runbook.trigger)),
        )
        .context("write the list")?;
    }
    let answered = served.iter().filter(|one| !one.by.is_empty()).count();
    writeln!(out, "{} runbooks; {answered} of {} shipped rules have one", files.own, rules.len())
        .context("write the list")?;
    Ok(if files.errors() > 0 { Exit::Failed } else { Exit::Done })
}

/// The most that a step of the runbook risks.
fn risk(runbook: &Runbook) -> &'static str {
    let of_step = |action: &Action| match action {
        Action::Call(template) => {
            let call = Call {
                service: template.service.clone(),
                api: template.api.clone(),
                inputs: template.inputs.clone(),
            };
            catalogue::find(&call.service, &call.api).map(|api| api.risk_of(&call))
        }
        _ => None,
    };
    let most = runbook.steps.iter().filter_map(|step| of_step(&step.action)).max();
    most.unwrap_or(Risk::R0).name()
}

/// When a runbook is chosen, in words.
fn trigger(trigger: &Trigger) -> String {
    let mut parts = Vec::new();
    if trigger.default {
        parts.push("whatever no other runbook takes".to_owned());
    }
    if !trigger.rules.is_empty() {
        let count = trigger.rules.len();
        parts.push(match trigger.rules.as_slice() {
            [rule] => format!("rule {rule}"),
            _ => format!("{count} rules by their ids"),
        });
    }
    if !trigger.tags.is_empty() {
        parts.push(format!("tag {}", trigger.tags.join(" or ")));
    }
    match (&trigger.source, trigger.names.is_empty()) {
        (Some(source), true) => parts.push(format!("any event of {source}")),
        (Some(source), false) => parts.push(format!("{} of {source}", trigger.names.join(" or "))),
        (None, false) => parts.push(trigger.names.join(" or ")),
        (None, true) => {}
    }
    if trigger.only_success {
        parts.push("that succeeded".to_owned());
    }
    if !trigger.identity.is_empty() {
        let classes: Vec<&str> = trigger.identity.iter().map(|class| class.name()).collect();
        parts.push(format!("by {}", classes.join(" or ")));
    }
    if let Some(level) = trigger.min_severity {
        parts.push(format!("level {level} or above"));
    }
    if let Some(when) = &trigger.when {
        parts.push(format!("if {}", escape::line(when.text(), CONDITION_CHARACTERS_MAX)));
    }
    parts.join(", ")
}
