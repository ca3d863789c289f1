//! The way up: which runbooks people agreed to so often, and never had to take back, that they may be proposed to act by themselves.
//!
//! It is a proposal and no more. What acts more is a file that two people review.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::posterior::Posterior;
use crate::runs::{Ending, RunSeen};

/// So many runs that people agreed to, and that held.
pub const APPROVED_MIN: u64 = 20;

/// Within so long none was undone: sixty days.
pub const SPAN_MS: i64 = 60 * 24 * 60 * 60 * 1000;

/// The rule's precision is surely no less.
pub const PRECISION_MIN: f64 = 0.9;

/// A runbook on the findings of a rule, and how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// The runbook.
    pub runbook: String,
    /// The rule.
    pub rule: String,
    /// Runs of the span that people agreed to, and that held.
    pub approved: u64,
    /// Runs of the span that were undone.
    pub undone: u64,
    /// The precision below which the rule's lies in one of ten cases.
    pub precision_q10: f64,
    /// What is missing; nothing if it may be proposed.
    pub missing: Vec<String>,
}

/// How far each pair of runbook and rule has come. `precision` tells what is believed of a rule.
#[must_use]
pub fn ladder(runs: &[RunSeen], precision: impl Fn(&str) -> Posterior, now_ms: i64) -> Vec<Rung> {
    let mut pairs = BTreeMap::<(&str, &str), (u64, u64)>::new();
    let is_recent = |run: &&RunSeen| run.proposed_ms.is_some_and(|at| now_ms - at <= SPAN_MS);
    for run in runs.iter().filter(is_recent) {
        let (approved, undone) = pairs.entry((&run.runbook, &run.rule)).or_default();
        match run.ending {
            Ending::Contained if !run.is_automatic => *approved += 1,
            Ending::Undone => *undone += 1,
            _ => {}
        }
    }
    let rung = |((runbook, rule), (approved, undone)): ((&str, &str), (u64, u64))| {
        let precision_q10 = precision(rule).to_act();
        let mut missing = Vec::new();
        if approved < APPROVED_MIN {
            missing.push(format!("{approved} approved runs held, of {APPROVED_MIN}"));
        }
        if undone > 0 {
            missing.push(format!("{undone} were undone within 60 days"));
        }
        if precision_q10 < PRECISION_MIN {
            missing.push(format!(
                "the rule's precision is surely no less than {precision_q10:.2} alone"
            ));
        }
        let (runbook, rule) = (runbook.to_owned(), rule.to_owned());
        Rung { runbook, rule, approved, undone, precision_q10, missing }
    };
    pairs.into_iter().map(rung).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::tests::run;

    #[test]
    fn twenty_that_held_are_proposed_and_one_that_was_undone_is_too_many() {
        let sure = Posterior { alpha: 90.0, beta: 1.0 };
        let mut runs: Vec<RunSeen> =
            (0..20).map(|nth| run(nth, Ending::Contained, false)).collect();
        let now_ms = runs.iter().filter_map(|run| run.proposed_ms).max().unwrap();
        let rungs = ladder(&runs, |_| sure, now_ms);
        assert_eq!((rungs.len(), rungs[0].approved), (1, 20));
        assert_eq!(rungs[0].missing, Vec::<String>::new());
        // What acted by itself was agreed to by nobody.
        let mut automatic = runs.clone();
        automatic[0].is_automatic = true;
        assert_eq!(ladder(&automatic, |_| sure, now_ms)[0].missing.len(), 1);
        let unsure = Posterior { alpha: 9.0, beta: 1.0 };
        assert_eq!(ladder(&runs, |_| unsure, now_ms)[0].missing.len(), 1);
        runs.push(run(21, Ending::Undone, false));
        assert_eq!(ladder(&runs, |_| sure, now_ms)[0].missing.len(), 1);
        assert!(ladder(&runs, |_| sure, now_ms + 2 * SPAN_MS).is_empty());
    }
}
