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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address;

    fn said(text: &str) -> Vec<String> {
        match Environment::parse("e.toml", text.as_bytes()) {
            Ok(environment) => environment.warnings.iter().map(ToString::to_string).collect(),
            Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn an_empty_file_expects_nothing() {
        for text in ["", "\u{feff}", "# nothing\n", "countries = []\n[networks]\n"] {
            let environment = Environment::parse("e", text.as_bytes()).unwrap();
            assert!(
                environment.countries.is_empty() && environment.networks.is_empty(),
                "{text:?}"
            );
            assert!(environment.warnings().is_empty());
        }
    }

    #[test]
    fn the_fixture_is_read() {
        let text = include_bytes!("../../../fixtures/enrichment/environment.toml");
        let environment = Environment::parse("e", text).unwrap();
        assert_eq!(environment.warnings(), []);
        assert!(environment.countries.contains("DE"));
        assert_eq!(environment.regions.len(), 5);
        let patterns = (environment.automation_roles.len(), environment.break_glass.len());
        assert_eq!(patterns, (5, 1));
        assert!(environment.vendor_accounts.contains(&888_877_776_666));
        let get = |text| environment.networks.get(address::parse(text)?);
        assert_eq!(get("198.51.100.20"), Some("office"));
        assert_eq!(get("203.0.113.77"), None);
    }

    #[test]
    fn all_problems_come_at_once_with_their_places() {
        let text = "\u{feff}countries = [\"de\", \"UK\", 7, \"<\\n>\"]\n\
                    region = [\"eu-central-1\"]\n\
                    regions = [\"Frankfurt\"]\n\
                    vendor_accounts = [\"4444\"]\n\
                    break_glass = \"role\"\n\
                    automation_roles = [\"*\", \"role/x\", \"arn:aws:iam\", \"arn:aws:sts::1:assumed-role/x/*\"]\n\
                    colour = 1\n\
                    [networks]\noffice = [\"198.51.100.7/24\"]\n\"\" = [\"::/0\"]\nlab = 1\n";
        assert_eq!(
            said(text),
            [
                "e.toml:1:14: error[bad-country]: `de` is no country code; help: write DE",
                "e.toml:1:20: error[bad-country]: `UK` is no country code; help: the United Kingdom's code is GB",
                "e.toml:1:26: error[wrong-type]: `countries` holds something else than texts; help: write a list of country codes, such as \"DE\"",
                "e.toml:1:29: error[bad-country]: `<\\n>` is no country code; help: write the two capitals of ISO 3166-1 alpha-2, such as DE or US",
                "e.toml:2:1: error[unknown-key]: unknown key `region`; help: did you mean regions?",
                "e.toml:3:12: error[bad-region]: `Frankfurt` is no region; help: write its code, such as eu-central-1",
                "e.toml:4:20: error[bad-account]: `4444` is no account id; help: write the twelve digits",
                "e.toml:5:15: error[wrong-type]: `break_glass` is no list; help: write a list of ARNs or names of roles and users, with `*` for any text",
                "e.toml:6:21: error[bad-pattern]: `*` is no pattern to tell actors by; help: write something that tells them from everyone else",
                "e.toml:6:26: error[bad-pattern]: `role/x` is no pattern to tell actors by; help: write an ARN, or a name without its path",
                "e.toml:6:36: error[bad-pattern]: `arn:aws:iam` is no pattern to tell actors by; help: write a whole ARN, such as arn:aws:iam::*:role/deploy-*",
                "e.toml:6:51: error[bad-pattern]: `arn:aws:sts::1:assumed-role/x/*` is no pattern to tell actors by; help: rules see the role behind a session: write arn:aws:iam::ACCOUNT:role/NAME",
                "e.toml:7:1: error[unknown-key]: unknown key `colour`; help: the keys are countries, regions, automation_roles, break_glass, vendor_accounts, networks",
                "e.toml:9:11: error[bad-network]: `198.51.100.7/24` is no network; help: clear the bits beyond the prefix: 198.51.100.0/24",
                "e.toml:10:1: error[bad-network]: a network has no name; help: name it",
                "e.toml:11:7: error[wrong-type]: `lab` is no list; help: write a list of networks, such as \"198.51.100.0/24\"",
            ]
        );
    }

    #[test]
    fn broken_toml_says_where() {
        let lines = said("countries = [\"DE\"\nregions = \n[networks\n");
        assert!(lines.len() > 1 && lines[0].starts_with("e.toml:"), "{lines:#?}");
        assert!(
            lines.iter().all(|line| line.contains("error[bad-syntax]: not TOML: ")),
            "{lines:#?}"
        );
        let twice = said("countries = [\"DE\", \"DE\"]\ncountries = []\n");
        assert!(twice[0].starts_with("e.toml:2:1: error[bad-syntax]"), "{twice:#?}");
        let again = said("countries = [\"DE\", \"DE\"]\n");
        assert_eq!(
            again,
            ["e.toml:1:20: warning[duplicate-key]: `DE` stands twice; help: take one of them out"]
        );
        assert!(said("networks = []")[0].contains("`networks` is no table"));
    }

    #[test]
    fn lists_are_bounded() {
        let networks = |count: u32| -> String {
            let one = |nth: u32| format!("\"{}\",", std::net::Ipv4Addr::from_bits(nth));
            (0..count).map(one).collect()
        };
        let max = u32::try_from(LIST_ENTRIES_MAX).unwrap();
        let text = format!("[networks]\na = [{}]\nb = [\"::1\"]\n", networks(max));
        assert_eq!(
            said(&text),
            [
                "e.toml:3:6: error[too-large]: the list goes on beyond 10000 entries; help: write fewer, wider entries"
            ]
        );
        let deep = format!("countries = {}", "[".repeat(100_000));
        assert!(said(&deep).iter().all(|line| line.contains("error[bad-syntax]")));
        let long = format!("break_glass = [\"{}\"]", "x".repeat(wildcard::TEXT_BYTES_MAX + 1));
        assert!(said(&long)[0].contains("write at most 2048 bytes"));
    }

    #[test]
    fn the_narrowest_network_wins_and_then_the_first_name() {
        let text = "[networks]\nz = [\"10.0.0.0/8\", \"2001:db8::/32\", \"::ffff:192.0.2.0/120\"]\n\
                    b = [\"10.1.0.0/16\"]\na = [\"10.1.0.0/16\", \"0.0.0.0/0\", \"10.1.2.3\"]\n";
        let networks = Environment::parse("e", text.as_bytes()).unwrap().networks;
        for (address, expected) in [
            ("10.9.9.9", Some("z")),
            ("10.1.9.9", Some("a")),
            ("10.1.2.3", Some("a")),
            ("192.0.2.9", Some("z")),
            ("8.8.8.8", Some("a")),
            ("2001:db8::1", Some("z")),
            ("2001:db9::1", None),
        ] {
            assert_eq!(networks.get(address::parse(address).unwrap()), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(
            text in "(countries|regions|automation_roles|break_glass|vendor_accounts|networks|[\\[\\]{}=,.\"'#\n ]|DE|arn:aws:iam::\\*:role/x|10\\.0\\.0\\.0/8|.){0,40}",
        ) {
            said(&text);
        }

        #[test]
        fn networks_agree_with_a_search(
            prefixes in prop::collection::vec((any::<u32>(), 0_u8..=32, "[a-c]"), 0..12),
            near in any::<prop::sample::Index>(),
            noise in 0_u32..512,
        ) {
            let mut networks = Networks::default();
            let mut all = Vec::new();
            for (bits, prefix_bits, name) in &prefixes {
                let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(*bits));
                let network = Network::of(address, *prefix_bits);
                networks.add(network, name);
                all.push((network, name.as_str()));
            }
            let bits = if prefixes.is_empty() { 0 } else { prefixes[near.index(prefixes.len())].0 };
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(bits ^ noise));
            let mut best: Option<(Network, &str)> = None;
            for (network, name) in all {
                let holds = Network::of(address, network.prefix_bits) == network;
                if holds && best.is_none_or(|(best, _)| best.prefix_bits < network.prefix_bits) {
                    best = Some((network, name));
                }
            }
            prop_assert_eq!(networks.get(address), best.map(|(_, name)| name));
        }
    }
}
