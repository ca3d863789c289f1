//! A store that breaks on purpose, around any other kind.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Fault, FaultPlan, Operation, injected};
use crate::error::{CloudError, CloudErrorKind};
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

    /// What must happen before the wrapped store is asked.
    async fn before(&self, operation: Operation, resource: &str) -> Result<Drawn, CloudError> {
        let (fault, drawn) = self.plan.next(operation);
        match fault {
            Some(Fault::Fails(kind)) => return Err(injected(kind, operation, resource)),
            Some(Fault::DoneButFails) => {
                return Err(injected(CloudErrorKind::Transient, operation, resource));
            }
            Some(Fault::Delay(duration)) => tokio::time::sleep(duration).await,
            _ => {}
        }
        Ok(Drawn { fault, drawn })
    }
}

/// The fault of one call, and the number drawn for it.
struct Drawn {
    fault: Option<Fault>,
    drawn: u64,
}

#[async_trait]
impl Store for FaultyStore {
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, CloudError> {
        self.before(Operation::List, bucket).await?;
        self.inner.list(bucket, prefix, after).await
    }

    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        let drawn = self.before(Operation::Get, &object.to_string()).await?;
        let mut found = self.inner.get(object, bytes_max).await?;
        match drawn.fault {
            Some(Fault::Truncate) => found.bytes.truncate(found.bytes.len() / 2),
            Some(Fault::Corrupt) => found.bytes = corrupt(&found.bytes, drawn.drawn),
            _ => {}
        }
        Ok(found)
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
