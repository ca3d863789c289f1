//! All that decides what is found: the rules and the user's own facts, from wherever they lie, as one set or none.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use trailloop_cloud::Store;
use trailloop_enrichment::Enrichment;
use trailloop_rules::{Rule, RuleSet, Severity, TestEvent, TestOutcome, run_tests};

use crate::Unreadable;
use crate::enrichment::{self, Facts};
use crate::is_usage;
use crate::rulefiles::{RuleFile, RulePlace, Stamp, beside, load_files};
use crate::ruleset::RuleFiles;
use crate::show::shown;

/// The stamps of all files.
pub(crate) type Stamps = Vec<Stamp>;

/// Where the rules and the enrichment of a service lie.
pub(crate) struct Inputs {
    /// Without any, the shipped rules run.
    pub(crate) rules: Vec<RulePlace>,
    pub(crate) enrichment: Option<PathBuf>,
    /// Where `s3://` places are read from.
    pub(crate) store: Arc<dyn Store>,
    /// Whether a lint keeps changed rules out.
    pub(crate) denies_lints: bool,
    /// What was read of the enrichment before.
    pub(crate) facts: Arc<Mutex<Facts>>,
}

/// A set that may run.
pub(crate) struct Prepared {
    pub(crate) rules: Arc<RuleSet>,
    /// What is worth knowing of it.
    pub(crate) notes: Vec<String>,
}

/// Why there is no set.
pub(crate) enum Setback {
    /// Something could not be read; another time it may.
    Unread(anyhow::Error),
    /// What was read may not run, for these reasons.
    Refused(Vec<String>),
}

impl Inputs {
    /// Whether there is anything that can change.
    pub(crate) fn can_change(&self) -> bool {
        !self.rules.is_empty() || self.enrichment.is_some()
    }

    /// The user's own facts as they are now.
    pub(crate) fn facts(&self) -> anyhow::Result<Arc<Enrichment>> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.load(self.enrichment.as_deref())
    }

    /// What tells whether anything has changed.
    pub(crate) async fn stamps(&self) -> anyhow::Result<Stamps> {
        let mut stamps = Vec::new();
        for place in &self.rules {
            stamps.extend(place.stamps(&self.store).await?);
        }
        if let Some(folder) = self.enrichment.clone() {
            let found = tokio::task::spawn_blocking(move || enrichment::stamps(&folder));
            stamps.extend(found.await.context("look at the enrichment")??);
        }
        Ok(stamps)
    }

    /// Reads and compiles all for a start: a rule that can't be loaded is rejected, and the others run.
    pub(crate) async fn load(&self) -> anyhow::Result<RuleFiles> {
        self.read_and_compile().await?.some()
    }

    /// Reads, loads, lints and tests all for a change while the service runs: it is taken whole or not at all, and then
    /// every reason is told. If the rules are those that run already, only the facts changed, and nothing is held against
    /// rules that run.
    pub(crate) async fn prepare(&self, running: &str) -> Result<Prepared, Setback> {
        let files = self.read_and_compile().await.map_err(|error| {
            // A text that is no good stays so until it changes; a disk or a network may be better next time.
            let is_final = is_usage(&error) && !error.is::<Unreadable>();
            if is_final {
                Setback::Refused(vec![format!("{error:#}")])
            } else {
                Setback::Unread(error)
            }
        })?;
        if files.set.hash() == running {
            return Ok(Prepared { rules: Arc::clone(&files.set), notes: files.needs() });
        }
        let denies_lints = self.denies_lints;
        let examined = tokio::task::spawn_blocking(move || examine(&files, denies_lints));
        let examined = examined.await.context("test the changed rules").map_err(Setback::Unread)?;
        examined.map_err(Setback::Refused)
    }

    /// Compiling thousands of rules takes seconds of a core, which the threads of the service have better uses for.
    async fn read_and_compile(&self) -> anyhow::Result<RuleFiles> {
        let mut files: Vec<RuleFile> = Vec::new();
        for place in &self.rules {
            files.extend(place.read(&self.store).await?);
        }
        let (facts, folder) = (Arc::clone(&self.facts), self.enrichment.clone());
        let is_shipped = self.rules.is_empty();
        let compiled = tokio::task::spawn_blocking(move || {
            let mut facts = facts.lock().unwrap_or_else(PoisonError::into_inner);
            let enrichment = facts.load(folder.as_deref())?;
            let loaded = if is_shipped { trailloop_content::shipped() } else { load_files(&files) };
            Ok(RuleFiles::compile(loaded, &enrichment))
        });
        compiled.await.context("load the rules")?
    }
}

/// What may run, or everything that speaks against it.
fn examine(files: &RuleFiles, denies_lints: bool) -> Result<Prepared, Vec<String>> {
    let mut reasons: Vec<String> = files
        .diagnostics
        .iter()
        .filter(|one| {
            one.severity == Severity::Error || denies_lints && one.severity == Severity::Warning
        })
        .map(ToString::to_string)
        .collect();
    let mut unread = 0;
    for rule in files.set.rules() {
        let outcomes = run_tests(rule, &|file| beside(rule, file));
        for (outcome, test) in outcomes.iter().zip(&rule.tests) {
            // The files of examples are not fetched from S3.
            let is_remote =
                rule.path.starts_with("s3://") && matches!(test.event, TestEvent::File(_));
            match outcome.is_passed() {
                true => {}
                false if is_remote => unread += 1,
                false => reasons.push(failed_example(rule, outcome)),
            }
        }
    }
    if files.set.is_empty() {
        reasons.push("no rule is left".to_owned());
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let mut notes = Vec::new();
    if !files.diagnostics.is_empty() {
        let (count, first) = (files.diagnostics.len(), &files.diagnostics[0]);
        notes.push(format!("{count} lints of the changed rules, such as {first}"));
    }
    if unread > 0 {
        notes.push(format!("{unread} examples in files of their own were not run: they lie in S3"));
    }
    notes.extend(files.needs());
    Ok(Prepared { rules: Arc::clone(&files.set), notes })
}

/// What an example should have come to.
pub(crate) fn failed_example(rule: &Rule, outcome: &TestOutcome) -> String {
    let wanted = match (&outcome.matched, outcome.expected) {
        (Err(problem), _) => format!("could not run: {}", shown(problem)),
        (Ok(_), true) => "should match and does not".to_owned(),
        (Ok(_), false) => "should not match and does".to_owned(),
    };
    let (path, line, name) = (shown(&rule.path), outcome.line, shown(&outcome.name));
    format!("{path}:{line}: {}: example {name:?} {wanted}", shown(&rule.analytic.name))
}
