//! `trailloop rules cost`: what each rule costs an event of an archive, and how often it fires there.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use trailloop_cloudtrail::{Glance, Limits, Reader, Record, Scratch, Verdict, read_wanted};
use trailloop_feedback::metrics::{Measure, Measured};
use trailloop_respond::store;
use trailloop_rules::{MatchScratch, RuleSet};

use crate::cli::{CostArgs, Global, TableFormat};
use crate::found::Archive;
use crate::ruleset::RuleFiles;
use crate::show::shown;
use crate::{Exit, UsageError, enrichment, findings, respond, ruleset};

/// So many looks at the clock tell what one takes.
const LOOKS: u32 = 10_000;

/// Runs the command.
pub(super) fn cost(arguments: &CostArgs, global: &Global) -> anyhow::Result<Exit> {
    let facts = enrichment::load(arguments.enrichment.folder.as_deref())?;
    let rules = RuleFiles::compile(ruleset::read(&arguments.rules)?, &facts).some()?;
    rules.report(global);
    let archive = Archive::list(&arguments.source, &arguments.aws)?;
    let mut costs = Costs::of(&rules.set, arguments.records);
    let (limits, mut scratch) = (Limits::default(), Scratch::new());
    archive.each_object(|_, object| {
        let read = read_wanted(object, &limits, &mut scratch, &mut costs);
        costs.records += read.passed_over;
        Ok(costs.flow())
    })?;
    if costs.records == 0 {
        let text = format!("no record found in {}", arguments.source.join(" "));
        return Err(UsageError(text).into());
    }
    if let Some(config) = &arguments.config {
        let measured = costs.measured();
        respond::block_on(async {
            let table = findings::state(config).await?;
            store::keep_measured(&*table, &measured).await.context("keep what was measured")
        })?;
    }
    let mut out = std::io::stdout().lock();
    match arguments.format {
        TableFormat::Table => costs.write_table(&mut out),
        TableFormat::Json => writeln!(out, "{:#}", costs.to_json()),
    }
    .context("write what rules cost")?;
    Ok(if rules.rejected > 0 { Exit::Failed } else { Exit::Done })
}

/// What a rule came to.
#[derive(Clone, Copy, Default)]
struct Cost {
    tried: u64,
    matched: u64,
    took: Duration,
}

/// What all rules came to.
struct Costs<'r> {
    set: &'r RuleSet,
    scratch: MatchScratch,
    records: u64,
    /// So many are enough.
    records_max: u64,
    of_rules: Vec<Cost>,
    /// The last record that each rule matched, since the index may know a rule by two names.
    last_match: Vec<u64>,
    /// What two looks at the clock take.
    look: Duration,
}

impl<'r> Costs<'r> {
    fn of(set: &'r RuleSet, records_max: u64) -> Self {
        let begun = Instant::now();
        let looks: Duration = (0..LOOKS).map(|_| Instant::now().elapsed()).sum();
        tracing::debug!(all = ?begun.elapsed(), measured = ?looks, "what looking at the clock takes");
        Self {
            set,
            scratch: MatchScratch::new(),
            records: 0,
            records_max,
            of_rules: vec![Cost::default(); set.len()],
            last_match: vec![0; set.len()],
            look: looks / LOOKS,
        }
    }

    fn flow(&self) -> ControlFlow<()> {
        match self.records >= self.records_max {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn per_event(&self, cost: &Cost) -> f64 {
        cost.took.as_nanos() as f64 / self.records as f64
    }

    fn per_million(&self, count: u64) -> f64 {
        count as f64 * 1e6 / self.records as f64
    }

    /// By id, for what is kept.
    fn measured(&self) -> Measured {
        let measure = |(rule, cost): (&trailloop_rules::Rule, &Cost)| {
            let measure = Measure {
                hash: rule.analytic.hash.clone(),
                per_million: self.per_million(cost.matched),
                cost_ns: self.per_event(cost),
            };
            (rule.analytic.uid.clone(), measure)
        };
        self.set.rules().iter().zip(&self.of_rules).map(measure).collect()
    }

    /// The rules and their costs, the dearest first.
    fn sorted(&self) -> Vec<(&'r trailloop_rules::Rule, &Cost)> {
        let mut all: Vec<_> = self.set.rules().iter().zip(&self.of_rules).collect();
        all.sort_by(|(one, its), (other, others)| {
            others.took.cmp(&its.took).then_with(|| one.analytic.uid.cmp(&other.analytic.uid))
        });
        all
    }

    fn write_table(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "{:>11}  {:>11}  {:>13}  {:>13}  {:<36}  title",
            "ns an event", "ns a trial", "tried/million", "found/million", "id"
        )?;
        for (rule, cost) in self.sorted() {
            let per_trial = cost.took.as_nanos() / u128::from(cost.tried.max(1));
            writeln!(
                out,
                "{:>11.3}  {per_trial:>11}  {:>13.1}  {:>13.1}  {}  {}",
                self.per_event(cost),
                self.per_million(cost.tried),
                self.per_million(cost.matched),
                rule.analytic.uid,
                shown(&rule.analytic.name)
            )?;
        }
        let all: Duration = self.of_rules.iter().map(|cost| cost.took).sum();
        let of_all = self.per_event(&Cost { took: all, ..Cost::default() });
        let (rules, records) = (self.set.len(), self.records);
        writeln!(out, "{of_all:>11.1}  all {rules} rules, on {records} records")
    }

    fn to_json(&self) -> serde_json::Value {
        let one = |(rule, cost): (&trailloop_rules::Rule, &Cost)| {
            json!({
                "uid": rule.analytic.uid, "title": rule.analytic.name, "hash": rule.analytic.hash,
                "cost_ns": self.per_event(cost), "tried": cost.tried, "matched": cost.matched,
                "findings_per_million_records": self.per_million(cost.matched),
            })
        };
        let rules: Vec<_> = self.sorted().into_iter().map(one).collect();
        json!({"rule_set": self.set.hash(), "records": self.records, "rules": rules})
    }
}

/// As the stream reads: a record that no rule can match costs no trial.
impl Reader for Costs<'_> {
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        match self.set.may_match(glance, &mut self.scratch) {
            true => Verdict::Parse,
            false => Verdict::PassOver,
        }
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        self.records += 1;
        let Self { set, scratch, records, of_rules, last_match, look, .. } = self;
        set.try_each(&record, scratch, |rule, trial| {
            let begun = Instant::now();
            let is_match = trial();
            let took = begun.elapsed();
            let nth = rule as usize;
            of_rules[nth].tried += 1;
            of_rules[nth].took += took.saturating_sub(*look);
            if is_match && last_match[nth] != *records {
                last_match[nth] = *records;
                of_rules[nth].matched += 1;
            }
        });
        self.flow()
    }
}
