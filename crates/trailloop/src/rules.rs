//! `trailloop rules`: check, list, test and explain rules.

use std::cmp::Reverse;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_content::example_file;
use trailloop_rules::{Rule, RuleSet, Severity, TestOutcome, run_tests};

use crate::Exit;
use crate::cli::{PathArgs, RulesArgs, RulesCommand};
use crate::explain::explain;
use crate::ruleset::{RuleFiles, read};
use crate::show::shown;

/// Runs the command.
pub(crate) fn rules(arguments: &RulesArgs) -> anyhow::Result<Exit> {
    match &arguments.command {
        RulesCommand::Check(paths) => check(paths),
        RulesCommand::List(paths) => list(paths),
        RulesCommand::Test(paths) => test(paths),
        RulesCommand::Explain(arguments) => explain(arguments),
    }
}

fn check(paths: &PathArgs) -> anyhow::Result<Exit> {
    let RuleFiles { set, diagnostics, rejected } = RuleFiles::compile(read(&paths.paths)?);
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

fn list(paths: &PathArgs) -> anyhow::Result<Exit> {
    let RuleFiles { set, diagnostics, rejected } = RuleFiles::compile(read(&paths.paths)?);
    let mut rules: Vec<&Rule> = set.rules().iter().collect();
    rules.sort_by_key(|rule| (Reverse(rule.analytic.level), &rule.analytic.name));
    let mut out = std::io::stdout().lock();
    for rule in rules {
        let about = &rule.analytic;
        writeln!(out, "{:<13}  {}  {}", about.level.as_str(), about.uid, shown(&about.name))
            .context("write the list")?;
    }
    for one in diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        drop(writeln!(std::io::stderr(), "{one}"));
    }
    Ok(if rejected > 0 { Exit::Failed } else { Exit::Done })
}

fn test(paths: &PathArgs) -> anyhow::Result<Exit> {
    let RuleFiles { set, diagnostics, rejected } = RuleFiles::compile(read(&paths.paths)?);
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
    let wanted = match (&outcome.matched, outcome.expected) {
        (Err(problem), _) => format!("could not run: {}", shown(problem)),
        (Ok(_), true) => "should match and does not".to_owned(),
        (Ok(_), false) => "should not match and does".to_owned(),
    };
    let (path, line, name) = (shown(&rule.path), outcome.line, shown(&outcome.name));
    writeln!(out, "{path}:{line}: {}: example {name:?} {wanted}", shown(&rule.analytic.name))?;
    let alone = RuleSet::build(vec![rule.clone()], &[], &mut Vec::new());
    let mut buffer = RecordBuffer::new();
    match Record::parse(outcome.event.as_bytes(), &mut buffer) {
        Ok(record) if outcome.matched.is_ok() => write!(out, "{}", alone.explain(0, &record)),
        _ => Ok(()),
    }
}

/// The bytes of a file that an example names, beside the rule; shipped rules have theirs in the program.
fn beside(rule: &Rule, file: &str) -> Result<Vec<u8>, String> {
    let path = Path::new(&rule.path);
    if !path.exists() {
        return example_file(&rule.path, file);
    }
    let path = path.with_file_name(file);
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}
