//! The examples inside a rule: records it must match and records it must not, under `trailloop: tests:`.

use std::collections::BTreeMap;

use trailloop_cloudtrail::{Limits, Record, RecordBuffer, Scratch, raw, read_records};
use trailloop_enrichment::Enriched;

use crate::diagnostic::{Diagnostic, Reporter, Severity, code, quoted};
use crate::enriched::Facts;
use crate::load::Loaded;
use crate::rule::{Rule, RuleTest, TestEvent};
use crate::set::{MatchScratch, RuleSet};
use crate::yaml::{Data, Meaning, Node, Scalar};

/// What came of one example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// The example's name.
    pub name: String,
    /// The line the example begins on, from 1.
    pub line: u32,
    /// Whether the rule had to match.
    pub expected: bool,
    /// Whether it did, or why that can't be told.
    pub matched: Result<bool, String>,
    /// The record as JSON text, if there is one.
    pub event: String,
    /// What enriched fields it was given.
    pub enrichment: BTreeMap<Enriched, String>,
}

impl TestOutcome {
    /// Whether the rule did what the example says.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.matched == Ok(self.expected)
    }
}

/// Compiles the rule alone, without filters, and runs its examples, in their order. `read` gives the bytes of a file beside
/// the rule.
#[must_use]
pub fn run_tests(rule: &Rule, read: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Vec<TestOutcome> {
    let mut scratch = MatchScratch::new();
    let mut matches = Vec::new();
    let mut outcomes = Vec::new();
    for test in &rule.tests {
        let event = match &test.event {
            TestEvent::Json(text) => Ok(text.clone()),
            TestEvent::File(path) => read(path).and_then(|bytes| only_record(path, &bytes)),
        };
        let matched = event.as_ref().map_err(Clone::clone).and_then(|event| {
            let mut buffer = RecordBuffer::new();
            let record = Record::parse(event.as_bytes(), &mut buffer);
            let record = record.map_err(|failure| format!("the event is no record: {failure}"))?;
            let rules = for_example(rule, &test.enrichment);
            rules.matches_into(&record, &mut scratch, &mut matches);
            Ok(!matches.is_empty())
        });
        outcomes.push(TestOutcome {
            name: test.name.clone(),
            line: test.line,
            expected: test.expect,
            matched,
            event: event.unwrap_or_default(),
            enrichment: test.enrichment.clone(),
        });
    }
    outcomes
}

/// The rule alone, without filters, with these values for enriched fields.
#[must_use]
pub fn for_example(rule: &Rule, enrichment: &BTreeMap<Enriched, String>) -> RuleSet {
    let alone = Rule { exceptions: Vec::new(), ..rule.clone() };
    RuleSet::compiled(vec![alone], &[], Facts::Given(enrichment.clone()), &mut Vec::new())
}

/// The one record of a file: an object, or a log object that holds one.
fn only_record(path: &str, bytes: &[u8]) -> Result<String, String> {
    let mut records = Vec::new();
    let read = read_records(bytes, &Limits::default(), &mut Scratch::new(), |record| {
        records.push(String::from_utf8_lossy(record.raw()).into_owned());
    });
    if let Some(report) = read.failed.as_ref().or(read.reports.first()) {
        return Err(format!("{path} is damaged at byte {}: {}", report.offset, report.failure));
    }
    if records.len() != 1 {
        return Err(format!("{path} holds {} records, and an example is one", records.len()));
    }
    Ok(records.remove(0))
}

/// Rejects the rules that don't carry both an event that they match and one that they don't: what ships with Trailloop has
/// to show what it finds and what it leaves alone.
#[must_use]
pub fn demand_tests(loaded: Loaded) -> Loaded {
    let Loaded { rules, filters, mut diagnostics, mut rejected } = loaded;
    let (tested, untested): (Vec<Rule>, Vec<Rule>) = rules.into_iter().partition(|rule| {
        [true, false].iter().all(|expect| rule.tests.iter().any(|test| test.expect == *expect))
    });
    rejected += untested.len();
    diagnostics.extend(untested.iter().map(|rule| {
        Diagnostic {
            path: rule.path.clone(),
            line: rule.line,
            column: 1,
            severity: Severity::Error,
            code: code::MISSING_TESTS,
            message: format!(
                "the rule {} does not show both an event that it matches and one that it does not",
                quoted(&rule.analytic.name)
            ),
            help: "add examples with `expect: true` and `expect: false` under `trailloop: tests:`"
                .to_owned(),
        }
    }));
    Loaded { rules: tested, filters, diagnostics, rejected }
}

/// Reads the examples under `tests:`.
pub(crate) fn read(node: &Node, reporter: &mut Reporter<'_>) -> Vec<RuleTest> {
    match &node.data {
        Data::Sequence(nodes) => nodes.iter().filter_map(|node| test(node, reporter)).collect(),
        _ if node.is_null() => Vec::new(),
        _ => {
            reporter.error(
                node.mark,
                code::BAD_TEST,
                format!("`tests` is {}", node.kind()),
                "write a list of examples with `name`, `event` and `expect`",
            );
            Vec::new()
        }
    }
}

fn test(node: &Node, reporter: &mut Reporter<'_>) -> Option<RuleTest> {
    const HELP: &str = "write `name: …`, `event: {…}` or `file: …`, and `expect: true` or `expect: false`; `enrichment: {…}` if it is needed";
    let Data::Mapping(entries) = &node.data else {
        let message = format!("an example is {}", node.kind());
        reporter.error(node.mark, code::BAD_TEST, message, HELP);
        return None;
    };
    let (mut name, mut event, mut file, mut expect) = (None, None, None, None);
    let mut enrichment = BTreeMap::new();
    for (key, value) in entries {
        match key.text() {
            "name" => name = value.scalar().map(|scalar| scalar.text.clone()),
            "event" => event = Some(TestEvent::Json(event_text(value, reporter)?)),
            "file" => file = Some(TestEvent::File(file_path(value, reporter)?)),
            "expect" => expect = Some(expectation(value, reporter)?),
            "enrichment" => enrichment = given(value, reporter)?,
            other => {
                let message = format!("an example has no key {}", quoted(other));
                reporter.error(key.mark, code::BAD_TEST, message, HELP);
                return None;
            }
        }
    }
    if event.is_some() && file.is_some() {
        let message = "the example has both an `event` and a `file`";
        reporter.error(node.mark, code::BAD_TEST, message, "keep one of them");
        return None;
    }
    let event = event.or(file);
    let missing = match (&name, &event, expect) {
        (None, ..) => "name",
        (_, None, _) => "event",
        (.., None) => "expect",
        (Some(_), Some(_), Some(_)) => "",
    };
    let (Some(name), Some(event), Some(expect)) = (name, event, expect) else {
        let message = format!("the example has no `{missing}`");
        reporter.error(node.mark, code::BAD_TEST, message, HELP);
        return None;
    };
    Some(RuleTest { name, event, enrichment, expect, line: node.mark.line })
}

/// The enriched fields that an example is given.
fn given(node: &Node, reporter: &mut Reporter<'_>) -> Option<BTreeMap<Enriched, String>> {
    const HELP: &str = "write a mapping such as `{environment.country: unexpected}`";
    let entries = reporter.mapping(node, format!("`enrichment` is {}", node.kind()), HELP)?;
    let mut given = BTreeMap::new();
    for (key, value) in entries {
        let Some(field) = Enriched::parse(key.text()) else {
            let names: Vec<&str> = Enriched::ALL.iter().map(|field| field.as_str()).collect();
            let message = format!("there is no enriched field {}", quoted(key.text()));
            reporter.error(
                key.mark,
                code::BAD_TEST,
                message,
                format!("write one of {}", names.join(", ")),
            );
            return None;
        };
        let Some(text) = value.scalar().filter(|_| !value.is_null()) else {
            let message = format!("the value of `{field}` is {}", value.what());
            reporter.error(
                value.mark,
                code::BAD_TEST,
                message,
                "write a text, or leave the field out",
            );
            return None;
        };
        given.insert(field, text.text.clone());
    }
    Some(given)
}

/// A path that stays beside the rule: whoever wrote the rule must not choose any file of the machine.
fn file_path(node: &Node, reporter: &mut Reporter<'_>) -> Option<String> {
    let path = node.text();
    let stays = !path.is_empty()
        && !path.contains(['\\', ':', '\0'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !stays {
        reporter.error(
            node.mark,
            code::BAD_TEST,
            format!("the file is {}, which is no path below the folder of the rule", node.what()),
            "write a path such as `events/one.json`, with `/` between its parts and without `.`, `..` and `:`",
        );
        return None;
    }
    Some(path.to_owned())
}

fn expectation(node: &Node, reporter: &mut Reporter<'_>) -> Option<bool> {
    let expected =
        node.scalar().and_then(|scalar| match (scalar.meaning(), scalar.text.as_str()) {
            (Meaning::Bool(expected), _) => Some(expected),
            (_, "match") => Some(true),
            (_, "no match") => Some(false),
            _ => None,
        });
    if expected.is_none() {
        reporter.error(
            node.mark,
            code::BAD_TEST,
            format!("the expectation is {}", node.what()),
            "write `true` if the rule must match the event, else `false`",
        );
    }
    expected
}

/// The event as JSON text, known to parse as a record.
fn event_text(node: &Node, reporter: &mut Reporter<'_>) -> Option<String> {
    let mut text = String::new();
    match &node.data {
        Data::Mapping(_) => write_json(node, &mut text, reporter)?,
        // A text is JSON already.
        Data::Scalar(scalar) if scalar.meaning() == Meaning::Text => {
            text.push_str(scalar.text.trim())
        }
        _ => {
            reporter.error(
                node.mark,
                code::BAD_TEST,
                "the event is no record",
                "write the record as a mapping, or as a text of JSON",
            );
            return None;
        }
    }
    let mut buffer = RecordBuffer::new();
    if let Err(failure) = Record::parse(text.as_bytes(), &mut buffer) {
        reporter.error(
            node.mark,
            code::BAD_TEST,
            format!("the event is no record: {failure}"),
            "write a JSON object, or the same as a YAML mapping",
        );
        return None;
    }
    Some(text)
}

/// Appends a node as JSON: quoted scalars are strings, plain ones what YAML's core schema takes them for.
fn write_json(node: &Node, out: &mut String, reporter: &mut Reporter<'_>) -> Option<()> {
    match &node.data {
        Data::Scalar(scalar) => write_scalar(node, scalar, out, reporter)?,
        Data::Sequence(elements) => {
            out.push('[');
            for (nth, element) in elements.iter().enumerate() {
                if nth > 0 {
                    out.push(',');
                }
                write_json(element, out, reporter)?;
            }
            out.push(']');
        }
        Data::Mapping(entries) => {
            out.push('{');
            for (nth, (key, value)) in entries.iter().enumerate() {
                if nth > 0 {
                    out.push(',');
                }
                raw::write_string(key.text(), out);
                out.push(':');
                write_json(value, out, reporter)?;
            }
            out.push('}');
        }
    }
    Some(())
}

fn write_scalar(
    node: &Node,
    scalar: &Scalar,
    out: &mut String,
    reporter: &mut Reporter<'_>,
) -> Option<()> {
    match scalar.meaning() {
        Meaning::Null => out.push_str("null"),
        Meaning::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Meaning::Text => raw::write_string(&scalar.text, out),
        Meaning::Number => {
            // JSON has fewer ways to write a number; an account id would lose its leading zeros.
            let text = scalar.text.as_str();
            let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
            let is_json = digits[0].is_ascii_digit()
                && digits[digits.len() - 1].is_ascii_digit()
                && !(digits[0] == b'0' && digits.get(1).is_some_and(u8::is_ascii_alphanumeric))
                && !text.contains(".e")
                && !text.contains(".E");
            if !is_json {
                reporter.error(
                    node.mark,
                    code::BAD_TEST,
                    format!("{} is a number that JSON can't write", quoted(text)),
                    "quote it if it is a text, such as an account id",
                );
                return None;
            }
            out.push_str(text);
        }
    }
    Some(())
}
