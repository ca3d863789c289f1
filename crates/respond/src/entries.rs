//! What is written down of a run: the ledger's lines, and which requests of AWS were ours.

use serde_json::{Map, Value};
use trailloop_cloud::{CloudError, CloudErrorKind, RowKey};

use crate::confirm::Doubt;
use crate::context::Case;
use crate::hint::Hint;
use crate::ledger::{Entry, LedgerError};
use crate::responder::{Halt, Responder};
use crate::rows;
use crate::run::{Phase, Run};

impl Responder {
    /// A line of the ledger.
    pub(crate) async fn enter(
        &self,
        run: &Run,
        step: &str,
        api: &str,
        inputs: &Map<String, Value>,
        request_id: Option<&str>,
        result: &str,
    ) -> Result<(), CloudError> {
        let entry = Entry {
            time: crate::time::rfc3339(self.clock.now_ms()),
            kind: if api.is_empty() { "run" } else { "call" }.to_owned(),
            run: run.id.clone(),
            finding: run.finding.clone(),
            runbook: run.runbook_name(),
            runbook_sha256: run.hash.clone(),
            step: step.to_owned(),
            account: run.account.clone(),
            api: api.to_owned(),
            params: Value::Object(inputs.clone()),
            aws_request_id: request_id.map(str::to_owned),
            result: result.to_owned(),
            actor: self.worker.clone(),
        };
        self.append(&entry).await
    }

    /// A line about a message that led to no run.
    pub(crate) async fn note_doubt(&self, hint: &Hint, doubt: &Doubt) -> Result<(), Halt> {
        let entry = Entry {
            time: crate::time::rfc3339(self.clock.now_ms()),
            kind: "refused".to_owned(),
            finding: hint.uid.clone(),
            result: doubt.to_string(),
            actor: self.worker.clone(),
            ..Entry::default()
        };
        Ok(self.append(&entry).await?)
    }

    async fn append(&self, entry: &Entry) -> Result<(), CloudError> {
        match self.ledger.append(entry).await {
            Ok(_) => Ok(()),
            Err(LedgerError::Table(error)) => Err(error),
            Err(error) => {
                let text = error.to_string();
                Err(CloudError::new(CloudErrorKind::Transient, "append", "ledger", text))
            }
        }
    }

    /// A line of the ledger that is about no call.
    pub(crate) async fn note(&self, run: &Run, step: &str, result: &str) -> Result<(), Halt> {
        Ok(self.enter(run, step, "", &Map::new(), None, result).await?)
    }

    /// The ledger's line of a new phase, the evidence, and whoever is to be told.
    pub(crate) async fn enter_phase(&self, run: &Run, case: &Case) -> Result<(), Halt> {
        self.note(run, "run", run.phase.name()).await?;
        if let Err(error) = self.keep(run, case).await {
            // An intruder is not let be because a bucket is full.
            tracing::error!(run = run.id, %error, "the evidence is not kept");
            self.note(run, "evidence", &format!("not kept: {error}")).await?;
        }
        if matches!(run.phase, Phase::Kept | Phase::Undone) {
            self.resolve_incident(run).await?;
        }
        self.tell(run, case, run.phase.name()).await
    }

    /// Keeps that a request was ours.
    pub(crate) async fn know_request(&self, run: &Run, request: &str) -> Result<(), CloudError> {
        rows::create(&*self.table, &RowKey::new("request", request), &run.id).await?;
        Ok(())
    }

    /// Whether a request was ours.
    pub(crate) async fn knows_request(&self, request: &str) -> Result<bool, CloudError> {
        Ok(self.table.get(&RowKey::new("request", request)).await?.is_some())
    }
}
