//! One call that changes something, with exactly one effect.
//!
//! Before it, the state that it changes is read and kept, then the intent. After it, the state is read again. Whatever
//! happens between (a crash, an answer that is lost, a second delivery), the next look at the row and at AWS tells what
//! is true: still as before, so the call did nothing and may be made; as the call would make it, so it is done; something
//! else, so somebody acts against us, and nothing more is done blindly.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trailloop_cloud::{Answer, CloudError, CloudErrorKind, RowKey, Session};
use trailloop_runbook::catalogue::{self, Api};
use trailloop_runbook::document::Step;
use trailloop_runbook::{Call, policy};

use crate::responder::{Halt, Responder};
use crate::rows::{self, Kept};
use crate::run::{Run, partition};

/// How a changing step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The state before is kept and the call may have been made.
    Intended,
    /// The state was as wanted before we came: nothing to do and nothing to undo.
    Already,
    /// The call took effect.
    Done,
    /// The call was refused.
    Failed,
    /// Several calls take the effect back, and some of them may have been made.
    Undoing,
    /// The effect was taken back.
    Undone,
}

/// A changing step as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// How it stands.
    pub standing: Standing,
    /// The step's name.
    pub step: String,
    /// The service of the call.
    pub service: String,
    /// The API.
    pub api: String,
    /// The inputs.
    pub inputs: Map<String, Value>,
    /// The state before.
    pub before: Value,
    /// The state after.
    pub after: Value,
    /// The request that did it, if its answer came.
    pub request_id: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

impl Change {
    /// The call.
    #[must_use]
    pub fn call(&self) -> Call {
        Call { service: self.service.clone(), api: self.api.clone(), inputs: self.inputs.clone() }
    }
}

/// Why a changing call did not come about.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    /// The state table or AWS can't be reached; later it may.
    #[error("{0}")]
    Unreached(#[source] CloudError),
    /// AWS refused the call.
    #[error("AWS refused {api}: {error}")]
    Refused {
        /// The call's name.
        api: String,
        /// What AWS said.
        #[source]
        error: CloudError,
    },
    /// Another worker has the run by now, and makes the call.
    #[error("another worker has the run")]
    Taken,
    /// Somebody else changed what the call is about to change.
    #[error("{0}")]
    Drifted(String),
}

impl From<Halt> for ChangeError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Unreached(error) => Self::Unreached(error),
            Halt::Taken => Self::Taken,
            Halt::Unsure(text) => Self::Drifted(text),
        }
    }
}

impl From<CloudError> for ChangeError {
    fn from(error: CloudError) -> Self {
        Self::Unreached(error)
    }
}

/// The row of a changing step.
#[must_use]
pub(crate) fn row_of(run: &str, number: usize, step: &str) -> RowKey {
    RowKey::new(partition(run), format!("step/{number:02}-{step}"))
}

/// So often a state is read that does not show an effect yet, with growing pauses: IAM is eventually consistent.
const LOOKS: u32 = 5;

impl Responder {
    /// Does one changing call of a run, or finds it done.
    pub(crate) async fn change(
        &self,
        run: &Run,
        number: usize,
        step: &Step,
        call: &Call,
    ) -> Result<Change, ChangeError> {
        let api = known(call)?;
        let key = row_of(&run.id, number, &step.name);
        let mut row = match rows::load::<Change>(&*self.table, &key).await? {
            Some(row) => row,
            None => self.intend(run, &key, &step.name, api, call).await?,
        };
        if row.value.standing != Standing::Intended {
            return Ok(row.value);
        }
        // The call as it was intended: what is bound to the row can't change any more.
        let call = row.value.call();
        self.achieve(run, (&key, step), api, &call, &mut row).await?;
        Ok(row.value)
    }

    /// Makes a call once. One that is not answered in time may have taken effect all the same, like any whose answer is lost.
    pub(crate) async fn attempt(
        &self,
        run: &Run,
        call: &Call,
        timeout: Duration,
    ) -> Result<Answer, CloudError> {
        let session = self.session(run, call);
        tokio::select! {
            biased;
            answer = self.actions.call(&session, call) => answer,
            () = self.clock.sleep(timeout) => {
                let text = format!("no answer within {} s", timeout.as_secs());
                Err(CloudError::new(CloudErrorKind::Transient, "call", call.name(), text))
            }
        }
    }

    /// Keeps the state before, and the intent.
    async fn intend(
        &self,
        run: &Run,
        key: &RowKey,
        step: &str,
        api: &Api,
        call: &Call,
    ) -> Result<Kept<Change>, ChangeError> {
        let before = self.state(run, api, call).await?;
        if !catalogue::is_readable(&before) {
            let text =
                format!("the state before {} can't be told, so nothing is changed", call.name());
            return Err(ChangeError::Drifted(text));
        }
        let achieved = api.is_achieved(call, &before);
        let standing = if achieved { Standing::Already } else { Standing::Intended };
        let change = Change {
            standing,
            step: step.to_owned(),
            service: call.service.clone(),
            api: call.api.clone(),
            inputs: call.inputs.clone(),
            after: if achieved { before.clone() } else { Value::Null },
            before,
            request_id: None,
            error: None,
        };
        let mut kept = Kept { value: change, version: 0 };
        if !rows::store(&*self.table, key, &mut kept).await? {
            // Another worker was faster; its row is the one that counts.
            let theirs = rows::load(&*self.table, key).await?;
            return theirs.ok_or_else(|| ChangeError::Drifted(format!("{} vanished", key.sort)));
        }
        let result = if achieved { "already" } else { "intended" };
        self.enter(run, step, &call.name(), &call.inputs, None, result).await?;
        Ok(kept)
    }

    /// Makes the call until its effect shows, each time only if it does not show yet.
    async fn achieve(
        &self,
        run: &Run,
        (key, step): (&RowKey, &Step),
        api: &Api,
        call: &Call,
        row: &mut Kept<Change>,
    ) -> Result<(), ChangeError> {
        let mut lost = None;
        for attempt in 0..step.max_attempts {
            let state = self.state(run, api, call).await?;
            if api.is_achieved(call, &state) {
                return self.done(run, key, row, state).await;
            }
            if state != row.value.before {
                let text = format!(
                    "{} was changed by somebody else since the run began: it was {} and is {state}",
                    call.name(),
                    row.value.before
                );
                return Err(ChangeError::Drifted(text));
            }
            if attempt > 0 {
                self.pause(attempt).await;
                // A call that hung may have outlasted the hold: whoever has the run by now makes the call.
                self.drive(&run.id).await?;
            }
            match self.attempt(run, call, step.timeout).await {
                Ok(answer) => {
                    row.value.request_id = answer.request_id;
                    let state = self.settled_state(run, api, call).await?;
                    return self.done(run, key, row, state).await;
                }
                Err(error) if error.is_transient() => lost = Some(error),
                Err(error) => return self.failed(run, key, row, call, error).await,
            }
        }
        // Nothing is known but that it does not show; the next look goes on from here.
        Err(lost.map_or_else(
            || ChangeError::Drifted("the call does not show".to_owned()),
            ChangeError::Unreached,
        ))
    }

    async fn done(
        &self,
        run: &Run,
        key: &RowKey,
        row: &mut Kept<Change>,
        after: Value,
    ) -> Result<(), ChangeError> {
        let change = &mut row.value;
        change.standing = Standing::Done;
        change.after = after;
        let (step, call) = (change.step.clone(), change.call());
        let request = change.request_id.clone();
        // The ledger first: a line too many says the same twice, a line too few would hide an act.
        if let Some(request) = &request {
            self.know_request(run, request).await?;
        }
        self.enter(run, &step, &call.name(), &call.inputs, request.as_deref(), "done").await?;
        rows::store(&*self.table, key, row).await?;
        Ok(())
    }

    async fn failed(
        &self,
        run: &Run,
        key: &RowKey,
        row: &mut Kept<Change>,
        call: &Call,
        error: CloudError,
    ) -> Result<(), ChangeError> {
        row.value.standing = Standing::Failed;
        row.value.error = Some(error.to_string());
        let (step, request) = (row.value.step.clone(), error.request_id().map(str::to_owned));
        self.enter(run, &step, &call.name(), &call.inputs, request.as_deref(), "failed").await?;
        rows::store(&*self.table, key, row).await?;
        Err(ChangeError::Refused { api: call.name(), error })
    }

    /// The state that a call changes, as AWS shows it now.
    pub(crate) async fn state(
        &self,
        run: &Run,
        api: &Api,
        call: &Call,
    ) -> Result<Value, CloudError> {
        let session = self.session(run, call);
        let mut answers = Vec::new();
        for read in api.state_reads(call) {
            answers.push(match self.actions.call(&session, &read).await {
                Ok(answer) => Some(answer.body),
                Err(error) if error.kind() == CloudErrorKind::NotFound => None,
                Err(error) => return Err(error),
            });
        }
        Ok(api.state(call, &answers))
    }

    /// The state once it shows the call's effect, or as it is after some looks.
    async fn settled_state(&self, run: &Run, api: &Api, call: &Call) -> Result<Value, CloudError> {
        let mut state = self.state(run, api, call).await?;
        for look in 1..LOOKS {
            if api.is_achieved(call, &state) {
                break;
            }
            self.pause(look).await;
            state = self.state(run, api, call).await?;
        }
        Ok(state)
    }

    /// Where and as whom a call is made: with the rights of this call on its resource, and of the reads that show its effect,
    /// and no others.
    pub(crate) fn session(&self, run: &Run, call: &Call) -> Session {
        // The organization and its people are changed from one account, whomever it is about.
        let account = match call.service.as_str() {
            "organizations" | "sso-admin" | "identitystore" => {
                self.settings.organization_account.as_ref().unwrap_or(&run.account)
            }
            _ => &run.account,
        };
        let policy = policy::session_policy(call, &self.settings.partition, account, &run.region);
        Session {
            account: account.clone(),
            region: run.region.clone(),
            run: run.id.clone(),
            policy: Some(policy),
        }
    }

    /// Waits before another try: longer each time, and never in step with others.
    pub(crate) async fn pause(&self, attempt: u32) {
        let ceiling = 200_u64 << attempt.min(5);
        self.clock.sleep(Duration::from_millis(ceiling / 2 + fastrand::u64(..=ceiling / 2))).await;
    }
}

/// The catalogue's entry of a call that may be made.
pub(crate) fn known(call: &Call) -> Result<&'static Api, ChangeError> {
    match catalogue::find(&call.service, &call.api) {
        Some(api) if api.runs_call(call) => Ok(api),
        Some(_) => {
            Err(ChangeError::Drifted(format!("{} is planned and exported only", call.name())))
        }
        None => Err(ChangeError::Drifted(format!("{} is not in the catalogue", call.name()))),
    }
}
