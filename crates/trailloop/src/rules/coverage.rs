//! `trailloop rules coverage`: which of ATT&CK's techniques the rules look for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use trailloop_finding::{Level, tactic_of, technique_of};
use trailloop_rules::catalogue::{Selectors, recorded};
use trailloop_rules::{Call, CallName, Rule, RuleSet};

use crate::cli::{CoverageArgs, CoverageFormat};
use crate::ruleset::{RuleFiles, read};
use crate::show::shown;
use crate::{Exit, UsageError};

/// Where techniques of rules stand that name no tactic.
const WITHOUT_TACTIC: &str = "(no tactic named)";

/// So many calls of a rule are named.
const CALLS_SHOWN_MAX: usize = 4;

/// A technique under a tactic, and the rules that look for it.
#[derive(Default)]
struct Covered<'r> {
    rules: Vec<&'r Rule>,
}

impl Covered<'_> {
    fn highest(&self) -> Level {
        self.rules.iter().map(|rule| rule.analytic.level).max().unwrap_or(Level::Informational)
    }
}

/// By the name of the tactic, then by the id of the technique. A rule that names several tactics counts under each, because
/// its tags don't say which technique is for which.
type Coverage<'r> = BTreeMap<&'static str, BTreeMap<String, Covered<'r>>>;

/// Runs the command.
pub(super) fn coverage(arguments: &CoverageArgs) -> anyhow::Result<Exit> {
    let RuleFiles { set, rejected, .. } =
        RuleFiles::compile(read(&arguments.rules.paths)?, &Arc::default());
    let unfed = match &arguments.trails {
        Some(file) => Some(unfed(&set, file)?),
        None => None,
    };
    let coverage = covered_by(&set, unfed.as_ref());
    let mut out = std::io::stdout().lock();
    match arguments.format {
        CoverageFormat::Table => write_table(&coverage, &mut out).and_then(|()| match &unfed {
            Some(unfed) => write_unfed(unfed, &mut out),
            None => Ok(()),
        }),
        CoverageFormat::Json => writeln!(out, "{:#}", to_json(&coverage, &set, unfed.as_ref())),
        CoverageFormat::Navigator => writeln!(out, "{:#}", navigator(&coverage, set.len())),
    }
    .context("write the coverage")?;
    Ok(if rejected > 0 { Exit::Failed } else { Exit::Done })
}

/// The rules that no trail feeds, because no event selector of theirs records a call that the rule can fire on.
struct Unfed<'r> {
    trails: usize,
    rules: Vec<&'r Rule>,
}

fn unfed<'s>(set: &'s RuleSet, file: &Path) -> anyhow::Result<Unfed<'s>> {
    let name = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| UsageError(format!("failed to read {name}: {error}")))?;
    let selectors =
        Selectors::parse(&text).map_err(|error| UsageError(format!("{name}: {error}")))?;
    let is_unfed = |rule: &&Rule| !rule.calls().iter().any(|call| recorded(call, &selectors));
    let rules = set.rules().iter().filter(is_unfed).collect();
    Ok(Unfed { trails: selectors.len(), rules })
}

/// What the rules cover that trails feed.
fn covered_by<'r>(set: &'r RuleSet, unfed: Option<&Unfed<'_>>) -> Coverage<'r> {
    let mut coverage = Coverage::new();
    let is_fed = |rule: &&Rule| {
        unfed.is_none_or(|unfed| {
            unfed.rules.iter().all(|other| other.analytic.uid != rule.analytic.uid)
        })
    };
    for rule in set.rules().iter().filter(is_fed) {
        let tags = &rule.analytic.tags;
        let mut tactics: BTreeSet<&str> =
            tags.iter().filter_map(|tag| tactic_of(tag)).map(|(_, name)| name).collect();
        if tactics.is_empty() {
            tactics.insert(WITHOUT_TACTIC);
        }
        for technique in tags.iter().filter_map(|tag| technique_of(tag)) {
            for tactic in &tactics {
                let techniques = coverage.entry(tactic).or_default();
                techniques.entry(technique.clone()).or_default().rules.push(rule);
            }
        }
    }
    coverage
}

fn write_table(coverage: &Coverage<'_>, out: &mut impl Write) -> std::io::Result<()> {
    let mut all = BTreeSet::new();
    for (tactic, techniques) in coverage {
        let rules: BTreeSet<&str> = techniques
            .values()
            .flat_map(|covered| &covered.rules)
            .map(|rule| rule.analytic.uid.as_str())
            .collect();
        writeln!(out, "{tactic}: {} techniques, {} rules", techniques.len(), rules.len())?;
        for (technique, covered) in techniques {
            all.insert(technique.as_str());
            let titles: Vec<String> =
                covered.rules.iter().map(|rule| shown(&rule.analytic.name)).collect();
            let level = covered.highest();
            writeln!(out, "  {technique:<10} {:<13} {}", level.as_str(), titles.join("; "))?;
        }
    }
    writeln!(out, "{} techniques under {} tactics", all.len(), coverage.len())
}

fn write_unfed(unfed: &Unfed<'_>, out: &mut impl Write) -> std::io::Result<()> {
    let (count, trails) = (unfed.rules.len(), unfed.trails);
    writeln!(
        out,
        "{count} rules can't fire on what the event selectors of {trails} trails record, and are left out above"
    )?;
    for rule in &unfed.rules {
        let about = &rule.analytic;
        let calls: Vec<String> = rule.calls().iter().take(CALLS_SHOWN_MAX).map(named).collect();
        let more = if rule.calls().len() > CALLS_SHOWN_MAX { ", …" } else { "" };
        writeln!(
            out,
            "  {:<13}  {}: needs {}{more}",
            about.level.as_str(),
            shown(&about.name),
            calls.join(", ")
        )?;
    }
    Ok(())
}

/// A call as a person would name it.
fn named(call: &Call) -> String {
    let source = call.source.as_deref().unwrap_or("any source");
    let name = match &call.name {
        None => "anything".to_owned(),
        Some(CallName::Exact(name)) => name.clone(),
        Some(CallName::Prefix(start)) => format!("{start}*"),
        Some(CallName::Contains(piece)) => format!("*{piece}*"),
    };
    shown(&format!("{} {name}", source.trim_end_matches(".amazonaws.com")))
}

fn to_json(coverage: &Coverage<'_>, set: &RuleSet, unfed: Option<&Unfed<'_>>) -> Value {
    let technique = |(id, covered): (&String, &Covered<'_>)| {
        let rules: Vec<Value> = covered
            .rules
            .iter()
            .map(|rule| {
                let about = &rule.analytic;
                json!({"uid": about.uid, "title": about.name, "level": about.level.as_str()})
            })
            .collect();
        json!({"technique": id, "level": covered.highest().as_str(), "rules": rules})
    };
    let tactics: Vec<Value> = coverage
        .iter()
        .map(|(tactic, techniques)| {
            let techniques: Vec<Value> = techniques.iter().map(technique).collect();
            json!({"tactic": tactic, "techniques": techniques})
        })
        .collect();
    let mut all = json!({"rule_set": set.hash(), "rules": set.len(), "tactics": tactics});
    if let Some(unfed) = unfed {
        let rules: Vec<Value> = unfed
            .rules
            .iter()
            .map(|rule| {
                let about = &rule.analytic;
                let calls: Vec<String> = rule.calls().iter().map(named).collect();
                json!({"uid": about.uid, "title": about.name, "level": about.level.as_str(), "calls": calls})
            })
            .collect();
        all["trails"] = json!(unfed.trails);
        all["rules_not_fed"] = Value::Array(rules);
    }
    all
}

/// A layer of the ATT&CK Navigator, format 4.5: the score is the number of rules.
fn navigator(coverage: &Coverage<'_>, rules: usize) -> Value {
    let mut techniques = Vec::new();
    let mut most = 1;
    for (tactic, covered) in coverage {
        for (id, covered) in covered {
            most = most.max(covered.rules.len());
            let comment: Vec<String> = covered
                .rules
                .iter()
                .map(|rule| format!("{} ({})", shown(&rule.analytic.name), rule.analytic.level))
                .collect();
            // Without a tactic the layer shows the technique wherever it stands in the matrix.
            let shown_under =
                (*tactic != WITHOUT_TACTIC).then(|| tactic.to_ascii_lowercase().replace(' ', "-"));
            techniques.push(json!({
                "techniqueID": id,
                "tactic": shown_under,
                "score": covered.rules.len(),
                "comment": comment.join("\n"),
                "enabled": true,
                "showSubtechniques": id.contains('.'),
            }));
        }
    }
    json!({
        "name": "Trailloop",
        "versions": {"attack": "19", "navigator": "5.1.0", "layer": "4.5"},
        "domain": "enterprise-attack",
        "description": format!("What {rules} rules for AWS CloudTrail look for"),
        "filters": {"platforms": ["IaaS", "SaaS", "Identity Provider"]},
        "techniques": techniques,
        "gradient": {"colors": ["#cfe8d5", "#1b7837"], "minValue": 1, "maxValue": most},
        "sorting": 3,
    })
}
