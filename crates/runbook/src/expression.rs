//! The small language of conditions and bindings.
//!
//! Paths, texts in single quotes, whole numbers, `true`, `false`, `null`; `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`; `and`, `or`,
//! `not`; `A ? B : C`; `+` on texts; lists in brackets; and one aggregate, `PATH.any('X')`. There are no other calls, no loops
//! and no regular expressions, so that every expression ends, and costs no more than its length times its input. The
//! values it works on were written by attackers: nothing in them is ever read as an expression.

mod check;
mod evaluate;
mod lexer;
mod parser;

use serde_json::Value;

pub use check::Purpose;

/// A longer expression is refused.
pub const LENGTH_MAX: usize = 2_000;

/// A more deeply nested one is refused.
pub const DEPTH_MAX: usize = 24;

/// A condition or a binding that was parsed and checked.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    root: Term,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// The byte of the text where it goes wrong.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// A part of an expression and the byte it begins at.
#[derive(Clone, Debug)]
struct Term {
    offset: usize,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Literal(Value),
    Path(Vec<String>),
    List(Vec<Term>),
    /// A path, and the text that it has to hold.
    Any(Vec<String>, String),
    Not(Box<Term>),
    And(Vec<Term>),
    Or(Vec<Term>),
    Compare(Operator, Box<Term>, Box<Term>),
    In(Box<Term>, Box<Term>),
    Join(Vec<Term>),
    Choose(Box<Term>, Box<Term>, Box<Term>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Differs,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Expression {
    /// Reads an expression for this use; `aliases` are the names of the answers under `enrich`.
    ///
    /// # Errors
    ///
    /// If it is none, names a path that never is there, or can only come to a value of a wrong type.
    pub fn parse(
        text: &str,
        purpose: Purpose,
        aliases: &[String],
    ) -> Result<Self, ExpressionError> {
        if text.len() > LENGTH_MAX {
            return Err(ExpressionError {
                offset: 0,
                message: format!("the expression has {} bytes, more than {LENGTH_MAX}", text.len()),
                help: "write a shorter one".to_owned(),
            });
        }
        let root = parser::parse(text)?;
        check::check(&root, purpose, aliases)?;
        Ok(Self { text: text.to_owned(), root })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its value in this context, an object with `finding`, `run`, `enrich`, `answer`, `event` as they apply. What a path does
    /// not find is null.
    #[must_use]
    pub fn value(&self, context: &Value) -> Value {
        evaluate::value(&self.root, context)
    }

    /// Whether it holds: its value is `true`.
    #[must_use]
    pub fn holds(&self, context: &Value) -> bool {
        self.value(context) == Value::Bool(true)
    }
}
