//! Posts over HTTP, to a server that answers as a test says.

use std::collections::BTreeMap;
use std::time::Duration;

use trailloop_cloud::{CloudError, CloudErrorKind, HttpNotifier, Notifier, Post};

use crate::fake_http::{FakeHttp, Reply, Request, answer};

const SECRET: &str = "T0EXAMPLE/B0EXAMPLE";
const MINUTE: Duration = Duration::from_secs(60);

fn post(base: &str) -> Post {
    Post {
        destination: "on-call".to_owned(),
        url: format!("{base}/services/{SECRET}?token={SECRET}"),
        headers: BTreeMap::from([("X-Signature".to_owned(), format!("v1={SECRET}"))]),
        body: format!(r#"{{"text":"é","key":"{SECRET}"}}"#),
    }
}

/// What one post to a server with this reply gives, and what the server got.
async fn deliver(reply: Reply, total: Duration) -> (Result<(), CloudError>, Vec<Request>) {
    let server = FakeHttp::start_with(vec![reply]);
    let notifier = HttpNotifier::with_timeouts(MINUTE, total);
    let result = notifier.post(&post(&server.url())).await;
    if let Err(error) = &result {
        let said = format!("{error} {error:?}");
        assert!(!said.contains("EXAMPLE") && !said.contains("services"), "{said}");
        assert_eq!((error.operation(), error.resource()), ("post", "on-call"));
    }
    // Waited for elsewhere, because the server waits for the client to hang up, which it does on this thread.
    let requests = tokio::task::spawn_blocking(|| server.finish()).await.unwrap();
    (result, requests)
}

async fn refused(reply: Reply) -> CloudError {
    deliver(reply, MINUTE).await.0.unwrap_err()
}

#[tokio::test]
async fn a_post_arrives_whole_and_once() {
    for status in [200, 202, 204] {
        let (result, requests) =
            deliver(Reply::Text(answer(status, "", if status == 204 { "" } else { "ok" })), MINUTE)
                .await;
        result.unwrap();
        let request = &requests[0];
        let path = format!("post /services/{SECRET}?token={SECRET} http/1.1\r\n").to_lowercase();
        assert!(request.head.starts_with(&path), "{}", request.head);
        assert!(request.head.contains("content-type: application/json\r\n"), "{}", request.head);
        assert!(request.head.contains("x-signature: v1="), "{}", request.head);
        assert_eq!(request.body, format!(r#"{{"text":"é","key":"{SECRET}"}}"#));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = FakeHttp::start(Vec::new());
    let location = format!("location: {}/services/{SECRET}\r\n", elsewhere.url());
    for status in [301, 302, 303, 307, 308] {
        let error = refused(Reply::Text(answer(status, &location, ""))).await;
        assert_eq!((error.kind(), error.status()), (CloudErrorKind::Invalid, Some(status)));
    }
    assert_eq!(elsewhere.finish().len(), 0);
}

#[tokio::test]
async fn each_status_means_what_it_says() {
    for (status, kind) in [
        (400, CloudErrorKind::Invalid),
        (401, CloudErrorKind::Denied),
        (403, CloudErrorKind::Denied),
        (404, CloudErrorKind::NotFound),
        (410, CloudErrorKind::NotFound),
        (413, CloudErrorKind::TooLarge),
        (429, CloudErrorKind::Transient),
        (500, CloudErrorKind::Transient),
        (503, CloudErrorKind::Transient),
    ] {
        // The answer repeats what it was sent, as error pages do.
        let echo = move |request: &Request| answer(status, "", &request.body);
        let error = refused(Reply::Said(Box::new(echo))).await;
        assert_eq!((error.kind(), error.status(), error.code()), (kind, Some(status), None));
    }
}

#[tokio::test]
async fn a_wait_and_a_plain_word_are_told() {
    let error = refused(Reply::Text(answer(429, "retry-after: 30\r\n", "rate_limited\n"))).await;
    assert_eq!(
        error.to_string(),
        "post on-call: rate_limited: it asks to wait for 30 s (transient, HTTP 429)"
    );
    let dated = "retry-after: Fri, 01 Jan 2027 00:00:00 GMT\r\n";
    let error = refused(Reply::Text(answer(429, dated, ""))).await;
    assert_eq!(
        error.to_string(),
        "post on-call: it did not take the message (transient, HTTP 429)"
    );
    let error = refused(Reply::Text(answer(403, "", "action_prohibited"))).await;
    assert_eq!((error.kind(), error.code()), (CloudErrorKind::Denied, Some("action_prohibited")));
}

#[tokio::test]
async fn a_server_that_falls_silent_holds_nobody() {
    let (result, requests) = deliver(Reply::Hang, Duration::from_millis(300)).await;
    let error = result.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("no answer within 300ms"), "{error}");
    assert_eq!(requests.len(), 1);
    // The status came, and only its body is missing: the status counts.
    let head = "HTTP/1.1 404 X\r\ncontent-length: 100\r\n\r\nno_te";
    let (result, _) =
        deliver(Reply::TextThenHang(head.to_owned()), Duration::from_millis(300)).await;
    assert_eq!(result.unwrap_err().kind(), CloudErrorKind::NotFound);
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_lost_answer() {
    let error = refused(Reply::Reset).await;
    assert!(error.is_transient() && error.status().is_none(), "{error}");
    let error = refused(Reply::Text("HTTP/1.1 2".to_owned())).await;
    assert!(error.is_transient(), "{error}");
    let error = refused(Reply::Text("220 mail.example.com ESMTP\r\n".to_owned())).await;
    assert!(error.is_transient(), "{error}");

    let server = FakeHttp::start(Vec::new());
    let gone = server.url();
    server.finish();
    let error = HttpNotifier::new().post(&post(&gone)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(!error.to_string().contains("EXAMPLE"), "{error}");
}

/// The server fails its test if it can say all that it has.
#[tokio::test]
async fn an_answer_without_end_is_left() {
    deliver(Reply::Endless(200), MINUTE).await.0.unwrap();
    let error = refused(Reply::Endless(500)).await;
    assert_eq!((error.is_transient(), error.code()), (true, None), "{error}");
}

#[tokio::test]
async fn what_is_neither_encrypted_nor_local_is_not_sent() {
    let error = HttpNotifier::new().post(&post("http://hooks.example.com")).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
    assert!(!error.to_string().contains("hooks"), "{error}");
}

/// A server without encryption that is taken for one with it gets a greeting and no post.
#[tokio::test]
async fn nothing_is_sent_before_the_other_side_has_proved_who_it_is() {
    let server = FakeHttp::start_with(vec![Reply::Reset]);
    let url = server.url().replace("http:", "https:");
    let error = HttpNotifier::new().post(&post(&url)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.finish();
}
