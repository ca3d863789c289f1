//! The demo's end: what verdicts on a noisy rule come to.

use std::path::PathBuf;

use super::{counted, line};
use crate::show::{shown, thousands};

/// What happened when the loop was closed.
pub(crate) struct Closing {
    /// The rule's title.
    pub(crate) rule: String,
    /// For how many nights a scanner has set it off.
    pub(crate) nights: i64,
    /// Records of the archive, which the backtest read.
    pub(crate) records: u64,
    /// How many findings were judged.
    pub(crate) verdicts: usize,
    /// Findings of the rule that people see, before the filter and with it.
    pub(crate) found: usize,
    pub(crate) left: usize,
    /// The same of all rules.
    pub(crate) found_by_all: usize,
    pub(crate) left_by_all: usize,
    /// Findings judged an attack that people see, before and after.
    pub(crate) attacks: (usize, usize),
    /// What stands first, before and after.
    pub(crate) first: (String, String),
    /// The proposed filter, and the report of its evidence.
    pub(crate) filter: PathBuf,
    pub(crate) report: PathBuf,
}

impl Closing {
    pub(crate) fn tell(&self, text: &mut String) {
        let rule = shown(&self.rule);
        line(text, "HOW THE NEXT DAY IS QUIETER");
        line(
            text,
            &format!(
                "  noise     {rule}: {} in {} nights,",
                counted(self.found, "finding"),
                self.nights
            ),
        );
        line(
            text,
            "            nearly all of a posture scanner with a key of its own; the intruder's are among them",
        );
        line(
            text,
            &format!(
                "  verdicts  {} of them judged, by this program itself, where else people do: the scanner's drawn by chance",
                self.verdicts
            ),
        );
        line(
            text,
            &format!(
                "  proposed  a filter of that rule, through ten gates; its backtest read {} records",
                thousands(self.records)
            ),
        );
        line(
            text,
            &format!(
                "  merged    the same logs again: {} of the rule to look at, where there were {}; of all rules {} of {}",
                self.left, self.found, self.left_by_all, self.found_by_all
            ),
        );
        let (before, after) = self.attacks;
        line(
            text,
            &format!(
                "  attack    judged findings of it to look at: {before} before, {after} after"
            ),
        );
        line(text, &format!("  first     before   {}", shown(&self.first.0)));
        line(text, &format!("            after    {}", shown(&self.first.1)));
        line(text, &format!("  files     {}", self.filter.display()));
        line(text, &format!("            {}", self.report.display()));
        line(text, "");
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::story) fn example() -> Closing {
        Closing {
            rule: "All is read\u{1b}[2J".to_owned(),
            nights: 80,
            records: 61_000,
            verdicts: 71,
            found: 81,
            left: 1,
            found_by_all: 300,
            left_by_all: 220,
            attacks: (1, 1),
            first: ("Logging stopped, by eve".to_owned(), "Logging stopped, by eve".to_owned()),
            filter: "proposed/a.yml".into(),
            report: "proposed/a.md".into(),
        }
    }
}
