//! What is kept of a run, for whoever looks into it later: the record and those around it, the finding, the ledger's lines, and
//! what came of it as an OCSF Remediation Activity.

use std::ops::ControlFlow;

use bytes::Bytes;
use trailloop_cloud::{CloudError, ObjectRef};
use trailloop_cloudtrail::{Record, Scratch, read_records};
use trailloop_finding::sha256;

use crate::change::Standing;
use crate::context::Case;
use crate::evidence::{Bundle, EvidenceRecord, SourceObject, verify};
use crate::ocsf::{Outcome, Status, Tactic, remediation};
use crate::responder::{Halt, Responder};
use crate::run::{Phase, Run};
use crate::time::rfc3339;

/// So many records before and after the finding's own.
const AROUND: u64 = 100;

/// So many of the ledger's lines since the run began are looked through for those of the run.
const LEDGER_LINES: usize = 5_000;

impl Responder {
    /// Keeps the evidence when a run comes to a phase that somebody may ask about; the first time before anything is changed.
    pub(crate) async fn keep(&self, run: &Run, case: &Case) -> Result<(), Halt> {
        let Some(vault) = &self.vault else { return Ok(()) };
        let wanted = matches!(
            run.phase,
            Phase::AwaitingApproval
                | Phase::Running
                | Phase::Contained
                | Phase::Failed
                | Phase::Escalated
                | Phase::Undone
                | Phase::UndoRefused
        );
        if !wanted {
            return Ok(());
        }
        let bundle = self.bundle(run, case).await?;
        let files = bundle.files();
        let folder = format!("{}/{}", run.id, run.phase.name());
        for (name, bytes) in &files {
            vault.put(&format!("{folder}/{name}"), bytes.clone()).await?;
        }
        if let Ok(hash) = verify(&files) {
            self.note(run, "evidence", &format!("kept in {folder}, manifest {hash}")).await?;
        }
        if run.phase.is_final() || run.phase == Phase::Contained {
            let outcome = self.outcome(run).await?;
            let text = remediation(&outcome).to_string();
            vault.put(&format!("{folder}/remediation.json"), Bytes::from(text)).await?;
        }
        Ok(())
    }

    async fn bundle(&self, run: &Run, case: &Case) -> Result<Bundle, Halt> {
        let (objects, records) = self.around(case).await?;
        let lines = self.ledger.lines(run.ledger_from, LEDGER_LINES).await;
        let lines = lines.map_err(|error| Halt::Unsure(error.to_string()))?;
        let of_run = format!("\"run\":\"{}\"", run.id);
        Ok(Bundle {
            run: run.id.clone(),
            finding: run.finding.clone(),
            runbook: run.runbook_name(),
            time: rfc3339(run.acted_ms.unwrap_or(run.started_ms)),
            objects,
            records,
            findings: vec![case.confirmed.finding.to_string()],
            ledger: lines
                .into_iter()
                .map(|line| line.text)
                .filter(|text| text.contains(&of_run))
                .collect(),
        })
    }

    /// The finding's record and those around it in its object, as they stand in the log.
    async fn around(
        &self,
        case: &Case,
    ) -> Result<(Vec<SourceObject>, Vec<EvidenceRecord>), CloudError> {
        let at = |name: &str| {
            case.confirmed.finding.pointer(&format!("/unmapped/trailloop/location/{name}")).cloned()
        };
        let text = |name: &str| at(name).and_then(|value| value.as_str().map(str::to_owned));
        let (bucket, key) = (text("bucket").unwrap_or_default(), text("key").unwrap_or_default());
        let matched = at("index").and_then(|index| index.as_u64()).unwrap_or_default();
        let version = text("version");
        let object = ObjectRef { version: version.clone(), ..ObjectRef::new(&bucket, &key) };
        let bytes = match self.archive.store.get(&object, self.archive.object_bytes_max).await {
            Ok(object) => object.bytes,
            Err(error) if error.is_transient() => return Err(error),
            // What is gone since can't be kept; the finding quotes its record.
            Err(error) => {
                tracing::warn!(%error, "the finding's object can't be kept as evidence");
                return Ok((Vec::new(), Vec::new()));
            }
        };
        let source = SourceObject {
            bucket,
            key,
            version,
            bytes: bytes.len() as u64,
            sha256: sha256(&bytes),
        };
        let limits = self.archive.engine.limits;
        let (first, last) = (matched.saturating_sub(AROUND), matched + AROUND);
        let read = tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            read_records(&bytes, &limits, &mut Scratch::new(), |record: Record<'_>| {
                let index = record.index();
                if index > last {
                    return ControlFlow::Break(());
                }
                if index >= first {
                    records.push(EvidenceRecord {
                        object: 0,
                        index,
                        is_matched: index == matched,
                        raw: Bytes::copy_from_slice(record.raw()),
                    });
                }
                ControlFlow::Continue(())
            });
            records
        });
        Ok((vec![source], read.await.unwrap_or_default()))
    }

    /// What came of a run.
    async fn outcome(&self, run: &Run) -> Result<Outcome, Halt> {
        let changes = self.changes_of(run).await?;
        let made = changes
            .iter()
            .filter(|(_, row)| matches!(row.value.standing, Standing::Done | Standing::Undone));
        let calls: Vec<(String, Option<String>)> =
            made.map(|(_, row)| (row.value.call().name(), row.value.request_id.clone())).collect();
        let runbook = self.runbooks.iter().find(|one| one.id == run.runbook);
        let status = match run.phase {
            Phase::Contained | Phase::Kept | Phase::Undone => Status::Success,
            Phase::Escalated if !calls.is_empty() => Status::Partial,
            Phase::Failed | Phase::Escalated | Phase::UndoRefused => Status::Failure,
            _ => Status::Unsupported,
        };
        let tactic = match calls.first().map(|(api, _)| api.as_str()) {
            None => Tactic::Other,
            Some(api) if api.starts_with("organizations:") => Tactic::Isolate,
            Some(api) if api.starts_with("iam:") || api.starts_with("sso-admin:") => Tactic::Evict,
            Some(_) => Tactic::Restore,
        };
        let seconds = (run.acted_ms.unwrap_or(run.started_ms) - run.started_ms) / 1000;
        let proof = run.stream_proof.as_deref().unwrap_or("read back");
        Ok(Outcome {
            run: run.id.clone(),
            finding: run.finding.clone(),
            runbook: run.runbook_name(),
            runbook_sha256: run.hash.clone(),
            account: run.account.clone(),
            region: run.region.clone(),
            severity: Self::level_of(run),
            time_ms: self.clock.now_ms(),
            tactic,
            status,
            message: format!("{} after {seconds} s, proved by: {proof}", run.phase.name()),
            done: runbook.map(|one| one.description.clone()).unwrap_or_default(),
            countermeasures: runbook.map(|one| one.d3fend.clone()).unwrap_or_default(),
            calls,
            is_undo: matches!(run.phase, Phase::Undone | Phase::UndoRefused),
        })
    }
}
