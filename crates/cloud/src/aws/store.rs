//! S3: listings in pages, bodies read whole under a cap and a limit on silence.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use bytes::{Bytes, BytesMut};

use super::failure::{chain, from_sdk};
use crate::error::{CloudError, CloudErrorKind};
use crate::store::{LIST_PAGE_MAX, Listed, Object, ObjectRef, Page, Store, object_too_large};

/// Space for a body is taken at once up to this; a length that lies costs no more.
const RESERVE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The buckets of S3. A bucket's name may also be the alias or ARN of an access point.
#[derive(Clone, Debug)]
pub struct AwsStore {
    client: Client,
    stall: Duration,
}

impl AwsStore {
    pub(crate) fn new(client: Client, stall: Duration) -> Self {
        Self { client, stall }
    }

    /// Reads a body to its end. Each chunk must come within `stall` of the last.
    async fn read(
        &self,
        object: &ObjectRef,
        mut body: ByteStream,
        length: Option<u64>,
        bytes_max: u64,
    ) -> Result<Bytes, CloudError> {
        let transient = |text: String| {
            CloudError::new(CloudErrorKind::Transient, "get", object.to_string(), text)
        };
        let reserve = length.unwrap_or(0).min(RESERVE_BYTES_MAX);
        let mut bytes = BytesMut::with_capacity(usize::try_from(reserve).unwrap_or(0));
        loop {
            let chunk = match tokio::time::timeout(self.stall, body.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(failure))) => {
                    let read = bytes.len();
                    return Err(transient(format!(
                        "the body broke off after {read} bytes: {}",
                        chain(&failure)
                    )));
                }
                Ok(None) => break,
                Err(_elapsed) => {
                    return Err(transient(format!(
                        "the body stood still for {} ms after {} bytes",
                        self.stall.as_millis(),
                        bytes.len()
                    )));
                }
            };
            let total = bytes.len() as u64 + chunk.len() as u64;
            if total > bytes_max {
                return Err(object_too_large(object, total, bytes_max));
            }
            bytes.extend_from_slice(&chunk);
        }
        if let Some(length) = length
            && bytes.len() as u64 != length
        {
            return Err(transient(format!("{} of {length} bytes came", bytes.len())));
        }
        Ok(bytes.freeze())
    }
}

#[async_trait]
impl Store for AwsStore {
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, CloudError> {
        let answer = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            .max_keys(i32::try_from(LIST_PAGE_MAX).unwrap_or(1000))
            .send()
            .await
            .map_err(|failure| from_sdk("list", &format!("{bucket}/{prefix}"), &failure))?;
        let more = answer.is_truncated().unwrap_or(false);
        let objects: Vec<Listed> = answer
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|listed| {
                let bytes = listed.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                Some(Listed { key: listed.key?, bytes, etag: listed.e_tag })
            })
            .collect();
        let next = objects.last().filter(|_| more).map(|last| last.key.clone());
        Ok(Page { objects, next })
    }

    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        let if_match = object.etag.as_ref().map(|etag| format!("\"{}\"", etag.trim_matches('"')));
        let answer = self
            .client
            .get_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(object.version.clone())
            .set_if_match(if_match)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|failure| from_sdk("get", &object.to_string(), &failure))?;
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
        if let Some(length) = length
            && length > bytes_max
        {
            return Err(object_too_large(object, length, bytes_max));
        }
        let bytes = self.read(object, answer.body, length, bytes_max).await?;
        Ok(Object { bytes, version: answer.version_id, etag: answer.e_tag })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::aws::{AwsOptions, connect};

    /// A server that announces 100 bytes, sends 5 and falls silent, until the client hangs up.
    #[tokio::test]
    async fn a_body_that_stands_still_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut head = [0; 16_384];
            assert!(client.read(&mut head).unwrap() > 0);
            client
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\netag: \"e\"\r\n\r\nhello")
                .unwrap();
            while client.read(&mut head).is_ok_and(|read| read > 0) {}
        });
        let options = AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(format!("http://{address}")),
            path_style: true,
        };
        let mut aws = connect(options).await.with_keys("test", "test");
        aws.stall = Duration::from_millis(50);
        let error = aws.store().get(&ObjectRef::new("b", "k"), 1000).await.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::Transient);
        assert_eq!(
            error.to_string(),
            "get b/k: the body stood still for 50 ms after 5 bytes (transient)"
        );
        // Not joined on this thread, which must go on to close the connection.
        tokio::task::spawn_blocking(move || server.join().unwrap()).await.unwrap();
    }
}
