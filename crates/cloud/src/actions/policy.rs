//! What policy documents say of a request: enough of IAM's evaluation for the fake accounts.
//!
//! Conditions that are not known here are not met in a deny and met in an allow, so that the fake never proves a containment
//! which IAM might not enforce.

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::Value;

/// What a document says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Decision {
    /// Nothing about this request.
    Silent,
    Allow,
    /// It outweighs every allow.
    Deny,
}

/// A request, as policies see it.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    /// `iam:UpdateAccessKey`.
    pub(super) action: &'a str,
    /// The ARN, or `*` when the action has no resource.
    pub(super) resource: &'a str,
    /// The condition keys in lower case, with their values. A key that the request has not is absent.
    pub(super) context: BTreeMap<&'static str, String>,
}

/// What a document says of a request. A document that cannot be read says nothing.
pub(super) fn evaluate(document: &str, request: &Request<'_>) -> Decision {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return Decision::Silent };
    let statements = document.get("Statement").map(one_or_many).unwrap_or_default();
    let decisions = statements.into_iter().map(|statement| of_statement(statement, request));
    decisions.max().unwrap_or(Decision::Silent)
}

fn of_statement(statement: &Value, request: &Request<'_>) -> Decision {
    let deny = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
    let named = |name: &str, not: &str, text: &str, exact_case: bool| {
        let matches =
            |patterns: &Value| texts(patterns).any(|pattern| like(pattern, text, exact_case));
        match (statement.get(name), statement.get(not)) {
            (Some(patterns), _) => matches(patterns),
            (None, Some(patterns)) => !matches(patterns),
            (None, None) => false,
        }
    };
    let applies = named("Action", "NotAction", request.action, false)
        && named("Resource", "NotResource", request.resource, true)
        && conditions_met(statement.get("Condition"), request, deny);
    match (applies, deny) {
        (false, _) => Decision::Silent,
        (true, true) => Decision::Deny,
        (true, false) => Decision::Allow,
    }
}

fn conditions_met(conditions: Option<&Value>, request: &Request<'_>, deny: bool) -> bool {
    let Some(conditions) = conditions.and_then(Value::as_object) else { return true };
    conditions.iter().all(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.into_iter().all(|(key, wanted)| {
            let given = request.context.get(key.to_lowercase().as_str());
            condition_met(operator, given.map(String::as_str), wanted).unwrap_or(!deny)
        })
    })
}

/// Whether one condition is met; `None` if the operator is not known.
fn condition_met(operator: &str, given: Option<&str>, wanted: &Value) -> Option<bool> {
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    if operator == "Null" {
        let absent = texts(wanted).any(|text| text == "true") || *wanted == Value::Bool(true);
        return Some(absent == given.is_none());
    }
    let negated =
        ["StringNotEquals", "StringNotLike", "ArnNotEquals", "ArnNotLike"].contains(&operator);
    let Some(given) = given else { return Some(if_exists || negated) };
    let any = |test: &dyn Fn(&str) -> bool| texts(wanted).any(test);
    Some(match operator {
        "StringEquals" => any(&|text| text == given),
        "StringNotEquals" => !any(&|text| text == given),
        "StringLike" | "ArnLike" | "ArnEquals" => any(&|text| like(text, given, true)),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => !any(&|text| like(text, given, true)),
        "Bool" => any(&|text| text.eq_ignore_ascii_case(given)),
        "DateLessThan" => any(&|text| times(given, text).is_some_and(|(given, text)| given < text)),
        "DateGreaterThan" => {
            any(&|text| times(given, text).is_some_and(|(given, text)| given > text))
        }
        _ => return None,
    })
}

fn times(given: &str, wanted: &str) -> Option<(i128, i128)> {
    let nanoseconds =
        |text| DateTime::from_str(text, Format::DateTime).ok().map(|time| time.as_nanos());
    Some((nanoseconds(given)?, nanoseconds(wanted)?))
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    one_or_many(value).into_iter().filter_map(Value::as_str)
}

/// Whether a text fits a pattern with `*` and `?`. Takes time in proportion to the product of both lengths, whatever they say.
fn like(pattern: &str, text: &str, exact_case: bool) -> bool {
    let letters = |text: &str| -> Vec<char> {
        if exact_case { text.chars().collect() } else { text.to_lowercase().chars().collect() }
    };
    let (pattern, text) = (letters(pattern), letters(text));
    let (mut at, mut position) = (0, 0);
    // Where the last star is, and from where in the text it goes on.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match (pattern.get(at), star) {
            (Some('*'), _) => {
                star = Some((at, position));
                at += 1;
            }
            (Some(one), _) if *one == '?' || *one == text[position] => {
                at += 1;
                position += 1;
            }
            (_, Some((from, taken))) => {
                star = Some((from, taken + 1));
                at = from + 1;
                position = taken + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(document: &str, context: &[(&'static str, &str)]) -> Decision {
        let context = context.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let resource = "arn:aws:s3:::example-bucket/key";
        evaluate(document, &Request { action: "s3:GetObject", resource, context })
    }

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("s3:Get*", "s3:getobject", true),
            ("s3:?etObject", "s3:GetObject", true),
            ("s3:Get", "s3:GetObject", false),
            ("*Object", "s3:GetObjectTagging", false),
            ("a*b*c", "a1b2b3c", true),
        ] {
            assert_eq!(like(pattern, text, false), fits, "{pattern} {text}");
        }
        assert!(!like("A", "a", true));
        assert!(!like(&"*a".repeat(50), &"b".repeat(5000), true));
    }

    #[test]
    fn a_deny_outweighs_an_allow() {
        let document = r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"},
            {"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        assert_eq!(decide(document, &[]), Decision::Deny);
        let other = r#"{"Statement":{"Effect":"Allow","NotAction":"iam:*","Resource":"arn:aws:s3:::example-bucket/*"}}"#;
        assert_eq!(decide(other, &[]), Decision::Allow);
        assert_eq!(decide("no document", &[]), Decision::Silent);
    }

    #[test]
    fn one_session_is_denied_and_its_sibling_is_not() {
        let document = r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{
            "StringEquals":{"aws:userid":"AROAEXAMPLE:deploy"},
            "DateLessThan":{"aws:TokenIssueTime":"2026-01-01T00:00:10Z"}}}]}"#;
        let decide = |user: &str, issued: &str| {
            decide(document, &[("aws:userid", user), ("aws:tokenissuetime", issued)])
        };
        assert_eq!(decide("AROAEXAMPLE:deploy", "2026-01-01T00:00:09Z"), Decision::Deny);
        assert_eq!(decide("AROAEXAMPLE:deploy", "2026-01-01T00:00:10Z"), Decision::Silent);
        assert_eq!(decide("AROAEXAMPLE:other", "2026-01-01T00:00:09Z"), Decision::Silent);
    }

    #[test]
    fn a_long_term_key_has_no_time_of_issue() {
        let document = r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*",
            "Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-01-01T00:00:10Z"}}}]}"#;
        assert_eq!(decide(document, &[]), Decision::Silent);
    }

    #[test]
    fn an_unknown_condition_proves_nothing() {
        let deny = r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Odd":{"a":"b"}}}]}"#;
        assert_eq!(decide(deny, &[("a", "b")]), Decision::Silent);
        assert_eq!(decide(&deny.replace("Deny", "Allow"), &[("a", "b")]), Decision::Allow);
    }
}
