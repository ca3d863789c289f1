//! What was done about kept findings, as metrics count it.

use trailloop_cloud::{CloudError, Table};
use trailloop_feedback::runs::{Ending, RunSeen};

use super::Shown;
use crate::rows;
use crate::run::{Phase, Run};
use crate::verdicts::runs_of;

/// The runs of these findings.
pub async fn runs(table: &dyn Table, shown: &[Shown]) -> Result<Vec<RunSeen>, CloudError> {
    let mut seen = Vec::new();
    for uid in shown.iter().flat_map(|one| one.kept.entry.folded.iter()) {
        for (id, _) in rows::all::<String>(table, &runs_of(uid)).await? {
            let run = rows::load::<Run>(table, &Run::key(&id)).await?;
            seen.extend(run.and_then(|row| of(row.value)));
        }
    }
    Ok(seen)
}

/// `None` of a run that was only noted or planned: nothing more was asked for, so nothing can have gone well or ill.
fn of(run: Run) -> Option<RunSeen> {
    let held = matches!(run.phase, Phase::Contained | Phase::Kept);
    Some(RunSeen {
        ending: ending(run.phase)?,
        is_automatic: run.mode == "auto",
        proposed_ms: Some(run.started_ms),
        approved_ms: None,
        action_ms: run.acted_ms,
        contained_ms: run.acted_ms.filter(|_| held),
        undone_ms: run.acted_ms.filter(|_| run.phase == Phase::Undone),
        run: run.id,
        runbook: run.runbook,
        rule: run.rule,
    })
}

fn ending(phase: Phase) -> Option<Ending> {
    Some(match phase {
        Phase::Contained | Phase::Kept => Ending::Contained,
        Phase::Refused | Phase::Rejected | Phase::Expired => Ending::Refused,
        Phase::Failed | Phase::Escalated | Phase::UndoRefused => Ending::Failed,
        Phase::Undone => Ending::Undone,
        Phase::Observed | Phase::Planned => return None,
        Phase::Proposed
        | Phase::AwaitingApproval
        | Phase::Running
        | Phase::Verifying
        | Phase::Undoing => Ending::Open,
    })
}
