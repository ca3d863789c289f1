//! Our own tables beside `cloudtrail`: what the executor keeps, as rows of the same SQL.
//!
//! Their shapes stand here, so that a query can be planned wherever it is; their rows are given by whoever keeps them. A table that
//! nobody gives is an error when it is read, since no rows would be an answer.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::json::ReaderBuilder;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use serde_json::Value;
use trailloop_feedback::daily::{COLUMNS, Type};

use crate::error::QueryError;
use crate::scan::external;
use crate::wanted::{Demand, Test};

/// What a column of ours holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text; times are text as CloudTrail writes them.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Yes or no.
    Flag,
}

/// A column: its name, what it holds, and what it is.
pub type OwnColumn = (&'static str, Holds, &'static str);

/// The name and the columns of a table.
#[derive(Clone, Copy, Debug)]
pub struct OwnShape {
    /// The name in SQL.
    pub name: &'static str,
    /// What a row is.
    pub is: &'static str,
    /// The columns; `day` is among them.
    pub columns: &'static [OwnColumn],
}

use Holds::{Flag, Integer, Number, Text};

/// The findings that the executor took up.
pub const FINDINGS: OwnShape = OwnShape {
    name: "findings",
    is: "a finding that the archive bears out",
    columns: &[
        ("finding", Text, "its id"),
        ("title", Text, "its title"),
        ("severity", Text, "its level"),
        ("rule", Text, "the id of the rule or query that made it"),
        ("account", Text, "the account it is about"),
        ("region", Text, "the region"),
        ("principal", Text, "the ARN of the caller"),
        ("accesskeyid", Text, "the caller's access key"),
        ("sourceipaddress", Text, "where the call came from"),
        ("eventname", Text, "the call"),
        ("eventid", Text, "the id of the record"),
        ("eventtime", Text, "when it happened"),
        ("taken_up", Text, "when the executor had it"),
        ("day", Text, "the day of that, as `2026/01/31`"),
    ],
};

/// The runs of runbooks.
pub const RUNS: OwnShape = OwnShape {
    name: "runs",
    is: "a runbook's run for a finding",
    columns: &[
        ("run", Text, "its id"),
        ("finding", Text, "the id of the finding"),
        ("title", Text, "the finding's title"),
        ("severity", Text, "the finding's level"),
        ("rule", Text, "the id of the rule"),
        ("runbook", Text, "the runbook's id"),
        ("version", Integer, "the runbook's version"),
        ("mode", Text, "how far it may go by itself"),
        ("phase", Text, "how far it has come"),
        ("is_open", Flag, "whether it goes on by itself"),
        ("has_acted", Flag, "whether its steps were done"),
        ("account", Text, "the account it acts in"),
        ("region", Text, "the region"),
        ("target", Text, "the ARN it is about"),
        ("principal", Text, "the ARN of the finding's caller"),
        ("eventname", Text, "the call the finding is of"),
        ("eventid", Text, "the id of that record"),
        ("eventtime", Text, "when that call happened"),
        ("started", Text, "when the run began"),
        ("acted", Text, "when its steps were done"),
        ("reasons", Text, "why it was refused, held up or failed"),
        ("day", Text, "the day it began, as `2026/01/31`"),
    ],
};

/// What people judged.
pub const VERDICTS: OwnShape = OwnShape {
    name: "verdicts",
    is: "somebody's judgement of a finding",
    columns: &[
        ("finding", Text, "the finding's id"),
        ("rule", Text, "the id of its rule"),
        ("judgement", Text, "what it is judged to be"),
        ("reason", Text, "why"),
        ("author", Text, "who says so"),
        ("judged", Text, "when"),
        ("day", Text, "the day the finding was taken up, as `2026/01/31`"),
    ],
};

/// What findings of one credential's lineage or one target are part of.
pub const INCIDENTS: OwnShape = OwnShape {
    name: "incidents",
    is: "what findings of one lineage or target are part of",
    columns: &[
        ("incident", Text, "its id"),
        ("title", Text, "what it is called"),
        ("severity", Text, "the greatest level of its findings"),
        ("status", Text, "how far it is dealt with"),
        ("findings", Integer, "how many findings it has"),
        ("visible", Integer, "those of them that no filter moved down"),
        ("accounts", Text, "the accounts it is about, with commas between"),
        ("regions", Text, "the regions"),
        ("tactics", Text, "the tactics of ATT&CK"),
        ("about", Text, "the ARNs and keys that it is known by, as a JSON array"),
        ("first", Text, "when the first of it happened"),
        ("last", Text, "when the last of it happened"),
        ("day", Text, "the first of the days asked for on which a finding joined, as `2026/01/31`"),
    ],
};

/// How a rule or query did on a day.
pub const METRICS_DAILY: OwnShape = OwnShape {
    name: "metrics_daily",
    is: "how a rule or query did on a day, by the findings that happened on it",
    columns: &METRICS,
};

/// The columns of `daily`, and the day.
const METRICS: [OwnColumn; COLUMNS.len() + 1] = {
    let mut columns = [("day", Text, "the day, as `2026/01/31`"); COLUMNS.len() + 1];
    let mut nth = 0;
    while nth < COLUMNS.len() {
        let holds = match COLUMNS[nth].holds {
            Type::Text => Text,
            Type::Integer => Integer,
            Type::Number => Number,
        };
        columns[nth] = (COLUMNS[nth].name, holds, COLUMNS[nth].doc);
        nth += 1;
    }
    columns
};

/// All of them.
pub const OWN_TABLES: [OwnShape; 5] = [FINDINGS, RUNS, VERDICTS, INCIDENTS, METRICS_DAILY];

/// Whoever keeps the rows of a table.
#[async_trait]
pub trait OwnRows: fmt::Debug + Send + Sync + 'static {
    /// The rows, those before this day left out if it is given (`2026/01/31`): objects with the columns as members, those that
    /// are null left out.
    ///
    /// # Errors
    ///
    /// If they can't be had: why, and what to do.
    async fn rows(&self, from_day: Option<&str>) -> std::result::Result<Vec<Value>, String>;
}

/// Rows that are there already.
#[async_trait]
impl OwnRows for Vec<Value> {
    async fn rows(&self, _from_day: Option<&str>) -> std::result::Result<Vec<Value>, String> {
        Ok(self.clone())
    }
}

/// The keeper of a table that nobody gave.
#[derive(Debug)]
pub(crate) struct Nobody;

#[async_trait]
impl OwnRows for Nobody {
    async fn rows(&self, _from_day: Option<&str>) -> std::result::Result<Vec<Value>, String> {
        Err("it is kept in the state of `trailloop respond`, and none is given; name it with --state".to_owned())
    }
}

/// A table of ours, for one engine.
#[derive(Debug)]
pub(crate) struct OwnTable {
    shape: OwnShape,
    schema: SchemaRef,
    rows: Arc<dyn OwnRows>,
}

impl OwnTable {
    pub(crate) fn new(shape: OwnShape, rows: Arc<dyn OwnRows>) -> Self {
        let of = |(name, holds, _): &OwnColumn| {
            let kind = match holds {
                Text => DataType::Utf8,
                Integer => DataType::Int64,
                Number => DataType::Float64,
                Flag => DataType::Boolean,
            };
            Field::new(*name, kind, true)
        };
        let fields: Vec<Field> = shape.columns.iter().map(of).collect();
        Self { shape, schema: Arc::new(Schema::new(fields)), rows }
    }

    fn batch(&self, rows: &[Value]) -> Result<Option<RecordBatch>> {
        let mut decoder = ReaderBuilder::new(Arc::clone(&self.schema))
            .with_batch_size(rows.len().max(1))
            .build_decoder()?;
        decoder.serialize(rows)?;
        Ok(decoder.flush()?)
    }
}

/// The first day that the conditions leave.
fn from_day(filters: &[Expr]) -> Option<String> {
    let bound = |demand: Demand| match demand.test {
        Test::AtLeast(day) | Test::Above(day) if demand.names == ["day"] => Some(day),
        Test::OneOf(days) if demand.names == ["day"] => days.into_iter().min(),
        _ => None,
    };
    filters.iter().filter_map(Demand::of).filter_map(bound).max()
}

#[async_trait]
impl TableProvider for OwnTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let of = |filter: &&Expr| match from_day(std::slice::from_ref(*filter)) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(of).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.rows.rows(from_day(filters).as_deref()).await;
        let rows = rows.map_err(|why| {
            let said = format!("the table {} can't be read: {why}", self.shape.name);
            external(QueryError::Archive(said))
        })?;
        let batches = self.batch(&rows)?.into_iter().collect();
        let table = MemTable::try_new(Arc::clone(&self.schema), vec![batches])
            .map_err(|error| DataFusionError::Internal(error.to_string()))?;
        table.scan(state, projection, &[], limit).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::archive::Archive;
    use crate::engine::Engine;
    use crate::examples::rows;
    use crate::sql::{Parameters, Prepared};

    /// Gives rows, and keeps the day they were asked from.
    #[derive(Debug, Default)]
    struct Kept(std::sync::Mutex<Option<String>>);

    #[async_trait]
    impl OwnRows for Kept {
        async fn rows(&self, from_day: Option<&str>) -> std::result::Result<Vec<Value>, String> {
            *self.0.lock().unwrap() = from_day.map(str::to_owned);
            let row = |run: &str, day: &str| json!({"run": run, "version": 2, "is_open": true, "day": day, "title": "it's \"odd\""});
            Ok(vec![row("a", "2026/01/30"), row("b", "2026/01/31")])
        }
    }

    async fn ask(engine: &Engine, sql: &str) -> std::result::Result<Vec<Value>, QueryError> {
        let prepared = Prepared::parse(sql)?;
        let (batches, _) = engine.ask(&prepared, &Parameters::new()).await?.all(100).await?;
        rows(&batches)
    }

    #[tokio::test]
    async fn rows_are_those_of_the_keeper_and_the_day_is_handed_on() {
        let kept = Arc::new(Kept::default());
        let engine = Engine::new(Archive::new(Vec::new())).with_own(RUNS, Arc::clone(&kept) as _);
        let found = ask(&engine, "SELECT run, title FROM runs WHERE day > '2026/01/30'").await;
        assert_eq!(found.unwrap(), [json!({"run": "b", "title": "it's \"odd\""})]);
        assert_eq!(kept.0.lock().unwrap().as_deref(), Some("2026/01/30"));
        let sum = ask(&engine, "SELECT sum(version) AS n FROM runs WHERE is_open").await.unwrap();
        assert_eq!(sum, [json!({"n": 4})]);
        assert_eq!(*kept.0.lock().unwrap(), None);
    }

    #[tokio::test]
    async fn a_table_that_nobody_keeps_is_no_empty_one() {
        let engine = Engine::new(Archive::new(Vec::new()));
        let error = ask(&engine, "SELECT * FROM verdicts").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the table verdicts can't be read: it is kept in the state of `trailloop respond`, and none is given; name it with --state"
        );
        engine.plan(&Prepared::parse("SELECT finding FROM findings").unwrap()).await.unwrap();
    }
}
