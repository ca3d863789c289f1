//! The object store: keys listed in byte order, objects read whole under a cap.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{CloudError, CloudErrorKind};

/// A page of a listing holds at most this many objects.
pub const LIST_PAGE_MAX: usize = 1000;

/// An object to read, as a notification names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ObjectRef {
    /// The bucket's name.
    pub bucket: String,
    /// The key, decoded: as S3 stores it, not as a notification spells it.
    pub key: String,
    /// The version to read; without it the current one.
    pub version: Option<String>,
    /// The etag the object must have, with or without its quotes; without it any.
    pub etag: Option<String>,
}

impl ObjectRef {
    /// The current version of `key`, whatever its etag.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), key: key.into(), version: None, etag: None }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)?;
        if let Some(version) = &self.version {
            write!(f, " version {version}")?;
        }
        Ok(())
    }
}

/// An object as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// The whole body.
    pub bytes: Bytes,
    /// The version that was read, if the bucket keeps versions.
    pub version: Option<String>,
    /// The etag, with its quotes, if the store gives one.
    pub etag: Option<String>,
}

/// One object of a listing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// The size of the body as it is stored.
    pub bytes: u64,
    /// The etag that [`Store::get`] gives, if the store lists it: another body has another.
    pub etag: Option<String>,
}

/// One page of a listing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The objects, in byte order of their keys.
    pub objects: Vec<Listed>,
    /// If there may be more: pass it as `after` to get the next page.
    pub next: Option<String>,
}

/// A place that holds objects under keys.
///
/// Both methods only read, so a dropped call leaves nothing behind.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Lists the keys that begin with `prefix` and are greater than `after`, in byte order, at
    /// most [`LIST_PAGE_MAX`].
    ///
    /// `Ok`: every key of that range up to the last one listed (up to the end, if `next` is `None`)
    /// that existed throughout the call is in the page, once. `after` need not exist.
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, CloudError>;

    /// Reads the whole body.
    ///
    /// `Ok`: these are all bytes of the object, of the version and with the etag asked for.
    /// [`CloudErrorKind::TooLarge`]: the body has more than `bytes_max` bytes; it was not read if the
    /// store announced its length, and otherwise no more than `bytes_max` bytes were held. A body
    /// that ends early or fails its checksum is [`CloudErrorKind::Transient`]. An etag that
    /// does not match is [`CloudErrorKind::Invalid`] with the code `PreconditionFailed`.
    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError>;
}

/// The error of an object that is longer than the caller allowed.
pub(crate) fn object_too_large(object: &ObjectRef, bytes: u64, bytes_max: u64) -> CloudError {
    CloudError::new(
        CloudErrorKind::TooLarge,
        "get",
        object.to_string(),
        format!("the object has {bytes} bytes or more, and at most {bytes_max} are allowed"),
    )
}

/// The error of an etag that does not match.
pub(crate) fn etag_differs(object: &ObjectRef, found: &str) -> CloudError {
    CloudError::new(
        CloudErrorKind::Invalid,
        "get",
        object.to_string(),
        format!(
            "the etag is {found}, not {}: the object was changed after its notification",
            object.etag.as_deref().unwrap_or("given")
        ),
    )
    .with_code("PreconditionFailed")
    .with_status(412)
}

/// Whether two etags are the same, with or without their quotes: notifications leave them out.
pub(crate) fn etags_equal(one: &str, other: &str) -> bool {
    one.trim_matches('"') == other.trim_matches('"')
}

/// An etag of the content, for kinds that have none of their own: a hash of 64 bits, in quotes.
/// It tells versions apart; it is no protection against a forger.
pub(crate) fn content_etag(bytes: &[u8]) -> String {
    // Eight bytes at a time, because whole objects pass through here; the length tells the last ones apart from zeros.
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = words.fold(mix(0xcbf2_9ce4_8422_2325, bytes.len() as u64), mix);
    let hash = hash ^ (hash >> 32);
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_equal_without_their_quotes() {
        assert!(etags_equal("\"abc\"", "abc"));
        assert!(!etags_equal("\"abc\"", "\"abd\""));
        assert_ne!(content_etag(b"a"), content_etag(b"b"));
    }

    #[test]
    fn an_object_names_its_version() {
        let mut object = ObjectRef::new("logs", "a/b");
        assert_eq!(object.to_string(), "logs/a/b");
        object.version = Some("v1".to_owned());
        assert_eq!(object.to_string(), "logs/a/b version v1");
    }
}
