//! Policy documents: looking into them, and telling whether two say the same.

use serde_json::{Map, Value};

/// Whether two texts are the same policy: AWS may order keys and lists anew, and writes a list of one as its item.
#[must_use]
pub fn same_policy(one: &str, other: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    match (parse(one), parse(other)) {
        (Some(one), Some(other)) => normal(&one) == normal(&other),
        _ => one == other,
    }
}

/// With keys and lists in order and lists of one as their item.
fn normal(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normal).collect();
            items.sort_by_cached_key(Value::to_string);
            match <[Value; 1]>::try_from(items) {
                Ok([item]) => item,
                Err(items) => Value::Array(items),
            }
        }
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.iter().map(|(name, value)| (name.clone(), normal(value))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// The statements of a policy; `None` if the text is no policy.
#[must_use]
pub fn statements(text: &str) -> Option<Vec<Value>> {
    let policy = serde_json::from_str::<Value>(text).ok()?;
    match policy.get("Statement")? {
        Value::Array(statements) => Some(statements.clone()),
        statement @ Value::Object(_) => Some(vec![statement.clone()]),
        _ => None,
    }
}

/// The value of a condition; keys of conditions are the same in any case of letters.
#[must_use]
pub fn condition<'a>(statement: &'a Value, operator: &str, key: &str) -> Option<&'a Value> {
    let keys = statement.get("Condition")?.get(operator)?.as_object()?;
    keys.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

/// The texts of a value that is one or a list of them.
#[must_use]
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether the pattern, in which `*` is any text and `?` any character, matches the text, in any case of letters.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (pattern, text) = (lower(pattern), lower(text));
    let (mut at, mut here) = (0, 0);
    // Where the last star stands, and how much of the text it has taken: going back to it once a character is enough.
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[here] => {
                at += 1;
                here += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                here = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_the_same_however_they_are_written() {
        let one = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["b","a"],"Resource":"*"}]}"#;
        let other = r#"{"Statement":{"Resource":["*"],"Action":["a","b"],"Effect":"Deny"},"Version":"2012-10-17"}"#;
        assert!(same_policy(one, other));
        assert!(!same_policy(one, &other.replace("Deny", "Allow")));
        assert!(!same_policy(one, "not json") && same_policy("not json", "not json"));
    }

    #[test]
    fn globs() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*b*b", "aabb", true),
            ("a?c", "abc", true),
            ("A", "a", true),
            ("", "a", false),
            ("a**", "a", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }
}
