//! `trailloop rules list`: the rules by level, with how often they fire where nothing is wrong.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use trailloop_content::{VERSION, rates, shipped};
use trailloop_rules::{Rule, Severity};

use crate::Exit;
use crate::cli::{ListArgs, TableFormat};
use crate::ruleset::{RuleFiles, read};
use crate::show::shown;

/// The pack of a rule that names none.
pub(super) const ATTACKS: &str = "attacks";

/// Runs the command.
pub(super) fn list(arguments: &ListArgs) -> anyhow::Result<Exit> {
    let paths = &arguments.rules.paths;
    let RuleFiles { set, diagnostics, rejected } =
        RuleFiles::compile(read(paths)?, &Arc::default());
    for one in diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        drop(writeln!(std::io::stderr(), "{one}"));
    }
    let mut rules: Vec<&Rule> = set.rules().iter().collect();
    rules.sort_by_key(|rule| (Reverse(rule.analytic.level), &rule.analytic.name));
    let version = if paths.is_empty() { Some(VERSION) } else { None };
    let mut out = std::io::stdout().lock();
    match arguments.format {
        TableFormat::Table => write_table(&rules, version, set.hash(), &mut out),
        TableFormat::Json => write_json(&rules, version, set.hash(), &mut out),
    }
    .context("write the list")?;
    Ok(if rejected > 0 { Exit::Failed } else { Exit::Done })
}

/// The benign rate of a rule, if it is a shipped one as it was counted: a rule that somebody changed fires otherwise.
fn rate_of() -> impl Fn(&Rule) -> Option<f64> {
    let rates = rates();
    let shipped: BTreeSet<String> =
        shipped().rules.into_iter().map(|rule| rule.analytic.hash).collect();
    move |rule| {
        let is_shipped = shipped.contains(&rule.analytic.hash);
        rates.per_million(&rule.analytic.uid).filter(|_| is_shipped)
    }
}

fn write_table(
    rules: &[&Rule],
    version: Option<&str>,
    hash: &str,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let rate = rate_of();
    writeln!(out, "{:<13}  {:>9}  {:<10}  {:<36}  title", "level", "a million", "pack", "id")?;
    for rule in rules {
        let about = &rule.analytic;
        let rate = rate(rule);
        writeln!(
            out,
            "{:<13}  {:>9}  {:<10}  {}  {}",
            about.level.as_str(),
            rate.map_or("-".to_owned(), |rate| format!("{rate:.1}")),
            shown(rule.pack.as_deref().unwrap_or(ATTACKS)),
            about.uid,
            shown(&about.name)
        )?;
    }
    let version = version.map_or(String::new(), |version| format!(" of version {version}"));
    writeln!(out, "{} rules{version}, rule set {hash}", rules.len())
}

fn write_json(
    rules: &[&Rule],
    version: Option<&str>,
    hash: &str,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let rate = rate_of();
    let rule = |rule: &&Rule| {
        let about = &rule.analytic;
        json!({
            "uid": about.uid, "title": about.name, "level": about.level.as_str(),
            "level_reason": rule.level_reason, "pack": rule.pack.as_deref().unwrap_or(ATTACKS),
            "tags": about.tags, "runbook": about.runbook, "path": rule.path, "hash": about.hash,
            "findings_per_million_benign_records": rate(rule),
        })
    };
    let rules: Vec<_> = rules.iter().map(rule).collect();
    writeln!(out, "{:#}", json!({"version": version, "rule_set": hash, "rules": rules}))
}
