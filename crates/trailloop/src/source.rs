//! What a replay reads: files, folders and S3 prefixes, listed in order and fetched on the workers.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tokio::runtime::Runtime;
use trailloop_cloud::{Aws, AwsOptions, ObjectRef, Store, connect};
use trailloop_cloudtrail::LogKey;
use trailloop_pipeline::ahead::{Ahead, AheadLimits, Wanted};
use trailloop_pipeline::examine::RecordFilter;
use trailloop_pipeline::replay::{Body, Fetched};

use crate::UsageError;
use crate::cli::AwsArgs;
use crate::show::shown;

/// CloudTrail delivers again for 30 days when a bucket is misconfigured, so an event may lie under a later day.
const LATE_DAYS_MAX: i32 = 30;

/// The bucket and prefix of a place in S3; `None` if it is a path.
pub(crate) fn in_s3(place: &str) -> anyhow::Result<Option<(&str, &str)>> {
    let Some(of) = place.strip_prefix("s3://") else { return Ok(None) };
    let (bucket, prefix) = of.split_once('/').unwrap_or((of, ""));
    if bucket.is_empty() {
        let said = format!("{place} names no bucket; write s3://bucket/prefix");
        return Err(UsageError(said).into());
    }
    Ok(Some((bucket, prefix)))
}

/// One object of a replay.
pub(crate) struct Item {
    /// The position of its SOURCE argument.
    pub(crate) argument: usize,
    /// How findings name it: `bucket/key`, or the path relative to SOURCE.
    pub(crate) name: String,
    at: At,
}

impl Item {
    /// What tells the object's layout: a file's whole path, because SOURCE may lie inside it.
    fn key(&self) -> &str {
        match &self.at {
            At::File(path) => path.to_str().unwrap_or(&self.name),
            At::Object { object, .. } => &object.key,
        }
    }

    /// The key and etag by which a query's listing knows it. `keys` are those of the SOURCE arguments (`place::keys_of`).
    pub(crate) fn listed(&self, keys: &[Option<String>]) -> Option<(String, Option<&str>)> {
        match &self.at {
            At::Object { object, etag, .. } => Some((object.key.clone(), etag.as_deref())),
            At::File(_) => {
                let before = keys.get(self.argument)?.as_ref()?;
                let is_folder = before.is_empty() || before.ends_with('/');
                let key = if is_folder { format!("{before}{}", self.name) } else { before.clone() };
                Some((key, None))
            }
        }
    }
}

enum At {
    File(PathBuf),
    Object { object: ObjectRef, bytes: u64, etag: Option<String> },
}

/// What was listed.
#[derive(Default)]
pub(crate) struct Listing {
    /// Objects to open, by SOURCE argument and then by key in byte order.
    pub(crate) items: Vec<Item>,
    /// Objects whose key says that they hold no records.
    pub(crate) skipped: u64,
    /// Objects whose key says that they hold nothing that was asked for.
    pub(crate) pruned: u64,
    /// Sources that could not be listed, with the reason.
    pub(crate) failed: Vec<String>,
}

/// Lists and fetches. S3 is connected to when the first S3 source asks for it.
pub(crate) struct Sources {
    runtime: Runtime,
    options: AwsOptions,
    store: Option<Arc<dyn Store>>,
    bytes_max: u64,
}

impl Sources {
    pub(crate) fn new(arguments: &AwsArgs, bytes_max: u64) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("start the runtime")?;
        let options = arguments.options();
        Ok(Self { runtime, options, store: None, bytes_max })
    }

    /// Waits for work of the runtime that downloads.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Lists every source.
    pub(crate) fn list(
        &mut self,
        sources: &[String],
        filter: &RecordFilter,
    ) -> anyhow::Result<Listing> {
        let mut listing = Listing::default();
        for (nth, source) in sources.iter().enumerate() {
            let listed = match in_s3(source)? {
                Some(place) => self.list_s3(nth, place),
                None => list_path(nth, Path::new(source), &mut listing.failed),
            };
            let mut items = match listed {
                Ok(items) => items,
                Err(error) => {
                    listing.failed.push(format!("failed to read {source}: {error:#}"));
                    continue;
                }
            };
            items.sort_by(|a, b| a.name.cmp(&b.name));
            for item in items {
                let key = LogKey::parse(item.key());
                if !key.contents.holds_records() {
                    listing.skipped += 1;
                } else if is_outside(&key, filter) {
                    listing.pruned += 1;
                } else {
                    listing.items.push(item);
                }
            }
        }
        Ok(listing)
    }

    /// The objects under a prefix of a bucket.
    fn list_s3(&mut self, nth: usize, (bucket, prefix): (&str, &str)) -> anyhow::Result<Vec<Item>> {
        let store = match &self.store {
            Some(store) => Arc::clone(store),
            None => {
                let aws: Aws = self.runtime.block_on(connect(self.options.clone()));
                let store: Arc<dyn Store> = Arc::new(aws.store());
                self.store = Some(Arc::clone(&store));
                store
            }
        };
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.runtime.block_on(store.list(bucket, prefix, after.as_deref()))?;
            items.extend(page.objects.into_iter().map(|listed| Item {
                argument: nth,
                name: format!("{bucket}/{}", listed.key),
                at: At::Object {
                    object: ObjectRef::new(bucket, listed.key),
                    bytes: listed.bytes,
                    etag: listed.etag,
                },
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// What reads these items, for workers that ask for one after another.
    pub(crate) fn fetcher<'i>(&self, items: &'i [Item]) -> Fetcher<'i> {
        let bytes_max = self.bytes_max;
        let limits = AheadLimits { object_bytes_max: bytes_max, ..AheadLimits::default() };
        let runtime = self.runtime.handle().clone();
        let ahead = self.store.clone().map(|store| {
            let wanted = |nth: usize| {
                Some(match &items.get(nth)?.at {
                    At::File(_) => None,
                    At::Object { object, bytes, .. } => Some((object.clone(), *bytes)),
                })
            };
            let wanted: WantedOf<'i> = Box::new(wanted);
            Ahead::new(runtime, store, limits, wanted)
        });
        Fetcher { ahead, bytes_max }
    }
}

type WantedOf<'i> = Box<dyn Fn(usize) -> Option<Wanted> + Send + Sync + 'i>;

/// Reads items: files when they are asked for, objects of a store before that.
pub(crate) struct Fetcher<'i> {
    ahead: Option<Ahead<WantedOf<'i>>>,
    bytes_max: u64,
}

impl Fetcher<'_> {
    /// Reads an item whole, given its number. Blocks: it is called on a worker.
    pub(crate) fn fetch(
        &self,
        nth: usize,
        item: &Item,
        buffer: &mut Vec<u8>,
    ) -> Result<Fetched, String> {
        match &item.at {
            At::File(path) => {
                read_file(path, self.bytes_max, buffer).map_err(|error| error.to_string())
            }
            At::Object { .. } => {
                let ahead = self.ahead.as_ref().ok_or("S3 is not connected")?;
                let object = ahead.get(nth).ok_or("the download did not end")?;
                let object = object.map_err(|error| error.to_string())?;
                Ok(Fetched { body: Body::Bytes(object.bytes), version: object.version })
            }
        }
    }
}

fn read_file(path: &Path, bytes_max: u64, buffer: &mut Vec<u8>) -> std::io::Result<Fetched> {
    let file = fs::File::open(path)?;
    buffer.reserve(usize::try_from(file.metadata()?.len().min(bytes_max)).unwrap_or(0));
    file.take(bytes_max + 1).read_to_end(buffer)?;
    if buffer.len() as u64 > bytes_max {
        let text =
            format!("the file has more than {bytes_max} bytes, which is the most read at once");
        return Err(std::io::Error::other(text));
    }
    Ok(Fetched { body: Body::Buffer, version: None })
}

/// A file, or every file below a folder. Hidden files and folders are left out, as shells do.
fn list_path(nth: usize, path: &Path, failed: &mut Vec<String>) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    let kind = fs::metadata(path)?;
    if kind.is_dir() {
        walk(nth, path, "", &mut items, failed);
    } else if !kind.is_file() {
        bail!("neither a file nor a folder");
    } else {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        items.push(Item { argument: nth, name, at: At::File(path.to_owned()) });
    }
    Ok(items)
}

/// Collects the files below a folder. What cannot be listed is noted, and the rest goes on.
fn walk(nth: usize, folder: &Path, above: &str, items: &mut Vec<Item>, failed: &mut Vec<String>) {
    let unread =
        |path: &Path, error: &std::io::Error| format!("failed to read {}: {error}", path.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return failed.push(unread(folder, &error)),
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                failed.push(unread(folder, &error));
                continue;
            }
        };
        let Some(file) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            continue;
        };
        if file.starts_with('.') {
            continue;
        }
        let name = if above.is_empty() { file } else { format!("{above}/{file}") };
        // A link is followed to a file but not to a folder, so that no walk is endless.
        match fs::symlink_metadata(&path).map(|kind| kind.is_dir()) {
            Ok(true) => walk(nth, &path, &name, items, failed),
            Ok(false) if fs::metadata(&path).is_ok_and(|kind| !kind.is_file()) => {
                tracing::warn!(path = %shown(&name), "left out what is neither a file nor a folder");
            }
            Ok(false) => items.push(Item { argument: nth, name, at: At::File(path) }),
            Err(error) => failed.push(unread(&path, &error)),
        }
    }
}

/// Whether a key says that none of its records can pass the filter. Keys only prune; records decide.
fn is_outside(key: &LogKey<'_>, filter: &RecordFilter) -> bool {
    let unlisted = |list: &[String], one: Option<&str>| {
        !list.is_empty() && one.is_some_and(|one| list.iter().all(|listed| listed != one))
    };
    let day = |time: Timestamp| TimeZone::UTC.to_datetime(time).date();
    let late = |date: Date| date.checked_add(LATE_DAYS_MAX.days()).unwrap_or(Date::MAX);
    unlisted(&filter.accounts, key.account)
        || unlisted(&filter.regions, key.region)
        || key.date.zip(filter.from).is_some_and(|(date, from)| date < day(from))
        || key.date.zip(filter.to).is_some_and(|(date, to)| date > late(day(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_prune_only_what_cannot_pass() {
        let filter = |from: Option<&str>, to: Option<&str>, account: &[&str]| RecordFilter {
            from: from.map(|time| time.parse().unwrap()),
            to: to.map(|time| time.parse().unwrap()),
            accounts: account.iter().map(|id| (*id).to_owned()).collect(),
            regions: Vec::new(),
        };
        let outside = |key: &str, filter: &RecordFilter| is_outside(&LogKey::parse(key), filter);
        let key = "b/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/02/x";
        assert!(!outside(key, &filter(Some("2026-11-02T23:00:00Z"), None, &["111122223333"])));
        assert!(outside(key, &filter(Some("2026-11-03T00:00:00Z"), None, &[])));
        assert!(!outside(key, &filter(None, Some("2026-10-05T00:00:00Z"), &[])));
        assert!(outside(key, &filter(None, Some("2026-10-01T00:00:00Z"), &[])));
        assert!(outside(key, &filter(None, None, &["444455556666"])));
        assert!(!outside("x.json", &filter(None, None, &["444455556666"])));
    }

    #[test]
    fn folders_are_walked_without_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.json", "b-1.json", ".git/x", "a.json", "b/.hidden"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        let mut sources =
            Sources::new(&AwsArgs { endpoint_url: None, path_style: false }, 10).unwrap();
        let source = folder.path().to_string_lossy().into_owned();
        let missing = folder.path().join("none").to_string_lossy().into_owned();
        let listing = sources.list(&[source, missing], &RecordFilter::default()).unwrap();
        let names: Vec<&str> = listing.items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["a.json", "b-1.json", "b/2.json"]);
        assert_eq!(listing.failed.len(), 1);
    }
}
