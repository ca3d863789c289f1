//! The inputs of a call, taken one by one with their types. What is left over, or of another type, is refused before
//! anything is sent: a runbook that means something else than the API must not act.

use std::collections::HashMap;
use std::fmt::Display;

use serde_json::{Map, Value};
use trailloop_runbook::Call;

use crate::error::{CloudError, CloudErrorKind};

/// What is not yet taken of a call's inputs, or of a structure in them.
pub(crate) struct Inputs {
    /// `iam:UpdateAccessKey`.
    call: String,
    /// Where in the inputs this is, such as `EventSelectors[0].`.
    path: String,
    rest: Map<String, Value>,
}

type Taken<T> = Result<Option<T>, CloudError>;

impl Inputs {
    pub(crate) fn new(call: &Call) -> Self {
        Self { call: call.name(), path: String::new(), rest: call.inputs.clone() }
    }

    fn refuse(&self, input: &str, why: impl Display) -> CloudError {
        let message = format!("input {}{input} {why}", self.path);
        CloudError::new(CloudErrorKind::Invalid, "call", &self.call, message)
    }

    /// The error of an API that is not made here.
    pub(crate) fn unknown_api(&self) -> CloudError {
        let message = "this API is not in the catalogue of calls that are made";
        CloudError::new(CloudErrorKind::Invalid, "call", &self.call, message)
    }

    /// The error of a structure that lacks something.
    pub(crate) fn incomplete(&self, error: &dyn Display) -> CloudError {
        let place = self.path.trim_end_matches('.');
        CloudError::new(CloudErrorKind::Invalid, "call", &self.call, format!("{place}: {error}"))
    }

    /// Refuses what nobody took.
    pub(crate) fn end(&self) -> Result<(), CloudError> {
        match self.rest.keys().next() {
            Some(input) => Err(self.refuse(input, "is unknown to this API")),
            None => Ok(()),
        }
    }

    /// As it is; null counts as absent.
    fn take(&mut self, input: &str) -> Option<Value> {
        self.rest.shift_remove(input).filter(|value| !value.is_null())
    }

    /// Text, or absent.
    pub(crate) fn text(&mut self, input: &str) -> Taken<String> {
        match self.take(input) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.refuse(input, "is not text")),
        }
    }

    /// Text that must be there and not empty: an empty name in a path or query would be another call.
    pub(crate) fn name(&mut self, input: &str) -> Taken<String> {
        match self.text(input)? {
            Some(text) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(self.refuse(input, "is empty")),
            None => Err(self.refuse(input, "is missing")),
        }
    }

    pub(crate) fn flag(&mut self, input: &str) -> Taken<bool> {
        match self.take(input) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.refuse(input, "is not true or false")),
        }
    }

    pub(crate) fn number(&mut self, input: &str) -> Taken<i32> {
        let Some(value) = self.take(input) else { return Ok(None) };
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        number.map(Some).ok_or_else(|| self.refuse(input, "is not a whole number of 32 bits"))
    }

    /// A number that must be there.
    pub(crate) fn required_number(&mut self, input: &str) -> Taken<i32> {
        match self.number(input)? {
            None => Err(self.refuse(input, "is missing")),
            some => Ok(some),
        }
    }

    pub(crate) fn texts(&mut self, input: &str) -> Taken<Vec<String>> {
        let not_texts = "is not a list of texts";
        match self.take(input) {
            None => Ok(None),
            Some(Value::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text),
                    _ => Err(self.refuse(input, not_texts)),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(self.refuse(input, not_texts)),
        }
    }

    /// Texts of which there must be at least one: "none" means "all" to some APIs.
    pub(crate) fn names(&mut self, input: &str) -> Taken<Vec<String>> {
        match self.texts(input)? {
            Some(texts) if !texts.is_empty() => Ok(Some(texts)),
            _ => Err(self.refuse(input, "is missing or empty")),
        }
    }

    pub(crate) fn text_map(&mut self, input: &str) -> Taken<HashMap<String, String>> {
        let Some(value) = self.take(input) else { return Ok(None) };
        let Value::Object(members) = value else {
            return Err(self.refuse(input, "is not an object of texts"));
        };
        members
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key, text)),
                _ => Err(self.refuse(input, "is not an object of texts")),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// One of the words that the SDK knows.
    pub(crate) fn choice<T, E: Display>(
        &mut self,
        input: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Taken<T> {
        let Some(text) = self.text(input)? else { return Ok(None) };
        parse(&text)
            .map(Some)
            .map_err(|_| self.refuse(input, format_args!("is {text:?}, which it cannot be")))
    }

    /// As [`Self::choice`], and must be there.
    pub(crate) fn required_choice<T, E: Display>(
        &mut self,
        input: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Taken<T> {
        match self.choice(input, parse)? {
            None => Err(self.refuse(input, "is missing")),
            some => Ok(some),
        }
    }

    fn nested(&self, path: String, value: Value) -> Result<Self, CloudError> {
        match value {
            Value::Object(rest) => {
                Ok(Self { call: self.call.clone(), path: format!("{path}."), rest })
            }
            _ => Err(CloudError::new(
                CloudErrorKind::Invalid,
                "call",
                &self.call,
                format!("input {path} is not an object"),
            )),
        }
    }

    /// A structure, each of its members taken by `each`.
    pub(crate) fn structure<T>(
        &mut self,
        input: &str,
        each: impl Fn(&mut Self) -> Result<T, CloudError>,
    ) -> Taken<T> {
        let Some(value) = self.take(input) else { return Ok(None) };
        let mut nested = self.nested(format!("{}{input}", self.path), value)?;
        let made = each(&mut nested)?;
        nested.end()?;
        Ok(Some(made))
    }

    /// A list of structures.
    pub(crate) fn structures<T>(
        &mut self,
        input: &str,
        each: impl Fn(&mut Self) -> Result<T, CloudError>,
    ) -> Taken<Vec<T>> {
        let Some(value) = self.take(input) else { return Ok(None) };
        let Value::Array(values) = value else { return Err(self.refuse(input, "is not a list")) };
        let mut made = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let mut nested = self.nested(format!("{}{input}[{index}]", self.path), value)?;
            made.push(each(&mut nested)?);
            nested.end()?;
        }
        Ok(Some(made))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inputs(value: Value) -> Inputs {
        let Value::Object(inputs) = value else { panic!("an object") };
        Inputs::new(&Call { service: "iam".to_owned(), api: "X".to_owned(), inputs })
    }

    fn said<T: std::fmt::Debug>(result: Result<T, CloudError>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::Invalid);
        error.to_string()
    }

    #[test]
    fn types_are_held_to() {
        let mut given =
            inputs(json!({"A": 1, "B": "b", "C": [1], "D": {"x": 1}, "E": null, "F": ""}));
        assert!(said(given.text("A")).contains("iam:X: input A is not text"));
        assert!(said(given.flag("B")).contains("input B is not true or false"));
        assert!(said(given.texts("C")).contains("input C is not a list of texts"));
        assert!(said(given.text_map("D")).contains("input D is not an object of texts"));
        assert_eq!(given.text("E").unwrap(), None);
        assert!(said(given.name("F")).contains("input F is empty"));
        assert!(said(given.name("G")).contains("input G is missing"));
        assert!(said(given.names("G")).contains("input G is missing or empty"));
        given.end().unwrap();
        assert!(said(inputs(json!({"A": 1u64 << 40})).number("A")).contains("32 bits"));
    }

    #[test]
    fn what_is_left_over_is_named_with_its_place() {
        let mut given =
            inputs(json!({"List": [{"Known": "a"}, {"Known": "b", "Odd": 1}], "More": 1}));
        let list = given.structures("List", |one| one.name("Known"));
        assert!(said(list).contains("input List[1].Odd is unknown to this API"));
        assert!(said(given.end()).contains("input More is unknown"));
        let mut given = inputs(json!({"One": 1}));
        assert!(
            said(given.structure("One", |one| one.name("Known")))
                .contains("input One is not an object")
        );
    }
}
