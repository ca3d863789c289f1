//! Finding in, runbook run, effect verified, undone if wrong.
