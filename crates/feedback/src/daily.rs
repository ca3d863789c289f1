//! A day's row of a rule or query as columns, for the table `metrics_daily`: so queries read their own metrics.

use serde_json::Value;

use crate::judgement::Judgement;
use crate::metrics::{Row, Times};

/// What a column holds. Each may be null but for texts, which may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, in the small letters of SQL.
    pub name: &'static str,
    /// What it holds.
    pub holds: Type,
    /// What it means.
    pub doc: &'static str,
}

const fn text(name: &'static str, doc: &'static str) -> Column {
    Column { name, holds: Type::Text, doc }
}

const fn integer(name: &'static str, doc: &'static str) -> Column {
    Column { name, holds: Type::Integer, doc }
}

const fn number(name: &'static str, doc: &'static str) -> Column {
    Column { name, holds: Type::Number, doc }
}

/// The columns, in order.
pub const COLUMNS: [Column; 38] = [
    text("as_of", "The last day of the window"),
    text("kind", "rule or query"),
    text("rule", "Its id"),
    text("title", "Its title"),
    text("level", "The greatest level of its findings"),
    text("rule_hash", "The hash of what it said at its last finding"),
    integer("findings", "Findings in the window"),
    integer("folded", "The same, repeats as one"),
    integer("suppressed", "Those of the findings that a filter moved down"),
    integer("entities", "Different entities they are about"),
    integer("true_positive", "Judged malicious, repeats as one"),
    integer("test", "Judged a test"),
    integer("benign_positive", "Judged legitimate, the rule being right"),
    integer("false_positive", "Judged wrong"),
    integer("duplicate", "Judged the same as another"),
    integer("inconclusive", "Judged undecidable"),
    integer("disputed", "People disagree"),
    number("precision", "The expected share of attacks"),
    number("precision_q10", "It is surely (90 %) no less"),
    number("precision_q90", "It is surely (90 %) no more"),
    number("validity", "The share of judged findings in which the rule was right"),
    number("unlabelled", "The share that nobody has judged"),
    number("judged_in_time", "The share of those a day old that had been judged within a day"),
    text("noisiest", "The entity with most findings"),
    number("noisiest_share", "Its share of the findings"),
    integer("delivery_p50_ms", "From event to receipt, which is AWS's: the median"),
    integer("delivery_p95_ms", "The same: what 95 of 100 keep"),
    integer("ours_p50_ms", "From receipt to finding: the median"),
    integer("ours_p95_ms", "The same: what 95 of 100 keep"),
    integer("detect_p50_ms", "From event to finding: the median"),
    integer("detect_p95_ms", "The same: what 95 of 100 keep"),
    integer("contain_p50_ms", "From event to the proof of containment: the median"),
    integer("contain_p95_ms", "The same: what 95 of 100 keep"),
    integer("decide_p50_ms", "From finding to verdict: the median"),
    integer("decide_p95_ms", "The same: what 95 of 100 keep"),
    integer("silent_ms", "Since the last finding"),
    number("per_million", "Findings among a million events"),
    number("cost_ns", "What the rule costs an event, in nanoseconds"),
];

/// The values of a row, one for each of [`COLUMNS`].
#[must_use]
pub fn values(row: &Row) -> [Value; COLUMNS.len()] {
    let said = |judgement: Judgement| -> Value {
        row.verdicts.get(judgement.name()).copied().unwrap_or_default().into()
    };
    let half = |times: Times| Value::from(times.p50_ms);
    let most = |times: Times| Value::from(times.p95_ms);
    let noisiest = row.noisy.first();
    [
        row.as_of.as_str().into(),
        row.made.name().into(),
        row.id.as_str().into(),
        row.title.as_str().into(),
        row.level.as_str().into(),
        row.hash.as_deref().unwrap_or_default().into(),
        row.volume.into(),
        row.folded.into(),
        row.suppressed.into(),
        row.entities.into(),
        said(Judgement::TruePositive),
        said(Judgement::Test),
        said(Judgement::BenignPositive),
        said(Judgement::FalsePositive),
        said(Judgement::Duplicate),
        said(Judgement::Inconclusive),
        row.disputed.into(),
        row.mean.into(),
        row.q10.into(),
        row.q90.into(),
        row.validity.into(),
        row.unlabelled.into(),
        row.judged_in_time.into(),
        noisiest.map(|one| one.entity.as_str()).unwrap_or_default().into(),
        noisiest.map(|one| one.share).into(),
        half(row.delivery),
        most(row.delivery),
        half(row.ours),
        most(row.ours),
        half(row.to_detect),
        most(row.to_detect),
        half(row.to_contain),
        most(row.to_contain),
        half(row.to_decide),
        most(row.to_decide),
        row.silent_ms.into(),
        row.per_million.into(),
        row.cost_ns.into(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::metrics::tests::{HOUR, entry, said};
    use crate::metrics::{Changes, Observed, Window, rows};

    #[test]
    fn the_page_lists_them() {
        let page = include_str!("../../../docs/verdicts.md");
        let mut table = String::from("| Column | It says |\n|---|---|\n");
        for Column { name, doc, .. } in COLUMNS {
            table.push_str(&format!("| `{name}` | {doc} |\n"));
        }
        assert!(page.contains(&table), "docs/verdicts.md should hold:\n{table}");
    }

    #[test]
    fn each_column_holds_what_it_says() {
        let names: BTreeSet<&str> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), COLUMNS.len());
        let one = entry(1, "r", "ana", 1);
        let opinions = [said("ana", Judgement::Test, 2)];
        let observed = [Observed::new(&one, &opinions)];
        let window = Window { from_ms: 0, to_ms: 48 * HOUR };
        let rows = rows(&observed, window, &Changes::new());
        let values = values(&rows[0]);
        for (column, value) in COLUMNS.iter().zip(&values) {
            let fits = match column.holds {
                Type::Text => value.is_string(),
                Type::Integer => value.is_i64() || value.is_u64() || value.is_null(),
                Type::Number => value.is_number() || value.is_null(),
            };
            assert!(fits, "{} is {value}", column.name);
        }
        let named: BTreeMap<&str, &Value> =
            COLUMNS.iter().map(|column| column.name).zip(&values).collect();
        assert_eq!(named["as_of"], "1970-01-02");
        assert_eq!((named["test"], named["true_positive"]), (&1.into(), &0.into()));
        assert_eq!(named["noisiest"], "ana");
        assert_eq!(named["ours_p95_ms"], 2_000);
        assert_eq!(named["silent_ms"], 47 * HOUR);
    }
}
