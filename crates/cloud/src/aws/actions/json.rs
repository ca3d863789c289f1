//! Answers of the SDK as JSON by the names of the API reference. What an answer does not say is left out.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A value of an answer; `None` if the answer does not have it.
pub(super) trait ToJson {
    fn to_json(self) -> Option<Value>;
}

macro_rules! plain {
    ($($kind:ty),*) => {
        $(impl ToJson for $kind {
            fn to_json(self) -> Option<Value> {
                Some(Value::from(self))
            }
        })*
    };
}

plain!(&str, String, bool, i32, i64, Vec<Value>);

impl ToJson for Value {
    fn to_json(self) -> Option<Value> {
        Some(self)
    }
}

impl ToJson for &String {
    fn to_json(self) -> Option<Value> {
        Some(Value::from(self.as_str()))
    }
}

impl ToJson for &[String] {
    fn to_json(self) -> Option<Value> {
        Some(Value::from(self))
    }
}

impl ToJson for &DateTime {
    fn to_json(self) -> Option<Value> {
        self.fmt(Format::DateTime).ok().map(Value::from)
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(self) -> Option<Value> {
        self.and_then(ToJson::to_json)
    }
}

/// An object of those members that the answer has, in this order.
macro_rules! object {
    ($($name:literal: $value:expr),* $(,)?) => {
        $crate::aws::actions::json::members(vec![
            $(($name, $crate::aws::actions::json::ToJson::to_json($value))),*
        ])
    };
}
pub(super) use object;

/// The object of those members that are there.
pub(super) fn members(members: Vec<(&str, Option<Value>)>) -> Value {
    let present = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect())
}

/// A list, each element by `each`.
pub(super) fn list<T>(items: &[T], each: impl Fn(&T) -> Value) -> Vec<Value> {
    items.iter().map(each).collect()
}

/// IAM gives documents URL-encoded, and some emulators do not; a document that is JSON already stays as it is.
pub(super) fn document(text: &str) -> String {
    if text.trim_start().starts_with('{') {
        return text.to_owned();
    }
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_members_are_left_out_and_times_are_text() {
        let time = DateTime::from_secs(1_700_000_000);
        let made = object! {
            "A": Some("a"), "B": None::<&str>, "C": &time, "D": list(&[1, 2], |n| Value::from(*n)), "E": false,
        };
        assert_eq!(made, json!({"A": "a", "C": "2023-11-14T22:13:20Z", "D": [1, 2], "E": false}));
        assert_eq!(object! {}, json!({}));
    }

    #[test]
    fn documents_are_decoded_once() {
        assert_eq!(document("%7B%22A%22%3A%22a%2Bb%22%7D"), r#"{"A":"a+b"}"#);
        assert_eq!(document(r#"{"A":"%41"}"#), r#"{"A":"%41"}"#);
    }
}
