//! Whether a rule's daily volume has changed: a cumulative sum (Page, 1954), which sees a small change that lasts sooner than a large
//! threshold would, and does not mind a single odd day.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::{Observed, Window};
use crate::posterior::{count, rounded};

/// The last days, which are held against those before.
pub const RECENT_DAYS: usize = 7;

/// So many days before them are needed.
pub const BASELINE_DAYS_MIN: usize = 14;

/// No more days than these are looked at.
const DAYS_MAX: i64 = 90;

const DAY_MS: i64 = 86_400_000;

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

/// The volumes of one rule's whole days in a window, oldest first, from its first finding on; days without any are zeros. What folded counts
/// in equal parts on each day from its first to its last.
#[must_use]
pub fn volumes(observed: &[Observed<'_>], rule: &str, window: Window) -> Vec<u64> {
    let mut known = BTreeMap::<i64, u64>::new();
    for entry in observed.iter().map(|one| one.entry).filter(|entry| entry.rule == rule) {
        let (first, last) = (entry.first_ms.div_euclid(DAY_MS), entry.last_ms.div_euclid(DAY_MS));
        // Findings fold for a few days; what says otherwise is cut short.
        let last = last.clamp(first, first.saturating_add(DAYS_MAX));
        let days = last.abs_diff(first) + 1;
        let (each, mut rest) = (entry.count() / days, entry.count() % days);
        for day in first..=last {
            let one_more = u64::from(rest > 0);
            rest -= one_more;
            *known.entry(day).or_default() += each + one_more;
        }
    }
    // The last day that is over: what of today there is by now is no day's volume.
    let last = window.to_ms.div_euclid(DAY_MS).saturating_sub(1);
    let first = window.from_ms.div_euclid(DAY_MS).max(last.saturating_sub(DAYS_MAX - 1));
    let Some((first, _)) = known.range(first..).next() else { return Vec::new() };
    (*first..=last).map(|day| known.get(&day).copied().unwrap_or_default()).collect()
}

fn mean(days: &[u64]) -> f64 {
    days.iter().map(|day| count(*day)).sum::<f64>() / count(days.len().max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::{HOUR, entry};

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
    fn days_without_findings_are_zeros_and_what_folded_counts_on_all_its_days() {
        let (one, mut other) = (entry(1, "r", "ana", 1), entry(2, "r", "ana", 73));
        for nth in 3..6 {
            other.folded.unite(&entry(nth, "r", "ana", 100).folded);
        }
        other.last_ms = 100 * HOUR;
        let observed = [Observed::new(&one, &[]), Observed::new(&other, &[])];
        let volumes = |rule: &str, from, to| {
            volumes(&observed, rule, Window { from_ms: from * HOUR, to_ms: to * HOUR })
        };
        assert_eq!(volumes("r", 0, 144), [1, 0, 0, 2, 2, 0]);
        assert_eq!(volumes("r", 0, 119), [1, 0, 0, 2], "the fifth day is not over");
        assert_eq!(volumes("r", 24, 120), [2, 2], "from the first of the window on");
        assert_eq!(volumes("other", 0, 144), [0; 0]);
        assert_eq!(volumes("r", 0, i64::MAX / HOUR), [0; 0], "too long ago");
        other.last_ms = i64::MAX;
        let forged = [Observed::new(&other, &[])];
        let window = Window { from_ms: 0, to_ms: 216 * HOUR };
        assert_eq!(super::volumes(&forged, "r", window).len(), 6);
    }

    #[test]
    fn too_few_days_say_nothing() {
        assert_eq!(drift(&[]), None);
        assert_eq!(drift(&[9; 20]), None);
        assert_eq!(drift(&[u64::MAX; 40]), None);
    }
}
