//! What was done about kept findings, as metrics count it.

use trailloop_cloud::{CloudError, Table};
use trailloop_feedback::runs::{Ending, RunSeen};

use super::Shown;
use crate::rows;
use crate::run::{Phase, Run};
use crate::verdicts::runs_of;
use crate::voices::{self, Approval};

/// The runs of these findings, whose clocks are set by them.
pub async fn runs(table: &dyn Table, shown: &mut [Shown]) -> Result<Vec<RunSeen>, CloudError> {
    let mut seen = Vec::new();
    for one in shown {
        let is_wrong = one.standing.as_ref().is_some_and(|standing| standing.judgement.undoes());
        let entry = &mut one.kept.entry;
        let uids: Vec<String> = entry.folded.iter().map(str::to_owned).collect();
        for uid in &uids {
            for (id, _) in rows::all::<String>(table, &runs_of(uid)).await? {
                let Some(run) = rows::load::<Run>(table, &Run::key(&id)).await? else { continue };
                let approvals = voices::said(table, &run.value).await?;
                if let Some(run) = of(run.value, &approvals, is_wrong) {
                    earliest(&mut entry.clocks.approved_ms, run.approved_ms);
                    earliest(&mut entry.clocks.proposed_ms, run.proposed_ms);
                    earliest(&mut entry.clocks.action_ms, run.action_ms);
                    earliest(&mut entry.clocks.contained_ms, run.contained_ms);
                    seen.push(run);
                }
            }
        }
    }
    Ok(seen)
}

fn earliest(clock: &mut Option<i64>, other: Option<i64>) {
    *clock = clock.iter().copied().chain(other).min();
}

/// `None` of a run that was only noted or planned: nothing more was asked for, so nothing can have gone well or ill.
fn of(run: Run, approvals: &[Approval], is_wrong: bool) -> Option<RunSeen> {
    // The last one that was needed.
    let approved = approvals.iter().filter(|one| one.agrees).map(|one| one.at_ms);
    let approved = approved.filter(|at_ms| run.acted_ms.is_some_and(|acted_ms| *at_ms <= acted_ms));
    Some(RunSeen {
        ending: ending(run.phase, is_wrong, run.has_expired)?,
        is_automatic: run.mode == "auto",
        proposed_ms: Some(run.started_ms),
        approved_ms: approved.max(),
        action_ms: run.acted_ms,
        contained_ms: run.contained_ms,
        undone_ms: run.undone_ms,
        run: run.id,
        runbook: run.runbook,
        rule: run.rule,
    })
}

fn ending(phase: Phase, is_wrong: bool, has_expired: bool) -> Option<Ending> {
    Some(match phase {
        Phase::Contained | Phase::Kept => Ending::Contained,
        Phase::Refused | Phase::Rejected | Phase::Expired => Ending::Refused,
        Phase::Failed | Phase::Escalated | Phase::UndoRefused => Ending::Failed,
        Phase::Undone if has_expired && !is_wrong => Ending::Contained,
        Phase::Undone => Ending::Undone,
        Phase::Observed | Phase::Planned => return None,
        Phase::Proposed
        | Phase::AwaitingApproval
        | Phase::Running
        | Phase::Verifying
        | Phase::Undoing => Ending::Open,
    })
}
