//! What findings share, and what a worker keeps, changes none of them.

use std::fs;
use std::path::{Path, PathBuf};

use trailloop_cloudtrail::{Limits, Record, RecordBuffer, Scratch, read_records};
use trailloop_finding::{FINDING_BYTES_MAX, Finding, FindingScratch, Findings};

use crate::{ORIGIN, analytic};

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn a_finding_is_the_same_alone_and_among_others() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let rules = [analytic("one"), analytic("an\u{ffff}other")];
    let mut scratch = FindingScratch::default();
    let (mut records, mut references) = (0, 0);
    let mut check = |record: Record<'_>| {
        let mut findings = Findings::new(record, ORIGIN, &mut scratch);
        for rule in rules.iter().chain(&rules) {
            let finding = findings.of(rule);
            assert_eq!(finding, Finding::new(rule, record, ORIGIN));
            assert!(finding.json.len() <= FINDING_BYTES_MAX);
            references += u32::from(finding.json.contains(r#""raw_data":"{\"bucket\":"#));
        }
        records += 1;
    };
    for folder in ["logs", "hostile"] {
        for file in files_below(&fixtures.join(folder)) {
            let object = fs::read(file).unwrap();
            read_records(&object, &Limits::default(), &mut Scratch::new(), &mut check);
        }
    }
    assert!(records > 100, "{records} records");
    assert!(references > 0, "one of them is too long to stand in its finding");
}

#[test]
fn what_a_rule_says_decides_whether_a_long_record_still_fits() {
    let long = |length: usize| format!(r#"{{"eventID":"e","x":"{}"}}"#, "x".repeat(length));
    let (short_rule, mut long_rule) = (analytic("short"), analytic("long"));
    long_rule.description = Some("word ".repeat(100));
    let fits = |length: usize| {
        let mut buffer = RecordBuffer::new();
        let json = long(length);
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        let mut scratch = FindingScratch::default();
        let mut findings = Findings::new(record, ORIGIN, &mut scratch);
        [&long_rule, &short_rule, &long_rule].map(|rule| {
            let finding = findings.of(rule);
            assert_eq!(finding, Finding::new(rule, record, ORIGIN));
            !finding.json.contains("sha256")
        })
    };
    let at_most = |rule| Finding::new(rule, record_of(&mut RecordBuffer::new()), ORIGIN).json.len();
    let spare = FINDING_BYTES_MAX - at_most(&long_rule);
    // The size of the record is told as well, by so many more digits.
    let spare = spare - (spare.to_string().len() - "22".len());
    assert_eq!(fits(spare), [true; 3]);
    assert_eq!(fits(spare + 1), [false, true, false]);
    assert_eq!(fits(spare + 10_000), [false; 3]);
}

fn record_of<'a>(buffer: &'a mut RecordBuffer<'a>) -> Record<'a> {
    Record::parse(br#"{"eventID":"e","x":""}"#, buffer).unwrap()
}
