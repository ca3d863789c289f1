//! `trailloop rules diff`: what another rule set would have found on the same records.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use trailloop_cloudtrail::Limits;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::{LiveRules, Tally};
use trailloop_pipeline::replay::{Replayed, replay};

use crate::cli::{DiffArgs, Global, TableFormat};
use crate::config::cores;
use crate::reload::differences;
use crate::replay::OBJECT_BYTES_MAX;
use crate::ruleset::RuleFiles;
use crate::show::shown;
use crate::source::{Item, Sources};
use crate::{Exit, UsageError, enrichment, progress};

/// Runs the command.
pub(super) fn diff(arguments: &DiffArgs, global: &Global) -> anyhow::Result<Exit> {
    let enrichment = enrichment::load(arguments.reading.enrichment.folder.as_deref())?;
    let load = |name: &str| {
        let paths = if name == "shipped" { Vec::new() } else { vec![name.into()] };
        RuleFiles::load(&paths, &enrichment).with_context(|| format!("load the rules {name}"))
    };
    let (old, new) = (load(&arguments.old)?, load(&arguments.new)?);
    for rules in [&old, &new] {
        rules.report(global);
    }
    let mut sources = Sources::new(&arguments.reading.aws, OBJECT_BYTES_MAX)?;
    let listing = sources.list(&arguments.source, &RecordFilter::default())?;
    for failed in &listing.failed {
        tracing::error!("{}", shown(failed));
    }
    if listing.items.is_empty() {
        let text = format!("no object found in {}", arguments.source.join(" "));
        return Err(UsageError(text).into());
    }
    let (old_rules, new_rules) = (old.set.len(), new.set.len());
    let live = LiveRules::new(old.set);
    let trial = live.try_out(new.set);
    let engine = Engine { rules: live, limits: Limits::default(), filter: RecordFilter::default() };
    let failed = examine_all(arguments, global, &engine, &sources, &listing.items);
    let tally = trial.so_far();
    let mut out = std::io::stdout().lock();
    match arguments.format {
        TableFormat::Json => {
            let ours = to_json(&tally, (&arguments.old, old_rules), (&arguments.new, new_rules));
            writeln!(out, "{ours:#}").context("write the difference")?;
        }
        TableFormat::Table => {
            let (old, new) = (shown(&arguments.old), shown(&arguments.new));
            writeln!(out, "{old} ({old_rules} rules) to {new} ({new_rules} rules)")
                .and_then(|()| {
                    differences(&tally).iter().try_for_each(|line| writeln!(out, "{line}"))
                })
                .and_then(|()| writeln!(out, "{tally}"))
                .context("write the difference")?;
        }
    }
    let good = failed == 0 && listing.failed.is_empty();
    Ok(if good { Exit::Done } else { Exit::Failed })
}

/// Examines every object with both sets, and gives how many could not be read.
fn examine_all(
    arguments: &DiffArgs,
    global: &Global,
    engine: &Engine,
    sources: &Sources,
    items: &[Item],
) -> u64 {
    let jobs = arguments.reading.jobs.map_or_else(cores, usize::from);
    let bar = progress::bar(items.len() as u64, global.quiet);
    let mut failed = 0;
    let name = |item: &Item| item.name.clone();
    let fetcher = sources.fetcher(items);
    replay(
        engine,
        items,
        jobs,
        name,
        |nth, item: &Item, buffer: &mut Vec<u8>| fetcher.fetch(nth, item, buffer),
        |nth, replayed| {
            let problem = match replayed {
                Replayed::Findings(_) => return true,
                Replayed::Failed(error) => Some(error),
                Replayed::Examined { examined, .. } => {
                    let read = examined.read;
                    read.failed.as_ref().or(read.reports.first()).map(|one| one.failure.to_string())
                }
            };
            if let Some(problem) = problem {
                failed += 1;
                tracing::error!("{}: {}", shown(&items[nth].name), shown(&problem));
            }
            bar.inc(1);
            true
        },
    );
    bar.finish_and_clear();
    failed
}

fn to_json(tally: &Tally, old: (&str, usize), new: (&str, usize)) -> Value {
    let (gained, lost) = tally.gained_and_lost();
    let side = |(name, rules): (&str, usize), took: Duration| {
        let seconds = took.as_secs_f64();
        json!({"rules": name, "rules_loaded": rules, "matching_seconds": seconds})
    };
    let rules: Vec<Value> = tally
        .differences
        .iter()
        .map(|(uid, one)| {
            json!({
                "uid": uid, "title": one.title, "level": one.level.as_str(),
                "gained": one.gained, "lost": one.lost, "events": one.events,
            })
        })
        .collect();
    json!({
        "old": side(old, tally.old_took), "new": side(new, tally.new_took),
        "records": tally.records, "kept": tally.kept, "gained": gained, "lost": lost, "by_rule": rules,
    })
}
