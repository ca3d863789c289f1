//! Findings with what was said of them, which is all that metrics are made of.

use std::collections::BTreeMap;

use trailloop_finding::Level;

use crate::entry::Entry;
use crate::judgement::{Opinion, Standing};
use crate::posterior::{Change, Label, Posterior, count, rounded};

/// A finding, and what was said of it.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The finding.
    pub entry: &'a Entry,
    /// What was said, in any order.
    pub opinions: &'a [Opinion],
    /// With which probability it was drawn to be judged: 1 if people chose it themselves.
    pub probability: f64,
    /// How much those who judged are relied on, from 0 to 1.
    pub reliance: f64,
}

impl<'a> Observed<'a> {
    /// A finding that people chose themselves to judge, if they did.
    #[must_use]
    pub fn new(entry: &'a Entry, opinions: &'a [Opinion]) -> Self {
        Self { entry, opinions, probability: 1.0, reliance: 1.0 }
    }
}

/// A span of event time, and the time that counts as now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first time in it.
    pub from_ms: i64,
    /// The first time after it.
    pub to_ms: i64,
}

impl Window {
    /// So many days that end now.
    #[must_use]
    pub fn days(days: i64, now_ms: i64) -> Self {
        let span = days.saturating_mul(24 * 60 * 60 * 1000);
        Self { from_ms: now_ms.saturating_sub(span), to_ms: now_ms }
    }

    pub(crate) fn holds(self, entry: &Entry) -> bool {
        entry.last_ms >= self.from_ms && entry.first_ms < self.to_ms
    }
}

pub(crate) fn standings(group: &[Observed<'_>]) -> Vec<Option<Standing>> {
    group.iter().map(|one| Standing::of(one.opinions)).collect()
}

/// How a version of a rule differs from the one before it, by the hash of the version. Of one that is not named nothing is known, and
/// it begins anew.
pub type Changes = BTreeMap<String, Change>;

/// What is believed of a rule's last version after all that was said of its findings, version by version in the order in which they
/// first found something. A finding that several people judged counts once.
pub(crate) fn precision(
    group: &[Observed<'_>],
    standings: &[Option<Standing>],
    changes: &Changes,
    now_ms: i64,
) -> Posterior {
    let mut versions = BTreeMap::<Option<&str>, Version>::new();
    for (one, standing) in group.iter().zip(standings) {
        let Observed { entry, probability, reliance, .. } = *one;
        let version = versions.entry(entry.rule_hash.as_deref()).or_insert(Version {
            first_ms: entry.first_ms,
            level: entry.level,
            labels: Vec::new(),
        });
        version.first_ms = version.first_ms.min(entry.first_ms);
        version.level = version.level.max(entry.level);
        if let Some(standing) = standing {
            let age_ms = now_ms.saturating_sub(standing.last_ms);
            version.labels.push(Label {
                judgement: standing.judgement,
                age_ms,
                reliance,
                probability,
            });
        }
    }
    let mut versions: Vec<(Option<&str>, Version)> = versions.into_iter().collect();
    versions.sort_by_key(|(hash, version)| (version.first_ms, *hash));
    let mut believed: Option<Posterior> = None;
    for (hash, version) in versions {
        let change = hash.and_then(|hash| changes.get(hash)).copied().unwrap_or(Change::Other);
        let prior = match believed {
            Some(believed) => believed.carried_over(version.level, change),
            None => Posterior::prior(version.level),
        };
        believed = Some(prior.with_all(version.labels));
    }
    let Posterior { alpha, beta } = believed.unwrap_or_else(|| Posterior::prior(Level::Medium));
    Posterior { alpha: rounded(alpha), beta: rounded(beta) }
}

/// The findings of one version of a rule.
struct Version {
    first_ms: i64,
    level: Level,
    labels: Vec<Label>,
}

/// A part of a whole; none of nothing.
pub(crate) fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| rounded(count(part) / count(all)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Judgement;
    use crate::metrics::tests::{HOUR, entry, said};

    #[test]
    fn a_version_keeps_of_the_one_before_what_its_change_leaves() {
        let version = |number: u32, hash: &str| {
            let mut entry = entry(number, "r", "ana", i64::from(number));
            entry.rule_hash = Some(hash.to_owned());
            entry
        };
        let mut entries: Vec<Entry> = (0..40).map(|number| version(number, "old")).collect();
        entries.push(version(50, "new"));
        let judged = [said("ana", Judgement::TruePositive, 60)];
        let observed: Vec<Observed<'_>> = entries
            .iter()
            .map(|entry| {
                let is_old = entry.rule_hash.as_deref() == Some("old");
                Observed::new(entry, if is_old { &judged } else { &[] })
            })
            .collect();
        let after = |change: Option<Change>| {
            let changes = change.map(|change| ("new".to_owned(), change)).into_iter().collect();
            precision(&observed, &standings(&observed), &changes, 60 * HOUR)
        };
        assert_eq!(after(None), Posterior::prior(Level::Medium));
        assert_eq!(after(Some(Change::Other)), Posterior::prior(Level::Medium));
        assert_eq!(after(Some(Change::Same)), Posterior { alpha: 41.0, beta: 3.0 });
        let narrowed = after(Some(Change::Narrowed));
        assert!((narrowed.alpha + narrowed.beta - 10.0).abs() < 1e-3);
        assert!((narrowed.mean() - 41.0 / 44.0).abs() < 1e-3);
    }
}
