//! An index leaves out objects, and never an answer.

use std::sync::Arc;

use serde_json::{Value, json};
use trailloop_cloud::{FolderStore, FolderVault, Vault as _};
use trailloop_cloudtrail::{Limits, Scratch, read_wanted};
use trailloop_pipeline::indexing::IndexWriter;
use trailloop_pipeline::needle::Needles;
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

fn index_of(folder: &std::path::Path) -> Index {
    let (root, name) = (folder.parent().unwrap(), folder.file_name().unwrap());
    Index {
        store: Arc::new(FolderStore::new(root)),
        bucket: name.to_string_lossy().into_owned(),
        prefix: String::new(),
    }
}

/// The index in a folder, made.
fn indexed(small: &mut Small, folder: &std::path::Path) -> Indexed {
    let index = index_of(folder);
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

/// What the stream would have put there of objects whose keys end in these, from a writer of its own.
fn segment(small: &Small, folder: &std::path::Path, objects: std::ops::Range<usize>) {
    let writer = IndexWriter::new(Arc::new(FolderVault::new(folder)));
    let (mut scratch, mut needles) = (Scratch::new(), Needles::default());
    for nth in objects {
        let key = key("111122223333", "eu-west-1", "2026/01/31", &format!("{nth:03}"));
        let object = small.object(&key);
        let read = read_wanted(&object.bytes, &Limits::default(), &mut scratch, &mut needles);
        assert!(read.is_whole());
        writer.add(&key, object.bytes.len() as u64, object.etag.as_deref(), needles.prints());
    }
    small.block_on(writer.flush()).unwrap();
}

/// The names of the files of the index.
fn files(folder: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    files.push(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned())
                }
            }
        }
    }
    files.sort();
    files
}

#[test]
fn segments_of_several_writers_are_read_and_brought_together() {
    let (mut small, folder) = (small(), tempfile::tempdir().unwrap());
    small.archive.index = Some(Arc::new(index_of(folder.path())));
    // Nothing is there yet, and everything is read.
    let of = |small: &Small| small.ask(OF_KEY, &[("key", "AKIA0000000000000042")]).unwrap();
    assert_eq!(of(&small).1.objects, OBJECTS as u64 + 1);
    // Two writers, of which both know some objects; of the last hundred nobody wrote.
    segment(&small, folder.path(), 0..120);
    segment(&small, folder.path(), 100..200);
    assert_eq!(files(folder.path()).len(), 2);
    let (rows, cost) = of(&small);
    assert_eq!(rows, json!([{"n": 1}]));
    assert!((101..=104).contains(&cost.objects), "{cost:?}");
    let made = indexed(&mut small, folder.path());
    assert_eq!((made.added, made.known), (100, 200));
    assert_eq!(files(folder.path()), ["needles/2026/01/31.tln"]);
    let (rows, cost) = of(&small);
    assert_eq!(rows, json!([{"n": 1}]));
    assert!(cost.objects <= 3, "{cost:?}");
    // One that came later, of objects that are known: it goes, and nothing is read again.
    segment(&small, folder.path(), 0..10);
    let again = indexed(&mut small, folder.path());
    assert_eq!((again.added, again.known), (0, OBJECTS as u64));
    assert_eq!(files(folder.path()), ["needles/2026/01/31.tln"]);
}

#[test]
fn a_torn_segment_is_told_and_its_objects_are_read() {
    let (mut small, folder) = (small(), tempfile::tempdir().unwrap());
    small.archive.index = Some(Arc::new(index_of(folder.path())));
    segment(&small, folder.path(), 0..100);
    segment(&small, folder.path(), 100..OBJECTS);
    let torn = folder.path().join(&files(folder.path())[0]);
    let bytes = std::fs::read(&torn).unwrap();
    let lost = u64::from(u32::from_le_bytes(*bytes[8..].first_chunk().unwrap()));
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    // What a writer leaves behind that was killed is no segment yet.
    std::fs::write(torn.with_extension("partial"), &bytes[..20]).unwrap();
    for id in ["AKIA0000000000000042", "AKIA0000000000000242"] {
        let (rows, cost) = small.ask(OF_KEY, &[("key", id)]).unwrap();
        assert_eq!(rows, json!([{"n": 1}]));
        assert!((lost..=lost + 4).contains(&cost.objects), "{lost} {cost:?}");
    }
    let made = indexed(&mut small, folder.path());
    assert_eq!((made.added, made.known), (lost, OBJECTS as u64 - lost));
    assert!(!torn.exists());
}
