//! Phases in which a run waits for people or for time: an approval, the end of a lease, a verdict.

use trailloop_runbook::catalogue::{self, Risk};
use trailloop_runbook::document::{Expiry, Runbook};

use crate::context::Case;
use crate::responder::{Halt, Responder};
use crate::run::{Phase, Run};
use crate::time::ms;
use crate::{holds, voices};

impl Responder {
    /// Asks for approval.
    pub(crate) async fn await_approval(
        &self,
        run: &mut Run,
        runbook: &Runbook,
    ) -> Result<(), Halt> {
        run.phase = Phase::AwaitingApproval;
        run.until_ms = Some(self.clock.now_ms() + ms(runbook.approval.ttl));
        Ok(())
    }

    /// Counts what was said.
    pub(crate) async fn hear(&self, run: &mut Run, runbook: &Runbook) -> Result<(), Halt> {
        if self.judged(run).await? {
            return Ok(());
        }
        let said = self.agreed(run).await?;
        let counted = said.iter().filter(|said| voices::counts(run, runbook, &said.by).is_ok());
        let (agree, reject): (Vec<_>, Vec<_>) = counted.partition(|said| said.agrees);
        if let Some(said) = reject.first() {
            run.reasons.push(format!("rejected by {}", said.by));
            run.phase = Phase::Rejected;
        } else if agree.len() >= self.quorum(runbook) as usize {
            let who: Vec<&str> = agree.iter().map(|said| said.by.as_str()).collect();
            run.reasons.push(format!("approved by {}", who.join(", ")));
            self.note(run, "approval", &format!("approved by {}", who.join(", "))).await?;
            run.until_ms = None;
            run.phase = Phase::Running;
        } else if self.clock.now_ms() >= run.until_ms.unwrap_or_default() {
            run.reasons.push("nobody answered in time".to_owned());
            run.phase = Phase::Expired;
            self.page(run, "expired").await?;
        }
        Ok(())
    }

    /// How many have to agree: what acts on a whole account takes two.
    pub(crate) fn quorum(&self, runbook: &Runbook) -> u32 {
        use trailloop_runbook::document::Action;
        let wide = runbook.steps.iter().any(|step| match &step.action {
            Action::Call(template) => {
                template.service == "organizations"
                    || catalogue::find(&template.service, &template.api)
                        .is_some_and(|api| api.risk == Risk::R3)
            }
            _ => false,
        });
        runbook.approval.quorum.max(if wide { 2 } else { 1 })
    }

    /// Whether a verdict has moved the run: what was wrong is undone, or never done.
    pub(crate) async fn judged(&self, run: &mut Run) -> Result<bool, Halt> {
        let verdicts = voices::verdicts(&*self.table, &run.finding).await?;
        let Some(last) = verdicts.last().filter(|last| last.undoes()) else {
            return Ok(false);
        };
        run.reasons.push(format!("{} by {}: {}", last.judgement, last.by, last.reason));
        run.phase = match run.phase {
            Phase::AwaitingApproval => Phase::Rejected,
            _ => Phase::Undoing,
        };
        Ok(true)
    }

    /// The lease: a verdict ends it, or its time.
    pub(crate) async fn rest(&self, run: &mut Run, runbook: &Runbook) -> Result<(), Halt> {
        if self.judged(run).await? {
            return Ok(());
        }
        let verdicts = voices::verdicts(&*self.table, &run.finding).await?;
        if verdicts
            .last()
            .is_some_and(|last| last.judgement == voices::Judgement::TruePositive.name())
        {
            run.phase = Phase::Kept;
            return Ok(());
        }
        let Some(until_ms) = run.until_ms else {
            // Without a lease the effect stays, as the runbook says.
            run.phase = Phase::Kept;
            return Ok(());
        };
        if self.clock.now_ms() < until_ms {
            return Ok(());
        }
        match runbook.lease.as_ref().map(|lease| lease.on_expiry) {
            Some(Expiry::Undo) => run.phase = Phase::Undoing,
            Some(Expiry::Keep) | None => run.phase = Phase::Kept,
            Some(Expiry::Escalate) => {
                run.reasons.push("the lease ended and nobody has judged the finding".to_owned());
                let ttl = runbook.lease.as_ref().map_or(0, |lease| ms(lease.ttl));
                run.until_ms = Some(self.clock.now_ms() + ttl.max(60_000));
                self.page(run, "lease").await?;
            }
        }
        Ok(())
    }

    /// A run that can't go on: others are called.
    pub(crate) async fn fail(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        reason: &str,
    ) -> Result<(), Halt> {
        run.reasons.push(reason.to_owned());
        if runbook.escalate.is_empty() {
            run.phase = Phase::Failed;
            return self.page(run, "failed").await;
        }
        self.escalate(run, runbook, reason).await
    }

    /// What was done does not hold: the next runbook takes over, and a person is paged. Nothing is called contained.
    pub(crate) async fn escalate(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        reason: &str,
    ) -> Result<(), Halt> {
        if run.reasons.last().map(String::as_str) != Some(reason) {
            run.reasons.push(reason.to_owned());
        }
        self.note(run, "escalate", reason).await?;
        holds::give_back(&*self.table, &run.target, &run.id).await?;
        let case = self.case(&run.id).await?;
        if let Some(case) = case {
            for id in &runbook.escalate {
                if self.open_child(run, &case, id).await? {
                    break;
                }
            }
        }
        run.phase = Phase::Escalated;
        self.alarm_uncontained(run, reason).await
    }

    /// Opens a run of another runbook for the same finding; `false` if there is no such runbook.
    pub(crate) async fn open_child(&self, run: &Run, case: &Case, to: &str) -> Result<bool, Halt> {
        let Some(runbook) = self.runbooks.iter().find(|one| one.id == to) else {
            return Ok(false);
        };
        let child = self.open_run(case, runbook, run.is_live, Some(run)).await?;
        self.note(run, "escalate", &format!("run {} of {} takes over", child.id, to)).await?;
        Ok(true)
    }
}
