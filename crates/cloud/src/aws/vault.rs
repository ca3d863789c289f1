//! Evidence in S3: a bucket with Object Lock keeps what is put by its default retention.

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;

use super::{Aws, from_sdk};
use crate::error::CloudError;
use crate::vault::{Shelf, Vault};

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

impl AwsVault {
    fn key(&self, name: &str) -> String {
        match self.prefix.is_empty() {
            true => name.to_owned(),
            false => format!("{}/{name}", self.prefix),
        }
    }
}

#[async_trait]
impl Shelf for AwsVault {
    async fn remove(&self, name: &str) -> Result<(), CloudError> {
        let key = self.key(name);
        // S3 says that it is done of a key that is not there, too.
        let removed = self.client.delete_object().bucket(&self.bucket).key(&key).send().await;
        let removed = removed
            .map_err(|failure| from_sdk("remove", &format!("{}/{key}", self.bucket), &failure));
        removed.map(drop)
    }
}

#[async_trait]
impl Vault for AwsVault {
    fn name(&self) -> &str {
        &self.name
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), CloudError> {
        let key = self.key(name);
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
