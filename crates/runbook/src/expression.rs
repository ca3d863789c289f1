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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Expression, ExpressionError> {
        Expression::parse(text, Purpose::Binding, &["minted".to_owned()])
    }

    fn context() -> Value {
        json!({
            "finding": {
                "uid8": "01234567",
                "severity_id": 4,
                "tags": ["attack.t1562.008"],
                "event": {"eventName": "A", "n": 1.5, "list": [{"s": "x"}, {"s": "y"}], "a-b": "it's"},
                "target": {"user_name": "bob", "from_console": true},
            },
            "run": {"started_at": "2026-01-02T03:04:05Z"},
            "enrich": {"minted": {"rows": 2, "events": ["AssumeRole"]}},
        })
    }

    #[test]
    fn expressions_come_to_values() {
        for (text, value) in [
            ("'a' + finding.uid8 + 'b'", json!("a01234567b")),
            ("'it''s' == finding.event.a-b", json!(true)),
            ("finding.target.role_name", Value::Null),
            ("'a' + finding.target.role_name", Value::Null),
            ("finding.target.role_name == null", json!(true)),
            ("finding.severity_id >= 4 and not (finding.severity_id > 4)", json!(true)),
            ("finding.severity_id < 4 or finding.target.from_console", json!(true)),
            ("finding.event.n > 1 and finding.event.n < 2", json!(true)),
            ("finding.target.role_name < 'x'", json!(false)),
            ("finding.event.n < 'x'", json!(false)),
            ("'x' in finding.event.list.s", json!(true)),
            ("finding.event.list.1.s", json!("y")),
            ("finding.event.list.9.s", Value::Null),
            ("finding.target.user_name in ['alice', 'bob']", json!(true)),
            ("finding.tags.any('attack.t1562.008')", json!(true)),
            ("enrich.minted.any('AssumeRole')", json!(true)),
            ("enrich.minted.any('GetFederationToken')", json!(false)),
            ("enrich.minted.rows > 0 ? 'yes' : 'no'", json!("yes")),
            ("true ? false ? 1 : 2 : 3", json!(2)),
            ("run.started_at >= '2026-01-01T00:00:00Z'", json!(true)),
            ("true or false and false", json!(true)),
            ("-3 < 2", json!(true)),
        ] {
            let expression = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(expression.value(&context()), value, "{text}");
        }
    }

    #[test]
    fn what_can_be_told_before_is_refused_with_its_place() {
        for (text, offset, message) in [
            ("", 0, "a value is missing at the end"),
            ("finding.uid ==", 14, "a value is missing at the end"),
            ("finding.uid 'a'", 12, "goes on where it could end"),
            ("(finding.uid", 12, "a parenthesis is not closed"),
            ("finding.uid == 'a", 15, "does not end"),
            ("finding.uid = 'a'", 12, "`=` compares nothing"),
            ("finding.uid == \"a\"", 15, "double quotes"),
            ("finding.uid && true", 12, "mean nothing here"),
            ("matches(finding.uid, 'a')", 0, "no such call"),
            ("finding.uid.any(3)", 16, "`any` takes a text"),
            ("finding.uid.any('x')", 0, "looks into a list"),
            ("finding.uidd", 0, "no finding has the path"),
            ("findings.uid", 0, "there is no"),
            ("event.errorCode", 0, "there is no"),
            ("enrich.other.rows", 0, "no query of `enrich`"),
            ("enrich.minted.row", 0, "an answer has no"),
            ("finding.target", 0, "an object"),
            ("1.5", 0, "a whole one"),
            ("99999999999999999999", 0, "no whole number"),
            ("finding.uid + 1", 14, "`+` needs a text"),
            ("finding.severity_id == 'high'", 20, "a number is compared with a text"),
            ("finding.uid < true", 12, "neither more nor less"),
            ("not finding.uid", 4, "`not` needs true or false"),
            ("finding.uid and true", 0, "needs true or false"),
            ("null", 0, "null"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.offset, offset, "{text}: {error:?}");
            assert!(error.message.contains(message), "{text}: {error:?}");
        }
    }

    #[test]
    fn what_an_expression_may_speak_of_depends_on_its_use() {
        assert!(Expression::parse("answer.a == 1", Purpose::Answer, &[]).is_ok());
        assert!(Expression::parse("answer.a == 1", Purpose::Event, &[]).is_err());
        assert!(Expression::parse("event.in_lineage", Purpose::Event, &[]).is_ok());
        assert!(Expression::parse("event.in_lineage", Purpose::Condition, &[]).is_err());
        assert!(Expression::parse("finding.uid", Purpose::Condition, &[]).is_err());
    }

    #[test]
    fn depth_and_length_are_bounded() {
        for text in [
            "(".repeat(1_000),
            "not ".repeat(400),
            "true ? ".repeat(250),
            "[".repeat(1_000),
            "true and ".repeat(1_000),
        ] {
            assert!(parse(&text).is_err());
        }
        let flat = format!("{}true", "true and ".repeat(200));
        assert_eq!(parse(&flat).unwrap().value(&Value::Null), json!(true));
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            let key = "finding|event|tags|enrich|minted|rows|events|[a-c]";
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(key, inner, 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn evaluating_anything_never_panics(
            words in proptest::collection::vec(
                "finding\\.event(\\.[a-c0-2]){0,3}|finding\\.tags\\.any\\('a'\\)|enrich\\.minted\\.rows|\
                 ==|<|\\+|and|or|not|in|\\?|:|\\(|\\)|\\[|\\]|,|'a'|1|true|null",
                0..12,
            ),
            context in json_value(),
        ) {
            if let Ok(expression) = parse(&words.join(" ")) {
                let value = expression.value(&context);
                prop_assert_eq!(expression.holds(&context), value == Value::Bool(true));
            }
        }

        #[test]
        fn reading_anything_never_panics(text in ".{0,80}") {
            if let Err(error) = parse(&text) {
                prop_assert!(text.get(error.offset..).is_some(), "{error:?}");
            }
        }
    }
}
