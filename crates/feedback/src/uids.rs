//! A set of ids that is bounded and still counts: of more than [`UIDS_MAX`] the ones with the least hashes are kept.
//!
//! Hashes are spread evenly, so how close together the kept ones stand says how many there were (Bar-Yossef and others, "Counting
//! distinct elements in a data stream", 2002; the error is about one part in √k, here 9 %). Two such sets unite to the one that
//! all their ids would have made: no id counts twice, and the order does not matter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trailloop_finding::sha256;

use crate::posterior::count;

/// How many ids are kept; up to as many the count is exact.
pub const UIDS_MAX: usize = 128;

/// No estimate is greater, so that many of them can be added up.
const COUNT_MAX: u64 = 1_000_000_000_000;

/// A bounded set of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Uids(BTreeMap<u64, String>);

impl Uids {
    /// Adds one; `false` if it was there.
    pub fn insert(&mut self, uid: &str) -> bool {
        let hash = hash(uid);
        let is_new = !self.0.contains_key(&hash);
        self.keep(hash, uid);
        is_new
    }

    /// Adds all of another set.
    pub fn unite(&mut self, other: &Self) {
        for (hash, uid) in &other.0 {
            self.keep(*hash, uid);
        }
    }

    fn keep(&mut self, hash: u64, uid: &str) {
        let is_among = self.0.len() < UIDS_MAX
            || self.0.last_key_value().is_some_and(|(last, _)| hash < *last);
        if is_among && !self.0.contains_key(&hash) {
            self.0.insert(hash, uid.to_owned());
        }
        if self.0.len() > UIDS_MAX {
            self.0.pop_last();
        }
    }

    /// Whether it is among those that are kept. Of a full set `false` says nothing.
    #[must_use]
    pub fn contains(&self, uid: &str) -> bool {
        self.0.get(&hash(uid)).is_some_and(|one| one == uid)
    }

    /// How many there are: exactly, or if there are more than are kept about so many.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self.0.last_key_value() {
            Some((last, _)) if self.is_full() => {
                let share = (count(*last) + 1.0) / count(u64::MAX);
                let estimate = count(UIDS_MAX as u64 - 1) / share;
                (estimate.round() as u64).clamp(UIDS_MAX as u64, COUNT_MAX)
            }
            _ => self.0.len() as u64,
        }
    }

    /// Whether the count is an estimate.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.len() >= UIDS_MAX
    }

    /// Those that are kept, in the order of their hashes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }
}

/// The first 64 bits of the SHA-256.
fn hash(uid: &str) -> u64 {
    let digits = sha256(uid.as_bytes());
    digits.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

impl From<Vec<String>> for Uids {
    fn from(uids: Vec<String>) -> Self {
        uids.iter().map(String::as_str).collect()
    }
}

impl From<Uids> for Vec<String> {
    fn from(uids: Uids) -> Self {
        uids.0.into_values().collect()
    }
}

impl<'a> FromIterator<&'a str> for Uids {
    fn from_iter<I: IntoIterator<Item = &'a str>>(uids: I) -> Self {
        let mut set = Self::default();
        for uid in uids {
            set.insert(uid);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbered(range: std::ops::Range<u32>) -> Uids {
        let mut uids = Uids::default();
        for number in range {
            uids.insert(&number.to_string());
        }
        uids
    }

    #[test]
    fn few_are_counted_and_many_are_estimated() {
        assert_eq!(numbered(0..100).count(), 100);
        let mut both = numbered(0..3_000);
        both.unite(&numbered(2_000..5_000));
        assert_eq!(both, numbered(0..5_000));
        let about = both.count();
        assert!((4_000..6_000).contains(&about), "{about}");
    }

    proptest! {
        #[test]
        fn what_is_kept_reads_back(uids in prop::collection::vec("[a-z0-9]{0,3}", 0..300)) {
            let set: Uids = uids.iter().map(String::as_str).collect();
            let kept = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(serde_json::from_str::<Uids>(&kept).unwrap(), set);
        }
    }
}
