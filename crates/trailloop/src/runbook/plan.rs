//! `trailloop runbook plan`: the open runs, or one with its plan, its steps and what people said.

use std::io::Write as _;

use anyhow::Context as _;
use serde_json::Value;
use trailloop_cloud::{Clock, Table};
use trailloop_respond::run::{OPEN, partition};
use trailloop_respond::{Change, Phase, Run, Standing, rows, voices};

use super::find;
use crate::cli::RunArg;
use crate::config::{self, Purpose};
use crate::show::shown;
use crate::{Exit, respond};

/// Runs the command.
pub(super) fn plan(arguments: &RunArg) -> anyhow::Result<Exit> {
    let config = config::load(&arguments.config, Purpose::State)?;
    let text = respond::block_on(async {
        let table = respond::table(&config).await?;
        match &arguments.id {
            Some(id) => one(&*table, &find(&*table, id).await?).await,
            None => open(&*table).await,
        }
    })?;
    std::io::stdout().write_all(text.as_bytes()).context("write the plan")?;
    Ok(Exit::Done)
}

/// A table of the runs that are not at their end, oldest first.
async fn open(table: &dyn Table) -> anyhow::Result<String> {
    let mut runs: Vec<Run> = Vec::new();
    for (id, _) in rows::all::<String>(table, OPEN).await.context("list the open runs")? {
        let run = rows::load::<Run>(table, &Run::key(&id)).await;
        runs.extend(
            run.with_context(|| format!("read run {}", shown(&id)))?.map(|kept| kept.value),
        );
    }
    runs.sort_by_key(|run| run.started_ms);
    let now_ms = Clock::System.now_ms();
    let wide = runs.iter().map(|run| run.runbook_name().len()).max().unwrap_or(0).max(7);
    let mut text = String::new();
    if !runs.is_empty() {
        line(
            &mut text,
            &format!(
                "{:<32}  {:<17}  {:<wide$}  {:<32}  {:>8}  {:<20}  target",
                "run", "phase", "runbook", "finding", "age", "until"
            ),
        );
    }
    for run in &runs {
        line(
            &mut text,
            &format!(
                "{}  {:<17}  {:<wide$}  {}  {:>8}  {:<20}  {}",
                shown(&run.id),
                run.phase.name(),
                shown(&run.runbook_name()),
                shown(&run.finding),
                span(now_ms - run.started_ms),
                run.until_ms.map_or("-".to_owned(), time),
                shown(&run.target),
            ),
        );
    }
    line(&mut text, &format!("{} open runs", runs.len()));
    Ok(text)
}

/// All that is known of one run.
async fn one(table: &dyn Table, run: &Run) -> anyhow::Result<String> {
    let mut text = about(run);
    line(&mut text, "steps");
    let mut steps = 0;
    for (sort, row) in
        rows::all::<Value>(table, &partition(&run.id)).await.context("read the steps")?
    {
        let Some(name) = sort.strip_prefix("step/") else { continue };
        let Ok(change) = serde_json::from_value::<Change>(row.value) else { continue };
        let request = change
            .request_id
            .as_deref()
            .map_or(String::new(), |id| format!(", request {}", shown(id)));
        let error =
            change.error.as_deref().map_or(String::new(), |error| format!(": {}", shown(error)));
        let call = shown(&change.call().name());
        line(
            &mut text,
            &format!("  {}  {call}  {}{request}{error}", shown(name), standing(change.standing)),
        );
        steps += 1;
    }
    if steps == 0 {
        line(&mut text, "  none has begun to change anything");
    }
    line(&mut text, "said to this plan");
    let said = voices::said(table, run).await.context("read what was said")?;
    for one in &said {
        let word = if one.agrees { "approved" } else { "rejected" };
        line(&mut text, &format!("  {}  {word} by {}", time(one.at_ms), shown(&one.by)));
    }
    if said.is_empty() {
        line(&mut text, "  nothing");
    }
    line(&mut text, "verdicts on the finding");
    let verdicts = voices::verdicts(table, &run.finding).await.context("read the verdicts")?;
    for one in &verdicts {
        let (judgement, reason, by) = (shown(&one.judgement), shown(&one.reason), shown(&one.by));
        line(&mut text, &format!("  {}  {judgement} ({reason}) by {by}", time(one.at_ms)));
    }
    if verdicts.is_empty() {
        line(&mut text, "  none");
    }
    Ok(text)
}

/// What a run is and what it would do or does.
pub(super) fn about(run: &Run) -> String {
    let mut text = String::new();
    let parts = [
        ("run", run.id.clone()),
        ("runbook", run.runbook_name()),
        ("runbook sha256", run.hash.clone()),
        ("parameters sha256", run.parameters_hash()),
        ("finding", format!("{} ({}) {}", run.finding, run.level, run.title)),
        ("event", time(run.event_ms)),
        ("target", run.target.clone()),
        ("account, region", format!("{}, {}", run.account, run.region)),
        ("phase", run.phase.name().to_owned()),
    ];
    for (name, value) in parts {
        line(&mut text, &format!("{name:<18} {}", shown(&value)));
    }
    if let Some(until_ms) = run.until_ms {
        let what = match run.phase {
            Phase::AwaitingApproval => "can be answered until",
            Phase::Verifying => "is watched until",
            Phase::Contained => "lease until",
            _ => "until",
        };
        line(&mut text, &format!("{what:<18} {}", time(until_ms)));
    }
    list(
        &mut text,
        "parameters",
        run.parameters.iter().map(|(name, value)| format!("{name} = {value}")),
    );
    list(&mut text, "plan", run.plan.iter().cloned());
    list(&mut text, "reasons", run.reasons.iter().cloned());
    let proof = run.stream_proof.iter().map(|proof| format!("the log shows: {proof}"));
    let successes = run.successes.iter().map(|name| format!("succeeded after the act: {name}"));
    list(&mut text, "proof", proof.chain(successes));
    text
}

/// A heading and its lines, unless there are none.
fn list(text: &mut String, heading: &str, lines: impl Iterator<Item = String>) {
    for (nth, one) in lines.enumerate() {
        if nth == 0 {
            line(text, heading);
        }
        line(text, &format!("  {}", shown(&one)));
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Intended => "was intended; whether it took effect is not settled yet",
        Standing::Already => "was so already",
        Standing::Done => "done",
        Standing::Failed => "failed",
        Standing::Undoing => "is being undone; whether all of it is back is not settled yet",
        Standing::Undone => "undone",
    }
}

/// A time for people: RFC 3339 in whole seconds.
pub(super) fn time(ms: i64) -> String {
    trailloop_respond::rfc3339(ms)
}

/// How long, in the largest unit that fits.
fn span(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    match (minutes / (24 * 60), minutes / 60) {
        (0, 0) => format!("{minutes} min"),
        (0, hours) => format!("{hours} h"),
        (days, _) => format!("{days} d"),
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
