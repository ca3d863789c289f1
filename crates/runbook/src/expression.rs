//! The small language of conditions and bindings.

use serde_json::Value;

/// A condition or a binding that was parsed and checked.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
}

impl Expression {
    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its value in this context, an object with `finding`, `run`, `enrich`, `answer`, `event` as they apply. What a path does
    /// not find is null.
    #[must_use]
    pub fn value(&self, _context: &Value) -> Value {
        Value::Null
    }

    /// Whether it holds: its value is `true`.
    #[must_use]
    pub fn holds(&self, context: &Value) -> bool {
        self.value(context) == Value::Bool(true)
    }
}
