//! Whether a rule can still find anything visibly beside a filter, shown by an example and not by argument.

use serde_json::Value;

use crate::applied::Applied;
use crate::candidate::{Candidate, Compiled, CompiledScratch};

/// What stands for "somebody else" and "somewhere else".
const OTHER: &str = "trailloop-other";

/// Whether something is known that the rule matches and the filter does not describe: a finding that it keeps, or one that
/// it describes with another value in one of its fields.
pub(crate) fn leaves_something(
    candidate: &Candidate,
    compiled: &Compiled,
    applied: &Applied<'_>,
) -> bool {
    if applied.kept > 0 {
        return true;
    }
    let mut scratch = CompiledScratch::default();
    let Some(hit) = applied.hidden.first() else {
        // What describes nothing leaves everything; the backtest refuses it.
        return true;
    };
    candidate.conditions.iter().any(|condition| {
        let Some(other) = with_other(&hit.record, &condition.field) else { return false };
        let (with, _) = compiled.matches(&other, &mut scratch);
        with && !compiled.describes(&other, &mut scratch)
    })
}

/// The record with another text in a field.
fn with_other(record: &[u8], field: &str) -> Option<Vec<u8>> {
    let mut root: Value = serde_json::from_slice(record).ok()?;
    let mut at = &mut root;
    for key in field.split('.') {
        at = at.get_mut(key)?;
    }
    *at = Value::String(OTHER.to_owned());
    serde_json::to_vec(&root).ok()
}
