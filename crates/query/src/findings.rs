//! From rows to findings: the same for whoever asks, so that a finding can be confirmed by asking again.

use datafusion::arrow::array::RecordBatch;
use trailloop_finding::{Asked, Finding};

use crate::error::QueryError;
use crate::examples::lines;
use crate::named::{NamedQuery, RowFinding};
use crate::schedule::Window;

/// The findings of what a query with a schedule answered about a window: one for all rows that agree in its key columns. The same rows give
/// the same findings on any machine, any day.
///
/// # Errors
///
/// If the query has no schedule, or if a row can't be written as JSON.
pub fn findings_of_rows(
    query: &NamedQuery,
    window: Window,
    batches: &[RecordBatch],
) -> Result<Vec<Finding>, QueryError> {
    let Some(scheduled) = &query.scheduled else {
        let said = format!("{} says not how a row becomes a finding", query.id);
        return Err(QueryError::Failed(said));
    };
    let RowFinding { level, title, key, attack } = &scheduled.finding;
    let asked = Asked {
        query: &query.id,
        name: &query.title,
        description: &query.description,
        hash: &query.hash(),
        title: title.as_ref().unwrap_or(&query.title),
        level: *level,
        attack,
        key,
        from: window.from,
        to: window.to,
    };
    let lines = lines(batches)?;
    let rows = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Finding::of_rows(asked, rows).map_err(|error| QueryError::Failed(error.to_string()))
}
