//! `trailloop runbook`: check, list and export runbooks, look at runs and speak to them, verify the ledger.

mod audit;
mod check;
mod export;
mod files;
mod list;
mod plan;
mod promote;
mod rights;
mod say;
mod served;
mod simulate;

use trailloop_cloud::Table;
use trailloop_respond::hint::is_id;
use trailloop_respond::{Run, rows};

use crate::cli::{Global, RunbookArgs, RunbookCommand};
use crate::{Exit, UsageError};

pub(crate) use self::files::load_runbooks;

/// Runs the command.
pub(crate) fn runbook(arguments: &RunbookArgs, global: &Global) -> anyhow::Result<Exit> {
    match &arguments.command {
        RunbookCommand::Check(paths) => check::check(&paths.paths),
        RunbookCommand::List(paths) => list::list(&paths.paths),
        RunbookCommand::Plan(arguments) => plan::plan(arguments),
        RunbookCommand::Approve(arguments) => say::say(arguments, true),
        RunbookCommand::Reject(arguments) => say::say(arguments, false),
        RunbookCommand::Undo(arguments) => say::undo(arguments),
        RunbookCommand::Audit(arguments) => audit::audit(arguments),
        RunbookCommand::Export(arguments) => export::export(arguments),
        RunbookCommand::Promote(arguments) => promote::promote(arguments),
        RunbookCommand::Simulate(arguments) => simulate::simulate(arguments, global),
    }
}

/// The run of this id.
async fn find(table: &dyn Table, id: &str) -> anyhow::Result<Run> {
    if !is_id(id) {
        let text = format!(
            "{id:?} is no run's id, which has 32 hexadecimal digits; `trailloop runbook plan` lists open runs"
        );
        return Err(UsageError(text).into());
    }
    let run = rows::load::<Run>(table, &Run::key(id)).await?;
    let text =
        || UsageError(format!("there is no run {id}; `trailloop runbook plan` lists open runs"));
    Ok(run.ok_or_else(text)?.value)
}
