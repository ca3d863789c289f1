//! The shape of log objects below folders, a column for each folder: how long, how compressible, how varied.
//!
//!     cargo run --release -p trailloop-benches --example shape -- FOLDER...

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use trailloop_cloudtrail::{Limits, Record, Scratch, read_records};

/// What was counted below a folder.
#[derive(Default)]
struct Shape {
    objects: u64,
    bytes_compressed: u64,
    bytes_raw: u64,
    records: u64,
    data: u64,
    machines: u64,
    user_agents: HashSet<String>,
    arns: HashSet<String>,
    /// Of an event source and a name.
    events: HashSet<(String, String)>,
}

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
fn main() -> Result<(), String> {
    let mut columns = Vec::new();
    for folder in env::args().skip(1) {
        let shape =
            Shape::of(Path::new(&folder)).map_err(|error| format!("read {folder}: {error}"))?;
        let name = Path::new(&folder).file_name().unwrap_or(folder.as_ref());
        columns.push(shape.column(&name.to_string_lossy()));
    }
    if columns.is_empty() {
        return Err("name folders with log objects".to_owned());
    }
    for (nth, label) in LABELS.iter().enumerate() {
        let cells: Vec<&str> = columns.iter().map(|column| column[nth].as_str()).collect();
        println!("| {label} | {} |", cells.join(" | "));
        if nth == 0 {
            println!("|{}", "---|".repeat(columns.len() + 1));
        }
    }
    Ok(())
}

const LABELS: [&str; 12] = [
    "",
    "objects",
    "records",
    "records an object",
    "compressed bytes an object",
    "bytes a record",
    "compressed",
    "data events",
    "by roles and services",
    "distinct user agents",
    "distinct ARNs of callers",
    "distinct events",
];

impl Shape {
    fn of(folder: &Path) -> io::Result<Self> {
        let (mut shape, mut scratch) = (Self::default(), Scratch::new());
        let mut paths = vec![folder.to_owned()];
        while let Some(path) = paths.pop() {
            if path.is_dir() {
                let entries: io::Result<Vec<PathBuf>> =
                    fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect();
                paths.extend(entries?);
                continue;
            }
            let object = fs::read(&path)?;
            let read = read_records(&object, &Limits::default(), &mut scratch, |record| {
                shape.count(&record);
            });
            if !read.is_whole() {
                return Err(io::Error::other(format!("{}: {:?}", path.display(), read.reports)));
            }
            shape.objects += 1;
            shape.bytes_compressed += object.len() as u64;
            shape.bytes_raw += read.bytes_raw;
        }
        Ok(shape)
    }

    fn count(&mut self, record: &Record<'_>) {
        let text = |path: &[&str]| record.text(path).unwrap_or_default();
        self.records += 1;
        self.data += u64::from(text(&["eventCategory"]) == "Data");
        let kind = text(&["userIdentity", "type"]);
        self.machines += u64::from(matches!(kind, "AssumedRole" | "AWSService"));
        insert(&mut self.user_agents, text(&["userAgent"]));
        insert(&mut self.arns, text(&["userIdentity", "arn"]));
        let event = (text(&["eventSource"]).to_owned(), text(&["eventName"]).to_owned());
        self.events.insert(event);
    }

    fn column(&self, name: &str) -> [String; LABELS.len()] {
        let (objects, records) = (self.objects.max(1), self.records.max(1));
        [
            name.to_owned(),
            self.objects.to_string(),
            self.records.to_string(),
            (self.records / objects).to_string(),
            (self.bytes_compressed / objects).to_string(),
            (self.bytes_raw / records).to_string(),
            format!("{} times", tenths(self.bytes_raw, self.bytes_compressed)),
            format!("{} %", tenths(100 * self.data, records)),
            format!("{} %", tenths(100 * self.machines, records)),
            self.user_agents.len().to_string(),
            self.arns.len().to_string(),
            self.events.len().to_string(),
        ]
    }
}

/// Most texts are there already, and then nothing is copied.
fn insert(texts: &mut HashSet<String>, text: &str) {
    if !text.is_empty() && !texts.contains(text) {
        texts.insert(text.to_owned());
    }
}

/// A quotient with one digit after the point.
fn tenths(count: u64, of: u64) -> String {
    let tenths = (count * 10 + of / 2) / of.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}
