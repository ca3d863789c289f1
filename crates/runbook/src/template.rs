//! Templates: `{{ Name }}` in the inputs of a step, and how values come to stand in their places.
//!
//! A template is read once, from the file. Values are put in as values and never read again, so `{{ }}` in a value means
//! nothing. A value inside a document of JSON stands in a string and is escaped for it, or stands outside of strings and is
//! written as JSON of its own type; either way it can't leave its place.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use trailloop_rules::source::{nearest, quoted};

use crate::call::Call;
use crate::document::Template;
use crate::target::Refusal;

/// A longer text does not come of a template; AWS takes no longer one either.
const FILLED_MAX: usize = 128 * 1024;

/// What stands between `{{` and `}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `{{ Name }}`: a parameter.
    Parameter(String),
    /// `{{ step.Name }}`: an output of an earlier step.
    Output {
        /// The step.
        step: String,
        /// The output.
        name: String,
    },
    /// `{{ before.step.path }}`, in an undo only: a part of the state that a step found.
    Before {
        /// The step.
        step: String,
        /// The names below its state.
        path: Vec<String>,
    },
    /// `{{ global:… }}` and `{{ automation:EXECUTION_ID }}`.
    Run(RunValue),
}

/// What every run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunValue {
    /// `global:ACCOUNT_ID`.
    Account,
    /// `global:AWS_PARTITION`.
    Partition,
    /// `global:DATE_TIME`.
    DateTime,
    /// `global:REGION`.
    Region,
    /// `automation:EXECUTION_ID`.
    ExecutionId,
}

const RUN_VALUES: [(&str, RunValue); 5] = [
    ("automation:EXECUTION_ID", RunValue::ExecutionId),
    ("global:ACCOUNT_ID", RunValue::Account),
    ("global:AWS_PARTITION", RunValue::Partition),
    ("global:DATE_TIME", RunValue::DateTime),
    ("global:REGION", RunValue::Region),
];

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text that stays.
    Text(String),
    /// Where a value goes.
    Value(Reference),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The byte of the text where it goes wrong.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// What templates are filled from.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// The parameters, by name: what [`crate::bind`] gave.
    pub parameters: Map<String, Value>,
    /// The outputs of the steps so far, by step and name.
    pub outputs: BTreeMap<String, BTreeMap<String, Value>>,
    /// The state that each step found, by step: for an undo only.
    pub before: BTreeMap<String, Value>,
    /// The account that is acted on.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its partition.
    pub partition: String,
    /// When the run began.
    pub date_time: String,
    /// The run.
    pub execution_id: String,
}

/// Reads a template.
///
/// # Errors
///
/// If `{{` is not closed, or what stands between is no reference.
pub fn parts(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{") {
        let begin = at + open;
        if open > 0 {
            parts.push(Part::Text(text[at..begin].to_owned()));
        }
        let Some(length) = text[begin..].find("}}") else {
            return Err(TemplateError {
                offset: begin,
                message: "`{{` is not closed".to_owned(),
                help: "write `{{ Name }}`; in a document, part nested braces with a space"
                    .to_owned(),
            });
        };
        let inside = text[begin + 2..begin + length].trim();
        let reference = reference(inside).map_err(|(message, help)| TemplateError {
            offset: begin,
            message,
            help,
        })?;
        parts.push(Part::Value(reference));
        at = begin + length + 2;
    }
    if at < text.len() {
        parts.push(Part::Text(text[at..].to_owned()));
    }
    Ok(parts)
}

fn reference(inside: &str) -> Result<Reference, (String, String)> {
    if inside.contains(':') {
        let names = RUN_VALUES.map(|(name, _)| name);
        let found = RUN_VALUES.iter().find(|(name, _)| *name == inside);
        return found.map(|(_, value)| Reference::Run(*value)).ok_or_else(|| {
            let help = match nearest(inside, &names) {
                Some(near) => format!("write `{{{{ {near} }}}}` if that is meant"),
                None => format!("write one of {}", names.join(", ")),
            };
            (format!("no run has the value {}", quoted(inside)), help)
        });
    }
    let names: Vec<&str> = inside.split('.').collect();
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    if !names.iter().all(is_name) {
        let message = format!("{} is no name of a value", quoted(inside));
        let help = "write `{{ Parameter }}`, `{{ step.Output }}` or `{{ global:NAME }}`";
        return Err((message, help.to_owned()));
    }
    match names.as_slice() {
        ["before", step, path @ ..] => Ok(Reference::Before {
            step: (*step).to_owned(),
            path: path.iter().map(|&name| name.to_owned()).collect(),
        }),
        [name] => Ok(Reference::Parameter((*name).to_owned())),
        [step, name] => {
            Ok(Reference::Output { step: (*step).to_owned(), name: (*name).to_owned() })
        }
        _ => {
            let message = format!("{} has more than two names", quoted(inside));
            Err((
                message,
                "write `{{ step.Output }}`; the output's selector goes deeper".to_owned(),
            ))
        }
    }
}

/// Whether a template with these parts is a document of JSON.
#[must_use]
pub fn is_document(parts: &[Part]) -> bool {
    matches!(parts, [Part::Text(text), ..] if text.trim_start().starts_with(['{', '[']))
}

/// Puts values into the places of a text. A text that is one reference alone becomes the value, of whatever type.
///
/// # Errors
///
/// If a value is missing, or what comes of it is too long or is no document of JSON any more.
pub fn fill_text(text: &str, values: &Values) -> Result<Value, Refusal> {
    let parts = parts(text).map_err(|error| refused(format!("{}: {}", error.message, text)))?;
    fill_parts(&parts, &mut |reference| {
        values
            .get(reference)
            .ok_or_else(|| refused(format!("`{{{{ {} }}}}` has no value", reference.name())))
    })
}

/// [`fill_text`] with any source of values.
pub(crate) fn fill_parts(
    parts: &[Part],
    get: &mut dyn FnMut(&Reference) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    if let [Part::Value(reference)] = parts {
        return get(reference);
    }
    let is_document = is_document(parts);
    let mut strings = Strings::default();
    let mut filled = String::new();
    for part in parts {
        match part {
            Part::Text(text) => {
                strings.read(text);
                filled.push_str(text);
            }
            Part::Value(reference) => {
                let value = get(reference)?;
                let text = as_text(&value);
                match (is_document, strings.is_inside) {
                    (false, _) => filled.push_str(&text),
                    (true, true) => filled.push_str(inside_string(&Value::from(text).to_string())),
                    (true, false) => filled.push_str(&value.to_string()),
                }
            }
        }
        if filled.len() > FILLED_MAX {
            return Err(refused(format!("a text would be longer than {FILLED_MAX} bytes")));
        }
    }
    if is_document && serde_json::from_str::<Value>(&filled).is_err() {
        return Err(refused("a document would not be JSON with its values".to_owned()));
    }
    Ok(Value::String(filled))
}

/// A string of JSON without its quotes.
fn inside_string(json: &str) -> &str {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json)
}

/// A value as part of a text: texts as they are, else JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// Whether the place after the text so far is inside a string of JSON.
#[derive(Default)]
pub(crate) struct Strings {
    pub(crate) is_inside: bool,
    is_escaped: bool,
}

impl Strings {
    pub(crate) fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_inside => self.is_escaped = true,
                b'"' => self.is_inside = !self.is_inside,
                _ => {}
            }
        }
    }
}

/// Puts values into every text of a value.
///
/// # Errors
///
/// As [`fill_text`].
pub fn fill_value(value: &Value, values: &Values) -> Result<Value, Refusal> {
    match value {
        Value::String(text) => fill_text(text, values),
        Value::Array(elements) => {
            elements.iter().map(|element| fill_value(element, values)).collect()
        }
        Value::Object(entries) => {
            let filled = entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), fill_value(value, values)?)))
                .collect::<Result<Map<_, _>, Refusal>>()?;
            Ok(Value::Object(filled))
        }
        value => Ok(value.clone()),
    }
}

impl Template {
    /// The call with its values. Service and API are as they are written.
    ///
    /// # Errors
    ///
    /// If a value is missing, or a document would not be JSON any more.
    pub fn fill(&self, values: &Values) -> Result<Call, Refusal> {
        let inputs = self
            .inputs
            .iter()
            .map(|(name, value)| match fill_value(value, values) {
                Ok(value) => Ok((name.clone(), value)),
                Err(refusal) => Err(refused(format!(
                    "input `{name}` of {}:{}: {}",
                    self.service, self.api, refusal.reason
                ))),
            })
            .collect::<Result<Map<_, _>, Refusal>>()?;
        Ok(Call { service: self.service.clone(), api: self.api.clone(), inputs })
    }
}

impl Values {
    /// The value of a reference.
    #[must_use]
    pub fn get(&self, reference: &Reference) -> Option<Value> {
        let run = |text: &String| Some(Value::String(text.clone()));
        match reference {
            Reference::Parameter(name) => self.parameters.get(name).cloned(),
            Reference::Output { step, name } => self.outputs.get(step)?.get(name).cloned(),
            Reference::Before { step, path } => {
                path.iter().try_fold(self.before.get(step)?, |value, name| value.get(name)).cloned()
            }
            Reference::Run(RunValue::Account) => run(&self.account),
            Reference::Run(RunValue::Partition) => run(&self.partition),
            Reference::Run(RunValue::DateTime) => run(&self.date_time),
            Reference::Run(RunValue::Region) => run(&self.region),
            Reference::Run(RunValue::ExecutionId) => run(&self.execution_id),
        }
    }
}

impl Reference {
    /// As it is written.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Parameter(name) => name.clone(),
            Self::Output { step, name } => format!("{step}.{name}"),
            Self::Before { step, path } => {
                let names = ["before", step].into_iter().chain(path.iter().map(String::as_str));
                names.collect::<Vec<_>>().join(".")
            }
            Self::Run(value) => RUN_VALUES
                .iter()
                .find(|(_, run)| run == value)
                .map_or("", |(name, _)| name)
                .to_owned(),
        }
    }
}

fn refused(reason: String) -> Refusal {
    Refusal::new("parameters", reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values(name: Value) -> Values {
        let mut values = Values { account: "111122223333".to_owned(), ..Values::default() };
        values.parameters.insert("Name".to_owned(), name);
        values.outputs.insert("step".to_owned(), BTreeMap::from([("Out".to_owned(), json!(7))]));
        values.before.insert("step".to_owned(), json!({"a": {"b": "c"}}));
        values
    }

    #[test]
    fn whole_values_keep_their_type_and_parts_become_text() {
        let values = values(json!(["a", "b"]));
        for (text, filled) in [
            ("{{ Name }}", json!(["a", "b"])),
            ("{{Name}}", json!(["a", "b"])),
            ("{{ step.Out }}", json!(7)),
            ("{{ before.step.a.b }}", json!("c")),
            ("n-{{ step.Out }}-{{ global:ACCOUNT_ID }}", json!("n-7-111122223333")),
            ("{\"a\": {{ Name }}}", json!("{\"a\": [\"a\",\"b\"]}")),
            ("no template }}", json!("no template }}")),
        ] {
            assert_eq!(fill_text(text, &values).unwrap(), filled, "{text}");
        }
        for text in ["{{ Other }}", "{{ step.Other }}", "{{ Name", "{{ a b }}", "{{ global:X }}"] {
            assert!(fill_text(text, &values).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_never_read_as_templates() {
        for hostile in ["{{ step.Out }}", "{{", "}}", "{{ {{ Name }} }}"] {
            let filled = fill_text("x{{ Name }}", &values(json!(hostile))).unwrap();
            assert_eq!(filled, json!(format!("x{hostile}")));
        }
    }

    proptest! {
        #[test]
        fn a_value_never_leaves_its_string(hostile in r#"[\\"{}\[\],:a\n ]{0,24}|.{0,40}"#) {
            let document = r#"{"s": "\\\" {{ Name }}", "t": {"u": "{{ Name }}"}, "v": {{ Name }}}"#;
            let filled = fill_text(document, &values(json!(hostile))).unwrap();
            let read: Value = serde_json::from_str(filled.as_str().unwrap()).unwrap();
            let expected = json!({
                "s": format!("\\\" {hostile}"), "t": {"u": hostile}, "v": hostile
            });
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[{}a:. \"]{0,30}") {
            if let Ok(parts) = parts(&text) {
                prop_assert!(parts.len() <= text.len());
            }
        }
    }
}
