//! The proof: after the steps, the effect is watched until it has held long enough.
//!
//! IAM takes seconds to apply a change, and an attacker who is still there can take it back. So nothing is called contained
//! when a call was answered. For a quarter of an hour, or as long as the runbook asks, the state of each change is read again and made again when somebody
//! reverted it, and the trail is read for what the credential and all that was minted from it still do: a denial proves the
//! change, a success after the grace period refutes it. A revert starts that time anew.

use std::time::Duration;

use serde_json::{Map, Value, json};
use trailloop_runbook::document::{Runbook, Verify};

use crate::change::{Standing, known};
use crate::context::Case;
use crate::responder::{Halt, Responder};
use crate::rows::{self, Kept};
use crate::run::{Phase, Run, partition};
use crate::steps::{READ_MAX, READS};
use crate::time::ms;

/// Calls by which an attacker stays: a success of the lineage with one of these is reason enough to call others at once.
const PERSISTENCE: [&str; 18] = [
    "AddPermission20150331v2",
    "AttachRolePolicy",
    "AttachUserPolicy",
    "CreateAccessKey",
    "CreateFunction20150331",
    "CreateLoginProfile",
    "CreateOpenIDConnectProvider",
    "CreatePolicyVersion",
    "CreateRole",
    "CreateSAMLProvider",
    "CreateServiceSpecificCredential",
    "CreateTrustAnchor",
    "CreateUser",
    "EnableMFADevice",
    "ImportKeyPair",
    "PutRolePolicy",
    "PutUserPolicy",
    "UpdateAssumeRolePolicy",
];

impl Responder {
    /// The steps are done: the watch begins.
    pub(crate) async fn begin_watch(&self, run: &mut Run, runbook: &Runbook) -> Result<(), Halt> {
        if run.has_critical_failure {
            return self
                .fail(run, runbook, "a step failed that the runbook can't do without")
                .await;
        }
        self.have_passed(run, runbook).await?;
        let now_ms = self.clock.now_ms();
        run.acted_ms.get_or_insert(now_ms);
        run.until_ms = Some(now_ms + ms(self.watch_of(runbook)));
        run.phase = Phase::Verifying;
        self.note(run, "watch", "the steps are done").await
    }

    /// How long an effect is watched: as the settings say, and no shorter than the runbook's own proofs by the stream ask for.
    pub(crate) fn watch_of(&self, runbook: &Runbook) -> Duration {
        let asked = runbook.verify.iter().filter_map(|verify| match verify {
            Verify::Stream { within, .. } => Some(self.settings.grace + *within),
            Verify::Api { .. } => None,
        });
        asked.fold(self.settings.watch, Duration::max)
    }

    /// One look at whether the effect holds.
    pub(crate) async fn look(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        case: &Case,
    ) -> Result<(), Halt> {
        if let Some(reason) = self.reassert(run, runbook, case).await? {
            return self.escalate(run, runbook, &reason).await;
        }
        if let Some(reason) = self.watch_stream(run, runbook, case).await? {
            return self.escalate(run, runbook, &reason).await;
        }
        if self.clock.now_ms() < run.until_ms.unwrap_or_default() {
            return Ok(());
        }
        if let Some(reason) = self.unmet_expectation(run, runbook).await? {
            return self.escalate(run, runbook, &reason).await;
        }
        run.phase = Phase::Contained;
        run.contained_ms = Some(self.clock.now_ms());
        run.until_ms = runbook.lease.as_ref().map(|lease| self.clock.now_ms() + ms(lease.ttl));
        let proof = run.stream_proof.as_deref().unwrap_or("no call of the lineage was seen");
        self.note(run, "watch", &format!("held for the whole watch; stream: {proof}")).await
    }

    /// Makes each change again that somebody took back; gives why others have to be called, if so.
    async fn reassert(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        case: &Case,
    ) -> Result<Option<String>, Halt> {
        for (sort, mut row) in self.changes_of(run).await? {
            if !matches!(row.value.standing, Standing::Done | Standing::Already) {
                continue;
            }
            let call = row.value.call();
            let api = known(&call).map_err(Halt::from)?;
            let state = self.state(run, api, &call).await?;
            if api.is_achieved(&call, &state) {
                continue;
            }
            run.reasserted += 1;
            let now_ms = self.clock.now_ms();
            run.until_ms = Some(now_ms + ms(self.watch_of(runbook)));
            if run.reasserted == 1 {
                self.tell(run, case, "reverted").await?;
            }
            if run.reasserted > self.settings.reassert_max {
                return Ok(Some(format!("{} is reverted again and again", call.name())));
            }
            let step = row.value.step.clone();
            self.enter(run, &step, &call.name(), &call.inputs, None, "reasserting").await?;
            match self.actions.call(&self.session(run, &call), &call).await {
                Ok(answer) => {
                    if let Some(request) = &answer.request_id {
                        self.know_request(run, request).await?;
                    }
                    self.keep_after(run, &sort, &mut row, &call).await?;
                }
                // Nothing is known of a lost answer: the next look tells.
                Err(error) if error.is_transient() => return Err(Halt::Unreached(error)),
                Err(error) => {
                    return Ok(Some(format!("{} can't be made again: {error}", call.name())));
                }
            }
        }
        Ok(None)
    }

    /// The state that we leave now, so that an undo compares with it.
    async fn keep_after(
        &self,
        run: &Run,
        sort: &str,
        row: &mut Kept<crate::change::Change>,
        call: &trailloop_runbook::Call,
    ) -> Result<(), Halt> {
        let api = known(call).map_err(Halt::from)?;
        let state = self.state(run, api, call).await?;
        if api.is_achieved(call, &state) {
            row.value.standing = Standing::Done;
            row.value.after = state;
            let key = trailloop_cloud::RowKey::new(partition(&run.id), sort);
            rows::store(&*self.table, &key, row).await?;
        }
        Ok(())
    }

    /// Reads what the lineage did since; gives why others have to be called, if so.
    async fn watch_stream(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        case: &Case,
    ) -> Result<Option<String>, Halt> {
        // A run about a trail or a bucket says nothing of whether its caller still may.
        let is_about_caller = !runbook.trigger.identity.is_empty() || case.is_behind;
        let asks = runbook.verify.iter().any(|verify| matches!(verify, Verify::Stream { .. }));
        if !is_about_caller && !asks {
            return Ok(None);
        }
        let acted_ms = run.acted_ms.unwrap_or(run.started_ms);
        let proven_from_ms = acted_ms + ms(self.settings.grace);
        for event in self.lineage_calls(run, case, acted_ms).await? {
            if let Some(condition) = unwanted(runbook, &event.record)
                && event.time_ms >= proven_from_ms
            {
                return Ok(Some(format!("{} happened: {condition}", event.name())));
            }
            if !event.is_of_lineage || !is_about_caller {
                continue;
            }
            if event.is_denied() {
                run.stream_proof = Some(event.denial().to_owned());
            } else if event.time_ms >= proven_from_ms {
                run.successes.push(event.name());
                return Ok(Some(format!(
                    "{} of the same lineage succeeded after the act",
                    event.name()
                )));
            } else if PERSISTENCE.contains(&event.event_name()) {
                run.successes.push(event.name());
                return Ok(Some(format!("the lineage builds persistence: {}", event.name())));
            }
        }
        Ok(None)
    }

    /// An expectation of the runbook that does not hold.
    async fn unmet_expectation(
        &self,
        run: &Run,
        runbook: &Runbook,
    ) -> Result<Option<String>, Halt> {
        for verify in &runbook.verify {
            let Verify::Api { call, expect } = verify else { continue };
            let call = match call.fill(&self.values(run)) {
                Ok(call) => call,
                Err(refusal) => return Ok(Some(refusal.to_string())),
            };
            let answer = match self.read(run, &call, READS, READ_MAX).await {
                Ok(answer) => answer,
                Err(error) if error.is_transient() => return Err(Halt::Unreached(error)),
                Err(error) => json!({ "error": error.code() }),
            };
            let mut context = Map::new();
            context.insert("answer".to_owned(), answer);
            if !expect.holds(&Value::Object(context)) {
                return Ok(Some(format!("{} does not show {}", call.name(), expect.text())));
            }
        }
        Ok(None)
    }
}

/// The condition of a runbook's `verify` that an event meets and must not.
fn unwanted<'r>(runbook: &'r Runbook, event: &Value) -> Option<&'r str> {
    let context = json!({ "event": event });
    runbook.verify.iter().find_map(|verify| match verify {
        Verify::Stream { condition, .. } if condition.holds(&context) => Some(condition.text()),
        _ => None,
    })
}
