//! Answers of AWS that no emulator gives, from a server that says them word for word.

use std::time::Duration;

use trailloop_cloud::{CloudErrorKind, ObjectRef, Outgoing, Queue, Receipt, Store};

use crate::fake_http::{FakeHttp, answer};
use crate::queue_contract::outgoing;

const URL: &str = "https://sqs.us-east-1.amazonaws.com/111122223333/findings";

fn json(status: u16, body: &str) -> String {
    answer(status, "content-type: application/x-amz-json-1.0\r\nx-amzn-requestid: r-1\r\n", body)
}

fn s3_error(status: u16, headers: &str, code: &str, message: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let headers =
        format!("content-type: application/xml\r\nx-amz-request-id: 4442587FB7D0A2F9\r\n{headers}");
    answer(status, &headers, &body)
}

/// Gets `logs/key` from a server with one answer.
async fn get(answer: String) -> trailloop_cloud::CloudError {
    let server = FakeHttp::start(vec![answer]);
    let store = server.aws().await.store();
    let error = store.get(&ObjectRef::new("logs", "key"), 1000).await.unwrap_err();
    server.finish();
    error
}

#[tokio::test]
async fn version_and_etag_are_passed_and_a_checksum_is_asked_for() {
    let headers = "etag: \"abc\"\r\nx-amz-version-id: v-1\r\n";
    let server = FakeHttp::start(vec![answer(200, headers, "hello")]);
    let mut object = ObjectRef::new("logs", "a b+c/é.json.gz");
    object.version = Some("v-1".to_owned());
    object.etag = Some("abc".to_owned());
    let found = server.aws().await.store().get(&object, 1000).await.unwrap();
    assert_eq!((found.bytes.as_ref(), found.version.as_deref()), (&b"hello"[..], Some("v-1")));
    let requests = server.finish();
    let head = &requests[0].head;
    assert!(head.starts_with("get /logs/a%20b%2bc/%c3%a9.json.gz?"), "{head}");
    for part in ["versionid=v-1", "if-match: \"abc\"", "x-amz-checksum-mode: enabled"] {
        assert!(head.contains(part), "{part} in {head}");
    }
}

#[tokio::test]
async fn a_bucket_in_another_region_is_named_with_its_region() {
    let region = "x-amz-bucket-region: eu-west-1\r\n";
    for (status, code) in [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")] {
        let error = get(s3_error(status, region, code, "Use another endpoint.")).await;
        assert_eq!(
            error.to_string(),
            format!(
                "get logs/key: {code}: Use another endpoint; the bucket is in region eu-west-1 \
                 (invalid, HTTP {status}, request id 4442587FB7D0A2F9)"
            )
        );
    }
}

#[tokio::test]
async fn refusals_carry_code_status_and_request_id() {
    for (status, code, kind) in [
        (403, "AccessDenied", CloudErrorKind::Denied),
        (403, "InvalidObjectState", CloudErrorKind::Denied),
        (400, "ExpiredToken", CloudErrorKind::Denied),
        (400, "KMS.DisabledException", CloudErrorKind::Denied),
        (405, "MethodNotAllowed", CloudErrorKind::NotFound),
    ] {
        let error = get(s3_error(status, "", code, "No.")).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!((error.code(), error.status()), (Some(code), Some(status)));
        assert_eq!(error.request_id(), Some("4442587FB7D0A2F9"));
    }
}

#[tokio::test]
async fn a_short_body_is_transient() {
    let whole = answer(200, "etag: \"e\"\r\n", "0123456789");
    let error = get(whole.strip_suffix("56789").unwrap().to_owned()).await;
    assert_eq!(error.kind(), CloudErrorKind::Transient, "{error}");
    assert!(error.to_string().contains("after 5 bytes"), "{error}");
}

#[tokio::test]
async fn a_body_that_fails_its_checksum_is_transient() {
    let error = get(answer(200, "x-amz-checksum-crc32: AAAAAA==\r\n", "0123456789")).await;
    assert_eq!(error.kind(), CloudErrorKind::Transient, "{error}");
    assert!(error.to_string().to_lowercase().contains("checksum"), "{error}");
}

#[tokio::test]
async fn a_body_without_a_length_stops_at_the_limit() {
    let chunked = |chunks: usize| {
        let body = format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(chunks);
        format!(
            "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{body}0\r\n\r\n"
        )
    };
    let error = get(chunked(3)).await;
    assert_eq!(error.kind(), CloudErrorKind::TooLarge, "{error}");
}

#[tokio::test]
async fn a_request_that_was_throttled_is_tried_again() {
    let answers =
        vec![s3_error(503, "", "SlowDown", "Reduce your request rate."), answer(200, "", "hello")];
    let server = FakeHttp::start(answers);
    let found = server.aws().await.store().get(&ObjectRef::new("logs", "key"), 1000).await.unwrap();
    assert_eq!(found.bytes, "hello");
    assert_eq!(server.finish().len(), 2);
}

#[tokio::test]
async fn a_batch_that_half_fails_is_read_entry_by_entry() {
    let body = r#"{"Successful":[{"Id":"0"}],"Failed":[
        {"Id":"1","Code":"ReceiptHandleIsInvalid","SenderFault":true,"Message":"The handle is invalid."},
        {"Id":"2","Code":"AWS.SimpleQueueService.InternalError","SenderFault":false}]}"#;
    let server = FakeHttp::start(vec![json(200, body)]);
    let queue = server.aws().await.queue(URL);
    let receipts = ["a", "b", "c", "d"].map(|receipt| Receipt(receipt.to_owned()));
    let results = queue.delete(&receipts).await.unwrap();
    let kinds: Vec<_> = results.iter().map(|r| r.as_ref().err().map(|e| e.kind())).collect();
    let transient = Some(CloudErrorKind::Transient);
    // The answer says nothing of the fourth: it is not taken as done.
    assert_eq!(kinds, [None, Some(CloudErrorKind::Gone), transient, transient]);
    assert!(server.finish()[0].body.contains(r#""ReceiptHandle":"d""#));
}

#[tokio::test]
async fn a_request_that_fails_after_another_went_through_spoils_only_its_own() {
    let done: Vec<String> = (0..10).map(|id| format!(r#"{{"Id":"{id}"}}"#)).collect();
    let body = format!(r#"{{"Successful":[{}],"Failed":[]}}"#, done.join(","));
    let denied = r#"{"__type":"com.amazonaws.sqs#AccessDenied","message":"Not any more."}"#;
    let server = FakeHttp::start(vec![json(200, &body), json(403, denied)]);
    let queue = server.aws().await.queue(URL);
    let receipts = vec![Receipt("r".to_owned()); 25];
    let results = queue.extend(&receipts, Duration::from_secs(60)).await.unwrap();
    assert!(results[..10].iter().all(Result::is_ok));
    for result in &results[10..] {
        assert_eq!(result.as_ref().unwrap_err().kind(), CloudErrorKind::Denied);
    }
    assert_eq!((results.len(), server.finish().len()), (25, 2));
}

#[tokio::test]
async fn errors_of_sqs_are_known_with_and_without_their_prefix() {
    for code in ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"] {
        let body = format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"No such queue."}}"#);
        let server = FakeHttp::start(vec![json(400, &body)]);
        let queue = server.aws().await.queue(URL);
        let error = queue.receive(1, Duration::ZERO, Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
        assert_eq!(error.request_id(), Some("r-1"));
        assert!(error.to_string().starts_with(&format!("receive {URL}: ")), "{error}");
        server.finish();
    }
}

#[tokio::test]
async fn only_a_fifo_queue_is_told_group_and_deduplication() {
    let message = Outgoing {
        group: Some("the-group".to_owned()),
        deduplication: Some("the-id".to_owned()),
        ..outgoing("body")
    };
    for (suffix, told) in [("", false), (".fifo", true)] {
        let body = r#"{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"x"}]}"#;
        let server = FakeHttp::start(vec![json(200, body)]);
        let queue = server.aws().await.queue(format!("{URL}{suffix}"));
        let results = queue.send(std::slice::from_ref(&message)).await.unwrap();
        assert!(results[0].is_ok());
        let sent = &server.finish()[0].body;
        assert_eq!(sent.contains("the-group"), told, "{sent}");
        assert_eq!(sent.contains("the-id"), told, "{sent}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_transient_and_named() {
    let server = FakeHttp::start(Vec::new());
    let aws = server.aws().await;
    server.finish();
    let error = aws.store().list("logs", "a/", None).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Transient, "{error}");
    assert!(error.to_string().starts_with("list logs/a/: "), "{error}");
}
