//! From a finding to a plan: which runbook, with which values, along which branch.

use serde_json::{Map, Value};
use trailloop_finding::Level;
use trailloop_rules::source::quoted;

use crate::document::{ChoiceTest, Parameter, ParameterKind, Runbook, Trigger};
use crate::target::{Class, Refusal};
use crate::template::{Values, fill_text, fill_value};

/// The values of a runbook's parameters, by name in the order of their declaration.
pub type Parameters = Map<String, Value>;

/// A list or map that is bound has no more elements.
const ELEMENTS_MAX: usize = 1_000;

/// The parameter that Systems Manager alone needs: the role it assumes. Without a value it is left out.
pub const ASSUME_ROLE: &str = "AutomationAssumeRole";

/// Binds a runbook's parameters to what a finding says. `context` is what expressions see.
///
/// # Errors
///
/// If a value is missing, or is of a wrong type, or does not match what the parameter allows. The refusal names the
/// parameter and quotes no more of the value than fits a line.
pub fn bind(runbook: &Runbook, context: &Value) -> Result<Parameters, Refusal> {
    let mut bound = Map::new();
    for parameter in &runbook.parameters {
        let expression =
            runbook.bind.iter().find(|(name, _)| *name == parameter.name).map(|(_, e)| e);
        let value = expression.map_or(Value::Null, |expression| expression.value(context));
        let value = match (value, &parameter.default) {
            (Value::Null, Some(default)) => default.clone(),
            (value, _) => value,
        };
        if value.is_null() {
            if expression.is_none() && parameter.name == ASSUME_ROLE {
                continue;
            }
            let from = expression.map_or("no expression", |expression| expression.text());
            return Err(refused(format!(
                "parameter `{}` has no value: {} is not there",
                parameter.name,
                quoted(from)
            )));
        }
        parameter.admit(&value)?;
        bound.insert(parameter.name.clone(), value);
    }
    Ok(bound)
}

impl Parameter {
    /// Whether the parameter may have this value.
    ///
    /// # Errors
    ///
    /// If it is of a wrong type, or does not match `allowedPattern`, or is none of `allowedValues`.
    pub fn admit(&self, value: &Value) -> Result<(), Refusal> {
        let refuse = |why: &str| {
            let shown = match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            let name = &self.name;
            Err(refused(format!("parameter `{name}` can't be {}: {why}", quoted(&shown))))
        };
        if !self.kind.fits(value) {
            return refuse(&format!("it has to be {}", self.kind.article()));
        }
        let mut texts = Vec::new();
        match value {
            Value::Array(elements) if elements.len() > ELEMENTS_MAX => {
                return refuse(&format!("it has more than {ELEMENTS_MAX} elements"));
            }
            Value::Array(elements) => texts.extend(elements.iter().filter_map(Value::as_str)),
            Value::Object(entries) => {
                texts.extend(entries.values().filter_map(Value::as_str));
            }
            Value::String(text) => texts.push(text),
            _ => {}
        }
        if let Some(pattern) = &self.allowed_pattern
            && !texts.iter().all(|text| pattern.is_match(text))
        {
            return refuse("it does not match the allowed pattern");
        }
        let listed = |value: &Value| self.allowed_values.contains(value);
        let is_allowed = match value {
            _ if self.allowed_values.is_empty() => true,
            Value::Array(elements) => elements.iter().all(listed),
            value => listed(value),
        };
        if !is_allowed {
            return refuse("it is none of the allowed values");
        }
        Ok(())
    }
}

impl ParameterKind {
    /// Whether a value is of the type.
    #[must_use]
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::StringList => {
                value.as_array().is_some_and(|elements| elements.iter().all(Value::is_string))
            }
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::StringMap => {
                value.as_object().is_some_and(|entries| entries.values().all(Value::is_string))
            }
        }
    }

    /// The type in words.
    #[must_use]
    pub fn article(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::StringList => "a list of texts",
            Self::Boolean => "true or false",
            Self::Integer => "a whole number",
            Self::StringMap => "a map of texts",
        }
    }
}

impl ChoiceTest {
    /// Whether the condition holds with these values.
    ///
    /// # Errors
    ///
    /// If a value is missing.
    pub fn holds(&self, values: &Values) -> Result<bool, Refusal> {
        match self {
            Self::Compare { variable, operator, value } => {
                let left = fill_text(variable, values)?;
                let right = fill_value(value, values)?;
                Ok(compares(operator, &left, &right))
            }
            Self::And(tests) => {
                for test in tests {
                    if !test.holds(values)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(tests) => {
                for test in tests {
                    if test.holds(values)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(test) => Ok(!test.holds(values)?),
        }
    }
}

/// The operators of a branch, as the schema spells them.
pub(crate) const OPERATORS: [&str; 11] = [
    "StringEquals",
    "EqualsIgnoreCase",
    "StartsWith",
    "EndsWith",
    "Contains",
    "NumericEquals",
    "NumericGreater",
    "NumericLesser",
    "NumericGreaterOrEquals",
    "NumericLesserOrEquals",
    "BooleanEquals",
];

fn compares(operator: &str, left: &Value, right: &Value) -> bool {
    let texts = || Some((left.as_str()?, right.as_str()?));
    let numbers = || Some((whole(left)?, whole(right)?));
    let text =
        |test: fn(&str, &str) -> bool| texts().is_some_and(|(left, right)| test(left, right));
    let number =
        |test: fn(&i64, &i64) -> bool| numbers().is_some_and(|(left, right)| test(&left, &right));
    match operator {
        "StringEquals" => text(|left, right| left == right),
        "EqualsIgnoreCase" => text(|left, right| left.to_lowercase() == right.to_lowercase()),
        "StartsWith" => text(|left, right| left.starts_with(right)),
        "EndsWith" => text(|left, right| left.ends_with(right)),
        "Contains" => match left {
            Value::Array(elements) => elements.contains(right),
            _ => text(|left, right| left.contains(right)),
        },
        "NumericEquals" => number(i64::eq),
        "NumericGreater" => number(i64::gt),
        "NumericLesser" => number(i64::lt),
        "NumericGreaterOrEquals" => number(i64::ge),
        "NumericLesserOrEquals" => number(i64::le),
        "BooleanEquals" => {
            let truth = |value: &Value| match value {
                Value::Bool(value) => Some(*value),
                Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
                Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
                _ => None,
            };
            truth(left).is_some() && truth(left) == truth(right)
        }
        _ => false,
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

impl Trigger {
    /// Whether a finding is one for the runbook: all that is given holds, of a list one.
    #[must_use]
    pub fn chooses(&self, context: &Value) -> bool {
        self.may_choose(context) && self.when.as_ref().is_none_or(|when| when.holds(context))
    }

    /// The same without the condition, which may await what queries answer.
    #[must_use]
    pub fn may_choose(&self, context: &Value) -> bool {
        let finding = &context["finding"];
        let event = &finding["event"];
        let one_of = |list: &[String], value: &Value| {
            list.is_empty() || value.as_str().is_some_and(|text| list.iter().any(|one| one == text))
        };
        let rule_holds = self.rules.is_empty()
            || finding["rule"].as_str().is_some_and(|rule| {
                self.rules.iter().any(|one| one.strip_prefix("sigma:").unwrap_or(one) == rule)
            });
        let tag_holds = self.tags.is_empty()
            || finding["tags"].as_array().is_some_and(|tags| {
                tags.iter()
                    .filter_map(Value::as_str)
                    .any(|tag| self.tags.iter().any(|one| one.eq_ignore_ascii_case(tag)))
            });
        let level_holds = self.min_severity.is_none_or(|least| {
            finding["severity"].as_str().and_then(Level::parse).is_some_and(|level| level >= least)
        });
        let class_holds = self.identity.is_empty()
            || finding["target"]["class"]
                .as_str()
                .and_then(Class::parse)
                .is_some_and(|class| self.identity.contains(&class));
        let source_holds =
            self.source.as_deref().is_none_or(|source| event["eventSource"] == *source);
        rule_holds
            && tag_holds
            && level_holds
            && class_holds
            && source_holds
            && one_of(&self.names, &event["eventName"])
            && (!self.only_success || event["errorCode"].is_null())
    }

    /// How narrow the trigger is; the least is the narrowest.
    fn width(&self) -> u8 {
        if self.default {
            return 4;
        }
        let by_event = self.source.is_some() || !self.names.is_empty() || !self.tags.is_empty();
        match (self.rules.is_empty(), by_event, self.identity.is_empty()) {
            (false, ..) => 0,
            (true, true, _) => 1,
            (true, false, false) => 2,
            (true, false, true) => 3,
        }
    }
}

/// The runbook for a finding: of those whose trigger chooses it the narrowest (by rule, by tag or event, by identity, by
/// anything else, the defaults last), of equals the first by id; and then where its redirects lead.
#[must_use]
pub fn choose<'r>(runbooks: &'r [Runbook], context: &Value) -> Option<&'r Runbook> {
    choose_of(runbooks, context, |_| true)
}

/// The runbooks for a finding, two at most: one for what the call did, and one for who made it. To close what was opened
/// leaves the intruder in, and to put the intruder out leaves it open. A default is chosen only if nothing else is.
#[must_use]
pub fn choose_all<'r>(runbooks: &'r [Runbook], context: &Value) -> Vec<&'r Runbook> {
    let is_about_caller = |one: &Runbook| !one.trigger.identity.is_empty();
    let deed = choose_of(runbooks, context, |one| !is_about_caller(one) && !one.trigger.default);
    let caller = choose_of(runbooks, context, |one| is_about_caller(one) && !one.trigger.default);
    let mut chosen: Vec<&Runbook> = deed.into_iter().chain(caller).collect();
    if chosen.is_empty() {
        chosen.extend(choose(runbooks, context));
    }
    chosen.dedup_by_key(|one| &one.id);
    chosen
}

fn choose_of<'r>(
    runbooks: &'r [Runbook],
    context: &Value,
    is_wanted: impl Fn(&Runbook) -> bool,
) -> Option<&'r Runbook> {
    let mut chosen = runbooks
        .iter()
        .filter(|runbook| is_wanted(runbook) && runbook.trigger.chooses(context))
        .min_by_key(|runbook| (runbook.trigger.width(), &runbook.id))?;
    // No chain is longer than there are runbooks, unless it is a ring.
    for _ in 0..runbooks.len() {
        match redirect(chosen, context).and_then(|to| runbooks.iter().find(|one| one.id == to)) {
            Some(next) => chosen = next,
            None => break,
        }
    }
    Some(chosen)
}

/// The id of the runbook that takes over from this one.
#[must_use]
pub fn redirect<'r>(runbook: &'r Runbook, context: &Value) -> Option<&'r str> {
    runbook.redirect.iter().find(|redirect| redirect.when.holds(context)).map(|one| one.to.as_str())
}

fn refused(reason: String) -> Refusal {
    Refusal::new("parameters", reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compare(variable: &str, operator: &str, value: Value) -> ChoiceTest {
        let operator = operator.to_owned();
        ChoiceTest::Compare { variable: variable.to_owned(), operator, value }
    }

    #[test]
    fn branches_compare_as_automation_does() {
        let mut values = Values::default();
        for (name, value) in [
            ("S", json!("Abc")),
            ("N", json!(5)),
            ("T", json!("5")),
            ("B", json!(true)),
            ("L", json!(["a"])),
        ] {
            values.parameters.insert(name.to_owned(), value);
        }
        for (name, operator, value, holds) in [
            ("S", "StringEquals", json!("Abc"), true),
            ("S", "StringEquals", json!("abc"), false),
            ("S", "EqualsIgnoreCase", json!("aBC"), true),
            ("S", "StartsWith", json!("A"), true),
            ("S", "EndsWith", json!("b"), false),
            ("S", "Contains", json!("b"), true),
            ("L", "Contains", json!("a"), true),
            ("N", "NumericEquals", json!(5), true),
            ("T", "NumericGreater", json!(4), true),
            ("N", "NumericLesser", json!(5), false),
            ("N", "NumericGreaterOrEquals", json!("5"), true),
            ("N", "NumericLesserOrEquals", json!(4), false),
            ("B", "BooleanEquals", json!(true), true),
            ("B", "BooleanEquals", json!("false"), false),
            ("S", "BooleanEquals", json!("Abc"), false),
            ("S", "NumericEquals", json!("Abc"), false),
        ] {
            let test = compare(&format!("{{{{ {name} }}}}"), operator, value);
            assert_eq!(test.holds(&values), Ok(holds), "{name} {operator}");
        }
        assert!(OPERATORS.iter().all(|operator| {
            // Each has a meaning: something satisfies it, which an unknown one never is.
            ["Abc", "5", "true"].iter().any(|text| compares(operator, &json!(text), &json!(text)))
                || matches!(*operator, "NumericGreater" | "NumericLesser")
        }));
        let yes = || compare("{{ N }}", "NumericEquals", json!(5));
        let no = || compare("{{ N }}", "NumericEquals", json!(6));
        assert_eq!(ChoiceTest::And(vec![yes(), no()]).holds(&values), Ok(false));
        assert_eq!(ChoiceTest::Or(vec![no(), yes()]).holds(&values), Ok(true));
        assert_eq!(ChoiceTest::Not(Box::new(no())).holds(&values), Ok(true));
        assert!(compare("{{ Missing }}", "StringEquals", json!("")).holds(&values).is_err());
    }

    #[test]
    fn triggers_need_all_that_is_given() {
        let context = json!({"finding": {
            "rule": "r", "tags": ["attack.t1078"], "severity": "medium", "target": {"class": "root"},
            "event": {"eventSource": "s", "eventName": "n", "errorCode": null},
        }});
        let full = Trigger {
            rules: vec!["x".to_owned(), "sigma:r".to_owned()],
            tags: vec!["attack.T1078".to_owned()],
            min_severity: Some(Level::Medium),
            identity: vec![Class::Root],
            source: Some("s".to_owned()),
            names: vec!["m".to_owned(), "n".to_owned()],
            only_success: true,
            ..Trigger::default()
        };
        assert!(full.chooses(&context));
        for (path, value) in [
            ("/finding/rule", json!("q")),
            ("/finding/tags", json!([])),
            ("/finding/severity", json!("low")),
            ("/finding/target/class", json!("unknown")),
            ("/finding/event/eventSource", json!("t")),
            ("/finding/event/eventName", json!(null)),
            ("/finding/event/errorCode", json!("AccessDenied")),
        ] {
            let mut context = context.clone();
            *context.pointer_mut(path).unwrap() = value;
            assert!(!full.chooses(&context), "{path}");
        }
        assert!(Trigger { default: true, ..Trigger::default() }.chooses(&Value::Null));
    }
}
