//! Where an address lies and who runs its network, from MaxMind DB files (MMDB).
//!
//! A file is checked in full when it is loaded: its metadata, every node of its search tree, every value that the tree
//! points to. Lookups check again, so that what the first check could miss costs one answer and nothing more.

use std::net::IpAddr;

use maxminddb::{Reader, WithinOptions};
use sha2::{Digest as _, Sha256};

use crate::address;
use crate::flat::Facts;
use crate::problem::{Problems, Reporter, code};
use crate::text::{on_one_line, quoted};

/// The most bytes of one database: 1 GiB.
pub const DATABASE_BYTES_MAX: usize = 1 << 30;

/// How many records are looked into to learn which facts a database holds.
const RECORDS_SAMPLED_MAX: usize = 10_000;

/// What is known of an address. Texts are at most 256 bytes and never empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place<'d> {
    /// The country's two capitals (ISO 3166-1 alpha-2).
    pub country: Option<&'d str>,
    /// The city's English name.
    pub city: Option<&'d str>,
    /// The number of the autonomous system that announces the address.
    pub asn: Option<u32>,
    /// Who runs that system.
    pub organization: Option<&'d str>,
}

impl Place<'_> {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Which facts a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    pub(crate) country: bool,
    pub(crate) city: bool,
    pub(crate) asn: bool,
    pub(crate) organization: bool,
}

impl Holds {
    fn add(&mut self, place: &Place<'_>) {
        self.country |= place.country.is_some();
        self.city |= place.city.is_some();
        self.asn |= place.asn.is_some();
        self.organization |= place.organization.is_some();
    }

    fn is_all(self) -> bool {
        self.country && self.city && self.asn && self.organization
    }
}

/// Address databases, of which the first that knows a fact is believed.
#[derive(Debug)]
pub struct Places {
    databases: Vec<Reader<Vec<u8>>>,
    holds: Holds,
    digest: [u8; 32],
}

impl Places {
    /// Loads databases, each given with the path that names it in messages.
    ///
    /// # Errors
    ///
    /// The problems of all the files that can't be used. Then none is.
    pub fn from_bytes(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let (mut databases, mut holds) = (Vec::new(), Holds::default());
        let mut hash = Sha256::new();
        for (path, bytes) in files {
            hash.update(Sha256::digest(&bytes));
            match load(bytes) {
                Ok((database, held)) => {
                    databases.push(database);
                    holds.country |= held.country;
                    holds.city |= held.city;
                    holds.asn |= held.asn;
                    holds.organization |= held.organization;
                }
                Err((code, message, help)) => {
                    let mut reporter = Reporter::new(&path, "");
                    reporter.error_of_file(code, message, help);
                    problems.extend(reporter.into_problems().0);
                }
            }
        }
        if problems.is_empty() {
            Ok(Self { databases, holds, digest: hash.finalize().into() })
        } else {
            Err(Problems(problems))
        }
    }

    /// What is known of an address; nothing of a text that is none, nor of a private address, which is everywhere.
    #[must_use]
    pub fn get(&self, address: &str) -> Option<Place<'_>> {
        let address = address::parse(address).filter(|address| !address::is_private(*address))?;
        let mut place = Place::default();
        for database in &self.databases {
            let found = look_up(database, address).unwrap_or_default();
            place.country = place.country.or(found.country);
            place.city = place.city.or(found.city);
            place.asn = place.asn.or(found.asn);
            place.organization = place.organization.or(found.organization);
        }
        (!place.is_nothing()).then_some(place)
    }

    /// What the databases call themselves, as in "GeoLite2-City", fit for a one-line message.
    pub fn types(&self) -> impl Iterator<Item = String> {
        self.databases.iter().map(|database| on_one_line(&database.metadata().database_type))
    }

    /// A SHA-256 over the files.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(crate) fn holds(&self) -> Holds {
        self.holds
    }
}

/// What one database says of an address. A record that can't be decoded says nothing.
fn look_up(database: &Reader<Vec<u8>>, address: IpAddr) -> Option<Place<'_>> {
    let found = database.lookup(address).ok()?;
    found.decode::<Facts<'_>>().ok()?.map(|facts| facts.0)
}

/// Why a database can't be used: code, message and help.
type Refusal = (&'static str, String, &'static str);

fn load(mut bytes: Vec<u8>) -> Result<(Reader<Vec<u8>>, Holds), Refusal> {
    const AGAIN: &str =
        "fetch the file again; a copy that is still being written looks like this, too";
    if bytes.len() > DATABASE_BYTES_MAX {
        let message = format!("the file has {} bytes, more than {DATABASE_BYTES_MAX}", bytes.len());
        return Err((code::TOO_LARGE, message, "use a country database"));
    }
    if bytes.is_empty() {
        return Err((code::EMPTY_FILE, "the file is empty".to_owned(), AGAIN));
    }
    if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(b"PK\x03\x04") {
        let message = "the file is an archive, not a MaxMind DB".to_owned();
        return Err((code::BAD_DATABASE, message, "unpack it and name the .mmdb file in it"));
    }
    let refused = |error: maxminddb::MaxMindDbError| {
        let message = format!("not a sound MaxMind DB: {}", on_one_line(&error.to_string()));
        (code::BAD_DATABASE, message, AGAIN)
    };
    describe(&mut bytes);
    let database = Reader::from_source(bytes).map_err(refused)?;
    database.verify().map_err(refused)?;
    let holds = sample(&database);
    if holds == Holds::default() {
        let kind = quoted(&database.metadata().database_type);
        let message = format!("the database {kind} holds no country, city or autonomous system");
        return Err((code::BAD_DATABASE, message, "use a country, city or ASN database"));
    }
    Ok((database, holds))
}

/// Puts a description where the metadata has an empty one: the check at loading wants it, and files that mmdbmeld made,
/// such as the free ones of ip-location-db, have none. Nobody reads it.
fn describe(bytes: &mut Vec<u8>) {
    const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
    const EMPTY: &[u8] = b"\x4bdescription\xe0";
    const ONE: &[u8] = b"\x4bdescription\xe1\x42en\x41-";
    // The format keeps the metadata within the last 128 KiB.
    let tail_start = bytes.len().saturating_sub(128 << 10);
    let tail = &bytes[tail_start..];
    let Some(marker) = tail.windows(MARKER.len()).rposition(|part| part == MARKER) else { return };
    let Some(at) = tail[marker..].windows(EMPTY.len()).position(|part| part == EMPTY) else {
        return;
    };
    let at = tail_start + marker + at;
    bytes.splice(at..at + EMPTY.len(), ONE.iter().copied());
}

/// Which facts a database holds: by its type, and by looking into its first records.
fn sample(database: &Reader<Vec<u8>>) -> Holds {
    let mut holds = Holds::default();
    if let Ok(networks) = database.networks(WithinOptions::default()) {
        for network in networks.take(RECORDS_SAMPLED_MAX).flatten() {
            if let Ok(Some(facts)) = network.decode::<Facts<'_>>() {
                holds.add(&facts.0);
            }
            if holds.is_all() {
                break;
            }
        }
    }
    // A database whose first records lack a fact may hold it further on, where its type says so.
    let kind = &database.metadata().database_type;
    holds.country |= kind.contains("Country") || kind.contains("City");
    holds.city |= kind.contains("City");
    holds.asn |= kind.contains("ASN");
    holds.organization |= kind.contains("ASN");
    holds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIXTURE: &[u8] = include_bytes!("../../../fixtures/enrichment/places.mmdb");

    fn load_one(bytes: &[u8]) -> Result<Places, Problems> {
        Places::from_bytes([("p.mmdb".to_owned(), bytes.to_vec())])
    }

    fn shown(places: &Places, address: &str) -> String {
        let Some(place) = places.get(address) else { return "-".to_owned() };
        let Place { country, city, asn, organization } = place;
        let (country, city) = (country.unwrap_or("-"), city.unwrap_or("-"));
        let asn = asn.map_or("-".to_owned(), |asn| asn.to_string());
        format!("{country} {city} {asn} {}", organization.unwrap_or("-"))
    }

    #[test]
    fn the_fixture_knows_its_addresses() {
        let places = load_one(FIXTURE).unwrap();
        let all = Holds { country: true, city: true, asn: true, organization: true };
        assert_eq!(places.holds(), all);
        assert_eq!(places.types().collect::<Vec<_>>(), ["Trailloop-Example-City"]);
        for (address, expected) in [
            ("192.0.2.51", "DE Frankfurt am Main 64497 Example Cloud"),
            ("198.51.100.20", "DE Berlin 64496 Example Access"),
            ("198.51.100.64", "DE Hamburg 64496 Example Access"),
            ("198.51.100.255", "FR Paris 64496 Example Access"),
            ("203.0.113.77", "NL Amsterdam 64511 Example Hosting"),
            ("::ffff:203.0.113.77", "NL Amsterdam 64511 Example Hosting"),
            ("203.0.113.128", "US - - -"),
            ("2001:db8::1", "DE Berlin 64496 Example Access"),
            ("2001:db8:1::1", "NL Amsterdam 64511 Example Hosting"),
            ("2001:db8:2::1", "US - - -"),
            ("2001:db8:3::1", "- - 64511 Example Hosting"),
            ("8.8.8.8", "-"),
            ("2001:4860::1", "-"),
            ("10.20.3.17", "-"),
            ("cloudformation.amazonaws.com", "-"),
            ("AWS Internal", "-"),
            ("", "-"),
        ] {
            assert_eq!(shown(&places, address), expected, "{address}");
        }
    }

    #[test]
    fn several_databases_complete_each_other() {
        let system = map(&[
            ("asn", text("AS15169")),
            ("as_name", text("Example")),
            ("country", text("Germany")),
        ]);
        let country = map(&[("country_code", text("SE")), ("country", text("Sweden"))]);
        let old = map(&[("country", text("FR")), ("asn", number(7))]);
        let files = [database("a", &system), database("b", &country), database("c", &old)];
        let places = Places::from_bytes(files.map(|bytes| ("p".to_owned(), bytes))).unwrap();
        assert_eq!(shown(&places, "8.8.8.8"), "SE - 15169 Example");
        assert_eq!(shown(&places, "2001:4860::1"), "SE - 15169 Example");
        let alone = load_one(&database("c", &old)).unwrap();
        assert_eq!(shown(&alone, "8.8.8.8"), "FR - 7 -");
        assert_ne!(alone.digest(), places.digest());
    }

    #[test]
    fn what_has_another_kind_says_nothing() {
        for (record, expected) in [
            (map(&[("asn", text("AS15169x")), ("country_code", text("SE"))]), "SE - - -"),
            (map(&[("asn", text("")), ("country_code", text("SE"))]), "SE - - -"),
            (
                map(&[("country_code", text("SE")), ("country", map(&[("iso_code", number(1))]))]),
                "SE - - -",
            ),
            (map(&[("country", map(&[("iso_code", text("<>"))])), ("asn", number(1))]), "- - 1 -"),
            (map(&[("city", text("")), ("asn", number(1))]), "- - 1 -"),
            (map(&[("city", map(&[("names", number(1))])), ("asn", number(1))]), "- - 1 -"),
            (
                map(&[
                    ("city", map(&[("names", map(&[("de", text("Köln"))]))])),
                    ("asn", number(1)),
                ]),
                "- - 1 -",
            ),
        ] {
            assert_eq!(shown(&load_one(&database("x", &record)).unwrap(), "8.8.8.8"), expected);
        }
        let long = map(&[("as_name", text(&"ä".repeat(300))), ("asn", number(1))]);
        let places = load_one(&database("x", &long)).unwrap();
        assert_eq!(places.get("8.8.8.8").unwrap().organization.unwrap().len(), 256);
    }

    #[test]
    fn a_database_without_a_description_is_as_good_as_any() {
        let record = map(&[("country_code", text("SE"))]);
        let places = load_one(&described("x", &record, &[])).unwrap();
        assert_eq!(shown(&places, "8.8.8.8"), "SE - - -");
    }

    #[test]
    fn files_that_are_no_database_are_refused_with_what_to_do() {
        let other = database("Anonymous\n-IP", &map(&[("is_hosting", number(1))]));
        let mut separator = FIXTURE.to_vec();
        let tree_bytes = separator.windows(16).position(|window| window == [0; 16]).unwrap();
        separator[tree_bytes + 3] = 1;
        for (bytes, expected) in [
            (&b""[..], "the file is empty"),
            (b"country,name", "could not find MaxMind DB metadata"),
            (b"\x1f\x8bxxxxxxx", "archive"),
            (b"PK\x03\x04xxxxx", "archive"),
            (&FIXTURE[..FIXTURE.len() - 7], "not a sound MaxMind DB"),
            (&FIXTURE[6..], "not a sound MaxMind DB"),
            (&separator, "separator"),
            (&other, "`Anonymous\\n-IP` holds no country"),
        ] {
            let problems = load_one(bytes).unwrap_err().to_string();
            assert!(
                problems.starts_with("p.mmdb: error[") && problems.contains(expected),
                "{problems}"
            );
            assert!(problems.contains("; help: ") && !problems.contains('\n'), "{problems}");
        }
        let two = [("a".to_owned(), b"x".to_vec()), ("b".to_owned(), b"y".to_vec())];
        assert_eq!(Places::from_bytes(two).unwrap_err().0.len(), 2, "all files are reported");
    }

    // A writer of the smallest database: one node, both of whose sides lead to the same record.

    fn header(kind: u8, size: usize, out: &mut Vec<u8>) {
        let (low, rest) = if size < 29 {
            (size, None)
        } else if size < 285 {
            (29, Some(vec![size - 29]))
        } else {
            (30, Some(vec![(size - 285) >> 8, (size - 285) & 255]))
        };
        let low = u8::try_from(low).unwrap();
        if kind > 7 {
            out.extend([low, kind - 7]);
        } else {
            out.push(kind << 5 | low);
        }
        out.extend(rest.into_iter().flatten().map(|byte| u8::try_from(byte).unwrap()));
    }

    fn text(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        header(2, text.len(), &mut out);
        out.extend(text.as_bytes());
        out
    }

    fn number(number: u32) -> Vec<u8> {
        let mut out = Vec::new();
        header(6, 4, &mut out);
        out.extend(number.to_be_bytes());
        out
    }

    fn short(number: u8) -> Vec<u8> {
        vec![5 << 5 | 1, number]
    }

    fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::new();
        header(7, entries.len(), &mut out);
        for (key, value) in entries {
            out.extend(text(key));
            out.extend(value);
        }
        out
    }

    fn database(kind: &str, record: &[u8]) -> Vec<u8> {
        described(kind, record, &[("en", text("x"))])
    }

    fn described(kind: &str, record: &[u8], description: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![0, 0, 17, 0, 0, 17];
        out.extend([0; 16]);
        out.extend(record);
        out.extend(b"\xab\xcd\xefMaxMind.com");
        out.extend(map(&[
            ("binary_format_major_version", short(2)),
            ("binary_format_minor_version", short(0)),
            ("build_epoch", vec![1, 2, 1]),
            ("database_type", text(kind)),
            ("description", map(description)),
            ("ip_version", short(6)),
            ("languages", vec![0, 4]),
            ("node_count", number(1)),
            ("record_size", short(24)),
        ]));
        out
    }

    const ADDRESSES: [&str; 5] =
        ["203.0.113.77", "198.51.100.255", "2001:db8:1::1", "255.255.255.255", "ffff::1"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_damage_panics(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        ) {
            let mut bytes = FIXTURE.to_vec();
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            // Past the check at loading, too: a lookup must stand on its own.
            if let Ok(database) = Reader::from_source(bytes.clone()) {
                for address in ADDRESSES {
                    let address = address.parse().unwrap();
                    prop_assert!(look_up(&database, address).is_none_or(|place| place.city.is_none_or(|city| city.len() <= 256)));
                }
            }
            if let Ok(places) = load_one(&bytes) {
                for address in ADDRESSES {
                    shown(&places, address);
                }
            }
        }

        #[test]
        fn no_record_panics(record in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(places) = load_one(&database("x", &record)) {
                shown(&places, "8.8.8.8");
            }
        }
    }
}
