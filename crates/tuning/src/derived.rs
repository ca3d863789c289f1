//! Examples for rules out of verdicts: what was called wrong logic must not match, what was judged true must go on firing.
//!
//! An example is a redacted record, written under `trailloop: tests:` of its rule. One that must not match fails until somebody
//! has repaired the rule, which is its purpose.

use std::fmt::Write as _;

use serde_json::Value;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_finding::redact;
use trailloop_rules::{MatchScratch, Rule, RuleSet};

use crate::evidence::{Judged, Label};
use crate::file::quoted;

/// The reason code by which a false positive is the rule's fault.
pub const WRONG_LOGIC: &str = "wrong_logic";

/// An example that a verdict asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedTest {
    /// The finding that it comes from.
    pub uid: String,
    /// Whether the rule has to match.
    pub expect: bool,
    /// The example, as an element of the list under `tests:`.
    pub yaml: String,
    /// Whether the rule as it is does what the example says.
    pub holds: bool,
}

/// The examples that verdicts on a rule's findings ask for, in the order of the findings' ids, each record once. A true
/// positive that no longer matches once its secrets are redacted would show nothing, and is left out.
#[must_use]
pub fn derived_tests(rule: &Rule, judged: &[Judged]) -> Vec<DerivedTest> {
    let alone = RuleSet::build(vec![rule.clone()], &[], &mut Vec::new());
    let mut of_rule: Vec<&Judged> =
        judged.iter().filter(|one| one.rule == rule.analytic.uid).collect();
    of_rule.sort_by(|a, b| a.uid.cmp(&b.uid));
    let mut tests: Vec<DerivedTest> = Vec::new();
    for one in of_rule {
        let expect = match one.label {
            Label::True | Label::Test => true,
            Label::False if one.reason == WRONG_LOGIC => false,
            Label::False | Label::Benign => continue,
        };
        let Some(test) = derived(&alone, one, expect) else { continue };
        let is_known = tests.iter().any(|known| known.yaml == test.yaml);
        if !is_known && (test.holds || !test.expect) {
            tests.push(test);
        }
    }
    tests
}

fn derived(alone: &RuleSet, judged: &Judged, expect: bool) -> Option<DerivedTest> {
    let mut buffer = RecordBuffer::new();
    let redacted = redact(Record::parse(&judged.record, &mut buffer).ok()?);
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(&redacted, &mut buffer).ok()?;
    let mut found = Vec::new();
    alone.matches_into(&record, &mut MatchScratch::new(), &mut found);
    let event: Value = serde_json::from_slice(&redacted).ok()?;
    let said = if expect { "was judged true" } else { "is wrong logic" };
    let name = quoted(&format!("{} {said}", judged.uid));
    let mut yaml = format!("- {{name: {name}, expect: {expect}, event: ");
    write_value(&event, &mut yaml);
    yaml.push_str("}\n");
    let holds = found.is_empty() != expect;
    Some(DerivedTest { uid: judged.uid.clone(), expect, yaml, holds })
}

/// Appends a value as YAML on one line, with every text quoted.
fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Array(values) => {
            out.push('[');
            for (nth, value) in values.iter().enumerate() {
                out.push_str(if nth > 0 { ", " } else { "" });
                write_value(value, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (nth, (key, value)) in members.iter().enumerate() {
                out.push_str(if nth > 0 { ", " } else { "" });
                out.push_str(&quoted(key));
                out.push_str(": ");
                write_value(value, out);
            }
            out.push('}');
        }
        // null, booleans and numbers read the same in both.
        plain => write!(out, "{plain}").unwrap_or_default(),
    }
}
