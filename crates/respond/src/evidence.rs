//! The forensic bundle of a run: what was matched, what surrounds it, what was concluded and what was done, in files that prove
//! themselves.
//!
//! | File | What it holds |
//! |---|---|
//! | `records.ndjson` | the matched record and those around it, one a line, bytes as they stand in the log |
//! | `findings.ndjson` | the findings |
//! | `ledger.ndjson` | the ledger's lines of the run, as they are chained |
//! | `manifest.json` | where each record and object lies, with its SHA-256; the SHA-256 of the other files, and of itself |
//!
//! The same input gives the same bytes. Records are kept as they are, which is what makes them evidence; who may read the bundle may read the
//! log anyway, and nobody else should.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use trailloop_finding::sha256;

/// The file that names all others.
pub const MANIFEST: &str = "manifest.json";

/// A log object that records were taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceObject {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version, in a versioned bucket.
    pub version: Option<String>,
    /// The length as stored.
    pub bytes: u64,
    /// SHA-256 of the object as stored, in hexadecimal.
    pub sha256: String,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRecord {
    /// Which of [`Bundle::objects`] it is from.
    pub object: usize,
    /// Its place in it.
    pub index: u64,
    /// Whether the finding is of this one.
    pub is_matched: bool,
    /// Its bytes as they stand in the log.
    pub raw: Bytes,
}

/// What goes into a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The run's id.
    pub run: String,
    /// The finding's id.
    pub finding: String,
    /// The runbook, as `id@version`.
    pub runbook: String,
    /// When the bundle was made, as RFC 3339.
    pub time: String,
    /// The objects.
    pub objects: Vec<SourceObject>,
    /// The records, in the order in which they should be read.
    pub records: Vec<EvidenceRecord>,
    /// Findings, a line of JSON each.
    pub findings: Vec<String>,
    /// Lines of the ledger.
    pub ledger: Vec<String>,
}

/// The files of a bundle, by name.
pub type Files = BTreeMap<String, Bytes>;

impl Bundle {
    /// The files, the manifest among them.
    #[must_use]
    pub fn files(&self) -> Files {
        let mut files = Files::new();
        let records = self.records.iter().map(|record| on_one_line(&record.raw));
        files.insert("records.ndjson".to_owned(), lines(records));
        let texts = |texts: &[String]| lines(texts.iter().map(|text| on_one_line(text.as_bytes())));
        files.insert("findings.ndjson".to_owned(), texts(&self.findings));
        files.insert("ledger.ndjson".to_owned(), texts(&self.ledger));
        let manifest = self.manifest(&files);
        files.insert(MANIFEST.to_owned(), manifest);
        files
    }

    fn manifest(&self, files: &Files) -> Bytes {
        let objects: Vec<Value> = (self.objects.iter())
            .map(|object| {
                json!({
                    "bucket": object.bucket,
                    "key": object.key,
                    "version": object.version,
                    "bytes": object.bytes,
                    "sha256": object.sha256,
                })
            })
            .collect();
        let records: Vec<Value> = (self.records.iter().enumerate())
            .map(|(at, record)| {
                json!({
                    "line": at + 1,
                    "matched": record.is_matched,
                    "object": record.object,
                    "index": record.index,
                    "sha256": sha256(&record.raw),
                })
            })
            .collect();
        let mut listed = Map::new();
        for (name, bytes) in files {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            let entry = json!({"bytes": bytes.len(), "lines": lines, "sha256": sha256(bytes)});
            listed.insert(name.clone(), entry);
        }
        let manifest = json!({
            "format": "trailloop-evidence/1",
            "run": self.run,
            "finding": self.finding,
            "runbook": self.runbook,
            "time": self.time,
            "files": listed,
            "objects": objects,
            "records": records,
        });
        Bytes::from(sealed(manifest))
    }
}

/// What doesn't fit in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A file that the manifest names is not there, or the manifest itself is not.
    #[error("{0} is missing from the bundle; fetch the bundle again")]
    Missing(String),
    /// A file is there that the manifest doesn't name.
    #[error("{0} is not named by the manifest; it does not belong to the bundle")]
    Extra(String),
    /// A file is not what it was.
    #[error("{file} has the SHA-256 {found}, the manifest says {expected}; it was altered")]
    Altered {
        /// The file.
        file: String,
        /// What the manifest says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A record is not that of the manifest.
    #[error("line {line} of records.ndjson is not the record that the manifest describes")]
    Record {
        /// The line, from 1.
        line: usize,
    },
    /// The manifest is not as one is written.
    #[error("manifest.json is not a manifest as this program writes it; it was altered")]
    Manifest,
}

/// Whether the files are those that a bundle was made of; if so, the bundle's hash, which the ledger has.
///
/// A forger can make a whole new bundle that fits: it is the ledger's copy of the hash that tells them apart.
pub fn verify(files: &Files) -> Result<String, Mismatch> {
    let bytes = files.get(MANIFEST).ok_or_else(|| Mismatch::Missing(MANIFEST.to_owned()))?;
    let mut manifest: Value = serde_json::from_slice(bytes).map_err(|_| Mismatch::Manifest)?;
    let members = manifest.as_object_mut().ok_or(Mismatch::Manifest)?;
    let seal = members.shift_remove("sha256").ok_or(Mismatch::Manifest)?;
    let listed = members.get("files").and_then(Value::as_object).ok_or(Mismatch::Manifest)?.clone();
    let records =
        members.get("records").and_then(Value::as_array).ok_or(Mismatch::Manifest)?.clone();
    if sealed(manifest).as_bytes() != bytes.as_ref() {
        return Err(Mismatch::Manifest);
    }
    if let Some(name) = files.keys().find(|name| *name != MANIFEST && !listed.contains_key(*name)) {
        return Err(Mismatch::Extra(name.clone()));
    }
    for (name, entry) in &listed {
        let bytes = files.get(name).ok_or_else(|| Mismatch::Missing(name.clone()))?;
        let expected = entry.get("sha256").and_then(Value::as_str).ok_or(Mismatch::Manifest)?;
        let found = sha256(bytes);
        if found != expected {
            return Err(Mismatch::Altered {
                file: name.clone(),
                expected: expected.to_owned(),
                found,
            });
        }
    }
    let lines = files
        .get("records.ndjson")
        .ok_or_else(|| Mismatch::Missing("records.ndjson".to_owned()))?;
    let count = lines.iter().filter(|byte| **byte == b'\n').count();
    if count != records.len() {
        return Err(Mismatch::Record { line: count.min(records.len()) + 1 });
    }
    Ok(seal.as_str().ok_or(Mismatch::Manifest)?.to_owned())
}

/// The manifest with its own SHA-256 as the last member: that of the same text without the member.
fn sealed(mut manifest: Value) -> String {
    let text = |manifest: &Value| format!("{manifest:#}\n");
    let seal = sha256(text(&manifest).as_bytes());
    manifest["sha256"] = json!(seal);
    text(&manifest)
}

fn lines(texts: impl Iterator<Item = Vec<u8>>) -> Bytes {
    let mut out = Vec::new();
    for text in texts {
        out.extend(text);
        out.push(b'\n');
    }
    Bytes::from(out)
}

/// JSON has line breaks only between its parts, where a space means the same. The manifest has the hash of what it was.
fn on_one_line(json: &[u8]) -> Vec<u8> {
    json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bundle() -> Bundle {
        let record = |index, raw: &'static str| EvidenceRecord {
            object: 0,
            index,
            is_matched: index == 7,
            raw: Bytes::from(raw),
        };
        Bundle {
            run: "0f09babfb92e5b61295388ad84950d61".into(),
            finding: "8389544728669dc9116058ae78dfb033".into(),
            runbook: "contain-iam-user-key@3".into(),
            time: "2026-11-25T09:00:00Z".into(),
            objects: vec![SourceObject {
                bucket: "trail".into(),
                key: "AWSLogs/111122223333/CloudTrail/x.json.gz".into(),
                version: Some("v1".into()),
                bytes: 1_234,
                sha256: "ab".repeat(32),
            }],
            records: vec![record(6, "{\"eventID\":\"e-0\"}"), record(7, "{\"eventID\":\n\"e-1\"}")],
            findings: vec!["{\"class_uid\":2004}".into()],
            ledger: vec!["{\"seq\":1}".into()],
        }
    }

    #[test]
    fn the_same_input_gives_the_same_files() {
        let files = bundle().files();
        assert_eq!(files, bundle().files());
        assert_eq!(files["records.ndjson"], "{\"eventID\":\"e-0\"}\n{\"eventID\": \"e-1\"}\n");
        insta::assert_snapshot!(std::str::from_utf8(&files[MANIFEST]).unwrap());
        assert_eq!(verify(&files).unwrap().len(), 64);
    }

    #[test]
    fn an_empty_bundle_is_whole() {
        assert!(verify(&Bundle::default().files()).is_ok());
    }

    #[test]
    fn no_bit_of_any_file_can_be_turned() {
        let files = bundle().files();
        for (name, bytes) in &files {
            for at in 0..bytes.len() {
                let mut altered = bytes.to_vec();
                altered[at] ^= 1;
                let mut files = files.clone();
                files.insert(name.clone(), Bytes::from(altered));
                assert!(verify(&files).is_err(), "byte {at} of {name}");
            }
        }
    }

    #[test]
    fn no_file_can_be_taken_away_or_added() {
        let files = bundle().files();
        for name in files.keys() {
            let mut fewer = files.clone();
            fewer.remove(name);
            assert_eq!(verify(&fewer), Err(Mismatch::Missing(name.clone())));
        }
        let mut more = files;
        more.insert("note.txt".into(), Bytes::new());
        assert_eq!(verify(&more), Err(Mismatch::Extra("note.txt".into())));
    }

    proptest! {
        #[test]
        fn any_text_is_kept_and_verified(raws in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..10), text: String) {
            let records = raws.iter().map(|raw| EvidenceRecord {
                object: 0,
                index: 0,
                is_matched: false,
                raw: Bytes::from(raw.clone()),
            });
            let bundle = Bundle {
                run: text.clone(),
                findings: vec![text.clone()],
                ledger: vec![text],
                records: records.collect(),
                ..Bundle::default()
            };
            prop_assert!(verify(&bundle.files()).is_ok());
        }

        #[test]
        fn no_manifest_makes_it_panic(manifest: Vec<u8>) {
            let files = Files::from([(MANIFEST.to_owned(), Bytes::from(manifest))]);
            prop_assert!(verify(&files).is_err());
        }
    }
}
