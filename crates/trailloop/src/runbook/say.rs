//! `trailloop runbook approve`, `reject` and `undo`: what a person says to a run, bound to what they saw.

use std::io::Write as _;

use anyhow::{Context as _, anyhow, bail, ensure};
use trailloop_cloud::Clock;
use trailloop_respond::Run;
use trailloop_respond::voices::{self, Approval, Asked};

use super::plan::about;
use super::{find, load_runbooks};
use crate::cli::SayArgs;
use crate::config::{self, Config, Purpose};
use crate::show::shown;
use crate::{Exit, respond};

/// Approves or rejects the plan of a run that waits.
pub(super) fn say(arguments: &SayArgs, agrees: bool) -> anyhow::Result<Exit> {
    let by = arguments.by.as_str();
    let config = config::load(&arguments.config, Purpose::State)?;
    let word = if agrees { "approved" } else { "rejected" };
    respond::block_on(async {
        let table = respond::table(&config).await?;
        let run = find(&*table, &arguments.id).await?;
        let mut out = std::io::stdout().lock();
        out.write_all(about(&run).as_bytes()).context("write the plan")?;
        let at_ms = Clock::System.now_ms();
        voices::waits(&run, at_ms).map_err(|why| anyhow!("{why}"))?;
        counts(&config, &run, by)?;
        let approval = Approval {
            by: by.to_owned(),
            agrees,
            runbook_hash: run.hash.clone(),
            parameters_hash: run.parameters_hash(),
            at_ms,
        };
        let kept = voices::say(&*table, &run.id, &approval).await.context("keep what was said")?;
        ensure!(kept, "{} has spoken to run {} before; what was said stays", shown(by), run.id);
        writeln!(
            out,
            "{word} by {}, for this runbook and these parameters alone; the executor takes it up at its next look",
            shown(by)
        )
        .context("write the result")?;
        Ok(Exit::Done)
    })
}

/// Asks for a run to be undone.
pub(super) fn undo(arguments: &SayArgs) -> anyhow::Result<Exit> {
    let by = arguments.by.as_str();
    let config = config::load(&arguments.config, Purpose::State)?;
    respond::block_on(async {
        let table = respond::table(&config).await?;
        let run = find(&*table, &arguments.id).await?;
        match voices::ask_to_undo(&*table, &run.id, by).await.context("ask for the undo")? {
            Asked::Taken => {}
            Asked::Unknown => bail!("run {} is gone", run.id),
            Asked::NothingToUndo(phase) => {
                bail!("run {} is {}: there is nothing to undo", run.id, phase.name())
            }
        }
        writeln!(
            std::io::stdout(),
            "run {} is undone at the executor's next look, as {} asked: step by step, last first, and only what is still as the run left it",
            run.id,
            shown(by)
        )
        .context("write the result")?;
        Ok(Exit::Done)
    })
}

/// Whether the word of this person counts, as far as this configuration knows the runbook.
fn counts(config: &Config, run: &Run, by: &str) -> anyhow::Result<()> {
    let runbooks = load_runbooks(&config.respond.runbooks)?;
    let Some(runbook) = runbooks.iter().find(|one| one.id == run.runbook && one.hash == run.hash)
    else {
        tracing::warn!(
            "{} is not among the runbooks of this configuration as run {} began with it; who may answer is not known here",
            shown(&run.runbook_name()),
            run.id
        );
        return Ok(());
    };
    voices::counts(run, runbook, by).map_err(|why| anyhow!("{}", shown(&why)))
}
