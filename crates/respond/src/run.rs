//! A run: one finding, one runbook, and how far it has come.
//!
//! A run is a row of the state table, written before anything that follows from it. Its id is a hash of finding and
//! runbook, so a finding that is delivered again finds the run it began.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trailloop_cloud::RowKey;
use trailloop_finding::sha256;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing is decided yet.
    Proposed,
    /// It was noted, and that was all that was asked for.
    Observed,
    /// It was planned, and nothing changed.
    Planned,
    /// A guard refused it.
    Refused,
    /// Somebody has to agree.
    AwaitingApproval,
    /// Somebody did not agree.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// Its steps are being done.
    Running,
    /// Its steps are done, and it is watched whether they hold.
    Verifying,
    /// It held; the lease runs.
    Contained,
    /// A verdict says that it was right.
    Kept,
    /// It is being undone.
    Undoing,
    /// It was undone, and everything is as it was.
    Undone,
    /// It could not be undone, because somebody changed what we had changed.
    UndoRefused,
    /// A step failed.
    Failed,
    /// It did not hold, and others were called.
    Escalated,
}

impl Phase {
    /// Whether nothing happens to the run any more by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Observed
                | Self::Planned
                | Self::Refused
                | Self::Rejected
                | Self::Expired
                | Self::Kept
                | Self::Undone
                | Self::UndoRefused
                | Self::Failed
                | Self::Escalated
        )
    }

    /// The name in ledger, alerts and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Observed => "observed",
            Self::Planned => "planned",
            Self::Refused => "refused",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Contained => "contained",
            Self::Kept => "kept",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::UndoRefused => "undo_refused",
            Self::Failed => "failed",
            Self::Escalated => "escalated",
        }
    }
}

/// A run as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The finding.
    pub finding: String,
    /// The finding's title and level, for people.
    pub title: String,
    /// See [`Run::title`].
    pub level: String,
    /// The rule that made the finding.
    pub rule: String,
    /// The runbook, its version, and the hash of its text.
    pub runbook: String,
    /// See [`Run::runbook`].
    pub version: u32,
    /// See [`Run::runbook`].
    pub hash: String,
    /// The account to act in.
    pub account: String,
    /// The region to act in.
    pub region: String,
    /// What the lease is of: a principal's ARN, or a resource's.
    pub target: String,
    /// Whether the stream sent the finding.
    pub is_live: bool,
    /// When the event happened, in milliseconds of Unix time.
    pub event_ms: i64,
    /// When the run began.
    pub started_ms: i64,
    /// What was bound.
    pub parameters: Map<String, Value>,
    /// How far it may go, as decided.
    pub mode: String,
    /// How far it has come.
    pub phase: Phase,
    /// The next step.
    pub cursor: Option<String>,
    /// What steps gave, by step and name.
    pub outputs: BTreeMap<String, BTreeMap<String, Value>>,
    /// What it would do or does, a line a call.
    pub plan: Vec<String>,
    /// Why it was refused, held up, or failed.
    pub reasons: Vec<String>,
    /// When the steps were done.
    pub acted_ms: Option<i64>,
    /// When it was proven that they hold.
    #[serde(default)]
    pub contained_ms: Option<i64>,
    /// When they were undone.
    #[serde(default)]
    pub undone_ms: Option<i64>,
    /// Its lease ended before anybody had judged: that it is taken back then says nothing against it.
    #[serde(default)]
    pub has_expired: bool,
    /// When the present phase ends by itself: an approval, a watch, a lease, a sleep.
    pub until_ms: Option<i64>,
    /// How often a change of ours was reverted and made again.
    pub reasserted: u32,
    /// What the stream says: `explicit_deny` when a call of the lineage was denied after the act.
    pub stream_proof: Option<String>,
    /// Whether a step failed that the runbook can't do without, though it went on.
    pub has_critical_failure: bool,
    /// Calls of the lineage that succeeded after the act, if there were any.
    pub successes: Vec<String>,
    /// The line of the ledger after which those of the run begin.
    pub ledger_from: u64,
    /// The run that called this one.
    pub parent: Option<String>,
}

impl Run {
    /// The id of the run of this runbook for this finding and target.
    #[must_use]
    pub fn id_of(finding: &str, target: &str, runbook: &str, version: u32) -> String {
        let text = format!("{finding}\0{runbook}@{version}\0{target}");
        sha256(text.as_bytes()).chars().take(32).collect()
    }

    /// The row it is kept in.
    #[must_use]
    pub fn key(id: &str) -> RowKey {
        RowKey::new(partition(id), "state")
    }

    /// `contain-iam-user-key@3`.
    #[must_use]
    pub fn runbook_name(&self) -> String {
        format!("{}@{}", self.runbook, self.version)
    }

    /// SHA-256 of the parameters: what an approval is bound to beside the runbook's hash.
    #[must_use]
    pub fn parameters_hash(&self) -> String {
        crate::token::parameters_sha256(&self.parameters)
    }
}

/// The partition of a run's rows.
#[must_use]
pub fn partition(id: &str) -> String {
    format!("run/{id}")
}

/// The partition that names the runs which are not at their end.
pub const OPEN: &str = "open";
