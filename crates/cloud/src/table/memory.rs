//! A table in memory, for simulation. Nothing survives the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    Expected, Row, RowKey, Table, Written, check_delete, check_key, check_list, check_put,
};
use crate::error::CloudError;

/// A table in memory. Its clones are the same table.
#[derive(Clone)]
pub struct MemoryTable {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    rows: Mutex<BTreeMap<RowKey, Value>>,
}

#[derive(Clone)]
struct Value {
    version: u64,
    text: String,
}

impl MemoryTable {
    /// An empty table with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { shared: Arc::new(Shared { name: name.into(), rows: Mutex::default() }) }
    }

    /// All rows, in order.
    pub fn rows(&self) -> Vec<Row> {
        self.locked().iter().map(|(key, value)| row(key, value)).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<RowKey, Value>> {
        self.shared.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(key: &RowKey, value: &Value) -> Row {
    Row { key: key.clone(), version: value.version, value: value.text.clone() }
}

#[async_trait]
impl Table for MemoryTable {
    fn name(&self) -> &str {
        &self.shared.name
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, CloudError> {
        check_key("get", self.name(), key)?;
        Ok(self.locked().get(key).map(|value| row(key, value)))
    }

    async fn put(
        &self,
        key: &RowKey,
        value: &str,
        expected: Expected,
    ) -> Result<Written, CloudError> {
        let version = check_put(self.name(), key, value, expected)?;
        let mut rows = self.locked();
        let present = rows.get(key);
        if !expected.holds(present.map(|present| present.version)) {
            return Ok(Written::Conflict(present.map(|present| row(key, present))));
        }
        rows.insert(key.clone(), Value { version, text: value.to_owned() });
        Ok(Written::Done(version))
    }

    async fn delete(&self, key: &RowKey, version: u64) -> Result<Written, CloudError> {
        check_delete(self.name(), key, version)?;
        let mut rows = self.locked();
        let present = rows.get(key);
        if !Expected::Version(version).holds(present.map(|present| present.version)) {
            return Ok(Written::Conflict(present.map(|present| row(key, present))));
        }
        rows.remove(key);
        Ok(Written::Done(0))
    }

    async fn list(
        &self,
        partition: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<Row>, CloudError> {
        check_list(self.name(), partition, after)?;
        // No sort key is empty, so all of them come after the empty one.
        let start = RowKey::new(partition, after.unwrap_or_default());
        let rows = self.locked();
        let found = rows.range((Bound::Excluded(start), Bound::Unbounded));
        let found = found.take_while(|(key, _)| key.partition == partition).take(rows_max);
        Ok(found.map(|(key, value)| row(key, value)).collect())
    }
}
