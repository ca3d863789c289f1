//! What an index keeps of an object: whose keys, principals and addresses are in it, as fingerprints.
//!
//! A question for one access key over a month is a question for a few objects of very many. The index tells which ones can be left
//! out; it never tells that something is in an object, so a fingerprint that two texts share costs a download and no answer. An
//! object that the index does not know, or knows with another length or etag, is read.
//!
//! A segment is a file: a head, and then one entry for each object, in the order of their hashes. It is meant to be small beside the
//! logs: eight bytes for the object, one or two for the count, and two for each fingerprint, or four if there are many.

use std::collections::BTreeMap;

/// What a segment begins with; another layout gets another number.
const MAGIC: &[u8; 8] = b"TLNEEDL1";

/// With more fingerprints than this, two bytes each would often be shared by chance.
const SHORT_MAX: usize = 64;

/// The fields whose values are indexed, as columns name them; a field's number is part of its fingerprints.
pub(crate) const FIELDS: [&[&str]; 5] = [
    &["useridentity", "accesskeyid"],
    &["useridentity", "arn"],
    &["useridentity", "principalid"],
    &["useridentity", "sessioncontext", "sessionissuer", "arn"],
    &["sourceipaddress"],
];

/// FNV-1a with 64 bits, and a finish that spreads them: it has to be the same in every version. Whoever finds texts that share a
/// fingerprint makes us read more, and hides nothing.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.iter().chain(&[0])) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// The fingerprint of a field's value.
pub(crate) fn fingerprint(field: usize, text: &str) -> u32 {
    // The upper half; both widths of a segment take its upper bits.
    let hash = hash(&[&[u8::try_from(field).unwrap_or(u8::MAX)], text.as_bytes()]);
    u32::try_from(hash >> 32).unwrap_or_default()
}

/// What an object is known by: its key, its length and its etag, so that another body is another object.
pub(crate) fn object_hash(key: &str, bytes: u64, etag: Option<&str>) -> u64 {
    let etag = etag.unwrap_or_default().trim_matches('"');
    hash(&[key.as_bytes(), &bytes.to_le_bytes(), etag.as_bytes()])
}

/// The fingerprints of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prints {
    Short(Box<[u16]>),
    Long(Box<[u32]>),
}

impl Prints {
    pub(crate) fn new(mut prints: Vec<u32>) -> Self {
        prints.sort_unstable();
        prints.dedup();
        if prints.len() > SHORT_MAX {
            return Self::Long(prints.into());
        }
        let mut short: Vec<u16> = prints.into_iter().map(short).collect();
        short.dedup();
        Self::Short(short.into())
    }

    /// Whether the object may hold a value of this fingerprint.
    pub(crate) fn may_hold(&self, print: u32) -> bool {
        match self {
            Self::Short(prints) => prints.binary_search(&short(print)).is_ok(),
            Self::Long(prints) => prints.binary_search(&print).is_ok(),
        }
    }
}

fn short(print: u32) -> u16 {
    u16::try_from(print >> 16).unwrap_or_default()
}

/// Objects and their fingerprints.
pub(crate) type Entries = BTreeMap<u64, Prints>;

/// A segment's bytes.
pub(crate) fn encode(entries: &Entries) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(u32::try_from(entries.len()).unwrap_or(u32::MAX).to_le_bytes());
    for (object, prints) in entries {
        out.extend(object.to_le_bytes());
        match prints {
            Prints::Short(prints) => {
                // At most 64, so the first byte tells the widths apart.
                out.push(u8::try_from(prints.len()).unwrap_or_default());
                prints.iter().for_each(|print| out.extend(print.to_le_bytes()));
            }
            Prints::Long(prints) => {
                out.push(u8::MAX);
                out.extend(u32::try_from(prints.len()).unwrap_or(u32::MAX).to_le_bytes());
                prints.iter().for_each(|print| out.extend(print.to_le_bytes()));
            }
        }
    }
    out
}

/// Adds a segment's entries to those of others.
///
/// # Errors
///
/// If the bytes are no segment, or not all of one. Nothing is added then.
pub(crate) fn decode(bytes: &[u8], entries: &mut Entries) -> Result<(), String> {
    let mut rest =
        bytes.strip_prefix(MAGIC).ok_or("it is no segment of an index that this version reads")?;
    let count = u32::from_le_bytes(take(&mut rest)?);
    let mut read = Vec::new();
    for _ in 0..count {
        let object = u64::from_le_bytes(take(&mut rest)?);
        let [width] = take(&mut rest)?;
        let prints = if width == u8::MAX {
            let count = u32::from_le_bytes(take(&mut rest)?);
            let prints = (0..count).map(|_| Ok(u32::from_le_bytes(take(&mut rest)?)));
            Prints::Long(prints.collect::<Result<_, String>>()?)
        } else {
            let prints = (0..width).map(|_| Ok(u16::from_le_bytes(take(&mut rest)?)));
            Prints::Short(prints.collect::<Result<_, String>>()?)
        };
        read.push((object, prints));
    }
    if !rest.is_empty() {
        return Err(format!("{} bytes follow its last entry", rest.len()));
    }
    entries.extend(read);
    Ok(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, tail) = rest.split_first_chunk().ok_or("it ends in the middle of an entry")?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_an_object_is_never_missed() {
        let texts: Vec<String> = (0..300).map(|n| format!("AKIA{n:016}")).collect();
        for count in [1, 5, 64, 65, 300] {
            let prints =
                Prints::new(texts[..count].iter().map(|text| fingerprint(0, text)).collect());
            assert!(texts[..count].iter().all(|text| prints.may_hold(fingerprint(0, text))));
            let others =
                (0..10_000).filter(|n| prints.may_hold(fingerprint(0, &format!("other{n}"))));
            assert!(others.count() <= 30, "{count}");
        }
    }

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
