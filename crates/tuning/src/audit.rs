//! Which findings are to be judged before a candidate can pass: drawn at random from what it describes, so that people cannot
//! choose the harmless ones, and by a hash, so that the draw can be made again.

use std::collections::BTreeSet;

use trailloop_finding::{Level, sha256};

use crate::applied::{Applied, upper_bound};
use crate::evidence::{Evidence, Hit};
use crate::gates::allowed;

/// More are not drawn: a level that would need them is never made quieter.
const DRAWN_MAX: u64 = 1_000;

/// How many findings have to be drawn at random, and none of them an attack, for a rule of a level; `None`: none are enough.
#[must_use]
pub fn needed(level: Level) -> Option<u64> {
    (1..=DRAWN_MAX).find(|drawn| upper_bound(*drawn, 0) <= allowed(level))
}

/// The findings that are drawn for a candidate, in the order in which to judge them: as many as its level needs and were not
/// drawn yet, or all that there are. The same `draw` picks the same ones; a finding that came since may be among them.
#[must_use]
pub fn to_audit<'e>(
    level: Level,
    applied: &Applied<'e>,
    evidence: &'e Evidence,
    draw: &str,
) -> Vec<&'e Hit> {
    let missing = needed(level).unwrap_or(0).saturating_sub(applied.audited);
    let known: BTreeSet<&str> = evidence.audited.iter().map(|one| one.uid.as_str()).collect();
    let mut drawn: Vec<(String, &Hit)> = applied
        .hidden
        .iter()
        .filter(|hit| !known.contains(hit.uid.as_str()))
        .map(|hit| (sha256(format!("{draw}\n{}", hit.uid).as_bytes()), *hit))
        .collect();
    drawn.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.uid.cmp(&other.uid)));
    drawn.truncate(usize::try_from(missing).unwrap_or(usize::MAX));
    drawn.into_iter().map(|(_, hit)| hit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_need_what_the_bound_asks() {
        let needed = Level::ALL.map(needed);
        assert_eq!(needed, [Some(59), Some(59), Some(59), Some(199), None]);
    }
}
