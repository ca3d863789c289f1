//! Analysts: right 83 times of a hundred, one finding at a time, and never of one mind at once.

use fastrand::Rng;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// How often an analyst is right.
pub(crate) const RIGHT: f64 = 0.83;

/// So many analysts.
const ANALYSTS: usize = 8;

/// A finding that somebody calls true is looked at by others until it leads by so many votes, because an incident follows,
/// or harmless by so many.
const LEAD_TRUE: i32 = 6;
const LEAD_HARMLESS: i32 = 3;

/// What was said of a finding so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Votes {
    /// Votes for true less votes for harmless.
    lead: i32,
    cast: u32,
    reviewer: usize,
}

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Unjudged,
    /// Somebody called it true, and others have to look.
    Open,
    True,
    Harmless,
}

impl Votes {
    /// One more analyst looks at the finding.
    pub(crate) fn cast(&mut self, is_attack: bool, random: &mut Rng) {
        let is_right = random.f64() < RIGHT;
        self.lead += if is_right == is_attack { 1 } else { -1 };
        self.cast += 1;
        // The next one is never who looked last.
        self.reviewer = (self.reviewer + 1 + random.usize(0..ANALYSTS - 1)) % ANALYSTS;
    }

    pub(crate) fn standing(self) -> Standing {
        match (self.cast, self.lead) {
            (0, _) => Standing::Unjudged,
            // One who finds it harmless is believed; attacks are told from drills and mistakes by several.
            (1, ..0) => Standing::Harmless,
            (_, lead) if lead <= -LEAD_HARMLESS => Standing::Harmless,
            (_, LEAD_TRUE..) => Standing::True,
            _ => Standing::Open,
        }
    }

    pub(crate) fn reviewer(self) -> String {
        format!("analyst-{}", self.reviewer)
    }
}

/// The date of a day of the simulation.
pub(crate) fn date_of(day: u16) -> Date {
    let first = date(2026, 1, 5);
    first.checked_add(i64::from(day).days()).unwrap_or(first)
}

/// The noon of such a day.
pub(crate) fn noon_of(day: u16) -> Timestamp {
    TimeZone::UTC.to_timestamp(date_of(day).at(12, 0, 0, 0)).unwrap_or(Timestamp::MIN)
}
