//! What voids a filter at once, without asking anybody: more becomes visible, never less.
//!
//! A filter trusts an identity as it was when people looked at it. So it is void as soon as somebody changes who may be that
//! identity or what it may do, as soon as a finding of it is of a call, or comes from a network, a region or a kind of client, that the
//! backtest did not see, once anything on it is judged true, and when there is suddenly more of it than there was: a filter
//! that is flooded is one that something hides in. Voiding is for good; a new proposal has to bring new evidence.
//!
//! The caller shows each record that changes identities, each finding before it asks whether it is quieted, and each
//! verdict; it writes down what comes back, and gives it to [`Tripwires::restored`] when it starts again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{Filter, Rule};

use crate::evidence::Label;
use crate::flat::{Profile, profile};

/// A filter may describe so many times what it described on nineteen of twenty days of its backtest.
const VOLUME_FACTOR: u64 = 3;

/// An entity of more risk is trusted with nothing.
const RISK_MAX: f64 = 60.0;

/// Of so many days the findings are counted.
const DAYS_COUNTED_MAX: usize = 14;

/// A filter that described nothing for so long is not needed.
const UNUSED_DAYS_MAX: i32 = 30;

/// Findings of so many days are looked at again when something on their lineage is judged true.
const REOPENED_DAYS: i32 = 7;

/// Calls that change who may use an identity, or what it may do, with the parameter that names it. Without a name, of a
/// user the caller itself is meant, and of a provider every identity of the account.
const CHANGES: &[(&str, &str, &str)] = &[
    ("AddClientIDToOpenIDConnectProvider", "", "trust_changed"),
    ("AddRoleToInstanceProfile", "roleName", "trust_changed"),
    ("AddUserToGroup", "userName", "policy_changed"),
    ("AttachRolePolicy", "roleName", "policy_changed"),
    ("AttachUserPolicy", "userName", "policy_changed"),
    ("CreateAccessKey", "userName", "key_created"),
    ("CreateLoginProfile", "userName", "key_created"),
    ("CreateOpenIDConnectProvider", "", "trust_changed"),
    ("CreateSAMLProvider", "", "trust_changed"),
    ("CreateServiceSpecificCredential", "userName", "key_created"),
    ("CreateTrustAnchor", "", "trust_changed"),
    ("DeleteRolePermissionsBoundary", "roleName", "policy_changed"),
    ("DeleteUserPermissionsBoundary", "userName", "policy_changed"),
    ("PutRolePermissionsBoundary", "roleName", "policy_changed"),
    ("PutRolePolicy", "roleName", "policy_changed"),
    ("PutUserPermissionsBoundary", "userName", "policy_changed"),
    ("PutUserPolicy", "userName", "policy_changed"),
    ("UpdateAssumeRolePolicy", "roleName", "trust_changed"),
    ("UpdateLoginProfile", "userName", "key_created"),
    ("UpdateOpenIDConnectProviderThumbprint", "", "trust_changed"),
    ("UpdateSAMLProvider", "", "trust_changed"),
    ("UploadSigningCertificate", "userName", "key_created"),
];

/// A filter that is void, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voided {
    /// [`Filter::hash`].
    pub filter: String,
    /// The filter's title.
    pub title: String,
    /// Which tripwire.
    pub tripwire: &'static str,
    /// What touched it, for people.
    pub why: String,
}

/// The filters in force and what would void them.
#[derive(Debug)]
pub struct Tripwires {
    filters: Vec<Armed>,
    voided: BTreeSet<String>,
}

#[derive(Debug)]
struct Armed {
    filter: Filter,
    /// How many findings it described a day. Events come late and out of order, so several days are open at once.
    days: BTreeMap<Date, u64>,
    last: Option<Date>,
}

impl Tripwires {
    /// Sets the tripwires of filters; those that take events away have none.
    #[must_use]
    pub fn new(filters: &[Filter]) -> Self {
        Self::restored(filters, [])
    }

    /// The same, with the hashes of filters that were voided before.
    #[must_use]
    pub fn restored(filters: &[Filter], voided: impl IntoIterator<Item = String>) -> Self {
        let armed =
            |filter: &Filter| Armed { filter: filter.clone(), days: BTreeMap::new(), last: None };
        let filters = filters.iter().filter(|filter| filter.quiet().is_some()).map(armed);
        Self { filters: filters.collect(), voided: voided.into_iter().collect() }
    }

    /// Whether a filter may still quiet anything, as far as tripwires go.
    #[must_use]
    pub fn holds(&self, filter: &Filter) -> bool {
        !self.voided.contains(filter.hash())
    }

    /// Shows a record of the stream, of which those count that change an identity.
    pub fn record(&mut self, record: &[u8]) -> Vec<Voided> {
        if self.filters.is_empty() {
            return Vec::new();
        }
        let mut buffer = RecordBuffer::new();
        let Ok(parsed) = Record::parse(record, &mut buffer) else { return Vec::new() };
        let name = parsed.text(&["eventName"]).unwrap_or_default();
        let Some((_, parameter, tripwire)) = CHANGES.iter().find(|(event, ..)| *event == name)
        else {
            return Vec::new();
        };
        if parsed.text(&["errorCode"]).is_some_and(|error| !error.is_empty()) {
            return Vec::new();
        }
        let account = parsed.text(&["recipientAccountId"]).unwrap_or_default();
        let caller = profile(record).entity;
        let named = parsed.text(&["requestParameters", parameter]);
        let is_meant = |entity: &str| match named {
            _ if parameter.is_empty() => is_of_account(entity, account),
            Some(named) => is_of_account(entity, account) && is_called(entity, named),
            None => *parameter == "userName" && entity == caller,
        };
        self.void(tripwire, |filter| {
            let entity = entities(filter).find(|entity| is_meant(entity))?;
            Some(format!("{name} changed what {entity} is, by {caller}"))
        })
    }

    /// Shows a finding of a rule, before it is asked whether a filter quiets it.
    pub fn finding(&mut self, rule: &Rule, record: &[u8]) -> Vec<Voided> {
        if !self.filters.iter().any(|armed| armed.filter.speaks_of(rule)) {
            return Vec::new();
        }
        let Profile { entity, event, network, region, agent, .. } = profile(record);
        let mut voided = Vec::new();
        let known =
            |filter: &Filter| filter.speaks_of(rule) && entities(filter).any(|one| one == entity);
        for (tripwire, what, value) in [
            ("new_event", "call", &event),
            ("new_network", "network", &network),
            ("new_region", "region", &region),
            ("new_user_agent", "kind of user agent", &agent),
        ] {
            voided.extend(self.void(tripwire, |filter| {
                let seen = &filter.quiet()?.seen;
                let seen = match tripwire {
                    "new_event" => &seen.events,
                    "new_network" => &seen.networks,
                    "new_region" => &seen.regions,
                    _ => &seen.agents,
                };
                (known(filter) && !seen.contains(value))
                    .then(|| format!("{entity} is found with the {what} {value:?}, which its backtest did not see"))
            }));
        }
        voided
    }

    /// Counts a finding that a filter quiets, on the day of its event. If this voids the filter, the finding is not quieted.
    pub fn quieted(&mut self, filter: &Filter, day: Date) -> Vec<Voided> {
        let Some(armed) = self.filters.iter_mut().find(|one| one.filter.hash() == filter.hash())
        else {
            return Vec::new();
        };
        armed.last = armed.last.max(Some(day));
        let count = armed.days.entry(day).or_default();
        *count += 1;
        let count = *count;
        while armed.days.len() > DAYS_COUNTED_MAX {
            armed.days.pop_first();
        }
        self.void("volume_gt_3x", |one| {
            let most = one.quiet()?.backtest.daily_p95.saturating_mul(VOLUME_FACTOR);
            (one.hash() == filter.hash() && count > most)
                .then(|| format!("it describes more than {most} findings on {day}"))
        })
    }

    /// Shows a verdict on a finding of an entity, with the other identities of its lineage.
    pub fn judged(&mut self, label: Label, entity: &str, lineage: &[&str]) -> Vec<Voided> {
        if !label.is_attack() {
            return Vec::new();
        }
        let mut voided = self.void("tp_on_entity", |filter| {
            entities(filter)
                .any(|one| one == entity)
                .then(|| format!("a finding on {entity} was judged true"))
        });
        voided.extend(self.void("tp_on_lineage", |filter| {
            let other = entities(filter).find(|one| lineage.contains(one))?;
            Some(format!("a finding on the lineage of {other} was judged true"))
        }));
        voided
    }

    /// Shows the risk that an entity has gathered, from 0 to 100.
    pub fn risk(&mut self, entity: &str, risk: f64) -> Vec<Voided> {
        self.void("entity_risk_gt_60", |filter| {
            (risk > RISK_MAX && entities(filter).any(|one| one == entity))
                .then(|| format!("{entity} has gathered a risk of {risk:.0}"))
        })
    }

    /// The filters that have described nothing for so long that nobody needs them, by their hashes; `since` is the day from
    /// which findings were shown.
    #[must_use]
    pub fn unused(&self, since: Date, today: Date) -> Vec<&str> {
        let is_unused = |armed: &&Armed| {
            let last = armed.last.unwrap_or(since);
            crate::gates::days_between(last, today) >= UNUSED_DAYS_MAX
        };
        self.filters.iter().filter(is_unused).map(|armed| armed.filter.hash()).collect()
    }

    /// Voids the filters that have this tripwire and for which there is a reason.
    fn void(
        &mut self,
        tripwire: &'static str,
        why: impl Fn(&Filter) -> Option<String>,
    ) -> Vec<Voided> {
        let mut voided = Vec::new();
        for Armed { filter, .. } in &self.filters {
            if !filter.tripwires().iter().any(|one| one == tripwire) || !self.holds(filter) {
                continue;
            }
            if let Some(why) = why(filter) {
                let (title, hash) = (filter.title.clone(), filter.hash().to_owned());
                voided.push(Voided { filter: hash, title, tripwire, why });
            }
        }
        self.voided.extend(voided.iter().map(|one| one.filter.clone()));
        voided
    }
}

fn entities(filter: &Filter) -> impl Iterator<Item = &str> {
    filter.quiet().into_iter().flat_map(|quiet| quiet.seen.entities.iter().map(String::as_str))
}

/// Whether an ARN is of an account.
fn is_of_account(arn: &str, account: &str) -> bool {
    arn.split(':').nth(4) == Some(account)
}

/// Whether an ARN is of this name, which IAM tells from others without regard to case; a path may stand before it.
fn is_called(arn: &str, name: &str) -> bool {
    arn.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name))
}

/// A finding that was made quieter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quieted {
    /// The finding's id.
    pub uid: String,
    /// Whose it is.
    pub entity: String,
    /// The day of its event.
    pub day: Date,
}

/// What is put before people again once something on an entity or its lineage was judged true: all that was made quieter
/// on them in the last seven days.
#[must_use]
pub fn reopened<'q>(
    quieted: &'q [Quieted],
    entity: &str,
    lineage: &[&str],
    today: Date,
) -> Vec<&'q Quieted> {
    let is_meant = |one: &&Quieted| {
        let age = crate::gates::days_between(one.day, today);
        (one.entity == entity || lineage.contains(&one.entity.as_str())) && age <= REOPENED_DAYS
    };
    quieted.iter().filter(is_meant).collect()
}
