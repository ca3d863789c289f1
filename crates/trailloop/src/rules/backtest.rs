//! `trailloop rules backtest`: what other rules and filters would find in an archive, with what people judged of it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use trailloop_tuning::{Cost, Label};

use crate::cli::{BacktestArgs, Global, TableFormat};
use crate::found::{Archive, Gathered};
use crate::labels::Labels;
use crate::ruleset::RuleFiles;
use crate::show::shown;
use crate::{Exit, enrichment};

/// Runs the command.
pub(super) fn backtest(arguments: &BacktestArgs, global: &Global) -> anyhow::Result<Exit> {
    let facts = enrichment::load(arguments.reading.enrichment.folder.as_deref())?;
    let load = |names: &[String]| -> anyhow::Result<RuleFiles> {
        let is_shipped = |name: &String| name == "shipped";
        let paths: Vec<PathBuf> =
            names.iter().filter(|name| !is_shipped(name)).map(PathBuf::from).collect();
        let mut loaded = trailloop_rules::Loaded::default();
        if names.iter().any(is_shipped) {
            loaded.extend(trailloop_content::shipped());
        }
        if !paths.is_empty() {
            let read = crate::ruleset::read(&paths);
            loaded.extend(read.with_context(|| format!("load {}", names.join(" ")))?);
        }
        let rules = RuleFiles::compile(loaded, &facts).some()?;
        rules.report(global);
        Ok(rules)
    };
    let (old, new) = (load(&arguments.against)?, load(&arguments.new)?);
    let archive = Archive::list(&arguments.source, &arguments.reading.aws)?;
    let jobs = arguments.reading.jobs.map(usize::from);
    let rules = [old.set.rules(), new.set.rules()].concat();
    let gather = |set| -> anyhow::Result<(Gathered, u64)> {
        let begun = Instant::now();
        let gathered = archive.gather(set, (jobs, global))?;
        let records = u128::from(gathered.records.max(1));
        let per_event = u64::try_from(begun.elapsed().as_nanos() / records).unwrap_or(u64::MAX);
        Ok((gathered, per_event))
    };
    let ((before, old_nanoseconds), (after, new_nanoseconds)) =
        (gather(old.set)?, gather(new.set)?);
    let cost = Cost { events: after.records, old_nanoseconds, new_nanoseconds };
    let labels = match &arguments.config {
        Some(config) => Labels::read(config, &rules)?.by_uid(),
        None => BTreeMap::new(),
    };
    let compared = trailloop_tuning::compare(
        &visible(&before, &labels),
        &visible(&after, &labels),
        arguments.cost.then_some(cost),
    );
    let mut out = std::io::stdout().lock();
    match arguments.format {
        TableFormat::Json => write!(out, "{}", compared.json()).context("write the backtest")?,
        TableFormat::Table => {
            for line in compared.to_string().lines() {
                writeln!(out, "{}", shown(line)).context("write the backtest")?;
            }
        }
    }
    Ok(match (compared.passed, before.failed + after.failed) {
        (false, _) => Exit::FailOn,
        (true, 0) => Exit::Done,
        (true, _) => Exit::Failed,
    })
}

/// What is found and not moved down.
fn visible(gathered: &Gathered, labels: &BTreeMap<String, Label>) -> Vec<trailloop_tuning::Found> {
    let visible = gathered.found.iter().filter(|one| !one.is_quieted);
    visible
        .map(|one| trailloop_tuning::Found {
            uid: one.uid.clone(),
            rule: one.rule.clone(),
            entity: one.entity.clone(),
            day: one.day,
            label: labels.get(&one.uid).copied(),
        })
        .collect()
}
