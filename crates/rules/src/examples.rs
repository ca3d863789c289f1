//! The examples inside a rule: records it must match and records it must not, under `trailloop: tests:`.

use trailloop_cloudtrail::{Record, RecordBuffer};

use crate::diagnostic::{Reporter, code, quoted};
use crate::rule::{Rule, RuleTest};
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
    /// Whether it did.
    pub matched: bool,
}

impl TestOutcome {
    /// Whether the rule did what the example says.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.expected == self.matched
    }
}

/// Compiles the rule alone and runs its examples, in their order.
#[must_use]
pub fn run_tests(rule: &Rule) -> Vec<TestOutcome> {
    let rules = RuleSet::build(vec![rule.clone()], &mut Vec::new());
    let mut scratch = MatchScratch::new();
    let mut matches = Vec::new();
    let mut outcomes = Vec::new();
    for test in &rule.tests {
        let mut buffer = RecordBuffer::new();
        // Loading has parsed every example, so this one parses too.
        matches.clear();
        if let Ok(record) = Record::parse(test.event.as_bytes(), &mut buffer) {
            rules.matches_into(&record, &mut scratch, &mut matches);
        }
        outcomes.push(TestOutcome {
            name: test.name.clone(),
            line: test.line,
            expected: test.expect,
            matched: !matches.is_empty(),
        });
    }
    outcomes
}

/// Reads the rule's `trailloop:` block.
pub(crate) fn read(document: &Node, reporter: &mut Reporter<'_>) -> Vec<RuleTest> {
    let Some(block) = document.get("trailloop").filter(|node| !node.is_null()) else {
        return Vec::new();
    };
    let Data::Mapping(entries) = &block.data else {
        reporter.error(
            block.mark,
            code::WRONG_TYPE,
            format!("`trailloop` is {}", block.kind()),
            "write a mapping with `tests:`",
        );
        return Vec::new();
    };
    let mut tests = Vec::new();
    for (key, value) in entries {
        match (key.text(), &value.data) {
            ("tests", Data::Sequence(nodes)) => {
                tests.extend(nodes.iter().filter_map(|node| test(node, reporter)));
            }
            ("tests", _) if value.is_null() => {}
            ("tests", _) => reporter.error(
                value.mark,
                code::BAD_TEST,
                format!("`tests` is {}", value.kind()),
                "write a list of examples with `name`, `event` and `expect`",
            ),
            (other, _) => reporter.error(
                key.mark,
                code::UNKNOWN_KEY,
                format!("`trailloop` has no key {}", quoted(other)),
                "write `tests`, or remove it",
            ),
        }
    }
    tests
}

fn test(node: &Node, reporter: &mut Reporter<'_>) -> Option<RuleTest> {
    const HELP: &str = "write `name: …`, `event: {…}` and `expect: true` or `expect: false`";
    let Data::Mapping(entries) = &node.data else {
        let message = format!("an example is {}", node.kind());
        reporter.error(node.mark, code::BAD_TEST, message, HELP);
        return None;
    };
    let (mut name, mut event, mut expect) = (None, None, None);
    for (key, value) in entries {
        match key.text() {
            "name" => name = value.scalar().map(|scalar| scalar.text.clone()),
            "event" => event = Some(event_text(value, reporter)?),
            "expect" => expect = Some(expectation(value, reporter)?),
            other => {
                let message = format!("an example has no key {}", quoted(other));
                reporter.error(key.mark, code::BAD_TEST, message, HELP);
                return None;
            }
        }
    }
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
    Some(RuleTest { name, event, expect, line: node.mark.line })
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
            format!("{} is no expectation", quoted(node.text())),
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
                write_string(key.text(), out);
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
        Meaning::Text => write_string(&scalar.text, out),
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

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let code = u32::from(c) as usize;
                out.push_str("\\u00");
                out.push(char::from(HEX[code >> 4]));
                out.push(char::from(HEX[code & 15]));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
