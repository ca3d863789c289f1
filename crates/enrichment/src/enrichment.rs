//! All that the operator's files say, asked for one value at a time.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::accounts::{self, Account, Accounts};
use crate::address;
use crate::environment::Environment;
use crate::places::{Place, Places};
use crate::principals::{Principal, Principals};
use crate::standing::{Standing, account_of};

/// The files that there are. Each part is shared, so that one can be replaced and the others kept.
#[derive(Clone, Debug, Default)]
pub struct Enrichment {
    /// The address databases.
    pub places: Option<Arc<Places>>,
    /// The account table.
    pub accounts: Option<Arc<Accounts>>,
    /// The principal table.
    pub principals: Option<Arc<Principals>>,
    /// The environment file.
    pub environment: Option<Arc<Environment>>,
}

impl Enrichment {
    /// Where an address lies; see [`Places::get`]. Records repeat addresses: a [`crate::PlaceCache`] remembers.
    #[must_use]
    pub fn place(&self, address: &str) -> Option<Place<'_>> {
        self.places.as_ref()?.get(address)
    }

    /// The name of the narrowest network that holds an address.
    #[must_use]
    pub fn network(&self, address: &str) -> Option<&str> {
        self.environment.as_ref()?.networks.get(address::parse(address)?)
    }

    /// What the account table says of an account.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.as_ref()?.get(id)
    }

    /// What the principal table says of a principal.
    #[must_use]
    pub fn principal(&self, arn: &str) -> Option<&Principal> {
        self.principals.as_ref()?.get(arn)
    }

    /// How an actor stands to the organization. Without an account, that in its ARN counts. With `sends_us_records` its
    /// account is one of ours, even if the table forgot it.
    #[must_use]
    pub fn standing(
        &self,
        actor: Option<&str>,
        account: Option<&str>,
        sends_us_records: bool,
    ) -> Option<Standing> {
        let account = account.or_else(|| account_of(actor?)).and_then(accounts::number);
        let accounts = self.accounts.as_deref().filter(|accounts| !accounts.is_empty());
        let is_member = accounts
            .zip(account)
            .map(|(accounts, account)| sends_us_records || accounts.holds(account));
        let environment = self.environment.as_deref();
        let is_vendor = environment
            .zip(account)
            .is_some_and(|(environment, account)| environment.vendor_accounts.contains(&account));
        if let Some((environment, actor)) = environment.zip(actor) {
            let is_ours = !is_vendor && is_member.unwrap_or(accounts.is_none());
            let any = |patterns: &[crate::standing::ActorPattern]| {
                patterns.iter().any(|pattern| pattern.matches(actor, is_ours))
            };
            if any(&environment.break_glass) {
                return Some(Standing::BreakGlass);
            }
            if any(&environment.automation_roles) {
                return Some(Standing::Automation);
            }
        }
        match is_member {
            _ if is_vendor => Some(Standing::Vendor),
            Some(true) => Some(Standing::Member),
            Some(false) => Some(Standing::Outside),
            None => None,
        }
    }

    /// Whether an address lies in a country where sign-ins are expected.
    #[must_use]
    pub fn expected_country(&self, address: &str) -> Option<bool> {
        self.expected_country_of(self.place(address))
    }

    /// The same, for a place that was looked up already.
    #[must_use]
    pub fn expected_country_of(&self, place: Option<Place<'_>>) -> Option<bool> {
        let countries = &self.environment.as_ref()?.countries;
        let country = place?.country?;
        (!countries.is_empty()).then(|| countries.contains(country))
    }

    /// Whether a region is one that is used.
    #[must_use]
    pub fn expected_region(&self, region: &str) -> Option<bool> {
        let regions = &self.environment.as_ref()?.regions;
        (!regions.is_empty() && !region.is_empty()).then(|| regions.contains(region))
    }

    /// Whether an address lies in a network of the environment; nothing for a service's name.
    #[must_use]
    pub fn expected_network(&self, address: &str) -> Option<bool> {
        let networks = &self.environment.as_ref()?.networks;
        let address = address::parse(address)?;
        (!networks.is_empty()).then(|| networks.get(address).is_some())
    }

    /// A SHA-256 over all files in hex, by which two enrichments can be told apart.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let parts = [
            self.places.as_ref().map(|part| *part.digest()),
            self.accounts.as_ref().map(|part| *part.digest()),
            self.principals.as_ref().map(|part| *part.digest()),
            self.environment.as_ref().map(|part| *part.digest()),
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update([u8::from(part.is_some())]);
            hash.update(part.unwrap_or_default());
        }
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: &[u8] = include_bytes!("../../../fixtures/enrichment/places.mmdb");
    const ACCOUNTS: &[u8] = include_bytes!("../../../fixtures/enrichment/accounts.csv");
    const PRINCIPALS: &[u8] = include_bytes!("../../../fixtures/enrichment/principals.json");
    const ENVIRONMENT: &[u8] = include_bytes!("../../../fixtures/enrichment/environment.toml");

    /// All the fixtures.
    fn fixtures() -> Enrichment {
        let places = Places::from_bytes([("places.mmdb".to_owned(), PLACES.to_vec())]).unwrap();
        let accounts = Accounts::parse("accounts.csv", ACCOUNTS).unwrap();
        let principals = Principals::parse("principals.json", PRINCIPALS).unwrap();
        let environment = Environment::parse("environment.toml", ENVIRONMENT).unwrap();
        assert!(accounts.warnings().is_empty() && principals.warnings().is_empty());
        Enrichment {
            places: Some(Arc::new(places)),
            accounts: Some(Arc::new(accounts)),
            principals: Some(Arc::new(principals)),
            environment: Some(Arc::new(environment)),
        }
    }

    #[test]
    fn the_fixtures_tell_the_intruder_from_the_people() {
        let all = fixtures();
        for (address, country, network, is_country, is_network) in [
            ("198.51.100.20", Some("DE"), Some("office"), Some(true), Some(true)),
            ("203.0.113.77", Some("NL"), None, Some(false), Some(false)),
            ("198.51.100.200", Some("FR"), Some("office"), Some(true), Some(true)),
            ("203.0.113.200", Some("US"), None, Some(true), Some(false)),
            ("10.20.3.17", None, Some("vpc"), None, Some(true)),
            ("2001:db8::1", Some("DE"), Some("office"), Some(true), Some(true)),
            ("2001:db8:3::1", None, None, None, Some(false)),
            ("192.168.1.1", None, None, None, Some(false)),
            ("ec2.amazonaws.com", None, None, None, None),
            ("", None, None, None, None),
        ] {
            assert_eq!(all.place(address).and_then(|place| place.country), country, "{address}");
            assert_eq!(all.network(address), network, "{address}");
            assert_eq!(all.expected_country(address), is_country, "{address}");
            assert_eq!(all.expected_network(address), is_network, "{address}");
        }
        let account = all.account("111122223333").unwrap();
        assert_eq!(account.environment.as_deref(), Some("production"));
        assert_eq!(all.account("777788889999"), None);
        let admin = all.principal("arn:aws:iam::111122223333:role/platform-admin").unwrap();
        assert_eq!(admin.criticality.as_deref(), Some("critical"));
        assert_eq!(all.principal("arn:aws:iam::111122223333:role/nobody"), None);
        let regions = ["eu-central-1", "sa-east-1", ""].map(|region| all.expected_region(region));
        assert_eq!(regions, [Some(true), Some(false), None]);
    }

    #[test]
    fn standing_goes_from_the_rarest_to_the_most_common() {
        let all = fixtures();
        let role = |account: &str, name: &str| format!("arn:aws:iam::{account}:role/{name}");
        for (actor, account, expected) in [
            (role("111122223333", "break-glass-1"), None, Some(Standing::BreakGlass)),
            (role("111122223333", "deployer"), None, Some(Standing::Automation)),
            (role("123456789012", "services/orders-api"), None, Some(Standing::Automation)),
            (role("111122223333", "platform-admin"), None, Some(Standing::Member)),
            (role("888877776666", "scanner"), None, Some(Standing::Vendor)),
            (role("888877776666", "deployer"), None, Some(Standing::Vendor)),
            (role("777788889999", "deployer"), None, Some(Standing::Outside)),
            (role("777788889999", "break-glass-1"), None, Some(Standing::Outside)),
            ("AIDAEXAMPLE".to_owned(), Some("111122223333"), Some(Standing::Member)),
            ("AIDAEXAMPLE".to_owned(), Some("777788889999"), Some(Standing::Outside)),
            ("AIDAEXAMPLE".to_owned(), Some("anonymous"), None),
            ("ec2.amazonaws.com".to_owned(), None, None),
        ] {
            assert_eq!(all.standing(Some(&actor), account, false), expected, "{actor} {account:?}");
        }
        assert_eq!(all.standing(None, Some("111122223333"), false), Some(Standing::Member));
        assert_eq!(all.standing(None, None, false), None);
        let forgotten = "arn:aws:iam::777788889999:role/break-glass-x";
        assert_eq!(all.standing(Some(forgotten), None, false), Some(Standing::Outside));
        assert_eq!(all.standing(Some(forgotten), None, true), Some(Standing::BreakGlass));
        let words = [Standing::BreakGlass, Standing::Outside].map(|standing| standing.to_string());
        assert_eq!(words, ["break-glass", "outside"]);
    }

    #[test]
    fn standing_takes_what_there_is() {
        let deployer = "arn:aws:iam::777788889999:role/deployer";
        let without = Enrichment { accounts: None, ..fixtures() };
        let standing =
            |enrichment: &Enrichment, actor| enrichment.standing(Some(actor), None, false);
        // Without a table nobody is known to be a stranger.
        assert_eq!(standing(&without, deployer), Some(Standing::Automation));
        assert_eq!(standing(&without, "arn:aws:iam::777788889999:role/x"), None);
        let only = Enrichment { environment: None, ..fixtures() };
        assert_eq!(standing(&only, deployer), Some(Standing::Outside));
        let empty = Accounts::parse("a", b"account\n").unwrap();
        let empty = Enrichment { accounts: Some(Arc::new(empty)), ..Enrichment::default() };
        assert_eq!(standing(&empty, deployer), None);
        assert_eq!(Enrichment::default().standing(Some(deployer), None, false), None);
    }

    #[test]
    fn what_is_missing_is_not_unexpected() {
        let all = fixtures();
        let without_places = Enrichment { places: None, ..all.clone() };
        assert_eq!(without_places.expected_country("203.0.113.77"), None);
        let nothing = Environment::parse("e", b"").unwrap();
        let nothing = Enrichment { environment: Some(Arc::new(nothing)), ..all };
        assert_eq!(nothing.expected_country("203.0.113.77"), None);
        assert_eq!(nothing.expected_network("203.0.113.77"), None);
        assert_eq!(nothing.expected_region("sa-east-1"), None);
    }

    #[test]
    fn fingerprints_tell_enrichments_apart() {
        let all = fixtures();
        let fingerprint = all.fingerprint();
        assert_eq!(fingerprint, fixtures().fingerprint());
        assert!(fingerprint.len() == 64 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit()));
        let mut seen = vec![fingerprint, Enrichment::default().fingerprint()];
        seen.push(Enrichment { places: None, ..all.clone() }.fingerprint());
        seen.push(Enrichment { accounts: None, ..all.clone() }.fingerprint());
        seen.push(Enrichment { principals: None, ..all.clone() }.fingerprint());
        seen.push(Enrichment { environment: None, ..all.clone() }.fingerprint());
        let other = Accounts::parse("a", b"account\n111122223333\n").unwrap();
        seen.push(Enrichment { accounts: Some(Arc::new(other)), ..all }.fingerprint());
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }
}
