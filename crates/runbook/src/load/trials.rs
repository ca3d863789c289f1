//! The examples of a runbook.

use serde_json::Value;
use trailloop_finding::Level;
use trailloop_rules::source::{Data, Node, quoted};

use super::read::Reading;
use crate::diagnostic::code;
use crate::document::{Trial, TrialExpect, TrialRecord};

const KEYS: &[&str] = &[
    "name",
    "record",
    "finding",
    "rule",
    "tags",
    "severity",
    "title",
    "resource",
    "enrich",
    "expect_calls",
    "expect_redirect",
    "expect",
    "guard",
];

pub(super) fn read(
    node: Option<&Node>,
    aliases: &[String],
    reading: &mut Reading<'_, '_>,
) -> Vec<Trial> {
    let list = node.and_then(|node| reading.list(node, "`tests`")).unwrap_or_default();
    let mut trials: Vec<Trial> = Vec::new();
    for node in list {
        let Some(trial) = trial(node, aliases, reading) else { continue };
        if trials.iter().any(|other| other.name == trial.name) {
            let message = format!("two examples have the name {}", quoted(&trial.name));
            reading.error(node.mark, code::DUPLICATE_NAME, message, "rename one of them");
        }
        trials.push(trial);
    }
    trials
}

fn trial(node: &Node, aliases: &[String], reading: &mut Reading<'_, '_>) -> Option<Trial> {
    reading.entries(node, "an example", KEYS)?;
    let name = reading.demand_text(node, "an example", "name")?;
    let record = record(node, reading)?;
    let mut text = |key: &str| match node.get(key) {
        Some(value) => reading.text(value, &format!("`{key}`")).map(Some),
        None => Some(None),
    };
    let (rule, title) = (text("rule")?, text("title")?);
    let severity = match node.get("severity") {
        Some(value) => {
            let names = Level::ALL.map(|level| (level.as_str(), level));
            reading.one_of(value, "`severity`", &names)?
        }
        None => Level::High,
    };
    let tags = match node.get("tags") {
        Some(value) => reading.texts(value, "`tags`")?,
        None => Vec::new(),
    };
    let resource = match node.get("resource") {
        Some(value) => {
            reading.entries(value, "`resource`", &["type", "arn", "name"])?;
            reading.json(value)?
        }
        None => Value::Object(serde_json::Map::new()),
    };
    Some(Trial {
        name,
        line: node.mark.line,
        record,
        rule,
        tags,
        severity,
        title,
        resource,
        enrich: enrich(node.get("enrich"), aliases, reading)?,
        expect: expect(node, reading)?,
    })
}

fn record(node: &Node, reading: &mut Reading<'_, '_>) -> Option<TrialRecord> {
    match (node.get("record"), node.get("finding")) {
        (Some(record), None) => match &record.data {
            Data::Scalar(_) => file_path(record, reading).map(TrialRecord::File),
            _ => {
                reading.mapping(record, "`record`")?;
                reading.json(record).map(TrialRecord::Inline)
            }
        },
        (None, Some(finding)) => {
            reading.mapping(finding, "`finding`")?;
            reading.json(finding).map(TrialRecord::Finding)
        }
        _ => {
            let help = "write `record:` with a record or a file of one, or `finding:`";
            let message = "an example has to have either a record or a finding";
            reading.error(node.mark, code::BAD_TEST, message, help);
            None
        }
    }
}

/// A path that stays beside the runbook: whoever wrote it must not choose any file of the machine.
fn file_path(node: &Node, reading: &mut Reading<'_, '_>) -> Option<String> {
    let path = node.text();
    let stays = !path.is_empty()
        && !path.contains(['\\', ':', '\0'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if stays {
        return Some(path.to_owned());
    }
    let message = format!("the file is {}, which is no path below the runbook", node.what());
    let help = "write a path such as `events/one.json`, without `.`, `..` and `:`";
    reading.error(node.mark, code::BAD_TEST, message, help);
    None
}

fn enrich(node: Option<&Node>, aliases: &[String], reading: &mut Reading<'_, '_>) -> Option<Value> {
    let Some(node) = node else { return Some(Value::Object(serde_json::Map::new())) };
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    for (_, answer) in reading.entries(node, "`enrich`", &aliases)? {
        reading.entries(answer, "an answer", &["rows", "events"])?;
    }
    reading.json(node)
}

fn expect(node: &Node, reading: &mut Reading<'_, '_>) -> Option<TrialExpect> {
    let keys = ["expect_calls", "expect_redirect", "expect"];
    let given: Vec<&str> = keys.into_iter().filter(|key| node.get(key).is_some()).collect();
    let [key] = given.as_slice() else {
        let message = "an example has to expect one thing";
        let help = "write one of `expect_calls: [service:Api]`, `expect_redirect: ID`, `expect: refused` with `guard: NAME`, `expect: not_chosen`";
        reading.error(node.mark, code::BAD_TEST, message, help);
        return None;
    };
    let value = node.get(key)?;
    match *key {
        "expect_calls" if matches!(value.data, Data::Sequence(_)) => {
            reading.texts(value, "`expect_calls`").map(TrialExpect::Calls)
        }
        "expect_calls" => {
            reading.list(value, "`expect_calls`")?;
            None
        }
        "expect_redirect" => reading.text(value, "`expect_redirect`").map(TrialExpect::Redirect),
        _ => {
            match reading.one_of(value, "`expect`", &[("refused", true), ("not_chosen", false)])? {
                true => reading.demand_text(node, "a refusal", "guard").map(TrialExpect::Refused),
                false => Some(TrialExpect::NotChosen),
            }
        }
    }
}
