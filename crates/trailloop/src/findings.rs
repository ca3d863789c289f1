//! `trailloop findings`: what was found, the most important first, and what that order is made of.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use trailloop_cloud::{Clock, Table};
use trailloop_respond::store::{self, Shown};

use crate::cli::{FindingsArgs, FindingsCommand, FindingsListArgs, Form, OneArgs, SampleArgs};
use crate::config::{self, Purpose};
use crate::kept::{self, Filter};
use crate::show::{shown, shown_json, thousands};
use crate::{Exit, UsageError, respond};

/// Runs the command.
pub(crate) fn findings(arguments: &FindingsArgs) -> anyhow::Result<Exit> {
    match &arguments.command {
        FindingsCommand::List(arguments) => list(arguments),
        FindingsCommand::Audit(arguments) => audit(arguments),
        FindingsCommand::Show(arguments) => show(arguments),
        FindingsCommand::Why(arguments) => why(arguments),
    }
}

/// The state that a configuration names.
pub(crate) async fn state(config: &std::path::Path) -> anyhow::Result<Arc<dyn Table>> {
    let config = config::load(config, Purpose::State)?;
    respond::table_there(&config).await
}

fn list(arguments: &FindingsListArgs) -> anyhow::Result<Exit> {
    let filter = Filter {
        rule: arguments.rule.clone(),
        account: arguments.account.clone(),
        level: arguments.level.map(|level| level.as_str().to_owned()),
        verdict: arguments.verdict.map(|verdict| verdict.name().to_owned()),
        all: arguments.all,
        days: Some(arguments.page.days),
        limit: Some(arguments.page.limit),
    };
    let found = respond::block_on(async {
        let table = state(&arguments.page.config).await?;
        kept::findings(&*table, &Clock::System, &filter).await.context("read the findings")
    })?;
    print_all(&found, arguments.page.format)
}

fn audit(arguments: &SampleArgs) -> anyhow::Result<Exit> {
    let seed =
        format!("{:032x}", u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..)));
    let capacity = usize::try_from(arguments.capacity).unwrap_or(usize::MAX);
    let found = respond::block_on(async {
        let table = state(&arguments.page.config).await?;
        let days = kept::days(&Clock::System, arguments.page.days);
        let when = (days.as_slice(), Clock::System.now_ms());
        store::audit(&*table, when, capacity, &seed).await.context("draw the audit sample")
    })?;
    let listed = &found[..found.len().min(arguments.page.limit)];
    print_all(listed, arguments.page.format)
}

fn print_all(found: &[Shown], form: Form) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    if form == Form::Ndjson {
        for one in found {
            writeln!(out, "{}", shown_json(&kept::of_finding(one))).context("write the list")?;
        }
        return Ok(Exit::Done);
    }
    writeln!(out, "{:<32}  priority  {:<13}  {:>5}  verdict          last", "id", "level", "count")
        .context("write the list")?;
    for one in found {
        print(&mut out, one).context("write the list")?;
    }
    writeln!(out, "{} findings", found.len()).context("write the list")?;
    Ok(Exit::Done)
}

fn print(out: &mut impl Write, one: &Shown) -> std::io::Result<()> {
    let entry = &one.kept.entry;
    writeln!(
        out,
        "{}  {:>8.0}  {:<13}  {:>5}  {:<15}  {}",
        one.place.uid,
        one.priority.score,
        entry.level,
        thousands(entry.count()),
        verdict(one),
        kept::time(entry.last_ms),
    )?;
    let who = entry.who().unwrap_or("nobody in particular");
    let down = if entry.suppressed_by.is_some() { ", moved down by a filter" } else { "" };
    writeln!(out, "    {}: {}{down}", shown(&entry.title), shown(who))
}

fn verdict(one: &Shown) -> &'static str {
    one.standing.as_ref().map_or("-", |standing| standing.judgement.name())
}

fn one(arguments: &OneArgs) -> anyhow::Result<Shown> {
    let found = respond::block_on(async {
        let table = state(&arguments.config).await?;
        kept::finding(&*table, &Clock::System, &arguments.id).await.context("read the finding")
    })?;
    let unknown = || {
        let id = &arguments.id;
        UsageError(format!(
            "no finding {id} is kept here; `trailloop findings list --all` lists what is"
        ))
    };
    Ok(found.ok_or_else(unknown)?)
}

fn show(arguments: &OneArgs) -> anyhow::Result<Exit> {
    let one = one(arguments)?;
    let mut out = std::io::stdout().lock();
    let text = serde_json::to_string_pretty(&kept::of_finding_whole(&one)).context("write JSON")?;
    for line in text.lines() {
        writeln!(out, "{}", shown(line)).context("write the finding")?;
    }
    Ok(Exit::Done)
}

fn why(arguments: &OneArgs) -> anyhow::Result<Exit> {
    let one = one(arguments)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} ({})", shown(&one.kept.entry.title), one.kept.entry.level)
        .context("write the terms")?;
    for line in one.priority.lines() {
        writeln!(out, "{}", shown(&line)).context("write the terms")?;
    }
    if let Some(filter) = &one.kept.entry.suppressed_by {
        writeln!(out, "moved down by the filter {}", shown(filter)).context("write the terms")?;
    }
    Ok(Exit::Done)
}
