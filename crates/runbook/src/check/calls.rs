//! Calls: known APIs and inputs, documents that stay documents and within AWS's quotas, changes that can be undone.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use trailloop_rules::source::{Mark, Node, quoted};

use super::values::parameters_in;
use super::{Places, key_of};
use crate::catalogue::Risk;
use crate::diagnostic::code;
use crate::document::{Action, Mode, Parameter, ParameterKind, Runbook, Template, Undo, Verify};
use crate::load::{Known, Reading};
use crate::template::{Part, Reference, fill_parts, is_document, parts};

/// Inputs that are documents of JSON.
const DOCUMENTS: &[&str] =
    &["PolicyDocument", "AssumeRolePolicyDocument", "Policy", "Content", "InlinePolicy"];

/// How many characters AWS takes of a document, by service, API and input. IAM does not count white space.
const QUOTAS: &[(&str, &str, &str, usize)] = &[
    ("iam", "PutUserPolicy", "PolicyDocument", 2_048),
    ("iam", "PutRolePolicy", "PolicyDocument", 10_240),
    ("iam", "PutGroupPolicy", "PolicyDocument", 5_120),
    ("iam", "UpdateAssumeRolePolicy", "PolicyDocument", 2_048),
    ("iam", "CreatePolicyVersion", "PolicyDocument", 6_144),
    ("organizations", "CreatePolicy", "Content", 5_120),
    ("organizations", "UpdatePolicy", "Content", 5_120),
    ("s3", "PutBucketPolicy", "Policy", 20_480),
    ("kms", "PutKeyPolicy", "Policy", 32_768),
];

/// So long a text is assumed where a pattern sets no limit.
const SAMPLE_CHARS: usize = 64;

/// No sample is longer.
const SAMPLE_CHARS_MAX: usize = 2_048;

pub(super) fn check(runbook: &Runbook, places: &Places<'_>, reading: &mut Reading<'_, '_>) {
    let mut calls = Calls { runbook, reading, without_pattern: BTreeSet::new() };
    for (nth, step) in runbook.steps.iter().enumerate() {
        let node = places.inputs(nth);
        match &step.action {
            Action::Call(call) => {
                let known = calls.call(call, node);
                if let Some(known) = known.filter(|known| known.changes) {
                    calls.patterns(&call.inputs, places);
                    calls.undo(&step.name, known, places, places.step(nth).mark);
                }
            }
            Action::Assert(property) | Action::Wait(property) => {
                let known = calls.call(&property.call, node);
                if known.is_some_and(|known| known.changes) {
                    let name = format!("{}:{}", property.call.service, property.call.api);
                    let message = format!("{name} changes something, and a property is only read");
                    let help = "name an API that reads, or use aws:executeAwsApi";
                    calls.reading.error(node.mark, code::UNKNOWN_API, message, help);
                }
            }
            Action::Exported(action) => {
                let message = format!("`{action}` is exported and not run here");
                let help = "use the actions of docs/runbooks.md if the runbook is to run here";
                calls.reading.reporter.warning(
                    places.step(nth).mark,
                    code::NOT_RUN_HERE,
                    message,
                    help,
                );
            }
            _ => {}
        }
    }
    calls.ours(places);
}

struct Calls<'f, 'r, 'a> {
    runbook: &'f Runbook,
    reading: &'f mut Reading<'r, 'a>,
    /// Parameters that were reported already.
    without_pattern: BTreeSet<String>,
}

impl Calls<'_, '_, '_> {
    /// A call: its API, inputs and documents.
    fn call(&mut self, call: &Template, node: &Node) -> Option<Known> {
        let known = self.api(&call.service, &call.api, key_of(node, "Api"))?;
        if let Some(inputs) = &known.inputs {
            for name in call.inputs.keys().filter(|name| !inputs.contains(&name.as_str())) {
                let message =
                    format!("{}:{} has no input {}", call.service, call.api, quoted(name));
                let help = match trailloop_rules::source::nearest(name, inputs) {
                    Some(near) => format!("write `{near}` if that is meant"),
                    None => format!("its inputs are {}", inputs.join(", ")),
                };
                self.reading.error(key_of(node, name), code::UNKNOWN_INPUT, message, help);
            }
        }
        for (name, value) in &call.inputs {
            if let Value::String(text) = value {
                let mark = node.get(name).map_or(node.mark, |node| node.mark);
                self.document(call, name, text, mark);
            }
        }
        Some(known)
    }

    fn api(&mut self, service: &str, api: &str, mark: Mark) -> Option<Known> {
        let known = (self.reading.find)(service, api);
        if known.is_none() {
            let message =
                format!("{} is not in the catalogue", quoted(&format!("{service}:{api}")));
            let help =
                "only APIs of the catalogue are ever called; docs/runbooks.md says where it stands";
            self.reading.error(mark, code::UNKNOWN_API, message, help);
        }
        known
    }

    /// An input that is a document: JSON whatever its values are, and no longer than AWS takes.
    fn document(&mut self, call: &Template, name: &str, text: &str, mark: Mark) {
        let Ok(parts) = parts(text) else { return };
        let is_whole_value = matches!(parts.as_slice(), [Part::Value(_)]);
        if is_whole_value || !(is_document(&parts) || DOCUMENTS.contains(&name)) {
            return;
        }
        let mut outside = None;
        let filled = fill_parts(&parts, &mut |reference| Ok(self.sample(reference)));
        for (nth, part) in parts.iter().enumerate() {
            if let Part::Value(Reference::Parameter(parameter)) = part
                && self.is_text(parameter)
                && !is_in_string(&parts[..nth])
            {
                outside = Some(parameter.clone());
            }
        }
        if let Some(parameter) = outside {
            let message = format!("`{name}` has `{{{{ {parameter} }}}}` outside of a string");
            let help = "put it in double quotes inside the document";
            self.reading.error(mark, code::BAD_DOCUMENT, message, help);
            return;
        }
        let filled = match filled {
            Ok(Value::String(text)) if serde_json::from_str::<Map<_, _>>(&text).is_ok() => text,
            _ => {
                let message = format!("`{name}` is no JSON object once its values are filled in");
                let help = "write a JSON object, with each `{{ Name }}` inside a string of it";
                self.reading.error(mark, code::BAD_DOCUMENT, message, help);
                return;
            }
        };
        let quota = QUOTAS.iter().find(|(service, api, input, _)| {
            (*service, *api, *input) == (call.service.as_str(), call.api.as_str(), name)
        });
        let counts_space = call.service != "iam";
        let length = filled.chars().filter(|c| counts_space || !c.is_whitespace()).count();
        if let Some((.., quota)) = quota.filter(|(.., quota)| length > *quota) {
            let message = format!("`{name}` can have {length} characters, and AWS takes {quota}");
            let help = "write a shorter document, or patterns with smaller limits";
            self.reading.error(mark, code::POLICY_TOO_LONG, message, help);
        }
    }

    fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.runbook.parameters.iter().find(|one| one.name == name)
    }

    fn is_text(&self, parameter: &str) -> bool {
        self.parameter(parameter).is_some_and(|one| one.kind == ParameterKind::String)
    }

    /// A value as long as a reference's can be.
    fn sample(&self, reference: &Reference) -> Value {
        let text = |length: usize| Value::String("x".repeat(length));
        let Reference::Parameter(name) = reference else { return text(SAMPLE_CHARS) };
        let Some(parameter) = self.parameter(name) else { return text(SAMPLE_CHARS) };
        match parameter.kind {
            ParameterKind::String => text(longest(parameter)),
            ParameterKind::StringList => Value::Array(vec![text(longest(parameter))]),
            ParameterKind::Boolean => Value::Bool(false),
            ParameterKind::Integer => Value::from(i64::MAX),
            ParameterKind::StringMap => Value::Object(Map::new()),
        }
    }

    /// Texts that reach a change have to match something.
    fn patterns(&mut self, inputs: &Map<String, Value>, places: &Places<'_>) {
        let runbook = self.runbook;
        for parameter in inputs.values().flat_map(|value| parameters_in(runbook, value)) {
            let is_text =
                !matches!(parameter.kind, ParameterKind::Boolean | ParameterKind::Integer);
            let is_bounded =
                parameter.allowed_pattern.is_some() || !parameter.allowed_values.is_empty();
            if is_text && !is_bounded && self.without_pattern.insert(parameter.name.clone()) {
                let name = &parameter.name;
                let message =
                    format!("the parameter `{name}` reaches a change and may be any text");
                let help =
                    "give it an `allowedPattern` such as `^[\\w+=,.@-]{1,64}$`, or `allowedValues`";
                self.reading.error(places.parameter(name), code::MISSING_PATTERN, message, help);
            }
        }
    }

    fn undo(&mut self, step: &str, known: Known, places: &Places<'_>, mark: Mark) {
        if known.risk == Risk::R3 {
            if self.runbook.mode == Mode::Auto {
                let message = format!(
                    "step `{step}` can't be undone or reaches a whole organization, and the mode is `auto`"
                );
                let help = "write `mode: approve`";
                let mark = places.ours(&["mode"]).mark;
                self.reading.error(mark, code::NEVER_AUTO, message, help);
            }
        } else if !self.runbook.undo.contains_key(step) {
            let message = format!("step `{step}` changes something and has no undo");
            let help = format!(
                "write `{step}: restore`, a call, or `{step}: {{none: WHY}}` under `undo:`"
            );
            self.reading.error(mark, code::MISSING_UNDO, message, help);
        }
    }

    /// The calls of what is ours: undo, proofs and reads before.
    fn ours(&mut self, places: &Places<'_>) {
        let runbook = self.runbook;
        for (step, undo) in &runbook.undo {
            if let Undo::Call(call) = undo
                && let Some(known) = self.call(call, places.ours(&["undo", step]))
                && known.changes
            {
                self.patterns(&call.inputs, places);
            }
        }
        for (nth, verify) in runbook.verify.iter().enumerate() {
            if let Verify::Api { call, .. } = verify {
                let list = places.ours(&["verify"]);
                let node = match &list.data {
                    trailloop_rules::source::Data::Sequence(nodes) => {
                        nodes.get(nth).unwrap_or(list)
                    }
                    _ => list,
                };
                let known = self.call(call, node.get("inputs").unwrap_or(node));
                self.reads(&format!("{}:{}", call.service, call.api), known, key_of(node, "api"));
            }
        }
        let mark = places.ours(&["before"]).mark;
        for name in &runbook.before {
            let (service, api) = name.split_once(':').unwrap_or((name, ""));
            let known = self.api(service, api, mark);
            self.reads(name, known, mark);
        }
    }

    fn reads(&mut self, name: &str, known: Option<Known>, mark: Mark) {
        if known.is_some_and(|known| known.changes) {
            let message = format!("{} changes something, and only reads stand here", quoted(name));
            self.reading.error(mark, code::UNKNOWN_API, message, "name an API that reads");
        }
    }
}

/// Whether a text after these parts stands in a string.
fn is_in_string(parts: &[Part]) -> bool {
    let mut strings = crate::template::Strings::default();
    for part in parts {
        if let Part::Text(text) = part {
            strings.read(text);
        }
    }
    strings.is_inside
}

/// The length of the longest text that a parameter may be.
fn longest(parameter: &Parameter) -> usize {
    let listed = parameter.allowed_values.iter().filter_map(Value::as_str).map(str::len).max();
    let matched = parameter.allowed_pattern.as_ref().and_then(|pattern| {
        let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(true).build();
        { parser }.parse(pattern.as_str()).ok()?.properties().maximum_len()
    });
    listed.or(matched).unwrap_or(SAMPLE_CHARS).min(SAMPLE_CHARS_MAX)
}
