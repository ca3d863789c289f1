//! An index leaves out objects, and never an answer.

use std::sync::Arc;

use serde_json::{Value, json};
use trailloop_cloud::{FolderStore, FolderVault, Vault as _};
use trailloop_query::{Index, Indexed, Meter, make_index};

use crate::kit::{Small, call, key};

const OBJECTS: usize = 300;

/// Each object has a key of its own, and one of them that name in escapes as well.
fn small() -> Small {
    let small = Small::new();
    for nth in 0..OBJECTS {
        let id = format!("AKIA{nth:016}");
        let mut records = vec![call(
            "GetObject",
            "2026-01-31T10:00:00Z",
            json!({
                "sourceIPAddress": format!("198.51.100.{}", nth % 250),
                "userIdentity": {"type": "AssumedRole", "accessKeyId": id, "principalId": format!("AROA{nth}:s"),
                    "sessionContext": {"sessionIssuer": {"arn": format!("arn:aws:iam::111122223333:role/r{nth}")}}},
            }),
        )];
        if nth == 7 {
            records.push(call(
                "PutObject",
                "2026-01-31T10:00:00Z",
                json!({"userIdentity": {"accessKeyId": "AKIAESCAPED\u{e9}"}}),
            ));
        }
        small.put(&key("111122223333", "eu-west-1", "2026/01/31", &format!("{nth:03}")), &records);
    }
    small.put(
        "copied/elsewhere.json.gz",
        &[call(
            "ListBuckets",
            "2026-01-31T10:00:00Z",
            json!({"userIdentity": {"accessKeyId": "AKIACOPIED"}}),
        )],
    );
    small
}

/// The index in a folder, made.
fn indexed(small: &mut Small, folder: &std::path::Path) -> Indexed {
    let (root, name) = (folder.parent().unwrap(), folder.file_name().unwrap());
    let index = Index {
        store: Arc::new(FolderStore::new(root)),
        bucket: name.to_string_lossy().into_owned(),
        prefix: String::new(),
    };
    let vault = FolderVault::new(folder);
    let made =
        small.block_on(make_index(&small.archive, &index, &vault, &Arc::new(Meter::default())));
    small.archive.index = Some(Arc::new(index));
    made.unwrap()
}

const OF_KEY: &str = "SELECT count(*) AS n FROM cloudtrail WHERE useridentity.accesskeyid = :key";

#[test]
fn one_key_costs_few_objects() {
    let (mut small, folder) = (small(), tempfile::tempdir().unwrap());
    let made = indexed(&mut small, folder.path());
    assert_eq!((made.added, made.known, made.left), (OBJECTS as u64, 0, 1));
    assert!(made.bytes_index * 10 < made.bytes_logs, "{made:?}");
    let ask = |sql: &str, id: &str| small.ask(sql, &[("key", id)]).unwrap();
    for id in ["AKIA0000000000000042", "AKIAESCAPED\u{e9}", "AKIACOPIED"] {
        let (rows, cost) = ask(OF_KEY, id);
        assert_eq!(rows, json!([{"n": 1}]), "{id}");
        // The copied object is always read, and one may be by chance.
        assert!(cost.objects <= 3, "{id}: {cost:?}");
        assert_eq!(cost.objects + cost.objects_skipped, OBJECTS as u64 + 1);
    }
    let issuer = "SELECT count(*) AS n FROM cloudtrail WHERE useridentity.sessioncontext.sessionissuer.arn = :key";
    let (rows, cost) = ask(issuer, "arn:aws:iam::111122223333:role/r9");
    assert_eq!((rows, cost.objects <= 3), (json!([{"n": 1}]), true));
    let either = "SELECT count(*) AS n FROM cloudtrail \
        WHERE coalesce(useridentity.sessioncontext.sessionissuer.arn, useridentity.arn) = :key";
    let (rows, cost) = ask(either, "arn:aws:iam::111122223333:role/r9");
    assert_eq!((rows, cost.objects <= 3), (json!([{"n": 1}]), true));
    let plan = ask(&format!("EXPLAIN {OF_KEY}"), "AKIA0000000000000042").0.to_string();
    assert!(plan.contains("skipped_by_index="), "{plan}");
    // Conditions that the index can't tell of read everything.
    let (_, cost) = small
        .ask("SELECT count(*) AS n FROM cloudtrail WHERE eventname = 'GetObject'", &[])
        .unwrap();
    assert_eq!(cost.objects, OBJECTS as u64 + 1);
}

#[test]
fn what_the_index_does_not_know_is_read() {
    let (mut small, folder) = (small(), tempfile::tempdir().unwrap());
    indexed(&mut small, folder.path());
    let mine = |id: &str| {
        call("GetObject", "2026-01-31T11:00:00Z", json!({"userIdentity": {"accessKeyId": id}}))
    };
    // One object is new, and another was replaced after the index was made.
    small.put(&key("111122223333", "eu-west-1", "2026/01/31", "new"), &[mine("AKIANEW")]);
    small.put(
        &key("111122223333", "eu-west-1", "2026/01/31", "000"),
        &[mine("AKIACHANGED"), mine("AKIACHANGED")],
    );
    let count = |small: &Small, id: &str| small.ask(OF_KEY, &[("key", id)]).unwrap().0;
    assert_eq!(count(&small, "AKIANEW"), json!([{"n": 1}]));
    assert_eq!(count(&small, "AKIACHANGED"), json!([{"n": 2}]));
    let again = indexed(&mut small, folder.path());
    assert_eq!((again.added, again.known), (2, OBJECTS as u64 - 1));
    assert_eq!(count(&small, "AKIACHANGED"), json!([{"n": 2}]));
}

#[test]
fn a_damaged_index_is_told_and_not_used() {
    let (mut small, folder) = (small(), tempfile::tempdir().unwrap());
    indexed(&mut small, folder.path());
    let file = folder.path().join("needles/2026/01/31.tln");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let (rows, cost) = small.ask(OF_KEY, &[("key", "AKIA0000000000000042")]).unwrap();
    assert_eq!((rows, cost.objects), (json!([{"n": 1}]) as Value, OBJECTS as u64 + 1));
    let vault = FolderVault::new(folder.path());
    small.block_on(vault.put("needles/2026/01/31.tln", bytes.into())).unwrap();
    let (_, cost) = small.ask(OF_KEY, &[("key", "AKIA0000000000000042")]).unwrap();
    assert!(cost.objects <= 3);
}
