//! Where a credential came from, by an index of the archive and without one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use trailloop_cloud::{FolderStore, FolderVault, Meter, MeteredStore, Operation, Store};
use trailloop_query::{Archive, Index, Source, make_index};
use trailloop_respond::Responder;

use crate::kit::{ACCOUNT, BUCKET, Kit};

const HOUR: Duration = Duration::from_secs(3600);

/// The session that bob's key took, and the one that this took.
const FIRST: &str = "ASIAI44QH8DHBEXAMPLE";
const SECOND: &str = "ASIAJ55QH8DHBEXAMPLE";

/// Objects of others between the first session and the finding.
const OTHERS: u32 = 20;

/// A session of a role, with this key.
fn session(role: &str, key: &str) -> Value {
    let name = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/work");
    let id = format!("AROA{:A<17}", role.to_uppercase());
    let issuer = json!({"type": "Role", "principalId": id,
        "arn": format!("arn:aws:iam::{ACCOUNT}:role/{role}"), "accountId": ACCOUNT, "userName": role});
    json!({"type": "AssumedRole", "principalId": format!("{id}:work"), "arn": name, "accountId": ACCOUNT,
        "accessKeyId": key, "sessionContext": {"sessionIssuer": issuer}})
}

/// A record of the token service: the caller takes a session of a role, and gets this key.
fn minted(kit: &Kit, caller: Option<Value>, role: &str, key: &str) -> Value {
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let asked = json!({"roleArn": arn, "roleSessionName": "work"});
    let mut record = kit.record("sts.amazonaws.com", "AssumeRole", asked);
    if let Some(caller) = caller {
        record["userIdentity"] = caller;
    }
    record["responseElements"] = json!({"credentials": {"accessKeyId": key}});
    record
}

/// Bob's key takes a session, this one another, and half a day later the last one makes a user; in between others take sessions. Gives
/// on whom runs were opened, and how many objects were read.
async fn runs(with_index: bool) -> (Vec<String>, u64) {
    let kit = Kit::new();
    kit.deliver(&[minted(&kit, None, "deploy", FIRST)]);
    kit.manual.advance(HOUR);
    kit.deliver(&[minted(&kit, Some(session("deploy", FIRST)), "admin", SECOND)]);
    for nth in 0..OTHERS {
        kit.manual.advance(HOUR / 2);
        let key = format!("ASIAOTHEROTHEROTHE{nth:02}");
        kit.deliver(&[minted(&kit, Some(session("web", "ASIAOTHEROTHEROTHER0")), "batch", &key)]);
    }
    kit.manual.advance(7 * HOUR);
    let mut found = kit.record("iam.amazonaws.com", "CreateUser", json!({"userName": "eve"}));
    found["userIdentity"] = session("admin", SECOND);
    let message = kit.finding_of(found);

    let meter = Meter::default();
    let mut responder: Responder = kit.responder();
    responder.archive.store = Arc::new(MeteredStore::new(kit.store.clone(), meter.clone()));
    let folder = tempfile::tempdir().unwrap();
    if with_index {
        let index = folder_index(&folder);
        let shelf = FolderVault::new(folder.path().join("index"));
        let source =
            Source { store: kit.store.clone(), bucket: BUCKET.to_owned(), prefix: String::new() };
        let archive = Archive { jobs: 1, ..Archive::new(vec![source]) };
        let made = make_index(&archive, &index, &shelf, &Arc::default()).await.unwrap();
        assert_eq!(made.added, u64::from(OTHERS) + 3);
        responder.archive.index = Some(Arc::new(index));
    }
    let mut targets = Vec::new();
    for id in kit.respond(&responder, &message).await.unwrap() {
        targets.push(kit.run(&id).await.target);
    }
    (targets, meter.requests(Operation::Get))
}

fn folder_index(folder: &tempfile::TempDir) -> Index {
    let store: Arc<dyn Store> = Arc::new(FolderStore::new(folder.path()));
    Index { store, bucket: "index".to_owned(), prefix: String::new() }
}

#[tokio::test]
async fn an_index_finds_the_same_root_and_leaves_what_others_did_unread() {
    let (expected, read) = runs(false).await;
    let root = format!("arn:aws:iam::{ACCOUNT}:user/bob");
    assert!(expected.contains(&root), "the root is contained too: {expected:?}");
    let (targets, read_with_index) = runs(true).await;
    assert_eq!(targets, expected);
    assert_eq!(read - read_with_index, u64::from(OTHERS), "{read} and {read_with_index}");
}
