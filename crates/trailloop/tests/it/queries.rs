//! `trailloop query`: what it says when a question can't be answered, and what an answer cost.

use std::fs;

use serde_json::json;

use crate::support::{run, status, stderr, text};

/// A folder with two records, and a hidden copy of them that nobody asks for.
fn logs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let record = |name: &str| json!({"eventVersion": "1.09", "eventName": name, "eventTime": "2026-01-31T10:00:00Z"});
    let object = json!({"Records": [record("GetObject"), record("PutObject")]}).to_string();
    for name in ["a.json", ".b.json", ".c/a.json"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &object).unwrap();
    }
    folder
}

#[test]
fn what_is_wrong_is_one_line_with_the_next_step() {
    let folder = logs();
    let logs = text(folder.path());
    let grouped = "SELECT eventname, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1";
    let twice = "SELECT a.eventid, b.eventid FROM cloudtrail a JOIN cloudtrail b ON a.eventtime = b.eventtime";
    let all = "SELECT * FROM cloudtrail";
    let asked: [(i32, &[&str], &[&str]); 8] = [
        (2, &["SELEC eventname FROM cloudtrail"], &["found: SELEC at Line: 1, Column: 1"]),
        (
            2,
            &["SELECT eventnam FROM cloudtrail"],
            &["there is no column eventnam; did you mean eventname?"],
        ),
        (
            2,
            &["SELECT * FROM trails"],
            &["there is no table trails; the logs are the table cloudtrail"],
        ),
        (
            2,
            &[all, "--bytes-max", "10"],
            &[
                "at most 10 are allowed; ask for fewer accounts, regions or days, or raise --bytes-max",
            ],
        ),
        (
            1,
            &[grouped, "--memory-max", "100"],
            &[
                "needs more memory than it may have; ask for fewer groups or rows, or raise --memory-max: ",
            ],
        ),
        (
            2,
            &[twice, "--format", "ndjson"],
            &["two columns of the answer are named eventid", "a.eventid AS other"],
        ),
        (
            2,
            &[all, "--source", "s3:///AWSLogs/"],
            &["s3:///AWSLogs/ names no bucket; write s3://bucket/prefix"],
        ),
        (
            2,
            &[all, "--source", "/no/such/folder"],
            &[
                "failed to read /no/such/folder: ",
                "; name a file or folder of logs, or s3://bucket/prefix",
            ],
        ),
    ];
    for (code, arguments, expected) in asked {
        let mut all = vec!["--quiet", "query", "run"];
        all.extend(arguments);
        if !arguments.contains(&"--source") {
            all.extend(["--source", logs]);
        }
        let output = run(&all);
        let said = stderr(&output);
        assert_eq!(said.trim().lines().count(), 1, "{arguments:?}: {said}");
        assert_eq!(status(&output), code, "{said}");
        for part in expected {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn an_answer_tells_what_it_cost_and_leaves_hidden_files_out() {
    let folder = logs();
    let sql = "SELECT eventname, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1";
    let output = run(&["query", "run", sql, "--source", text(folder.path()), "--format", "csv"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "eventname,n\nGetObject,1\nPutObject,1\n");
    let said = stderr(&output);
    assert!(said.contains("2 rows; 2 records in 1 of 1 objects"), "{said}");
    let (_, memory) = said.split_once("of JSON, ").unwrap();
    let bytes: String = memory.split(" of memory").next().unwrap().replace(',', "");
    assert!(bytes.trim().parse::<u64>().is_ok_and(|bytes| bytes > 0), "{said}");
    // A hidden file that is named is read.
    let hidden = folder.path().join(".b.json");
    let output =
        run(&["--quiet", "query", "run", sql, "--source", text(&hidden), "--format", "csv"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "eventname,n\nGetObject,1\nPutObject,1\n");
}
