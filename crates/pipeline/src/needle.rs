//! What an index of the archive keeps of an object: whose keys, principals and addresses are in it, as fingerprints.
//!
//! A question for one access key over a month is a question for a few objects of very many. The index tells which ones can be left
//! out; it never tells that something is in an object, so a fingerprint that two texts share costs a download and no answer. An
//! object that the index does not know, or knows with another length or etag, is read.
//!
//! A segment is a file: a head, and then one entry for each object, in the order of their hashes. It is meant to be small beside the
//! logs: eight bytes for the object, and for each fingerprint less than two ([`Prints`]).

mod prints;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jiff::civil::Date;
use trailloop_cloudtrail::{Glance, Inside, Keys, Reader, Record, Sight, Value, Verdict};

pub use self::prints::Prints;

/// What a segment begins with; another layout, or other fields, get another number.
const MAGIC: &[u8; 8] = b"TLNEEDL3";

/// The fields whose values are indexed, as paths in a record; a field's number is part of its fingerprints. `principalId` is
/// not among them: it says of nearly every caller what the ARN says. The last is the key that a call of the token service handed
/// out, by which it is found where a key came from.
pub const FIELDS: [&[&str]; 5] = [
    &["userIdentity", "accessKeyId"],
    &["userIdentity", "arn"],
    &["userIdentity", "sessionContext", "sessionIssuer", "arn"],
    &["sourceIPAddress"],
    &["responseElements", "credentials", "accessKeyId"],
];

/// The name of a day's file, in which segments are brought together.
#[must_use]
pub fn day_file(day: Date) -> String {
    format!("needles/{}.tln", day.strftime("%Y/%m/%d"))
}

/// What the names of a day's segments begin with: those that a writer has put beside the day's file.
#[must_use]
pub fn segments_of(day: Date) -> String {
    format!("needles/{}/", day.strftime("%Y/%m/%d"))
}

/// The name of a segment of these bytes. Writers that know of each other nothing have other bytes, and so other names.
#[must_use]
pub fn segment_file(day: Date, bytes: &[u8]) -> String {
    format!("{}{:016x}.tln", segments_of(day), hash(&[bytes]))
}

/// FNV-1a with 64 bits, and a finish that spreads them: it has to be the same in every version. Whoever finds texts that share a
/// fingerprint makes us read more, and hides nothing.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.iter().chain(&[0])) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// The fingerprint of a field's value.
#[must_use]
pub fn fingerprint(field: usize, text: &str) -> u32 {
    let hash = hash(&[&[u8::try_from(field).unwrap_or(u8::MAX)], text.as_bytes()]);
    u32::try_from(hash >> 32).unwrap_or_default()
}

/// What an object is known by: its key, its length and its etag, so that another body is another object.
#[must_use]
pub fn object_hash(key: &str, bytes: u64, etag: Option<&str>) -> u64 {
    let etag = etag.unwrap_or_default().trim_matches('"');
    hash(&[key.as_bytes(), &bytes.to_le_bytes(), etag.as_bytes()])
}

const CUT: &str = "it ends in the middle of an entry";

/// Objects and their fingerprints.
pub type Entries = BTreeMap<u64, Prints>;

/// A segment's bytes.
#[must_use]
pub fn encode(entries: &Entries) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(u32::try_from(entries.len()).unwrap_or(u32::MAX).to_le_bytes());
    for (object, prints) in entries {
        out.extend(object.to_le_bytes());
        prints.write(&mut out);
    }
    out
}

/// Adds a segment's entries to those of others.
///
/// # Errors
///
/// If the bytes are no segment, or not all of one. Nothing is added then.
pub fn decode(bytes: &[u8], entries: &mut Entries) -> Result<(), String> {
    let mut rest =
        bytes.strip_prefix(MAGIC).ok_or("it is no segment of an index that this version reads")?;
    let count = u32::from_le_bytes(take(&mut rest)?);
    let mut read = Vec::new();
    for _ in 0..count {
        let object = u64::from_le_bytes(take(&mut rest)?);
        read.push((object, Prints::read(&mut rest).ok_or(CUT)?));
    }
    if !rest.is_empty() {
        return Err(format!("{} bytes follow its last entry", rest.len()));
    }
    entries.extend(read);
    Ok(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, tail) = rest.split_first_chunk().ok_or(CUT)?;
    *rest = tail;
    Ok(*head)
}

/// What has been seen of an object's records, which it reads beside another reader or alone.
pub struct Needles {
    looks: Looks,
    found: Found,
    /// Of values that are no text.
    buffer: String,
}

/// Where a glance looks.
struct Looks {
    own: Keys,
    identity: Keys,
    context: Keys,
    issuer: Keys,
    response: Keys,
    credentials: Keys,
}

/// Fingerprints of values, some of them several times.
#[derive(Default)]
struct Found(Vec<u32>);

impl Default for Needles {
    fn default() -> Self {
        let looks = Looks {
            own: Keys::new(["userIdentity", "sourceIPAddress", "responseElements"]),
            // In the order of `FIELDS`, and then what lies deeper.
            identity: Keys::new(["accessKeyId", "arn", "sessionContext"]),
            context: Keys::new(["sessionIssuer"]),
            issuer: Keys::new(["arn"]),
            response: Keys::new(["credentials"]),
            credentials: Keys::new(["accessKeyId"]),
        };
        Self { looks, found: Found::default(), buffer: String::new() }
    }
}

impl Needles {
    /// Looks at a record, and says whether all was told. If not, it has to be parsed and shown to [`Needles::add`].
    pub(crate) fn look(&mut self, glance: &Glance<'_>) -> bool {
        // What was added before a break is in the record all the same, and is added again by the tape.
        glance.is_plain() && self.looks.glance(glance.inside(), &mut self.found).is_continue()
    }

    /// Adds what a parsed record holds.
    pub(crate) fn add(&mut self, record: Record<'_>) {
        for (field, path) in FIELDS.iter().enumerate() {
            if let Some(text) = text_of(record.get(path), &mut self.buffer) {
                self.found.add(field, text);
            }
        }
    }

    /// The fingerprints, after which another object begins.
    pub fn prints(&mut self) -> Prints {
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
            (2, Sight::Object(response)) => self.response(response, found),
            (0 | 2, _) => ControlFlow::Continue(()),
            (_, value) => found.add_sight(3, &value),
        })
    }

    fn response(&self, inside: Inside<'_>, found: &mut Found) -> ControlFlow<()> {
        inside.members(&self.response, |_, value| match value {
            Sight::Object(inside) => {
                inside.members(&self.credentials, |_, value| found.add_sight(4, &value))
            }
            _ => ControlFlow::Continue(()),
        })
    }

    fn identity(&self, inside: Inside<'_>, found: &mut Found) -> ControlFlow<()> {
        inside.members(&self.identity, |number, value| match (number, value) {
            (2, Sight::Object(inside)) => inside.members(&self.context, |_, value| match value {
                Sight::Object(inside) => {
                    inside.members(&self.issuer, |_, value| found.add_sight(2, &value))
                }
                _ => ControlFlow::Continue(()),
            }),
            (2, _) => ControlFlow::Continue(()),
            (field, value) => found.add_sight(field, &value),
        })
    }
}

/// Alone it reads whatever it needs, and nothing else.
impl Reader for Needles {
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        if self.look(glance) { Verdict::PassOver } else { Verdict::Parse }
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        self.add(record);
        ControlFlow::Continue(())
    }
}

/// A value as a column of queries shows it: text as it is, which is what CloudTrail writes some JSON in, and anything else as
/// JSON text, which is written to `buffer`. Null and nothing are the same.
pub fn text_of<'b, 'a: 'b>(value: Option<Value<'a>>, buffer: &'b mut String) -> Option<&'b str> {
    let value = value.filter(|value| !value.is_null())?;
    if let Some(text) = value.as_str() {
        return Some(text);
    }
    buffer.clear();
    value.write_compact(buffer);
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_body_is_another_object() {
        let one = object_hash("k", 10, Some("\"e\""));
        assert_eq!(one, object_hash("k", 10, Some("e")));
        assert!(
            [
                object_hash("k", 11, Some("e")),
                object_hash("k", 10, Some("f")),
                object_hash("l", 10, Some("e"))
            ]
            .iter()
            .all(|other| *other != one)
        );
    }

    proptest::proptest! {
        #[test]
        fn a_segment_is_read_as_it_was_written(
            of in proptest::collection::vec(proptest::prelude::any::<(u64, [u32; 4])>(), 0..20),
            long in proptest::collection::vec(proptest::prelude::any::<u32>(), 0..200),
            cut: proptest::sample::Index,
        ) {
            let mut entries: Entries =
                of.into_iter().map(|(object, prints)| (object, Prints::new(prints.to_vec()))).collect();
            entries.insert(7, Prints::new(long));
            let bytes = encode(&entries);
            let mut read = Entries::new();
            decode(&bytes, &mut read).unwrap();
            proptest::prop_assert_eq!(&read, &entries);
            let end = cut.index(bytes.len());
            proptest::prop_assert!(decode(&bytes[..end], &mut Entries::new()).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut entries = Entries::new();
            let whole = decode(&bytes, &mut entries).is_ok();
            let headed = decode(&[MAGIC.as_slice(), &bytes].concat(), &mut entries).is_ok();
            proptest::prop_assert!(whole || headed || entries.is_empty());
        }
    }
}
