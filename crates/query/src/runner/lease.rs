//! Who asks a query: one runner at a time, by a row of the state table that also holds how far it has come.
//!
//! A lease ends by itself, so that a runner which is killed holds nobody up for long. It is renewed while a query runs, and what it was
//! taken for is committed by the same row: who has lost it can't commit.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trailloop_cloud::{CloudError, CloudErrorKind, Expected, RowKey, Table, Written};

use crate::schedule::{Next, Schedule};

/// How far a query has come, and who asks it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The end of the last window that was asked about or given up, in seconds of Unix time.
    pub(super) done: i64,
    /// Who holds the lease; nobody if it is empty.
    pub(super) holder: String,
    /// When the lease ends, in milliseconds.
    pub(super) until_ms: i64,
    /// How often the next window has failed.
    pub(super) failures: u32,
    /// Before this time it is not tried again, in milliseconds.
    pub(super) not_before_ms: i64,
}

/// What a look at a query came to.
pub(super) enum Look {
    /// There is this to be done, and nobody else does it.
    Due(State, Next),
    /// There is nothing to be done before this time, in milliseconds.
    NotBefore(i64),
}

/// The row of a query.
pub(super) struct Lease<'t> {
    table: &'t dyn Table,
    key: RowKey,
    holder: &'t str,
    /// Zero before the first write.
    version: u64,
    pub(super) state: State,
}

/// The partition of the rows.
const PARTITION: &str = "query-schedule";

impl<'t> Lease<'t> {
    /// Looks whether there is anything to be done, and gives the row to take it by. With `None` the calendar has ended.
    pub(super) async fn look(
        table: &'t dyn Table,
        (query, schedule): (&str, &Schedule),
        holder: &'t str,
        now_ms: i64,
    ) -> Result<Option<(Self, Look)>, CloudError> {
        let key = RowKey::new(PARTITION, query);
        let now = time(now_ms);
        let (state, version) = match table.get(&key).await? {
            Some(row) => (parse(&key, &row.value)?, row.version),
            None => {
                let Some(begin) = schedule.begin(now) else { return Ok(None) };
                let (done, holder) = (begin.as_second(), String::new());
                (State { done, holder, until_ms: 0, failures: 0, not_before_ms: 0 }, 0)
            }
        };
        let is_free = state.holder.is_empty() || state.holder == holder;
        let next = schedule.next(Timestamp::from_second(state.done).unwrap_or(now), now);
        let look = match next {
            Next::Never => return Ok(None),
            Next::Wait(until) => Look::NotBefore(until.as_millisecond()),
            _ if !is_free && state.until_ms > now_ms => Look::NotBefore(state.until_ms),
            _ if state.not_before_ms > now_ms => Look::NotBefore(state.not_before_ms),
            _ => Look::Due(state.clone(), next),
        };
        Ok(Some((Self { table, key, holder, version, state }, look)))
    }

    /// Takes or renews the lease; `false` if another has it.
    pub(super) async fn hold(&mut self, until_ms: i64) -> Result<bool, CloudError> {
        let state = State { holder: self.holder.to_owned(), until_ms, ..self.state.clone() };
        self.write(state).await
    }

    /// Gives the lease back with what has come of it; `false` if it was lost before.
    pub(super) async fn give_back(&mut self, state: State) -> Result<bool, CloudError> {
        self.write(State { holder: String::new(), until_ms: 0, ..state }).await
    }

    async fn write(&mut self, state: State) -> Result<bool, CloudError> {
        let text = serde_json::to_string(&state).map_err(|error| unusable(&self.key, &error))?;
        // The answer to a write of ours may have been lost, and so may a renewal that was given up half way: then the row is one that we wrote.
        for _ in 0..3 {
            let expected = match self.version {
                0 => Expected::Absent,
                version => Expected::Version(version),
            };
            let present = match self.table.put(&self.key, &text, expected).await {
                Ok(Written::Done(version)) => {
                    (self.version, self.state) = (version, state);
                    return Ok(true);
                }
                Ok(Written::Conflict(present)) => present,
                Err(error) if error.is_transient() => self.table.get(&self.key).await?,
                Err(error) => return Err(error),
            };
            let Some(present) = present else {
                if self.version == 0 {
                    continue;
                }
                return Ok(false);
            };
            if present.value == text {
                (self.version, self.state) = (present.version, state);
                return Ok(true);
            }
            let is_ours = parse(&self.key, &present.value)?.holder == self.holder;
            if !is_ours && present.version != self.version {
                return Ok(false);
            }
            self.version = present.version;
        }
        let kind = CloudErrorKind::Transient;
        let said = "the row could not be written three times".to_owned();
        Err(CloudError::new(kind, "put", format!("{PARTITION}/{}", self.key.sort), said))
    }
}

fn parse(key: &RowKey, text: &str) -> Result<State, CloudError> {
    serde_json::from_str(text).map_err(|error| unusable(key, &error))
}

/// A row that we can't read was written by another version of this program, or by hand.
fn unusable(key: &RowKey, error: &serde_json::Error) -> CloudError {
    let resource = format!("{}/{}", key.partition, key.sort);
    CloudError::new(CloudErrorKind::Invalid, "read state", resource, error.to_string())
}

/// A time in milliseconds of Unix time.
fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
