//! The files of a rule set: on disk or under an S3 prefix, read whole, and what tells that they have changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use trailloop_cloud::{ObjectRef, Store};
use trailloop_content::example_file;
use trailloop_rules::{Lists, Loaded, Rule, load_with, text_of_file};

use crate::UsageError;

/// More files than this are no rule set.
const FILES_MAX: usize = 50_000;

/// A longer object is no rule file; the loader refuses files of more than 1 MiB by itself, with their name.
const OBJECT_BYTES_MAX: u64 = 4 << 20;

/// A file of rules, or a list for `expand`, as it was read.
pub(crate) struct RuleFile {
    /// How diagnostics name it.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// A file and what tells that it has changed: length and time of change, or an etag.
pub(crate) type Stamp = (String, String);

/// Where rules lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RulePlace {
    Path(PathBuf),
    Bucket { bucket: String, prefix: String },
}

impl RulePlace {
    /// A path, or `s3://bucket/prefix`.
    pub(crate) fn parse(text: &str) -> Result<Self, UsageError> {
        let Some(place) = text.strip_prefix("s3://") else { return Ok(Self::Path(text.into())) };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(UsageError(format!("{text} names no bucket; write s3://bucket/prefix")));
        }
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The stamps of all files there, in order.
    pub(crate) async fn stamps(&self, store: &Arc<dyn Store>) -> anyhow::Result<Vec<Stamp>> {
        match self {
            Self::Path(path) => {
                let stamp = |path: &PathBuf| Ok::<_, UsageError>(stamp_of(path));
                files_below(path)?.iter().map(|path| Ok(stamp(path)?)).collect()
            }
            Self::Bucket { bucket, prefix } => {
                let listed = list(store, bucket, prefix).await?;
                let stamp = |(key, tag): (String, String)| (format!("s3://{bucket}/{key}"), tag);
                Ok(listed.into_iter().map(stamp).collect())
            }
        }
    }

    /// All files there, in order.
    pub(crate) async fn read(&self, store: &Arc<dyn Store>) -> anyhow::Result<Vec<RuleFile>> {
        match self {
            Self::Path(path) => Ok(read_path(path)?),
            Self::Bucket { bucket, prefix } => {
                let mut files = Vec::new();
                for (key, etag) in list(store, bucket, prefix).await? {
                    // The etag that was listed: a set is never made of files of two moments.
                    let etag = Some(etag).filter(|etag| !etag.is_empty());
                    let object = ObjectRef { etag, ..ObjectRef::new(bucket, &key) };
                    let object = store.get(&object, OBJECT_BYTES_MAX).await;
                    let name = format!("s3://{bucket}/{key}");
                    let object = object.with_context(|| format!("read rules from {name}"))?;
                    files.push(RuleFile { name, bytes: object.bytes.to_vec() });
                }
                Ok(files)
            }
        }
    }
}

/// The keys of rule files and lists under a prefix, with their etags, in order.
async fn list(
    store: &Arc<dyn Store>,
    bucket: &str,
    prefix: &str,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.list(bucket, prefix, after.as_deref()).await;
        let page = page.with_context(|| format!("list rules under s3://{bucket}/{prefix}"))?;
        let wanted = page.objects.into_iter().filter(|one| is_rule_file(Path::new(&one.key)));
        found.extend(wanted.map(|one| (one.key, one.etag.unwrap_or_default())));
        if found.len() > FILES_MAX {
            let text = format!("more than {FILES_MAX} rule files under s3://{bucket}/{prefix}");
            return Err(UsageError(format!("{text}; name a narrower prefix")).into());
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Reads a file, or the rule files and lists below a folder. At least one file of rules must be there.
pub(crate) fn read_path(path: &Path) -> Result<Vec<RuleFile>, UsageError> {
    let paths = files_below(path)?;
    if !paths.iter().any(|file| !is_list(file)) {
        return Err(UsageError(format!("no .yml or .yaml file in {}", path.display())));
    }
    let read = |path: &PathBuf| {
        let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
        Ok(RuleFile { name: path.display().to_string(), bytes })
    };
    paths.iter().map(read).collect()
}

/// Loads rules, with the lists among the files.
pub(crate) fn load_files(files: &[RuleFile]) -> Loaded {
    let mut all = Loaded::default();
    let (lists, rules): (Vec<&RuleFile>, Vec<&RuleFile>) =
        files.iter().partition(|file| is_list(Path::new(&file.name)));
    let mut by_name = Lists::new();
    for RuleFile { name, bytes } in lists {
        let problem = match text_of_file(name, bytes) {
            Ok(text) => by_name.add(name, text),
            Err(problem) => Some(problem),
        };
        all.rejected += usize::from(problem.is_some());
        all.diagnostics.extend(problem);
    }
    for RuleFile { name, bytes } in rules {
        match text_of_file(name, bytes) {
            Ok(text) => all.extend(load_with(name, text, &by_name)),
            Err(problem) => {
                all.rejected += 1;
                all.diagnostics.push(problem);
            }
        }
    }
    all
}

pub(crate) fn stamp_of(path: &Path) -> Stamp {
    let name = path.display().to_string();
    // A file that has just gone is told by its stamp too.
    let Ok(metadata) = fs::metadata(path) else { return (name, "gone".to_owned()) };
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    (name, format!("{} {}", metadata.len(), changed.map_or(0, |changed| changed.as_nanos())))
}

/// Whether a file is a list for `expand`: text in a folder named `lists`.
fn is_list(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == "lists")
        && path.extension().is_some_and(|extension| extension == "txt")
}

fn is_rule_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
        || is_list(path)
}

fn unreadable(path: &Path, error: &std::io::Error) -> UsageError {
    UsageError(format!("failed to read rules from {}: {error}", path.display()))
}

fn files_below(path: &Path) -> Result<Vec<PathBuf>, UsageError> {
    let mut files = Vec::new();
    collect(path, &mut files).map_err(|error| unreadable(path, &error))?;
    Ok(files)
}

/// A file that was named, or the YAML files and lists below a folder in the order of their paths.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        // Links are followed to files only, so that no walk is endless.
        if fs::symlink_metadata(&entry)?.is_dir() {
            collect(&entry, files)?;
        } else if is_rule_file(&entry) {
            files.push(entry);
        }
    }
    Ok(())
}

/// The bytes of a file that an example names, beside the rule; shipped rules have theirs in the program.
pub(crate) fn beside(rule: &Rule, file: &str) -> Result<Vec<u8>, String> {
    let path = Path::new(&rule.path);
    if !path.exists() {
        return example_file(&rule.path, file);
    }
    let path = path.with_file_name(file);
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}
