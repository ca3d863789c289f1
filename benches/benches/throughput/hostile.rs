//! Objects that somebody made to cost much, beside those of a quiet organization: what a byte of them costs.
//!
//! Whoever can make calls in an account chooses what they ask for: calls that rules look for, long documents full of
//! quotation marks, deep nesting, and all of it until an object is as long as can be.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde_json::json;
use trailloop_benches::apis::pairs;
use trailloop_benches::corpus::Corpus;
use trailloop_benches::records::Records;

use crate::Arguments;
use crate::contender::{Contender, Outcome};

use crate::table::{rate, rate_of_cpu};

/// The rules that are matched.
const RULES: &str = "800";

/// A hostile byte may cost this many times a quiet one.
const TIMES_MAX: f64 = 4.0;

/// So many distinct APIs are called; rules name each.
const APIS: usize = 100;

/// The bytes of a long record.
const LONG_BYTES: usize = 8 << 10;
/// How deep a deep record nests.
const DEPTH: usize = 100;

/// How records are hostile, in so many objects of so many.
struct Hostile {
    name: &'static str,
    what: &'static str,
    objects: usize,
    records: usize,
    /// Rules look for each.
    matching: bool,
    long: bool,
    deep: bool,
}

const QUIET: Hostile = Hostile {
    name: "quiet",
    what: "",
    objects: 8,
    records: 8000,
    matching: false,
    long: false,
    deep: false,
};

const ALL: [Hostile; 4] = [
    Hostile { name: "matching", what: "every record matches", matching: true, ..QUIET },
    Hostile {
        name: "long",
        what: "8 KB records, full of escapes",
        records: 1000,
        long: true,
        ..QUIET
    },
    Hostile { name: "deep", what: "nested 100 levels deep", deep: true, ..QUIET },
    Hostile {
        name: "together",
        what: "all of these, one object of 300 MB in one line",
        objects: 1,
        records: 300_000_000 / LONG_BYTES,
        matching: true,
        long: true,
        deep: true,
    },
];

/// A corpus, and our engine on it.
struct Row {
    what: &'static str,
    corpus: Corpus,
    contender: Contender,
}

pub(crate) fn measure(arguments: &Arguments) {
    let folder = |name: &str| arguments.folder.join(name);
    let quiet = Corpus::synthetic(folder("busy"), arguments.busy_objects, 8000);
    let mut corpora = vec![("a quiet organization", quiet)];
    for hostile in ALL {
        let by = json!({ "objects": hostile.objects, "records": hostile.records });
        let folder = folder(&format!("hostile-{}", hostile.name));
        corpora.push((hostile.what, Corpus::made(folder, by, |folder| hostile.write(folder))));
    }
    let contenders = Contender::ours(RULES, &vec![1; corpora.len()]);
    let row = |((what, corpus), contender)| Row { what, corpus, contender };
    let mut rows: Vec<Row> = corpora.into_iter().zip(contenders).map(row).collect();
    rows.iter().for_each(|row| row.corpus.warm());
    for _ in 0..arguments.rounds {
        rows.iter_mut().for_each(|row| row.contender.run(&row.corpus));
    }
    print(&rows, arguments.rounds);
}

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
fn print(rows: &[Row], rounds: usize) {
    println!(
        "\n## Hostile objects\n\nTrailloop, {RULES} rules, 1 thread; best of {rounds} rounds. A byte may cost {TIMES_MAX} \
         times a quiet one.\n\n\
         | What | MB/s of JSON | Cost of a byte | CPU of a byte | Findings | Peak, MB | Corpus |\n\
         |---|---|---|---|---|---|---|"
    );
    for Row { what, corpus, contender } in rows {
        let outcome = contender.best.as_ref().expect("our engine takes part");
        let cost = |speed: fn(&Outcome, &Corpus) -> f64| {
            let quiet = rows[0].contender.best.as_ref().expect("our engine takes part");
            speed(quiet, &rows[0].corpus) / speed(outcome, corpus)
        };
        assert!(contender.read_all(corpus), "{what}: something was left out");
        println!(
            "| {what} | {:.0} | {:.2} | {:.2} | {} | {} | {} |",
            rate(outcome, corpus),
            cost(rate),
            cost(rate_of_cpu),
            outcome.findings,
            outcome.peak_bytes / 1_000_000,
            corpus.describe()
        );
    }
}

impl Hostile {
    fn write(&self, folder: &Path) {
        let quiet: Vec<String> = Records::synthetic(2000)
            .each
            .into_iter()
            .map(|record| String::from_utf8(record).expect("JSON is text"))
            .collect();
        let apis = pairs();
        let mut nth = 0;
        for object in 0..self.objects {
            let path = folder.join(format!("{object:03}.json.gz"));
            let file = BufWriter::new(File::create(path).expect("write the corpus"));
            let mut gzip: GzEncoder<_> = GzBuilder::new().write(file, Compression::default());
            gzip.write_all(b"{\"Records\":[").expect("write the corpus");
            for record in 0..self.records {
                let comma = if record == 0 { "" } else { "," };
                let mut text = quiet[nth % quiet.len()].clone();
                self.spoil(&mut text, nth, &apis);
                write!(gzip, "{comma}{text}").expect("write the corpus");
                nth += 1;
            }
            gzip.write_all(b"]}").expect("write the corpus");
            gzip.finish().and_then(|mut file| file.flush()).expect("write the corpus");
        }
        assert!(fs::read_dir(folder).is_ok_and(|entries| entries.count() == self.objects));
    }

    /// Makes a quiet record hostile.
    fn spoil(&self, record: &mut String, nth: usize, apis: &[(String, String)]) {
        if self.matching {
            let (source, name) = &apis[nth % APIS];
            let call = format!("\"{source}\",\"eventName\":\"{name}\"");
            replace(record, "\"eventSource\":", ",\"awsRegion\"", &call);
        }
        if self.long || self.deep {
            let deep = if self.deep { nested(DEPTH - 2) } else { "0".to_owned() };
            let around = record.len() + deep.len();
            let length = if self.long { LONG_BYTES.saturating_sub(around) } else { 0 };
            let parameters =
                format!("{{\"policyDocument\":\"{}\",\"deep\":{deep}}}", document(length, nth));
            replace(record, "\"requestParameters\":", ",\"responseElements\"", &parameters);
        }
    }
}

/// Puts `new` between two marks, which stand in every record of the synthetic organization.
fn replace(record: &mut String, before: &str, after: &str, new: &str) {
    let start = record.find(before).expect("records have the same keys") + before.len();
    let end = start + record[start..].find(after).expect("records have the same keys");
    record.replace_range(start..end, new);
}

/// Arrays in objects in arrays, so many levels.
fn nested(levels: usize) -> String {
    let open: String =
        (0..levels).map(|level| if level % 2 == 0 { "{\"a\":" } else { "[" }).collect();
    let close: String =
        (0..levels).rev().map(|level| if level % 2 == 0 { "}" } else { "]" }).collect();
    format!("{open}1{close}")
}

/// A policy as JSON in a JSON string, about so long.
fn document(length: usize, nth: usize) -> String {
    let mut text = String::from(r#"{\"Version\":\"2012-10-17\",\"Statement\":["#);
    while text.len() < length {
        let number = nth * 31 + text.len();
        text.push_str(r#"{\"Effect\":\"Allow\",\"eventName\":\"CreateUser\",\"Resource\":\"arn:aws:s3:::example-"#);
        text.push_str(&number.to_string());
        text.push_str(r#"\\/*\"},"#);
    }
    text.push_str("]}");
    text
}
