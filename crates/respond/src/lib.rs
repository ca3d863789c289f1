//! Finding in, runbook run, effect verified, undone if wrong.

pub mod alert;
pub mod evidence;
pub mod ledger;
pub mod ocsf;
pub mod token;
