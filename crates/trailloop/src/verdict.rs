//! `trailloop verdict`: what a finding was, as a person judged it.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use trailloop_cloud::Clock;
use trailloop_feedback::Reason;
use trailloop_respond::hint::is_id;
use trailloop_respond::store;
use trailloop_respond::voices::{self, Verdict};

use crate::cli::VerdictArgs;
use crate::config::{self, Purpose};
use crate::{Exit, UsageError, respond};

/// Runs the command.
pub(crate) fn verdict(arguments: &VerdictArgs) -> anyhow::Result<Exit> {
    let id = &arguments.id;
    if !is_id(id) {
        let text =
            format!("{id:?} is no finding's id; it is finding_info.uid, 32 hexadecimal digits");
        return Err(UsageError(text).into());
    }
    check(arguments)?;
    let config = config::load(&arguments.config, Purpose::State)?;
    let verdict = Verdict {
        finding: id.clone(),
        judgement: arguments.verdict.name().to_owned(),
        reason: arguments.reason.clone(),
        by: arguments.by.clone(),
        at_ms: Clock::System.now_ms(),
    };
    let kept = respond::block_on(async {
        let table = respond::table(&config).await?;
        let kept = voices::judge(&*table, &verdict).await.context("keep the verdict")?;
        store::judge(&*table, id).await.context("count the verdict")?;
        store::tell_incident(&*table, id).await;
        anyhow::Ok(kept)
    })?;
    ensure!(kept, "{} has just judged this finding; say it again", verdict.by);
    let undoes = if verdict.undoes() {
        "; what was done about it is undone at the executor's next look"
    } else {
        ""
    };
    writeln!(std::io::stdout(), "{id} is {}, says {}{undoes}", verdict.judgement, verdict.by)?;
    Ok(Exit::Done)
}

/// Refuses a reason that is none for the verdict.
fn check(arguments: &VerdictArgs) -> anyhow::Result<()> {
    let goes = Reason::parse(&arguments.reason)
        .is_some_and(|reason| reason.goes_with().contains(&arguments.verdict));
    if goes {
        return Ok(());
    }
    let (reason, verdict) = (&arguments.reason, arguments.verdict);
    let names: Vec<&str> = Reason::of(verdict).map(Reason::name).collect();
    let text = format!("{reason} is no reason for {verdict}; its reasons are {}", names.join(", "));
    Err(UsageError(text).into())
}
