//! Looks into answers: the JSONPath of Systems Manager's selectors, as far as runbooks need it.

use serde_json::Value;

/// The values that a selector such as `$.A[0].B` or `$.A[*].B` leads to.
#[must_use]
pub fn values<'v>(answer: &'v Value, selector: &str) -> Vec<&'v Value> {
    let mut found = vec![answer];
    let path = selector.strip_prefix('$').unwrap_or(selector);
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, brackets) = part.split_once('[').map_or((part, ""), |(name, rest)| (name, rest));
        if !name.is_empty() {
            found = found.into_iter().filter_map(|value| value.get(name)).collect();
        }
        for index in brackets.split('[').map(|index| index.trim_end_matches(']')) {
            found = match (index, index.parse::<usize>()) {
                ("", _) => found,
                ("*", _) => found.into_iter().filter_map(Value::as_array).flatten().collect(),
                (_, Ok(index)) => found.into_iter().filter_map(|value| value.get(index)).collect(),
                (_, Err(_)) => Vec::new(),
            };
        }
    }
    found
}

/// The first of them.
#[must_use]
pub fn first(answer: &Value, selector: &str) -> Option<Value> {
    values(answer, selector).first().map(|value| (*value).clone())
}

/// The first of them as text.
#[must_use]
pub fn text(answer: &Value, selector: &str) -> Option<String> {
    first(answer, selector).map(|value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// Whether a property has a value that is desired: the same text; of booleans in any case, as Systems Manager writes them.
#[must_use]
pub fn same(desired: &str, found: &str) -> bool {
    desired == found || (matches!(found, "true" | "false") && desired.eq_ignore_ascii_case(found))
}
