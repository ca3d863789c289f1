//! One object to its findings: gunzip, split, parse, match. Pure CPU work, the same in the service, in replay and in
//! the simulation.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use trailloop_cloudtrail::{Limits, ReadSummary, Record, Scratch, read_records};
use trailloop_finding::{Finding, FindingScratch, Findings, Origin, Place, event_uid};
use trailloop_rules::{MatchScratch, RuleSet};

use crate::live::{InForce, LiveRules, Tally, Trial};

/// What all workers share: the rules, the limits, and which records count.
pub struct Engine {
    /// The compiled rules, which may change between objects.
    pub rules: LiveRules,
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
    matching: Matching,
    /// The same for rules on trial.
    trial: Matching,
    tally: Tally,
    /// What the operator's files say of a record.
    enrichment: Vec<(&'static str, String)>,
    findings: FindingScratch,
}

/// What matching keeps from record to record.
#[derive(Default)]
struct Matching {
    scratch: MatchScratch,
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
        let Self { scratch, matching, trial: trying, tally, enrichment, findings } = self;
        let mut examined = Examined::default();
        // Taken once, so that all records of an object are evaluated by the same rules.
        let in_force = engine.rules.now();
        let InForce { rules, trial } = &*in_force;
        examined.read = read_records(object, &engine.limits, scratch, |record| {
            if !engine.filter.passes(record) {
                return ControlFlow::Continue(());
            }
            examined.records_evaluated += 1;
            match trial {
                None => rules.matches_into(&record, &mut matching.scratch, &mut matching.hits),
                Some(trial) => compare(&record, (rules, matching), (trial, trying), tally),
            }
            let Matching { scratch, hits } = matching;
            if hits.is_empty() {
                return ControlFlow::Continue(());
            }
            rules.enrichment_into(&record, scratch, enrichment);
            let origin = Origin { place, rule_set: rules.hash(), enrichment };
            let mut findings = Findings::new(record, origin, findings);
            for hit in hits.iter() {
                take(findings.of(&rules.rule(*hit).analytic))?;
            }
            ControlFlow::Continue(())
        });
        if let Some(trial) = trial {
            trial.add(tally);
        }
        examined
    }
}

/// Asks the rules in force and those on trial, and counts how they differ and what each cost.
fn compare(
    record: &Record<'_>,
    (rules, matching): (&RuleSet, &mut Matching),
    (trial, trying): (&Trial, &mut Matching),
    tally: &mut Tally,
) {
    let mut old = || timed(rules, record, matching);
    let mut new = || timed(&trial.rules, record, trying);
    // By turns, because whoever comes first meets a record that is not yet in the caches.
    let (old_took, new_took) = if tally.records.is_multiple_of(2) {
        let old_took = old();
        (old_took, new())
    } else {
        let new_took = new();
        (old(), new_took)
    };
    tally.old_took += old_took;
    tally.new_took += new_took;
    let event = || event_uid(*record);
    tally.count((rules, &matching.hits), (&trial.rules, &trying.hits), event);
}

/// Matches a record, and says how long it took.
fn timed(rules: &RuleSet, record: &Record<'_>, matching: &mut Matching) -> Duration {
    let begun = Instant::now();
    rules.matches_into(record, &mut matching.scratch, &mut matching.hits);
    begun.elapsed()
}
