//! Rules and enrichment that change while the service runs.
//!
//! The files are looked at every few seconds. A change that has settled (two looks alike) is read whole, loaded, linted
//! and tested; only if nothing is wrong does it take the place of what runs, for each object that is begun from then on. If
//! anything is wrong, what ran goes on, and the log says why. With a trial, the new rules are first asked beside the old
//! ones, and what they would have found and cost is told before they take over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use trailloop_pipeline::examine::Engine;
use trailloop_pipeline::live::{Tally, Trial};

use crate::inputs::{Inputs, Prepared, Stamps};
use crate::show::shown;

/// So many rules of a trial's report are told one by one.
const DIFFERENCES_TOLD_MAX: usize = 50;

/// So many reasons of a refusal are told one by one.
const REASONS_TOLD_MAX: usize = 20;

/// Watches the files and changes what is in force.
pub(crate) struct Reloader {
    pub(crate) inputs: Inputs,
    pub(crate) engine: Arc<Engine>,
    /// How often the files are looked at.
    pub(crate) every: Duration,
    /// How many records a trial takes; none: no trial.
    pub(crate) trial_records: u64,
    /// The stamps of what runs, or of what was refused.
    pub(crate) seen: Stamps,
    pub(crate) watch: Watch,
}

/// What the reloader remembers between two looks.
#[derive(Default)]
pub(crate) struct Watch {
    /// A change that was seen once.
    settling: Option<Stamps>,
    on_trial: Option<Arc<Trial>>,
    /// Why the last look failed, so that it is told once.
    trouble: Option<String>,
}

impl Reloader {
    /// Looks until `stop`.
    pub(crate) async fn keep(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(self.every) => {}
            }
            self.look().await;
        }
    }

    /// One look: ends a trial that has seen enough, and takes a change that has settled.
    async fn look(&mut self) {
        self.end_trial();
        let stamps = match self.inputs.stamps().await {
            Ok(stamps) => stamps,
            Err(error) => return self.trouble(&format!("{error:#}")),
        };
        self.watch.trouble = None;
        if stamps == self.seen {
            self.watch.settling = None;
            return;
        }
        if self.watch.settling.as_ref() != Some(&stamps) {
            self.watch.settling = Some(stamps);
            return;
        }
        self.watch.settling = None;
        match self.inputs.prepare().await {
            Ok(prepared) => self.take(prepared),
            Err(reasons) => self.refuse(&reasons),
        }
        self.seen = stamps;
    }

    fn take(&mut self, prepared: Prepared) {
        let now = self.engine.rules.now();
        for note in &prepared.notes {
            tracing::warn!("{note}");
        }
        let (old, new) = (now.rules.hash(), prepared.rules.hash());
        let (rules, rule_set) = (prepared.rules.len(), new.to_owned());
        if old == new && now.rules.enrichment_hash() == prepared.rules.enrichment_hash() {
            tracing::info!(%rule_set, "files of the rules changed, but not what they say");
        } else if old == new || self.trial_records == 0 {
            // Another enrichment goes without a trial: its facts are newer, and no rule is another.
            tracing::info!(rules, %rule_set, replaced = %old, "changed rules or enrichment are in force");
            self.engine.rules.replace(prepared.rules);
            self.watch.on_trial = None;
        } else {
            let records = self.trial_records;
            tracing::info!(rules, %rule_set, beside = %old, records, "changed rules are on trial");
            self.watch.on_trial = Some(self.engine.rules.try_out(prepared.rules));
        }
    }

    fn refuse(&self, reasons: &[String]) {
        let now = self.engine.rules.now();
        for reason in reasons.iter().take(REASONS_TOLD_MAX) {
            tracing::warn!("{reason}");
        }
        tracing::error!(
            reasons = reasons.len(),
            rule_set = %now.rules.hash(),
            "changed rules or enrichment are refused; what ran goes on"
        );
    }

    /// Puts rules in force that have been on trial for long enough, and tells what is different with them.
    fn end_trial(&mut self) {
        let Some(trial) = &self.watch.on_trial else { return };
        let tally = trial.so_far();
        if tally.records < self.trial_records {
            return;
        }
        let rule_set = trial.rules.hash().to_owned();
        for line in differences(&tally) {
            tracing::info!("{line}");
        }
        self.engine.rules.replace(Arc::clone(&trial.rules));
        tracing::info!(%rule_set, "the trial is over, the rules are in force; {tally}");
        self.watch.on_trial = None;
    }

    fn trouble(&mut self, text: &str) {
        if self.watch.trouble.as_deref() != Some(text) {
            tracing::error!("failed to look at the rules; those that run go on: {text}");
            self.watch.trouble = Some(text.to_owned());
        }
    }
}

/// A line for each rule whose findings differ, those with the most first.
pub(crate) fn differences(tally: &Tally) -> Vec<String> {
    let mut sorted: Vec<_> = tally.differences.iter().collect();
    sorted.sort_by_key(|(uid, one)| (std::cmp::Reverse(one.gained + one.lost), *uid));
    let more = sorted.len().saturating_sub(DIFFERENCES_TOLD_MAX);
    let line = |(uid, one): (&String, &trailloop_pipeline::live::Difference)| {
        let events: Vec<String> = one.events.iter().map(|event| shown(event).to_string()).collect();
        format!(
            "{:>+6} {:>+6}  {:<13}  {}  {}  (such as {})",
            one.gained,
            -i128::from(one.lost),
            one.level.as_str(),
            shown(uid),
            shown(&one.title),
            events.join(", ")
        )
    };
    let mut lines: Vec<String> = sorted.into_iter().take(DIFFERENCES_TOLD_MAX).map(line).collect();
    if more > 0 {
        lines.push(format!("and {more} rules more"));
    }
    lines
}
