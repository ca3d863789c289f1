//! A store that breaks on purpose, around any other kind.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Fault, FaultPlan, Operation};
use crate::error::CloudError;
use crate::store::{Object, ObjectRef, Page, Store};

/// A store whose calls fail as the plan says.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: FaultPlan,
}

impl FaultyStore {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn Store>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    /// The plan, to heal it or to count what fired.
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, CloudError> {
        let lost = self.plan.before(Operation::List, bucket).await?;
        let page = self.inner.list(bucket, prefix, after).await?;
        lost.map_or(Ok(page), Err)
    }

    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        let begun = self.plan.begin(Operation::Get, &object.to_string()).await?;
        let mut found = self.inner.get(object, bytes_max).await?;
        match begun.fault {
            Some(Fault::Truncate) => found.bytes.truncate(found.bytes.len() / 2),
            Some(Fault::Corrupt) => found.bytes = corrupt(&found.bytes, begun.drawn),
            _ => {}
        }
        begun.lost.map_or(Ok(found), Err)
    }
}

/// The same bytes but for one bit, at a place that the draw chooses.
fn corrupt(bytes: &Bytes, drawn: u64) -> Bytes {
    let mut bytes = bytes.to_vec();
    let length = bytes.len() as u64;
    if length > 0
        && let Ok(place) = usize::try_from((drawn >> 32) % length)
    {
        bytes[place] ^= 1 << (drawn % 8);
    }
    Bytes::from(bytes)
}
