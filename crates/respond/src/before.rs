//! What a runbook wants read and kept before its first change (`before:`), beside the state that each change keeps itself.
//!
//! Without it nothing is changed. It stands in a row of the run, and with the evidence where that is kept. That something is
//! absent is an answer too.

use bytes::Bytes;
use serde_json::{Map, Value};
use trailloop_cloud::{CloudErrorKind, RowKey};
use trailloop_runbook::Call;
use trailloop_runbook::before::reads;
use trailloop_runbook::document::Runbook;

use crate::responder::{Halt, Responder};
use crate::rows;
use crate::run::{Run, partition};
use crate::steps::{READ_MAX, READS};

/// A row takes so much and some more; larger answers are kept with the evidence alone.
const ROW_BYTES_MAX: usize = 300_000;

impl Responder {
    /// Keeps what the runbook wants kept before its first change, once a run. `Err` inside: it can't be had, and why.
    pub(crate) async fn keep_before(
        &self,
        run: &Run,
        runbook: &Runbook,
    ) -> Result<Result<(), String>, Halt> {
        let key = RowKey::new(partition(&run.id), "before");
        if runbook.before.is_empty() || self.table.get(&key).await?.is_some() {
            return Ok(Ok(()));
        }
        let templates = match reads(runbook) {
            Ok(templates) => templates,
            Err(why) => return Ok(Err(why)),
        };
        let mut answers = Map::new();
        for template in &templates {
            let call: Call = match template.fill(&self.values(run)) {
                Ok(call) => call,
                Err(refusal) => return Ok(Err(refusal.to_string())),
            };
            let answer = match self.read(run, &call, READS, READ_MAX).await {
                Ok(answer) => answer,
                Err(error) if error.kind() == CloudErrorKind::NotFound => Value::Null,
                Err(error) if error.is_transient() => return Err(Halt::Unreached(error)),
                Err(error) => return Ok(Err(format!("{}: {error}", call.name()))),
            };
            answers.insert(call.name(), answer);
        }
        let text = Value::Object(answers.clone()).to_string();
        let hash = trailloop_finding::sha256(text.as_bytes());
        let is_small = text.len() <= ROW_BYTES_MAX;
        if let Some(vault) = &self.vault {
            let kept = vault.put(&format!("{}/before.json", run.id), Bytes::from(text)).await;
            if let Err(error) = kept {
                if !is_small {
                    return Ok(Err(format!("it is not kept: {error}")));
                }
                // The row has it; an intruder is not let be because a bucket is full.
                tracing::error!(run = run.id, %error, "what was read before is not kept with the evidence");
            }
        } else if !is_small {
            return Ok(
                Err("it is too large for a row, and respond.evidence is not set".to_owned()),
            );
        }
        let row = if is_small { Value::Object(answers) } else { Value::String(hash.clone()) };
        rows::create(&*self.table, &key, &row).await?;
        self.note(run, "before", &format!("kept {}, sha256 {hash}", runbook.before.join(", ")))
            .await?;
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_read_of_a_shipped_runbook_has_its_inputs() {
        let (runbooks, _) = trailloop_content::runbooks::shipped();
        let wants = runbooks.iter().filter(|runbook| !runbook.before.is_empty());
        assert!(wants.clone().count() > 20);
        let wrong: Vec<String> = wants
            .filter_map(|runbook| Some(format!("{}: {}", runbook.id, reads(runbook).err()?)))
            .collect();
        assert_eq!(wrong, Vec::<String>::new());
    }
}
