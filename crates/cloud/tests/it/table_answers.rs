//! DynamoDB's lost answers and pages, from a server that says them word for word.

use trailloop_cloud::{CloudErrorKind, Expected, Row, RowKey, Table, Written};

use crate::fake_http::{FakeHttp, Reply, Request, answer};

fn json(status: u16, body: &str) -> String {
    answer(status, "content-type: application/x-amz-json-1.0\r\nx-amzn-requestid: r-1\r\n", body)
}

fn refusal(item: &str) -> String {
    let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    let item = if item.is_empty() { String::new() } else { format!(r#","Item":{item}"#) };
    let body = format!(r#"{{"__type":"{kind}","message":"The conditional request failed"{item}}}"#);
    json(400, &body)
}

fn item(version: u64, value: &str, writer: &str) -> String {
    format!(
        r#"{{"pk":{{"S":"run/1"}},"sk":{{"S":"state"}},"version":{{"N":"{version}"}},
            "value":{{"S":"{value}"}},"writer":{{"S":"{writer}"}}}}"#
    )
}

/// The token that a write left.
fn writer(request: &Request) -> &str {
    let rest = request.body.split_once(r#""writer":{"S":""#).unwrap().1;
    rest.split_once('"').unwrap().0
}

fn key() -> RowKey {
    RowKey::new("run/1", "state")
}

fn unavailable() -> Reply {
    Reply::Text(json(500, r#"{"__type":"InternalServerError","message":"Try again."}"#))
}

/// Writes `mine` over version 4 to a server with these replies.
async fn put(replies: Vec<Reply>) -> Result<Written, trailloop_cloud::CloudError> {
    let server = FakeHttp::start_with(replies);
    let table = server.aws().await.table("state");
    let written = table.put(&key(), "mine", Expected::Version(4)).await;
    let writers: Vec<_> =
        server.finish().iter().map(|request| writer(request).to_owned()).collect();
    assert!(writers.windows(2).all(|pair| pair[0] == pair[1]), "one write, one token");
    written
}

#[tokio::test]
async fn a_repeated_write_that_meets_itself_is_done() {
    for first in [unavailable(), Reply::Reset] {
        let met_itself = |request: &Request| refusal(&item(5, "mine", writer(request)));
        let written = put(vec![first, Reply::Said(Box::new(met_itself))]).await;
        assert_eq!(written.unwrap(), Written::Done(5));
    }
}

#[tokio::test]
async fn a_repeated_write_that_meets_its_equal_by_another_hand_is_unknown() {
    for met in [item(5, "mine", "another"), item(6, "theirs", "another"), String::new()] {
        let error = put(vec![unavailable(), Reply::Text(refusal(&met))]).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(error.to_string().starts_with("put state run/1 state: "), "{error}");
    }
}

#[tokio::test]
async fn a_write_that_was_not_repeated_tells_its_conflict() {
    let equal = put(vec![Reply::Text(refusal(&item(5, "mine", "another")))]).await.unwrap();
    let row = Row { key: key(), version: 5, value: "mine".to_owned() };
    assert_eq!(equal, Written::Conflict(Some(row)));
    let absent = put(vec![Reply::Text(refusal(""))]).await.unwrap();
    assert_eq!(absent, Written::Conflict(None));
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_the_write_unknown() {
    let denied =
        || Reply::Text(json(400, r#"{"__type":"x#AccessDeniedException","message":"No."}"#));
    let error = put(vec![denied()]).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Denied, "{error}");
    let error = put(vec![unavailable(), denied()]).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("AccessDenied"), "{error}");
}

#[tokio::test]
async fn a_repeated_deletion_that_finds_nothing_is_unknown() {
    let delete = async |replies| {
        let server = FakeHttp::start_with(replies);
        let written = server.aws().await.table("state").delete(&key(), 4).await;
        server.finish();
        written
    };
    let error = delete(vec![unavailable(), Reply::Text(refusal(""))]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let absent = delete(vec![Reply::Text(refusal(""))]).await.unwrap();
    assert_eq!(absent, Written::Conflict(None));
}

#[tokio::test]
async fn codes_of_dynamodb_mean_what_they_say_whatever_their_status() {
    for (code, kind) in [
        ("ResourceNotFoundException", CloudErrorKind::NotFound),
        ("ValidationException", CloudErrorKind::Invalid),
        ("AccessDeniedException", CloudErrorKind::Denied),
    ] {
        let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}"}}"#);
        let server = FakeHttp::start(vec![json(400, &body)]);
        let error = server.aws().await.table("state").get(&key()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{error}");
        server.finish();
    }
    let throttled = r#"{"__type":"x#ProvisionedThroughputExceededException"}"#;
    let server = FakeHttp::start(vec![json(400, throttled); 4]);
    let error = server.aws().await.table("state").get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Transient, "{error}");
    assert_eq!(server.finish().len(), 4);
}

#[tokio::test]
async fn pages_are_followed_to_their_end_and_no_further_than_asked() {
    let page = |sorts: &[&str], last: Option<&str>| {
        let items: Vec<_> = sorts
            .iter()
            .map(|sort| {
                format!(r#"{{"sk":{{"S":"{sort}"}},"version":{{"N":"1"}},"value":{{"S":""}}}}"#)
            })
            .collect();
        let last = last.map_or(String::new(), |sort| {
            format!(r#","LastEvaluatedKey":{{"pk":{{"S":"p"}},"sk":{{"S":"{sort}"}}}}"#)
        });
        json(200, &format!(r#"{{"Items":[{}]{last}}}"#, items.join(",")))
    };
    let server = FakeHttp::start(vec![
        page(&["a", "b"], Some("b")),
        // DynamoDB gives an empty page where it stopped exactly at the end of what it looked at.
        page(&[], Some("b")),
        page(&["c"], Some("c")),
    ]);
    let rows = server.aws().await.table("state").list("p", Some("A"), 3).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.key.sort.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let requests = server.finish();
    for (request, limit) in requests.iter().zip([3, 1, 1]) {
        assert!(request.body.contains(&format!(r#""Limit":{limit}"#)), "{}", request.body);
        assert!(request.body.contains(r#""ConsistentRead":true"#), "{}", request.body);
    }
    assert!(!requests[0].body.contains("ExclusiveStartKey"));
    assert!(requests[1].body.contains("ExclusiveStartKey"));
}

#[tokio::test]
async fn an_item_of_somebody_else_is_named() {
    let body = r#"{"Item":{"pk":{"S":"run/1"},"sk":{"S":"state"},"version":{"S":"v2"}}}"#;
    let server = FakeHttp::start(vec![json(200, body)]);
    let error = server.aws().await.table("state").get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
    assert!(error.to_string().starts_with("get state run/1 state: the item has no"), "{error}");
    server.finish();
}
