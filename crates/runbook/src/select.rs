//! stub
use serde_json::Value;
/// First.
#[must_use]
pub fn first(answer: &Value, selector: &str) -> Option<Value> {
    let mut at = answer;
    for part in selector.trim_start_matches("$.").split('.') {
        at = at.get(part)?;
    }
    Some(at.clone())
}
/// Text.
#[must_use]
pub fn text(answer: &Value, selector: &str) -> Option<String> {
    first(answer, selector).map(|value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    })
}
/// Same.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one == other || one.eq_ignore_ascii_case(other) && matches!(other, "true" | "false")
}
