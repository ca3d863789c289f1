//! Actions that fail on purpose, around any other kind.

use std::sync::Arc;

use async_trait::async_trait;
use trailloop_runbook::Call;

use super::{Actions, Answer, Session};
use crate::error::CloudError;
use crate::faulty::{FaultPlan, Operation};

/// Calls that fail as the plan says, under [`Operation::Call`]: before they have an effect, after it with the answer lost
/// ([`Fault::DoneButFails`](crate::Fault::DoneButFails)), or late.
pub struct FaultyActions {
    inner: Arc<dyn Actions>,
    plan: FaultPlan,
}

impl FaultyActions {
    /// Wraps other actions.
    pub fn new(inner: Arc<dyn Actions>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    /// The plan, to heal it or to count what fired.
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }
}

#[async_trait]
impl Actions for FaultyActions {
    async fn call(&self, session: &Session, call: &Call) -> Result<Answer, CloudError> {
        let lost = self.plan.before(Operation::Call, &call.name()).await?;
        let answer = self.inner.call(session, call).await?;
        lost.map_or(Ok(answer), Err)
    }
}
