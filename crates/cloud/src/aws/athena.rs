//! Athena: a statement is started, watched until it ends, and its rows are read page by page.
//!
//! Values of parameters go beside the statement and never into it. Athena reads each as one literal of SQL, so a text goes in
//! single quotes with its own quotes doubled (user guide, "Use parameterized queries"); there is no other escape in them.

use std::time::Duration;

use aws_sdk_athena::Client;
use aws_sdk_athena::operation::get_query_results::GetQueryResultsOutput;
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionContext, QueryExecutionState, ResultConfiguration, Row,
};

use super::{Aws, from_sdk};
use crate::error::{CloudError, CloudErrorKind};

/// The most characters of a value as Athena takes it, its quotes included (API reference, `StartQueryExecution`).
const VALUE_CHARACTERS_MAX: usize = 1024;

/// The first wait between two looks at a statement, and the longest.
const LOOK_FIRST: Duration = Duration::from_millis(100);
const LOOK_LAST: Duration = Duration::from_secs(5);

/// The most rows of a page, which is what Athena allows.
const PAGE_ROWS_MAX: i32 = 1000;

/// A value of a parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AthenaValue {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Nothing.
    Null,
}

impl AthenaValue {
    /// One literal of SQL, whatever the text holds.
    fn literal(&self) -> String {
        match self {
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Self::Integer(number) => number.to_string(),
            Self::Null => "NULL".to_owned(),
        }
    }
}

/// A statement, and where it runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AthenaStatement {
    /// The statement, with a question mark for each parameter.
    pub sql: String,
    /// What the question marks stand for, in their order, with the names that people know them by.
    pub parameters: Vec<(String, AthenaValue)>,
    /// The database of tables that are named without one; without it Athena's default.
    pub database: Option<String>,
    /// The workgroup; without it the primary one.
    pub workgroup: Option<String>,
    /// Where Athena keeps the rows, as `s3://bucket/prefix/`; without it where the workgroup says.
    pub output: Option<String>,
}

/// How far a statement is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AthenaState {
    /// It waits for room.
    Queued,
    /// It runs.
    Running,
    /// Its rows are there.
    Succeeded,
    /// It failed.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// What a statement cost so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AthenaCost {
    /// Bytes that were read of objects, which is what is paid for.
    pub bytes_scanned: u64,
    /// Milliseconds that it waited.
    pub queued_ms: u64,
    /// Milliseconds in all.
    pub total_ms: u64,
    /// Whether the rows are those of an earlier run.
    pub is_reused: bool,
}

/// A statement as Athena tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AthenaExecution {
    /// How far it is.
    pub state: AthenaState,
    /// Why it is in that state, in one line, if Athena says.
    pub reason: Option<String>,
    /// Whether the failure is one of the statement, and not of Athena or of a right.
    pub is_users: bool,
    /// What it cost so far.
    pub cost: AthenaCost,
}

/// A column of the rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AthenaColumn {
    /// Its name.
    pub name: String,
    /// Its type, as Athena names it: `varchar`, `bigint`, `decimal`, …
    pub kind: String,
    /// Digits of a decimal.
    pub precision: i32,
    /// Digits behind its point.
    pub scale: i32,
}

/// Some of the rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AthenaPage {
    /// The columns, the same in each page.
    pub columns: Vec<AthenaColumn>,
    /// The rows, each with a text or nothing for each column.
    pub rows: Vec<Vec<Option<String>>>,
    /// If there is more: pass it as `after`.
    pub next: Option<String>,
}

/// Athena in one region.
#[derive(Clone, Debug)]
pub struct Athena(Client);

impl Aws {
    /// Athena, in the configured region.
    pub fn athena(&self) -> Athena {
        Athena(Client::new(&self.config))
    }
}

impl Athena {
    /// Starts a statement, and gives its id. A start that is asked for again because its answer was lost starts nothing
    /// more: both carry the same token.
    ///
    /// # Errors
    ///
    /// If a value is longer than Athena takes, or the request fails.
    pub async fn start(&self, statement: &AthenaStatement) -> Result<String, CloudError> {
        let place = format!("athena {}", statement.workgroup.as_deref().unwrap_or("primary"));
        let mut values = Vec::new();
        for (name, value) in &statement.parameters {
            let literal = value.literal();
            if literal.chars().count() > VALUE_CHARACTERS_MAX {
                let text = format!(
                    "the value of :{name} is longer than the {VALUE_CHARACTERS_MAX} characters that Athena takes; shorten it"
                );
                return Err(CloudError::new(CloudErrorKind::Invalid, "start", place, text));
            }
            values.push(literal);
        }
        let context = statement.database.as_ref();
        let context = context.map(|name| QueryExecutionContext::builder().database(name).build());
        let output = statement.output.as_ref();
        let output = output.map(|to| ResultConfiguration::builder().output_location(to).build());
        let started = self
            .0
            .start_query_execution()
            .query_string(&statement.sql)
            .set_execution_parameters((!values.is_empty()).then_some(values))
            .set_query_execution_context(context)
            .set_result_configuration(output)
            .set_work_group(statement.workgroup.clone())
            .send()
            .await
            .map_err(|failure| from_sdk("start", &place, &failure))?;
        started.query_execution_id.ok_or_else(|| untold("start", &place, "an id"))
    }

    /// How far a statement is.
    ///
    /// # Errors
    ///
    /// If the request fails.
    pub async fn look(&self, id: &str) -> Result<AthenaExecution, CloudError> {
        let request = self.0.get_query_execution().query_execution_id(id);
        let answer = request.send().await;
        let answer = answer.map_err(|failure| from_sdk("look", &named(id), &failure))?;
        let told = answer.query_execution.as_ref().and_then(execution);
        told.ok_or_else(|| untold("look", &named(id), "a state"))
    }

    /// Looks at a statement until it has ended, more and more seldom, and tells `seen` what it cost each time.
    ///
    /// # Errors
    ///
    /// If a request fails.
    pub async fn ended(
        &self,
        id: &str,
        mut seen: impl FnMut(&AthenaExecution),
    ) -> Result<AthenaExecution, CloudError> {
        let mut wait = LOOK_FIRST;
        loop {
            let execution = self.look(id).await?;
            seen(&execution);
            if !matches!(execution.state, AthenaState::Queued | AthenaState::Running) {
                return Ok(execution);
            }
            tokio::time::sleep(wait).await;
            wait = LOOK_LAST.min(wait * 2);
        }
    }

    /// Rows of a statement that succeeded: the first ones, or those after a page. Athena puts the names of the columns
    /// before the first row, which are left out.
    ///
    /// # Errors
    ///
    /// If the request fails.
    pub async fn rows(&self, id: &str, after: Option<&str>) -> Result<AthenaPage, CloudError> {
        let request = self.0.get_query_results().query_execution_id(id).max_results(PAGE_ROWS_MAX);
        let answer = request.set_next_token(after.map(str::to_owned)).send().await;
        let answer = answer.map_err(|failure| from_sdk("read", &named(id), &failure))?;
        Ok(page(answer, after.is_none()))
    }

    /// Stops a statement. One that has ended already stays as it is.
    ///
    /// # Errors
    ///
    /// If the request fails.
    pub async fn stop(&self, id: &str) -> Result<(), CloudError> {
        let stopped = self.0.stop_query_execution().query_execution_id(id).send().await;
        stopped.map(drop).map_err(|failure| from_sdk("stop", &named(id), &failure))
    }
}

fn named(id: &str) -> String {
    format!("athena query {id}")
}

fn untold(operation: &'static str, resource: &str, what: &str) -> CloudError {
    let text = format!("the answer does not tell {what}");
    CloudError::new(CloudErrorKind::Transient, operation, resource, text)
}

fn execution(told: &QueryExecution) -> Option<AthenaExecution> {
    let status = told.status.as_ref()?;
    let state = match status.state.as_ref()? {
        QueryExecutionState::Queued => AthenaState::Queued,
        QueryExecutionState::Running => AthenaState::Running,
        QueryExecutionState::Succeeded => AthenaState::Succeeded,
        QueryExecutionState::Failed => AthenaState::Failed,
        QueryExecutionState::Cancelled => AthenaState::Cancelled,
        _ => return None,
    };
    let error = status.athena_error.as_ref();
    let said = error.and_then(|error| error.error_message.clone());
    let number =
        |number: Option<i64>| number.map_or(0, |number| u64::try_from(number).unwrap_or(0));
    let cost = told.statistics.as_ref().map_or_else(AthenaCost::default, |of| AthenaCost {
        bytes_scanned: number(of.data_scanned_in_bytes),
        queued_ms: number(of.query_queue_time_in_millis),
        total_ms: number(of.total_execution_time_in_millis),
        is_reused: of.result_reuse_information.as_ref().is_some_and(|of| of.reused_previous_result),
    });
    Some(AthenaExecution {
        state,
        reason: status.state_change_reason.clone().or(said),
        // API reference, `AthenaError`: 1 is the system, 2 the user, 3 something else.
        is_users: error.and_then(|error| error.error_category) == Some(2),
        cost,
    })
}

fn page(answer: GetQueryResultsOutput, is_first: bool) -> AthenaPage {
    let Some(set) = answer.result_set else { return AthenaPage::default() };
    let columns: Vec<AthenaColumn> = set
        .result_set_metadata
        .and_then(|metadata| metadata.column_info)
        .unwrap_or_default()
        .into_iter()
        .map(|of| AthenaColumn {
            name: of.name,
            kind: of.r#type,
            precision: of.precision,
            scale: of.scale,
        })
        .collect();
    let of = |row: Row| -> Vec<Option<String>> {
        row.data.unwrap_or_default().into_iter().map(|datum| datum.var_char_value).collect()
    };
    let mut rows: Vec<Vec<Option<String>>> =
        set.rows.unwrap_or_default().into_iter().map(of).collect();
    // Statements that are no query, such as EXPLAIN, have no such row.
    let is_header = |row: &Vec<Option<String>>| {
        let name = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let names = columns.iter().map(|column| &column.name);
        row.len() == columns.len()
            && row.iter().zip(names).all(|(cell, column)| name(cell).eq_ignore_ascii_case(column))
    };
    if is_first && rows.first().is_some_and(is_header) {
        rows.remove(0);
    }
    AthenaPage { columns, rows, next: answer.next_token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_literal_whatever_it_holds() {
        let literal = |text: &str| AthenaValue::Text(text.to_owned()).literal();
        assert_eq!(
            literal("arn:aws:iam::111122223333:role/app"),
            "'arn:aws:iam::111122223333:role/app'"
        );
        assert_eq!(literal(""), "''");
        for hostile in [
            "'",
            "''",
            "' OR '1'='1",
            "x'; DROP TABLE cloudtrail --",
            "\\'",
            "?",
            "a\nb",
            "é\u{0}'",
        ] {
            let literal = literal(hostile);
            let inside = literal.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
            // No quote stands alone, so none ends the literal.
            assert!(!inside.replace("''", "").contains('\''), "{literal}");
            assert_eq!(inside.replace("''", "'"), hostile);
        }
        assert_eq!(AthenaValue::Integer(-5).literal(), "-5");
        assert_eq!(AthenaValue::Null.literal(), "NULL");
    }
}
