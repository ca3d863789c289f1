//! Where the logs of a query lie: files and folders as stores, or S3.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use trailloop_cloud::{AwsOptions, FolderStore, Store, connect};
use trailloop_query::Source;

use crate::cli::AwsArgs;
use crate::{Unreadable, UsageError};

/// The sources of a command line. S3 is connected to when the first asks for it.
pub(super) async fn sources(places: &[String], arguments: &AwsArgs) -> anyhow::Result<Vec<Source>> {
    let mut s3: Option<Arc<dyn Store>> = None;
    let mut sources = Vec::new();
    for place in places {
        let Some(place) = place.strip_prefix("s3://") else {
            sources.push(local(place)?);
            continue;
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            let said = format!("s3://{place} names no bucket; write s3://bucket/prefix");
            return Err(UsageError(said).into());
        }
        if s3.is_none() {
            let options = AwsOptions {
                region: None,
                endpoint_url: arguments.endpoint_url.clone(),
                path_style: arguments.path_style,
            };
            s3 = Some(Arc::new(connect(options).await.store()));
        }
        let store = s3.clone().context("S3 is not connected")?;
        sources.push(Source { store, bucket: bucket.to_owned(), prefix: prefix.to_owned() });
    }
    Ok(sources)
}

/// A file or folder. It may lie inside CloudTrail's layout, so the folder that holds `AWSLogs` is the bucket if there is one: the
/// account, region and day stand above what was named.
fn local(place: &str) -> anyhow::Result<Source> {
    let unreadable = |error: std::io::Error| Unreadable(format!("failed to read {place}: {error}"));
    let path = Path::new(place).canonicalize().map_err(unreadable)?;
    let is_folder = path.metadata().map_err(unreadable)?.is_dir();
    let parts: Vec<Component<'_>> = path.components().collect();
    let logs = parts.iter().position(|part| part.as_os_str() == "AWSLogs");
    // The root has no name, so it can be no bucket.
    let at = logs.filter(|at| *at >= 2).unwrap_or(parts.len() - usize::from(!is_folder));
    let bucket: PathBuf = parts[..at].iter().collect();
    let below: PathBuf = parts[at..].iter().collect();
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(root), Some(bucket)) = (bucket.parent(), name(&bucket)) else {
        return Err(UsageError(format!(
            "{place} is the root of a file system; name a folder of logs"
        ))
        .into());
    };
    let mut prefix = below.to_string_lossy().into_owned();
    if is_folder && !prefix.is_empty() {
        prefix.push('/');
    }
    Ok(Source { store: Arc::new(FolderStore::new(root)), bucket, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_inside_the_layout_keeps_what_stands_above_it() {
        let root = tempfile::tempdir().unwrap();
        let day = root.path().join("logs/AWSLogs/111122223333/CloudTrail/eu-west-1/2026");
        std::fs::create_dir_all(&day).unwrap();
        let file = day.join("x.json");
        std::fs::write(&file, "{}").unwrap();
        let place = |path: &Path| {
            let source = local(path.to_str().unwrap()).unwrap();
            (source.bucket, source.prefix)
        };
        let prefix = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/";
        assert_eq!(place(&day), ("logs".into(), prefix.into()));
        assert_eq!(place(&file), ("logs".into(), format!("{prefix}x.json")));
        assert_eq!(place(&root.path().join("logs")), ("logs".into(), String::new()));
        assert!(local("/").is_err());
        assert!(local("/no/such/folder").is_err());
    }
}
