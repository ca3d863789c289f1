//! Where the logs of a query lie: files and folders as stores, or S3.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use trailloop_cloud::{Aws, FolderStore, FolderVault, Shelf, connect};
use trailloop_query::{Index, Source};

use crate::cli::AwsArgs;
use crate::source::in_s3;
use crate::{Unreadable, UsageError};

/// S3, connected to when the first asks for it.
struct S3<'a> {
    arguments: &'a AwsArgs,
    aws: Option<Aws>,
}

impl S3<'_> {
    async fn aws(&mut self) -> &Aws {
        if self.aws.is_none() {
            self.aws = Some(connect(self.arguments.options()).await);
        }
        // It was just put there.
        self.aws.get_or_insert_with(|| unreachable!("connected above"))
    }
}

/// The sources of a command line.
pub(super) async fn sources(places: &[String], arguments: &AwsArgs) -> anyhow::Result<Vec<Source>> {
    let mut s3 = S3 { arguments, aws: None };
    let mut sources = Vec::new();
    for place in places {
        sources.push(match in_s3(place)? {
            Some((bucket, prefix)) => Source {
                store: Arc::new(s3.aws().await.store()),
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
            },
            None => local(place)?,
        });
    }
    Ok(sources)
}

/// Where an index is read, and where it is written.
pub(crate) async fn index(
    place: &str,
    arguments: &AwsArgs,
) -> anyhow::Result<(Index, Arc<dyn Shelf>)> {
    if let Some((bucket, prefix)) = in_s3(place)? {
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("{}/", prefix.trim_end_matches('/')),
        };
        let mut s3 = S3 { arguments, aws: None };
        let aws = s3.aws().await;
        let (store, vault) = (Arc::new(aws.store()), aws.vault(bucket, &prefix));
        return Ok((Index { store, bucket: bucket.to_owned(), prefix }, Arc::new(vault)));
    }
    let path = std::path::absolute(place).with_context(|| format!("find {place}"))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(root), Some(bucket)) = (path.parent(), name) else {
        return Err(
            UsageError(format!("{place} is the root of a file system; name a folder")).into()
        );
    };
    let store = Arc::new(FolderStore::new(root));
    let vault = Arc::new(FolderVault::new(&path));
    Ok((Index { store, bucket, prefix: String::new() }, vault))
}

/// What a query calls the files of a replay's SOURCE: what stands before a file's name below it, or all of the name if SOURCE
/// is a file. `None` for S3, whose keys are what they are, and for what can't be read.
pub(crate) fn keys_of(place: &str) -> Option<String> {
    match place.starts_with("s3://") {
        true => None,
        false => local(place).ok().map(|source| source.prefix),
    }
}

/// A file or folder. It may lie inside CloudTrail's layout, so the folder that holds `AWSLogs` is the bucket if there is one: the
/// account, region and day stand above what was named.
fn local(place: &str) -> anyhow::Result<Source> {
    let unreadable = |error: std::io::Error| {
        Unreadable(format!(
            "failed to read {place}: {error}; name a file or folder of logs, or s3://bucket/prefix"
        ))
    };
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
    let store = FolderStore::new(root).without_hidden();
    Ok(Source { store: Arc::new(store), bucket, prefix })
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
