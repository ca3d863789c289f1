//! `trailloop rules explain`: what rules were compiled into, and why they match a record or do not.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use trailloop_cloudtrail::{Limits, Record, Scratch, read_records};
use trailloop_rules::{RuleSet, Severity};

use crate::cli::ExplainArgs;
use crate::ruleset::{RuleFiles, read};
use crate::show::shown;
use crate::{Exit, UsageError, enrichment};

/// Runs the command.
pub(crate) fn explain(arguments: &ExplainArgs) -> anyhow::Result<Exit> {
    let enrichment = enrichment::load(arguments.enrichment.folder.as_deref())?;
    let RuleFiles { set, diagnostics, rejected } =
        RuleFiles::compile(read(&arguments.rules.paths)?, &enrichment);
    for one in diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        drop(writeln!(std::io::stderr(), "{one}"));
    }
    let chosen = choose(&set, &arguments.rule)?;
    let mut out = std::io::stdout().lock();
    match &arguments.event {
        None => {
            for number in &chosen {
                write_head(&set, *number, "", &mut out)
                    .and_then(|()| write!(out, "{}", set.plan(*number)))
                    .and_then(|()| write_waiting(&set, *number, &mut out))
                    .context("write a plan")?;
            }
            writeln!(out, "{}", set.strategy()).context("write the strategy")?;
        }
        Some(file) => {
            let only_possible = arguments.rule.is_empty();
            explain_file(&set, &chosen, only_possible, file, &mut out)?;
        }
    }
    Ok(if rejected > 0 { Exit::Failed } else { Exit::Done })
}

/// Says which fields of a rule no file answers, and ends its plan.
fn write_waiting(set: &RuleSet, number: u32, out: &mut impl Write) -> std::io::Result<()> {
    for (field, rules) in set.unanswered() {
        if rules.contains(&number) {
            writeln!(out, "  `{field}` is missing here: it needs {}", field.needs())?;
        }
    }
    writeln!(out)
}

/// The numbers of the rules that were asked for; without any, of all.
fn choose(set: &RuleSet, asked: &[String]) -> anyhow::Result<Vec<u32>> {
    let is_it = |number: u32, asked: &str| {
        let rule = set.rule(number);
        rule.analytic.uid.eq_ignore_ascii_case(asked)
            || rule.analytic.name == asked
            || rule.name.as_deref() == Some(asked)
    };
    let all: Vec<u32> = (0_u32..).take(set.len()).collect();
    if asked.is_empty() {
        return Ok(all);
    }
    for one in asked {
        if !all.iter().any(|number| is_it(*number, one)) {
            let text = format!(
                "no rule has the id, name or title {:?}; `trailloop rules list` names them",
                shown(one)
            );
            return Err(UsageError(text).into());
        }
    }
    Ok(all.into_iter().filter(|number| asked.iter().any(|one| is_it(*number, one))).collect())
}

fn explain_file(
    set: &RuleSet,
    chosen: &[u32],
    only_possible: bool,
    file: &Path,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let bytes = fs::read(file)
        .map_err(|error| UsageError(format!("failed to read {}: {error}", file.display())))?;
    let mut written = Ok(());
    let summary = read_records(&bytes, &Limits::default(), &mut Scratch::new(), |record| {
        if written.is_ok() {
            written = explain_record(set, chosen, only_possible, &record, out);
        }
    });
    written.context("write an explanation")?;
    let failed = summary.failed.iter().chain(&summary.reports).next();
    if let Some(report) = failed {
        let (file, offset) = (file.display(), report.offset);
        anyhow::bail!("{file} is no record from byte {offset} on: {}", report.failure);
    }
    if summary.records == 0 {
        let text = format!("{} holds no record", file.display());
        return Err(UsageError(text).into());
    }
    Ok(())
}

fn explain_record(
    set: &RuleSet,
    chosen: &[u32],
    only_possible: bool,
    record: &Record<'_>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let text = |key: &str| shown(record.text(&[key]).unwrap_or("-"));
    writeln!(out, "record {}: {} {}", record.index(), text("eventSource"), text("eventName"))?;
    let possible = set.candidate_rules(record);
    let is_possible = |number: &u32| possible.binary_search(number).is_ok();
    for number in chosen.iter().filter(|number| !only_possible || is_possible(number)) {
        let explanation = set.explain(*number, record);
        let what = match (explanation.matched, is_possible(number)) {
            (true, _) => "matches: ",
            (false, true) => "does not match: ",
            (false, false) => "does not match, and is not even tried: ",
        };
        write_head(set, *number, what, out)?;
        write!(out, "{explanation}")?;
    }
    if only_possible {
        let others = set.len() - possible.len();
        writeln!(
            out,
            "  {others} other rules are not tried: they need another source, name or text"
        )?;
    }
    writeln!(out)
}

fn write_head(set: &RuleSet, number: u32, what: &str, out: &mut impl Write) -> std::io::Result<()> {
    let rule = set.rule(number);
    let about = &rule.analytic;
    writeln!(
        out,
        "{what}{} ({}, {}, {}:{})",
        shown(&about.name),
        about.level.as_str(),
        about.uid,
        shown(&rule.path),
        rule.line
    )
}
