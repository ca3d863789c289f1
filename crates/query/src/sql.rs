//! One statement of SQL, read and found to ask only; its parameters are bound, never spliced into its text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::common::{ParamValues, ScalarValue};
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Query, Select, SetExpr, Statement as SqlStatement, Value, Visit, VisitMut,
    Visitor, VisitorMut, visit_expressions, visit_expressions_mut,
};
use trailloop_enrichment::Enriched;

use crate::columns::enriched_name;
use crate::error::QueryError;

/// A parameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// Text; times are texts as CloudTrail writes them.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Nothing.
    Null,
}

impl Bound {
    fn scalar(&self) -> ScalarValue {
        match self {
            Self::Text(text) => ScalarValue::Utf8View(Some(text.clone())),
            Self::Integer(number) => ScalarValue::Int64(Some(*number)),
            Self::Null => ScalarValue::Utf8View(None),
        }
    }
}

/// Parameters by name, without the colon.
pub type Parameters = BTreeMap<String, Bound>;

/// A statement that only asks.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// As it was written, but for the spelling of parameters.
    written: Statement,
    /// As the engine takes it.
    pub(crate) statement: Statement,
    /// The names of its parameters, in the order in which they stand, each as often as it stands.
    pub parameters: Vec<String>,
    /// Whether it asks for the plan and not for rows.
    pub explains: bool,
}

impl Prepared {
    /// Reads a statement. `:name` is a parameter.
    ///
    /// # Errors
    ///
    /// If it is no SQL, more than one statement, or does anything but ask.
    pub fn parse(sql: &str) -> Result<Self, QueryError> {
        let statements = DFParser::parse_sql(sql).map_err(|error| QueryError::of(&error))?;
        let mut statements = statements.into_iter();
        let (Some(mut statement), None) = (statements.next(), statements.next()) else {
            return Err(QueryError::Syntax("write one statement: SELECT, WITH or EXPLAIN".into()));
        };
        let explains = matches!(statement, Statement::Explain(_));
        let query = query_of(&mut statement)?;
        let mut parameters = Vec::new();
        let flow = visit_expressions_mut(query, |expr: &mut Expr| {
            let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
            let Value::Placeholder(text) = &mut value.value else {
                return ControlFlow::Continue(());
            };
            match text.strip_prefix(':') {
                Some(name) => {
                    parameters.push(name.to_owned());
                    *text = format!("${name}");
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(text.clone()),
            }
        });
        if let ControlFlow::Break(text) = flow {
            let said = format!("{text} is no parameter; write :name, and --param name=VALUE");
            return Err(QueryError::Parameter(said));
        }
        let written = statement.clone();
        members_by_text(query_of(&mut statement)?);
        Ok(Self { written, statement, parameters, explains })
    }

    /// Whether each parameter has a value, and each value a parameter.
    ///
    /// # Errors
    ///
    /// If not: which one.
    pub fn check(&self, given: &Parameters) -> Result<(), QueryError> {
        if let Some(name) = self.parameters.iter().find(|name| !given.contains_key(*name)) {
            let said =
                format!("the parameter :{name} has no value; give it with --param {name}=VALUE");
            return Err(QueryError::Parameter(said));
        }
        if let Some(name) = given.keys().find(|name| !self.parameters.contains(name)) {
            let asked: Vec<String> =
                self.parameters.iter().map(|name| format!(":{name}")).collect();
            let asked = if asked.is_empty() { "none".to_owned() } else { asked.join(" ") };
            let said = format!("the query has no parameter :{name}; it asks for {asked}");
            return Err(QueryError::Parameter(said));
        }
        Ok(())
    }

    /// The values for this statement.
    pub(crate) fn bind(&self, given: &Parameters) -> Result<ParamValues, QueryError> {
        self.check(given)?;
        let value = |(name, value): (&String, &Bound)| (name.clone(), value.scalar());
        Ok(ParamValues::from(given.iter().map(value).collect::<Vec<_>>()))
    }

    /// The enriched fields that it names, each once.
    pub(crate) fn enriched(&self) -> Vec<Enriched> {
        let mut statement = self.written.clone();
        let Ok(query) = query_of(&mut statement) else { return Vec::new() };
        let mut names = BTreeSet::new();
        let flow: ControlFlow<()> = visit_expressions(query, |expr: &Expr| {
            let name = match expr {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.last(),
                _ => None,
            };
            names.extend(name.map(|name| name.value.to_lowercase()));
            ControlFlow::Continue(())
        });
        debug_assert!(flow.is_continue());
        let is_named = |field: &Enriched| names.contains(&enriched_name(*field));
        Enriched::ALL.iter().copied().filter(is_named).collect()
    }

    /// Shows what was written to a visitor.
    pub(crate) fn visit<V: Visitor>(&self, visitor: &mut V) -> ControlFlow<V::Break> {
        let mut statement = self.written.clone();
        match query_of(&mut statement) {
            Ok(query) => Visit::visit(query, visitor),
            // It was one when it was read.
            Err(_) => ControlFlow::Continue(()),
        }
    }

    /// The statement for an engine whose parameters are question marks, in the order of [`Prepared::parameters`].
    #[must_use]
    pub fn with_question_marks(&self) -> String {
        let mut statement = self.written.clone();
        if let Ok(query) = query_of(&mut statement) {
            let flow = placeholders(query, |_| "?".to_owned());
            debug_assert!(flow.is_continue());
        }
        statement.to_string()
    }

    /// The statement as Athena takes its parameters.
    pub(crate) fn for_athena(&self, given: &Parameters) -> ForAthena {
        let mut statement = self.written.clone();
        let mut visitor = InWhere { given, parameters: Vec::new() };
        if let Ok(query) = query_of(&mut statement) {
            let flow = VisitMut::visit(query, &mut visitor);
            debug_assert!(flow.is_continue());
        }
        ForAthena { sql: statement.to_string(), parameters: visitor.parameters }
    }
}

/// A statement for Athena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForAthena {
    /// The statement, in which a question mark stands for each parameter of a `WHERE`.
    pub sql: String,
    /// The names of these parameters, in the order of the question marks.
    pub parameters: Vec<String>,
}

/// Athena takes question marks in `WHERE` alone, as its user guide has it; any other parameter is written as a literal.
struct InWhere<'g> {
    given: &'g Parameters,
    parameters: Vec<String>,
}

impl VisitorMut for InWhere<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        placeholders(&mut select.selection, |name| name.replace('$', "?"))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
        let Value::Placeholder(text) = &mut value.value else { return ControlFlow::Continue(()) };
        match text.strip_prefix('?') {
            Some(name) => {
                self.parameters.push(name.to_owned());
                "?".clone_into(text);
            }
            None => *text = literal(self.given.get(text.trim_start_matches('$'))),
        }
        ControlFlow::Continue(())
    }
}

/// Writes each parameter of a part of a statement otherwise.
fn placeholders(part: &mut impl VisitMut, write: impl Fn(&str) -> String) -> ControlFlow<()> {
    visit_expressions_mut(part, |expr: &mut Expr| {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(text) = &mut value.value
        {
            *text = write(text);
        }
        ControlFlow::Continue(())
    })
}

/// A value as standard SQL writes it: in a text nothing but the quote means anything, and two stand for one.
fn literal(value: Option<&Bound>) -> String {
    match value {
        Some(Bound::Text(text)) => format!("'{}'", text.replace('\'', "''")),
        Some(Bound::Integer(number)) => number.to_string(),
        Some(Bound::Null) | None => "NULL".to_owned(),
    }
}

/// The engine takes a member of a list's item by a text, `resources[1]['arn']`, where Athena takes its name, `resources[1].arn`.
fn members_by_text(query: &mut Query) {
    let flow: ControlFlow<()> = visit_expressions_mut(query, |expr: &mut Expr| {
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            for access in access_chain {
                if let AccessExpr::Dot(Expr::Identifier(name)) = access {
                    let text = Value::SingleQuotedString(name.value.to_lowercase());
                    *access = AccessExpr::Dot(Expr::Value(text.into()));
                }
            }
        }
        ControlFlow::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// The query of a statement that asks.
fn query_of(statement: &mut Statement) -> Result<&mut Query, QueryError> {
    match statement {
        Statement::Statement(statement) => match &mut **statement {
            SqlStatement::Query(query) => {
                only_reads(query)?;
                Ok(query)
            }
            other => Err(refused(&other.to_string())),
        },
        Statement::Explain(explain) => query_of(&mut explain.statement),
        other => Err(refused(&other.to_string())),
    }
}

/// A query may hold a statement that writes, as in `WITH x AS (DELETE …)`.
fn only_reads(query: &Query) -> Result<(), QueryError> {
    match &*query.body {
        SetExpr::Insert(of) | SetExpr::Update(of) | SetExpr::Delete(of) | SetExpr::Merge(of) => {
            Err(refused(&of.to_string()))
        }
        _ => Ok(()),
    }
}

fn refused(statement: &str) -> QueryError {
    let words: Vec<&str> = statement.split_whitespace().take(3).collect();
    QueryError::NotAQuery(words.join(" "))
}
