//! What we add: the key `trailloop`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use trailloop_finding::Level;
use trailloop_rules::source::{Data, Meaning, Node, quoted};

use super::read::Reading;
use super::{body, limits, trials};
use crate::diagnostic::code;
use crate::document::{Enrich, Mode, Redirect, Runbook, Template, Trigger, Undo, Verify};
use crate::expression::{Expression, Purpose};
use crate::target::Class;

const KEYS: &[&str] = &[
    "id", "version", "owner", "attack", "d3fend", "trigger", "enrich", "redirect", "bind", "mode",
    "approval", "guards", "before", "undo", "lease", "verify", "escalate", "notify", "tests",
];

const TRIGGER_KEYS: &[&str] =
    &["rules", "tags", "min_severity", "identity", "event", "when", "default"];

/// The block, as a runbook without a body.
pub(super) fn read(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Runbook> {
    reading.entries(node, "`trailloop`", KEYS)?;
    let id = id(node, reading);
    let version = reading.demand(node, "`trailloop`", "version");
    let version = version.and_then(|node| reading.whole(node, "`version`", 1, u32::MAX));
    let owner = reading.demand_text(node, "`trailloop`", "owner");
    let enrich = match node.get("enrich") {
        Some(node) => enrich(node, reading).unwrap_or_default(),
        None => Vec::new(),
    };
    let aliases: Vec<String> = enrich.iter().map(|one| one.alias.clone()).collect();
    let trigger = reading.demand(node, "`trailloop`", "trigger");
    let trigger = trigger.and_then(|node| trigger_of(node, &aliases, reading));
    let mut texts = |key: &str| match node.get(key) {
        Some(value) => reading.texts(value, &format!("`{key}`")).unwrap_or_default(),
        None => Vec::new(),
    };
    let (attack, d3fend) = (texts("attack"), texts("d3fend"));
    let (before, escalate) = (texts("before"), texts("escalate"));
    let redirect = match node.get("redirect") {
        Some(node) => redirects(node, &aliases, reading).unwrap_or_default(),
        None => Vec::new(),
    };
    let bind = match node.get("bind") {
        Some(node) => bindings(node, &aliases, reading).unwrap_or_default(),
        None => Vec::new(),
    };
    let mode = match node.get("mode") {
        Some(node) => reading.one_of(node, "`mode`", &Mode::ALL),
        None => Some(Mode::DryRun),
    };
    let approval = limits::approval(node.get("approval"), reading);
    let guards = limits::guards(node.get("guards"), reading);
    let undo = undo(node.get("undo"), reading);
    let lease = limits::lease(node.get("lease"), reading);
    let verify = verify(node.get("verify"), &aliases, reading);
    let notify = limits::notify(node.get("notify"), reading);
    let tests = trials::read(node.get("tests"), &aliases, reading);
    Some(Runbook {
        path: String::new(),
        id: id?,
        version: version?,
        hash: String::new(),
        description: String::new(),
        owner: owner?,
        attack,
        d3fend,
        parameters: Vec::new(),
        steps: Vec::new(),
        trigger: trigger?,
        redirect,
        bind,
        mode: mode?,
        approval: approval?,
        guards: guards?,
        before,
        undo,
        lease,
        verify,
        escalate,
        notify,
        tests,
        enrich,
        body: Value::Null,
    })
}

fn id(node: &Node, reading: &mut Reading<'_, '_>) -> Option<String> {
    let value = reading.demand(node, "`trailloop`", "id")?;
    let id = reading.text(value, "`id`")?;
    let is_good = id.len() <= 64
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if is_good {
        return Some(id);
    }
    let help = "write small letters, digits and `-`, as `contain-iam-user-key`; at most 64";
    reading.error(value.mark, code::BAD_ID, format!("`id` is {}", quoted(&id)), help);
    None
}

fn trigger_of(node: &Node, aliases: &[String], reading: &mut Reading<'_, '_>) -> Option<Trigger> {
    let entries = reading.entries(node, "`trigger`", TRIGGER_KEYS)?;
    let mut trigger = Trigger::default();
    for (key, value) in entries {
        match key.text() {
            "rules" => trigger.rules = reading.texts(value, "`rules`")?,
            "tags" => trigger.tags = reading.texts(value, "`tags`")?,
            "min_severity" => {
                let names = Level::ALL.map(|level| (level.as_str(), level));
                trigger.min_severity = Some(reading.one_of(value, "`min_severity`", &names)?);
            }
            "identity" => trigger.identity = classes(value, reading)?,
            "event" => event(value, &mut trigger, reading)?,
            "when" => {
                let when = reading.expression(value, "`when`", Purpose::Condition, aliases)?;
                trigger.when = Some(when);
            }
            "default" => trigger.default = reading.truth(value, "`default`")?,
            _ => {}
        }
    }
    if entries.is_empty() {
        let help =
            "write `rules`, `tags`, `min_severity`, `identity`, `event`, `when` or `default: true`";
        reading.error(node.mark, code::BAD_TRIGGER, "the trigger says nothing", help);
    }
    Some(trigger)
}

fn classes(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Vec<Class>> {
    let names = Class::ALL.map(|class| (class.name(), class));
    match &node.data {
        Data::Sequence(elements) => {
            elements.iter().map(|element| reading.one_of(element, "`identity`", &names)).collect()
        }
        _ => reading.one_of(node, "`identity`", &names).map(|class| vec![class]),
    }
}

fn event(node: &Node, trigger: &mut Trigger, reading: &mut Reading<'_, '_>) -> Option<()> {
    for (key, value) in reading.entries(node, "`event`", &["source", "names", "error"])? {
        match key.text() {
            "source" => trigger.source = Some(reading.text(value, "`source`")?),
            "names" => trigger.names = reading.texts(value, "`names`")?,
            "error" if value.scalar().is_some_and(|s| s.meaning() == Meaning::Null) => {
                trigger.only_success = true;
            }
            "error" => {
                let message = format!("`error` is {}", value.what());
                let help = "write `error: null` for calls that succeeded, or leave it out";
                reading.error(value.mark, code::BAD_TRIGGER, message, help);
            }
            _ => {}
        }
    }
    Some(())
}

fn enrich(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Vec<Enrich>> {
    let mut all: Vec<Enrich> = Vec::new();
    for node in reading.list(node, "`enrich`")? {
        reading.entries(node, "a query", &["query", "as", "window", "max_ms", "max_rows"])?;
        let query = reading.demand_text(node, "a query", "query")?;
        let alias = reading.demand_text(node, "a query", "as")?;
        let window = reading.demand(node, "a query", "window")?;
        let window = reading.duration(window, "`window`")?;
        let mut whole = |key: &str, usual: u32| match node.get(key) {
            Some(node) => reading.whole(node, &format!("`{key}`"), 1, 100_000),
            None => Some(usual),
        };
        let (max_ms, max_rows) = (whole("max_ms", 2_000)?, whole("max_rows", 200)?);
        let is_name = alias.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && alias.starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_name {
            let message = format!("a query has the name {}", quoted(&alias));
            reading.error(node.mark, code::BAD_ID, message, "write letters, digits and `_`");
        }
        if all.iter().any(|other| other.alias == alias) {
            let message = format!("two queries have the name `{alias}`");
            reading.error(node.mark, code::DUPLICATE_NAME, message, "rename one of them");
        }
        all.push(Enrich { query, alias, window, max_ms, max_rows });
    }
    Some(all)
}

fn redirects(
    node: &Node,
    aliases: &[String],
    reading: &mut Reading<'_, '_>,
) -> Option<Vec<Redirect>> {
    let mut all = Vec::new();
    for node in reading.list(node, "`redirect`")? {
        reading.entries(node, "a redirect", &["when", "use"]);
        let when = reading
            .demand(node, "a redirect", "when")
            .and_then(|when| reading.expression(when, "`when`", Purpose::Condition, aliases));
        let to = reading.demand_text(node, "a redirect", "use");
        if let (Some(when), Some(to)) = (when, to) {
            all.push(Redirect { when, to });
        }
    }
    Some(all)
}

fn bindings(
    node: &Node,
    aliases: &[String],
    reading: &mut Reading<'_, '_>,
) -> Option<Vec<(String, Expression)>> {
    let mut all = Vec::new();
    for (name, value) in reading.mapping(node, "`bind`")? {
        let what = format!("the binding of {}", quoted(name.text()));
        if let Some(value) = reading.expression(value, &what, Purpose::Binding, aliases) {
            all.push((name.text().to_owned(), value));
        }
    }
    Some(all)
}

fn undo(node: Option<&Node>, reading: &mut Reading<'_, '_>) -> BTreeMap<String, Undo> {
    let mut all = BTreeMap::new();
    let Some(entries) = node.and_then(|node| reading.mapping(node, "`undo`")) else { return all };
    for (step, value) in entries {
        if let Some(undo) = undo_of(value, reading) {
            all.insert(step.text().to_owned(), undo);
        }
    }
    all
}

fn undo_of(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Undo> {
    if let Some(why) = node.get("none") {
        reading.entries(node, "an undo", &["none"])?;
        return reading.text(why, "`none`").map(Undo::None);
    }
    match node.scalar().map(|scalar| scalar.text.as_str()) {
        None => body::call(node, &[], reading).map(Undo::Call),
        Some("restore") => Some(Undo::Restore),
        Some(_) => {
            let message = format!("an undo is {}", node.what());
            let help = "write a call with `Service` and `Api`, `restore`, or `{none: WHY}`";
            reading.error(node.mark, code::BAD_VALUE, message, help);
            None
        }
    }
}

fn verify(node: Option<&Node>, aliases: &[String], reading: &mut Reading<'_, '_>) -> Vec<Verify> {
    let list = node.and_then(|node| reading.list(node, "`verify`")).unwrap_or_default();
    list.iter().filter_map(|node| proof(node, aliases, reading)).collect()
}

fn proof(node: &Node, aliases: &[String], reading: &mut Reading<'_, '_>) -> Option<Verify> {
    if let Some(condition) = node.get("stream") {
        reading.entries(node, "a proof by the stream", &["stream", "within"])?;
        let condition = reading.expression(condition, "`stream`", Purpose::Event, aliases)?;
        let within = match node.get("within") {
            Some(node) => reading.duration(node, "`within`")?,
            None => Duration::from_secs(30 * 60),
        };
        return Some(Verify::Stream { condition, within });
    }
    reading.entries(node, "a proof", &["api", "inputs", "expect"])?;
    let name = reading.demand(node, "a proof", "api")?;
    let (service, api) = api_name(name, reading)?;
    let inputs = match node.get("inputs") {
        Some(node) => reading.json(node)?.as_object().cloned().unwrap_or_default(),
        None => serde_json::Map::new(),
    };
    let expect = reading.demand(node, "a proof", "expect")?;
    let expect = reading.expression(expect, "`expect`", Purpose::Answer, aliases)?;
    Some(Verify::Api { call: Template { service, api, inputs }, expect })
}

/// `service:Api`.
fn api_name(node: &Node, reading: &mut Reading<'_, '_>) -> Option<(String, String)> {
    let text = reading.text(node, "`api`")?;
    match text.split_once(':') {
        Some((service, api)) if !service.is_empty() && !api.is_empty() => {
            Some((service.to_owned(), api.to_owned()))
        }
        _ => {
            let message = format!("`api` is {}", quoted(&text));
            let help = "write `service:Api`, as `iam:ListAccessKeys`";
            reading.error(node.mark, code::BAD_VALUE, message, help);
            None
        }
    }
}
