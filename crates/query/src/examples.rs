//! The examples of a kept query: its records as an archive in memory, its rows as they should be.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::json::LineDelimitedWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};
use trailloop_cloud::MemoryStore;

use crate::archive::{Archive, Source};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::named::{Example, NamedQuery};
use crate::own::OWN_TABLES;

/// The time that examples count back from: they give the same rows on every day.
const NOW: &str = "2026-01-31T12:00:00Z";

/// What an example came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its name and line.
    pub name: String,
    /// The line of the file.
    pub line: u32,
    /// The rows that should have come.
    pub wanted: Vec<Value>,
    /// The rows that came, or why none did.
    pub came: Result<Vec<Value>, String>,
}

impl Outcome {
    /// Whether the rows are those that should have come.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.came.as_ref().is_ok_and(|came| *came == self.wanted)
    }
}

/// Runs the examples of a query.
pub async fn run_examples(query: &NamedQuery) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for example in &query.tests {
        let came = rows_of(query, example).await.map_err(|error| error.to_string());
        let (name, wanted) = (example.name.clone(), example.rows.clone());
        outcomes.push(Outcome { name, line: example.line, wanted, came });
    }
    outcomes
}

async fn rows_of(query: &NamedQuery, example: &Example) -> Result<Vec<Value>, QueryError> {
    let now: Timestamp = NOW.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let given = query.bind(&example.parameters, now)?;
    let mut engine = Engine::new(archive(&example.records)?);
    for shape in OWN_TABLES {
        let rows = example.own.get(shape.name).cloned().unwrap_or_default();
        engine = engine.with_own(shape, Arc::new(rows));
    }
    let (batches, _) = engine.ask(&query.prepared, &given).await?.all(usize::MAX).await?;
    rows(&batches)
}

/// Records as an archive: each object lies where CloudTrail would have put it.
fn archive(records: &[Value]) -> Result<Archive, QueryError> {
    let mut objects: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for record in records {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        let account = text("recipientAccountId").unwrap_or("111122223333");
        let region = text("awsRegion").unwrap_or("us-east-1");
        let day = text("eventTime").and_then(|time| time.get(..10)).unwrap_or("2026-01-31");
        let day = day.replace('-', "/");
        let key = format!("AWSLogs/{account}/CloudTrail/{region}/{day}/records.json.gz");
        objects.entry(key).or_default().push(record);
    }
    let store = MemoryStore::default();
    for (key, records) in objects {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let failed = |error: std::io::Error| QueryError::Failed(error.to_string());
        gzip.write_all(json!({ "Records": records }).to_string().as_bytes()).map_err(failed)?;
        store.put("example", &key, gzip.finish().map_err(failed)?);
    }
    let source =
        Source { store: Arc::new(store), bucket: "example".to_owned(), prefix: String::new() };
    Ok(Archive { jobs: 1, ..Archive::new(vec![source]) })
}

/// Rows as JSON objects, without what is null.
///
/// # Errors
///
/// If a column is of a type that JSON has nothing for.
pub fn rows(batches: &[RecordBatch]) -> Result<Vec<Value>, QueryError> {
    let lines = lines(batches)?;
    let values = serde_json::Deserializer::from_slice(&lines).into_iter::<Value>();
    values.map(|value| value.map_err(|error| QueryError::Failed(error.to_string()))).collect()
}

/// The same as text, one a line.
pub(crate) fn lines(batches: &[RecordBatch]) -> Result<Vec<u8>, QueryError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    let written = batches.iter().try_for_each(|batch| writer.write(batch));
    let written = written.and_then(|()| writer.finish());
    written.map_err(|error| QueryError::Failed(error.to_string()))?;
    Ok(writer.into_inner())
}
