//! Every metric that this crate makes, in one place: name, kind, help, labels. Whoever scrapes, draws or documents reads it here.
//!
//! The text is Prometheus's exposition format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>). No label's value comes from a record: ids of rules, queries and
//! runbooks are ours, and the names of entities, which attackers choose, stay out.

use std::fmt::Write as _;

use crate::metrics::{Overall, Row, Times};
use crate::runs::RunbookRow;

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
}

const fn metric(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, help, labels }
}

/// The labels of a rule or query.
const RULE: &[&str] = &["kind", "rule"];

const VOLUME: Metric =
    metric("trailloop_rule_findings", "Findings of a rule or query in the window.", RULE);
const SUPPRESSED: Metric =
    metric("trailloop_rule_suppressed_findings", "Those of them that a filter moved down.", RULE);
const ENTITIES: Metric =
    metric("trailloop_rule_entities", "Different entities they are about.", RULE);
const VERDICTS: Metric = metric(
    "trailloop_rule_verdicts",
    "Findings by what they were judged to be.",
    &["kind", "rule", "verdict"],
);
const DISPUTED: Metric =
    metric("trailloop_rule_disputed_findings", "Findings on whose verdict people disagree.", RULE);
const PRECISION: Metric = metric(
    "trailloop_rule_precision",
    "Precision of a rule after its verdicts: the mean, and the quantiles 0.1 and 0.9.",
    &["kind", "rule", "statistic"],
);
const VALIDITY: Metric = metric(
    "trailloop_rule_validity_ratio",
    "Share of judged findings in which the rule was right, legitimate behaviour included.",
    RULE,
);
const UNLABELLED: Metric =
    metric("trailloop_rule_unlabelled_ratio", "Share of findings that nobody has judged.", RULE);
const JUDGED_IN_TIME: Metric = metric(
    "trailloop_rule_judged_within_day_ratio",
    "Share of findings a day old that had been judged within a day.",
    RULE,
);
const SECONDS: Metric = metric(
    "trailloop_rule_stage_seconds",
    "Time a stage takes: delivery is AWS's, ours is from receipt to finding; quantiles 0.5 and 0.95.",
    &["kind", "rule", "stage", "quantile"],
);
const SILENT: Metric =
    metric("trailloop_rule_silent_seconds", "Time since the last finding.", RULE);
const COST: Metric = metric(
    "trailloop_rule_cost_nanoseconds",
    "Time that the compiled rule takes for an event, where it was measured.",
    RULE,
);
const RATE: Metric = metric(
    "trailloop_rule_findings_per_million_events",
    "Findings among a million events, where these were counted.",
    RULE,
);
const WAITING: Metric = metric("trailloop_queue_findings", "Findings that nobody has judged.", &[]);
const ALL_JUDGED_IN_TIME: Metric = metric(
    "trailloop_judged_within_day_ratio",
    "Share of all findings a day old that had been judged within a day.",
    &[],
);
const ALL_SECONDS: Metric = metric(
    "trailloop_stage_seconds",
    "Time a stage takes, of all findings: delivery is AWS's, ours is from receipt to finding; quantiles 0.5 and 0.95.",
    &["stage", "quantile"],
);
const RUNS: Metric = metric(
    "trailloop_runbook_runs",
    "Runs of a runbook in the window, by how they ended.",
    &["runbook", "ending"],
);
const SUCCESS: Metric = metric(
    "trailloop_runbook_success_ratio",
    "Share of the runs that acted which held.",
    &["runbook"],
);
const WRONG: Metric = metric(
    "trailloop_runbook_wrong_ratio",
    "Share of the runs that held which a verdict undid.",
    &["runbook"],
);
const RUN_SECONDS: Metric = metric(
    "trailloop_runbook_stage_seconds",
    "Time a run takes: approve is from plan to agreement, hold from the first call to the proof.",
    &["runbook", "stage", "quantile"],
);

/// All of them, in the order in which they are shown. Each is a gauge: it is of a window that moves.
pub const METRICS: [Metric; 20] = [
    WAITING,
    ALL_JUDGED_IN_TIME,
    ALL_SECONDS,
    VOLUME,
    SUPPRESSED,
    ENTITIES,
    VERDICTS,
    DISPUTED,
    PRECISION,
    VALIDITY,
    UNLABELLED,
    JUDGED_IN_TIME,
    SECONDS,
    SILENT,
    RATE,
    COST,
    RUNS,
    SUCCESS,
    WRONG,
    RUN_SECONDS,
];

/// A value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Of which.
    pub metric: Metric,
    /// The values of its labels, in their order.
    pub labels: Vec<String>,
    /// The value.
    pub value: f64,
}

/// The samples of all findings, rules, queries and runbooks.
#[must_use]
pub fn samples(overall: &Overall, rows: &[Row], runbooks: &[RunbookRow]) -> Vec<Sample> {
    let mut samples = Vec::new();
    of_all(overall, &mut samples);
    for row in rows {
        of_rule(row, &mut samples);
    }
    for row in runbooks {
        of_runbook(row, &mut samples);
    }
    samples
}

fn of_all(overall: &Overall, samples: &mut Vec<Sample>) {
    samples.push(Sample { metric: WAITING, labels: Vec::new(), value: overall.waiting as f64 });
    if let Some(value) = overall.judged_in_time {
        samples.push(Sample { metric: ALL_JUDGED_IN_TIME, labels: Vec::new(), value });
    }
    let Overall { delivery, ours, to_detect, to_contain, to_decide, .. } = *overall;
    for (stage, times) in STAGES.into_iter().zip([delivery, ours, to_detect, to_contain, to_decide])
    {
        for (quantile, value) in quantiles(times) {
            let labels = vec![stage.to_owned(), quantile.to_owned()];
            samples.push(Sample { metric: ALL_SECONDS, labels, value });
        }
    }
}

/// The values of the label `stage`.
const STAGES: [&str; 5] = ["delivery", "ours", "detect", "contain", "decide"];

fn of_rule(row: &Row, samples: &mut Vec<Sample>) {
    let mut add = |metric: Metric, more: &[&str], value: f64| {
        let mut labels = vec![row.made.name().to_owned(), row.id.clone()];
        labels.extend(more.iter().map(|one| (*one).to_owned()));
        samples.push(Sample { metric, labels, value });
    };
    add(VOLUME, &[], row.volume as f64);
    add(SUPPRESSED, &[], row.suppressed as f64);
    add(ENTITIES, &[], row.entities as f64);
    add(DISPUTED, &[], row.disputed as f64);
    for (verdict, count) in &row.verdicts {
        add(VERDICTS, &[verdict], *count as f64);
    }
    for (statistic, value) in [("mean", row.mean), ("q10", row.q10), ("q90", row.q90)] {
        add(PRECISION, &[statistic], value);
    }
    add(UNLABELLED, &[], row.unlabelled);
    let perhaps = [
        (VALIDITY, row.validity),
        (JUDGED_IN_TIME, row.judged_in_time),
        (RATE, row.per_million),
        (COST, row.cost_ns),
    ];
    for (metric, value) in perhaps {
        if let Some(value) = value {
            add(metric, &[], value);
        }
    }
    let stages = [row.delivery, row.ours, row.to_detect, row.to_contain, row.to_decide];
    for (stage, times) in STAGES.into_iter().zip(stages) {
        for (quantile, seconds) in quantiles(times) {
            add(SECONDS, &[stage, quantile], seconds);
        }
    }
    add(SILENT, &[], row.silent_ms as f64 / 1000.0);
}

fn of_runbook(row: &RunbookRow, samples: &mut Vec<Sample>) {
    let mut add = |metric: Metric, more: &[&str], value: f64| {
        let mut labels = vec![row.id.clone()];
        labels.extend(more.iter().map(|one| (*one).to_owned()));
        samples.push(Sample { metric, labels, value });
    };
    for (ending, count) in &row.endings {
        add(RUNS, &[ending.name()], *count as f64);
    }
    for (metric, share) in [(SUCCESS, row.success), (WRONG, row.wrong)] {
        if let Some(share) = share {
            add(metric, &[], share);
        }
    }
    for (stage, times) in [("approve", row.to_approve), ("hold", row.to_hold)] {
        for (quantile, seconds) in quantiles(times) {
            add(RUN_SECONDS, &[stage, quantile], seconds);
        }
    }
}

fn quantiles(times: Times) -> impl Iterator<Item = (&'static str, f64)> {
    let all = [("0.5", times.p50_ms), ("0.95", times.p95_ms)];
    all.into_iter().filter_map(|(quantile, ms)| Some((quantile, ms? as f64 / 1000.0)))
}

/// The samples as text: each metric that has any with its help and type, in the order of [`METRICS`].
#[must_use]
pub fn exposition(samples: &[Sample]) -> String {
    let mut text = String::new();
    for metric in METRICS {
        let mut of_it = samples.iter().filter(|sample| sample.metric == metric).peekable();
        if of_it.peek().is_none() {
            continue;
        }
        let Metric { name, help, labels } = metric;
        text.extend(["# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n"]);
        for sample in of_it {
            text.push_str(name);
            for (nth, (label, value)) in labels.iter().zip(&sample.labels).enumerate() {
                text.extend([if nth == 0 { "{" } else { "," }, label, "=\"", &escape(value), "\""]);
            }
            text.push_str(if labels.is_empty() { " " } else { "} " });
            // Writing to a text never fails.
            if writeln!(text, "{}", sample.value).is_err() {
                return text;
            }
        }
    }
    text
}

/// A label's value, in which three characters are escaped.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metrics::tests::{HOUR, entry, said};
    use crate::metrics::{Changes, Observed, Window, overall, rows};
    use crate::runs::tests::run;
    use crate::runs::{Ending, runbook_rows};
    use crate::{Judgement, Opinion};

    #[test]
    fn names_follow_the_rules_and_are_there_once() {
        let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            assert!(metric.name.starts_with("trailloop_") && metric.help.ends_with('.'));
            assert!(metric.name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()));
        }
    }

    #[test]
    fn the_page_lists_them() {
        let page = include_str!("../../../docs/verdicts.md");
        let mut table = String::from("| Metric | Labels | It says |\n|---|---|---|\n");
        for Metric { name, help, labels } in METRICS {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            table.push_str(&format!("| `{name}` | {} | {help} |\n", labels.join(", ")));
        }
        assert!(page.contains(&table), "docs/verdicts.md should hold:\n{table}");
    }

    #[test]
    fn all_of_them_as_text() {
        let mut one = entry(1, "a \"rule\"\\\n", "arn:aws:iam::111122223333:user/ana", 1);
        one.clocks.contained_ms = Some(2 * HOUR);
        let opinions: [Opinion; 1] = [said("ana", Judgement::TruePositive, 2)];
        let observed = [Observed::new(&one, &opinions)];
        let window = Window { from_ms: 0, to_ms: 48 * HOUR };
        let mut rows = rows(&observed, window, &Changes::new());
        (rows[0].per_million, rows[0].cost_ns) = (Some(2.5), Some(31.0));
        let runs = runbook_rows(&[run(1, Ending::Undone, false)], 0);
        let samples = samples(&overall(&observed, window), &rows, &runs);
        for metric in METRICS {
            let of_it = samples.iter().filter(|sample| sample.metric == metric);
            assert!(of_it.clone().count() > 0, "{} has no sample", metric.name);
            for sample in of_it {
                assert_eq!(sample.labels.len(), metric.labels.len(), "{}", metric.name);
            }
        }
        let text = exposition(&samples);
        assert!(!text.contains("user/ana"), "no entity is a label");
        insta::assert_snapshot!(text);
    }
}
