//! `trailloop tune selectors`: what the trails would have to record for rules that wait in vain.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use trailloop_rules::catalogue::Selectors;
use trailloop_tuning::{PUBLISHED, Selected, propose_selectors, selectors_report};

use crate::cli::{TableFormat, TuneSelectorsArgs};
use crate::ruleset::RuleFiles;
use crate::show::shown;
use crate::{Exit, UsageError};

/// Runs the command.
pub(super) fn selectors(arguments: &TuneSelectorsArgs) -> anyhow::Result<Exit> {
    let rules = RuleFiles::load(&arguments.rules, &Arc::default())?;
    let name = arguments.trails.display();
    let text = std::fs::read_to_string(&arguments.trails)
        .map_err(|error| UsageError(format!("failed to read {name}: {error}")))?;
    let trails = Selectors::parse(&text).map_err(|error| UsageError(format!("{name}: {error}")))?;
    let volumes: BTreeMap<String, u64> = arguments.volume.iter().cloned().collect();
    let selected = propose_selectors(rules.set.rules(), &trails, &volumes, PUBLISHED);
    let mut out = std::io::stdout().lock();
    match arguments.format {
        TableFormat::Json => {
            let all: Vec<Value> = selected.iter().map(Selected::selector).collect();
            writeln!(out, "{:#}", json!({ "AdvancedEventSelectors": all }))
        }
        TableFormat::Table => selectors_report(&selected)
            .lines()
            .try_for_each(|line| writeln!(out, "{}", shown(line))),
    }
    .context("write the selectors")?;
    Ok(if rules.rejected > 0 { Exit::Failed } else { Exit::Done })
}
