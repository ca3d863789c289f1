//! Athena's spelling of JSON paths, `json_extract_scalar(text, '$.a.b')`, and what else shipped queries need of Trino.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use serde_json::Value;

/// The functions of this file.
pub(crate) fn functions() -> Vec<ScalarUDF> {
    let of =
        |name, takes| ScalarUDF::new_from_impl(Extract { name, takes, signature: two_texts() });
    vec![of("json_extract_scalar", Takes::Scalars), of("json_extract", Takes::Json)]
}

fn two_texts() -> Signature {
    let text = DataType::Utf8View;
    Signature::new(TypeSignature::Exact(vec![text.clone(), text]), Volatility::Immutable)
}

/// What a function gives of what stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Takes {
    /// Texts, numbers and truth values, as text; of objects and arrays nothing.
    Scalars,
    /// JSON text of whatever it is.
    Json,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extract {
    name: &'static str,
    takes: Takes,
    signature: Signature,
}

impl ScalarUDFImpl for Extract {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts, path] = &args.args[..] else {
            return plan_err!("{} takes a JSON text and a path", self.name);
        };
        let path = match path {
            ColumnarValue::Scalar(ScalarValue::Utf8View(Some(path))) => parse(self.name, path)?,
            ColumnarValue::Scalar(_) => {
                return Ok(ColumnarValue::Scalar(ScalarValue::Utf8View(None)));
            }
            ColumnarValue::Array(_) => {
                return exec_err!("the path of {} is one text, such as '$.a.b'", self.name);
            }
        };
        let texts = texts.to_array(args.number_rows)?;
        let texts: ArrayRef = cast(&texts, &DataType::Utf8View)?;
        let texts: &StringViewArray = texts.as_string_view();
        let mut out = StringViewBuilder::with_capacity(texts.len());
        for text in texts {
            out.append_option(text.and_then(|text| self.at(text, &path)));
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

impl Extract {
    fn at(&self, text: &str, path: &[Key]) -> Option<String> {
        let value: Value = serde_json::from_str(text).ok()?;
        let at = path.iter().try_fold(&value, |value, key| match key {
            Key::Name(name) => value.get(name),
            Key::Nth(nth) => value.get(nth),
        })?;
        match (at, self.takes) {
            (Value::Null, Takes::Scalars) => None,
            (Value::String(text), Takes::Scalars) => Some(text.clone()),
            (Value::Object(_) | Value::Array(_), Takes::Scalars) => None,
            (other, _) => Some(other.to_string()),
        }
    }
}

/// A step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    Name(String),
    Nth(usize),
}

/// Reads `$`, then `.name`, `["name"]` or `[0]`, as often as one likes.
fn parse(function: &str, path: &str) -> Result<Vec<Key>> {
    let wrong = |rest: &str| {
        plan_err!(
            "the path {path:?} of {function} is not understood at {rest:?}; write '$.a.b', '$[\"a\"]' or '$.a[0]'"
        )
    };
    let Some(mut rest) = path.strip_prefix('$') else { return wrong(path) };
    let mut keys = Vec::new();
    while !rest.is_empty() {
        if let Some(named) = rest.strip_prefix('.') {
            let end = named.find(['.', '[']).unwrap_or(named.len());
            if end == 0 {
                return wrong(rest);
            }
            keys.push(Key::Name(named[..end].to_owned()));
            rest = &named[end..];
            continue;
        }
        let Some((inside, after)) = rest.strip_prefix('[').and_then(|of| of.split_once(']')) else {
            return wrong(rest);
        };
        let quoted = |quote: char| inside.strip_prefix(quote)?.strip_suffix(quote);
        keys.push(match (quoted('"').or_else(|| quoted('\'')), inside.parse()) {
            (Some(name), _) => Key::Name(name.to_owned()),
            (None, Ok(nth)) => Key::Nth(nth),
            (None, Err(_)) => return wrong(rest),
        });
        rest = after;
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let name = |name: &str| Key::Name(name.to_owned());
        assert_eq!(parse("f", "$").unwrap(), []);
        let path = parse("f", "$.a.b[0][\"c.d\"]['e']").unwrap();
        assert_eq!(path, [name("a"), name("b"), Key::Nth(0), name("c.d"), name("e")]);
        for wrong in ["a", "$a", "$.", "$..a", "$[", "$[x]", "$.a[-1]"] {
            let said = parse("f", wrong).unwrap_err().to_string();
            assert!(said.contains("is not understood"), "{wrong}: {said}");
        }
    }
}
