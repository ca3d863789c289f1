//! Rules that found something regularly and do so no more: the rule, the trail or its delivery may be broken, and whoever breaks them
//! does not tell. Looked for each hour by one of the workers; each silence is a page once.

use trailloop_cloud::RowKey;
use trailloop_feedback::Entry;
use trailloop_feedback::safety::{Regularity, Rhythms, Silent};
use trailloop_finding::sha256;

use crate::ocsf::{Own, OwnFinding};
use crate::responder::{Halt, Responder};
use crate::tables::{DAY_MS, day_of};
use crate::time::rfc3339;
use crate::{holds, rows, store};

/// So often it is looked.
const EVERY_MS: i64 = 3_600_000;

/// So many days make what is regular.
const DAYS: i64 = 30;

/// The partition of the silences that were told, by rule and last finding.
const TOLD: &str = "silent";

impl Responder {
    /// Pages about rules that have gone silent since the last look.
    pub(crate) async fn look_after_rules(&self) -> Result<(), Halt> {
        let now_ms = self.clock.now_ms();
        if !self.next_looks.rules.is_due(now_ms, EVERY_MS) {
            return Ok(());
        }
        // It reads all findings of a month, day by day, so one worker does it for all.
        let times = (now_ms, now_ms + 2 * EVERY_MS);
        if holds::take(&*self.table, "rules", &self.worker, times).await? != self.worker {
            return Ok(());
        }
        let canaries = self.canaries.as_ref().map(|canaries| canaries.account.as_str());
        let mut rhythms = Rhythms::default();
        for back in 0..=DAYS {
            let day = store::of_day(&*self.table, &day_of(now_ms - back * DAY_MS)).await?;
            // Canaries come whatever happens to the trail.
            let of_others = |entry: &&Entry| {
                canaries.is_none_or(|account| entry.account.as_deref() != Some(account))
            };
            day.iter().map(|(_, kept)| &kept.entry).filter(of_others).for_each(|entry| {
                rhythms.add(entry);
            });
        }
        let rules = self.archive.engine.rules.now();
        // A rule that is no longer asked finds nothing, and a query has a schedule.
        let is_asked = |silent: &Silent| {
            rules.rules.rules().iter().any(|rule| rule.analytic.uid == silent.rule)
        };
        let silent = rhythms.silent(now_ms, &Regularity::default());
        for silent in silent.into_iter().filter(is_asked) {
            self.page_about_silent(&silent, now_ms).await?;
        }
        Ok(())
    }

    async fn page_about_silent(&self, silent: &Silent, now_ms: i64) -> Result<(), Halt> {
        let Silent { rule, title, last_ms, silent_ms, longest_gap_ms } = silent;
        let hours = |span_ms: i64| span_ms / 3_600_000;
        let own = OwnFinding {
            own: Own::RuleSilent,
            about: format!("{rule}/{last_ms}"),
            message: format!(
                "no finding for {} hours; before, it never was silent for more than {}",
                hours(*silent_ms),
                hours(*longest_gap_ms)
            ),
            account: String::new(),
            region: String::new(),
            time_ms: now_ms,
            resource: None,
            facts: [("rule", rule.clone()), ("title", title.clone()), ("last", rfc3339(*last_ms))]
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        };
        let key = RowKey::new(TOLD, sha256(own.about.as_bytes()));
        if rows::load::<i64>(&*self.table, &key).await?.is_none() {
            // Told first: to be told twice of a broken rule is better than never.
            self.cry(&own, rule, &format!("silent/{}", own.about)).await?;
            rows::create(&*self.table, &key, &now_ms).await?;
        }
        Ok(())
    }
}
