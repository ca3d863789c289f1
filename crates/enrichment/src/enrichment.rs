//! All that the operator's files say, asked for one value at a time.

use std::fmt::Write as _;
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

    /// How an actor stands to the organization. Without an account, that in its ARN counts.
    #[must_use]
    pub fn standing(&self, actor: Option<&str>, account: Option<&str>) -> Option<Standing> {
        let account = account.or_else(|| account_of(actor?)).and_then(accounts::number);
        let accounts = self.accounts.as_deref().filter(|accounts| !accounts.is_empty());
        let is_member = accounts.zip(account).map(|(accounts, account)| accounts.holds(account));
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
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}
