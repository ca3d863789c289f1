//! One object to its findings: gunzip, split, parse, match. Pure CPU work, the same in the service, in replay and in
//! the simulation.

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use trailloop_cloudtrail::{
    Glance, Keys, Limits, ReadSummary, Reader, Record, Scratch, Verdict, read_wanted,
};
use trailloop_finding::{
    Analytic, Finding, FindingScratch, Findings, Origin, Place, Quieted, event_uid,
};
use trailloop_rules::{Filter, MatchScratch, RuleSet};

use crate::live::{InForce, LiveRules, Tally, Trial};
use crate::needle::{Needles, Prints};

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

/// The fields that a filter looks at.
static TIME: LazyLock<Keys> = LazyLock::new(|| Keys::new(["eventTime"]));
static ACCOUNT: LazyLock<Keys> = LazyLock::new(|| Keys::new(["recipientAccountId"]));
static REGION: LazyLock<Keys> = LazyLock::new(|| Keys::new(["awsRegion"]));

impl RecordFilter {
    fn passes(&self, record: Record<'_>) -> bool {
        let (time, account, region) = ("eventTime", "recipientAccountId", "awsRegion");
        let text = |key: &str| Some(record.text(&[key]));
        self.decide(|| text(time), || text(account), || text(region)).unwrap_or(true)
    }

    /// Whether a record passes, if a glance can tell.
    fn passes_at_a_glance(&self, glance: &Glance<'_>) -> Option<bool> {
        let text = |key: &Keys| glance.text_of(key);
        self.decide(|| text(&TIME), || text(&ACCOUNT), || text(&REGION))
    }

    /// Decides by the texts of a record's own fields, if they can be told. Most filters ask for none of them.
    fn decide<'r>(
        &self,
        time: impl Fn() -> Option<Option<&'r str>>,
        account: impl Fn() -> Option<Option<&'r str>>,
        region: impl Fn() -> Option<Option<&'r str>>,
    ) -> Option<bool> {
        let lists =
            |list: &[String], text: Option<&str>| list.iter().any(|one| Some(one.as_str()) == text);
        Some(
            ((self.from.is_none() && self.to.is_none()) || self.holds_time(time()?))
                && (self.accounts.is_empty() || lists(&self.accounts, account()?))
                && (self.regions.is_empty() || lists(&self.regions, region()?)),
        )
    }

    /// A time that cannot be read passes: leaving its record out would hide it.
    fn holds_time(&self, text: Option<&str>) -> bool {
        let Some(time) = text.and_then(|text| text.parse().ok()) else { return true };
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
    /// What an index keeps of it, of a worker that indexes, if it was read whole.
    pub prints: Option<Prints>,
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
    /// What an index keeps of an object, if there is one.
    needles: Option<Box<Needles>>,
}

/// What matching keeps from record to record.
#[derive(Default)]
struct Matching {
    scratch: MatchScratch,
    hits: Vec<u32>,
}

impl Worker {
    /// A worker that also notes, in the same pass, what an index keeps of each object.
    #[must_use]
    pub fn indexing(is_on: bool) -> Self {
        Self { needles: is_on.then(Box::default), ..Self::default() }
    }

    /// The same worker with fresh buffers.
    pub(crate) fn renewed(&self) -> Self {
        Self::indexing(self.needles.is_some())
    }

    /// Examines one object. Its findings go to `take`, by record and then by rule id, until it wants no more: they
    /// are never held here, because one small object may have any number of them.
    pub fn examine(
        &mut self,
        engine: &Engine,
        object: &[u8],
        place: Place<'_>,
        mut take: impl FnMut(Finding) -> ControlFlow<()>,
    ) -> Examined {
        self.examine_each(engine, object, place, |findings, analytic| take(findings.of(analytic)))
    }

    /// The same for who writes findings himself: `take` gets what knows the findings of a record, and whose finding is
    /// its turn.
    pub fn examine_each(
        &mut self,
        engine: &Engine,
        object: &[u8],
        place: Place<'_>,
        mut take: impl FnMut(&mut Findings<'_>, &Analytic) -> ControlFlow<()>,
    ) -> Examined {
        let Self { scratch, matching, trial: trying, tally, enrichment, findings, needles } = self;
        // Taken once, so that all records of an object are evaluated by the same rules.
        let in_force = engine.rules.now();
        let InForce { rules, trial } = &*in_force;
        let take = &mut take;
        let filter = &engine.filter;
        let mut examiner = Examiner {
            filter,
            rules,
            trial,
            matching,
            trying,
            tally,
            enrichment,
            findings,
            place,
            evaluated: 0,
            take,
        };
        let (read, prints) = match needles {
            None => (read_wanted(object, &engine.limits, scratch, &mut examiner), None),
            Some(needles) => {
                let mut both = Indexing { examiner: &mut examiner, needles };
                let read = read_wanted(object, &engine.limits, scratch, &mut both);
                let prints = needles.prints();
                // Of an object that is not whole nobody knows what the rest holds.
                let prints = read.is_whole().then_some(prints);
                (read, prints)
            }
        };
        let records_evaluated = examiner.evaluated + read.passed_over;
        if let Some(trial) = trial {
            tally.records += read.passed_over;
            trial.add(tally);
        }
        Examined { records_evaluated, read, prints }
    }
}

/// What is done with each record of an object.
struct Examiner<'e, T> {
    filter: &'e RecordFilter,
    rules: &'e RuleSet,
    trial: &'e Option<Arc<Trial>>,
    matching: &'e mut Matching,
    trying: &'e mut Matching,
    tally: &'e mut Tally,
    enrichment: &'e mut Vec<(&'static str, String)>,
    findings: &'e mut FindingScratch,
    place: Place<'e>,
    evaluated: u64,
    take: &'e mut T,
}

impl<T: FnMut(&mut Findings<'_>, &Analytic) -> ControlFlow<()>> Reader for Examiner<'_, T> {
    /// Most records end here: one that no rule can match is not parsed.
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        let may_match = |rules: &RuleSet, matching: &mut Matching| {
            rules.may_match(glance, &mut matching.scratch)
        };
        match self.filter.passes_at_a_glance(glance) {
            None => Verdict::Parse,
            Some(false) => Verdict::Leave,
            Some(true) if may_match(self.rules, self.matching) => Verdict::Parse,
            Some(true) => match self.trial {
                Some(trial) if may_match(&trial.rules, self.trying) => Verdict::Parse,
                _ => Verdict::PassOver,
            },
        }
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        if !self.filter.passes(record) {
            return ControlFlow::Continue(());
        }
        self.evaluated += 1;
        let Self { rules, matching, enrichment, findings, place, .. } = self;
        match self.trial {
            None => rules.matches_into(&record, &mut matching.scratch, &mut matching.hits),
            Some(trial) => compare(&record, (rules, matching), (trial, self.trying), self.tally),
        }
        let Matching { scratch, hits } = &mut **matching;
        if hits.is_empty() {
            return ControlFlow::Continue(());
        }
        rules.enrichment_into(&record, scratch, enrichment);
        let origin = Origin { place: *place, rule_set: rules.hash(), enrichment };
        let mut findings = Findings::new(record, origin, findings);
        for hit in hits.iter() {
            // By the day of the event, so that a finding is the same on whatever day it is made.
            let is_in_force = |filter: &Filter| in_force(filter, record);
            let filter = rules.quieted_by_any(*hit, &record, scratch, is_in_force);
            findings.quieten(filter.map(|one| Quieted { title: &one.title, hash: one.hash() }));
            (self.take)(&mut findings, &rules.rule(*hit).analytic)?;
        }
        ControlFlow::Continue(())
    }
}

/// The characters of `2026-01-31`.
const DAY_CHARACTERS: usize = 10;

/// Whether a filter that makes its rule quieter holds on the day of an event: one before it expires, not one that nobody knows.
fn in_force(filter: &Filter, record: Record<'_>) -> bool {
    let day = record.text(&["eventTime"]).and_then(|time| time.get(..DAY_CHARACTERS));
    filter.expires().is_some_and(|expires| day.is_some_and(|day| day < expires))
}

/// The same, and what an index keeps of each record. Whatever a glance can't tell for the index is parsed.
struct Indexing<'i, R> {
    examiner: &'i mut R,
    needles: &'i mut Needles,
}

impl<R: Reader> Reader for Indexing<'_, R> {
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        let is_told = self.needles.look(glance);
        match self.examiner.verdict(glance) {
            verdict @ (Verdict::PassOver | Verdict::Leave) if is_told => verdict,
            _ => Verdict::Parse,
        }
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        self.needles.add(record);
        self.examiner.take(record)
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
