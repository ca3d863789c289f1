//! Evidence in S3: a bucket with Object Lock keeps what is put by its default retention.

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;

use super::{Aws, from_sdk};
use crate::error::CloudError;
use crate::vault::Vault;

/// A prefix of a bucket.
pub struct AwsVault {
    client: aws_sdk_s3::Client,
    bucket: String,
    prefix: String,
    name: String,
}

impl Aws {
    /// The place below `prefix` of a bucket.
    pub fn vault(&self, bucket: &str, prefix: &str) -> AwsVault {
        AwsVault {
            client: self.s3(),
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
            name: format!("s3://{bucket}/{prefix}"),
        }
    }
}

#[async_trait]
impl Vault for AwsVault {
    fn name(&self) -> &str {
        &self.name
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), CloudError> {
        let key = if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.prefix)
        };
        // A bucket with Object Lock takes nothing without a checksum.
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(&key)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|failure| from_sdk("keep", &format!("{}/{key}", self.bucket), &failure))?;
        Ok(())
    }
}
