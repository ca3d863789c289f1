//! The rights that runbooks need, wherever they act.

use serde_json::Value;
use trailloop_runbook::Runbook;
use trailloop_runbook::policy::{Place, needs};

/// The policy of the responder role.
pub(super) fn policy(runbooks: &[Runbook]) -> Value {
    needs(runbooks, &Place::anywhere_in("aws"))
}
