//! Whether a rule's daily volume has changed: a cumulative sum (Page, 1954), which sees a small change that lasts sooner than a large
//! threshold would, and does not mind a single odd day.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::metrics::Row;
use crate::posterior::{count, rounded};

/// The last days, which are held against those before.
pub const RECENT_DAYS: usize = 7;

/// So many days before them are needed.
pub const BASELINE_DAYS_MIN: usize = 14;

/// No more days than these are looked at.
const DAYS_MAX: usize = 90;

/// A day's excess counts beyond half a deviation.
const SLACK: f64 = 0.5;

/// The sum that is an alarm, in deviations.
const ALARM: f64 = 5.0;

/// A change of volume.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The mean of the days before.
    pub before: f64,
    /// The mean of the last days.
    pub recent: f64,
}

impl Drift {
    /// Whether there is more than before. An attacker who floods a filter to hide behind it looks like this; less may be a
    /// trail that has lost a part.
    #[must_use]
    pub fn is_more(&self) -> bool {
        self.recent > self.before
    }
}

/// The change of a volume, if it has changed; the last day comes last, days without findings are zeros.
#[must_use]
pub fn drift(daily: &[u64]) -> Option<Drift> {
    let split = daily.len().checked_sub(RECENT_DAYS)?;
    let (baseline, recent) = daily.split_at(split);
    if baseline.len() < BASELINE_DAYS_MIN {
        return None;
    }
    let before = mean(baseline);
    let square = |day: &u64| (count(*day) - before) * (count(*day) - before);
    let variance = baseline.iter().map(square).sum::<f64>() / count(baseline.len() as u64 - 1);
    // Counts vary at least as those of independent events do, and a rule that was silent may fire once.
    let deviation = variance.max(before).max(1.0).sqrt();
    let (mut more, mut less) = (0.0_f64, 0.0_f64);
    let mut has_changed = false;
    for day in recent {
        let away = (count(*day) - before) / deviation;
        more = (more + away - SLACK).max(0.0);
        less = (less - away - SLACK).max(0.0);
        has_changed |= more > ALARM || less > ALARM;
    }
    has_changed.then(|| Drift { before: rounded(before), recent: rounded(mean(recent)) })
}

/// The volumes of one rule's days up to one, such as `2026-11-26`, oldest first: those of its rows, which are of windows of a day, and
/// zeros for days without any. Empty if the day is none.
#[must_use]
pub fn volumes(rows: &[Row], rule: &str, until: &str) -> Vec<u64> {
    let Ok(until) = until.parse::<Date>() else { return Vec::new() };
    let mut known = BTreeMap::<Date, u64>::new();
    for row in rows.iter().filter(|row| row.id == rule) {
        if let Ok(day) = row.as_of.parse::<Date>() {
            known.insert(day, row.volume);
        }
    }
    let Some((first, _)) = known.first_key_value() else { return Vec::new() };
    let days = first.series(1.day()).take_while(|day| *day <= until);
    let mut volumes: Vec<u64> =
        days.map(|day| known.get(&day).copied().unwrap_or_default()).collect();
    volumes.drain(..volumes.len().saturating_sub(DAYS_MAX));
    volumes
}

fn mean(days: &[u64]) -> f64 {
    days.iter().map(|day| count(*day)).sum::<f64>() / count(days.len().max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::{HOUR, entry};
    use crate::metrics::{Changes, Observed, Window, rows};

    fn days(baseline: &[u64], recent: [u64; RECENT_DAYS]) -> Vec<u64> {
        let mut days = baseline.repeat(4);
        days.extend(recent);
        days
    }

    #[test]
    fn what_lasts_is_seen_and_one_odd_day_is_not() {
        let usual = [10, 12, 8, 11, 9, 10, 10];
        assert_eq!(drift(&days(&usual, [10, 12, 8, 11, 9, 10, 10])), None);
        assert_eq!(drift(&days(&usual, [10, 10, 24, 10, 10, 10, 10])), None);
        let more = drift(&days(&usual, [15, 16, 15, 14, 16, 15, 15])).unwrap();
        assert!(more.is_more());
        assert!((more.before - 10.0).abs() < 1e-9 && more.recent > 15.0);
        let less = drift(&days(&usual, [0; RECENT_DAYS])).unwrap();
        assert!(!less.is_more());
        // A silent rule that fires once is no change; one that fires daily is.
        assert_eq!(drift(&days(&[0; 7], [0, 0, 0, 0, 0, 0, 1])), None);
        assert!(drift(&days(&[0; 7], [2, 2, 2, 2, 2, 2, 2])).is_some());
    }

    #[test]
    fn days_without_findings_are_zeros() {
        let row = |number: u32, hour: i64| {
            let one = entry(number, "r", "ana", hour);
            let observed = [Observed::new(&one, &[])];
            let window = Window { from_ms: 0, to_ms: (hour + 1) * HOUR };
            rows(&observed, window, &Changes::new()).remove(0)
        };
        let kept = [row(2, 75), row(1, 1)];
        assert_eq!(volumes(&kept, "r", "1970-01-05"), [1, 0, 0, 1, 0]);
        assert_eq!(volumes(&kept, "other", "1970-01-05"), [0; 0]);
        assert_eq!(volumes(&kept, "r", "someday"), [0; 0]);
        assert_eq!(volumes(&kept, "r", "9999-12-31").len(), DAYS_MAX);
    }

    #[test]
    fn too_few_days_say_nothing() {
        assert_eq!(drift(&[]), None);
        assert_eq!(drift(&[9; 20]), None);
        assert_eq!(drift(&[u64::MAX; 40]), None);
    }
}
