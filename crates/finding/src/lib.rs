//! What a rule reports: an OCSF Detection Finding with a deterministic id and no secrets.
//!
//! A finding is built only for a record that a rule matched. First the record is redacted ([`redact()`]), and all that
//! follows reads it through the redaction, so no field can carry a secret out; then it becomes one line of
//! OCSF JSON. Nothing in it is wall-clock time: the same record and rule give the same bytes on any worker,
//! any day.
//!
//! A rule may match every record of an attacker's, so a finding costs little more than the reading of its record did:
//! what its rules share is done once a record ([`Findings`]), into buffers that a worker keeps ([`FindingScratch`]).

mod analytic;
mod attack;
mod evidence;
mod fields;
mod identity;
mod inside;
mod json;
mod lines;
mod ocsf;
mod redact;
mod rendered;
mod row;
mod secret;
mod text;
mod time;
mod url;

pub use analytic::{Analytic, Level};
pub use attack::{tactic_of, technique_of};
pub use identity::{FindingId, event_uid, sha256};
pub use lines::JsonLines;
pub use ocsf::{FINDING_BYTES_MAX, Finding, FindingScratch, Findings, Origin, Place, Quieted};
pub use redact::redact;
pub use rendered::Rendered;
pub use row::{Asked, BadRow, redact_row};
