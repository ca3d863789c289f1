//! `replay --index`: what queries leave objects out by, from the same reading as the findings.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::{lines, run, status, stderr, text};

const OBJECTS: usize = 200;

fn gzip(records: &[Value]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(json!({ "Records": records }).to_string().as_bytes()).unwrap();
    gzip.finish().unwrap()
}

/// A caller of its own in each object, who stops a trail, and one object that is cut off.
fn logs(folder: &Path) {
    let day = folder.join("AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/31");
    std::fs::create_dir_all(&day).unwrap();
    for nth in 0..=OBJECTS {
        let mut record = json!({
            "eventVersion": "1.09", "eventTime": "2026-01-31T10:00:00Z", "eventID": format!("e{nth}"),
            "eventSource": "cloudtrail.amazonaws.com", "eventName": "StopLogging", "awsRegion": "eu-west-1",
            "recipientAccountId": "111122223333", "sourceIPAddress": "198.51.100.7",
            "userIdentity": {"type": "IAMUser", "accessKeyId": format!("AKIA{nth:016}"),
                "arn": format!("arn:aws:iam::111122223333:user/u{nth}")},
        });
        let mut records = vec![record.clone()];
        // Many records of few callers, as logs have them.
        for other in 0..100 {
            record["eventID"] = json!(format!("e{nth}-{other}"));
            record["eventName"] = json!("DescribeTrails");
            record["requestID"] = json!(format!("{:032x}", other * 7_919 + nth * 104_729));
            records.push(record.clone());
        }
        let mut body = gzip(&records);
        if nth == OBJECTS {
            body.truncate(body.len() - 9);
        }
        std::fs::write(day.join(format!("{nth:03}.json.gz")), body).unwrap();
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let below = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        if path.is_dir() { bytes_below(&path) } else { path.metadata().unwrap().len() }
    };
    std::fs::read_dir(folder).unwrap().map(below).sum()
}

#[test]
fn a_replay_keeps_an_index_and_its_findings_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (source, index) = (folder.path().join("logs"), folder.path().join("index"));
    logs(&source);
    let with = run(&["replay", text(&source), "--index", text(&index)]);
    let without = run(&["replay", text(&source)]);
    assert_eq!((status(&with), status(&without)), (0, 0), "{}", stderr(&with));
    assert!(lines(&with.stdout).len() >= OBJECTS);
    assert_eq!(with.stdout, without.stdout);
    assert!(bytes_below(&index) * 50 <= bytes_below(&source), "{}", bytes_below(&index));

    let sql = "SELECT eventname, count(*) AS n FROM cloudtrail WHERE useridentity.accesskeyid = :key GROUP BY 1 ORDER BY 1";
    let ask = |sql: &str, place: &Path, more: &[&str]| {
        let arguments =
            ["query", "run", sql, "--source", text(place), "--param", "key=AKIA0000000000000042"];
        run(&[&arguments[..], more].concat())
    };
    let ndjson = ["--format", "ndjson"];
    let indexed = [&ndjson[..], &["--index", text(&index)]].concat();
    let all = ask(sql, &source, &ndjson);
    // The place may be named from within, too: the key of an object is the same.
    for place in [&source, &source.join("AWSLogs/111122223333")] {
        let few = ask(sql, place, &indexed);
        assert_eq!(few.stdout, all.stdout);
        assert_eq!(lines(&few.stdout)[1], json!({"eventname": "StopLogging", "n": 1}));
        // The object that is cut off is not in the index: it is read, and told.
        assert_eq!(status(&few), 1);
        let said = stderr(&few);
        let read = said.lines().find_map(|line| line.split_once(" records in ")).unwrap().1;
        let (read, of) = read.split_once(" objects").unwrap().0.split_once(" of ").unwrap();
        assert_eq!(read, of, "{said}");
        assert!((2..=4).contains(&read.parse::<usize>().unwrap()), "{said}");
    }
    let plan = ask(&format!("EXPLAIN {sql}"), &source, &indexed);
    let plan = String::from_utf8(plan.stdout).unwrap();
    let skipped = plan.split_once("skipped_by_index=").unwrap().1;
    let digits: String = skipped.chars().take_while(char::is_ascii_digit).collect();
    assert!((OBJECTS - 3..OBJECTS).contains(&digits.parse().unwrap()), "{plan}");
}

#[test]
fn an_index_that_can_not_be_written_costs_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let (source, index) = (folder.path().join("logs"), folder.path().join("index"));
    logs(&source);
    // A file stands where the folder should be.
    std::fs::write(&index, "").unwrap();
    let with = run(&["replay", text(&source), "--index", text(&index)]);
    let without = run(&["replay", text(&source)]);
    assert_eq!(with.stdout, without.stdout);
    assert_eq!(status(&with), 1);
    assert!(stderr(&with).contains("failed to write the index"), "{}", stderr(&with));
}
