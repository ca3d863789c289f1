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
use trailloop_respond::token::Claims;

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
        LinkError::Token(_) => StatusCode::FORBIDDEN,
        LinkError::Used => StatusCode::GONE,
        LinkError::InVain(_) => StatusCode::CONFLICT,
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
    use super::*;

    #[test]
    fn markup_is_shown_and_not_interpreted() {
        assert_eq!(escaped("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
