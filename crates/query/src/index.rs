//! The index: one file for each day of delivery, in a folder or bucket of the user's choice.
//!
//! It is made by reading objects once, and made again with those that came since. The stream and replays put segments beside a
//! day's file, which are read with it and brought together when the index is made again. A day's file is written whole, so two
//! who make the same day at once lose what one of them added; what an index lacks is read, so nothing is lost but time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use jiff::civil::Date;
use trailloop_cloud::{CloudError, CloudErrorKind, Listed, ObjectRef, Shelf, Store};
use trailloop_cloudtrail::{LogKey, Scratch, read_wanted};
use trailloop_pipeline::needle::{
    Entries, FIELDS, Needles, Prints, day_file, decode, encode, fingerprint, object_hash,
    segments_of,
};

use crate::archive::{Archive, Cost, Meter};
use crate::columns::path_of;
use crate::error::QueryError;
use crate::listing::{Item, KeyFilter, list};
use crate::objects::Objects;
use crate::wanted::{Demand, Test};

/// The largest file of a day that is read: tens of millions of objects.
const DAY_BYTES_MAX: u64 = 4 << 30;

/// So many segments of a day are downloaded at once.
const FILES_AT_ONCE: usize = 16;

/// So many days.
const DAYS_AT_ONCE: usize = 4;

/// An index that may be there.
#[derive(Clone)]
pub struct Index {
    /// Where it is read.
    pub store: Arc<dyn Store>,
    /// The bucket; of a folder its name.
    pub bucket: String,
    /// What stands before its keys, with a slash at the end unless it is empty.
    pub prefix: String,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.prefix)
    }
}

fn day_of(item: &Item) -> Option<Date> {
    LogKey::parse(&item.object.key).date
}

fn hash_of(item: &Item) -> u64 {
    object_hash(&item.object.key, item.bytes, item.etag.as_deref())
}

/// What an index knows of a day.
#[derive(Default)]
pub struct Known {
    entries: Entries,
    /// The names of the segments beside the day's file, of those that were read.
    segments: Vec<String>,
}

impl Known {
    /// Whether an object may hold one of the values of these fingerprints, which is so of every object that is not known.
    #[must_use]
    pub fn may_hold(&self, object: &Listed, wanted: &BTreeSet<u32>) -> bool {
        let hash = object_hash(&object.key, object.bytes, object.etag.as_deref());
        let prints = self.entries.get(&hash);
        prints.is_none_or(|prints| wanted.iter().any(|one| prints.may_hold(*one)))
    }
}

impl Index {
    /// What is known of a day if that takes no more bytes to read than this; else nothing, as of a day without an index.
    pub async fn day_within(&self, day: Date, bytes_max: u64) -> Known {
        let meter = Meter::default();
        let known = match self.bytes_of(day).await {
            Ok(bytes) if bytes <= bytes_max => self.day(day, &meter).await,
            Ok(_) => Known::default(),
            Err(error) => {
                meter.note(format!("the index of {day} is not used: {error}"));
                Known::default()
            }
        };
        for failure in meter.failures() {
            tracing::warn!("{failure}");
        }
        known
    }

    /// The bytes of a day's file and of the segments beside it.
    async fn bytes_of(&self, day: Date) -> Result<u64, CloudError> {
        // The names of segments go on where that of the day's file ends.
        let below = format!("{}{}", self.prefix, segments_of(day).trim_end_matches('/'));
        Ok(self.list(&below).await?.iter().map(|listed| listed.bytes).sum())
    }

    /// What is known of a day. A file that can't be used is noted, and its objects are read.
    async fn day(&self, day: Date, meter: &Meter) -> Known {
        let mut known = Known::default();
        let segments = self.segments(day).await.unwrap_or_else(|error| {
            meter.note(format!("the segments of the index of {day} are not used: {error}"));
            Vec::new()
        });
        // Segments first: one that goes meanwhile has gone into the day's file.
        let files = stream::iter(segments).map(|name| async {
            let read = self.read(&name).await;
            (name, read)
        });
        let mut files = files.buffer_unordered(FILES_AT_ONCE);
        while let Some((name, read)) = files.next().await {
            if self.add(&name, read, &mut known.entries, meter) {
                known.segments.push(name);
            }
        }
        let name = day_file(day);
        let read = self.read(&name).await;
        self.add(&name, read, &mut known.entries, meter);
        known
    }

    /// The names of a day's segments.
    async fn segments(&self, day: Date) -> Result<Vec<String>, CloudError> {
        let listed = self.list(&format!("{}{}", self.prefix, segments_of(day))).await?;
        let name = |key: &str| key.strip_prefix(&self.prefix).map(str::to_owned);
        Ok(listed.iter().filter_map(|listed| name(&listed.key)).collect())
    }

    /// The index's files whose keys begin so.
    async fn list(&self, below: &str) -> Result<Vec<Listed>, CloudError> {
        let (mut files, mut after) = (Vec::new(), None);
        loop {
            let page = match self.store.list(&self.bucket, below, after.as_deref()).await {
                Ok(page) => page,
                // A folder that nobody has written to yet.
                Err(error) if error.kind() == CloudErrorKind::NotFound => return Ok(files),
                Err(error) => return Err(error),
            };
            files.extend(page.objects.into_iter().filter(|listed| listed.key.ends_with(".tln")));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(files),
            }
        }
    }

    async fn read(&self, name: &str) -> Result<Bytes, CloudError> {
        let object = ObjectRef::new(&self.bucket, format!("{}{name}", self.prefix));
        self.store.get(&object, DAY_BYTES_MAX).await.map(|file| file.bytes)
    }

    /// Adds what a file holds, and says whether it was there. One that is damaged is noted.
    fn add(
        &self,
        name: &str,
        read: Result<Bytes, CloudError>,
        entries: &mut Entries,
        meter: &Meter,
    ) -> bool {
        let noted = |error: &dyn fmt::Display, help: &str| {
            meter.note(format!(
                "the index {}/{}{name} is not used: {error}{help}",
                self.bucket, self.prefix
            ));
        };
        match read {
            Ok(bytes) => {
                if let Err(error) = decode(&bytes, entries) {
                    noted(&error, "; make it again with `trailloop query index`");
                }
                true
            }
            Err(error) if error.kind() == CloudErrorKind::NotFound => false,
            Err(error) => {
                noted(&error, "");
                false
            }
        }
    }

    /// Leaves out the objects that can't hold what is demanded. Gives what is left.
    pub(crate) async fn narrow(
        &self,
        items: Arc<[Item]>,
        demands: &[Demand],
        meter: &Meter,
    ) -> Arc<[Item]> {
        let wanted = prints_of(demands);
        if wanted.is_empty() {
            return items;
        }
        let days: BTreeSet<Date> = items.iter().filter_map(day_of).collect();
        let of_day = stream::iter(days).map(|day| async move { (day, self.day(day, meter).await) });
        let known: BTreeMap<Date, Known> = of_day.buffer_unordered(DAYS_AT_ONCE).collect().await;
        let may_hold = |item: &&Item| {
            let prints = day_of(item).and_then(|day| known.get(&day)?.entries.get(&hash_of(item)));
            let one_of =
                |prints: &Prints, list: &[u32]| list.iter().any(|one| prints.may_hold(*one));
            prints.is_none_or(|prints| wanted.iter().all(|list| one_of(prints, list)))
        };
        items.iter().filter(may_hold).cloned().collect()
    }
}

/// Of each demand that the index can tell of, the fingerprints of which an object must have one.
fn prints_of(demands: &[Demand]) -> Vec<Vec<u32>> {
    let field = |names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let path = path_of(&names)?;
        FIELDS.iter().position(|field| **field == *path)
    };
    let prints = |demand: &Demand| match &demand.test {
        Test::OneOf(texts) => {
            let field = field(&demand.names)?;
            Some(texts.iter().map(|text| fingerprint(field, text)).collect())
        }
        Test::Among { columns, text } => {
            columns.iter().map(|names| Some(fingerprint(field(names)?, text))).collect()
        }
        _ => None,
    };
    demands.iter().filter_map(prints).collect()
}

/// What making an index came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Objects that were read and added.
    pub added: u64,
    /// Objects that were in the index before.
    pub known: u64,
    /// Objects that can't be indexed: their key has no day, or they are not whole.
    pub left: u64,
    /// Bytes of the logs as stored, and of the days' files that were written.
    pub bytes_logs: u64,
    /// Bytes of the files of these days.
    pub bytes_index: u64,
}

/// Reads what the index does not know yet, and writes the files of its days. Segments go when what they held is in their day's file.
///
/// # Errors
///
/// If the objects can't be listed, or a file can't be written.
pub async fn make_index(
    archive: &Archive,
    index: &Index,
    shelf: &dyn Shelf,
    meter: &Arc<Meter>,
) -> Result<Indexed, QueryError> {
    let failed = |error: CloudError| QueryError::Archive(error.to_string());
    let listing = list(&archive.sources, &KeyFilter::default()).await.map_err(failed)?;
    let mut days: BTreeMap<Date, Vec<Item>> = BTreeMap::new();
    let mut indexed = Indexed::default();
    for item in listing.items.iter() {
        match day_of(item) {
            Some(day) => days.entry(day).or_default().push(item.clone()),
            None => indexed.left += 1,
        }
    }
    meter.add(Cost { objects_wanted: listing.items.len() as u64, ..Cost::default() });
    for (day, items) in days {
        let Known { mut entries, segments } = index.day(day, meter).await;
        let all = items.len() as u64;
        let bytes: u64 = items.iter().map(|item| item.bytes).sum();
        let new: Vec<Item> =
            items.into_iter().filter(|item| !entries.contains_key(&hash_of(item))).collect();
        let asked = new.len() as u64;
        indexed.known += all - asked;
        indexed.bytes_logs += bytes;
        let added = if new.is_empty() { Entries::new() } else { read(archive, new, meter).await? };
        indexed.added += added.len() as u64;
        indexed.left += asked - added.len() as u64;
        let is_new = !added.is_empty() || !segments.is_empty();
        entries.extend(added);
        let file = encode(&entries);
        indexed.bytes_index += file.len() as u64;
        if is_new {
            shelf.put(&day_file(day), file.into()).await.map_err(failed)?;
        }
        // A segment that stays is read again, and brought in again the next time.
        for name in segments {
            shelf.remove(&name).await.map_err(failed)?;
        }
    }
    Ok(indexed)
}

/// Reads objects on as many threads as are allowed.
async fn read(
    archive: &Archive,
    items: Vec<Item>,
    meter: &Arc<Meter>,
) -> Result<Entries, QueryError> {
    let objects = Arc::new(Objects::new(&archive.sources, items.into()));
    let entries = Arc::new(Mutex::new(Entries::new()));
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..archive.jobs.max(1) {
        let (objects, entries) = (Arc::clone(&objects), Arc::clone(&entries));
        let (meter, limits) = (Arc::clone(meter), archive.limits);
        readers.spawn_blocking(move || {
            let (mut scratch, mut needles) = (Scratch::new(), Needles::default());
            while let Some((item, body)) = objects.next(&meter) {
                let read = read_wanted(&body, &limits, &mut scratch, &mut needles);
                meter.read(item, &body, &read, false);
                let prints = needles.prints();
                // Of an object that is not whole nobody knows what the rest holds.
                if read.is_whole() {
                    let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
                    entries.insert(hash_of(item), prints);
                }
            }
        });
    }
    while let Some(ended) = readers.join_next().await {
        ended.map_err(|error| QueryError::Failed(format!("a reading thread stopped: {error}")))?;
    }
    let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *entries))
}
