//! The API over HTTP: findings, incidents and verdicts for programs.
//!
//! It answers where `api.listen` says, on a loopback address unless told otherwise and without TLS: whoever opens it to others puts a
//! proxy before it. Whoever asks shows the token of `api.token_file`. `/v1/openapi.json` describes it, and a test tries each example of
//! that document. Every answer is JSON but that of `/v1/metrics`; one that refuses says what is wrong and what to do.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path as Segment, Query, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{Clock, CloudError, Table};
use trailloop_feedback::{Activity, Judgement, Reason, names};
use trailloop_finding::sha256;
use trailloop_respond::hint::is_id;
use trailloop_respond::store;
use trailloop_respond::voices::{self, Verdict};

use crate::kept::{self, DAYS, DAYS_MAX, Filter, LIMIT, LIMIT_MAX};
use crate::{UsageError, report};

/// The longest body that is read: a verdict has three short texts.
const BODY_BYTES_MAX: usize = 16 << 10;

/// A shorter token could be guessed.
const TOKEN_BYTES_MIN: usize = 32;

/// The longest name of an author.
const BY_BYTES_MAX: usize = 256;

/// The document that describes it.
const OPENAPI: &str = include_str!("api/openapi.json");

/// What answers.
pub(crate) struct Api {
    table: Arc<dyn Table>,
    clock: Clock,
    /// The token's hash. Hashes are compared, so how long that takes tells nothing of the token.
    token: String,
}

impl Api {
    /// Reads the token from its file.
    pub(crate) fn new(table: Arc<dyn Table>, token_file: &Path) -> anyhow::Result<Self> {
        let place = token_file.display();
        let bytes = std::fs::read(token_file).map_err(|error| {
            UsageError(format!("failed to read api.token_file {place}: {error}"))
        })?;
        let token = bytes.trim_ascii();
        if token.len() < TOKEN_BYTES_MIN {
            let have = token.len();
            let text = format!(
                "api.token_file {place} holds {have} bytes; write at least {TOKEN_BYTES_MIN}, such as of `openssl rand -hex 32`"
            );
            return Err(UsageError(text).into());
        }
        Ok(Self { table, clock: Clock::System, token: sha256(token) })
    }
}

/// Answers until `stop`; ends before only by failing.
pub(crate) async fn serve(
    address: SocketAddr,
    api: Arc<Api>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}, which api.listen names"))?;
    tracing::info!(address = %listener.local_addr().context("listen")?, "the API is answered");
    axum::serve(listener, routes(api))
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
        .context("answer the API")
}

fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/findings", get(findings))
        .route("/v1/findings/{id}", get(finding))
        .route("/v1/findings/{id}/verdicts", post(judge))
        .route("/v1/incidents", get(incidents))
        .route("/v1/incidents/{id}", get(incident))
        .route("/v1/metrics", get(metrics))
        .method_not_allowed_fallback(async || {
            Refused::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this method is none of this path's; /v1/openapi.json lists them",
            )
        })
        .route_layer(from_fn_with_state(Arc::clone(&api), authorized))
        .route("/v1/openapi.json", get(async || answer(StatusCode::OK, OPENAPI.to_owned())))
        .fallback(async || {
            Refused::new(
                StatusCode::NOT_FOUND,
                "there is nothing here; /v1/openapi.json lists what there is",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(as_json))
        .with_state(api)
}

/// Why a request is refused.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    why: String,
}

impl Refused {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    fn unknown(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("no {what} {id} is kept here"))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        answer(self.status, json!({"error": self.why}).to_string())
    }
}

impl From<CloudError> for Refused {
    /// The state could not be read or written: what that says names tables and accounts, which is for the log.
    fn from(error: CloudError) -> Self {
        tracing::warn!(%error, "the API could not reach the state");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the state is not reached for now; ask again")
    }
}

fn answer(status: StatusCode, json: String) -> Response {
    const HEADERS: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, HEADERS, json).into_response()
}

/// What axum refuses by itself, such as a path that is no UTF-8, is said as everything is.
async fn as_json(response: Response) -> Response {
    let status = response.status();
    let is_json =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_json || status.is_success() {
        return response;
    }
    let reason = status.canonical_reason().unwrap_or("refused");
    Refused::new(status, reason.to_lowercase()).into_response()
}

/// Lets through who shows the token.
async fn authorized(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown.and_then(|shown| shown.strip_prefix("Bearer "));
    if token.is_some_and(|token| sha256(token.trim().as_bytes()) == api.token) {
        return next.run(request).await;
    }
    let why = "show the token of api.token_file: `Authorization: Bearer TOKEN`";
    let mut response = Refused::new(StatusCode::UNAUTHORIZED, why).into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

type Asked<T> = Result<Query<T>, QueryRejection>;

fn query<T>(asked: Asked<T>) -> Result<T, Refused> {
    let said = |error: QueryRejection| Refused::new(StatusCode::BAD_REQUEST, error.body_text());
    Ok(asked.map_err(said)?.0)
}

/// An id as the path has it.
fn id(Segment(id): Segment<String>, what: &str) -> Result<String, Refused> {
    if is_id(&id) {
        return Ok(id);
    }
    let why = format!("{id:?} is no id of {what}; it is 32 hexadecimal digits");
    Err(Refused::new(StatusCode::BAD_REQUEST, why))
}

async fn findings(State(api): State<Arc<Api>>, asked: Asked<Filter>) -> Result<Response, Refused> {
    let filter = query(asked)?;
    if let Some(problem) = filter.problem() {
        return Err(Refused::new(StatusCode::BAD_REQUEST, problem));
    }
    let found = kept::findings(&*api.table, &api.clock, &filter).await?;
    let list: Vec<Value> = found.iter().map(kept::of_finding).collect();
    Ok(answer(StatusCode::OK, json!({"findings": list}).to_string()))
}

async fn finding(
    State(api): State<Arc<Api>>,
    segment: Segment<String>,
) -> Result<Response, Refused> {
    let id = id(segment, "a finding")?;
    let found = kept::finding(&*api.table, &api.clock, &id).await?;
    let found = found.ok_or_else(|| Refused::unknown("finding", &id))?;
    Ok(answer(StatusCode::OK, kept::of_finding_whole(&found).to_string()))
}

/// A verdict as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    verdict: String,
    reason: String,
    by: String,
}

impl Said {
    fn read(body: Result<Bytes, BytesRejection>) -> Result<Self, Refused> {
        let body = body.map_err(|error| {
            let why = match error.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    format!("a body has at most {BODY_BYTES_MAX} bytes")
                }
                _ => error.body_text(),
            };
            Refused::new(error.status(), why)
        })?;
        serde_json::from_slice(&body).map_err(|error| {
            let why =
                format!(r#"the body must be {{"verdict": …, "reason": …, "by": …}}: {error}"#);
            Refused::new(StatusCode::BAD_REQUEST, why)
        })
    }

    /// What is wrong with it, if anything is.
    fn problem(&self) -> Option<String> {
        let Some(judgement) = Judgement::parse(&self.verdict) else {
            let names = Judgement::ALL.map(Judgement::name).join(", ");
            return Some(format!("verdict must be one of {names}"));
        };
        let reasons: Vec<&str> = Reason::of(judgement).map(Reason::name).collect();
        if !reasons.contains(&self.reason.as_str()) {
            return Some(format!("reason of a {judgement} must be one of {}", reasons.join(", ")));
        }
        let is_plain = self.by.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let is_name =
            is_plain && self.by.trim() == self.by && (1..=BY_BYTES_MAX).contains(&self.by.len());
        (!is_name)
            .then(|| format!("by must be a name of 1 to {BY_BYTES_MAX} printable ASCII characters"))
    }
}

async fn judge(
    State(api): State<Arc<Api>>,
    segment: Segment<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let id = id(segment, "a finding")?;
    let said = Said::read(body)?;
    if let Some(problem) = said.problem() {
        return Err(Refused::new(StatusCode::BAD_REQUEST, problem));
    }
    if store::place_of(&*api.table, &id).await?.is_none() {
        return Err(Refused::unknown("finding", &id));
    }
    let verdict = Verdict {
        finding: id.clone(),
        judgement: said.verdict,
        reason: said.reason,
        by: said.by,
        at_ms: api.clock.now_ms(),
    };
    // Should whoever asks go away in between, the executor takes it up from what is listed.
    if !voices::judge(&*api.table, &verdict).await? {
        let why = format!("{} has just judged this finding; say it again", verdict.by);
        return Err(Refused::new(StatusCode::CONFLICT, why));
    }
    store::judge(&*api.table, &id).await?;
    store::tell_incident(&*api.table, &id).await;
    let found = kept::finding(&*api.table, &api.clock, &id).await?;
    let found = found.ok_or_else(|| Refused::unknown("finding", &id))?;
    Ok(answer(StatusCode::CREATED, kept::of_finding_whole(&found).to_string()))
}

/// Which incidents are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    days: Option<u32>,
    limit: Option<usize>,
}

async fn incidents(State(api): State<Arc<Api>>, asked: Asked<Page>) -> Result<Response, Refused> {
    let page = query(asked)?;
    let (days, limit) = (page.days.unwrap_or(DAYS), page.limit.unwrap_or(LIMIT));
    if !(1..=DAYS_MAX).contains(&days) || !(1..=LIMIT_MAX).contains(&limit) {
        let why = format!("days must be from 1 to {DAYS_MAX}, and limit from 1 to {LIMIT_MAX}");
        return Err(Refused::new(StatusCode::BAD_REQUEST, why));
    }
    let found = kept::incidents(&*api.table, &api.clock, (days, limit)).await?;
    let list: Vec<Value> = found.iter().map(kept::of_incident).collect();
    Ok(answer(StatusCode::OK, json!({"incidents": list}).to_string()))
}

async fn incident(
    State(api): State<Arc<Api>>,
    segment: Segment<String>,
) -> Result<Response, Refused> {
    let id = id(segment, "an incident")?;
    let found = store::incident(&*api.table, &id).await?;
    let found = found.ok_or_else(|| Refused::unknown("incident", &id))?;
    let message = found.ocsf(Activity::Update, "security", api.clock.now_ms());
    Ok(answer(StatusCode::OK, message.to_string()))
}

/// How rules, queries and runbooks do, as Prometheus reads it.
async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, Refused> {
    let report = report::of(&*api.table, &api.clock, DAYS, "").await?;
    let text = names::exposition(&names::samples(&report.overall, &report.rows, &report.runbooks));
    const HEADERS: [(HeaderName, &str); 2] = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, HEADERS, text).into_response())
}
