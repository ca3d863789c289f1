//! `trailloop rules new`: from a record to a rule that finds it, with the record as its hit and a near miss.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

use anyhow::Context as _;
use serde_json::{Map, Value};
use trailloop_cloudtrail::{Limits, Scratch, read_records};
use trailloop_finding::{redact, sha256};
use trailloop_rules::{load, run_tests};
use uuid::Uuid;

use crate::cli::NewArgs;
use crate::show::shown;
use crate::{Exit, UsageError};

/// So many request parameters are offered for the selection.
const PARAMETERS_OFFERED_MAX: usize = 20;

/// A longer value makes no good test.
const VALUE_CHARS_MAX: usize = 200;

/// Runs the command.
pub(super) fn new(arguments: &NewArgs) -> anyhow::Result<Exit> {
    let path = &arguments.from_event;
    let bytes = fs::read(path)
        .map_err(|error| UsageError(format!("failed to read {}: {error}", path.display())))?;
    let record = first_record(&bytes)
        .map_err(|problem| UsageError(format!("{}: {}", path.display(), shown(&problem))))?;
    let rule = write_rule(&record)
        .map_err(|problem| UsageError(format!("{}: {problem}", path.display())))?;
    if arguments.output == "-" {
        write!(std::io::stdout(), "{rule}").context("write the rule")?;
        return Ok(Exit::Done);
    }
    let mut file = fs::File::create_new(&arguments.output)
        .with_context(|| format!("create {}", arguments.output))?;
    file.write_all(rule.as_bytes()).with_context(|| format!("write {}", arguments.output))?;
    Ok(Exit::Done)
}

/// The first record of a file, redacted: a rule is shared more freely than a log.
fn first_record(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let mut first = None;
    let read = read_records(bytes, &Limits::default(), &mut Scratch::new(), |record| {
        first.get_or_insert_with(|| redact(record).into_owned());
    });
    let Some(raw) = first else {
        let report = read.failed.as_ref().or(read.reports.first());
        return Err(match report {
            Some(report) => format!("damaged at byte {}: {}", report.offset, report.failure),
            None => "the file holds no record".to_owned(),
        });
    };
    match serde_json::from_slice(&raw) {
        Ok(Value::Object(record)) => Ok(record),
        _ => Err("the record is no JSON object".to_owned()),
    }
}

/// The rule, which is known to load and to pass its own examples.
fn write_rule(record: &Map<String, Value>) -> Result<String, String> {
    let text = |key: &str| record.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(source), Some(name)) = (text("eventSource"), text("eventName")) else {
        return Err(
            "the record has no eventSource or no eventName; such a rule must be written by hand"
                .to_owned(),
        );
    };
    let failed = is_failed(record, name);
    let mut rule = String::new();
    head(&mut rule, record, name, failed);
    write!(
        rule,
        "detection:\n    selection:\n        eventSource: {}\n        eventName: {}\n        outcome: {}\n",
        literal(source),
        literal(name),
        if failed { "failure" } else { "success" }
    ).ok();
    if let Some(code) = text("errorCode") {
        writeln!(rule, "        errorCode: {}", literal(code)).ok();
    }
    rule.push_str("        # Narrow it by what makes this call worth a look, for instance:\n");
    let kind = record.get("userIdentity").and_then(|identity| identity.get("type"));
    if let Some(kind) = kind.and_then(Value::as_str).map(literal) {
        writeln!(rule, "        # userIdentity.type: {kind}").ok();
    }
    for (path, value) in parameters(record) {
        writeln!(rule, "        # {path}: {value}").ok();
    }
    rule.push_str("    condition: selection\nfalsepositives:\n    - Say who does this for good reasons\nlevel: medium\n");
    rule.push_str("trailloop:\n    tests:\n");
    example(&mut rule, "the record it was made from", true, record);
    let miss = near_miss(record, name, failed);
    let title = if failed { "the same call succeeds" } else { "the same call is refused" };
    example(&mut rule, title, false, &miss);
    proved(rule)
}

fn head(rule: &mut String, record: &Map<String, Value>, name: &str, failed: bool) {
    let event = Value::Object(record.clone()).to_string();
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, sha256(event.as_bytes()).as_bytes());
    let day = record.get("eventTime").and_then(Value::as_str).and_then(|time| time.get(..10));
    let how = if failed { " refused" } else { "" };
    write!(
        rule,
        "title: {}\nid: {id}\nstatus: experimental\n\
         description: Say what this shows, and what an attacker gains by it.\n\
         # author: who answers for the rule\n",
        json(&format!("{name}{how}"))
    )
    .ok();
    if let Some(day) = day.filter(|day| day.bytes().all(|b| b.is_ascii_digit() || b == b'-')) {
        writeln!(rule, "date: {day}").ok();
    }
    rule.push_str(
        "# tags: [attack.persistence, attack.t1098]\nlogsource:\n    product: aws\n    service: cloudtrail\n",
    );
}

/// Scalars among the request's parameters, as `path` and JSON.
fn parameters(record: &Map<String, Value>) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    // Other keys would need escapes that an offer is not worth.
                    if key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                    {
                        walk(&format!("{path}.{key}"), value, found);
                    }
                }
            }
            Value::Array(elements) => {
                if let Some(first) = elements.first() {
                    walk(path, first, found);
                }
            }
            Value::Null => {}
            Value::String(text) if text.chars().count() > VALUE_CHARS_MAX => {}
            Value::String(text) => found.push((path.to_owned(), literal(text))),
            other => found.push((path.to_owned(), other.to_string())),
        }
    }
    let mut found = Vec::new();
    if let Some(request) = record.get("requestParameters") {
        walk("requestParameters", request, &mut found);
    }
    found.truncate(PARAMETERS_OFFERED_MAX);
    found
}

/// Appends an example: its members one a line, each as JSON, which is YAML too.
fn example(rule: &mut String, name: &str, expect: bool, record: &Map<String, Value>) {
    write!(rule, "        - name: {name}\n          expect: {expect}\n          event:\n").ok();
    for (key, value) in record {
        let is_plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let key = if is_plain { key.clone() } else { json(key) };
        writeln!(rule, "              {key}: {}", shown_json(value)).ok();
    }
}

fn is_failed(record: &Map<String, Value>, name: &str) -> bool {
    let is_said = |key: &str| {
        record.get(key).is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
    };
    let answer = |part: &str| record.get(part)?.get(name)?.as_str();
    let answers = [answer("responseElements"), answer("serviceEventDetails")];
    let answers_failure =
        answers.iter().flatten().any(|answer| answer.eq_ignore_ascii_case("failure"));
    is_said("errorCode") || is_said("errorMessage") || answers_failure
}

/// The same call with the other outcome.
fn near_miss(record: &Map<String, Value>, name: &str, failed: bool) -> Map<String, Value> {
    let mut miss = record.clone();
    if !failed {
        miss.insert("errorCode".to_owned(), "AccessDenied".into());
        return miss;
    }
    miss.remove("errorCode");
    miss.remove("errorMessage");
    for part in ["responseElements", "serviceEventDetails"] {
        if let Some(answer) = miss.get_mut(part).and_then(|part| part.get_mut(name)) {
            *answer = "Success".into();
        }
    }
    miss
}

/// A text as a value of a rule, in which nothing is a wildcard.
fn literal(text: &str) -> String {
    json(&text.replace('\\', r"\\").replace('*', r"\*").replace('?', r"\?"))
}

/// A text as JSON, which is a quoted scalar of YAML.
fn json(text: &str) -> String {
    shown_json(&Value::from(text))
}

/// JSON with what YAML or a terminal may take for something else as escapes.
fn shown_json(value: &Value) -> String {
    let mut out = String::new();
    for char in value.to_string().chars() {
        if shown(char.encode_utf8(&mut [0; 4])).chars().eq([char]) {
            out.push(char);
        } else if u32::from(char) < 0x1_0000 {
            write!(out, "\\u{:04x}", u32::from(char)).ok();
        } else {
            write!(out, "\\U{:08x}", u32::from(char)).ok();
        }
    }
    out
}

/// The rule, if it does what it says: text of a record must not have become something else on the way.
fn proved(rule: String) -> Result<String, String> {
    let loaded = load("the new rule", &rule);
    let problem = match loaded.rules.first() {
        Some(made) if loaded.rejected == 0 => {
            let outcomes = run_tests(made, &|file| Err(format!("no file {file}")));
            outcomes.iter().find(|outcome| !outcome.is_passed()).map(|one| one.name.clone())
        }
        _ => Some(loaded.diagnostics.first().map(ToString::to_string).unwrap_or_default()),
    };
    match problem {
        None => Ok(rule),
        Some(problem) => Err(format!(
            "no rule could be made of the record ({}); write it by hand",
            shown(&problem)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(json: &str) -> Result<String, String> {
        write_rule(&first_record(json.as_bytes())?)
    }

    #[test]
    fn a_rule_passes_its_own_examples_whatever_the_record_holds() {
        let records = [
            r#"{"eventSource":"iam.amazonaws.com","eventName":"CreateUser","requestParameters":{"userName":"x","tags":[{"key":"a"}]},"eventTime":"2026-11-20T09:14:03Z"}"#,
            r#"{"eventSource":"iam.amazonaws.com","eventName":"CreateUser","errorCode":"AccessDenied","errorMessage":"no"}"#,
            r#"{"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Failure"}}"#,
            r#"{"eventSource":"a: b # c","eventName":"'\"\u0007\u202e😀\ufeff","requestParameters":{"a b":1,"x":"- y\n\t: z","n":1e400}}"#,
            r#"{"eventSource":"s3.amazonaws.com","eventName":"Put*Object?\\","x-amz: y":"\u007f\u0085\u2028"}"#,
        ];
        for record in records {
            let rule = match made(record) {
                Ok(rule) => rule,
                Err(problem) => {
                    // serde_json knows no such number.
                    assert!(record.contains("1e400"), "{record}: {problem}");
                    continue;
                }
            };
            assert!(!rule.contains('\u{202e}') && !rule.contains('\u{7}'), "{rule}");
            let loaded = load("r.yml", &rule);
            assert_eq!((loaded.rules.len(), loaded.rejected), (1, 0));
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for (bytes, said) in [
            ("{}", "eventSource"),
            ("", "empty"),
            ("{\"Records\":[", "damaged"),
            ("{\"eventName\":\"X\"}", "eventSource"),
        ] {
            let problem = made(bytes).unwrap_err();
            assert!(problem.contains(said), "{bytes}: {problem}");
        }
    }

    #[test]
    fn secrets_do_not_get_into_a_rule() {
        let rule = made(
            r#"{"eventSource":"iam.amazonaws.com","eventName":"CreateLoginProfile","requestParameters":{"password":"hunter2-secret"}}"#,
        );
        assert!(!rule.unwrap().contains("hunter2-secret"));
    }
}
