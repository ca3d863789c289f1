//! A folder as a store: each bucket is a folder below the root, each object a file.
//!
//! A key is a relative path with `/`. File systems hold fewer names than S3: a key with an empty
//! segment, `.` or `..`, with NUL, or with a segment longer than the file system allows has no file
//! here, and `get` refuses it as [`CloudErrorKind::Invalid`]. A file name that is not UTF-8 is
//! listed with U+FFFD in place of what cannot be written, and `get` does not find it: a caller who
//! counts what he could not read counts it too. Links to files inside the bucket are followed;
//! links to folders are not, since they may form a ring.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{CloudError, CloudErrorKind};
use crate::memory::{check_version, no_bucket, no_key};
use crate::store::{
    LIST_PAGE_MAX, Listed, Object, ObjectRef, Page, Store, content_etag, etag_differs, etags_equal,
    object_too_large,
};

/// A folder whose sub-folders are buckets.
#[derive(Clone, Debug)]
pub struct FolderStore {
    root: PathBuf,
    without_hidden: bool,
}

impl FolderStore {
    /// The store below `root`. The folder is only read, and need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), without_hidden: false }
    }

    /// Lists no files and folders whose names begin with a dot, as shells do, but for those that a prefix names.
    #[must_use]
    pub fn without_hidden(self) -> Self {
        Self { without_hidden: true, ..self }
    }
}

#[async_trait]
impl Store for FolderStore {
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, CloudError> {
        let folder = bucket_folder(&self.root, "list", bucket)?;
        let bucket = bucket.to_owned();
        let prefix = prefix.to_owned();
        let (after, without_hidden) = (after.map(str::to_owned), self.without_hidden);
        blocking("list", &bucket.clone(), move || {
            let objects = Vec::new();
            let mut walk = Walk { bucket, prefix, after, without_hidden, objects, more: false };
            walk.folder(&folder, "")?;
            let next = walk.objects.last().filter(|_| walk.more).map(|last| last.key.clone());
            Ok(Page { objects: walk.objects, next })
        })
        .await
    }

    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        let folder = bucket_folder(&self.root, "get", &object.bucket)?;
        check_key(object)?;
        let object = object.clone();
        blocking("get", &object.to_string(), move || read(&folder, &object, bytes_max)).await
    }
}

/// Runs file-system work where it may block.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    resource: &str,
    work: impl FnOnce() -> Result<T, CloudError> + Send + 'static,
) -> Result<T, CloudError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failure| {
        let text = format!("the reading thread stopped: {failure}");
        Err(CloudError::new(CloudErrorKind::Transient, operation, resource, text))
    })
}

fn bucket_folder(
    root: &Path,
    operation: &'static str,
    bucket: &str,
) -> Result<PathBuf, CloudError> {
    if bucket.is_empty() || bucket == "." || bucket == ".." || bucket.contains(['/', '\\', '\0']) {
        return Err(CloudError::new(
            CloudErrorKind::Invalid,
            operation,
            bucket,
            "a bucket here is the name of one folder",
        ));
    }
    Ok(root.join(bucket))
}

/// Refuses keys that would leave the bucket's folder, or that no file can have.
fn check_key(object: &ObjectRef) -> Result<(), CloudError> {
    let refuse =
        |text: &str| Err(CloudError::new(CloudErrorKind::Invalid, "get", object.to_string(), text));
    if object.key.contains('\0') {
        return refuse("the key contains NUL, which no file name can");
    }
    if object.key.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return refuse("the key has an empty segment, '.' or '..', which a folder cannot hold");
    }
    if std::path::MAIN_SEPARATOR != '/' && object.key.contains([std::path::MAIN_SEPARATOR, ':']) {
        return refuse("the key has a character that is no part of a file name here");
    }
    Ok(())
}

fn read(folder: &Path, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
    let failed = |failure: std::io::Error| io_error("get", &object.to_string(), &failure);
    if !folder.is_dir() {
        return Err(no_bucket("get", &object.bucket));
    }
    let path = match folder.join(&object.key).canonicalize() {
        Ok(path) => path,
        Err(failure) if is_absent(&failure) => return Err(no_key(object)),
        Err(failure) => return Err(failed(failure)),
    };
    if !path.starts_with(folder.canonicalize().map_err(failed)?) {
        return Err(CloudError::new(
            CloudErrorKind::Denied,
            "get",
            object.to_string(),
            "the key is a link that leads out of its bucket",
        ));
    }
    // Asked before opening: a pipe would hold the thread until somebody writes to it.
    let metadata = fs::metadata(&path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(no_key(object));
    }
    check_version(object)?;
    if metadata.len() > bytes_max {
        return Err(object_too_large(object, metadata.len(), bytes_max));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    let file = File::open(&path).map_err(failed)?;
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(object_too_large(object, bytes.len() as u64, bytes_max));
    }
    let etag = content_etag(&bytes);
    if object.etag.as_deref().is_some_and(|wanted| !etags_equal(wanted, &etag)) {
        return Err(etag_differs(object, &etag));
    }
    Ok(Object { bytes: Bytes::from(bytes), version: None, etag: Some(etag) })
}

/// One page of a listing in the making.
struct Walk {
    bucket: String,
    prefix: String,
    after: Option<String>,
    without_hidden: bool,
    objects: Vec<Listed>,
    more: bool,
}

impl Walk {
    /// Adds the objects below a folder, whose key is `base` (empty, or ending in `/`).
    ///
    /// Sorting a folder's names with `/` added to folders gives the byte order of whole keys, and
    /// lets us leave out folders that lie wholly before `after` or beside `prefix`.
    fn folder(&mut self, folder: &Path, base: &str) -> Result<(), CloudError> {
        for (key, path, is_folder) in self.entries(folder, base)? {
            if self.more {
                break;
            }
            if is_folder {
                let beside = !key.starts_with(&self.prefix) && !self.prefix.starts_with(&key);
                let before = self
                    .after
                    .as_ref()
                    .is_some_and(|after| !after.starts_with(&key) && *after > key);
                if !beside && !before {
                    self.folder(&path, &key)?;
                }
                continue;
            }
            let wanted = key.starts_with(&self.prefix)
                && self.after.as_ref().is_none_or(|after| key > *after);
            if !wanted {
                continue;
            }
            if self.objects.len() == LIST_PAGE_MAX {
                self.more = true;
                break;
            }
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    // Its etag is made of its bytes, and a listing does not read them.
                    self.objects.push(Listed { key, bytes: metadata.len(), etag: None });
                }
                Ok(_) => tracing::warn!(?path, "not listed: neither a file nor a folder"),
                Err(failure) if failure.kind() == ErrorKind::NotFound => {}
                Err(failure) => return Err(self.failed(&path, &failure)),
            }
        }
        Ok(())
    }

    /// The names in a folder as keys, in byte order; folders with `/` at the end.
    fn entries(
        &self,
        folder: &Path,
        base: &str,
    ) -> Result<Vec<(String, PathBuf, bool)>, CloudError> {
        let read = match fs::read_dir(folder) {
            Ok(read) => read,
            Err(failure) if is_absent(&failure) && base.is_empty() => {
                return Err(no_bucket("list", &self.bucket));
            }
            // The folder went away since we saw its name.
            Err(failure) if is_absent(&failure) => return Ok(Vec::new()),
            Err(failure) => return Err(self.failed(folder, &failure)),
        };
        let mut entries = Vec::new();
        for entry in read {
            let entry = entry.map_err(|failure| self.failed(folder, &failure))?;
            let is_folder =
                entry.file_type().map_err(|failure| self.failed(folder, &failure))?.is_dir();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let mut key = format!("{base}{name}");
            if is_folder {
                key.push('/');
            }
            if self.without_hidden && name.starts_with('.') && !self.prefix.starts_with(&key) {
                continue;
            }
            entries.push((key, entry.path(), is_folder));
        }
        entries.sort();
        Ok(entries)
    }

    fn failed(&self, path: &Path, failure: &std::io::Error) -> CloudError {
        io_error("list", &format!("{} in {}", path.display(), self.bucket), failure)
    }
}

fn is_absent(failure: &std::io::Error) -> bool {
    matches!(failure.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn io_error(operation: &'static str, resource: &str, failure: &std::io::Error) -> CloudError {
    let kind = match failure.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => CloudErrorKind::NotFound,
        ErrorKind::PermissionDenied => CloudErrorKind::Denied,
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => CloudErrorKind::Invalid,
        _ => CloudErrorKind::Transient,
    };
    CloudError::new(kind, operation, resource, failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store_with(keys: &[&str]) -> (tempfile::TempDir, FolderStore) {
        let root = tempfile::tempdir().unwrap();
        for key in keys {
            let path = root.path().join("logs").join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        let store = FolderStore::new(root.path());
        (root, store)
    }

    async fn keys(store: &FolderStore, prefix: &str, after: Option<&str>) -> Vec<String> {
        let page = store.list("logs", prefix, after).await.unwrap();
        page.objects.into_iter().map(|listed| listed.key).collect()
    }

    #[tokio::test]
    async fn order_is_that_of_whole_keys_not_of_names() {
        // As names, "a" < "a.b"; as keys, "a.b" < "a/z", because '.' < '/'.
        let (_root, store) = store_with(&["a/z", "a.b", "a0", "a/b/c", "B"]);
        assert_eq!(keys(&store, "", None).await, ["B", "a.b", "a/b/c", "a/z", "a0"]);
        assert_eq!(keys(&store, "a/", None).await, ["a/b/c", "a/z"]);
        assert_eq!(keys(&store, "a/b", None).await, ["a/b/c"]);
        assert_eq!(keys(&store, "", Some("a/b/c")).await, ["a/z", "a0"]);
        assert_eq!(keys(&store, "", Some("a/c")).await, ["a/z", "a0"]);
        assert_eq!(keys(&store, "nothing", None).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn keys_that_leave_the_bucket_are_refused() {
        let (root, store) = store_with(&["a"]);
        fs::write(root.path().join("secret"), "x").unwrap();
        for key in ["../secret", "a/../../secret", "/etc/hostname", "./a", "a//b", "", "a\0"] {
            let error = store.get(&ObjectRef::new("logs", key), 10).await.unwrap_err();
            assert_eq!(error.kind(), CloudErrorKind::Invalid, "{key:?}");
        }
        for bucket in ["..", "", "logs/..", "."] {
            let error = store.get(&ObjectRef::new(bucket, "secret"), 10).await.unwrap_err();
            assert_eq!(error.kind(), CloudErrorKind::Invalid, "{bucket:?}");
            let error = store.list(bucket, "", None).await.unwrap_err();
            assert_eq!(error.kind(), CloudErrorKind::Invalid, "{bucket:?}");
        }
    }

    #[tokio::test]
    async fn hidden_names_are_left_out_if_asked_and_not_named() {
        let (_root, store) = store_with(&["a", ".b", ".c/d", "e/.f/g", "e/h"]);
        assert_eq!(keys(&store, "", None).await, [".b", ".c/d", "a", "e/.f/g", "e/h"]);
        let store = store.without_hidden();
        assert_eq!(keys(&store, "", None).await, ["a", "e/h"]);
        assert_eq!(keys(&store, "e/.f/", None).await, ["e/.f/g"]);
        assert_eq!(keys(&store, ".b", None).await, [".b"]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_out_of_the_bucket_are_denied_and_folder_links_not_followed() {
        use std::os::unix::fs::symlink;

        let (root, store) = store_with(&["a", "d/x"]);
        fs::write(root.path().join("secret"), "x").unwrap();
        symlink(root.path().join("secret"), root.path().join("logs/out")).unwrap();
        symlink("a", root.path().join("logs/in")).unwrap();
        symlink(".", root.path().join("logs/d/ring")).unwrap();
        assert_eq!(keys(&store, "", None).await, ["a", "d/x", "in", "out"]);
        let error = store.get(&ObjectRef::new("logs", "out"), 10).await.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::Denied);
        let object = store.get(&ObjectRef::new("logs", "in"), 10).await.unwrap();
        assert_eq!(object.bytes, "a");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_name_that_is_not_utf_8_is_listed_and_then_not_found() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let (root, store) = store_with(&["a"]);
        fs::write(root.path().join("logs").join(OsStr::from_bytes(b"b\xff")), "x").unwrap();
        assert_eq!(keys(&store, "", None).await, ["a", "b\u{FFFD}"]);
        let error = store.get(&ObjectRef::new("logs", "b\u{FFFD}"), 10).await.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_segment_too_long_for_the_file_system_is_named() {
        let (_root, store) = store_with(&["a"]);
        let error = store.get(&ObjectRef::new("logs", "x".repeat(300)), 10).await.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
    }
}
