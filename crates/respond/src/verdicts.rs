//! What follows from a verdict beside its run's own course: the updated finding, word to Security Hub and PagerDuty, and the
//! undo of runs that are at their end.
//!
//! Each verdict is a row to be taken up until all of it is done; whoever is killed in between does it again, to the same effect.

use bytes::Bytes;
use trailloop_cloud::RowKey;
use trailloop_runbook::document::Mode;

use crate::change::Standing;
use crate::confidence::demote;
use crate::ocsf::{Verdict as Judgement, with_verdict};
use crate::responder::{Halt, Responder};
use crate::rows;
use crate::run::{Phase, Run};
use crate::store;
use crate::voices::{self, TO_TAKE_UP, Verdict};

impl Responder {
    /// Takes up the verdicts that were given since.
    pub(crate) async fn take_up_verdicts(&self) -> Result<(), Halt> {
        for (sort, row) in rows::all::<Verdict>(&*self.table, TO_TAKE_UP).await? {
            if let Err(error) = self.take_up(&row.value).await {
                let finding = &row.value.finding;
                tracing::warn!(finding, %error, "a verdict is not taken up for now");
                continue;
            }
            self.table.delete(&RowKey::new(TO_TAKE_UP, sort), row.version).await?;
        }
        Ok(())
    }

    async fn take_up(&self, verdict: &Verdict) -> Result<(), Halt> {
        let Some(judgement) = Judgement::parse(&verdict.judgement) else { return Ok(()) };
        let finding = &verdict.finding;
        let said = (verdict.by.as_str(), verdict.reason.as_str(), verdict.at_ms);
        voices::write_down(&*self.table, verdict).await?;
        store::judge(&*self.table, finding).await?;
        self.show_verdict(finding, judgement).await?;
        self.update_security_hub(finding, judgement, said).await?;
        let mut is_kept = false;
        for (id, _) in rows::all::<String>(&*self.table, &runs_of(finding)).await? {
            if !is_kept {
                is_kept = self.keep_verdict(&id, verdict, judgement).await?;
            }
            let Some(run) = rows::load::<Run>(&*self.table, &Run::key(&id)).await? else {
                continue;
            };
            let acted_by_itself =
                run.value.mode == Mode::Auto.name() && run.value.acted_ms.is_some();
            if judgement.undoes() && acted_by_itself {
                demote(&*self.table, &run.value).await?;
            }
            // Open runs hear of it by themselves.
            if judgement.undoes() && run.value.phase.is_final() {
                self.resolve_incident(&run.value).await?;
                if self.has_acted(&run.value).await? {
                    voices::ask_to_undo(&*self.table, &id, &verdict.by).await?;
                }
            }
        }
        // Last: nothing that is taken back waits for it.
        store::tell_incident(&*self.table, finding).await;
        Ok(())
    }

    /// Keeps the finding with its verdict beside the evidence; `false` if the run does not have it.
    async fn keep_verdict(
        &self,
        run: &str,
        verdict: &Verdict,
        judgement: Judgement,
    ) -> Result<bool, Halt> {
        let Some(vault) = &self.vault else { return Ok(true) };
        let Some(case) = self.case(run).await? else { return Ok(false) };
        let finding = &case.confirmed.finding;
        let Verdict { by, reason, at_ms, .. } = verdict;
        if let Some(updated) = with_verdict(finding, judgement, by, reason, *at_ms) {
            let name = format!("verdicts/{}/{at_ms}.json", verdict.finding);
            vault.put(&name, Bytes::from(updated.to_string())).await?;
        }
        Ok(true)
    }

    /// Whether something of a run that is at its end still stands.
    async fn has_acted(&self, run: &Run) -> Result<bool, Halt> {
        if !matches!(run.phase, Phase::Kept | Phase::Failed | Phase::Escalated) {
            return Ok(false);
        }
        let changes = self.changes_of(run).await?;
        Ok(changes.iter().any(|(_, row)| row.value.standing == Standing::Done))
    }
}

/// The partition of the ids of a finding's runs.
pub(crate) fn runs_of(finding: &str) -> String {
    format!("finding/{finding}")
}
