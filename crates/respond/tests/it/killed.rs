//! Killed at every point: before and after each write of the state table and each call of AWS. Whoever comes next goes on, and
//! every effect happens once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Notify;
use trailloop_cloud::{
    Actions, Answer, CloudError, Expected, Message, Row, RowKey, Session, Table, Written,
};
use trailloop_respond::{Phase, ledger};
use trailloop_runbook::Call;

use crate::kit::Kit;

/// Ends the process at one operation: that one, and all after it, never come back.
#[derive(Debug)]
struct Blade {
    falls_at: u64,
    /// Whether the operation still happens.
    after: bool,
    passed: AtomicU64,
    fell: Notify,
}

impl Blade {
    /// Passes an operation, or ends there.
    async fn around<T>(&self, operation: impl Future<Output = T>) -> T {
        let number = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        if number < self.falls_at {
            return operation.await;
        }
        if number == self.falls_at && self.after {
            operation.await;
        }
        self.fell.notify_one();
        std::future::pending().await
    }
}

struct Guarded<T: ?Sized> {
    blade: Arc<Blade>,
    inner: Arc<T>,
}

#[async_trait]
impl Table for Guarded<dyn Table> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, CloudError> {
        self.inner.get(key).await
    }

    async fn put(
        &self,
        key: &RowKey,
        value: &str,
        expected: Expected,
    ) -> Result<Written, CloudError> {
        self.blade.around(self.inner.put(key, value, expected)).await
    }

    async fn delete(&self, key: &RowKey, version: u64) -> Result<Written, CloudError> {
        self.blade.around(self.inner.delete(key, version)).await
    }

    async fn list(
        &self,
        partition: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<Row>, CloudError> {
        self.inner.list(partition, after, rows_max).await
    }
}

#[async_trait]
impl Actions for Guarded<dyn Actions> {
    async fn call(&self, session: &Session, call: &Call) -> Result<Answer, CloudError> {
        self.blade.around(self.inner.call(session, call)).await
    }
}

/// What a worker does with a message, and then with open runs, until it is killed.
async fn live(kit: &Kit, message: &Message, blade: &Arc<Blade>) {
    let mut kit_of_worker = kit.responder();
    kit_of_worker.table =
        Arc::new(Guarded { blade: Arc::clone(blade), inner: Arc::clone(&kit.table) });
    kit_of_worker.ledger =
        ledger::Ledger::new(Arc::clone(&kit_of_worker.table), kit_of_worker.worker.clone());
    kit_of_worker.actions =
        Arc::new(Guarded { blade: Arc::clone(blade), inner: Arc::clone(&kit.actions) });
    let work = async {
        kit.drive(kit_of_worker.respond(message)).await.unwrap();
        for run in kit.runs().await {
            if run.phase == Phase::AwaitingApproval {
                kit.approve_if_not_said(&run.id, "ana").await;
            }
        }
        kit.drive(kit_of_worker.sweep()).await.unwrap();
    };
    tokio::select! {
        biased;
        () = work => {}
        () = blade.fell.notified() => {}
    }
}

/// Kills a worker at one operation and lets two others come after it; gives how many operations the first one passed.
async fn killed_at(falls_at: u64, after: bool) -> u64 {
    let kit = Kit::new();
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let message = kit.finding_of(record);
    let blade = |falls_at| {
        Arc::new(Blade { falls_at, after, passed: AtomicU64::new(0), fell: Notify::new() })
    };
    let first = blade(falls_at);
    Box::pin(live(&kit, &message, &first)).await;
    for _ in 0..2 {
        // Nobody takes a run over from a worker that may still live.
        kit.manual.advance(Duration::from_secs(60));
        Box::pin(live(&kit, &message, &blade(u64::MAX))).await;
    }
    let runs = kit.runs().await;
    let of_key: Vec<_> = runs.iter().filter(|run| run.runbook == "contain-iam-user-key").collect();
    assert_eq!(of_key.len(), 1, "killed at {falls_at}, after: {after}: {runs:?}");
    assert_eq!(of_key[0].phase, Phase::Verifying, "killed at {falls_at}: {:?}", of_key[0].reasons);
    let mut counts = BTreeMap::new();
    for api in kit.changes() {
        *counts.entry(api).or_insert(0) += 1;
    }
    let apis: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(apis, ["iam:PutUserPolicy", "iam:UpdateAccessKey"], "killed at {falls_at}");
    assert!(counts.values().sum::<i32>() <= 3, "killed at {falls_at}: {counts:?}");
    let audit = ledger::Ledger::new(Arc::clone(&kit.table), "auditor").audit(None).await.unwrap();
    audit.unwrap_or_else(|broken| panic!("killed at {falls_at}: {broken:?}"));
    first.passed.load(Ordering::SeqCst)
}

#[tokio::test]
async fn killed_at_every_point_each_effect_happens_once_and_the_ledger_is_whole() {
    let mut points = 0;
    for falls_at in 1.. {
        for after in [false, true] {
            points = points.max(Box::pin(killed_at(falls_at, after)).await);
        }
        if points < falls_at {
            break;
        }
    }
    assert!(points > 20, "{points} points at which a worker was killed");
}
