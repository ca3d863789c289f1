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

fn load(bytes: Vec<u8>) -> Result<(Reader<Vec<u8>>, Holds), Refusal> {
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
    // A database that begins with records without a city may name cities further on.
    let kind = &database.metadata().database_type;
    holds.city |= holds.country && kind.contains("City");
    holds
}
