//! The table contract over the kinds of our own, and what the local one adds: one file, several openings, a death.

use std::sync::Arc;

use tokio::task::JoinSet;
use trailloop_cloud::{
    Clock, CloudErrorKind, Expected, FaultPlan, FaultyTable, LocalQueues, LocalTable, MemoryTable,
    Queue, RowKey, Table, Written,
};

use crate::queue_contract::outgoing;
use crate::table_contract::check;

/// The name of the variable that makes the test binary play the worker that is killed.
const VICTIM: &str = "TRAILLOOP_TEST_LOCAL_TABLE_VICTIM";

#[tokio::test]
async fn memory_keeps_the_contract() {
    let table = MemoryTable::new("memory");
    check(Arc::new(table.clone())).await;
    let rows = table.rows();
    assert!(rows.len() > 20 && rows.is_sorted_by_key(|row| row.key.clone()));
}

#[tokio::test]
async fn faulty_with_an_empty_plan_keeps_the_contract() {
    let plan = FaultPlan::none();
    check(Arc::new(FaultyTable::new(Arc::new(MemoryTable::new("memory")), plan.clone()))).await;
    assert_eq!(plan.fired_total(), 0);
}

#[tokio::test]
async fn local_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    check(Arc::new(LocalTable::open(folder.path().join("state.db")).unwrap())).await;
}

#[tokio::test]
async fn a_table_and_queues_share_a_file_whoever_came_first() {
    for table_first in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trailloop.db");
        let early = table_first.then(|| LocalTable::open(&path).unwrap());
        let queues = LocalQueues::open(&path, Clock::System).unwrap();
        let table = early.unwrap_or_else(|| LocalTable::open(&path).unwrap());
        let queue = queues.queue("q", None);
        assert!(queue.send(&[outgoing("a")]).await.unwrap()[0].is_ok());
        let key = RowKey::new("p", "s");
        assert_eq!(table.put(&key, "v", Expected::Absent).await.unwrap(), Written::Done(1));
        assert_eq!(queue.depth().await.unwrap(), (1, 0));
        drop((table, queue, queues));
        let table = LocalTable::open(&path).unwrap();
        assert_eq!(table.get(&key).await.unwrap().unwrap().value, "v");
        assert!(LocalQueues::open(&path, Clock::System).is_ok());
    }
}

#[tokio::test]
async fn of_two_openings_one_wins_each_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let key = RowKey::new("lease", "target");
    let mut writers = JoinSet::new();
    for name in ["one", "other"] {
        let (table, key) = (LocalTable::open(&path).unwrap(), key.clone());
        writers.spawn(async move {
            let mut won = 0;
            for version in 0..50 {
                let expected =
                    if version == 0 { Expected::Absent } else { Expected::Version(version) };
                match table.put(&key, name, expected).await.unwrap() {
                    Written::Done(written) => {
                        assert_eq!(written, version + 1);
                        won += 1;
                    }
                    Written::Conflict(row) => assert!(row.unwrap().version > version),
                }
            }
            won
        });
    }
    assert_eq!(writers.join_all().await.iter().sum::<u32>(), 50);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    std::fs::write(&path, "this is a note, not a database\n".repeat(100)).unwrap();
    let error = LocalTable::open(&path).err().unwrap();
    assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("this is a note"));
    let error = LocalTable::open(folder.path().join("none/state.db")).err().unwrap();
    assert_eq!(error.kind(), CloudErrorKind::Denied, "{error}");
}

/// A second run of this test binary writes, replaces and deletes rows, says so, and waits to be killed with SIGKILL.
#[tokio::test]
async fn what_was_written_survives_a_kill() {
    #[expect(clippy::disallowed_methods, reason = "the killed worker is told its file this way")]
    if let Ok(path) = std::env::var(VICTIM) {
        victim(&path).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut worker = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "table_kinds::what_was_written_survives_a_kill", "--nocapture"])
        .env(VICTIM, &path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let said = std::io::BufReader::new(worker.stdout.take().unwrap());
    let ready = std::io::BufRead::lines(said).any(|line| line.unwrap().ends_with("victim: ready"));
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(ready);
    let table = LocalTable::open(&path).unwrap();
    let rows = table.list("run", None, 10).await.unwrap();
    let found: Vec<_> =
        rows.iter().map(|row| (row.key.sort.as_str(), row.version, row.value.as_str())).collect();
    assert_eq!(found, [("kept", 1, "first"), ("replaced", 2, "second")]);
}

async fn victim(path: &str) {
    let table = LocalTable::open(path).unwrap();
    for sort in ["deleted", "kept", "replaced"] {
        table.put(&RowKey::new("run", sort), "first", Expected::Absent).await.unwrap();
    }
    let replaced = RowKey::new("run", "replaced");
    table.put(&replaced, "second", Expected::Version(1)).await.unwrap();
    table.delete(&RowKey::new("run", "deleted"), 1).await.unwrap();
    println!("victim: ready");
    std::future::pending::<()>().await;
}
