//! A durable table in one SQLite file, for one machine without an account.
//!
//! The file may be the one of a [`crate::LocalQueues`], and several processes may use it at once: a write takes the
//! file's lock before it looks at the row. What was answered survives `kill -9` and a power cut (WAL with full
//! synchronisation). Writes that wait at the same time share one transaction, as those of the local queue do.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    Expected, Row, RowKey, Table, Written, check_delete, check_key, check_list, check_put, row_name,
};
use crate::error::{CloudError, CloudErrorKind};
use crate::local_queue::{Commits, connect, sqlite_error};

/// The name says what its rows are, because the file may hold other tables. Sort keys compare by their bytes.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS state_row (
        partition TEXT NOT NULL,
        sort TEXT NOT NULL,
        version INTEGER NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (partition, sort)
    ) STRICT;
";

/// A table in a SQLite file. Its clones share one connection.
#[derive(Clone)]
pub struct LocalTable {
    commits: Arc<Commits>,
    /// The file, for messages to people.
    name: String,
}

impl LocalTable {
    /// Opens the file, and makes it if there is none. Blocks for the time of a few disk writes.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CloudError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let connection = connect(path)
            .and_then(|connection| prepare(&connection).map(|()| connection))
            .map_err(|failure| sqlite_error("open", &name, &failure))?;
        let commits = Commits::new(connection).map_err(|failure| {
            CloudError::new(CloudErrorKind::Transient, "open", &name, failure.to_string())
        })?;
        Ok(Self { commits: Arc::new(commits), name })
    }

    /// Runs work in the next transaction, on the thread that may block.
    async fn write(
        &self,
        operation: &'static str,
        key: &RowKey,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Written> + Send + 'static,
    ) -> Result<Written, CloudError> {
        match self.commits.run(work).await {
            Some(result) => result
                .map_err(|failure| sqlite_error(operation, &row_name(&self.name, key), &failure)),
            None => Err(stopped(operation, row_name(&self.name, key))),
        }
    }

    /// Looks at the file between transactions, on a thread that may block. Takes no write lock.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        resource: String,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CloudError> {
        let commits = Arc::clone(&self.commits);
        match tokio::task::spawn_blocking(move || look(&commits.connection())).await {
            Ok(result) => result.map_err(|failure| sqlite_error(operation, &resource, &failure)),
            Err(_) => Err(stopped(operation, resource)),
        }
    }
}

fn stopped(operation: &'static str, resource: String) -> CloudError {
    let text = "the work on the database stopped half-way";
    CloudError::new(CloudErrorKind::Transient, operation, resource, text)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.commit()
}

fn find(connection: &Connection, key: &RowKey) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached("SELECT version, value FROM state_row WHERE partition = ?1 AND sort = ?2")?
        .query_row(params![key.partition, key.sort], |found| {
            Ok(Row { key: key.clone(), version: unsigned(found.get(0)?), value: found.get(1)? })
        })
        .optional()
}

fn put(
    transaction: &Transaction<'_>,
    key: &RowKey,
    value: &str,
    expected: Expected,
    version: u64,
) -> rusqlite::Result<Written> {
    let present = find(transaction, key)?;
    if !expected.holds(present.as_ref().map(|present| present.version)) {
        return Ok(Written::Conflict(present));
    }
    transaction
        .prepare_cached(
            "INSERT INTO state_row (partition, sort, version, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (partition, sort) DO UPDATE SET version = ?3, value = ?4",
        )?
        .execute(params![key.partition, key.sort, signed(version), value])?;
    Ok(Written::Done(version))
}

fn delete(transaction: &Transaction<'_>, key: &RowKey, version: u64) -> rusqlite::Result<Written> {
    let present = find(transaction, key)?;
    if !Expected::Version(version).holds(present.as_ref().map(|present| present.version)) {
        return Ok(Written::Conflict(present));
    }
    transaction
        .prepare_cached("DELETE FROM state_row WHERE partition = ?1 AND sort = ?2")?
        .execute(params![key.partition, key.sort])?;
    Ok(Written::Done(0))
}

fn list(
    connection: &Connection,
    partition: &str,
    after: &str,
    rows_max: usize,
) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached(
            "SELECT sort, version, value FROM state_row
             WHERE partition = ?1 AND sort > ?2 ORDER BY sort LIMIT ?3",
        )?
        .query_map(params![partition, after, i64::try_from(rows_max).unwrap_or(i64::MAX)], |row| {
            Ok(Row {
                key: RowKey::new(partition, row.get::<_, String>(0)?),
                version: unsigned(row.get(1)?),
                value: row.get(2)?,
            })
        })?
        .collect()
}

/// Versions are checked before they come here, so that they fit.
fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// A version below zero, which nothing of ours wrote, is that of no row that anyone can expect.
fn unsigned(version: i64) -> u64 {
    u64::try_from(version).unwrap_or(0)
}

#[async_trait]
impl Table for LocalTable {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, CloudError> {
        check_key("get", &self.name, key)?;
        let (resource, key) = (row_name(&self.name, key), key.clone());
        self.read("get", resource, move |connection| find(connection, &key)).await
    }

    async fn put(
        &self,
        key: &RowKey,
        value: &str,
        expected: Expected,
    ) -> Result<Written, CloudError> {
        let version = check_put(&self.name, key, value, expected)?;
        let (written, value) = (key.clone(), value.to_owned());
        self.write("put", key, move |transaction| {
            put(transaction, &written, &value, expected, version)
        })
        .await
    }

    async fn delete(&self, key: &RowKey, version: u64) -> Result<Written, CloudError> {
        check_delete(&self.name, key, version)?;
        let deleted = key.clone();
        self.write("delete", key, move |transaction| delete(transaction, &deleted, version)).await
    }

    async fn list(
        &self,
        partition: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<Row>, CloudError> {
        check_list(&self.name, partition, after)?;
        // No sort key is empty, so all of them come after the empty one.
        let after = after.unwrap_or_default().to_owned();
        let (resource, partition) = (format!("{} {partition}", self.name), partition.to_owned());
        self.read("list", resource, move |connection| {
            list(connection, &partition, &after, rows_max)
        })
        .await
    }
}
