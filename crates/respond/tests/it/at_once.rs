//! Deliveries and sweeps of one worker at the same time: a run belongs to one of them, and every effect happens once.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use trailloop_cloud::{Actions, Answer, CloudError, Session};
use trailloop_respond::Phase;
use trailloop_runbook::{Call, catalogue};

use crate::kit::Kit;

/// A changing call takes long, and lets others go on meanwhile; a read takes no time.
struct Slow(Arc<dyn Actions>);

#[async_trait]
impl Actions for Slow {
    async fn call(&self, session: &Session, call: &Call) -> Result<Answer, CloudError> {
        if catalogue::find(&call.service, &call.api).is_some_and(|api| api.changes) {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        self.0.call(session, call).await
    }
}

#[tokio::test]
async fn sweeps_and_deliveries_at_once_make_each_change_once() {
    let mut kit = Kit::new();
    kit.actions = Arc::new(Slow(Arc::clone(&kit.actions)));
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let message = kit.finding_of(record);
    let responder = kit.responder();
    let both = tokio::join!(
        Box::pin(kit.drive(responder.respond(&message))),
        Box::pin(kit.drive(responder.respond(&message)))
    );
    both.0.unwrap();
    both.1.unwrap();
    let runs = kit.runs().await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    kit.approve(&runs[0].id, "ana").await;
    let again_and_again = async {
        for _ in 0..200 {
            responder.sweep().await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let all = tokio::join!(
        Box::pin(kit.drive(responder.sweep())),
        Box::pin(kit.drive(again_and_again)),
        Box::pin(kit.drive(responder.respond(&message)))
    );
    all.0.unwrap();
    all.2.unwrap();
    assert_eq!(kit.run(&runs[0].id).await.phase, Phase::Verifying);
    assert_eq!(kit.changes(), ["iam:UpdateAccessKey", "iam:PutUserPolicy"]);
}
