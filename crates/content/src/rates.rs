//! How often each shipped rule fires in an ordinary organization.
//!
//! The counts were taken over the records of the synthetic organization that `docs/synthetic-organization.md` describes;
//! `cargo run --release -p trailloop-benches --example rates` takes them again and writes the table.

use std::collections::BTreeMap;

/// The table: a head, then a rule's id, its findings, and its title a line.
pub const RATES: &str = include_str!("../rates.tsv");

/// Findings of rules among so many records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Records that the rules were asked about.
    pub records: u64,
    /// Findings by the id of the rule; rules that never fired are there with 0.
    pub findings: BTreeMap<String, u64>,
}

impl Rates {
    /// Findings of a rule a million records, if it was counted.
    #[must_use]
    pub fn per_million(&self, uid: &str) -> Option<f64> {
        let findings = *self.findings.get(uid)?;
        // Counts of findings and records are far below 2^52.
        #[expect(clippy::cast_precision_loss, reason = "the counts are small")]
        let rate = findings as f64 * 1e6 / self.records.max(1) as f64;
        Some(rate)
    }
}

/// The rates that ship with the rules.
#[must_use]
pub fn rates() -> Rates {
    let mut rates = Rates::default();
    for line in RATES.lines() {
        let mut columns = line.split('\t');
        match (columns.next(), columns.next().and_then(|count| count.parse().ok())) {
            (Some("records"), Some(records)) => rates.records = records,
            (Some(uid), Some(findings)) => {
                rates.findings.insert(uid.to_owned(), findings);
            }
            _ => {}
        }
    }
    rates
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_was_counted_and_nothing_else() {
        let rates = rates();
        assert!(rates.records >= 1_000_000, "{} records", rates.records);
        let counted: BTreeSet<String> = rates.findings.keys().cloned().collect();
        let shipped: BTreeSet<String> =
            crate::shipped().rules.into_iter().map(|rule| rule.analytic.uid).collect();
        assert_eq!(counted, shipped, "take the rates again; this file says how");
    }
}
