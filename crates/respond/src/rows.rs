//! Rows of the state table as values of ours.

use serde::Serialize;
use serde::de::DeserializeOwned;
use trailloop_cloud::{CloudError, CloudErrorKind, Expected, RowKey, Table, Written};

/// A row that was read or written, and the version to demand of it at the next write.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept<T> {
    /// The value.
    pub value: T,
    /// The row's version; zero before its first write.
    pub version: u64,
}

/// Reads a row.
pub async fn load<T: DeserializeOwned>(
    table: &dyn Table,
    key: &RowKey,
) -> Result<Option<Kept<T>>, CloudError> {
    let Some(row) = table.get(key).await? else { return Ok(None) };
    Ok(Some(Kept { value: parse(key, &row.value)?, version: row.version }))
}

/// Writes a row if it still has the version that was read. `false`: somebody else wrote it first.
///
/// A write whose answer was lost is settled by reading: a row that holds what we wanted to write is taken as written.
pub async fn store<T: Serialize>(
    table: &dyn Table,
    key: &RowKey,
    kept: &mut Kept<T>,
) -> Result<bool, CloudError> {
    let text = serde_json::to_string(&kept.value).map_err(|error| unusable(key, &error))?;
    let expected = match kept.version {
        0 => Expected::Absent,
        version => Expected::Version(version),
    };
    let written = match table.put(key, &text, expected).await {
        Err(error) if error.is_transient() => match table.get(key).await? {
            Some(row) if row.value == text && row.version == kept.version + 1 => {
                Written::Done(row.version)
            }
            _ => table.put(key, &text, expected).await?,
        },
        other => other?,
    };
    match written {
        Written::Done(version) => {
            kept.version = version;
            Ok(true)
        }
        Written::Conflict(_) => Ok(false),
    }
}

/// Writes a row if there is none; `false` if there is.
pub async fn create<T: Serialize>(
    table: &dyn Table,
    key: &RowKey,
    value: &T,
) -> Result<bool, CloudError> {
    store(table, key, &mut Kept { value, version: 0 }).await
}

/// All rows of a partition.
pub async fn all<T: DeserializeOwned>(
    table: &dyn Table,
    partition: &str,
) -> Result<Vec<(String, Kept<T>)>, CloudError> {
    const PAGE: usize = 200;
    let mut rows = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = table.list(partition, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|row| row.key.sort.clone());
        for row in page {
            let value = parse(&row.key, &row.value)?;
            rows.push((row.key.sort, Kept { value, version: row.version }));
        }
        if is_last {
            return Ok(rows);
        }
    }
}

fn parse<T: DeserializeOwned>(key: &RowKey, text: &str) -> Result<T, CloudError> {
    serde_json::from_str(text).map_err(|error| unusable(key, &error))
}

/// A row that we can't read was written by another version of this program, or by hand.
fn unusable(key: &RowKey, error: &serde_json::Error) -> CloudError {
    let resource = format!("{}/{}", key.partition, key.sort);
    CloudError::new(CloudErrorKind::Invalid, "read state", resource, error.to_string())
}
