//! `trailloop rules coverage`: which of ATT&CK's techniques the rules look for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use trailloop_finding::{Level, tactic_of, technique_of};
use trailloop_rules::{Rule, RuleSet};

use crate::Exit;
use crate::cli::{CoverageArgs, CoverageFormat};
use crate::ruleset::{RuleFiles, read};
use crate::show::shown;

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

/// By the name of the tactic, then by the id of the technique.
type Coverage<'r> = BTreeMap<&'static str, BTreeMap<String, Covered<'r>>>;

/// Runs the command.
pub(super) fn coverage(arguments: &CoverageArgs) -> anyhow::Result<Exit> {
    let RuleFiles { set, rejected, .. } =
        RuleFiles::compile(read(&arguments.rules.paths)?, &Arc::default());
    let coverage = covered_by(&set);
    let mut out = std::io::stdout().lock();
    match arguments.format {
        CoverageFormat::Table => write_table(&coverage, &mut out),
        CoverageFormat::Json => writeln!(out, "{:#}", to_json(&coverage, &set)),
        CoverageFormat::Navigator => writeln!(out, "{:#}", navigator(&coverage, set.len())),
    }
    .context("write the coverage")?;
    Ok(if rejected > 0 { Exit::Failed } else { Exit::Done })
}

fn covered_by(set: &RuleSet) -> Coverage<'_> {
    let mut coverage = Coverage::new();
    for rule in set.rules() {
        let tags = &rule.analytic.tags;
        let tactics: BTreeSet<&str> =
            tags.iter().filter_map(|tag| tactic_of(tag)).map(|(_, name)| name).collect();
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

fn to_json(coverage: &Coverage<'_>, set: &RuleSet) -> Value {
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
    json!({"rule_set": set.hash(), "rules": set.len(), "tactics": tactics})
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
            techniques.push(json!({
                "techniqueID": id,
                "tactic": tactic.to_ascii_lowercase().replace(' ', "-"),
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
