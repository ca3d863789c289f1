//! Sixty days of an organization with known truth: what the loop makes of them.
//!
//! Automations and people do what rules look for, day after day; attackers do it too, with identities of their own, with
//! stolen ones from elsewhere, and on the very host of an automation. Analysts are right 83 times of a hundred and look at
//! what ranks highest, as far as they get, and at what was drawn at random. From their verdicts filters are mined, gated,
//! approved by a second person after some days, merged, voided and left to expire, all by the code that ships: the rules are
//! Sigma and run in a `RuleSet`, and so do the filters.
//!
//! `world` makes the days, `people` what analysts say, `service` is the loop, `outcome` counts.

pub(crate) mod chart;
pub(crate) mod outcome;
pub(crate) mod people;
pub(crate) mod rank;
pub(crate) mod service;
pub(crate) mod world;

use outcome::Outcome;
use service::Service;

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// What it is made of: the same seed gives the same run.
    pub(crate) seed: u64,
    /// The share of their capacity that analysts have for verdicts.
    pub(crate) labels: f64,
}

/// So many days.
pub(crate) const DAYS: u16 = 60;

/// Runs all days.
pub(crate) fn run(setup: Setup) -> Outcome {
    let mut service = Service::new(setup);
    for day in 0..DAYS {
        service.day(day);
    }
    service.outcome()
}
