//! `trailloop runbook promote`: runbooks that people agreed to often enough, proposed to act by themselves.
//!
//! A proposal is the runbook's text with another mode and a report, in a folder; two people review it and put it beside the others.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Context as _;
use trailloop_cloud::Clock;
use trailloop_feedback::Posterior;
use trailloop_feedback::ladder::{Rung, ladder};
use trailloop_finding::Level;
use trailloop_respond::store;
use trailloop_runbook::document::Mode;

use super::load_runbooks;
use crate::cli::PromoteArgs;
use crate::findings::state;
use crate::show::shown;
use crate::{Exit, kept, respond, tune};

/// So many days are looked back: the ladder's span.
const DAYS: u32 = 60;

/// Runs the command.
pub(super) fn promote(arguments: &PromoteArgs) -> anyhow::Result<Exit> {
    tune::empty(&arguments.out)?;
    let runbooks = load_runbooks(&arguments.runbooks)?;
    let rungs = respond::block_on(async { rungs(&arguments.config).await })?;
    let mut out = std::io::stdout().lock();
    let mut proposed = 0;
    for rung in &rungs {
        let runbook = runbooks.iter().find(|one| one.id == rung.runbook);
        let asks = runbook.is_some_and(|one| one.mode == Mode::Approve);
        let (name, rule) = (shown(&rung.runbook), shown(&rung.rule));
        let missing = match (rung.missing.as_slice(), runbook) {
            ([], Some(runbook)) if asks => {
                let report = report(rung, &runbook.path);
                let file = format!("{}-{}.md", rung.runbook, plain(&rung.rule));
                tune::write_file(&arguments.out, &file, &report)?;
                proposed += 1;
                writeln!(out, "{name} on {rule}: proposed").context("write what was proposed")?;
                continue;
            }
            ([], Some(_)) => "it does not ask today".to_owned(),
            ([], None) => "it is not among the runbooks that were named".to_owned(),
            (missing, _) => missing.join("; "),
        };
        writeln!(out, "{name} on {rule}: not yet: {}", shown(&missing))
            .context("write what is missing")?;
    }
    writeln!(out, "{proposed} proposals in {}; nothing was changed", arguments.out.display())
        .context("write what was proposed")?;
    Ok(Exit::Done)
}

async fn rungs(config: &std::path::Path) -> anyhow::Result<Vec<Rung>> {
    let table = state(config).await?;
    let now_ms = Clock::System.now_ms();
    let days = kept::days(&Clock::System, DAYS);
    let mut queue = store::queue(&*table, &days, now_ms).await.context("read the findings")?;
    let runs = store::runs(&*table, &mut queue).await.context("read the runs")?;
    let mut precision: BTreeMap<String, Posterior> = BTreeMap::new();
    for run in &runs {
        if precision.contains_key(&run.rule) {
            continue;
        }
        let judged = store::of_rule(&*table, &run.rule).await.context("read verdicts")?;
        let level = queue.iter().find(|one| one.kept.entry.rule == run.rule);
        let level = level.map_or(Level::Informational, |one| one.kept.entry.level);
        precision.insert(run.rule.clone(), store::precision(level, &judged, now_ms).0);
    }
    let of = |rule: &str| {
        precision.get(rule).copied().unwrap_or_else(|| Posterior::prior(Level::Informational))
    };
    Ok(ladder(&runs, of, now_ms))
}

/// A rule's id as part of a file's name.
fn plain(id: &str) -> String {
    id.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '-' }).collect()
}

fn report(rung: &Rung, path: &str) -> String {
    format!(
        "# {}: from `approve` to `auto`\n\n- rule: `{}`\n- runs of the last 60 days that people agreed to and that held: {}\n- runs of these days that were undone: {}\n- the rule's precision, surely (90 %) no less: {:.2}\n\nTo accept it, write `mode: auto` in `{}`, show that its undo was tried within 30 days, and have two people review the change: one of them not who proposes it. `respond.mode` has to allow it as well, and any verdict that undoes a run of it makes it ask again.\n",
        rung.runbook, rung.rule, rung.approved, rung.undone, rung.precision_q10, path
    )
}
