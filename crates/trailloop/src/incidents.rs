//! `trailloop incidents`: findings of one credential or target, across accounts and regions, as the one thing they are.

use std::io::Write as _;

use anyhow::Context as _;
use trailloop_cloud::Clock;
use trailloop_feedback::Activity;
use trailloop_respond::store;

use crate::cli::{Form, IncidentShowArgs, IncidentsArgs, IncidentsCommand, PageArgs};
use crate::findings::state;
use crate::kept;
use crate::show::{shown, shown_json};
use crate::{Exit, UsageError, respond};

/// Runs the command.
pub(crate) fn incidents(arguments: &IncidentsArgs) -> anyhow::Result<Exit> {
    match &arguments.command {
        IncidentsCommand::List(arguments) => list(arguments),
        IncidentsCommand::Show(arguments) => show(arguments),
    }
}

fn list(arguments: &PageArgs) -> anyhow::Result<Exit> {
    let found = respond::block_on(async {
        let table = state(&arguments.config).await?;
        let page = (arguments.days, arguments.limit);
        kept::incidents(&*table, &Clock::System, page).await.context("read the incidents")
    })?;
    let mut out = std::io::stdout().lock();
    if arguments.format == Form::Table {
        writeln!(out, "{:<32}  {:<13}  findings  accounts  last", "id", "level")
            .context("write the list")?;
    }
    for one in &found {
        match arguments.format {
            Form::Ndjson => writeln!(out, "{}", shown_json(&kept::of_incident(one))),
            Form::Table => writeln!(
                out,
                "{}  {:<13}  {:>8}  {:>8}  {}\n    {}",
                one.id,
                one.level,
                one.findings.count(),
                one.accounts.len(),
                kept::time(one.last_ms),
                shown(&one.title()),
            ),
        }
        .context("write the list")?;
    }
    if arguments.format == Form::Table {
        writeln!(out, "{} incidents", found.len()).context("write the list")?;
    }
    Ok(Exit::Done)
}

fn show(arguments: &IncidentShowArgs) -> anyhow::Result<Exit> {
    let id = &arguments.id;
    let found = respond::block_on(async {
        let table = state(&arguments.config).await?;
        store::incident(&*table, id).await.context("read the incident")
    })?;
    let unknown =
        format!("no incident {id} is kept here; `trailloop incidents list` lists what is");
    let incident = found.ok_or(UsageError(unknown))?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let message = incident.ocsf(Activity::Update, "security", Clock::System.now_ms());
        writeln!(out, "{}", shown_json(&message)).context("write the incident")?;
        return Ok(Exit::Done);
    }
    let accounts: Vec<&str> = incident.accounts.iter().map(String::as_str).collect();
    let tactics: Vec<&str> = incident.tactics.values().map(String::as_str).collect();
    writeln!(out, "{} ({})", shown(&incident.title()), incident.level).context("write it")?;
    writeln!(out, "  from {} to {}", kept::time(incident.first_ms), kept::time(incident.last_ms))
        .context("write it")?;
    writeln!(out, "  accounts {}", shown(&accounts.join(", "))).context("write it")?;
    writeln!(out, "  tactics {}", shown(&tactics.join(", "))).context("write it")?;
    for entity in incident.entities() {
        writeln!(out, "  about {}", shown(entity)).context("write it")?;
    }
    for member in &incident.members {
        let down = if member.is_suppressed { ", moved down by a filter" } else { "" };
        writeln!(
            out,
            "  {}  {}  {:<13}  {}{down}",
            kept::time(member.event_ms),
            member.uid,
            member.level,
            shown(&member.title),
        )
        .context("write it")?;
    }
    let more = incident.findings.count().saturating_sub(incident.members.len() as u64);
    if more > 0 {
        writeln!(out, "  and {more} more").context("write it")?;
    }
    Ok(Exit::Done)
}
