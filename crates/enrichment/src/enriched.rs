//! The fields that rules can test, by name.

use std::fmt;

use crate::enrichment::Enrichment;

/// Declares each field once: as a variant, and as a row of the table for readers.
macro_rules! fields {
    ($($variant:ident = $name:literal, $doc:literal, $needs:literal;)*) => {
        /// A field whose value comes from the operator's files.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Enriched {
            $(#[doc = $doc] $variant,)*
        }

        /// Every field: its name, what its value is, and what must be there for it to have one.
        pub const FIELDS: &[(&str, &str, &str)] = &[$(($name, $doc, $needs),)*];

        impl Enriched {
            /// All of them, in the order of [`FIELDS`].
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

fields! {
    IpCountry = "ip.country",
        "the country of `sourceIPAddress`, two capitals of ISO 3166-1 alpha-2",
        "a country or city database (`*.mmdb`)";
    IpCity = "ip.city",
        "the city of `sourceIPAddress`, its English name",
        "a city database (`*.mmdb`)";
    IpAsn = "ip.asn",
        "the number of the autonomous system that announces `sourceIPAddress`, without AS",
        "an ASN database (`*.mmdb`)";
    IpOrganization = "ip.organization",
        "who runs that autonomous system",
        "an ASN database (`*.mmdb`)";
    IpNetwork = "ip.network",
        "the name of the narrowest of your networks that holds `sourceIPAddress`",
        "`networks` in environment.toml";
    AccountName = "account.name",
        "the name of the account that the record is from",
        "an account table (accounts.csv) with the column name";
    AccountOu = "account.ou",
        "the organizational unit of that account",
        "an account table (accounts.csv) with the column ou";
    AccountEnvironment = "account.environment",
        "what that account is for",
        "an account table (accounts.csv) with the column environment";
    ActorOwner = "actor.owner",
        "who answers for `actor`",
        "a principal table (principals.csv) with the column owner";
    ActorCriticality = "actor.criticality",
        "how much depends on `actor`",
        "a principal table (principals.csv) with the column criticality";
    ActorStanding = "actor.standing",
        "`break-glass`, `automation`, `vendor`, `member` or `outside`: how `actor` stands to the organization",
        "an account table (accounts.csv), or `break_glass`, `automation_roles` or `vendor_accounts` in environment.toml";
    EnvironmentCountry = "environment.country",
        "whether `ip.country` is one of your `countries`: `expected` or `unexpected`",
        "`countries` in environment.toml and a country or city database (`*.mmdb`)";
    EnvironmentRegion = "environment.region",
        "whether `awsRegion` is one of your `regions`: `expected` or `unexpected`",
        "`regions` in environment.toml";
    EnvironmentNetwork = "environment.network",
        "whether `sourceIPAddress`, where it is an address, lies in one of your networks: `expected` or `unexpected`",
        "`networks` in environment.toml";
}

impl Enriched {
    /// The field of a name; names mind case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.as_str() == name)
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        FIELDS[self as usize].0
    }

    /// What the value is.
    #[must_use]
    pub fn doc(self) -> &'static str {
        FIELDS[self as usize].1
    }

    /// What must be there for it to have a value, in plain words.
    #[must_use]
    pub fn needs(self) -> &'static str {
        FIELDS[self as usize].2
    }

    /// Whether the files that it needs are there and say something of it. If not, it has no value in any record.
    #[must_use]
    pub fn is_available(self, enrichment: &Enrichment) -> bool {
        let Enrichment { places, accounts, principals, environment } = enrichment;
        let holds = places.as_ref().map(|places| places.holds()).unwrap_or_default();
        let accounts = accounts.as_deref();
        let principals = principals.as_deref();
        let environment = environment.as_deref();
        match self {
            Self::IpCountry => holds.country,
            Self::IpCity => holds.city,
            Self::IpAsn => holds.asn,
            Self::IpOrganization => holds.organization,
            Self::IpNetwork | Self::EnvironmentNetwork => {
                environment.is_some_and(|environment| !environment.networks.is_empty())
            }
            Self::AccountName => accounts.is_some_and(|accounts| accounts.has_name),
            Self::AccountOu => accounts.is_some_and(|accounts| accounts.has_ou),
            Self::AccountEnvironment => accounts.is_some_and(|accounts| accounts.has_environment),
            Self::ActorOwner => principals.is_some_and(|principals| principals.has_owner),
            Self::ActorCriticality => {
                principals.is_some_and(|principals| principals.has_criticality)
            }
            Self::ActorStanding => {
                let names = environment.is_some_and(|environment| {
                    !environment.break_glass.is_empty()
                        || !environment.automation_roles.is_empty()
                        || !environment.vendor_accounts.is_empty()
                });
                names || accounts.is_some_and(|accounts| !accounts.is_empty())
            }
            Self::EnvironmentCountry => {
                holds.country
                    && environment.is_some_and(|environment| !environment.countries.is_empty())
            }
            Self::EnvironmentRegion => {
                environment.is_some_and(|environment| !environment.regions.is_empty())
            }
        }
    }
}

impl fmt::Display for Enriched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::{Accounts, Environment, Places, Principals};

    const PLACES: &[u8] = include_bytes!("../../../fixtures/enrichment/places.mmdb");

    fn available(enrichment: &Enrichment) -> Vec<&'static str> {
        let is_available = |field: &&Enriched| field.is_available(enrichment);
        Enriched::ALL.iter().filter(is_available).map(|field| field.as_str()).collect()
    }

    #[test]
    fn names_lead_there_and_back() {
        assert_eq!(FIELDS.len(), 14);
        for (field, (name, doc, needs)) in Enriched::ALL.iter().zip(FIELDS) {
            assert_eq!(Enriched::parse(name), Some(*field));
            assert_eq!((field.as_str(), field.doc(), field.needs()), (*name, *doc, *needs));
            assert_eq!(field.to_string(), *name);
            assert!(
                needs.contains("`*.mmdb`") || needs.contains(".csv") || needs.contains(".toml"),
                "{needs}"
            );
        }
        assert_eq!(FIELDS.iter().map(|field| field.0).collect::<BTreeSet<_>>().len(), 14);
        assert_eq!(Enriched::parse("IP.country"), None);
    }

    #[test]
    fn a_field_is_there_if_its_files_say_something_of_it() {
        assert_eq!(available(&Enrichment::default()), [""; 0]);
        let environment = |text: &str| Enrichment {
            environment: Some(Arc::new(Environment::parse("e", text.as_bytes()).unwrap())),
            ..Enrichment::default()
        };
        assert_eq!(available(&environment("")), [""; 0]);
        assert_eq!(available(&environment("regions = [\"eu-west-1\"]")), ["environment.region"]);
        assert_eq!(available(&environment("break_glass = [\"x\"]")), ["actor.standing"]);
        let networks = environment("[networks]\na = [\"::1\"]");
        assert_eq!(available(&networks), ["ip.network", "environment.network"]);
        let mut countries = environment("countries = [\"DE\"]");
        assert_eq!(available(&countries), [""; 0], "without a database no country is known");
        let files = [("p".to_owned(), PLACES.to_vec())];
        countries.places = Some(Arc::new(Places::from_bytes(files).unwrap()));
        let placed = ["ip.country", "ip.city", "ip.asn", "ip.organization"];
        assert_eq!(available(&countries), [&placed[..], &["environment.country"]].concat());
    }

    #[test]
    fn a_table_answers_for_the_columns_that_it_fills() {
        let accounts = |text: &str| Enrichment {
            accounts: Some(Arc::new(Accounts::parse("a", text.as_bytes()).unwrap())),
            ..Enrichment::default()
        };
        assert_eq!(available(&accounts("account\n111122223333\n")), ["actor.standing"]);
        let named = accounts("account,name,ou\n111122223333,x,\n");
        assert_eq!(available(&named), ["account.name", "actor.standing"]);
        assert_eq!(available(&accounts("account,name\n")), [""; 0]);
        let principals = Principals::parse("p", b"arn,owner\nx,me\n").unwrap();
        let principals =
            Enrichment { principals: Some(Arc::new(principals)), ..Enrichment::default() };
        assert_eq!(available(&principals), ["actor.owner"]);
    }
}
