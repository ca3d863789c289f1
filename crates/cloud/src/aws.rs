//! The AWS kinds: SQS, S3 and Organizations through the official SDK, or an emulator that speaks like them.
//!
//! The SDK does what it does well: signing, the credential chain, retries with backoff, checksums.
//! What is ours: limits on time (a long poll and a 50 MB body must fit, a server that falls silent
//! must not hold us), batches split to what SQS takes, and errors turned into
//! [`crate::CloudError`] with everything the answer told.

mod actions;
mod athena;
mod failure;
mod organization;
mod queue;
mod store;
mod table;
mod vault;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};

pub use self::actions::{ActionOptions, AwsActions};
pub use self::athena::{
    Athena, AthenaColumn, AthenaCost, AthenaExecution, AthenaPage, AthenaState, AthenaStatement,
    AthenaValue,
};
pub(crate) use self::failure::{chain, classify, from_sdk};
pub use self::organization::{MemberAccount, Organization};
pub use self::queue::AwsQueue;
pub use self::store::AwsStore;
pub use self::table::AwsTable;
pub use self::vault::AwsVault;

use crate::error::{CloudError, CloudErrorKind};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a server may stay silent before its answer begins: a long poll of 20 s, and then some.
const FIRST_BYTE: Duration = Duration::from_secs(35);

/// How long a table may stay silent: nothing of it takes long, and a run waits for it.
const ROW: Duration = Duration::from_secs(10);

/// How long a body may stand still before the read is given up as transient.
const STALL: Duration = Duration::from_secs(20);

/// Tries of one request, the first included. The SDK waits longer before each.
const ATTEMPTS: u32 = 4;

/// Where AWS is, and how to speak to it. The default is AWS itself, in the region of the
/// environment or profile.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AwsOptions {
    /// The region; without it the one of the environment, profile or instance.
    pub region: Option<String>,
    /// The URL of an emulator or a private endpoint, for all services.
    pub endpoint_url: Option<String>,
    /// Whether buckets are named in the path instead of the host name; emulators need it.
    pub path_style: bool,
}

/// Clients for SQS, S3 and Organizations that share credentials, settings and connections.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    path_style: bool,
    stall: Duration,
}

/// Reads the settings and prepares the clients. Credentials come from the SDK's default chain
/// (environment, profile, web identity, ECS, instance metadata) and are asked for at the first
/// request, so a mistake in them shows there.
pub async fn connect(options: AwsOptions) -> Aws {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(FIRST_BYTE);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts.build())
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().grace_period(STALL).build(),
        );
    if let Some(region) = options.region {
        loader = loader.region(Region::new(region));
    }
    if let Some(endpoint_url) = options.endpoint_url {
        loader = loader.endpoint_url(endpoint_url);
    }
    Aws { config: loader.load().await, path_style: options.path_style, stall: STALL }
}

impl Aws {
    /// The queue of this URL. Without an endpoint of ours, a URL of AWS also says the region.
    pub fn queue(&self, url: impl Into<String>) -> AwsQueue {
        let url = url.into();
        let mut config = aws_sdk_sqs::config::Builder::from(&self.config);
        if self.config.endpoint_url().is_none()
            && let Some(region) = queue_region(&url)
        {
            config = config.region(aws_sdk_sqs::config::Region::new(region.to_owned()));
        }
        AwsQueue::new(aws_sdk_sqs::Client::from_conf(config.build()), url)
    }

    /// The store of all buckets that the credentials reach in the configured region.
    pub fn store(&self) -> AwsStore {
        AwsStore::new(self.s3(), self.stall)
    }

    /// The table of DynamoDB with this name, whose keys are the strings `pk` and `sk`.
    pub fn table(&self, name: impl Into<String>) -> AwsTable {
        AwsTable::new(self.dynamodb(), name.into())
    }

    /// The organization that the credentials' account may look at.
    pub fn organization(&self) -> Organization {
        Organization::new(self.organizations())
    }

    /// The account of the credentials, as STS says.
    ///
    /// # Errors
    ///
    /// If there are no credentials, or STS can't be reached.
    pub async fn account(&self) -> Result<String, CloudError> {
        let answer = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let answer =
            answer.map_err(|failure| from_sdk("call", "sts:GetCallerIdentity", &failure))?;
        answer.account.ok_or_else(|| {
            let text = "the answer names no account";
            CloudError::new(CloudErrorKind::Invalid, "call", "sts:GetCallerIdentity", text)
        })
    }

    /// Signs with these keys instead of those of the credential chain. For emulators, which take
    /// any, and for tests; a service has its role.
    #[must_use]
    pub fn with_keys(self, access_key_id: &str, secret_access_key: &str) -> Self {
        let keys = Credentials::new(access_key_id, secret_access_key, None, None, "given");
        let config = self
            .config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build();
        Self { config, ..self }
    }

    /// The region that requests are signed for, if one is known.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(ROW);
        let config = aws_sdk_dynamodb::config::Builder::from(&self.config)
            .timeout_config(timeouts.build())
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    pub(crate) fn organizations(&self) -> aws_sdk_organizations::Client {
        aws_sdk_organizations::Client::new(&self.config)
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(self.path_style)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }
}

/// The region in a queue URL of AWS: `https://sqs.eu-west-1.amazonaws.com/111122223333/name`.
fn queue_region(url: &str) -> Option<&str> {
    let host = url.strip_prefix("https://")?.split('/').next()?;
    let region =
        host.strip_prefix("sqs.")?.split_once(".amazonaws.com").map(|(region, _)| region)?;
    let plain = region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (plain && !region.is_empty()).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_url_of_aws_names_its_region() {
        let region = |url| queue_region(url);
        assert_eq!(region("https://sqs.eu-west-1.amazonaws.com/111122223333/q"), Some("eu-west-1"));
        assert_eq!(
            region("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q"),
            Some("cn-north-1")
        );
        assert_eq!(region("http://127.0.0.1:4566/000000000000/q"), None);
        assert_eq!(region("https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1/q"), None);
        assert_eq!(region("https://sqs.evil.example/.amazonaws.com/q"), None);
    }
}
