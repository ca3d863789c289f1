//! A table that breaks on purpose, around any other kind.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Expected, Row, RowKey, Table, Written, row_name};
use crate::error::CloudError;
use crate::faulty::{FaultPlan, Operation};

/// A table whose calls fail as the plan says.
///
/// [`crate::Fault::DoneButFails`] on a write is the lost answer: the row is as asked for, and the caller does not learn it.
pub struct FaultyTable {
    inner: Arc<dyn Table>,
    plan: FaultPlan,
}

impl FaultyTable {
    /// Wraps a table.
    pub fn new(inner: Arc<dyn Table>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    /// The plan, to heal it or to count what fired.
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }
}

/// The answer, or the error that hides it.
fn answered<T>(lost: Option<CloudError>, answer: T) -> Result<T, CloudError> {
    lost.map_or(Ok(answer), Err)
}

#[async_trait]
impl Table for FaultyTable {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, CloudError> {
        let lost = self.plan.before(Operation::GetRow, &row_name(self.name(), key)).await?;
        answered(lost, self.inner.get(key).await?)
    }

    async fn put(
        &self,
        key: &RowKey,
        value: &str,
        expected: Expected,
    ) -> Result<Written, CloudError> {
        let lost = self.plan.before(Operation::PutRow, &row_name(self.name(), key)).await?;
        answered(lost, self.inner.put(key, value, expected).await?)
    }

    async fn delete(&self, key: &RowKey, version: u64) -> Result<Written, CloudError> {
        let lost = self.plan.before(Operation::DeleteRow, &row_name(self.name(), key)).await?;
        answered(lost, self.inner.delete(key, version).await?)
    }

    async fn list(
        &self,
        partition: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<Row>, CloudError> {
        let lost = self.plan.before(Operation::ListRows, self.name()).await?;
        answered(lost, self.inner.list(partition, after, rows_max).await?)
    }
}
