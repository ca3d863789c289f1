//! The state table: rows with a version, written only if they are as the writer last saw them.

use async_trait::async_trait;

use crate::error::CloudError;

/// The name of a row: rows of one partition are listed together, in the byte order of their sort keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowKey {
    /// Such as `run/0f3a…`; not empty.
    pub partition: String,
    /// Such as `step/denyTokens`; not empty.
    pub sort: String,
}

impl RowKey {
    /// A key of these parts.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }
}

/// A row as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its name.
    pub key: RowKey,
    /// Grows by one with every write, from 1.
    pub version: u64,
    /// Its value: text, at most [`VALUE_BYTES_MAX`].
    pub value: String,
}

/// The longest value: a DynamoDB item holds 400 KB, its names included.
pub const VALUE_BYTES_MAX: usize = 350_000;

/// What a write demands of the row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// It does not exist.
    Absent,
    /// It has this version.
    Version(u64),
}

/// How a conditional write ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    /// It was written, and has this version now; zero after a deletion.
    Done(u64),
    /// It was not as expected; this is how it is, or that it does not exist.
    Conflict(Option<Row>),
}

/// A table of rows. Reads see every write that was answered before them.
///
/// `Err` of kind [`crate::CloudErrorKind::Transient`] from a write: nothing is known, read the row.
#[async_trait]
pub trait Table: Send + Sync + 'static {
    /// The table's name or path, for messages to people.
    fn name(&self) -> &str;

    /// The row, if it exists.
    async fn get(&self, key: &RowKey) -> Result<Option<Row>, CloudError>;

    /// Writes the row if it is as expected.
    async fn put(
        &self,
        key: &RowKey,
        value: &str,
        expected: Expected,
    ) -> Result<Written, CloudError>;

    /// Deletes the row if it has this version.
    async fn delete(&self, key: &RowKey, version: u64) -> Result<Written, CloudError>;

    /// Up to `rows_max` rows of a partition with sort keys after `after`, in order. Fewer than asked for means the end.
    async fn list(
        &self,
        partition: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<Row>, CloudError>;
}
