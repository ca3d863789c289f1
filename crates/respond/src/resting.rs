//! Phases in which a run waits for people or for time: an approval, the end of a lease, a verdict.

use trailloop_cloud::RowKey;
use trailloop_runbook::catalogue::{self, Risk};
use trailloop_runbook::document::{Expiry, Runbook};
use trailloop_runbook::{Refusal, fill};

use crate::context::Case;
use crate::responder::{Halt, Responder};
use crate::rows::{self, Kept};
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
            Some(Expiry::Undo) => {
                run.phase = Phase::Undoing;
                run.has_expired = true;
            }
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

    /// Opens a run of another runbook for the same finding, or of the one that its redirects lead to; `false` if there is no
    /// such runbook, or they lead back here.
    pub(crate) async fn open_child(&self, run: &Run, case: &Case, to: &str) -> Result<bool, Halt> {
        let named = |id: &str| self.runbooks.iter().find(|one| one.id == id);
        let Some(mut runbook) = named(to) else { return Ok(false) };
        let context = case.context(Some(run), run.started_ms);
        // No chain is longer than there are runbooks, unless it is a ring.
        for _ in 0..self.runbooks.len() {
            match fill::redirect(runbook, &context).and_then(named) {
                Some(next) => runbook = next,
                None => break,
            }
        }
        if runbook.id == run.runbook {
            return Ok(false);
        }
        let child = self.open_run(case, runbook, run.is_live, Some(run)).await?;
        let text = format!("run {} of {} takes over", child.id, runbook.id);
        self.note(run, "escalate", &text).await?;
        Ok(true)
    }

    /// What the run did is done again and again, and by now another runbook has to answer: it does, and this run is refused.
    pub(crate) async fn is_ping_pong(
        &self,
        run: &Run,
        runbook: &Runbook,
        case: &Case,
    ) -> Result<Option<Refusal>, Halt> {
        let Some((within, then)) = &runbook.guards.ping_pong else { return Ok(None) };
        let Some(last) = rows::load::<Pass>(&*self.table, &pass_of(run)).await? else {
            return Ok(None);
        };
        let Pass { run: other, at_ms } = last.value;
        let passed_ms = self.clock.now_ms() - at_ms;
        if other == run.id || passed_ms >= ms(*within) {
            return Ok(None);
        }
        let text = format!("run {other} did the same {} s ago", passed_ms / 1000);
        let text = match self.open_child(run, case, then).await? {
            true => format!("{text}; {then} takes over"),
            false => format!("{text}, and {then}, which has to take over, can't"),
        };
        self.page(run, "ping_pong").await?;
        Ok(Some(Refusal::new("ping_pong", text)))
    }

    /// Keeps that a run has done its steps on its target.
    pub(crate) async fn have_passed(&self, run: &Run, runbook: &Runbook) -> Result<(), Halt> {
        if runbook.guards.ping_pong.is_none() {
            return Ok(());
        }
        let key = pass_of(run);
        let pass = Pass { run: run.id.clone(), at_ms: self.clock.now_ms() };
        let mut row = match rows::load::<Pass>(&*self.table, &key).await? {
            Some(row) => Kept { value: pass, ..row },
            None => Kept { value: pass, version: 0 },
        };
        // Whoever wrote it at the same time has passed at the same time.
        rows::store(&*self.table, &key, &mut row).await?;
        Ok(())
    }
}

/// The last run of a runbook that did its steps on a target, and when.
#[derive(serde::Serialize, serde::Deserialize)]
struct Pass {
    run: String,
    at_ms: i64,
}

fn pass_of(run: &Run) -> RowKey {
    RowKey::new(format!("pass/{}", run.runbook), run.target.clone())
}
