//! `trailloop runbook check`: problems, examples, the rights that are needed, and whether each rule has an answer.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;
use trailloop_rules::Rule;
use trailloop_runbook::document::TrialExpect;
use trailloop_runbook::trial::{TrialOutcome, run_trials};
use trailloop_runbook::{Refusal, Runbook, Severity, Target, resolve};

use super::files::{RunbookFiles, record_beside};
use super::rights;
use super::served::{LEVEL_LEAST, served};
use crate::Exit;
use crate::show::shown;

/// Runs the command.
pub(super) fn check(paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let files = RunbookFiles::read(paths)?;
    let mut out = std::io::stdout().lock();
    for one in &files.diagnostics {
        writeln!(out, "{one}").context("write diagnostics")?;
    }
    let mut failed = 0;
    for runbook in files.own() {
        failed += write_trials(runbook, &mut out).context("write the outcome of the examples")?;
    }
    let mut unanswered = 0;
    if paths.is_empty() {
        let rules = trailloop_content::shipped().rules;
        unanswered = write_unanswered(&rules, &files.all, &mut out).context("write the rules")?;
    }
    writeln!(
        out,
        "The responder role needs these rights in each account that it acts in:\n{:#}",
        rights::policy(files.own())
    )
    .context("write the policy")?;
    let errors = files.errors();
    let warnings = files.diagnostics.iter().filter(|one| one.severity == Severity::Warning).count();
    writeln!(
        out,
        "{} runbooks; {errors} errors, {warnings} warnings, {failed} failed examples, {unanswered} rules without an answer",
        files.own
    )
    .context("write the result")?;
    let good = errors + failed + unanswered == 0;
    Ok(if good { Exit::Done } else { Exit::Failed })
}

/// Runs the examples of a runbook and says of it whether they pass; gives how many fail.
fn write_trials(runbook: &Runbook, out: &mut impl Write) -> std::io::Result<usize> {
    let outcomes = outcomes(runbook);
    let failed: Vec<&TrialOutcome> = outcomes.iter().filter(|one| !one.is_passed()).collect();
    let word = if failed.is_empty() { "PASS" } else { "FAIL" };
    let count = outcomes.len();
    let noun = if count == 1 { "example" } else { "examples" };
    let exported = match runbook.not_run_here() {
        Some(why) => format!("; exported only: {why}"),
        None => String::new(),
    };
    writeln!(out, "{word}  {}@{}  {count} {noun}{exported}", runbook.id, runbook.version)?;
    for one in &failed {
        let (path, line, name) = (shown(&runbook.path), one.line, shown(&one.name));
        let came = match &one.came {
            Ok(came) => said(came),
            Err(why) => format!("could not be run: {}", shown(why)),
        };
        let reason =
            one.reason.as_deref().map_or(String::new(), |why| format!(" ({})", shown(why)));
        writeln!(
            out,
            "      {path}:{line}: example {name:?} should be {}; it is {came}{reason}",
            said(&one.expected)
        )?;
    }
    Ok(failed.len())
}

/// What comes of the examples. One that expects the resolver's refusal is asked with a resolver that refuses whoever may not be
/// acted on; to the others such a caller is a caller like any, since a runbook may well answer it by telling people.
fn outcomes(runbook: &Runbook) -> Vec<TrialOutcome> {
    let read = |file: &str| record_beside(runbook, file);
    let lenient = run_trials(runbook, &|record| Ok(resolve(record)), &read);
    let strict = run_trials(runbook, &acted_on, &read);
    let expects_refusal = |one: &TrialOutcome| matches!(&one.expected, TrialExpect::Refused(guard) if guard == "resolver");
    let pairs = lenient.into_iter().zip(strict);
    pairs
        .map(|(lenient, strict)| if expects_refusal(&lenient) { strict } else { lenient })
        .collect()
}

/// Whom the record shows, if they may be acted on.
fn acted_on(record: &Value) -> Result<Target, Refusal> {
    let target = resolve(record);
    target.may_act()?;
    Ok(target)
}

/// An outcome in words.
fn said(expect: &TrialExpect) -> String {
    match expect {
        TrialExpect::Calls(calls) if calls.is_empty() => "no change".to_owned(),
        TrialExpect::Calls(calls) => shown(&calls.join(", ")),
        TrialExpect::Redirect(to) => format!("handed over to {}", shown(to)),
        TrialExpect::Refused(guard) => format!("refused by {}", shown(guard)),
        TrialExpect::NotChosen => "not chosen".to_owned(),
    }
}

/// Names the rules of level medium or above that no runbook answers; gives how many there are.
fn write_unanswered(
    rules: &[Rule],
    runbooks: &[Runbook],
    out: &mut impl Write,
) -> std::io::Result<usize> {
    let mut count = 0;
    for one in served(rules, runbooks) {
        let about = &one.rule.analytic;
        if about.level < LEVEL_LEAST || (one.unanswered.is_empty() && !one.by.is_empty()) {
            continue;
        }
        count += 1;
        let examples = one.unanswered.iter().map(|name| format!("{:?}", shown(name)));
        writeln!(
            out,
            "FAIL  rule {} ({}, {}) has no runbook for {}",
            shown(&about.name),
            about.level.as_str(),
            about.uid,
            examples.collect::<Vec<_>>().join(", ")
        )?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shipped_rule_without_an_answer_is_named() {
        let rules = trailloop_content::shipped().rules;
        let wanted = rules.iter().filter(|rule| rule.analytic.level >= LEVEL_LEAST).count();
        let mut out = Vec::new();
        assert_eq!(write_unanswered(&rules, &[], &mut out).unwrap(), wanted);
        let said = String::from_utf8(out).unwrap();
        assert_eq!(said.lines().count(), wanted);
        let one = said.lines().find(|line| line.contains("CloudTrail stopped or deleted")).unwrap();
        assert!(one.starts_with("FAIL  rule ") && one.contains("has no runbook for \""), "{one}");
    }
}
