//! The format against files: notifications in every form, and the shipped logs.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trailloop_cloudtrail::notification::{Named, Notification, parse};
use trailloop_cloudtrail::{Contents, Limits, LogKey, Scratch, read_records};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[test]
fn every_notification_is_read_as_expected() {
    let folder = fixtures().join("notifications");
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 20);
    for (file, outcome) in expected {
        let body = fs::read_to_string(folder.join(file)).unwrap();
        match parse(&body) {
            Ok(Notification::Objects(named)) => {
                let objects: Vec<Value> = named.iter().map(as_json).collect();
                assert_eq!(outcome["objects"], Value::Array(objects), "{file}");
            }
            Ok(Notification::Ignored(what)) => {
                assert!(outcome["ignored"].is_string(), "{file}: {what}")
            }
            Err(error) => assert!(outcome["refused"].is_string(), "{file}: {error}"),
        }
    }
}

/// An object as `expected.json` spells it.
fn as_json(named: &Named) -> Value {
    let mut object = serde_json::json!({"bucket": named.bucket, "key": named.key});
    let parts = [("version", &named.version), ("etag", &named.etag)];
    for (name, part) in parts.into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?))) {
        object[name] = part.clone().into();
    }
    if let Some(bytes) = named.bytes {
        object["size"] = bytes.into();
    }
    object
}

/// Every file below a folder, with its path from there.
fn files(folder: &Path, below: &str, found: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{below}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            files(&path, &format!("{name}/"), found);
        } else {
            found.push((name, path));
        }
    }
}

#[test]
fn the_shipped_logs_are_told_by_their_keys_and_read_whole() {
    let mut logs = Vec::new();
    files(&fixtures().join("logs"), "", &mut logs);
    assert!(logs.len() >= 12);
    let mut scratch = Scratch::new();
    let (mut records, mut kinds) = (0, Vec::new());
    for (key, path) in logs {
        let key = LogKey::parse(&key);
        assert_eq!(key.organization, Some("o-exampleorgid"));
        assert!(key.account.is_some() && key.region.is_some() && key.date.is_some());
        kinds.push(key.contents.to_string());
        if key.contents == Contents::Digest {
            continue;
        }
        let account = key.account;
        let summary =
            read_records(&fs::read(path).unwrap(), &Limits::default(), &mut scratch, |record| {
                assert_eq!(record.text(&["recipientAccountId"]), account);
            });
        assert!(summary.is_whole(), "{summary:?}");
        records += summary.records;
    }
    assert!(records >= 200);
    for kind in
        ["CloudTrail", "CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-NetworkActivity"]
    {
        assert!(kinds.iter().any(|one| one == kind), "no {kind}");
    }
}
