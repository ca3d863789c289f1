//! Places of the addresses seen last, so that each is looked up once.
//!
//! An address makes thousands of calls in a row, and a lookup walks a tree and decodes a record. What was found is
//! copied, because the databases may be replaced while a worker keeps its cache; the texts' room is kept, so that a warm
//! cache allocates nothing. That nothing is known of an address is remembered, too.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

use crate::enrichment::Enrichment;
use crate::places::Place;

/// Addresses remembered; each text has one slot, and a new one drives the old one out.
pub const PLACES_CACHED_MAX: usize = 4096;

/// No address is longer: an IPv6 address in full that ends in an IPv4 address.
const ADDRESS_BYTES_MAX: usize = 45;

/// The cache of one worker.
#[derive(Debug, Default)]
pub struct PlaceCache {
    slots: Vec<Slot>,
    /// The databases that the slots were filled from.
    digest: [u8; 32],
    lookups: u64,
}

#[derive(Debug, Default)]
struct Slot {
    hash: u64,
    /// Empty in a slot that holds nothing.
    address: String,
    is_known: bool,
    /// Empty texts stand for none.
    country: String,
    city: String,
    asn: Option<u32>,
    organization: String,
}

impl PlaceCache {
    /// What [`Enrichment::place`] answers, from memory if this address was asked for.
    pub fn place(&mut self, enrichment: &Enrichment, address: &str) -> Option<Place<'_>> {
        let places = enrichment.places.as_deref()?;
        if address.is_empty() || address.len() > ADDRESS_BYTES_MAX {
            return None;
        }
        if self.slots.is_empty() {
            self.slots.resize_with(PLACES_CACHED_MAX, Slot::default);
            self.digest = *places.digest();
        } else if self.digest != *places.digest() {
            self.slots.iter_mut().for_each(|slot| slot.address.clear());
            self.digest = *places.digest();
        }
        let hash = FixedState::default().hash_one(address);
        let nth = usize::try_from(hash % PLACES_CACHED_MAX as u64).unwrap_or(0);
        let slot = &mut self.slots[nth];
        if slot.hash != hash || slot.address != address {
            self.lookups += 1;
            slot.fill(hash, address, places.get(address));
        }
        slot.place()
    }

    /// How often the databases were asked.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.lookups
    }
}

impl Slot {
    fn fill(&mut self, hash: u64, address: &str, place: Option<Place<'_>>) {
        self.hash = hash;
        self.is_known = place.is_some();
        let place = place.unwrap_or_default();
        self.asn = place.asn;
        for (kept, text) in [
            (&mut self.address, Some(address)),
            (&mut self.country, place.country),
            (&mut self.city, place.city),
            (&mut self.organization, place.organization),
        ] {
            kept.clear();
            kept.push_str(text.unwrap_or_default());
        }
    }

    fn place(&self) -> Option<Place<'_>> {
        fn some(text: &str) -> Option<&str> {
            (!text.is_empty()).then_some(text)
        }
        self.is_known.then(|| Place {
            country: some(&self.country),
            city: some(&self.city),
            asn: self.asn,
            organization: some(&self.organization),
        })
    }
}
