//! One object to its findings: gunzip, split, parse, match. Pure CPU work, the same in the service, in replay and in
//! the simulation.

use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;
use trailloop_cloudtrail::{Limits, ReadSummary, Record, Scratch, read_records};
use trailloop_finding::{Finding, Place};
use trailloop_rules::{MatchScratch, RuleSet};

/// What all workers share: the rules, the limits, and which records count.
pub struct Engine {
    /// The compiled rules.
    pub rules: Arc<RuleSet>,
    /// What one object may cost.
    pub limits: Limits,
    /// Which records are evaluated.
    pub filter: RecordFilter,
}

/// Which records are evaluated; by default all.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// Only events at this time or later.
    pub from: Option<Timestamp>,
    /// Only events before this time.
    pub to: Option<Timestamp>,
    /// Only events of these accounts (`recipientAccountId`), if any are named.
    pub accounts: Vec<String>,
    /// Only events of these regions (`awsRegion`), if any are named.
    pub regions: Vec<String>,
}

impl RecordFilter {
    fn passes(&self, record: Record<'_>) -> bool {
        let listed = |list: &[String], key: &str| {
            list.is_empty()
                || record.text(&[key]).is_some_and(|text| list.iter().any(|one| one == text))
        };
        self.in_window(record)
            && listed(&self.accounts, "recipientAccountId")
            && listed(&self.regions, "awsRegion")
    }

    /// A record whose time cannot be read passes: leaving it out would hide it.
    fn in_window(&self, record: Record<'_>) -> bool {
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        let Some(time) = record.text(&["eventTime"]).and_then(|text| text.parse().ok()) else {
            return true;
        };
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }
}

/// What an object came to, beside its findings.
#[derive(Debug, Default)]
pub struct Examined {
    /// Records that rules were tested against.
    pub records_evaluated: u64,
    /// How reading went.
    pub read: ReadSummary,
}

/// A worker's own buffers, kept from object to object.
#[derive(Default)]
pub struct Worker {
    scratch: Scratch,
    matching: MatchScratch,
    hits: Vec<u32>,
}

impl Worker {
    /// Examines one object. Its findings go to `take`, by record and then by rule id, until it wants no more: they
    /// are never held here, because one small object may have any number of them.
    pub fn examine(
        &mut self,
        engine: &Engine,
        object: &[u8],
        place: Place<'_>,
        mut take: impl FnMut(Finding) -> ControlFlow<()>,
    ) -> Examined {
        let Self { scratch, matching, hits } = self;
        let mut examined = Examined::default();
        examined.read = read_records(object, &engine.limits, scratch, |record| {
            if !engine.filter.passes(record) {
                return ControlFlow::Continue(());
            }
            examined.records_evaluated += 1;
            engine.rules.matches_into(&record, matching, hits);
            for hit in hits.iter() {
                let rule = engine.rules.rule(*hit);
                take(Finding::new(&rule.analytic, record, place))?;
            }
            ControlFlow::Continue(())
        });
        examined
    }
}
