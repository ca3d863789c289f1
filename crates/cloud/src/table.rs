//! The state table: rows with a version, written only if they are as the writer last saw them.
//!
//! Every kind checks keys, values and versions by the functions at the end of this file, so that what one takes, all
//! take: the limits are those of DynamoDB, which has the narrowest.

mod faulty;
mod local;
mod memory;

use async_trait::async_trait;

pub use self::faulty::FaultyTable;
pub use self::local::LocalTable;
pub use self::memory::MemoryTable;
use crate::error::{CloudError, CloudErrorKind};

/// The name of a row: rows of one partition are listed together, in the byte order of their sort keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowKey {
    /// Such as `run/0f3a…`; not empty, at most [`PARTITION_BYTES_MAX`].
    pub partition: String,
    /// Such as `step/denyTokens`; not empty, at most [`SORT_BYTES_MAX`].
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
    /// Grows by one with every write, from 1; a row that was deleted begins at 1 again.
    pub version: u64,
    /// Its value: text, at most [`VALUE_BYTES_MAX`].
    pub value: String,
}

/// The longest value: a DynamoDB item holds 400 KB, its names included.
pub const VALUE_BYTES_MAX: usize = 350_000;

/// The longest partition key, in bytes.
pub const PARTITION_BYTES_MAX: usize = 2048;

/// The longest sort key, in bytes.
pub const SORT_BYTES_MAX: usize = 1024;

/// The highest version: SQLite counts no further.
const VERSION_MAX: u64 = i64::MAX as u64;

/// What a write demands of the row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// It does not exist.
    Absent,
    /// It has this version.
    Version(u64),
}

impl Expected {
    /// Whether a row that has this version, or does not exist, is as expected.
    pub(crate) fn holds(self, version: Option<u64>) -> bool {
        match self {
            Self::Absent => version.is_none(),
            Self::Version(expected) => version == Some(expected),
        }
    }
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
/// `Err` of kind [`crate::CloudErrorKind::Transient`] from a write: nothing is known, read the row. Of any other kind: it
/// took no effect.
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

/// The row's name for messages to people.
pub(crate) fn row_name(table: &str, key: &RowKey) -> String {
    format!("{table} {} {}", key.partition, key.sort)
}

/// Refuses a key that some kind could not keep.
pub(crate) fn check_key(
    operation: &'static str,
    table: &str,
    key: &RowKey,
) -> Result<(), CloudError> {
    check_part(operation, table, "partition", &key.partition, PARTITION_BYTES_MAX)?;
    check_part(operation, table, "sort", &key.sort, SORT_BYTES_MAX)
}

/// Refuses a list that some kind could not give. An empty `after` is the same as none.
pub(crate) fn check_list(
    table: &str,
    partition: &str,
    after: Option<&str>,
) -> Result<(), CloudError> {
    check_part("list", table, "partition", partition, PARTITION_BYTES_MAX)?;
    match after {
        None | Some("") => Ok(()),
        Some(after) => check_part("list", table, "sort", after, SORT_BYTES_MAX),
    }
}

/// Refuses a write that some kind could not do, and gives the version that the row will have.
pub(crate) fn check_put(
    table: &str,
    key: &RowKey,
    value: &str,
    expected: Expected,
) -> Result<u64, CloudError> {
    check_key("put", table, key)?;
    if value.len() > VALUE_BYTES_MAX {
        let message =
            format!("the value has {} bytes and a row takes {VALUE_BYTES_MAX}", value.len());
        let kind = CloudErrorKind::TooLarge;
        return Err(CloudError::new(kind, "put", row_name(table, key), message));
    }
    match expected {
        Expected::Absent => Ok(1),
        Expected::Version(version) => {
            check_version("put", table, key, version)?;
            Ok(version + 1)
        }
    }
}

/// Refuses a deletion that some kind could not do.
pub(crate) fn check_delete(table: &str, key: &RowKey, version: u64) -> Result<(), CloudError> {
    check_key("delete", table, key)?;
    check_version("delete", table, key, version)
}

fn check_version(
    operation: &'static str,
    table: &str,
    key: &RowKey,
    version: u64,
) -> Result<(), CloudError> {
    if version < VERSION_MAX {
        return Ok(());
    }
    let message = format!("no row has the version {version}");
    Err(CloudError::new(CloudErrorKind::Invalid, operation, row_name(table, key), message))
}

fn check_part(
    operation: &'static str,
    table: &str,
    part: &str,
    text: &str,
    bytes_max: usize,
) -> Result<(), CloudError> {
    let message = match text.len() {
        0 => format!("the {part} key is empty"),
        length if length > bytes_max => {
            format!("the {part} key has {length} bytes and a row takes {bytes_max}")
        }
        _ => return Ok(()),
    };
    Err(CloudError::new(CloudErrorKind::Invalid, operation, table, message))
}
