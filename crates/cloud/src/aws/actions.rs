//! The calls of the catalogue over the AWS SDK, as a responder role in the account that is acted on.
//!
//! For each session the role is assumed anew, with a session policy that allows the one step. Inputs are checked before
//! anything is sent. A call that changes something is sent once: when its answer is lost nobody here knows whether it took
//! effect, so that the caller must look before it repeats. Calls that only read are repeated by the SDK, and their pages joined.

mod cloudtrail;
mod config;
mod ec2;
mod guard_duty;
mod iam;
mod identity_store;
mod json;
mod kms;
mod lambda;
mod organizations;
mod s3;
mod security_hub;
mod session;
mod signed;
mod sns;
mod sqs;
mod ssm;
mod sso_admin;
mod sts;
mod xml;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use serde_json::Value;
use trailloop_runbook::{Call, catalogue};

pub use self::session::ActionOptions;
use self::session::Sessions;
use super::{ATTEMPTS, Aws, CONNECT, FIRST_BYTE, from_sdk};
use crate::actions::inputs::{self, Inputs};
use crate::actions::{Actions, Answer, Session};
use crate::error::{CloudError, CloudErrorKind};

/// Pages of one list that are joined. What has more is no list that a runbook should decide on.
const PAGES_MAX: usize = 50;

/// Makes calls in other accounts, through the responder role there.
#[derive(Clone, Debug)]
pub struct AwsActions {
    base: SdkConfig,
    path_style: bool,
    connector: SharedHttpConnector,
    sessions: Sessions,
}

impl Aws {
    /// The calls of the catalogue, made as the responder role of each account.
    #[must_use]
    pub fn actions(&self, options: ActionOptions) -> AwsActions {
        // One pool of connections for all sessions: without it each session would begin with new ones.
        let connector = SharedHttpConnector::new(
            Connector::builder()
                .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
                .connector_settings(
                    HttpConnectorSettings::builder()
                        .connect_timeout(CONNECT)
                        .read_timeout(FIRST_BYTE)
                        .build(),
                )
                .pool_idle_timeout(IDLE)
                .build(),
        );
        let shared = connector.clone();
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(FIRST_BYTE);
        let base = self
            .config
            .clone()
            .into_builder()
            .timeout_config(timeouts.build())
            .http_client(http_client_fn(move |_, _| shared.clone()))
            .build();
        let sessions = Sessions::new(options, &base);
        AwsActions { base, path_style: self.path_style, connector, sessions }
    }
}

/// One call on its way.
struct Caller<'a> {
    actions: &'a AwsActions,
    session: &'a Session,
    call: &'a Call,
}

impl Caller<'_> {
    /// The settings before there are credentials: what is made of them prepares requests, and sends none.
    fn unsigned(&self) -> &SdkConfig {
        &self.actions.base
    }

    /// The settings to send with. The role is assumed here, unless its credentials are still good.
    async fn config(&self) -> Result<SdkConfig, CloudError> {
        let retries = if is_made_once(self.call) {
            RetryConfig::disabled()
        } else {
            RetryConfig::standard().with_max_attempts(ATTEMPTS)
        };
        self.actions.sessions.config(self.session, &self.actions.base, retries).await
    }

    fn failed<E>(&self, failure: &SdkError<E, HttpResponse>) -> CloudError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let error = from_sdk("call", &resource(self.session, self.call), failure);
        let never_sent = matches!(failure, SdkError::ConstructionFailure(_));
        of_call(error, never_sent)
    }
}

/// `iam:UpdateAccessKey in 111122223333, us-east-1`.
fn resource(session: &Session, call: &Call) -> String {
    format!("{} in {}, {}", call.name(), session.account, session.region)
}

/// What codes mean for calls of the catalogue where they mean something else for queues and buckets. That something is absent is
/// a state which counts, so only a code of its own says it.
fn of_call(error: CloudError, never_sent: bool) -> CloudError {
    use CloudErrorKind::{Denied, Invalid, NotFound, Transient};
    let code = error.code().unwrap_or_default();
    let missing = code.starts_with("NoSuch")
        || code.ends_with("NotFound")
        || code.ends_with("NotFoundException")
        || code.ends_with("NotFoundFault")
        || code.ends_with("DoesNotExistException")
        || code == "PolicyNotAttachedException";
    // S3 says this of a bucket's policy to another account than the bucket's.
    let foreign = code == "MethodNotAllowed";
    // Somebody else changes the same thing at this moment.
    let busy = matches!(
        code,
        "ConcurrentModification"
            | "ConcurrentModificationException"
            | "ConflictException"
            | "EntityTemporarilyUnmodifiable"
    );
    // A quota of IAM and Organizations, which no waiting mends; queues and streams mean their rate.
    let full = matches!(code, "LimitExceeded" | "LimitExceededException");
    let broken = never_sent && error.is_transient();
    let unexplained = error.kind() == NotFound;
    match () {
        () if missing => error.with_kind(NotFound),
        () if foreign => error.with_kind(Denied),
        () if full || broken => error.with_kind(Invalid),
        () if busy || unexplained => error.with_kind(Transient),
        () => error,
    }
}

/// Whether a call may be made once alone: it changes something, or somebody would hear of it twice.
fn is_made_once(call: &Call) -> bool {
    catalogue::find(&call.service, &call.api).is_none_or(|api| api.changes || api.tells)
}

/// A table of a service's APIs: the API, the SDK's operation, the inputs with their setters, and the answer's members.
macro_rules! apis {
    ($client:expr; $($api:literal $operation:ident ($($setter:ident $kind:ident($($arg:expr),*)),* $(,)?)
        $answer:pat => $body:expr;)*) => {
        /// Makes one call of this service.
        pub(super) async fn call(
            caller: &$crate::aws::actions::Caller<'_>,
            mut inputs: $crate::aws::actions::Inputs,
        ) -> Result<$crate::actions::Answer, $crate::error::CloudError> {
            use aws_sdk_sts::operation::RequestId as _;
            let client = $client;
            let inputs = &mut inputs;
            let draft = client(caller, caller.unsigned());
            match caller.call.api.as_str() {
                $($api => {
                    let request = draft.$operation()$(.$setter(inputs.$kind($($arg),*)?))*;
                    inputs.end()?;
                    let live = client(caller, &caller.config().await?);
                    let sending = Box::pin(request.as_input().clone().send_with(&live));
                    let answer = sending.await.map_err(|failure| caller.failed(&failure))?;
                    let request_id = answer.request_id().map(str::to_owned);
                    let $answer = &answer;
                    Ok($crate::actions::Answer { request_id, body: $body })
                })*
                _ => Err(inputs.unknown_api()),
            }
        }
    };
}
use apis;

impl AwsActions {
    async fn once(&self, session: &Session, call: &Call) -> Result<Answer, CloudError> {
        let inputs = Inputs::new(call);
        let caller = Caller { actions: self, session, call };
        match call.service.as_str() {
            "cloudtrail" => cloudtrail::call(&caller, inputs).await,
            "config" => config::call(&caller, inputs).await,
            "ec2" => ec2::call(&caller, inputs).await,
            "guardduty" => guard_duty::call(&caller, inputs).await,
            "iam" => Box::pin(iam::call(&caller, inputs)).await,
            "identitystore" => identity_store::call(&caller, inputs).await,
            "kms" => kms::call(&caller, inputs).await,
            "lambda" => lambda::call(&caller, inputs).await,
            "organizations" => organizations::call(&caller, inputs).await,
            "s3" => s3::call(&caller, inputs).await,
            "securityhub" => security_hub::call(&caller, inputs).await,
            "sns" => sns::call(&caller, inputs).await,
            "sqs" => sqs::call(&caller, inputs).await,
            "ssm" => ssm::call(&caller, inputs).await,
            "sso-admin" => sso_admin::call(&caller, inputs).await,
            "sts" => sts::call(&caller, inputs).await,
            _ => Err(inputs.unknown_api()),
        }
    }
}

#[async_trait]
impl Actions for AwsActions {
    async fn call(&self, session: &Session, call: &Call) -> Result<Answer, CloudError> {
        let mut answer = Box::pin(self.once(session, call)).await?;
        if is_made_once(call) || PAGING.iter().any(|input| call.inputs.contains_key(*input)) {
            return Ok(answer);
        }
        for _ in 1..PAGES_MAX {
            let Some((input, token)) = take_token(&mut answer.body) else { return Ok(answer) };
            let mut next = call.clone();
            next.inputs.insert(input.to_owned(), token);
            let page = Box::pin(self.once(session, &next)).await?;
            join(&mut answer.body, page.body);
        }
        match take_token(&mut answer.body) {
            None => Ok(answer),
            Some(_) => Err(CloudError::new(
                CloudErrorKind::Invalid,
                "call",
                resource(session, call),
                format!("the answer has more than {PAGES_MAX} pages; narrow the call"),
            )),
        }
    }
}

/// The members of an answer that say there is more, and the inputs of the same names that ask for it.
const PAGING: [&str; 2] = ["NextToken", "Marker"];

/// Takes what says that there is more out of an answer.
fn take_token(body: &mut Value) -> Option<(&'static str, Value)> {
    let members = body.as_object_mut()?;
    let (input, token) = PAGING.iter().find_map(|input| {
        Some((*input, members.shift_remove(*input).filter(|token| token.as_str() != Some(""))?))
    })?;
    if let Some(truncated) = members.get_mut("IsTruncated") {
        *truncated = Value::Bool(false);
    }
    Some((input, token))
}

/// Appends the lists of a page to those before it; of other members the last one stands.
fn join(body: &mut Value, page: Value) {
    let (Some(body), Value::Object(page)) = (body.as_object_mut(), page) else { return };
    for (name, value) in page {
        match (body.get_mut(&name), value) {
            (Some(Value::Array(before)), Value::Array(more)) => before.extend(more),
            (_, value) => {
                body.insert(name, value);
            }
        }
    }
}

/// How long a connection may lie idle. Servers of AWS close theirs later, so that none is used that was just closed.
const IDLE: std::time::Duration = std::time::Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_are_joined() {
        let mut body = json!({"Names": ["a"], "IsTruncated": true, "Marker": "m"});
        assert_eq!(take_token(&mut body), Some(("Marker", json!("m"))));
        join(&mut body, json!({"Names": ["b"], "IsTruncated": false}));
        assert_eq!(body, json!({"Names": ["a", "b"], "IsTruncated": false}));
        assert_eq!(take_token(&mut body), None);
        assert_eq!(take_token(&mut json!({"NextToken": ""})), None);
    }

    #[test]
    fn codes_of_missing_things_and_full_quotas() {
        let kind = |code: &str| {
            let error = CloudError::new(CloudErrorKind::Transient, "call", "x", "").with_code(code);
            of_call(error, false).kind()
        };
        for code in [
            "NoSuchEntity",
            "NoSuchBucketPolicy",
            "NoSuchPublicAccessBlockConfiguration",
            "ResourceNotFoundException",
            "TrailNotFoundException",
            "InvalidInstanceID.NotFound",
            "ParameterNotFound",
        ] {
            assert_eq!(kind(code), CloudErrorKind::NotFound, "{code}");
        }
        assert_eq!(kind("LimitExceeded"), CloudErrorKind::Invalid);
        assert_eq!(kind("Throttling"), CloudErrorKind::Transient);
    }

    #[test]
    fn what_changes_or_is_heard_is_made_once() {
        let is_once = |name: &str| {
            let (service, api) = name.split_once(':').unwrap();
            is_made_once(&Call {
                service: service.into(),
                api: api.into(),
                inputs: serde_json::Map::new(),
            })
        };
        assert!(!is_once("iam:GetUser") && !is_once("iam:SimulatePrincipalPolicy"));
        assert!(is_once("iam:UpdateAccessKey") && is_once("iam:OfAnotherYear"));
        assert!(is_once("sns:Publish") && is_once("securityhub:BatchImportFindings"));
    }
}
