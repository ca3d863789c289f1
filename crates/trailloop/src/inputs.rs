//! All that decides what is found: the rules and the user's own facts, from wherever they lie, as one set or none.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use trailloop_cloud::Store;
use trailloop_rules::{Rule, RuleSet, Severity, TestOutcome, run_tests};

use crate::enrichment;
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
}

/// A set that may run.
pub(crate) struct Prepared {
    pub(crate) rules: Arc<RuleSet>,
    /// What is worth knowing of it.
    pub(crate) notes: Vec<String>,
}

impl Inputs {
    /// Whether there is anything that can change.
    pub(crate) fn can_change(&self) -> bool {
        !self.rules.is_empty() || self.enrichment.is_some()
    }

    /// What tells whether anything has changed.
    pub(crate) async fn stamps(&self) -> anyhow::Result<Stamps> {
        let mut stamps = Vec::new();
        for place in &self.rules {
            stamps.extend(place.stamps(&self.store).await?);
        }
        if let Some(folder) = &self.enrichment {
            stamps.extend(enrichment::stamps(folder)?);
        }
        Ok(stamps)
    }

    /// Reads and compiles all for a start: a rule that can't be loaded is rejected, and the others run.
    pub(crate) async fn load(&self) -> anyhow::Result<RuleFiles> {
        let files = self.read().await?;
        let enrichment = enrichment::load(self.enrichment.as_deref())?;
        let loaded =
            if self.rules.is_empty() { trailloop_content::shipped() } else { load_files(&files) };
        RuleFiles::compile(loaded, &enrichment).some()
    }

    /// Reads, loads, lints and tests all for a change while the service runs: it is taken whole or not at all, and then
    /// every reason is told.
    pub(crate) async fn prepare(&self) -> Result<Prepared, Vec<String>> {
        let said = |error: anyhow::Error| vec![format!("{error:#}")];
        let files = self.read().await.map_err(said)?;
        let folder = self.enrichment.clone();
        let (is_shipped, denies_lints) = (self.rules.is_empty(), self.denies_lints);
        // Compiling and testing thousands of rules takes seconds of a core.
        let prepared = tokio::task::spawn_blocking(move || {
            let enrichment = enrichment::load(folder.as_deref()).map_err(said)?;
            let loaded = if is_shipped { trailloop_content::shipped() } else { load_files(&files) };
            examine(&RuleFiles::compile(loaded, &enrichment), denies_lints)
        });
        prepared.await.context("prepare the changed rules").map_err(said)?
    }

    async fn read(&self) -> anyhow::Result<Vec<RuleFile>> {
        let mut files = Vec::new();
        for place in &self.rules {
            files.extend(place.read(&self.store).await?);
        }
        Ok(files)
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
        for outcome in run_tests(rule, &|file| beside(rule, file)) {
            match &outcome.matched {
                _ if outcome.is_passed() => {}
                // The files of examples are not fetched from S3.
                Err(_) if rule.path.starts_with("s3://") => unread += 1,
                _ => reasons.push(failed_example(rule, &outcome)),
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

pub(crate) fn failed_example(rule: &Rule, outcome: &TestOutcome) -> String {
    let wanted = match (&outcome.matched, outcome.expected) {
        (Err(problem), _) => format!("could not run: {}", shown(problem)),
        (Ok(_), true) => "should match and does not".to_owned(),
        (Ok(_), false) => "should not match and does".to_owned(),
    };
    let (path, line, name) = (shown(&rule.path), outcome.line, shown(&outcome.name));
    format!("{path}:{line}: {}: example {name:?} {wanted}", shown(&rule.analytic.name))
}
