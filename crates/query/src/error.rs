//! What can be wrong with a query, each with its place and the next step.

use datafusion::common::DataFusionError;
use datafusion::common::SchemaError;
use thiserror::Error;
use trailloop_cloud::{CloudError, CloudErrorKind};
use trailloop_rules::source::nearest;

/// Why a query was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// It is no SQL.
    #[error("{0}")]
    Syntax(String),
    /// It is SQL that does more than ask.
    #[error("{0} is not answered: a query only reads; write SELECT, WITH or EXPLAIN")]
    NotAQuery(String),
    /// A column, function or table that is not there, or a type that does not fit.
    #[error("{0}")]
    Plan(String),
    /// A parameter that is asked for and not given, or given and not asked for.
    #[error("{0}")]
    Parameter(String),
    /// The objects can't be listed.
    #[error("{0}")]
    Archive(String),
    /// It would read too much.
    #[error(
        "the query would read {wanted} bytes of objects, and at most {max} are allowed; ask for fewer accounts, regions or days, or raise --bytes-max"
    )]
    TooManyBytes {
        /// What it would read.
        wanted: u64,
        /// What it may.
        max: u64,
    },
    /// It took too long.
    #[error("the query ran for {0} s and was stopped; ask for less, or raise --seconds-max")]
    TooLong(u64),
    /// It needs more memory than it may have.
    #[error(
        "the query needs more memory than it may have; ask for fewer groups or rows, or raise --memory-max: {0}"
    )]
    Memory(String),
    /// It failed while it ran.
    #[error("{0}")]
    Failed(String),
}

impl QueryError {
    /// Says why objects can't be listed, and what to do.
    pub(crate) fn unlisted(error: &CloudError) -> Self {
        let remedy = match error.kind() {
            CloudErrorKind::NotFound => "is the name after --source right?",
            CloudErrorKind::Denied => {
                "let the caller list it (s3:ListBucket), or name another --source"
            }
            CloudErrorKind::Invalid => "name another --source",
            _ => "ask again later",
        };
        Self::Archive(format!("the logs can't be listed: {}; {remedy}", line(&error.to_string())))
    }

    /// Says in one line what DataFusion says in several.
    pub(crate) fn of(error: &DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::External(inner) => match inner.downcast_ref::<Self>() {
                Some(ours) => ours.clone(),
                None => Self::Failed(line(&inner.to_string())),
            },
            DataFusionError::SQL(parser, _) => Self::Syntax(line(&parser.to_string())),
            DataFusionError::SchemaError(of, _) => Self::Plan(schema(of)),
            DataFusionError::ResourcesExhausted(text) => Self::Memory(line(text)),
            DataFusionError::Plan(text) => Self::Plan(plan(text)),
            other => Self::Failed(line(&other.strip_backtrace())),
        }
    }
}

/// What is wrong with a column's name, with what may have been meant.
fn schema(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let mut names: Vec<&str> = valid_fields.iter().map(|of| of.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let meant = match nearest(&field.name, &names) {
                Some(near) => format!("did you mean {near}?"),
                None => "`trailloop query ddl` lists the columns of cloudtrail".to_owned(),
            };
            format!("there is no column {}; {meant}", field.name)
        }
        other => line(&other.to_string()),
    }
}

/// The engine names a table with the catalogue and schema that nobody wrote.
fn plan(text: &str) -> String {
    match text.strip_prefix("table 'datafusion.public.").and_then(|rest| rest.split_once('\'')) {
        Some((table, _)) => {
            format!("there is no table {}; the logs are the table cloudtrail", line(table))
        }
        None => line(text),
    }
}

/// One line, without what only a developer of the engine reads.
fn line(text: &str) -> String {
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
