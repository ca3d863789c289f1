//! Athena's states, pages and refusals, from a server that says them word for word.

use trailloop_cloud::{AthenaState, AthenaStatement, AthenaValue, CloudErrorKind};

use crate::fake_http::{FakeHttp, Reply, Request, answer};

fn json(status: u16, body: &str) -> String {
    answer(status, "content-type: application/x-amz-json-1.1\r\nx-amzn-requestid: r-1\r\n", body)
}

fn state(state: &str, more: &str) -> String {
    let body = format!(
        r#"{{"QueryExecution":{{"QueryExecutionId":"q-1","Status":{{"State":"{state}"{more}}},
            "Statistics":{{"DataScannedInBytes":1048576,"QueryQueueTimeInMillis":120,"TotalExecutionTimeInMillis":2500}}}}}}"#
    );
    json(200, &body)
}

/// A page of these rows under the columns `name` and `n`.
fn page(rows: &[&str], next: &str) -> String {
    let body = format!(
        r#"{{"ResultSet":{{"Rows":[{}],"ResultSetMetadata":{{"ColumnInfo":[
            {{"Name":"name","Type":"varchar"}},{{"Name":"n","Type":"bigint","Precision":19}}]}}}}{next}}}"#,
        rows.join(",")
    );
    json(200, &body)
}

fn row(name: &str, n: &str) -> String {
    format!(r#"{{"Data":[{{"VarCharValue":"{name}"}},{{"VarCharValue":"{n}"}}]}}"#)
}

fn target(request: &Request) -> &str {
    let line = request.head.lines().find_map(|line| line.strip_prefix("x-amz-target: "));
    line.unwrap().strip_prefix("amazonathena.").unwrap()
}

/// The text of a member that has no escapes.
fn member<'r>(request: &'r Request, name: &str) -> &'r str {
    let rest = request.body.split_once(&format!(r#""{name}":""#)).unwrap().1;
    rest.split_once('"').unwrap().0
}

fn statement(parameters: Vec<(&str, AthenaValue)>) -> AthenaStatement {
    let named = |(name, value): (&str, AthenaValue)| (name.to_owned(), value);
    AthenaStatement {
        sql: "SELECT eventname FROM cloudtrail WHERE eventname = ?".to_owned(),
        parameters: parameters.into_iter().map(named).collect(),
        database: Some("logs".to_owned()),
        workgroup: Some("people".to_owned()),
        output: Some("s3://example-answers/athena/".to_owned()),
    }
}

#[tokio::test]
async fn a_start_whose_answer_was_lost_is_the_same_start() {
    let lost = json(500, r#"{"__type":"InternalServerException","Message":"Try again."}"#);
    let server = FakeHttp::start(vec![lost, json(200, r#"{"QueryExecutionId":"q-1"}"#)]);
    let athena = server.aws().await.athena();
    let hostile = AthenaValue::Text("x' OR '1'='1'; DROP TABLE cloudtrail --".to_owned());
    let parameters = vec![("name", hostile), ("n", AthenaValue::Integer(7))];
    assert_eq!(athena.start(&statement(parameters)).await.unwrap(), "q-1");
    let requests = server.finish();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].body, requests[1].body, "one start, one token");
    assert!(member(&requests[0], "ClientRequestToken").len() >= 32);
    assert_eq!(target(&requests[0]), "startqueryexecution");
    // The statement has the mark alone, and the value is one literal beside it.
    assert!(member(&requests[0], "QueryString").ends_with("eventname = ?"));
    let values = r#""ExecutionParameters":["'x'' OR ''1''=''1''; DROP TABLE cloudtrail --'","7"]"#;
    assert!(requests[0].body.contains(values), "{}", requests[0].body);
    assert_eq!(member(&requests[0], "Database"), "logs");
    assert_eq!(member(&requests[0], "WorkGroup"), "people");
    assert_eq!(member(&requests[0], "OutputLocation"), "s3://example-answers/athena/");
}

#[tokio::test]
async fn a_value_that_is_too_long_is_not_sent() {
    let server = FakeHttp::start(Vec::new());
    let athena = server.aws().await.athena();
    let long = AthenaValue::Text("é".repeat(1023));
    let error = athena.start(&statement(vec![("name", long)])).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid);
    assert!(error.to_string().contains(":name is longer than the 1024 characters"), "{error}");
    assert!(server.finish().is_empty());
}

#[tokio::test]
async fn a_statement_is_looked_at_until_it_ends() {
    let answers = ["QUEUED", "RUNNING", "SUCCEEDED"].map(|name| state(name, "")).to_vec();
    let server = FakeHttp::start(answers);
    let athena = server.aws().await.athena();
    let mut seen = Vec::new();
    let ended = athena.ended("q-1", |execution| seen.push(execution.state)).await.unwrap();
    assert_eq!(seen, [AthenaState::Queued, AthenaState::Running, AthenaState::Succeeded]);
    assert_eq!(
        (ended.cost.bytes_scanned, ended.cost.queued_ms, ended.cost.total_ms),
        (1 << 20, 120, 2500)
    );
    let requests = server.finish();
    assert!(requests.iter().all(|request| member(request, "QueryExecutionId") == "q-1"));
}

#[tokio::test]
async fn a_failure_tells_its_reason_and_whose_it_is() {
    let more =
        r#","StateChangeReason":"SYNTAX_ERROR: line 1:8: x","AthenaError":{"ErrorCategory":2}"#;
    let server = FakeHttp::start(vec![state("FAILED", more), state("CANCELLED", "")]);
    let athena = server.aws().await.athena();
    let failed = athena.ended("q-1", |_| ()).await.unwrap();
    assert_eq!(failed.state, AthenaState::Failed);
    assert_eq!(failed.reason.as_deref(), Some("SYNTAX_ERROR: line 1:8: x"));
    assert!(failed.is_users);
    let cancelled = athena.ended("q-1", |_| ()).await.unwrap();
    assert_eq!((cancelled.state, cancelled.is_users), (AthenaState::Cancelled, false));
    server.finish();
}

#[tokio::test]
async fn rows_come_in_pages_without_the_names_of_columns() {
    let first = page(&[&row("name", "n"), &row("GetObject", "7")], r#","NextToken":"t-2""#);
    // A row that reads like the names is one of the rows, if it is not the first.
    let second = page(&[&row("name", "n"), r#"{"Data":[{},{"VarCharValue":"1"}]}"#], "");
    let server = FakeHttp::start(vec![first, second]);
    let athena = server.aws().await.athena();
    let first = athena.rows("q-1", None).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(first.rows, [[text("GetObject"), text("7")]]);
    assert_eq!(first.columns[1].kind, "bigint");
    let second = athena.rows("q-1", first.next.as_deref()).await.unwrap();
    assert_eq!(second.rows, [[text("name"), text("n")], [None, text("1")]]);
    assert_eq!(second.next, None);
    let requests = server.finish();
    assert!(!requests[0].body.contains("NextToken"));
    assert_eq!(member(&requests[1], "NextToken"), "t-2");
}

#[tokio::test]
async fn refusals_are_told_and_a_stop_is_sent() {
    let refused =
        r#"{"__type":"InvalidRequestException","Message":"No output location provided."}"#;
    let server =
        FakeHttp::start_with(vec![Reply::Text(json(400, refused)), Reply::Text(json(200, "{}"))]);
    let athena = server.aws().await.athena();
    let error = athena.start(&statement(Vec::new())).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid);
    assert!(
        error
            .to_string()
            .starts_with("start athena people: InvalidRequestException: No output location"),
        "{error}"
    );
    athena.stop("q-1").await.unwrap();
    let requests = server.finish();
    assert!(!requests[0].body.contains("ExecutionParameters"));
    assert_eq!(target(&requests[1]), "stopqueryexecution");
    assert_eq!(member(&requests[1], "QueryExecutionId"), "q-1");
}
