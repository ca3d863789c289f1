//! Holds a runbook that was read together: steps lead to steps, values to parameters, changes to their undoing.

use trailloop_rules::source::Node;

use crate::document::Runbook;
use crate::load::Reading;

/// Checks a runbook whose parts are each in order.
pub(crate) fn check(_runbook: &Runbook, _document: &Node, _reading: &mut Reading<'_, '_>) {}
