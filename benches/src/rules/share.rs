//! Which part of the synthetic organization's records a rule set has to do with.

use trailloop_cloudtrail::{Limits, Scratch, read_records};
use trailloop_rules::{MatchScratch, RuleSet};

use crate::corpus;

/// Log objects of which the share is counted: each account writes some.
const OBJECTS: u32 = 72;
const RECORDS: u32 = 500;

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    /// Records in all.
    pub records: usize,
    /// Records for which the index leaves at least one rule to be tried.
    pub candidates: usize,
    /// How often a rule matched.
    pub matches: usize,
}

impl Share {
    /// Counts over a sample.
    #[must_use]
    pub fn of(rules: &RuleSet) -> Self {
        let mut share = Self::default();
        let (mut scratch, mut matching, mut hits) =
            (Scratch::new(), MatchScratch::new(), Vec::new());
        for object in corpus(OBJECTS, RECORDS) {
            read_records(&object.bytes, &Limits::default(), &mut scratch, |record| {
                share.records += 1;
                share.candidates += usize::from(rules.candidates(&record, &mut matching) > 0);
                rules.matches_into(&record, &mut matching, &mut hits);
                share.matches += hits.len();
            });
        }
        share
    }
}
