//! `trailloop runbook simulate`: what runbooks would have done about what the rules find in an archive, to whom, and what was later
//! judged wrong.
//!
//! A runbook is chosen as the executor chooses it, and would act where its target lets anybody act. What the executor alone knows is
//! left out: budgets, tags, other runs on the same target, and where a credential came from.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use anyhow::Context as _;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use trailloop_cloud::Clock;
use trailloop_respond::Case;
use trailloop_respond::confirm::Confirmed;
use trailloop_runbook::document::Mode;
use trailloop_runbook::{Runbook, choose_all};
use trailloop_tuning::Label;

use super::load_runbooks;
use crate::Exit;
use crate::cli::{Global, SimulateArgs, TableFormat};
use crate::labels::Labels;
use crate::show::shown;
use crate::tune::Opened;

/// What a runbook would have done.
#[derive(Default)]
struct Simulated {
    /// How far it goes by itself.
    mode: &'static str,
    findings: u64,
    /// Whom or what it would have acted on, and how often.
    targets: BTreeMap<String, u64>,
    /// Findings that a target keeps from being acted on, by why.
    held: BTreeMap<String, u64>,
    /// Findings by what was judged.
    attacks: u64,
    wrong: u64,
    /// Targets of findings that were judged wrong.
    wronged: BTreeSet<String>,
}

/// Runs the command.
pub(super) fn simulate(arguments: &SimulateArgs, global: &Global) -> anyhow::Result<Exit> {
    let runbooks = load_runbooks(&arguments.runbooks)?;
    let mut findings = Vec::new();
    let opened = Opened::each(&arguments.archive, global, |one| findings.push(one.clone()))?;
    let labels = match &arguments.config {
        Some(config) => Labels::read(config, opened.rules.set.rules())?.by_uid(),
        None => BTreeMap::new(),
    };
    let since = arguments.since.map(|days| {
        let now = Timestamp::from_millisecond(Clock::System.now_ms()).unwrap_or_default();
        (now - (i64::from(days) * 24).hours()).as_millisecond()
    });
    let mut all: BTreeMap<&str, Simulated> = BTreeMap::new();
    for finding in findings.iter().filter(|one| one["time"].as_i64() >= since) {
        let uid = finding["finding_info"]["uid"].as_str().unwrap_or_default();
        of(finding, &runbooks, labels.get(uid).copied(), &mut all);
    }
    let mut out = std::io::stdout().lock();
    match arguments.format {
        TableFormat::Json => writeln!(out, "{:#}", to_json(&all)),
        TableFormat::Table => write(&all, &mut out),
    }
    .context("write what was simulated")?;
    Ok(opened.exit())
}

/// Adds what would have been done about a finding. What a filter moved down leads to nothing.
fn of<'r>(
    finding: &Value,
    runbooks: &'r [Runbook],
    label: Option<Label>,
    all: &mut BTreeMap<&'r str, Simulated>,
) {
    let record = finding["raw_data"].as_str().and_then(|text| serde_json::from_str(text).ok());
    let Some(record) = record.filter(|_| finding["status_id"] != 3) else { return };
    let case = Case::of(Confirmed { finding: finding.clone(), record });
    let now_ms = finding["time"].as_i64().unwrap_or_default();
    for runbook in choose_all(runbooks, &case.context(None, now_ms)) {
        let simulated = all.entry(runbook.id.as_str()).or_default();
        simulated.mode = runbook.mode.name();
        simulated.findings += 1;
        if runbook.mode > Mode::Observe
            && case.is_about_caller(runbook)
            && let Err(refusal) = case.target.may_act()
        {
            *simulated.held.entry(refusal.reason.clone()).or_default() += 1;
            continue;
        }
        let target = case.held(runbook);
        match label {
            Some(label) if label.is_attack() => simulated.attacks += 1,
            Some(_) => {
                simulated.wrong += 1;
                simulated.wronged.insert(target.clone());
            }
            None => {}
        }
        *simulated.targets.entry(target).or_default() += 1;
    }
}

fn to_json(all: &BTreeMap<&str, Simulated>) -> Value {
    let one = |(id, of): (&&str, &Simulated)| {
        json!({
            "runbook": id, "mode": of.mode, "findings": of.findings, "targets": of.targets, "held": of.held,
            "judged_attacks": of.attacks, "judged_wrong": of.wrong, "wronged": of.wronged,
        })
    };
    all.iter().map(one).collect()
}

fn write(all: &BTreeMap<&str, Simulated>, out: &mut impl std::io::Write) -> std::io::Result<()> {
    let wide = all.keys().map(|id| id.len()).max().unwrap_or(0).max(7);
    writeln!(
        out,
        "{:<wide$}  {:<8}  {:>8}  {:>7}  {:>7}  {:>5}  held",
        "runbook", "mode", "findings", "targets", "attacks", "wrong"
    )?;
    for (id, of) in all {
        let held: u64 = of.held.values().sum();
        writeln!(
            out,
            "{id:<wide$}  {:<8}  {:>8}  {:>7}  {:>7}  {:>5}  {held}",
            of.mode,
            of.findings,
            of.targets.len(),
            of.attacks,
            of.wrong
        )?;
        for target in &of.wronged {
            writeln!(out, "  would have acted wrongly on {}", shown(target))?;
        }
    }
    writeln!(out, "{} runbooks would have been chosen; nothing was done", all.len())
}
