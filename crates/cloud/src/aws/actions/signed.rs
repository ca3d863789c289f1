//! Requests to services whose SDK is not built: EC2's alone is larger than all others together, and few of its calls are
//! needed. They are signed by the same library, and go over the same connections.

use std::time::Duration;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use super::{Caller, is_made_once, of_call, resource};
use crate::aws::failure::{chain, classify};
use crate::aws::{ATTEMPTS, FIRST_BYTE};
use crate::error::{CloudError, CloudErrorKind};

/// A request, not yet signed.
pub(super) struct Request {
    /// The service, as its host and signature name it.
    pub(super) service: &'static str,
    pub(super) method: &'static str,
    /// The path with its query, encoded.
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// An answer, whatever its status.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
    /// The code of an error in a header, as JSON services give it.
    pub(super) code: Option<String>,
    pub(super) body: String,
}

/// The code and the message of an error, from an answer's body.
pub(super) type Refusal = (Option<String>, String);

impl Caller<'_> {
    /// Signs, sends and gives the answer's body and request id; a read is tried again when that can help.
    pub(super) async fn signed(
        &self,
        request: &Request,
        refusal: impl Fn(&Reply) -> Refusal,
    ) -> Result<(Option<String>, String), CloudError> {
        let attempts = if is_made_once(self.call) { 1 } else { ATTEMPTS };
        let mut wait = Duration::from_millis(100);
        for _ in 1..attempts {
            match self.attempt(request, &refusal).await {
                Err(error) if error.is_transient() => {
                    tokio::time::sleep(wait).await;
                    wait *= 3;
                }
                settled => return settled,
            }
        }
        self.attempt(request, &refusal).await
    }

    async fn attempt(
        &self,
        request: &Request,
        refusal: impl Fn(&Reply) -> Refusal,
    ) -> Result<(Option<String>, String), CloudError> {
        let signed = self.sign(request).await?;
        let sending = tokio::time::timeout(FIRST_BYTE, self.send(signed));
        let unknown = |why: String| self.error(CloudErrorKind::Transient, why);
        let reply = sending
            .await
            .map_err(|_| unknown(format!("no whole answer within {} s", FIRST_BYTE.as_secs())))?
            .map_err(unknown)?;
        if (200..300).contains(&reply.status) {
            return Ok((reply.request_id, reply.body));
        }
        let (code, message) = refusal(&reply);
        let kind = classify(code.as_deref(), Some(reply.status), &message);
        let mut error = self.error(kind, message).with_status(reply.status);
        if let Some(code) = code {
            error = error.with_code(code);
        }
        if let Some(request_id) = reply.request_id {
            error = error.with_request_id(request_id);
        }
        Err(of_call(error, false))
    }

    /// An error of this call.
    pub(super) fn error(&self, kind: CloudErrorKind, message: impl Into<String>) -> CloudError {
        CloudError::new(kind, "call", resource(self.session, self.call), message)
    }

    fn url(&self, request: &Request) -> String {
        let Some(endpoint) = self.actions.base.endpoint_url() else {
            let region = &self.session.region;
            let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
            return format!(
                "https://{}.{region}.amazonaws.com{suffix}{}",
                request.service, request.path
            );
        };
        format!("{}{}", endpoint.trim_end_matches('/'), request.path)
    }

    async fn sign(&self, request: &Request) -> Result<HttpRequest, CloudError> {
        let invalid = |error: &dyn std::fmt::Display| {
            self.error(CloudErrorKind::Invalid, format!("the request cannot be made: {error}"))
        };
        let credentials = self.actions.sessions.credentials(self.session).await?;
        let identity: Identity = credentials.into();
        let now = self.actions.base.time_source().map(|source| source.now());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.session.region)
            .name(request.service)
            .time(now.ok_or_else(|| invalid(&"there is no clock to sign with"))?)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| invalid(&error))?;
        let url = self.url(request);
        let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let body = SignableBody::Bytes(request.body.as_bytes());
        let signable = SignableRequest::new(request.method, url.as_str(), headers, body)
            .map_err(|error| invalid(&error))?;
        let (signature, _) = sign(signable, &params.into())
            .map_err(|error| invalid(&error))?
            .into_parts()
            .0
            .into_parts();

        let mut made = HttpRequest::new(SdkBody::from(request.body.as_str()));
        made.set_method(request.method).map_err(|error| invalid(&error))?;
        made.set_uri(url).map_err(|error| invalid(&error))?;
        let headers = made.headers_mut();
        for (name, value) in &request.headers {
            headers.insert(*name, value.clone());
        }
        for header in signature {
            headers.insert(header.name(), header.value().to_owned());
        }
        Ok(made)
    }

    /// Sends, and reads the whole answer. An error says why there is none.
    async fn send(&self, request: HttpRequest) -> Result<Reply, String> {
        let response = self.actions.connector.call(request).await.map_err(|error| chain(&error))?;
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
        let code = header("x-amzn-errortype");
        let status = response.status().as_u16();
        let body = ByteStream::new(response.into_body());
        let bytes = body.collect().await.map_err(|error| chain(&error))?.into_bytes();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Reply { status, request_id, code, body })
    }
}

/// The refusal of a JSON service.
pub(super) fn json_refusal(reply: &Reply) -> Refusal {
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let code = reply.code.clone().or_else(|| text("__type")).or_else(|| text("code"));
    // `com.amazonaws.x#Code` and `Code:http://…`.
    let plain = |code: String| {
        let code = code.rsplit('#').next().unwrap_or_default();
        code.split(':').next().unwrap_or_default().to_owned()
    };
    (code.map(plain), text("message").or_else(|| text("Message")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_json_services_are_plain() {
        let code = |code: Option<&str>, body: &str| {
            let reply = Reply {
                status: 400,
                request_id: None,
                code: code.map(str::to_owned),
                body: body.to_owned(),
            };
            json_refusal(&reply)
        };
        let said = |code: &str, message: &str| (Some(code.to_owned()), message.to_owned());
        assert_eq!(
            code(Some("BadRequestException:http://internal"), r#"{"message":"No."}"#),
            said("BadRequestException", "No.")
        );
        assert_eq!(
            code(None, r#"{"__type":"a.b#NoSuchConfigurationRecorderException","Message":"x"}"#),
            said("NoSuchConfigurationRecorderException", "x")
        );
        assert_eq!(code(None, "<html>"), (None, String::new()));
    }
}
