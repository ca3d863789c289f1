//! `trailloop rules`: check, list, test, explain, compare and write rules.

mod backtest;
mod cost;
mod coverage;
mod diff;
mod export;
mod list;
mod new;

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{Rule, Severity, TestOutcome, for_example, run_tests};

use crate::Exit;
use crate::cli::{Global, PathArgs, RulesArgs, RulesCommand};
use crate::explain::explain;
use crate::inputs::failed_example;
use crate::rulefiles::beside;
use crate::ruleset::{RuleFiles, read};

/// Runs the command.
pub(crate) fn rules(arguments: &RulesArgs, global: &Global) -> anyhow::Result<Exit> {
    match &arguments.command {
        RulesCommand::Check(paths) => check(paths),
        RulesCommand::List(arguments) => list::list(arguments),
        RulesCommand::Test(paths) => test(paths),
        RulesCommand::Explain(arguments) => explain(arguments),
        RulesCommand::Coverage(arguments) => coverage::coverage(arguments),
        RulesCommand::New(arguments) => new::new(arguments),
        RulesCommand::Diff(arguments) => diff::diff(arguments, global),
        RulesCommand::Backtest(arguments) => backtest::backtest(arguments, global),
        RulesCommand::Cost(arguments) => cost::cost(arguments, global),
        RulesCommand::Export(arguments) => export::export(arguments),
    }
}

fn check(paths: &PathArgs) -> anyhow::Result<Exit> {
    let RuleFiles { set, diagnostics, rejected } =
        RuleFiles::compile(read(&paths.paths)?, &Arc::default());
    let mut out = std::io::stdout().lock();
    for one in &diagnostics {
        writeln!(out, "{one}").context("write diagnostics")?;
    }
    let count = |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
    let (warnings, notes) = (count(Severity::Warning), count(Severity::Note));
    writeln!(out, "{}; {rejected} rejected, {warnings} warnings, {notes} notes", set.strategy())
        .context("write the result")?;
    Ok(if rejected > 0 { Exit::Failed } else { Exit::Done })
}

fn test(paths: &PathArgs) -> anyhow::Result<Exit> {
    let RuleFiles { set, diagnostics, rejected } =
        RuleFiles::compile(read(&paths.paths)?, &Arc::default());
    let rules = set.rules();
    let mut out = std::io::stdout().lock();
    for one in diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        writeln!(out, "{one}").context("write diagnostics")?;
    }
    let (mut passed, mut failed, mut without) = (0, 0, 0);
    for rule in rules {
        let outcomes = run_tests(rule, &|file| beside(rule, file));
        without += usize::from(outcomes.is_empty());
        for outcome in outcomes {
            if outcome.is_passed() {
                passed += 1;
                continue;
            }
            failed += 1;
            write_failure(rule, &outcome, &mut out).context("write a failure")?;
        }
    }
    writeln!(
        out,
        "{passed} examples passed, {failed} failed; {without} of {} rules carry none",
        rules.len()
    )
    .context("write the result")?;
    let good = failed == 0 && rejected == 0;
    Ok(if good { Exit::Done } else { Exit::Failed })
}

/// Says what an example should have come to, and predicate by predicate why it did not.
fn write_failure(rule: &Rule, outcome: &TestOutcome, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{}", failed_example(rule, outcome))?;
    let alone = for_example(rule, &outcome.enrichment);
    let mut buffer = RecordBuffer::new();
    match Record::parse(outcome.event.as_bytes(), &mut buffer) {
        Ok(record) if outcome.matched.is_ok() => write!(out, "{}", alone.explain(0, &record)),
        _ => Ok(()),
    }
}
