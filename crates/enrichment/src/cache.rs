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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Places;

    const PLACES: &[u8] = include_bytes!("../../../fixtures/enrichment/places.mmdb");

    fn fixtures() -> Enrichment {
        let places = Places::from_bytes([("places.mmdb".to_owned(), PLACES.to_vec())]).unwrap();
        Enrichment { places: Some(Arc::new(places)), ..Enrichment::default() }
    }

    #[test]
    fn an_address_is_looked_up_once_also_if_nothing_is_known() {
        let enrichment = fixtures();
        let mut cache = PlaceCache::default();
        let addresses = [
            "203.0.113.77",
            "198.51.100.20",
            "203.0.113.200",
            "8.8.8.8",
            "10.0.0.1",
            "x.amazonaws.com",
        ];
        for _ in 0..3 {
            for address in addresses {
                assert_eq!(
                    cache.place(&enrichment, address),
                    enrichment.place(address),
                    "{address}"
                );
            }
        }
        assert_eq!(cache.lookups(), addresses.len() as u64);
        for text in ["", &"1".repeat(ADDRESS_BYTES_MAX + 1)] {
            assert_eq!(cache.place(&enrichment, text), None);
        }
        assert_eq!(cache.lookups(), addresses.len() as u64, "what is no address is not looked up");
    }

    #[test]
    fn the_longest_address_is_remembered() {
        let longest = "0000:0000:0000:0000:0000:ffff:203.000.113.077".len();
        assert_eq!(longest, ADDRESS_BYTES_MAX);
    }

    #[test]
    fn other_databases_clear_it_and_none_leave_it() {
        let enrichment = fixtures();
        let mut cache = PlaceCache::default();
        assert!(cache.place(&enrichment, "203.0.113.77").is_some());
        let none = crate::Enrichment { places: None, ..enrichment.clone() };
        assert_eq!(cache.place(&none, "203.0.113.77"), None);
        let nowhere = Places::from_bytes([]).unwrap();
        let nowhere = crate::Enrichment { places: Some(Arc::new(nowhere)), ..enrichment.clone() };
        assert_eq!(cache.place(&nowhere, "203.0.113.77"), None);
        assert!(cache.place(&enrichment, "203.0.113.77").is_some());
        assert_eq!(cache.lookups(), 3);
    }

    #[test]
    fn it_stays_right_when_it_overflows() {
        let enrichment = fixtures();
        let mut cache = PlaceCache::default();
        for nth in 0..20_000_u32 {
            let address = format!("203.0.{}.{}", 112 + nth / 256 % 3, nth % 256);
            assert_eq!(cache.place(&enrichment, &address), enrichment.place(&address), "{address}");
        }
        assert_eq!(cache.slots.len(), PLACES_CACHED_MAX);
    }
}
