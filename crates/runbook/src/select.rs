//! The small part of JSONPath by which Systems Manager documents look into answers: `$.A.B`, `$.A[0].B`, `$.A[*].B`, `$..B`.

use std::fmt;

use serde_json::Value;

/// A selector that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(usize),
    Each,
    Anywhere(String),
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotASelector {
    text: String,
    at: usize,
    expected: &'static str,
}

impl fmt::Display for NotASelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at byte {}: expected {}", self.text, self.at, self.expected)
    }
}

impl std::error::Error for NotASelector {}

/// What a selector found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'a> {
    values: Vec<&'a Value>,
    is_list: bool,
}

impl Selector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, NotASelector> {
        let fail = |rest: &str, expected| NotASelector {
            text: text.to_owned(),
            at: text.len() - rest.len(),
            expected,
        };
        let mut rest = text.strip_prefix('$').ok_or_else(|| fail(text, "`$`"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = if let Some(name) = rest.strip_prefix("..") {
                let (name, after) = member(name);
                (name.map(Step::Anywhere).ok_or_else(|| fail(rest, "a name after `..`"))?, after)
            } else if let Some(name) = rest.strip_prefix('.') {
                let (name, after) = member(name);
                (name.map(Step::Member).ok_or_else(|| fail(rest, "a name after `.`"))?, after)
            } else if let Some((inside, after)) =
                rest.strip_prefix('[').and_then(|inside| inside.split_once(']'))
            {
                let step = bracket(inside);
                (step.ok_or_else(|| fail(rest, "a number, `*` or a quoted name in `[]`"))?, after)
            } else {
                return Err(fail(rest, "`.`, `..` or `[`"));
            };
            steps.push(step);
            rest = after;
        }
        Ok(Self { steps })
    }

    /// What stands there.
    #[must_use]
    pub fn find<'a>(&self, answer: &'a Value) -> Found<'a> {
        let mut values = vec![answer];
        let mut is_list = false;
        for step in &self.steps {
            is_list |= matches!(step, Step::Each | Step::Anywhere(_));
            values = match step {
                Step::Member(name) => values.iter().filter_map(|value| value.get(name)).collect(),
                Step::Index(index) => values.iter().filter_map(|value| value.get(index)).collect(),
                Step::Each => values.into_iter().flat_map(items).collect(),
                Step::Anywhere(name) => {
                    values.into_iter().flat_map(|value| below(value, name)).collect()
                }
            };
        }
        Found { values, is_list }
    }
}

/// A name, and what comes after it.
fn member(text: &str) -> (Option<String>, &str) {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let is_name =
        !name.is_empty() && !name.contains(|c: char| "*?@()]'\"".contains(c) || c.is_whitespace());
    (is_name.then(|| name.to_owned()), after)
}

fn bracket(inside: &str) -> Option<Step> {
    let quoted = |quote| inside.strip_prefix(quote)?.strip_suffix(quote);
    match inside {
        "*" => Some(Step::Each),
        _ => match quoted('\'').or_else(|| quoted('"')) {
            Some(name) => Some(Step::Member(name.to_owned())),
            None => inside.parse().ok().map(Step::Index),
        },
    }
}

fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

/// The members of this name at any depth, outer ones first. Kept on the heap: an answer's depth is not ours to choose.
fn below<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        found.extend(value.get(name));
        open.extend(items(value).into_iter().rev());
    }
    found
}

impl Found<'_> {
    /// As a value: one, or a list if the selector asks for many; `None` if there is nothing.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        if self.is_list {
            return Some(self.values.iter().map(|value| (*value).clone()).collect());
        }
        self.values.first().map(|value| (*value).clone())
    }

    /// As Systems Manager writes it: text as it is, `True` and `False`, numbers, and JSON for the rest.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.value().map(|value| text(&value))
    }

    /// Whether it is one of these values. Every value of a selector that asks for many has to be, and there has to be one.
    #[must_use]
    pub fn is_one_of(&self, desired: &[String]) -> bool {
        !self.values.is_empty()
            && self.values.iter().all(|value| desired.iter().any(|desired| equals(value, desired)))
    }
}

/// A value as Systems Manager writes it.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

/// Whether the value is the desired one; booleans in any case of letters.
#[must_use]
pub fn equals(value: &Value, desired: &str) -> bool {
    match value {
        Value::Bool(_) => text(value).eq_ignore_ascii_case(desired),
        _ => text(value) == desired,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn find(selector: &str) -> Option<String> {
        let answer = json!({
            "IsLogging": true, "Count": 3, "Nothing": null,
            "Keys": [{"Id": "a", "Status": "Active"}, {"Id": "b", "Status": "Inactive"}],
            "Deep": {"Keys": [{"Id": "c"}]}, "a.b": "dotted",
        });
        Selector::parse(selector).unwrap().find(&answer).text()
    }

    #[test]
    fn the_forms_of_documents() {
        assert_eq!(find("$.IsLogging").as_deref(), Some("True"));
        assert_eq!(find("$.Count").as_deref(), Some("3"));
        assert_eq!(find("$.Keys[1].Status").as_deref(), Some("Inactive"));
        assert_eq!(find("$.Keys[*].Id").as_deref(), Some(r#"["a","b"]"#));
        assert_eq!(find("$..Id").as_deref(), Some(r#"["a","b","c"]"#));
        assert_eq!(find("$['a.b']").as_deref(), Some("dotted"));
        assert_eq!(find("$.Nothing").as_deref(), Some("null"));
        assert_eq!(find("$.Keys[7].Id"), None);
        assert_eq!(find("$.Absent.Deeper"), None);
    }

    #[test]
    fn every_value_has_to_be_desired() {
        let answer = json!({"Keys": [{"Status": "Inactive"}, {"Status": "Active"}], "On": true});
        let is = |selector: &str, desired: &[&str]| {
            let desired: Vec<String> = desired.iter().map(|&text| text.to_owned()).collect();
            Selector::parse(selector).unwrap().find(&answer).is_one_of(&desired)
        };
        assert!(!is("$.Keys[*].Status", &["Inactive"]));
        assert!(is("$.Keys[*].Status", &["Inactive", "Active"]));
        assert!(is("$.On", &["true"]) && is("$.On", &["True"]) && !is("$.On", &["yes"]));
        assert!(!is("$.None[*]", &["x"]));
    }

    #[test]
    fn what_is_no_selector_says_where() {
        for (text, at) in
            [("A.B", 0), ("$.", 1), ("$.A[?(@.x)]", 3), ("$A", 1), ("$.A[", 3), ("$...A", 1)]
        {
            let error = Selector::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\$?[.\\[\\]*'\"a-c0-9 é]{0,12}") {
            if let Ok(selector) = Selector::parse(&text) {
                let answer = json!({"a": [{"b": 1}, "c"], "b": {"a": null}});
                drop(selector.find(&answer).text());
            }
        }
    }
}
