//! Rules and enrichment that change while the service runs.
//!
//! The files are looked at every few seconds. A change that has settled (two looks alike, and nothing moved while it was
//! read) is loaded, linted and tested; only if nothing is wrong does it take the place of what runs, for each object that
//! is begun from then on. If anything is wrong, what ran goes on, and the log says why. With a trial, the new rules are
//! first asked beside the old ones, and what they would have found and cost is told before they take over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use trailloop_pipeline::examine::Engine;
use trailloop_pipeline::live::{Difference, Tally, Trial};

use crate::inputs::{Inputs, Prepared, Setback, Stamps};
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

    /// One look: takes a change that has settled, or ends a trial that has seen enough while nothing changes.
    async fn look(&mut self) {
        let stamps = match self.inputs.stamps().await {
            Ok(stamps) => stamps,
            Err(error) => return self.trouble(&error),
        };
        if stamps == self.seen {
            self.watch.settling = None;
            self.watch.trouble = None;
            return self.end_trial();
        }
        if self.watch.settling.as_ref() != Some(&stamps) {
            self.watch.settling = Some(stamps);
            return;
        }
        let now = self.engine.rules.now();
        let prepared = self.inputs.prepare(now.rules.hash()).await;
        // Files that changed while they were read may be of two moments: they settle anew.
        match self.inputs.stamps().await {
            Ok(after) if after == stamps => {}
            Ok(after) => {
                self.watch.settling = Some(after);
                return;
            }
            Err(error) => return self.trouble(&error),
        }
        match prepared {
            Ok(prepared) => self.take(prepared),
            Err(Setback::Refused(reasons)) => self.refuse(&reasons),
            // It is tried again at the next look.
            Err(Setback::Unread(error)) => return self.trouble(&error),
        }
        self.watch.trouble = None;
        self.watch.settling = None;
        self.seen = stamps;
    }

    fn take(&mut self, prepared: Prepared) {
        self.withdraw_trial();
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
        } else {
            let records = self.trial_records;
            tracing::info!(rules, %rule_set, beside = %old, records, "changed rules are on trial");
            self.watch.on_trial = Some(self.engine.rules.try_out(prepared.rules));
        }
    }

    fn refuse(&mut self, reasons: &[String]) {
        self.withdraw_trial();
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

    /// Rules on trial are no longer what the files say.
    fn withdraw_trial(&mut self) {
        let Some(trial) = self.watch.on_trial.take() else { return };
        tracing::warn!(rule_set = %trial.rules.hash(), "the files changed again: the trial is over and its rules are not taken");
        self.engine.rules.replace(Arc::clone(&self.engine.rules.now().rules));
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

    fn trouble(&mut self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        if self.watch.trouble.as_ref() != Some(&text) {
            tracing::error!("failed to read rules or enrichment; what runs goes on: {text}");
            self.watch.trouble = Some(text);
        }
    }
}

/// A line for each rule whose findings differ, those with the most first.
pub(crate) fn differences(tally: &Tally) -> Vec<String> {
    let mut sorted: Vec<_> = tally.differences.iter().collect();
    sorted.sort_by_key(|(uid, one)| (std::cmp::Reverse(one.gained + one.lost), *uid));
    let more = sorted.len().saturating_sub(DIFFERENCES_TOLD_MAX);
    let line = |(uid, one): (&String, &Difference)| {
        let events: Vec<String> = one.events.iter().map(|event| shown(event)).collect();
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use trailloop_cloud::{MemoryStore, Store};
    use trailloop_cloudtrail::Limits;
    use trailloop_finding::Place;
    use trailloop_pipeline::examine::{RecordFilter, Worker};
    use trailloop_pipeline::live::LiveRules;

    use super::*;
    use crate::rulefiles::RulePlace;

    fn rule(name: &str, expect: bool) -> String {
        format!(
            "title: {name}\nlogsource: {{product: aws, service: cloudtrail}}\n\
             detection: {{a: {{eventName: {name}}}, condition: a}}\nlevel: low\n\
             trailloop: {{tests: [{{name: n, expect: {expect}, event: {{eventName: {name}}}}}]}}\n"
        )
    }

    async fn reloader(
        rules: RulePlace,
        enrichment: Option<&Path>,
        store: &MemoryStore,
    ) -> Reloader {
        let store: Arc<dyn Store> = Arc::new(store.clone());
        let enrichment = enrichment.map(Path::to_owned);
        let facts = Arc::default();
        let inputs = Inputs { rules: vec![rules], enrichment, store, denies_lints: false, facts };
        let seen = inputs.stamps().await.unwrap();
        let rules = LiveRules::new(inputs.load().await.unwrap().set);
        let (limits, filter) = (Limits::default(), RecordFilter::default());
        let engine = Arc::new(Engine { rules, limits, filter });
        let every = Duration::from_secs(1);
        Reloader { inputs, engine, every, trial_records: 0, seen, watch: Watch::default() }
    }

    fn titles(reloader: &Reloader) -> Vec<String> {
        let now = reloader.engine.rules.now();
        now.rules.rules().iter().map(|rule| rule.analytic.name.clone()).collect()
    }

    /// Two looks: a change counts when it has settled.
    async fn settle(reloader: &mut Reloader) {
        let before = titles(reloader);
        reloader.look().await;
        assert_eq!(titles(reloader), before, "a change that was seen once may be half a change");
        reloader.look().await;
    }

    #[tokio::test]
    async fn a_good_change_runs_and_a_bad_one_is_refused_whole() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("a.yml", &rule("StopLogging", true));
        let place = RulePlace::Path(folder.path().to_owned());
        let mut reloader = reloader(place, None, &MemoryStore::new()).await;
        put("b.yml", &rule("DeleteTrail", true));
        settle(&mut reloader).await;
        let mut both = titles(&reloader);
        both.sort();
        assert_eq!(both, ["DeleteTrail", "StopLogging"]);

        let hash = reloader.engine.rules.now().rules.hash().to_owned();
        for bad in [
            rule("UpdateTrail", false),
            "title: [".to_owned(),
            rule("X", true).replace("eventName:", "eventName|no:"),
        ] {
            put("a.yml", &rule("PutEventSelectors", true));
            put("c.yml", &bad);
            settle(&mut reloader).await;
            assert_eq!(reloader.engine.rules.now().rules.hash(), hash, "{bad}");
        }
        // A refused change is not tried again until it changes.
        reloader.look().await;
        assert!(reloader.watch.settling.is_none());
        fs::remove_file(folder.path().join("c.yml")).unwrap();
        settle(&mut reloader).await;
        assert!(titles(&reloader).contains(&"PutEventSelectors".to_owned()));

        fs::remove_file(folder.path().join("a.yml")).unwrap();
        fs::remove_file(folder.path().join("b.yml")).unwrap();
        settle(&mut reloader).await;
        assert_eq!(titles(&reloader).len(), 2, "an empty folder is no rule set");
    }

    #[tokio::test]
    async fn rules_under_a_prefix_are_told_by_their_etags() {
        let store = MemoryStore::new();
        store.put("config", "rules/a.yml", rule("StopLogging", true));
        store.put("config", "rules/notes.txt", "no rule");
        store.put("config", "other/b.yml", "title: [");
        let place = RulePlace::parse("s3://config/rules/").unwrap();
        let mut reloader = reloader(place, None, &store).await;
        assert_eq!(titles(&reloader), ["StopLogging"]);
        store.put("config", "rules/a.yml", rule("DeleteTrail", true));
        settle(&mut reloader).await;
        assert_eq!(titles(&reloader), ["DeleteTrail"]);
        store.put("config", "rules/a.yml", "title: [");
        settle(&mut reloader).await;
        assert_eq!(titles(&reloader), ["DeleteTrail"]);
        assert!(RulePlace::parse("s3:///rules").is_err());
    }

    #[tokio::test]
    async fn a_trial_ends_with_its_report_and_the_new_rules_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yml");
        fs::write(&path, rule("StopLogging", true)).unwrap();
        let mut reloader = reloader(RulePlace::Path(path.clone()), None, &MemoryStore::new()).await;
        reloader.trial_records = 3;
        fs::write(&path, rule("DeleteTrail", true)).unwrap();
        settle(&mut reloader).await;
        assert_eq!(titles(&reloader), ["StopLogging"], "the old rules are in force");
        let log = br#"{"Records":[{"eventName":"StopLogging","eventID":"e1"},{"eventName":"DeleteTrail","eventID":"e2"}]}"#;
        let place = Place { source: "b/k", version: None };
        let mut worker = Worker::default();
        for records_before in [0, 2] {
            let trial = reloader.watch.on_trial.clone().unwrap();
            assert_eq!(trial.so_far().records, records_before);
            reloader.look().await;
            assert_eq!(titles(&reloader), ["StopLogging"]);
            worker.examine(&reloader.engine, log, place, |_| std::ops::ControlFlow::Continue(()));
        }
        let lines = differences(&reloader.watch.on_trial.clone().unwrap().so_far());
        assert_eq!(lines.len(), 2);
        assert!(
            lines.iter().any(|line| line.starts_with("    +2     +0")
                && line.contains("DeleteTrail")
                && line.contains("e2")),
            "{lines:?}"
        );
        assert!(
            lines.iter().any(|line| line.starts_with("    +0     -2")
                && line.contains("StopLogging")
                && line.contains("e1")),
            "{lines:?}"
        );
        reloader.look().await;
        assert_eq!(titles(&reloader), ["DeleteTrail"]);
        assert!(reloader.watch.on_trial.is_none());
    }

    #[tokio::test]
    async fn rules_on_trial_that_are_withdrawn_or_spoilt_never_take_over() {
        for (change, said) in
            [(rule("StopLogging", true), "taken back"), ("title: [".to_owned(), "spoilt")]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.yml");
            fs::write(&path, rule("StopLogging", true)).unwrap();
            let place = RulePlace::Path(path.clone());
            let mut reloader = reloader(place, None, &MemoryStore::new()).await;
            reloader.trial_records = 1;
            fs::write(&path, rule("DeleteTrail", true)).unwrap();
            settle(&mut reloader).await;
            let trial = reloader.watch.on_trial.clone().unwrap();
            findings(&reloader);
            assert_eq!(trial.so_far().records, 1, "the trial has seen enough");
            fs::write(&path, change).unwrap();
            settle(&mut reloader).await;
            reloader.look().await;
            assert_eq!(titles(&reloader), ["StopLogging"], "{said}");
            assert!(
                reloader.watch.on_trial.is_none() && reloader.engine.rules.now().trial.is_none()
            );
        }
    }

    #[tokio::test]
    async fn what_can_not_be_read_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a.yml"), rule("StopLogging", true)).unwrap();
        let mut reloader = reloader(RulePlace::Path(path.clone()), None, &MemoryStore::new()).await;
        let seen = reloader.seen.clone();
        // A folder where a file was: it can be stamped and not read.
        fs::write(path.join("b.yml"), rule("DeleteTrail", true)).unwrap();
        let hidden = folder.path().join("hidden.yml");
        fs::rename(path.join("b.yml"), &hidden).unwrap();
        std::os::unix::fs::symlink(&hidden, path.join("b.yml")).unwrap();
        fs::remove_file(&hidden).unwrap();
        for _ in 0..4 {
            reloader.look().await;
        }
        assert_eq!((titles(&reloader).len(), &reloader.seen), (1, &seen));
        assert!(reloader.watch.trouble.is_some());
        fs::write(&hidden, rule("DeleteTrail", true)).unwrap();
        settle(&mut reloader).await;
        assert_eq!(titles(&reloader).len(), 2, "it was read at last");
    }

    #[tokio::test]
    async fn facts_are_taken_beside_a_rule_that_was_rejected_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules");
        let facts = folder.path().join("facts");
        fs::create_dir(&rules).unwrap();
        fs::create_dir(&facts).unwrap();
        fs::write(rules.join("a.yml"), rule("StopLogging", true)).unwrap();
        fs::write(rules.join("bad.yml"), "title: [").unwrap();
        let place = RulePlace::Path(rules);
        let mut reloader = reloader(place, Some(&facts), &MemoryStore::new()).await;
        let before = reloader.engine.rules.now().rules.enrichment_hash();
        fs::write(facts.join("environment.toml"), "regions = [\"eu-central-1\"]\n").unwrap();
        settle(&mut reloader).await;
        assert_ne!(reloader.engine.rules.now().rules.enrichment_hash(), before);
    }

    /// Findings of one record of a caller in an address.
    fn findings(reloader: &Reloader) -> usize {
        let log = br#"{"Records":[{"eventName":"StopLogging","awsRegion":"eu-north-1","sourceIPAddress":"203.0.113.77",
            "recipientAccountId":"111122223333","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ci-deployer"}}]}"#;
        let place = Place { source: "b/k", version: None };
        let mut found = 0;
        Worker::default().examine(&reloader.engine, log, place, |_| {
            found += 1;
            std::ops::ControlFlow::Continue(())
        });
        found
    }

    /// Each kind of file: a test of a field, a file of which it is true, and one of which it is not.
    fn kinds() -> Vec<(&'static str, &'static str, Vec<u8>, Vec<u8>)> {
        let text = |text: &str| text.as_bytes().to_vec();
        let places = include_bytes!("../../../fixtures/enrichment/places.mmdb").to_vec();
        // The country's code stands in the file as text: another of the same length is another country.
        let mut elsewhere = places.clone();
        let codes: Vec<usize> =
            (1..places.len() - 1).filter(|at| places[at - 1..at + 2] == *b"BNL").collect();
        codes.iter().for_each(|at| elsewhere[*at..at + 2].copy_from_slice(b"BE"));
        assert!(!codes.is_empty());
        vec![
            ("ip.country: NL", "places.mmdb", places, elsewhere),
            (
                "account.environment: production",
                "accounts.csv",
                text("account,environment\n111122223333,production\n"),
                text("account,environment\n111122223333,test\n"),
            ),
            (
                "actor.owner: platform",
                "principals.json",
                text(r#"[{"arn":"arn:aws:iam::*:user/ci-*","owner":"platform"}]"#),
                text(r#"[{"arn":"arn:aws:iam::*:user/ci-*","owner":"others"}]"#),
            ),
            (
                "environment.region: unexpected",
                "environment.toml",
                text("regions = [\"eu-central-1\"]\n"),
                text("regions = [\"eu-central-1\", \"eu-north-1\"]\n"),
            ),
        ]
    }

    #[tokio::test]
    async fn each_enrichment_is_taken_swapped_kept_when_damaged_and_missed_when_gone() {
        for (test, name, good, other) in kinds() {
            let folder = tempfile::tempdir().unwrap();
            let rules = folder.path().join("rules.yml");
            let (field, value) = test.split_once(": ").unwrap();
            let rule = format!(
                "title: T\nlevel: low\nlogsource: {{product: aws, service: cloudtrail}}\n\
                 detection: {{a: {{eventName: StopLogging, {field}: {value}}}, condition: a}}\n\
                 trailloop: {{tests: [{{name: n, expect: true, event: {{eventName: StopLogging}}, enrichment: {{{field}: {value}}}}}]}}\n"
            );
            fs::write(&rules, rule).unwrap();
            let facts = folder.path().join("facts");
            fs::create_dir(&facts).unwrap();
            let put = |bytes: &[u8]| fs::write(facts.join(name), bytes).unwrap();
            let place = RulePlace::Path(rules);
            let mut reloader = reloader(place, Some(&facts), &MemoryStore::new()).await;
            let now = |reloader: &Reloader| {
                let unanswered = reloader.engine.rules.now().rules.unanswered().len();
                (findings(reloader), unanswered)
            };
            assert_eq!(now(&reloader), (0, 1), "{name}: absent");
            put(&good);
            settle(&mut reloader).await;
            assert_eq!(now(&reloader), (1, 0), "{name}: present");
            put(&good[..good.len() / 2]);
            settle(&mut reloader).await;
            assert_eq!(now(&reloader), (1, 0), "{name}: damaged, what ran goes on");
            put(&[&other[..], b"\n\n"].concat()
                [..other.len() + if name.ends_with("mmdb") { 0 } else { 2 }]);
            settle(&mut reloader).await;
            assert_eq!(now(&reloader), (0, 0), "{name}: swapped");
            fs::remove_file(facts.join(name)).unwrap();
            settle(&mut reloader).await;
            assert_eq!(now(&reloader), (0, 1), "{name}: gone");
        }
    }
}
