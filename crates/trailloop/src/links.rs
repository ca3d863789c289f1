//! The pages behind the links in alerts: a question that changes nothing, and its answer by a button.
//!
//! They listen where `respond.listen` says, on a loopback address unless told otherwise; whoever opens them to others puts a
//! TLS proxy before them. A page shows nothing of a record: what a link does, to which id, and until when.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trailloop_respond::Responder;
use trailloop_respond::links::LinkError;
use trailloop_respond::token::{Claims, TokenError};

/// A link's one parameter.
#[derive(serde::Deserialize)]
struct Asked {
    t: String,
}

/// Serves the pages until `stop`; ends before only by failing, which is logged.
pub(crate) async fn serve(address: SocketAddr, responder: Arc<Responder>, stop: CancellationToken) {
    let ended = async {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address}, which respond.listen names"))?;
        tracing::info!(%address, "links in alerts are answered");
        axum::serve(listener, pages(responder))
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .await
            .context("answer links")
    };
    if let Err(error) = ended.await {
        tracing::error!("{error:#}");
    }
}

fn pages(responder: Arc<Responder>) -> Router {
    Router::new().route("/links", get(question).post(answer)).with_state(responder)
}

/// What a link would do, and a button.
async fn question(State(responder): State<Arc<Responder>>, asked: Query<Asked>) -> Response {
    match responder.look_at(&asked.t) {
        Ok(claims) => {
            let form = format!(
                "<form method=\"post\"><input type=\"hidden\" name=\"t\" value=\"{}\">\
                 <button>{}</button></form>",
                escaped(&asked.t),
                escaped(claims.action.name())
            );
            page(StatusCode::OK, &format!("<p>{}?</p>{form}", told(&claims)))
        }
        Err(error) => refused(&error),
    }
}

/// Does it.
async fn answer(State(responder): State<Arc<Responder>>, asked: Form<Asked>) -> Response {
    match responder.follow(&asked.t).await {
        Ok(claims) => page(StatusCode::OK, &format!("<p>Done: {}.</p>", told(&claims))),
        Err(error) => refused(&error),
    }
}

fn told(claims: &Claims) -> String {
    format!(
        "{} of {} as {}",
        claims.action.name(),
        escaped(&claims.subject),
        escaped(&claims.holder)
    )
}

fn refused(error: &LinkError) -> Response {
    let status = match error {
        LinkError::Off => StatusCode::NOT_FOUND,
        LinkError::Token(TokenError::Expired(_)) => StatusCode::GONE,
        LinkError::Token(_) => StatusCode::FORBIDDEN,
        LinkError::Used | LinkError::InVain(_) => StatusCode::CONFLICT,
        LinkError::Unreached(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    page(status, &format!("<p>{}</p>", escaped(&error.to_string())))
}

/// A page that loads nothing, is framed by nobody, and gives its address to nobody: the address is the token.
fn page(status: StatusCode, body: &str) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ];
    let html = format!("<!doctype html><meta charset=\"utf-8\"><title>Trailloop</title>{body}");
    (status, HEADERS, Html(html)).into_response()
}

/// Text that HTML shows as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use trailloop_cloud::{
        Clock, FakeAccounts, ManualClock, MemoryNotifier, MemoryStore, MemoryTable,
    };
    use trailloop_content::runbooks;
    use trailloop_pipeline::examine::{Engine, RecordFilter};
    use trailloop_pipeline::live::LiveRules;
    use trailloop_respond::confirm::Archive;
    use trailloop_respond::ledger::Ledger;
    use trailloop_respond::tell::Destinations;
    use trailloop_respond::token::{Action, Secret};
    use trailloop_respond::{Run, Settings, Switch, rows, voices};
    use trailloop_rules::RuleSet;

    use super::*;

    const RUN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const NOW_MS: i64 = 1_795_164_432_000;

    #[test]
    fn markup_is_shown_and_not_interpreted() {
        assert_eq!(escaped("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }

    /// The pages over HTTP, with a run that waits for an answer.
    struct Pages {
        address: SocketAddr,
        responder: Arc<Responder>,
        run: Run,
        secret: Secret,
        _serving: tokio::task::JoinSet<std::io::Result<()>>,
    }

    impl Pages {
        async fn new() -> Self {
            let secret = || Secret::new(vec![7; 32]).unwrap();
            let clock = Clock::Manual(ManualClock::new(NOW_MS));
            let table: Arc<dyn trailloop_cloud::Table> = Arc::new(MemoryTable::new("state"));
            let set = RuleSet::build(Vec::new(), &[], &mut Vec::new());
            let responder = Responder {
                archive: Archive {
                    store: Arc::new(MemoryStore::new()),
                    buckets: Vec::new(),
                    engine: Arc::new(Engine {
                        rules: LiveRules::new(Arc::new(set)),
                        limits: trailloop_cloudtrail::Limits::default(),
                        filter: RecordFilter::default(),
                    }),
                    object_bytes_max: 0,
                    index: None,
                },
                ledger: Ledger::new(Arc::clone(&table), "test"),
                table,
                vault: None,
                actions: Arc::new(FakeAccounts::new(clock.clone())),
                notifier: Arc::new(MemoryNotifier::new()),
                destinations: Destinations { secret: Some(secret()), ..Destinations::default() },
                runbooks: runbooks::shipped().0,
                queries: None,
                switch: Switch::None,
                settings: Settings::default(),
                clock,
                worker: "test".to_owned(),
                canaries: None,
                next_looks: trailloop_respond::looks::NextLooks::default(),
                memory: Mutex::default(),
            };
            let runbook = &responder.runbooks[0];
            let run: Run = serde_json::from_value(json!({
                "id": RUN, "finding": RUN, "title": "", "level": "high", "rule": "r", "runbook": runbook.id,
                "version": runbook.version, "hash": runbook.hash, "account": "111122223333", "region": "us-east-1",
                "target": "arn:aws:iam::111122223333:user/bob", "is_live": true, "event_ms": 0, "started_ms": 0,
                "parameters": {}, "mode": "approve", "phase": "awaiting_approval", "cursor": null, "outputs": {},
                "plan": [], "reasons": [], "acted_ms": null, "until_ms": NOW_MS + 60_000, "reasserted": 0,
                "stream_proof": null, "has_critical_failure": false, "successes": [], "ledger_from": 0, "parent": null,
            }))
            .unwrap();
            assert!(rows::create(&*responder.table, &Run::key(RUN), &run).await.unwrap());
            let responder = Arc::new(responder);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let served = Arc::clone(&responder);
            let mut serving = tokio::task::JoinSet::new();
            serving.spawn(async move { axum::serve(listener, pages(served)).await });
            Self { address, responder, run, secret: secret(), _serving: serving }
        }

        fn token(&self, holder: &str, expires_s: i64) -> String {
            self.secret.issue(&Claims {
                action: Action::Approve,
                subject: RUN.to_owned(),
                holder: holder.to_owned(),
                runbook_sha256: self.run.hash.clone(),
                parameters_sha256: self.run.parameters_hash(),
                expires_s,
                nonce: self.secret.nonce(&[RUN, holder]),
            })
        }

        async fn ask(&self, head: &str, body: &str) -> (u16, String) {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = format!(
                "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            (answer[9..12].parse().unwrap(), answer)
        }

        async fn get(&self, token: &str) -> (u16, String) {
            self.ask(&format!("GET /links?t={token}"), "").await
        }

        async fn post(&self, token: &str) -> (u16, String) {
            self.ask("POST /links", &format!("t={token}")).await
        }

        async fn said(&self) -> usize {
            voices::said(&*self.responder.table, &self.run).await.unwrap().len()
        }
    }

    #[tokio::test]
    async fn a_page_asks_and_its_button_acts_once() {
        let pages = Pages::new().await;
        let token = pages.token("ana", NOW_MS / 1000 + 60);
        for _ in 0..2 {
            let (status, page) = pages.get(&token).await;
            assert_eq!(status, 200);
            assert!(page.contains("<form method=\"post\">") && page.contains(RUN), "{page}");
            assert!(page.to_lowercase().contains("referrer-policy: no-referrer"), "{page}");
        }
        assert_eq!(pages.said().await, 0, "to look changes nothing");
        let (status, page) = pages.post(&token).await;
        assert!(status == 200 && page.contains("Done: approve"), "{page}");
        assert_eq!(pages.said().await, 1);
        let (status, page) = pages.post(&token).await;
        assert!(status == 409 && page.contains("this link has been used"), "{page}");
        assert_eq!(pages.said().await, 1);
    }

    #[tokio::test]
    async fn what_is_too_old_altered_or_unknown_is_said_and_does_nothing() {
        let pages = Pages::new().await;
        let old = pages.token("ana", NOW_MS / 1000 - 1);
        for (status, page) in [pages.get(&old).await, pages.post(&old).await] {
            assert!(status == 410 && page.contains("expired at 2026-11-20T08:47:11Z"), "{page}");
            assert!(!page.contains("<form"), "{page}");
        }
        let mut altered = pages.token("ana", NOW_MS / 1000 + 60);
        altered.truncate(altered.len() - 2);
        assert_eq!(pages.post(&altered).await.0, 403);
        assert_eq!(pages.get("%3Cscript%3Ealert(1)%3C/script%3E").await.0, 403);
        assert_eq!(pages.ask("GET /links", "").await.0, 400);
        assert_eq!(pages.said().await, 0);
    }

    #[tokio::test]
    async fn hostile_text_in_a_link_is_text_on_the_page() {
        let pages = Pages::new().await;
        let hostile = "<script>alert(1)</script>\"'&";
        let token = pages.token(hostile, NOW_MS / 1000 + 60);
        for (_, page) in [pages.get(&token).await, pages.post(&token).await] {
            assert!(!page.contains("<script"), "{page}");
            assert!(
                page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"),
                "{page}"
            );
        }
    }
}
