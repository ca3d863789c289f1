//! The files of a rule set: on disk or under an S3 prefix, read whole, and what tells that they have changed.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use trailloop_cloud::{Aws, FolderVault, Listed, ObjectRef, Store, Vault};
use trailloop_content::example_file;
use trailloop_rules::{Lists, Loaded, Rule, load_with, text_of_file};

use crate::{Unreadable, UsageError};

/// More files than this are no rule set.
const FILES_MAX: usize = 50_000;

/// A longer file is no rule file; the loader refuses those of more than 1 MiB by itself, with their name.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The files of a set have no more bytes together.
const FILES_BYTES_MAX: u64 = 1 << 30;

/// A file of rules, or a list for `expand`, as it was read.
pub(crate) struct RuleFile {
    /// How diagnostics name it.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// A file and what tells that it has changed: its inode, length and times, or length and etag.
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

    /// The place as somewhere to keep files.
    pub(crate) fn vault(&self, aws: &Aws) -> Arc<dyn Vault> {
        match self {
            Self::Path(folder) => Arc::new(FolderVault::new(folder)),
            Self::Bucket { bucket, prefix } => Arc::new(aws.vault(bucket, prefix)),
        }
    }

    /// The stamps of all files there, in order.
    pub(crate) async fn stamps(&self, store: &Arc<dyn Store>) -> anyhow::Result<Vec<Stamp>> {
        match self {
            Self::Path(path) => {
                let path = path.clone();
                aside(move || Ok(files_below(&path)?.iter().map(|path| stamp_of(path)).collect()))
                    .await
            }
            Self::Bucket { bucket, prefix } => {
                let listed = list(store, bucket, prefix).await?;
                let stamp = |one: Listed| {
                    let etag = one.etag.unwrap_or_default();
                    (format!("s3://{bucket}/{}", one.key), format!("{} {etag}", one.bytes))
                };
                Ok(listed.into_iter().map(stamp).collect())
            }
        }
    }

    /// All files there, in order.
    pub(crate) async fn read(&self, store: &Arc<dyn Store>) -> anyhow::Result<Vec<RuleFile>> {
        match self {
            Self::Path(path) => {
                let path = path.clone();
                aside(move || read_path(&path)).await
            }
            Self::Bucket { bucket, prefix } => {
                let mut files = Vec::new();
                for Listed { key, etag, .. } in list(store, bucket, prefix).await? {
                    // The etag that was listed, so that an object that changes meanwhile is an error.
                    let object = ObjectRef { etag, ..ObjectRef::new(bucket, &key) };
                    let object = store.get(&object, FILE_BYTES_MAX).await;
                    let name = format!("s3://{bucket}/{key}");
                    let object = object.with_context(|| format!("read rules from {name}"))?;
                    files.push(RuleFile { name, bytes: object.bytes.to_vec() });
                }
                Ok(files)
            }
        }
    }
}

/// Runs what waits for a disk, which may hang, away from the threads that keep the service going.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("read files")?
}

/// The rule files and lists under a prefix, in order.
async fn list(store: &Arc<dyn Store>, bucket: &str, prefix: &str) -> anyhow::Result<Vec<Listed>> {
    let mut found: Vec<Listed> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.list(bucket, prefix, after.as_deref()).await;
        let page = page.with_context(|| format!("list rules under s3://{bucket}/{prefix}"))?;
        let wanted = page.objects.into_iter().filter(|one| is_rule_file(Path::new(&one.key)));
        found.extend(wanted);
        let bytes = found.iter().map(|one| one.bytes).sum::<u64>();
        if found.len() > FILES_MAX || bytes > FILES_BYTES_MAX {
            return Err(too_many(&format!("s3://{bucket}/{prefix}")).into());
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Reads a file, or the rule files and lists below a folder. At least one file of rules must be there.
pub(crate) fn read_path(path: &Path) -> anyhow::Result<Vec<RuleFile>> {
    let paths = files_below(path)?;
    if !paths.iter().any(|file| !is_list(file)) {
        let text = format!("no .yml or .yaml file in {}", path.display());
        return Err(UsageError(text).into());
    }
    let mut bytes_left = FILES_BYTES_MAX;
    let mut files = Vec::new();
    for file in &paths {
        let bytes = read_file(file).map_err(|error| unreadable(file, &error))?;
        let left = bytes_left.checked_sub(bytes.len() as u64);
        bytes_left = left.ok_or_else(|| too_many(&path.display().to_string()))?;
        files.push(RuleFile { name: file.display().to_string(), bytes });
    }
    Ok(files)
}

/// A regular file, not longer than a rule file may be: a pipe would never end.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let text = format!("it has more than {FILE_BYTES_MAX} bytes");
        return Err(std::io::Error::other(text));
    }
    Ok(bytes)
}

fn too_many(place: &str) -> UsageError {
    UsageError(format!(
        "more than {FILES_MAX} rule files, or more than {FILES_BYTES_MAX} bytes of them, in {place}; name a narrower place"
    ))
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
    // Tools that keep the time of a file when they copy it can't keep its inode and the time that was changed.
    let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
    (name, format!("{} {} {times:?}", metadata.ino(), metadata.len()))
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

fn unreadable(path: &Path, error: &std::io::Error) -> Unreadable {
    Unreadable(format!("failed to read {}: {error}", path.display()))
}

fn files_below(path: &Path) -> Result<Vec<PathBuf>, Unreadable> {
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
        // Hidden ones are an editor's locks, version control, and the folders behind the links of a mounted ConfigMap.
        let name = entry.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Links are followed to files only, so that no walk is endless.
        if fs::symlink_metadata(&entry)?.is_dir() {
            collect(&entry, files)?;
        } else if is_rule_file(&entry) {
            files.push(entry);
        }
        if files.len() > FILES_MAX {
            let text = format!("more than {FILES_MAX} files; name a narrower folder");
            return Err(std::io::Error::other(text));
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// As Kubernetes mounts a ConfigMap: links to links into a folder whose name changes, beside an editor's lock.
    #[test]
    fn hidden_files_and_the_folders_behind_links_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("..2026_11")).unwrap();
        fs::write(at("..2026_11/a.yml"), "title: A").unwrap();
        symlink("..2026_11", at("..data")).unwrap();
        symlink("..data/a.yml", at("a.yml")).unwrap();
        symlink("nobody@nowhere", at(".#a.yml")).unwrap();
        let files = read_path(folder.path()).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, [at("a.yml").to_str().unwrap()]);
    }

    #[test]
    fn a_change_shows_even_if_length_and_time_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yml");
        fs::write(&path, "title: A").unwrap();
        let (before, time) = (stamp_of(&path), fs::metadata(&path).unwrap().modified().unwrap());
        let other = folder.path().join("b.yml");
        fs::write(&other, "title: B").unwrap();
        fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(stamp_of(&path), before);
    }

    #[test]
    fn what_is_no_rule_file_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.yml");
        fs::File::create(&path).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        for (place, said) in [(path.as_path(), "bytes"), (Path::new("/dev/null"), "regular")] {
            let Err(error) = read_path(place) else { panic!("{} was read", place.display()) };
            let error = error.to_string();
            assert!(error.contains(said) && error.contains(place.to_str().unwrap()), "{error}");
        }
    }
}
