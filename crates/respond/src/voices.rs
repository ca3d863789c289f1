//! What people say: approvals of runs, and verdicts on findings. Each is a row of its own that nobody overwrites.

use serde::{Deserialize, Serialize};
use trailloop_cloud::{CloudError, RowKey, Table};
use trailloop_runbook::document::Runbook;

use crate::rows;
use crate::run::{OPEN, Phase, Run, partition};
use crate::time::rfc3339;

/// What somebody said to the plan of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// Whether they agree.
    pub agrees: bool,
    /// The hash of the runbook they saw.
    pub runbook_hash: String,
    /// The hash of the parameters they saw.
    pub parameters_hash: String,
    /// When, in milliseconds of Unix time.
    pub at_ms: i64,
}

/// Keeps what somebody said; `false` if they have spoken before.
pub async fn say(table: &dyn Table, run: &str, approval: &Approval) -> Result<bool, CloudError> {
    let key = RowKey::new(format!("{}/approvals", partition(run)), approval.by.clone());
    rows::create(table, &key, approval).await
}

/// Whether the word of this person counts for a run: it may not be whom the run acts on, and has to be one whom the runbook names,
/// if it names any. If not, why.
pub fn counts(run: &Run, runbook: &Runbook, by: &str) -> Result<(), String> {
    if run.target.rsplit(['/', ':']).next() == Some(by) {
        return Err(format!("{by} is whom run {} acts on; somebody else has to answer", run.id));
    }
    let approvers = &runbook.approval.approvers;
    if approvers.is_empty() || approvers.iter().any(|one| one == by) {
        return Ok(());
    }
    let named = approvers.join(", ");
    Err(format!("{by} is none of those who may answer for {}: {named}", runbook.id))
}

/// Whether a run waits for an answer and may still get one; if not, why.
pub fn waits(run: &Run, now_ms: i64) -> Result<(), String> {
    if run.phase != Phase::AwaitingApproval {
        let phase = run.phase.name();
        return Err(format!("run {} is {phase}: it does not wait for an answer", run.id));
    }
    match run.until_ms.filter(|until_ms| *until_ms <= now_ms) {
        Some(until_ms) => {
            let until = rfc3339(until_ms);
            Err(format!("run {} waited for an answer until {until}: it has expired", run.id))
        }
        None => Ok(()),
    }
}

/// What was said to this very plan; what was said to another counts for nothing.
pub async fn said(table: &dyn Table, run: &Run) -> Result<Vec<Approval>, CloudError> {
    let all = rows::all::<Approval>(table, &format!("{}/approvals", partition(&run.id))).await?;
    let parameters = run.parameters_hash();
    let of_this =
        |said: &Approval| said.runbook_hash == run.hash && said.parameters_hash == parameters;
    Ok(all.into_iter().map(|(_, row)| row.value).filter(of_this).collect())
}

pub use trailloop_feedback::Judgement;

/// The reason of a verdict that was given by a link.
pub const BY_LINK: &str = "by_link";

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The finding.
    pub finding: String,
    /// What it is: the name of a [`Judgement`].
    pub judgement: String,
    /// Why: the name of a [`trailloop_feedback::Reason`]; [`BY_LINK`] of a link, which asks for no more.
    pub reason: String,
    /// Who says so.
    pub by: String,
    /// When, in milliseconds of Unix time.
    pub at_ms: i64,
}

impl Verdict {
    /// Whether what was done about the finding was wrong.
    #[must_use]
    pub fn undoes(&self) -> bool {
        Judgement::parse(&self.judgement).is_some_and(Judgement::undoes)
    }
}

/// The partition of a finding's verdicts.
fn verdicts_of(finding: &str) -> String {
    format!("verdict/{finding}")
}

/// The partition of verdicts that the executor has not taken up yet.
pub const TO_TAKE_UP: &str = "verdicts-to-take-up";

/// Its place among the verdicts of its finding.
fn place(verdict: &Verdict) -> String {
    format!("{:020}-{}", verdict.at_ms, verdict.by)
}

/// Adds a verdict to the finding's history; `false` if the same person said something in the same millisecond.
pub async fn judge(table: &dyn Table, verdict: &Verdict) -> Result<bool, CloudError> {
    // Listed first: a verdict that nobody takes up would be heard by open runs alone.
    let listed = RowKey::new(TO_TAKE_UP, format!("{}-{}", verdict.finding, place(verdict)));
    rows::create(table, &listed, verdict).await?;
    write_down(table, verdict).await
}

/// Adds a verdict to the history alone: whoever listed it may have come no further. `false` if it is there.
pub async fn write_down(table: &dyn Table, verdict: &Verdict) -> Result<bool, CloudError> {
    rows::create(table, &RowKey::new(verdicts_of(&verdict.finding), place(verdict)), verdict).await
}

/// The history of a finding's verdicts, oldest first.
pub async fn verdicts(table: &dyn Table, finding: &str) -> Result<Vec<Verdict>, CloudError> {
    let all = rows::all::<Verdict>(table, &verdicts_of(finding)).await?;
    Ok(all.into_iter().map(|(_, row)| row.value).collect())
}

/// How a request to undo a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The service undoes it at its next look.
    Taken,
    /// There is no such run.
    Unknown,
    /// It is at a phase in which nothing is to be undone.
    NothingToUndo(Phase),
}

/// Asks for a run to be undone, whatever its lease says.
pub async fn ask_to_undo(table: &dyn Table, id: &str, by: &str) -> Result<Asked, CloudError> {
    loop {
        let Some(mut row) = rows::load::<Run>(table, &Run::key(id)).await? else {
            return Ok(Asked::Unknown);
        };
        let phase = row.value.phase;
        let acted = matches!(
            phase,
            Phase::Running
                | Phase::Verifying
                | Phase::Contained
                | Phase::Kept
                | Phase::Failed
                | Phase::Escalated
                | Phase::UndoRefused
        );
        if !acted {
            return Ok(Asked::NothingToUndo(phase));
        }
        row.value.phase = Phase::Undoing;
        row.value.reasons.push(format!("{by} asked to undo it"));
        // Listed first: a run in this phase that nobody looks at would never be undone.
        rows::create(table, &RowKey::new(OPEN, id), &row.value.finding).await?;
        if rows::store(table, &Run::key(id), &mut row).await? {
            return Ok(Asked::Taken);
        }
    }
}
