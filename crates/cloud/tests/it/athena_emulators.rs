//! Athena's protocol as two emulators speak it: one keeps what was asked and answers rows that it was given, the other refuses
//! as Athena does. Neither reads logs.

use std::io::{Read, Write};
use std::net::TcpStream;

use trailloop_cloud::{AthenaState, AthenaStatement, AthenaValue, CloudErrorKind, provision};

use crate::aws_emulators::{endpoint_url, ministack, moto};

/// One request to an emulator; gives the answer's text.
fn ask(endpoint_url: &str, path: &str, headers: &str, body: &str) -> String {
    let address = endpoint_url.trim_start_matches("http://").trim_end_matches('/');
    let mut server = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        server,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn moto_keeps_values_beside_the_statement_and_answers_rows() {
    let Some(aws) = moto().await else { return };
    let url = endpoint_url("TRAILLOOP_TEST_MOTO").unwrap();
    let rows = r#"{"results":[{"rows":[
        {"Data":[{"VarCharValue":"eventname"},{"VarCharValue":"n"}]},
        {"Data":[{"VarCharValue":"GetObject"},{"VarCharValue":"7"}]}],
        "column_info":[{"Name":"eventname","Type":"varchar","Precision":0,"Scale":0,"CaseSensitive":true},
                       {"Name":"n","Type":"bigint","Precision":19,"Scale":0,"CaseSensitive":false}]}]}"#;
    let queued = ask(
        &url,
        "/moto-api/static/athena/query-results",
        "Content-Type: application/json\r\n",
        rows,
    );
    assert!(queued.starts_with("HTTP/1.1 201"), "{queued}");

    let athena = aws.athena();
    let hostile = "GetObject' OR '1'='1'; DROP TABLE cloudtrail --";
    let id = athena
        .start(&AthenaStatement {
            sql: "SELECT eventname, count(*) AS n FROM cloudtrail WHERE eventname = ?".to_owned(),
            parameters: vec![("name".to_owned(), AthenaValue::Text(hostile.to_owned()))],
            database: Some("default".to_owned()),
            workgroup: Some("primary".to_owned()),
            output: None,
        })
        .await
        .unwrap();
    let ended = athena.ended(&id, |_| ()).await.unwrap();
    assert_eq!(ended.state, AthenaState::Succeeded);
    let page = athena.rows(&id, None).await.unwrap();
    assert_eq!(page.rows, [[Some("GetObject".to_owned()), Some("7".to_owned())]]);

    let headers = "X-Amz-Target: AmazonAthena.GetQueryExecution\r\nContent-Type: application/x-amz-json-1.1\r\n\
                   Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/athena/aws4_request, SignedHeaders=host, Signature=0\r\n";
    let kept = ask(&url, "/", headers, &format!(r#"{{"QueryExecutionId":"{id}"}}"#));
    let (_, kept) = kept.split_once("\r\n\r\n").unwrap();
    let kept: serde_json::Value = serde_json::from_str(kept).unwrap();
    let kept = &kept["QueryExecution"];
    let literal = "'GetObject'' OR ''1''=''1''; DROP TABLE cloudtrail --'";
    assert_eq!(kept["ExecutionParameters"], serde_json::json!([literal]));
    assert!(kept["Query"].as_str().unwrap().ends_with("eventname = ?"));
}

#[tokio::test]
async fn ministack_refuses_rows_without_a_place_and_tells_what_it_scanned() {
    let Some(aws) = ministack().await else { return };
    let athena = aws.athena();
    let mut statement = AthenaStatement { sql: "SELECT 7 AS n".to_owned(), ..Default::default() };
    let error = athena.start(&statement).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid);
    assert!(error.message().contains("output location"), "{error}");

    let bucket = format!("example-answers-{}", std::process::id());
    provision::create_bucket(&aws, &bucket).await.unwrap();
    statement.output = Some(format!("s3://{bucket}/athena/"));
    let id = athena.start(&statement).await.unwrap();
    let ended = athena.ended(&id, |_| ()).await.unwrap();
    assert_eq!(ended.state, AthenaState::Succeeded, "{:?}", ended.reason);
    assert!(ended.cost.total_ms > 0);
    let page = athena.rows(&id, None).await.unwrap();
    assert_eq!(page.columns[0].name, "n");
    assert_eq!(page.rows, [[Some("7".to_owned())]]);
}
