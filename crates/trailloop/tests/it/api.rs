//! The API, over HTTP with a state in a file: what it answers, what it refuses, and its document tried on it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use trailloop_cloud::{Clock, LocalTable};
use trailloop_feedback::Entry;
use trailloop_respond::{day_of, store};

use crate::support::{lines, run, say, status, stderr, text, trailloop};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The finding and the incident that the document's examples name.
const FINDING: &str = "5c9c2a6f0b1d4e3a8f7e6d5c4b3a2910";
const INCIDENT: &str = "62229640f87a1c9793eb1dedfe98e6b7";

/// A service that answers the API over a state with two findings.
struct Served {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself, which a test tells.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn finding(uid: &str, rule: &str, title: &str) -> Entry {
    let finding = json!({
        "finding_info": {
            "uid": uid,
            "title": title,
            "analytic": {"uid": rule},
            "attacks": [{"tactics": [{"uid": "TA0005", "name": "Defense Evasion"}]}],
        },
        "severity_id": 4,
        "time": Clock::System.now_ms() - 60_000,
        "cloud": {"account": {"uid": "111122223333"}, "region": "us-east-1"},
        "evidences": [{"actor": {"user": {"uid": "arn:aws:iam::111122223333:user/bob"}}}],
    });
    Entry::of(&finding).unwrap()
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.sqlite");
        let table = LocalTable::open(&state).unwrap();
        let day = day_of(Clock::System.now_ms());
        Runtime::new().unwrap().block_on(async {
            let hostile = "Trail <b>stopped\u{1b}[31m";
            for one in [finding(FINDING, "r1", hostile), finding(&"b".repeat(32), "r2", "Other")] {
                store::take(&table, &one, &day).await.unwrap();
            }
        });
        let (token, config) = (folder.path().join("token"), folder.path().join("trailloop.toml"));
        fs::write(&token, format!("{TOKEN}\n")).unwrap();
        let quoted = |path: &std::path::Path| format!("'{}'", text(path));
        let keys = format!(
            "[respond]\nstate = {}\n[api]\nlisten = '127.0.0.1:0'\ntoken_file = {}\n",
            quoted(&state),
            quoted(&token)
        );
        fs::write(&config, keys).unwrap();
        let mut child = trailloop()
            .args(["serve", "--config", text(&config)])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        let address = said["fields"]["address"].as_str().or(said["address"].as_str());
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        // The rest of the log is read, so that the service is never held up by it.
        std::thread::spawn(move || drop(log.read_to_string(&mut String::new())));
        Self { child, address, folder }
    }

    /// Asks, with these lines in the head, and gives status and body.
    fn ask(&self, line: &str, head: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let sent = write!(
            stream,
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
        );
        // A body that is too long need not be read to its end.
        drop(sent);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{line}: {answer:?}"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/json"), "{head}");
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}")))
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.ask(&format!("GET {path}"), &format!("Authorization: Bearer {TOKEN}\r\n"), "")
    }

    fn judge(&self, id: &str, said: &str) -> (u16, Value) {
        let line = format!("POST /v1/findings/{id}/verdicts");
        self.ask(&line, &format!("Authorization: Bearer {TOKEN}\r\n"), said)
    }

    fn config(&self) -> String {
        text(&self.folder.path().join("trailloop.toml")).to_owned()
    }

    /// What a command prints, which must succeed.
    fn command(&self, arguments: &[&str]) -> String {
        let config = self.config();
        let output = run(&[arguments, &["--config", &config]].concat());
        assert_eq!(status(&output), 0, "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn error(answer: &Value) -> &str {
    answer["error"].as_str().unwrap()
}

#[test]
fn findings_are_listed_judged_and_explained() {
    let served = Served::new();
    let (status, listed) = served.get("/v1/findings?level=high");
    assert_eq!((status, listed["findings"].as_array().unwrap().len()), (200, 2));
    let verdict = r#"{"verdict":"false_positive","reason":"wrong_logic","by":"ana"}"#;
    let (status, judged) = served.judge(FINDING, verdict);
    assert_eq!((status, &judged["verdict"]), (201, &json!("false_positive")), "{judged}");
    let (_, listed) = served.get("/v1/findings");
    assert_eq!(listed["findings"].as_array().unwrap().len(), 1, "what is judged waits no more");
    let (_, listed) = served.get("/v1/findings?verdict=false_positive");
    assert_eq!(listed["findings"][0]["uid"], FINDING);

    // The commands say the same, and no character of a record steers the terminal.
    let all = served.command(&["findings", "list", "--all", "--format", "ndjson"]);
    assert_eq!(lines(all.as_bytes()).len(), 2);
    let table = served.command(&["findings", "list", "--all"]);
    assert!(table.contains("false_positive") && table.contains("2 findings"), "{table}");
    assert!(!table.contains('\u{1b}') && table.contains("\\u{1b}"), "{table}");
    let why = served.command(&["findings", "why", FINDING]);
    assert!(why.contains("priority ") && why.contains("log odds"), "{why}");
    let shown = served.command(&["findings", "show", FINDING]);
    assert!(shown.contains("wrong_logic"), "{shown}");
    served.command(&["verdict", FINDING, "true_positive", "--reason", "malicious", "--by", "ben"]);
    let (_, one) = served.get(&format!("/v1/findings/{FINDING}"));
    assert_eq!((&one["verdict"], &one["disagreement"]), (&json!("true_positive"), &json!(true)));

    let (_, incidents) = served.get("/v1/incidents");
    assert_eq!(incidents["incidents"].as_array().unwrap().len(), 1, "one caller, one incident");
    let (status, incident) = served.get(&format!("/v1/incidents/{INCIDENT}"));
    assert_eq!((status, &incident["class_uid"]), (200, &json!(2005)), "{incident}");
    let told = served.command(&["incidents", "show", INCIDENT]);
    assert!(told.contains("arn:aws:iam::111122223333:user/bob"), "{told}");
    assert!(served.command(&["incidents", "list"]).contains("1 incidents"));
}

#[test]
fn what_is_wrong_is_refused_with_its_reason() {
    let served = Served::new();
    for head in ["", "Authorization: Bearer no\r\n", "Authorization: Basic x\r\n"] {
        let (status, answer) = served.ask("GET /v1/findings", head, "");
        assert_eq!(status, 401, "{head}");
        assert!(error(&answer).contains("api.token_file"), "{answer}");
    }
    let unknown = "0".repeat(32);
    let good = r#"{"verdict":"test","reason":"test","by":"ana"}"#;
    let long = format!(r#"{{"verdict":"{}"}}"#, "x".repeat(1 << 20));
    let refused = [
        (served.get("/v1/findings?level=grave"), 400, "level must be one of"),
        (served.get("/v1/findings?limit=0"), 400, "limit must be from 1"),
        (served.get("/v1/findings?colour=red"), 400, "unknown field"),
        (served.get("/v1/findings/xyz"), 400, "32 hexadecimal digits"),
        (served.get(&format!("/v1/findings/{unknown}")), 404, "no finding"),
        (served.get(&format!("/v1/incidents/{unknown}")), 404, "no incident"),
        (served.get("/v2"), 404, "/v1/openapi.json"),
        (served.judge(&unknown, good), 404, "no finding"),
        (served.judge(FINDING, "{"), 400, "the body must be"),
        (
            served.judge(FINDING, &good.replace("\"reason\":\"test\"", "\"reason\":\"vendor\"")),
            400,
            "reason of a test",
        ),
        (served.judge(FINDING, &good.replace("ana", "a\\nb")), 400, "by must be"),
        (served.judge(FINDING, &good.replace("\"by\"", "\"author\"")), 400, "unknown field"),
        (served.judge(FINDING, &long), 413, "at most 16384 bytes"),
        (
            served.ask("DELETE /v1/findings", &format!("Authorization: Bearer {TOKEN}\r\n"), ""),
            405,
            "method",
        ),
    ];
    for ((status, answer), expected, why) in refused {
        assert_eq!(status, expected, "{answer}");
        assert!(error(&answer).contains(why), "{why}: {answer}");
    }
    let config = served.config();
    let output =
        run(&["verdict", FINDING, "test", "--reason", "vendor", "--by", "a", "--config", &config]);
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("its reasons are test, canary"), "{}", stderr(&output));
    let output = run(&["findings", "why", &unknown, "--config", &config]);
    assert_eq!(status(&output), 2, "{}", stderr(&output));
}

#[test]
fn verdicts_survive_a_restart() {
    let served = Served::new();
    let verdict = r#"{"verdict":"true_positive","reason":"malicious","by":"ana"}"#;
    assert_eq!(served.judge(FINDING, verdict).0, 201);
    // What is answered is written.
    let pid = served.child.id().to_string();
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    let shown = served.command(&["findings", "list", "--all", "--format", "ndjson"]);
    let judged = lines(shown.as_bytes()).into_iter().find(|one| one["uid"] == FINDING).unwrap();
    assert_eq!(judged["verdict"], "true_positive");
}

#[test]
fn every_example_of_the_document_works() {
    let served = Served::new();
    let (status, document) = served.ask("GET /v1/openapi.json", "", "");
    assert_eq!(status, 200);
    let example = &document["paths"]["/v1/incidents/{id}"]["get"]["parameters"][0]["example"];
    assert_eq!(example, INCIDENT, "the incident of the example's finding");
    if Command::new("schemathesis").arg("--version").output().is_err() {
        say("skipped: schemathesis is not there; scripts/test installs it");
        return;
    }
    let url = format!("http://{}/v1/openapi.json", served.address);
    let output = Command::new("schemathesis")
        .args(["run", &url, "--header", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "1"])
        .args(["--workers", "1", "--no-color"])
        .current_dir(served.folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
