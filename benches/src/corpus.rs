//! The files that are measured on, made once.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trailloop::synth::{SynthArgs, write};
use trailloop_cloudtrail::{Limits, Scratch, read_records};

/// Log objects in a folder.
pub struct Corpus {
    /// Where they are.
    pub folder: PathBuf,
    /// How many objects.
    pub objects: u64,
    /// Their bytes as stored.
    pub bytes_compressed: u64,
    /// Their bytes of JSON.
    pub bytes_raw: u64,
    /// How many records.
    pub records: u64,
}

/// Written beside the objects when they are whole; its name is hidden, so that nobody takes it for one.
const MADE: &str = ".made.json";

impl Corpus {
    /// Objects of the synthetic organization: what `trailloop synth --objects --records` writes.
    pub fn synthetic(folder: PathBuf, objects: u32, records: u32) -> Self {
        let by = json!({ "objects": objects, "records": records });
        Self::made(folder, by, |folder| {
            let arguments = SynthArgs {
                out: folder.to_owned(),
                seed: 1,
                objects,
                records,
                accounts: 36,
                start: jiff::civil::date(2026, 11, 2),
            };
            write(&arguments, || ()).expect("write the corpus");
        })
    }

    /// What lies there from an earlier time if it was made in the same way, else what `make` writes.
    pub fn made(folder: PathBuf, mut by: Value, make: impl FnOnce(&Path)) -> Self {
        by["organization"] = json!(organization());
        let path = folder.join(MADE);
        let kept = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let kept: Option<Value> = kept.filter(|kept: &Value| kept["by"] == by);
        let made = kept.unwrap_or_else(|| {
            say(&format!("making {}", folder.display()));
            fs::remove_dir_all(&folder).ok();
            fs::create_dir_all(&folder).expect("make a folder for the corpus");
            make(&folder);
            let made = count(&folder, &by);
            fs::write(&path, made.to_string()).expect("write the corpus");
            made
        });
        let number = |key: &str| made[key].as_u64().expect("a count");
        Self {
            objects: number("objects"),
            bytes_compressed: number("bytes_compressed"),
            bytes_raw: number("bytes_raw"),
            records: number("records"),
            folder,
        }
    }

    /// What it is.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    #[must_use]
    pub fn describe(&self) -> String {
        let Self { objects, records, bytes_raw, bytes_compressed, .. } = self;
        format!(
            "{objects} objects, {records} records, {} MB of JSON, compressed {:.1} times",
            bytes_raw / 1_000_000,
            *bytes_raw as f64 / *bytes_compressed as f64
        )
    }

    /// Reads every file once, so that no contender waits for the disk.
    pub fn warm(&self) {
        for path in files(&self.folder) {
            fs::read(path).expect("read the corpus");
        }
    }
}

/// Another number when the organization has become another one.
fn organization() -> u64 {
    let mut hasher = DefaultHasher::new();
    crate::corpus(1, 500)[0].bytes.hash(&mut hasher);
    hasher.finish()
}

fn count(folder: &Path, by: &Value) -> Value {
    let (mut scratch, mut objects) = (Scratch::new(), 0);
    let (mut bytes_compressed, mut bytes_raw, mut records) = (0, 0, 0);
    for path in files(folder) {
        let object = fs::read(path).expect("read the corpus");
        let read = read_records(&object, &Limits::default(), &mut scratch, |_| ());
        assert!(read.is_whole(), "{:?}", read.reports);
        objects += 1;
        bytes_compressed += object.len() as u64;
        bytes_raw += read.bytes_raw;
        records += read.records;
    }
    json!({
        "by": by,
        "objects": objects,
        "bytes_compressed": bytes_compressed,
        "bytes_raw": bytes_raw,
        "records": records,
    })
}

/// The objects below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("read the corpus") {
            let entry = entry.expect("read the corpus");
            if entry.file_type().expect("read the corpus").is_dir() {
                folders.push(entry.path());
            } else if !entry.file_name().to_string_lossy().starts_with('.') {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

/// Tells the person at the terminal why it takes so long.
#[expect(clippy::print_stderr, reason = "for the person at the terminal")]
pub fn say(text: &str) {
    eprintln!("{text}");
}
