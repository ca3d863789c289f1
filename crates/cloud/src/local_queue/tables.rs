//! The tables of the local queue, and the statements on them. Each function here runs inside one
//! transaction of its caller.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::DeadLetters;
use crate::clock::milliseconds;
use crate::error::{CloudError, CloudErrorKind};
use crate::queue::{Message, Outgoing, Receipt, VISIBILITY_SECONDS_MAX};

/// How long a deduplication id is remembered, as on a FIFO queue of SQS.
const DEDUPLICATION_MS: i64 = 300_000;

/// How long a request waits for another process to finish its own.
const BUSY: Duration = Duration::from_secs(10);

/// More than there are statements here, so that each is prepared once.
const STATEMENTS_MAX: usize = 64;

/// The version of the tables below, kept in the file.
pub(super) const SCHEMA_VERSION: i64 = 1;

/// `visible_at_ms` is when a message can be received; `delivery` is a number that no other
/// delivery of this file ever had, and is the receipt. It is 0 before the first delivery.
const SCHEMA: &str = "
    CREATE TABLE message (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        body TEXT NOT NULL,
        sent_at_ms INTEGER NOT NULL,
        visible_at_ms INTEGER NOT NULL,
        received_at_ms INTEGER NOT NULL DEFAULT 0,
        receive_count INTEGER NOT NULL DEFAULT 0,
        delivery INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX message_visible ON message (queue, visible_at_ms, number);
    CREATE TABLE attribute (
        number INTEGER NOT NULL REFERENCES message (number) ON DELETE CASCADE,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (number, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE deduplication (
        queue TEXT NOT NULL,
        id TEXT NOT NULL,
        accepted_at_ms INTEGER NOT NULL,
        PRIMARY KEY (queue, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE deliveries (last INTEGER NOT NULL) STRICT;
    INSERT INTO deliveries VALUES (0);
    PRAGMA user_version = 1;
";

const DEDUPLICATION_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS deduplication_accepted ON deduplication (queue, accepted_at_ms)";

pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// Makes the tables if the file is new, and gives the version of those it has.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<i64> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let version = |transaction: &Transaction<'_>| {
        transaction.query_row("PRAGMA user_version", [], |row| row.get(0))
    };
    if version(&transaction)? == 0 {
        transaction.execute_batch(SCHEMA)?;
    }
    let version = version(&transaction)?;
    if version == SCHEMA_VERSION {
        // Some files of this version were made without it.
        transaction.execute_batch(DEDUPLICATION_INDEX)?;
    }
    transaction.commit()?;
    Ok(version)
}

pub(crate) fn sqlite_error(
    operation: &'static str,
    resource: &str,
    failure: &rusqlite::Error,
) -> CloudError {
    let kind = match failure.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => CloudErrorKind::Invalid,
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            CloudErrorKind::Denied
        }
        _ => CloudErrorKind::Transient,
    };
    CloudError::new(kind, operation, resource, failure.to_string())
}

/// What one look for messages needs, on its way to the blocking thread.
pub(super) struct Take {
    pub(super) queue: String,
    pub(super) dead_letters: Option<DeadLetters>,
    pub(super) messages_max: u32,
    pub(super) now_ms: i64,
    pub(super) visibility_ms: i64,
}

impl Take {
    /// Leases what is visible, what has been so for longest first; says whether any message went to the dead letters.
    pub(super) fn run(
        &self,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<(Vec<Message>, bool)> {
        let mut buried = false;
        let numbers = loop {
            let visible = self.visible(transaction)?;
            let dead: Vec<i64> =
                visible.iter().filter(|(_, dead)| *dead).map(|(n, _)| *n).collect();
            if dead.is_empty() {
                break visible.into_iter().map(|(number, _)| number);
            }
            buried = true;
            dead.into_iter().try_for_each(|number| self.bury(transaction, number))?;
        };
        let first: i64 = transaction
            .prepare_cached("UPDATE deliveries SET last = last + ?1 RETURNING last - ?1 + 1")?
            .query_row([numbers.len() as i64], |row| row.get(0))?;
        let messages = numbers
            .zip(first..)
            .map(|(number, delivery)| self.lease(transaction, number, delivery))
            .collect::<rusqlite::Result<_>>()?;
        Ok((messages, buried))
    }

    /// The next messages, and whether each was delivered too often.
    fn visible(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(i64, bool)>> {
        let receives_max = self.dead_letters.as_ref().map_or(u32::MAX, |dead| dead.receives_max);
        // In the order of the index, so that it costs the same however many wait.
        transaction
            .prepare_cached(
                "SELECT number, receive_count >= ?4 FROM message
                 WHERE queue = ?1 AND visible_at_ms <= ?2
                 ORDER BY visible_at_ms, number LIMIT ?3",
            )?
            .query_map(params![self.queue, self.now_ms, self.messages_max, receives_max], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect()
    }

    fn bury(&self, transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<()> {
        let Some(dead_letters) = &self.dead_letters else { return Ok(()) };
        transaction
            .prepare_cached(
                "UPDATE message SET queue = ?1, receive_count = 0, delivery = 0 WHERE number = ?2",
            )?
            .execute(params![dead_letters.queue, number])?;
        Ok(())
    }

    fn lease(
        &self,
        transaction: &Transaction<'_>,
        number: i64,
        delivery: i64,
    ) -> rusqlite::Result<Message> {
        let attributes: BTreeMap<String, String> = transaction
            .prepare_cached("SELECT name, value FROM attribute WHERE number = ?1")?
            .query_map([number], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        transaction
            .prepare_cached(
                "UPDATE message SET receive_count = receive_count + 1, delivery = ?2,
                        received_at_ms = ?3, visible_at_ms = ?4
                 WHERE number = ?1 RETURNING body, receive_count, sent_at_ms",
            )?
            .query_row(
                params![number, delivery, self.now_ms, self.now_ms + self.visibility_ms],
                |row| {
                    Ok(Message {
                        id: number.to_string(),
                        receipt: Receipt(format!("{number}-{delivery}")),
                        body: row.get(0)?,
                        attributes,
                        receive_count: row.get(1)?,
                        sent_at_ms: Some(row.get(2)?),
                    })
                },
            )
    }
}

pub(super) enum Extended {
    Done,
    Gone,
    BeyondLimit,
}

pub(super) fn extend_one(
    transaction: &Transaction<'_>,
    queue: &str,
    lease: Option<(i64, i64)>,
    now_ms: i64,
    until_ms: i64,
) -> rusqlite::Result<Extended> {
    let Some((number, delivery)) = lease else {
        return Ok(Extended::Gone);
    };
    let received_at_ms: Option<i64> = transaction
        .prepare_cached(
            "SELECT received_at_ms FROM message
             WHERE number = ?1 AND queue = ?2 AND delivery = ?3 AND visible_at_ms > ?4",
        )?
        .query_row(params![number, queue, delivery, now_ms], |row| row.get(0))
        .optional()?;
    let Some(received_at_ms) = received_at_ms else {
        return Ok(Extended::Gone);
    };
    let limit_ms = milliseconds(Duration::from_secs(VISIBILITY_SECONDS_MAX));
    if until_ms > received_at_ms.saturating_add(limit_ms) {
        return Ok(Extended::BeyondLimit);
    }
    transaction
        .prepare_cached("UPDATE message SET visible_at_ms = ?2 WHERE number = ?1")?
        .execute(params![number, until_ms])?;
    Ok(Extended::Done)
}

/// Says whether the message is finished: deleted now, or before.
pub(super) fn delete_one(
    transaction: &Transaction<'_>,
    queue: &str,
    lease: Option<(i64, i64)>,
) -> rusqlite::Result<bool> {
    let Some((number, delivery)) = lease else {
        return Ok(false);
    };
    let deleted = transaction
        .prepare_cached("DELETE FROM message WHERE number = ?1 AND queue = ?2 AND delivery = ?3")?
        .execute(params![number, queue, delivery])?;
    if deleted == 1 {
        return Ok(true);
    }
    // Numbers are never used again, so an absent one was deleted; a present one is not ours.
    let present: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM message WHERE number = ?1)")?
        .query_row([number], |row| row.get(0))?;
    Ok(!present)
}

/// Sends all, or fails as a whole.
pub(super) fn send_all(
    transaction: &Transaction<'_>,
    queue: &str,
    messages: &[Outgoing],
    now_ms: i64,
) -> rusqlite::Result<()> {
    if messages.iter().any(|message| message.deduplication.is_some()) {
        transaction
            .prepare_cached("DELETE FROM deduplication WHERE queue = ?1 AND accepted_at_ms <= ?2")?
            .execute(params![queue, now_ms - DEDUPLICATION_MS])?;
    }
    messages.iter().try_for_each(|message| send_one(transaction, queue, message, now_ms))
}

fn send_one(
    transaction: &Transaction<'_>,
    queue: &str,
    message: &Outgoing,
    now_ms: i64,
) -> rusqlite::Result<()> {
    if let Some(deduplication) = &message.deduplication {
        let accepted = transaction
            .prepare_cached("INSERT OR IGNORE INTO deduplication VALUES (?1, ?2, ?3)")?
            .execute(params![queue, deduplication, now_ms])?;
        if accepted == 0 {
            return Ok(());
        }
    }
    transaction
        .prepare_cached(
            "INSERT INTO message (queue, body, sent_at_ms, visible_at_ms)
             VALUES (?1, ?2, ?3, ?3)",
        )?
        .execute(params![queue, message.body, now_ms])?;
    let number = transaction.last_insert_rowid();
    for (name, value) in &message.attributes {
        transaction
            .prepare_cached("INSERT INTO attribute VALUES (?1, ?2, ?3)")?
            .execute(params![number, name, value])?;
    }
    Ok(())
}
