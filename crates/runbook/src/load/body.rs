//! The body: what Systems Manager Automation knows, too.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::RegexBuilder;
use regex_syntax::hir::Look;
use trailloop_rules::source::{Node, nearest, quoted};

use super::branch;
use super::read::{Reading, iso_duration};
use crate::diagnostic::code;
use crate::document::{
    Action, OnFailure, Output, Parameter, ParameterKind, Property, Step, Template,
};

/// The body of a runbook.
pub(super) struct Body {
    pub(super) description: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) steps: Vec<Step>,
}

const KEYS: &[&str] = &[
    "schemaVersion",
    "description",
    "assumeRole",
    "parameters",
    "outputs",
    "mainSteps",
    super::OURS,
];

const KINDS: [(&str, ParameterKind); 5] = [
    ("String", ParameterKind::String),
    ("StringList", ParameterKind::StringList),
    ("Boolean", ParameterKind::Boolean),
    ("Integer", ParameterKind::Integer),
    ("StringMap", ParameterKind::StringMap),
];

const STEP_KEYS: &[&str] = &[
    "name",
    "action",
    "description",
    "inputs",
    "outputs",
    "maxAttempts",
    "timeoutSeconds",
    "onFailure",
    "onCancel",
    "isCritical",
    "isEnd",
    "nextStep",
];

/// A compiled pattern may take so many bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A runbook has no more steps.
const STEPS_MAX: usize = 100;

/// As long as one try of a step may take, if it does not say.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn read(document: &Node, reading: &mut Reading<'_, '_>) -> Option<Body> {
    reading.entries(document, "a runbook", KEYS)?;
    let version = reading.demand_text(document, "the runbook", "schemaVersion");
    if let Some(version) = version.filter(|version| version != "0.3") {
        let mark = document.get("schemaVersion").map_or(document.mark, |node| node.mark);
        let message = format!("`schemaVersion` is {}", quoted(&version));
        reading.error(mark, code::BAD_VALUE, message, "write `schemaVersion: \"0.3\"`");
    }
    let description = reading.demand_text(document, "the runbook", "description");
    if let Some(role) = document.get("assumeRole") {
        reading.text(role, "`assumeRole`");
    }
    let parameters = match document.get("parameters") {
        Some(node) => parameters(node, reading),
        None => Some(Vec::new()),
    };
    let steps = reading.demand(document, "the runbook", "mainSteps");
    let steps = steps.and_then(|node| steps_of(node, reading));
    Some(Body { description: description?, parameters: parameters?, steps: steps? })
}

fn parameters(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Vec<Parameter>> {
    let entries = reading.mapping(node, "`parameters`")?;
    entries.iter().map(|(name, node)| parameter(name, node, reading)).collect()
}

fn parameter(name: &Node, node: &Node, reading: &mut Reading<'_, '_>) -> Option<Parameter> {
    const KEYS: &[&str] = &["type", "description", "default", "allowedPattern", "allowedValues"];
    is_name(name, "a parameter", reading)?;
    let what = format!("parameter `{}`", name.text());
    reading.entries(node, &what, KEYS)?;
    let kind = reading.demand(node, &what, "type");
    let kind = kind.and_then(|kind| reading.one_of(kind, "`type`", &KINDS))?;
    let mut parameter = Parameter {
        name: name.text().to_owned(),
        kind,
        default: None,
        allowed_pattern: None,
        allowed_values: Vec::new(),
    };
    if let Some(node) = node.get("allowedPattern") {
        parameter.allowed_pattern = Some(pattern(node, reading)?);
    }
    if let Some(node) = node.get("allowedValues") {
        let values = reading.list(node, "`allowedValues`")?;
        for value in values {
            let json = reading.json(value)?;
            parameter.allowed_values.push(json);
        }
    }
    if let Some(node) = node.get("default") {
        let value = reading.json(node)?;
        if let Err(refusal) = parameter.admit(&value) {
            let help = "write a default that the parameter allows, or remove it";
            reading.error(node.mark, code::BAD_PARAMETER, refusal.reason, help);
            return None;
        }
        parameter.default = Some(value);
    }
    Some(parameter)
}

/// A pattern that holds for a whole text. Its classes are those of ASCII, as Systems Manager has them.
fn pattern(node: &Node, reading: &mut Reading<'_, '_>) -> Option<regex::Regex> {
    let text = reading.text(node, "`allowedPattern`")?;
    let mut refuse = |message: String, help: &str| {
        reading.error(node.mark, code::BAD_PATTERN, message, help);
        None
    };
    let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(true).build().parse(&text);
    let hir = match hir {
        Ok(hir) => hir,
        Err(error) => {
            let first = error.to_string();
            let first =
                first.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            return refuse(
                format!("the pattern {} can't be used: {first}", quoted(&text)),
                "write a regular expression that lists the ASCII characters it allows, as `^[\\w+=,.@-]{1,64}$`",
            );
        }
    };
    let properties = hir.properties();
    let is_anchored = properties.look_set_prefix().contains(Look::Start)
        && properties.look_set_suffix().contains(Look::End);
    if !is_anchored {
        return refuse(
            format!("the pattern {} does not hold for the whole text", quoted(&text)),
            "begin it with `^` and end it with `$`, with alternatives in parentheses between them",
        );
    }
    match RegexBuilder::new(&text).unicode(false).size_limit(PATTERN_BYTES_MAX).build() {
        Ok(regex) => Some(regex),
        Err(_) => refuse(
            format!("the pattern {} grows too large", quoted(&text)),
            "write smaller repetitions",
        ),
    }
}

/// Whether a key is a name as Automation takes it.
fn is_name(node: &Node, what: &str, reading: &mut Reading<'_, '_>) -> Option<()> {
    let name = node.text();
    let is_good = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_good {
        return Some(());
    }
    let message = format!("{what} has the name {}", quoted(name));
    let help = "write letters, digits and `_`, at most 64";
    reading.error(node.mark, code::BAD_ID, message, help);
    None
}

fn steps_of(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Vec<Step>> {
    let nodes = reading.list(node, "`mainSteps`")?;
    if nodes.is_empty() || nodes.len() > STEPS_MAX {
        let message = format!("`mainSteps` has {} steps", nodes.len());
        let help = format!("write from 1 to {STEPS_MAX} steps");
        reading.error(node.mark, code::BAD_VALUE, message, help);
        return None;
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut is_good = true;
    for node in nodes {
        let Some(step) = step(node, reading) else {
            is_good = false;
            continue;
        };
        if steps.iter().any(|other| other.name == step.name) {
            let message = format!("two steps have the name `{}`", step.name);
            reading.error(node.mark, code::DUPLICATE_NAME, message, "rename one of them");
        }
        steps.push(step);
    }
    is_good.then_some(steps)
}

fn step(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Step> {
    reading.entries(node, "a step", STEP_KEYS)?;
    let name = reading.demand(node, "a step", "name")?;
    is_name(name, "a step", reading)?;
    if matches!(name.text(), "before" | "global" | "automation") {
        let message = format!("a step has the name `{}`, which templates use", name.text());
        reading.error(name.mark, code::BAD_ID, message, "rename the step");
    }
    let optional = |key: &str| node.get(key);
    let max_attempts = match optional("maxAttempts") {
        Some(node) => reading.whole(node, "`maxAttempts`", 1, 10)?,
        None => 1,
    };
    let timeout = match optional("timeoutSeconds") {
        Some(node) => {
            Duration::from_secs(reading.whole(node, "`timeoutSeconds`", 1, 86_400)?.into())
        }
        None => TIMEOUT,
    };
    let on_failure = match optional("onFailure") {
        Some(node) => on_failure(node, reading)?,
        None => OnFailure::Abort,
    };
    let on_cancel = match optional("onCancel") {
        Some(node) => match self::on_failure(node, reading)? {
            OnFailure::Step(step) => Some(step),
            OnFailure::Abort => None,
            OnFailure::Continue => {
                let message = "`onCancel` is `Continue`";
                let help = "write `Abort` or `step:NAME`";
                reading.error(node.mark, code::BAD_VALUE, message, help);
                return None;
            }
        },
        None => None,
    };
    let is_critical = match optional("isCritical") {
        Some(node) => reading.truth(node, "`isCritical`")?,
        None => true,
    };
    let is_end = match optional("isEnd") {
        Some(node) => reading.truth(node, "`isEnd`")?,
        None => false,
    };
    let next = match optional("nextStep") {
        Some(node) => Some(reading.text(node, "`nextStep`")?),
        None => None,
    };
    let outputs = match optional("outputs") {
        Some(node) => outputs(node, reading)?,
        None => Vec::new(),
    };
    Some(Step {
        name: name.text().to_owned(),
        action: action(node, reading)?,
        max_attempts,
        timeout,
        on_failure,
        on_cancel,
        is_critical,
        is_end,
        next,
        outputs,
    })
}

fn on_failure(node: &Node, reading: &mut Reading<'_, '_>) -> Option<OnFailure> {
    let text = reading.text(node, "what follows")?;
    match text.as_str() {
        "Abort" => Some(OnFailure::Abort),
        "Continue" => Some(OnFailure::Continue),
        other => match other.strip_prefix("step:") {
            Some(step) => Some(OnFailure::Step(step.trim().to_owned())),
            None => {
                let message = format!("what follows is {}", quoted(other));
                let help = "write `Abort`, `Continue` or `step:NAME`";
                reading.error(node.mark, code::BAD_VALUE, message, help);
                None
            }
        },
    }
}

fn outputs(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Vec<Output>> {
    let mut outputs = Vec::new();
    for node in reading.list(node, "`outputs`")? {
        reading.entries(node, "an output", &["Name", "Selector", "Type"])?;
        let name = reading.demand(node, "an output", "Name")?;
        is_name(name, "an output", reading)?;
        let selector = selector(node, "an output", "Selector", reading)?;
        let kind = reading.demand(node, "an output", "Type")?;
        reading.one_of(kind, "`Type`", &KINDS)?;
        outputs.push(Output { name: name.text().to_owned(), selector });
    }
    Some(outputs)
}

fn selector(node: &Node, what: &str, key: &str, reading: &mut Reading<'_, '_>) -> Option<String> {
    let value = reading.demand(node, what, key)?;
    let text = reading.text(value, &format!("`{key}`"))?;
    if text.starts_with('$') {
        return Some(text);
    }
    let message = format!("`{key}` is {}", quoted(&text));
    reading.error(value.mark, code::BAD_SELECTOR, message, "write `$.Name`, as `$.IsLogging`");
    None
}

const ACTIONS: &[&str] = &[
    "aws:approve",
    "aws:assertAwsResourceProperty",
    "aws:branch",
    "aws:executeAutomation",
    "aws:executeAwsApi",
    "aws:executeScript",
    "aws:invokeWebhook",
    "aws:runCommand",
    "aws:sleep",
    "aws:waitForAwsResourceProperty",
];

fn action(step: &Node, reading: &mut Reading<'_, '_>) -> Option<Action> {
    let action = reading.demand(step, "a step", "action")?;
    let name = reading.text(action, "`action`")?;
    if !ACTIONS.contains(&name.as_str()) {
        let help = match nearest(&name, ACTIONS) {
            Some(near) => format!("write `{near}` if that is meant"),
            None => format!("write one of {}", ACTIONS.join(", ")),
        };
        let message = format!("there is no action {}", quoted(&name));
        reading.error(action.mark, code::UNKNOWN_ACTION, message, help);
        return None;
    }
    let inputs = reading.demand(step, "a step", "inputs")?;
    Some(match name.as_str() {
        "aws:executeAwsApi" => Action::Call(call(inputs, &[], reading)?),
        "aws:assertAwsResourceProperty" => Action::Assert(property(inputs, reading)?),
        "aws:waitForAwsResourceProperty" => Action::Wait(property(inputs, reading)?),
        "aws:branch" => branch::read(inputs, reading)?,
        "aws:approve" => approve(inputs, reading)?,
        "aws:sleep" => sleep(inputs, reading)?,
        "aws:invokeWebhook" => {
            reading.entries(inputs, "a webhook", &["IntegrationName", "Body"])?;
            let destination = reading.demand_text(inputs, "a webhook", "IntegrationName")?;
            let body = match inputs.get("Body") {
                Some(node) => reading.text(node, "`Body`")?,
                None => String::new(),
            };
            Action::Webhook { destination, body }
        }
        "aws:executeAutomation" => automation(inputs, reading)?,
        _ => {
            reading.mapping(inputs, "`inputs`")?;
            Action::Exported(name)
        }
    })
}

/// A call: service, API, and inputs other than these keys.
pub(super) fn call(
    node: &Node,
    without: &[&str],
    reading: &mut Reading<'_, '_>,
) -> Option<Template> {
    let entries = reading.mapping(node, "`inputs`")?;
    let service = reading.demand_text(node, "the call", "Service")?;
    let api = reading.demand_text(node, "the call", "Api")?;
    for (key, text) in [("Service", &service), ("Api", &api)] {
        if text.contains(['{', '}']) {
            let mark = node.get(key).map_or(node.mark, |node| node.mark);
            let message = format!("`{key}` holds a template");
            let help = "write the name itself, so that it can be checked before anything runs";
            reading.error(mark, code::BAD_TEMPLATE, message, help);
            return None;
        }
    }
    let mut inputs = serde_json::Map::new();
    for (key, value) in entries {
        if !matches!(key.text(), "Service" | "Api") && !without.contains(&key.text()) {
            inputs.insert(key.text().to_owned(), reading.json(value)?);
        }
    }
    Some(Template { service, api, inputs })
}

fn property(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Property> {
    let call = call(node, &["PropertySelector", "DesiredValues"], reading)?;
    let selector = selector(node, "the step", "PropertySelector", reading)?;
    let desired = reading.demand(node, "the step", "DesiredValues")?;
    let mut values = Vec::new();
    for value in reading.list(desired, "`DesiredValues`")? {
        values.push(reading.text(value, "a desired value")?);
    }
    Some(Property { call, selector, desired: values })
}

fn approve(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Action> {
    let keys = &["Approvers", "NotificationArn", "Message", "MinRequiredApprovals"];
    reading.entries(node, "an approval", keys)?;
    let message = match node.get("Message") {
        Some(node) => reading.text(node, "`Message`")?,
        None => String::new(),
    };
    let minimum = match node.get("MinRequiredApprovals") {
        Some(node) => reading.whole(node, "`MinRequiredApprovals`", 1, 10)?,
        None => 1,
    };
    let approvers = reading.demand(node, "an approval", "Approvers")?;
    reading.texts(approvers, "`Approvers`")?;
    Some(Action::Approve { message, minimum })
}

fn sleep(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Action> {
    reading.entries(node, "a pause", &["Duration"])?;
    let text = reading.demand_text(node, "a pause", "Duration")?;
    if let Some(duration) = iso_duration(&text) {
        return Some(Action::Sleep(duration));
    }
    let mark = node.get("Duration").map_or(node.mark, |node| node.mark);
    let message = format!("`Duration` is {}", quoted(&text));
    let help = "write it as ISO 8601 has it, as `PT30S`, `PT10M` or `P1D`; at most seven days";
    reading.error(mark, code::BAD_DURATION, message, help);
    None
}

fn automation(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Action> {
    reading.entries(node, "an automation", &["DocumentName", "RuntimeParameters"])?;
    let runbook = reading.demand_text(node, "an automation", "DocumentName")?;
    let mut parameters = BTreeMap::new();
    if let Some(node) = node.get("RuntimeParameters") {
        for (key, value) in reading.mapping(node, "`RuntimeParameters`")? {
            parameters.insert(key.text().to_owned(), reading.json(value)?);
        }
    }
    Some(Action::Automation { runbook, parameters })
}
