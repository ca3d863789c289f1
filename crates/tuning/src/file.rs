//! The text of a proposed filter: the same candidate gives the same bytes, and no value can end what it is written in.
//!
//! Values come out of records, so their writers are strangers. Each is written in double quotes with everything but
//! printable ASCII escaped, so that a reviewer sees what is there, and with the wildcards of Sigma escaped, so that a value
//! means itself. What the loader then has anything to say of is not proposed.

use std::fmt::Write as _;

use trailloop_finding::sha256;
use trailloop_rules::{Filter, QuietBacktest, QuietEvidence, Rule, Seen, load};

use crate::candidate::{Candidate, Condition, Test};

/// The name that texts made here are loaded by.
pub(crate) const PATH: &str = "proposal.yml";

/// A hash of nothing, for a text whose seal is not known yet.
const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The figures of a filter's evidence and backtest; the seal is added by [`sealed`].
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The verdicts.
    pub evidence: QuietEvidence,
    /// The backtest.
    pub backtest: QuietBacktest,
}

impl Figures {
    /// Of a candidate that was not tested.
    pub(crate) fn unknown(candidate: &Candidate) -> Self {
        let day = candidate.created.to_string();
        let (from, to) = (day.clone(), day);
        let backtest = QuietBacktest { from, to, hidden_tp_ub95: 1.0, ..QuietBacktest::default() };
        Self { evidence: QuietEvidence::default(), backtest }
    }
}

/// The text of the file, sealed.
///
/// # Errors
///
/// If the loader has anything to say of it.
pub fn sealed(candidate: &Candidate, seen: &Seen, figures: &Figures) -> Result<String, String> {
    let seal = load_one(&text(candidate, seen, figures, UNSEALED))?.seal(&candidate.rule);
    Ok(text(candidate, seen, figures, &seal))
}

/// Loads a text that holds one filter of which nothing is said.
pub(crate) fn load_one(text: &str) -> Result<Filter, String> {
    let mut loaded = load(PATH, text);
    if let Some(first) = loaded.diagnostics.first() {
        return Err(first.to_string());
    }
    match (loaded.filters.len(), loaded.rules.len()) {
        (1, 0) => Ok(loaded.filters.remove(0)),
        _ => Err("the text holds something else than one filter".to_owned()),
    }
}

/// An id in the form of a UUID of version 8, made of what the filter is about: a renewal keeps it.
pub(crate) fn id_of(rule: &Rule, conditions: &[Condition]) -> String {
    let mut about = rule.analytic.uid.clone();
    for condition in conditions {
        about.push('\n');
        about.push_str(&condition.to_string());
    }
    let hash = sha256(about.as_bytes());
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

fn text(candidate: &Candidate, seen: &Seen, figures: &Figures, seal: &str) -> String {
    let Candidate { rule, conditions, owner, reason, created, expires, tripwires, .. } = candidate;
    let QuietEvidence { verdicts, reviewers, days } = figures.evidence;
    let mut out = String::new();
    let mut line = |depth: usize, line: &str| {
        out.extend(std::iter::repeat_n("  ", depth));
        out.push_str(line);
        out.push('\n');
    };
    line(0, &format!("title: {}", quoted(&format!("Quieter: {}", rule.analytic.name))));
    line(0, &format!("id: {}", id_of(rule, conditions)));
    line(0, "logsource: {product: aws, service: cloudtrail}");
    line(0, "filter:");
    line(1, &format!("rules: [{}]", quoted(&rule.analytic.uid)));
    line(1, "selection:");
    for condition in conditions {
        line(2, &condition_text(condition));
    }
    line(1, "condition: not selection");
    line(0, "trailloop:");
    line(1, "action: downrank");
    line(1, &format!("owner: {}", quoted(owner)));
    line(1, &format!("reason: {}", quoted(reason)));
    line(1, &format!("created: {created}"));
    line(1, &format!("expires: {expires}"));
    line(1, &format!("tripwires: {}", list(tripwires)));
    line(1, "seen:");
    line(2, &format!("entities: {}", list(&seen.entities)));
    line(2, &format!("events: {}", list(&seen.events)));
    line(2, &format!("networks: {}", list(&seen.networks)));
    line(2, &format!("regions: {}", list(&seen.regions)));
    line(2, &format!("agents: {}", list(&seen.agents)));
    line(1, &format!("evidence: {{verdicts: {verdicts}, reviewers: {reviewers}, days: {days}}}"));
    line(1, "backtest:");
    for (key, value) in backtest_lines(rule, &figures.backtest, seal) {
        line(2, &format!("{key}: {value}"));
    }
    out
}

fn backtest_lines(
    rule: &Rule,
    backtest: &QuietBacktest,
    seal: &str,
) -> Vec<(&'static str, String)> {
    vec![
        ("rule", quoted(&rule.analytic.hash)),
        ("from", backtest.from.clone()),
        ("to", backtest.to.clone()),
        ("events", backtest.events.to_string()),
        ("removed", backtest.removed.to_string()),
        ("kept", backtest.kept.to_string()),
        ("entities", backtest.entities.to_string()),
        ("unreviewed_entities", backtest.unreviewed_entities.to_string()),
        ("tp_hidden", backtest.tp_hidden.to_string()),
        ("corpora_hidden", backtest.corpora_hidden.to_string()),
        ("audited", backtest.audited.to_string()),
        ("hidden_tp_ub95", format!("{:.4}", backtest.hidden_tp_ub95)),
        ("daily_p95", backtest.daily_p95.to_string()),
        ("sha256", quoted(seal)),
    ]
}

fn condition_text(condition: &Condition) -> String {
    let field = &condition.field;
    match &condition.test {
        Test::Equals(value) => format!("{}: {}", quoted(field), quoted(&literal(value))),
        Test::Inside(network) => {
            format!("{}: {}", quoted(&format!("{field}|cidr")), quoted(network))
        }
        Test::Begins(starts) => {
            let starts: Vec<String> = starts.iter().map(|start| literal(start)).collect();
            format!("{}: {}", quoted(&format!("{field}|startswith")), list(&starts))
        }
    }
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A value that means itself in Sigma: its wildcards escaped.
fn literal(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A text in double quotes of YAML, in printable ASCII alone.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            // Writing to a string cannot fail.
            c if u32::from(c) <= 0xffff => {
                write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default()
            }
            c => write!(out, "\\U{:08x}", u32::from(c)).unwrap_or_default(),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_leaves_printable_ascii_alone() {
        assert_eq!(quoted("a \"b\" \\ c"), r#""a \"b\" \\ c""#);
        assert_eq!(quoted("x\n\u{202e}\u{1f600}é"), r#""x\u000a\u202e\U0001f600\u00e9""#);
        assert_eq!(literal(r"a*b?c\d"), r"a\*b\?c\\d");
    }
}
