//! Keeps messages instead of sending them, for tests and simulation.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::http::request;
use super::{Notifier, Post};
use crate::error::CloudError;
use crate::faulty::{FaultPlan, Operation};

/// A notifier whose other side is a list. It refuses what [`super::HttpNotifier`] refuses to send. Its clones are the same.
#[derive(Clone, Default)]
pub struct MemoryNotifier {
    posts: Arc<Mutex<Vec<Post>>>,
    plan: FaultPlan,
}

impl MemoryNotifier {
    /// One that takes everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose posts ([`Operation::Post`]) fail as the plan says. A post that [`crate::Fault::DoneButFails`] arrived.
    pub fn with_faults(plan: FaultPlan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// What arrived, in order.
    pub fn posts(&self) -> Vec<Post> {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Post>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Notifier for MemoryNotifier {
    async fn post(&self, post: &Post) -> Result<(), CloudError> {
        request(post)?;
        let lost = self.plan.before(Operation::Post, &post.destination).await?;
        self.locked().push(post.clone());
        lost.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::error::CloudErrorKind;
    use crate::faulty::{Fault, ScriptedFault};

    #[tokio::test]
    async fn posts_are_kept_and_fail_as_scripted() {
        let faults = [(1, Fault::Fails(CloudErrorKind::Denied)), (2, Fault::DoneButFails)];
        let plan = FaultPlan::script(faults.map(|(call, fault)| ScriptedFault {
            operation: Operation::Post,
            call,
            fault,
        }));
        let notifier = MemoryNotifier::with_faults(plan);
        let post = |body: &str| Post {
            destination: "chat".to_owned(),
            url: "https://hooks.example.com/EXAMPLE".to_owned(),
            headers: BTreeMap::new(),
            body: body.to_owned(),
        };
        notifier.post(&post("0")).await.unwrap();
        let refused = notifier.post(&post("1")).await.unwrap_err();
        assert_eq!((refused.kind(), refused.resource()), (CloudErrorKind::Denied, "chat"));
        assert!(notifier.post(&post("2")).await.unwrap_err().is_transient());
        let mut elsewhere = post("3");
        elsewhere.url = "http://hooks.example.com/EXAMPLE".to_owned();
        let unsent = notifier.post(&elsewhere).await.unwrap_err();
        assert_eq!(unsent.kind(), CloudErrorKind::Invalid);
        let bodies: Vec<_> = notifier.posts().into_iter().map(|post| post.body).collect();
        assert_eq!(bodies, ["0", "2"]);
    }
}
