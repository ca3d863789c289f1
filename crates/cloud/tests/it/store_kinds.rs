//! The store contract over the kinds of our own.

use std::path::Path;
use std::sync::Arc;

use trailloop_cloud::{FaultPlan, FaultyStore, FolderStore, MemoryStore};

use crate::store_contract::{check, check_pages, many, objects};

fn write(root: &Path, bucket: &str, key: &str, body: &[u8]) {
    let path = root.join(bucket).join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, body).unwrap();
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    let store = MemoryStore::new();
    for (key, body) in objects() {
        store.put("logs", &key, body);
    }
    for key in many() {
        store.put("pages", &key, "x");
    }
    check(&store, "logs").await;
    check_pages(&store, "pages").await;
}

#[tokio::test]
async fn folder_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    for (key, body) in objects() {
        write(root.path(), "logs", &key, &body);
    }
    for key in many() {
        write(root.path(), "pages", &key, b"x");
    }
    let store = FolderStore::new(root.path());
    check(&store, "logs").await;
    check_pages(&store, "pages").await;
}

#[tokio::test]
async fn faulty_with_an_empty_plan_keeps_the_contract() {
    let inner = MemoryStore::new();
    for (key, body) in objects() {
        inner.put("logs", &key, body);
    }
    let plan = FaultPlan::none();
    let store = FaultyStore::new(Arc::new(inner), plan.clone());
    check(&store, "logs").await;
    assert_eq!(plan.fired_total(), 0);
}
