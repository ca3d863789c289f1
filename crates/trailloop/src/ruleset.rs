//! Which rules run: the files and folders that were named, or those we ship.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use trailloop_content::shipped;
use trailloop_enrichment::{Enriched, Enrichment};
use trailloop_rules::{Diagnostic, Loaded, RuleSet, Severity};

use crate::UsageError;
use crate::cli::{Global, LogFormat};
use crate::rulefiles::{load_files, read_path};
use crate::show::shown;

/// Rules that were read.
pub(crate) struct RuleFiles {
    /// The rules that run.
    pub(crate) set: Arc<RuleSet>,
    /// What was said of them.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Rules that do not run.
    pub(crate) rejected: u64,
}

impl RuleFiles {
    /// Reads and compiles rules; at least one must run.
    pub(crate) fn load(paths: &[PathBuf], enrichment: &Arc<Enrichment>) -> anyhow::Result<Self> {
        Self::compile(read(paths)?, enrichment).some()
    }

    /// The rules, if there are any.
    pub(crate) fn some(self) -> anyhow::Result<Self> {
        if self.set.is_empty() {
            for one in &self.diagnostics {
                // Nothing is left to be done if standard error is closed.
                drop(writeln!(std::io::stderr(), "{one}"));
            }
            let text =
                "no rule was loaded; run `trailloop rules check` on the same paths".to_owned();
            return Err(UsageError(text).into());
        }
        Ok(self)
    }

    /// Compiles rules; a second rule of the same id is rejected here.
    pub(crate) fn compile(loaded: Loaded, enrichment: &Arc<Enrichment>) -> Self {
        let Loaded { rules, filters, mut diagnostics, mut rejected } = loaded;
        let count = rules.len();
        let set = RuleSet::build_with(rules, &filters, Arc::clone(enrichment), &mut diagnostics);
        rejected += count - set.len();
        Self { set: Arc::new(set), diagnostics, rejected: rejected as u64 }
    }

    /// A line for each enriched field that rules test and that no file answers.
    pub(crate) fn needs(&self) -> Vec<String> {
        let line = |(field, rules): (Enriched, Vec<u32>)| {
            let titles: Vec<String> =
                rules.iter().map(|rule| shown(&self.set.rule(*rule).analytic.name)).collect();
            format!(
                "`{field}` is missing, it needs {}; tested by: {}",
                field.needs(),
                titles.join("; ")
            )
        };
        self.set.unanswered().into_iter().map(line).collect()
    }

    /// Prints why rules were rejected, and unless asked for quiet how the others were compiled, on standard error; as
    /// log lines if the log is to be JSON.
    pub(crate) fn report(&self, global: &Global) {
        if global.log_format() == LogFormat::Json {
            return self.log();
        }
        let mut stderr = std::io::stderr().lock();
        for one in self.diagnostics.iter().filter(|one| is_serious(one)) {
            // Nothing is left to be done if standard error is closed.
            drop(writeln!(stderr, "{one}"));
        }
        if !global.quiet {
            drop(writeln!(stderr, "{}", self.set.strategy()));
            for need in self.needs() {
                drop(writeln!(stderr, "note: {need}"));
            }
        }
    }

    /// The same into the log, for the service.
    pub(crate) fn log(&self) {
        for one in self.diagnostics.iter().filter(|one| is_serious(one)) {
            match one.severity {
                Severity::Error => tracing::error!("rejected a rule: {one}"),
                Severity::Warning | Severity::Note => tracing::warn!("{one}"),
            }
        }
        for need in self.needs() {
            tracing::info!("{need}");
        }
        let rule_set = self.set.hash();
        tracing::info!(%rule_set, rules = self.set.len(), rejected = self.rejected, "{}", self.set.strategy());
    }
}

/// Whether a problem changes what is found: a rejected rule, or a filter that does not do what filters are for.
fn is_serious(one: &Diagnostic) -> bool {
    one.severity == Severity::Error || matches!(one.code, "filter-polarity" | "unknown-rule")
}

/// Reads rules without compiling them; without paths, those we ship.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Loaded> {
    if paths.is_empty() {
        return Ok(shipped());
    }
    let mut files = Vec::new();
    for path in paths {
        files.extend(read_path(path)?);
    }
    Ok(load_files(&files))
}
