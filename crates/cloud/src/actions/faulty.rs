//! Actions that fail on purpose, around any other kind.

use std::sync::Arc;

use async_trait::async_trait;
use trailloop_runbook::Call;

use super::{Actions, Answer, Session};
use crate::error::{CloudError, CloudErrorKind};
use crate::faulty::{Fault, FaultPlan, Operation, injected};

/// Calls that fail as the plan says, under [`Operation::Call`]: before they have an effect, after it with the answer lost
/// ([`Fault::DoneButFails`]), or late.
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
        let (fault, _) = self.plan.next(Operation::Call);
        match fault {
            Some(Fault::Fails(kind)) => {
                return Err(injected(kind, Operation::Call, &call.name()));
            }
            Some(Fault::Delay(duration)) => tokio::time::sleep(duration).await,
            _ => {}
        }
        let answer = self.inner.call(session, call).await?;
        match fault {
            Some(Fault::DoneButFails) => {
                Err(injected(CloudErrorKind::Transient, Operation::Call, &call.name()))
            }
            _ => Ok(answer),
        }
    }
}
