//! The records of `fixtures/logs`, as one object and one by one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use trailloop_cloudtrail::{Limits, Record, RecordBuffer, Scratch, read_records};

/// All records as one log object, neither compressed nor with white space.
///
/// # Panics
///
/// If the fixtures are not there, as are all functions here.
#[must_use]
pub fn plain() -> Vec<u8> {
    [b"{\"Records\":[".as_slice(), &texts().join(&b','), b"]}"].concat()
}

/// The same, compressed.
///
/// # Panics
///
/// If the fixtures are not there.
#[must_use]
pub fn object() -> Vec<u8> {
    let mut encoder: GzEncoder<Vec<u8>> =
        GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    encoder.write_all(&plain()).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// The records parsed, for as long as the process lives.
///
/// # Panics
///
/// If the fixtures are not there.
#[must_use]
pub fn parsed() -> Vec<Record<'static>> {
    let parse = |text: &Vec<u8>| {
        let buffer = Box::leak(Box::new(RecordBuffer::new()));
        Record::parse(text, buffer).expect("the fixtures are valid")
    };
    texts().iter().map(parse).collect()
}

/// The JSON of each record.
fn texts() -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/logs"), &mut paths);
    paths.sort();
    let (mut scratch, mut texts) = (Scratch::new(), Vec::new());
    for path in
        paths.iter().filter(|path| path.components().any(|part| part.as_os_str() == "CloudTrail"))
    {
        let object = fs::read(path).expect("the fixtures are there");
        let read = read_records(&object, &Limits::default(), &mut scratch, |record| {
            texts.push(record.raw().to_vec());
        });
        assert!(read.is_whole(), "{}: {:?}", path.display(), read.reports);
    }
    assert!(texts.len() > 300, "{} records in the fixtures", texts.len());
    texts
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the fixtures are there").flatten() {
        if entry.path().is_dir() {
            walk(&entry.path(), paths);
        } else {
            paths.push(entry.path());
        }
    }
}
