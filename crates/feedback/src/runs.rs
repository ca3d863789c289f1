//! What each runbook is worth, in figures: how its runs ended, how many were wrong, how long they took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::observed::share;
use crate::times::{Times, between, day_of};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It is not over.
    Open,
    /// It held.
    Contained,
    /// A guard or a person refused it, or nobody answered.
    Refused,
    /// It failed, or did not hold.
    Failed,
    /// A verdict or a person took it back.
    Undone,
}

impl Ending {
    /// The name, such as `contained`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Contained => "contained",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Undone => "undone",
        }
    }
}

/// A run of a runbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSeen {
    /// Its id.
    pub run: String,
    /// The runbook.
    pub runbook: String,
    /// The rule whose finding began it.
    pub rule: String,
    /// How it ended.
    pub ending: Ending,
    /// Nobody was asked.
    #[serde(default)]
    pub is_automatic: bool,
    /// When it was planned.
    #[serde(default)]
    pub proposed_ms: Option<i64>,
    /// When somebody agreed.
    #[serde(default)]
    pub approved_ms: Option<i64>,
    /// When it began to act.
    #[serde(default)]
    pub action_ms: Option<i64>,
    /// When it was proven to hold.
    #[serde(default)]
    pub contained_ms: Option<i64>,
    /// When the verdict undid it.
    #[serde(default)]
    pub undone_ms: Option<i64>,
}

/// What a runbook was worth in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunbookRow {
    /// The last day of the window.
    pub as_of: String,
    /// The runbook.
    pub id: String,
    /// How many runs.
    pub runs: u64,
    /// How they ended.
    #[serde(default)]
    pub endings: BTreeMap<Ending, u64>,
    /// The share of those that acted which did what they should; none if none acted.
    #[serde(default)]
    pub success: Option<f64>,
    /// The share of those that held which were wrong.
    #[serde(default)]
    pub wrong: Option<f64>,
    /// From plan to agreement.
    #[serde(default)]
    pub to_approve: Times,
    /// From the first call to the proof.
    #[serde(default)]
    pub to_hold: Times,
}

/// What each runbook was worth; the order is by id. `runs` are those of the window.
#[must_use]
pub fn runbook_rows(runs: &[RunSeen], now_ms: i64) -> Vec<RunbookRow> {
    let mut groups = BTreeMap::<&str, Vec<&RunSeen>>::new();
    for run in runs {
        groups.entry(&run.runbook).or_default().push(run);
    }
    let row = |(id, runs): (&str, Vec<&RunSeen>)| {
        let mut endings = BTreeMap::new();
        for run in &runs {
            *endings.entry(run.ending).or_default() += 1;
        }
        let ended = |ending| endings.get(&ending).copied().unwrap_or_default();
        let held = ended(Ending::Contained) + ended(Ending::Undone);
        let times = |time: fn(&RunSeen) -> Option<i64>| {
            Times::of(runs.iter().filter_map(|run| time(run)).collect())
        };
        RunbookRow {
            as_of: day_of(now_ms.saturating_sub(1)),
            id: id.to_owned(),
            runs: runs.len() as u64,
            success: share(held, held + ended(Ending::Failed)),
            wrong: share(ended(Ending::Undone), held),
            to_approve: times(|run| between(run.proposed_ms, run.approved_ms)),
            to_hold: times(|run| between(run.action_ms, run.contained_ms)),
            endings,
        }
    };
    groups.into_iter().map(row).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::metrics::tests::HOUR;

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-3, "{one} is not {other}");
    }

    pub(crate) fn run(number: u32, ending: Ending, is_automatic: bool) -> RunSeen {
        RunSeen {
            run: format!("run-{number}"),
            runbook: "disable-key".to_owned(),
            rule: "r".to_owned(),
            ending,
            is_automatic,
            proposed_ms: Some(0),
            approved_ms: (!is_automatic).then_some(60_000),
            action_ms: Some(61_000),
            contained_ms: Some(90_000),
            undone_ms: (ending == Ending::Undone).then_some(HOUR),
        }
    }

    #[test]
    fn a_runbook_in_figures() {
        use Ending::{Contained, Failed, Refused, Undone};
        let endings = [Contained, Contained, Contained, Undone, Failed, Refused];
        let runs: Vec<RunSeen> =
            (0..).zip(endings).map(|(number, ending)| run(number, ending, number > 1)).collect();
        let rows = runbook_rows(&runs, 0);
        assert_eq!(rows.len(), 1);
        near(rows[0].success.unwrap(), 0.8);
        near(rows[0].wrong.unwrap(), 0.25);
        assert_eq!(
            rows[0].to_approve,
            Times { known: 2, p50_ms: Some(60_000), p95_ms: Some(60_000) }
        );
        assert_eq!(rows[0].to_hold.p50_ms, Some(29_000));
        let kept = serde_json::to_string(&rows).unwrap();
        assert_eq!(serde_json::from_str::<Vec<RunbookRow>>(&kept).unwrap(), rows);
    }
}
