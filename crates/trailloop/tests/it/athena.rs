//! `query run --engine athena`, by a server that answers as Athena does and keeps what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};

use crate::support::{status, stderr, trailloop};

/// What was asked: the operation and its body.
type Asked = (String, Value);

/// Answers each operation with what the test prepared for it, the last one over and over.
struct FakeAthena {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Hears of each look at the state.
    looks: mpsc::Receiver<()>,
}

impl FakeAthena {
    fn start(answers: &[(&str, Vec<(u16, Value)>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let (look, looks) = mpsc::channel();
        let mut answers: BTreeMap<String, Vec<(u16, Value)>> =
            answers.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect();
        // It ends with the process of the tests.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let Some((operation, body)) = read(&client) else { continue };
                kept.lock().unwrap().push((operation.clone(), body));
                let of = answers.entry(operation.clone()).or_default();
                let (status, answer) = match of.len() {
                    0 => (200, json!({})),
                    1 => of[0].clone(),
                    _ => of.remove(0),
                };
                let answer = answer.to_string();
                let length = answer.len();
                // A client that was killed does not wait for it.
                write!(client, "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}").ok();
                if operation == "GetQueryExecution" {
                    look.send(()).ok();
                }
            }
        });
        Self { address, asked, looks }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = trailloop();
        command
            .args(["query", "run", "--engine", "athena", "--endpoint-url"])
            .arg(format!("http://{}", self.address))
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn asked(&self, operation: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(of, _)| of == operation).map(|(_, body)| body.clone()).collect()
    }
}

fn read(client: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(client);
    let (mut operation, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let lower = line.to_lowercase();
        if line.trim().is_empty() {
            break;
        } else if lower.starts_with("x-amz-target:") {
            operation = line.trim().rsplit('.').next()?.to_owned();
        } else if let Some(text) = lower.strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((operation, serde_json::from_slice(&body).ok()?))
}

fn state(state: &str, scanned: u64, more: Value) -> (u16, Value) {
    let mut status = json!({"State": state});
    status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let statistics = json!({
        "DataScannedInBytes": scanned, "TotalExecutionTimeInMillis": 2500, "QueryQueueTimeInMillis": 120
    });
    (200, json!({"QueryExecution": {"Status": status, "Statistics": statistics}}))
}

fn page(rows: &[[Option<&str>; 2]], next: Option<&str>) -> (u16, Value) {
    let cell = |cell: &Option<&str>| cell.map_or(json!({}), |text| json!({"VarCharValue": text}));
    let rows: Vec<Value> =
        rows.iter().map(|row| json!({"Data": row.iter().map(cell).collect::<Vec<_>>()})).collect();
    let columns = json!([{"Name": "api", "Type": "varchar"}, {"Name": "n", "Type": "bigint", "Precision": 19}]);
    let set = json!({"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}});
    match next {
        Some(next) => (200, json!({"ResultSet": set, "NextToken": next})),
        None => (200, json!({"ResultSet": set})),
    }
}

fn started() -> (&'static str, Vec<(u16, Value)>) {
    ("StartQueryExecution", vec![(200, json!({"QueryExecutionId": "q-1"}))])
}

/// A server with two pages of rows.
fn with_rows() -> FakeAthena {
    let states = vec![state("RUNNING", 100, json!({})), state("SUCCEEDED", 12_345_678, json!({}))];
    let first = page(&[[Some("api"), Some("n")], [Some("s3:Get\u{1b}[31m"), Some("7")]], Some("2"));
    let second = page(&[[None, Some("1")]], None);
    FakeAthena::start(&[
        started(),
        ("GetQueryExecution", states),
        ("GetQueryResults", vec![first, second]),
    ])
}

#[test]
fn rows_of_all_pages_are_printed_in_each_format_with_their_cost() {
    let sql = "SELECT eventname AS api, count(*) AS n FROM cloudtrail GROUP BY 1";
    let table = with_rows().run(&[sql]);
    assert_eq!(status(&table), 0, "{}", stderr(&table));
    let text = String::from_utf8(table.stdout.clone()).unwrap();
    assert_eq!(
        text,
        "api               n\n----------------  -\ns3:Get\\u{1b}[31m  7\n                  1\n"
    );
    let said = stderr(&table);
    assert!(
        said.contains(
            "2 rows; 12,345,678 bytes scanned by Athena, 2.50 s, 0.12 s of them queued; query q-1"
        ),
        "{said}"
    );

    let ndjson = with_rows().run(&[sql, "--format", "ndjson"]);
    assert_eq!(ndjson.stdout, b"{\"api\":\"s3:Get\\u001b[31m\",\"n\":7}\n{\"n\":1}\n");
    let csv = with_rows().run(&[sql, "--format", "csv"]);
    assert_eq!(csv.stdout, b"api,n\ns3:Get\x1b[31m,7\n,1\n");
    let parquet = with_rows().run(&[sql, "--format", "parquet"]);
    assert!(parquet.stdout.starts_with(b"PAR1") && parquet.stdout.ends_with(b"PAR1"));

    let cut = with_rows().run(&[sql, "--format", "csv", "--rows-max", "1"]);
    assert_eq!((status(&cut), &cut.stdout[..]), (1, &b"api,n\ns3:Get\x1b[31m,7\n"[..]));
    assert!(stderr(&cut).contains("raise --rows-max"), "{}", stderr(&cut));
}

#[test]
fn hostile_values_of_a_kept_query_go_beside_the_statement() {
    let mut sent = Vec::new();
    for hostile in ["arn' OR '1'='1", "'; DROP TABLE cloudtrail; --", "?", ":to", "\u{202e}\\'\n"] {
        let server = with_rows();
        let parameter = format!("principal={hostile}");
        let arguments = [
            "q01-what-did-it-do",
            "--param",
            &parameter,
            "--param",
            "from=2026-01-31T10:00:00Z",
            "--param",
            "to=2026-01-31T12:00:00Z",
            "--athena-database",
            "logs",
            "--athena-workgroup",
            "people",
            "--athena-output",
            "s3://example-answers/athena/",
        ];
        let output = server.run(&arguments);
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        let start = server.asked("StartQueryExecution").remove(0);
        let literal = format!("'{}'", hostile.replace('\'', "''"));
        let (from, to) = ("'2026-01-31T10:00:00Z'", "'2026-01-31T12:00:00Z'");
        let values = start["ExecutionParameters"].as_array().unwrap();
        // Each name as often as it stands in the statement, in the order in which it does.
        assert_eq!(values[0], literal);
        assert!(values.iter().filter(|value| **value == from).count() >= 2, "{values:?}");
        assert!(values.iter().all(|value| *value == literal || value == from || value == to));
        let text = start["QueryString"].as_str().unwrap().to_owned();
        assert_eq!(text.matches('?').count(), values.len());
        assert_eq!(start["QueryExecutionContext"]["Database"], "logs");
        assert_eq!(start["WorkGroup"], "people");
        assert_eq!(start["ResultConfiguration"]["OutputLocation"], "s3://example-answers/athena/");
        sent.push(text);
    }
    assert!(sent.windows(2).all(|pair| pair[0] == pair[1]), "one statement, whatever the values");
}

#[test]
fn a_failure_is_one_line_with_the_next_step() {
    let reason = "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.default.cloudtrail' does not exist\n\u{1b}[2J";
    let failed = state("FAILED", 0, json!({"StateChangeReason": reason}));
    let server = FakeAthena::start(&[started(), ("GetQueryExecution", vec![failed])]);
    let output = server.run(&["SELECT 1 FROM cloudtrail"]);
    assert_eq!(status(&output), 2);
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("athena query q-1: TABLE_NOT_FOUND")
            && said.contains("`trailloop query ddl`"),
        "{said}"
    );
    assert!(!said.contains("\u{1b}[2J"), "{said}");

    let message = "No output location provided. An output location is required";
    let refused = (400, json!({"__type": "InvalidRequestException", "Message": message}));
    let server = FakeAthena::start(&[("StartQueryExecution", vec![refused])]);
    let output = server.run(&["SELECT 1 FROM cloudtrail"]);
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("--athena-output s3://bucket/prefix/"), "{}", stderr(&output));

    // What is known beforehand is not sent.
    let server = FakeAthena::start(&[started()]);
    for (arguments, word) in [
        (
            vec!["SELECT json_get_str(requestparameters, 'a') FROM cloudtrail"],
            "json_extract_scalar",
        ),
        (vec!["keys-from-several-systems"], "ip_asn"),
        (vec!["SELECT 1 FROM cloudtrail", "--source", "."], "--source means nothing"),
        (vec!["SELECT 1 FROM cloudtrail WHERE eventname = :x"], "--param x=VALUE"),
    ] {
        let output = server.run(&arguments);
        assert_eq!(status(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
    assert!(server.asked("StartQueryExecution").is_empty());
}

#[test]
fn what_runs_too_long_or_reads_too_much_is_stopped() {
    let running = || ("GetQueryExecution", vec![state("RUNNING", 5_000_000, json!({}))]);
    for (arguments, word) in [
        (["--seconds-max", "1"], "raise --seconds-max"),
        (["--bytes-max", "4999999"], "raise --bytes-max"),
    ] {
        let server = FakeAthena::start(&[started(), running()]);
        let output = server.run(&[&["SELECT 1 FROM cloudtrail"][..], &arguments[..]].concat());
        assert_ne!(status(&output), 0);
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
        assert_eq!(server.asked("StopQueryExecution"), [json!({"QueryExecutionId": "q-1"})]);
    }
}

#[test]
fn an_interrupt_stops_the_query() {
    let running = ("GetQueryExecution", vec![state("RUNNING", 0, json!({}))]);
    let server = FakeAthena::start(&[started(), running]);
    let mut command = server.command(&["SELECT 1 FROM cloudtrail"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Once the state is looked at, the query runs.
    server.looks.recv().unwrap();
    let killed =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("interrupted; the query was stopped"), "{}", stderr(&output));
    assert_eq!(server.asked("StopQueryExecution").len(), 1);
}
