//! The index: one file for each day of delivery, in a folder or bucket of the user's choice.
//!
//! It is made by reading objects once, and made again with those that came since. A day's file is written whole, so two who write the same
//! day at once lose what one of them added; what an index lacks is read, so nothing is lost but time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use trailloop_cloud::{CloudErrorKind, ObjectRef, Store, Vault};
use trailloop_cloudtrail::{
    Glance, Inside, Keys, LogKey, Reader, Record, Scratch, Sight, Verdict, read_wanted,
};

use crate::archive::{Archive, Cost, Meter};
use crate::built::text_of;
use crate::columns::path_of;
use crate::error::QueryError;
use crate::listing::{Item, KeyFilter, list};
use crate::needle::{Entries, FIELDS, Prints, decode, encode, fingerprint, object_hash};
use crate::objects::Objects;
use crate::wanted::{Demand, Test};

/// The largest file of a day that is read: tens of millions of objects.
const DAY_BYTES_MAX: u64 = 4 << 30;

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

/// The name of a day's file.
fn name_of(day: Date) -> String {
    format!("needles/{}.tln", day.strftime("%Y/%m/%d"))
}

fn day_of(item: &Item) -> Option<Date> {
    LogKey::parse(&item.object.key).date
}

fn hash_of(item: &Item) -> u64 {
    object_hash(&item.object.key, item.bytes, item.etag.as_deref())
}

impl Index {
    /// What is known of a day. A file that can't be used is noted, and its objects are read.
    async fn day(&self, day: Date, meter: &Meter) -> Entries {
        let mut entries = Entries::new();
        let key = format!("{}{}", self.prefix, name_of(day));
        let object = ObjectRef::new(&self.bucket, key);
        match self.store.get(&object, DAY_BYTES_MAX).await {
            Ok(file) => {
                if let Err(error) = decode(&file.bytes, &mut entries) {
                    meter.note(format!("the index {object} is not used: {error}; make it again"));
                }
            }
            Err(error) if error.kind() == CloudErrorKind::NotFound => {}
            Err(error) => meter.note(format!("the index {object} is not used: {error}")),
        }
        entries
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
        let mut known: BTreeMap<Date, Entries> = BTreeMap::new();
        for day in days {
            known.insert(day, self.day(day, meter).await);
        }
        let may_hold = |item: &&Item| {
            let prints = day_of(item).and_then(|day| known.get(&day)?.get(&hash_of(item)));
            let one_of =
                |prints: &Prints, list: &[u32]| list.iter().any(|one| prints.may_hold(*one));
            prints.is_none_or(|prints| wanted.iter().all(|list| one_of(prints, list)))
        };
        items.iter().filter(may_hold).cloned().collect()
    }
}

/// Of each demand that the index can tell of, the fingerprints of which an object must have one.
fn prints_of(demands: &[Demand]) -> Vec<Vec<u32>> {
    let field = |names: &[String]| FIELDS.iter().position(|field| **field == *names);
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

/// Reads what the index does not know yet, and writes the files of its days.
///
/// # Errors
///
/// If the objects can't be listed, or a file can't be written.
pub async fn make_index(
    archive: &Archive,
    index: &Index,
    vault: &dyn Vault,
    meter: &Arc<Meter>,
) -> Result<Indexed, QueryError> {
    let failed = |error: trailloop_cloud::CloudError| QueryError::Archive(error.to_string());
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
        let mut entries = index.day(day, meter).await;
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
        let is_new = !added.is_empty();
        entries.extend(added);
        let file = encode(&entries);
        indexed.bytes_index += file.len() as u64;
        if is_new {
            vault.put(&name_of(day), file.into()).await.map_err(failed)?;
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
            let (mut scratch, mut seen) = (Scratch::new(), Seen::new());
            while let Some((item, body)) = objects.next(&meter) {
                let read = read_wanted(&body, &limits, &mut scratch, &mut seen);
                meter.read(item, &body, &read, false);
                let prints = seen.prints();
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

/// What has been seen of an object's records.
struct Seen {
    looks: Looks,
    paths: Vec<Vec<&'static str>>,
    found: Found,
}

/// Where a glance looks.
struct Looks {
    own: Keys,
    identity: Keys,
    context: Keys,
    issuer: Keys,
}

/// Fingerprints of values, some of them several times.
#[derive(Default)]
struct Found(Vec<u32>);

impl Seen {
    fn new() -> Self {
        let looks = Looks {
            own: Keys::new(["userIdentity", "sourceIPAddress"]),
            // In the order of `FIELDS`, and then what lies deeper.
            identity: Keys::new(["accessKeyId", "arn", "principalId", "sessionContext"]),
            context: Keys::new(["sessionIssuer"]),
            issuer: Keys::new(["arn"]),
        };
        let paths = FIELDS.iter().filter_map(|names| path_of(names)).collect();
        Self { looks, paths, found: Found::default() }
    }

    /// The fingerprints, after which another object begins.
    fn prints(&mut self) -> Prints {
        Prints::new(std::mem::take(&mut self.found.0))
    }
}

impl Found {
    /// Adds a value; of runs of the same one only the first, since records of one caller come together.
    fn add(&mut self, field: usize, text: &str) {
        let print = fingerprint(field, text);
        if self.0.iter().rev().take(16).any(|seen| *seen == print) {
            return;
        }
        self.0.push(print);
        // Sorted and without repeats it is no longer than what is distinct in the object.
        if self.0.len() >= 4096 && self.0.len().is_power_of_two() {
            self.0.sort_unstable();
            self.0.dedup();
        }
    }

    /// Adds a value that a glance tells; breaks if the column would show another text, which the tape has to tell.
    fn add_sight(&mut self, field: usize, sight: &Sight<'_>) -> ControlFlow<()> {
        match sight {
            Sight::Text(text) => match str::from_utf8(text) {
                Ok(text) => self.add(field, text),
                Err(_) => return ControlFlow::Break(()),
            },
            Sight::Null => {}
            Sight::Object(_) | Sight::Array | Sight::Truth(_) | Sight::Other => {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

impl Looks {
    fn glance(&self, inside: Inside<'_>, found: &mut Found) -> ControlFlow<()> {
        inside.members(&self.own, |number, value| match (number, value) {
            (0, Sight::Object(identity)) => self.identity(identity, found),
            (0, _) => ControlFlow::Continue(()),
            (_, value) => found.add_sight(4, &value),
        })
    }

    fn identity(&self, inside: Inside<'_>, found: &mut Found) -> ControlFlow<()> {
        inside.members(&self.identity, |number, value| match (number, value) {
            (3, Sight::Object(inside)) => inside.members(&self.context, |_, value| match value {
                Sight::Object(inside) => {
                    inside.members(&self.issuer, |_, value| found.add_sight(3, &value))
                }
                _ => ControlFlow::Continue(()),
            }),
            (3, _) => ControlFlow::Continue(()),
            (field, value) => found.add_sight(field, &value),
        })
    }
}

impl Reader for Seen {
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        let Self { looks, found, .. } = self;
        // What was added before a break is in the record all the same, and is added again by the tape.
        match glance.is_plain() && looks.glance(glance.inside(), found).is_continue() {
            true => Verdict::PassOver,
            false => Verdict::Parse,
        }
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        let mut buffer = String::new();
        for (field, path) in self.paths.iter().enumerate() {
            if let Some(text) = text_of(record.get(path), &mut buffer) {
                self.found.add(field, text);
            }
        }
        ControlFlow::Continue(())
    }
}
