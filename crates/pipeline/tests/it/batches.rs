//! Findings come in batches while an object is still examined, and a worker whose caller left is free again.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Semaphore;
use trailloop_pipeline::bridge::{Bridge, Examination, Job, Progress};

use crate::world::{engine, gzip, record};

fn examine(bridge: &Bridge, records: usize, budget: &Arc<Semaphore>) -> Examination {
    let records: Vec<_> = (0..records).map(|nth| record(&nth.to_string(), "StopLogging")).collect();
    let object = gzip(json!({ "Records": records }).to_string().as_bytes());
    let seat = Arc::clone(budget).try_acquire_owned().unwrap();
    let job = Job {
        object: object.into(),
        source: "trail/key".to_owned(),
        version: None,
        etag: None,
        seat,
    };
    bridge.examine(job).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_batch_is_long_and_a_caller_that_leaves_frees_the_worker() {
    const RECORDS: usize = 2000;
    let bridge = Bridge::threads(&engine(), 1, 4).unwrap();
    let budget = Arc::new(Semaphore::new(1));
    let mut examination = examine(&bridge, RECORDS, &budget);
    let (mut findings, mut batches) = (0, 0);
    let examined = loop {
        match examination.next().await {
            Progress::Findings(batch) => {
                assert!((1..=50).contains(&batch.findings.len()));
                findings += batch.findings.len();
                batches += 1;
            }
            Progress::Done(done) => break done.unwrap(),
        }
    };
    assert_eq!(
        (findings, batches, examined.records_evaluated),
        (RECORDS, RECORDS / 50, RECORDS as u64)
    );

    // The only worker waits for someone to take its second batch. It goes on when that someone leaves.
    let budget = Arc::new(Semaphore::new(2));
    let mut left = examine(&bridge, RECORDS, &budget);
    assert!(matches!(left.next().await, Progress::Findings(_)));
    drop(left);
    let mut next = examine(&bridge, 1, &budget);
    assert!(matches!(next.next().await, Progress::Findings(_)));
    assert!(matches!(next.next().await, Progress::Done(Ok(_))));
    drop(bridge);
    assert_eq!(budget.available_permits(), 2, "seats come back with the work");
}
