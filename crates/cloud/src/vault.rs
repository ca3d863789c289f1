//! A place to keep evidence in: files are put there and never changed.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;

use crate::error::{CloudError, CloudErrorKind};

/// Keeps files under names.
#[async_trait]
pub trait Vault: Send + Sync + 'static {
    /// The place's name, for messages to people.
    fn name(&self) -> &str;

    /// Keeps a file, whole. `Ok`: it is durable. A file that is there already is written again: who calls puts the same bytes.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), CloudError>;
}

/// A vault whose files may go again: what can be made anew is no evidence.
#[async_trait]
pub trait Shelf: Vault {
    /// Takes a file away. `Ok`: it is not there, whether or not it was.
    async fn remove(&self, name: &str) -> Result<(), CloudError>;
}

/// A folder.
pub struct FolderVault {
    folder: PathBuf,
    name: String,
}

impl FolderVault {
    /// The folder, which is made when the first file comes.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self { name: folder.display().to_string(), folder }
    }
}

#[async_trait]
impl Vault for FolderVault {
    fn name(&self) -> &str {
        &self.name
    }

    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), CloudError> {
        let path = self.path("keep", name)?;
        let failed = |error: std::io::Error| io_error("keep", &path, &error);
        let parent = path.parent().map_or_else(|| self.folder.clone(), PathBuf::from);
        tokio::fs::create_dir_all(&parent).await.map_err(failed)?;
        // Written beside and renamed, so that nobody finds half a file; both are on the disk before that is said.
        let beside = path.with_extension("partial");
        let mut file = tokio::fs::File::create(&beside).await.map_err(failed)?;
        file.write_all(&bytes).await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        tokio::fs::rename(&beside, &path).await.map_err(failed)?;
        tokio::fs::File::open(&parent).await.map_err(failed)?.sync_all().await.map_err(failed)
    }
}

#[async_trait]
impl Shelf for FolderVault {
    async fn remove(&self, name: &str) -> Result<(), CloudError> {
        let path = self.path("remove", name)?;
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}

impl FolderVault {
    fn path(&self, operation: &'static str, name: &str) -> Result<PathBuf, CloudError> {
        if !is_plain(name) {
            let text = "a name has only letters, digits, '-', '_', '.' and '/' between parts";
            return Err(CloudError::new(CloudErrorKind::Invalid, operation, name, text));
        }
        Ok(self.folder.join(name))
    }
}

fn io_error(operation: &'static str, path: &Path, error: &std::io::Error) -> CloudError {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied => CloudErrorKind::Denied,
        _ => CloudErrorKind::Transient,
    };
    CloudError::new(kind, operation, path.display().to_string(), error.to_string())
}

/// Whether a name can't lead out of the place.
fn is_plain(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_removed_is_gone_and_stays_gone() {
        let folder = tempfile::tempdir().unwrap();
        let vault = FolderVault::new(folder.path());
        vault.put("a/b", Bytes::from_static(b"x")).await.unwrap();
        for _ in 0..2 {
            vault.remove("a/b").await.unwrap();
            assert!(!folder.path().join("a/b").exists());
        }
    }

    #[tokio::test]
    async fn a_file_is_kept_and_none_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let vault = FolderVault::new(folder.path());
        vault.put("run/1/manifest.json", Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(std::fs::read(folder.path().join("run/1/manifest.json")).unwrap(), b"{}");
        for name in ["../out", "run//x", "/etc/x", "run/.hidden", "run/a b"] {
            let refused = vault.put(name, Bytes::new()).await.unwrap_err();
            assert_eq!(refused.kind(), CloudErrorKind::Invalid, "{name}");
            let refused = vault.remove(name).await.unwrap_err();
            assert_eq!(refused.kind(), CloudErrorKind::Invalid, "{name}");
        }
    }
}
