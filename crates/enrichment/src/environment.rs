//! What is expected: countries, regions, networks, the roles of automation, the ways in for an emergency, vendors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use crate::accounts;
use crate::address::Network;
use crate::countries;
use crate::problem::{Problem, Problems, Reporter, code};
use crate::settings::{ENVIRONMENT_BYTES_MAX, Entry, Settings, read};
use crate::standing::ActorPattern;
use crate::table::decode;
use crate::text::{bounded, quoted};
use crate::wildcard;

/// The most entries of one list, and of all networks together.
pub const LIST_ENTRIES_MAX: usize = 10_000;

/// The environment file.
#[derive(Debug)]
pub struct Environment {
    pub(crate) countries: BTreeSet<String>,
    pub(crate) regions: BTreeSet<String>,
    pub(crate) automation_roles: Vec<ActorPattern>,
    pub(crate) break_glass: Vec<ActorPattern>,
    pub(crate) vendor_accounts: BTreeSet<u64>,
    pub(crate) networks: Networks,
    warnings: Vec<Problem>,
    digest: [u8; 32],
}

impl Environment {
    /// Reads the file. `path` names it in messages. An empty file is one that expects nothing.
    ///
    /// # Errors
    ///
    /// All problems of the file.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let text = decode(path, bytes, ENVIRONMENT_BYTES_MAX)?;
        let mut reporter = Reporter::new(path, text);
        let mut settings = read(&mut reporter, text);
        bound(&mut reporter, &mut settings);
        let [countries, regions, automation_roles, break_glass, vendor_accounts] = &settings.lists;
        let environment = Self {
            countries: checked(&mut reporter, countries, country),
            regions: checked(&mut reporter, regions, region),
            automation_roles: patterns(&mut reporter, automation_roles, false),
            break_glass: patterns(&mut reporter, break_glass, true),
            vendor_accounts: checked(&mut reporter, vendor_accounts, vendor),
            networks: networks(&mut reporter, &settings),
            warnings: Vec::new(),
            digest: Sha256::digest(bytes).into(),
        };
        let (mut environment, warnings) = reporter.finish(environment)?;
        environment.warnings = warnings;
        Ok(environment)
    }

    /// What deserves a second look.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The SHA-256 of the file.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// Cuts lists that are too long, which is an error.
fn bound(reporter: &mut Reporter<'_>, settings: &mut Settings) {
    let mut left = LIST_ENTRIES_MAX;
    for (_, prefixes) in &mut settings.networks {
        cut(reporter, prefixes, left);
        left -= prefixes.len();
    }
    for list in &mut settings.lists {
        cut(reporter, list, LIST_ENTRIES_MAX);
    }
}

fn cut(reporter: &mut Reporter<'_>, list: &mut Vec<Entry>, entries_max: usize) {
    if let Some(beyond) = list.get(entries_max) {
        let message = format!("the list goes on beyond {LIST_ENTRIES_MAX} entries");
        reporter.error(beyond.at, code::TOO_LARGE, message, "write fewer, wider entries");
        list.truncate(entries_max);
    }
}

/// What is wrong with an entry: code, what it is not, and help.
type Wrong = (&'static str, &'static str, String);

/// The entries of a list, each checked; a second of the same is said.
fn checked<T: Ord>(
    reporter: &mut Reporter<'_>,
    entries: &[Entry],
    check: fn(&str) -> Result<T, Wrong>,
) -> BTreeSet<T> {
    let mut values = BTreeSet::new();
    for Entry { text, at } in entries {
        match check(text) {
            Ok(value) => {
                if !values.insert(value) {
                    let message = format!("{} stands twice", quoted(text));
                    reporter.warning(*at, code::DUPLICATE_KEY, message, "take one of them out");
                }
            }
            Err((code, what, help)) => {
                reporter.error(*at, code, format!("{} is no {what}", quoted(text)), help);
            }
        }
    }
    values
}

fn country(text: &str) -> Result<String, Wrong> {
    let wrong = || (code::BAD_COUNTRY, "country code", countries::help_for(text));
    countries::is_code(text).then(|| text.to_owned()).ok_or_else(wrong)
}

fn region(text: &str) -> Result<String, Wrong> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends_in_number = text.rsplit_once('-').is_some_and(|(start, number)| {
        start.contains('-') && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    });
    let is_region = text.len() <= 64 && text.chars().all(is_plain) && ends_in_number;
    let wrong = || (code::BAD_REGION, "region", "write its code, such as eu-central-1".to_owned());
    is_region.then(|| text.to_owned()).ok_or_else(wrong)
}

fn vendor(text: &str) -> Result<u64, Wrong> {
    let help = || "write the twelve digits".to_owned();
    accounts::number(text).ok_or_else(|| (code::BAD_ACCOUNT, "account id", help()))
}

fn patterns(reporter: &mut Reporter<'_>, entries: &[Entry], users_too: bool) -> Vec<ActorPattern> {
    let mut patterns = Vec::new();
    for Entry { text, at } in entries {
        let help = if text.len() > wildcard::TEXT_BYTES_MAX {
            format!("write at most {} bytes", wildcard::TEXT_BYTES_MAX)
        } else {
            match ActorPattern::parse(text, users_too) {
                Ok(pattern) => {
                    patterns.push(pattern);
                    continue;
                }
                Err(help) => help,
            }
        };
        let message = format!("{} is no pattern to tell actors by", quoted(text));
        reporter.error(*at, code::BAD_PATTERN, message, help);
    }
    patterns
}

fn networks(reporter: &mut Reporter<'_>, settings: &Settings) -> Networks {
    let mut names: Vec<&(Entry, Vec<Entry>)> = settings.networks.iter().collect();
    names.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
    let mut networks = Networks::default();
    for (name, prefixes) in names {
        if name.text.is_empty() {
            reporter.error(name.at, code::BAD_NETWORK, "a network has no name", "name it");
        }
        for Entry { text, at } in prefixes {
            match Network::parse(text) {
                Ok(network) => networks.add(network, bounded(&name.text)),
                Err(help) => {
                    let message = format!("{} is no network", quoted(text));
                    reporter.error(*at, code::BAD_NETWORK, message, help);
                }
            }
        }
    }
    networks
}

/// The networks that have a name.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    names: BTreeMap<Network, Box<str>>,
    /// The lengths of prefixes that occur, for IPv4 and for IPv6.
    lengths: [BTreeSet<u8>; 2],
}

impl Networks {
    /// Of two names for the same network the first that is added stays.
    fn add(&mut self, network: Network, name: &str) {
        self.lengths[usize::from(network.address.is_ipv6())].insert(network.prefix_bits);
        self.names.entry(network).or_insert_with(|| Box::from(name));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of the narrowest network that holds an address.
    pub(crate) fn get(&self, address: IpAddr) -> Option<&str> {
        let lengths = self.lengths[usize::from(address.is_ipv6())].iter().rev();
        lengths
            .filter_map(|bits| self.names.get(&Network::of(address, *bits)))
            .map(AsRef::as_ref)
            .next()
    }
}
