//! Enriched fields: what the operator's own files say of a record's address, account, region and caller.
//!
//! `docs/enrichment.md` lists them. They are worked out when the first rule asks, like derived fields; addresses and
//! callers, of which a log repeats a few, are looked up once for as long as a worker keeps its memory. Without the file
//! that a field needs it has no value, in any record.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;
use trailloop_cloudtrail::Record;
use trailloop_enrichment::{Enriched, Enrichment, PlaceCache, Standing};

use crate::derived::{Derived, Get, text};
use crate::set::{MatchScratch, RuleSet};
use crate::test::{Field, Predicate, Test};

/// Where the values of enriched fields come from.
#[derive(Clone, Debug)]
pub(crate) enum Facts {
    /// The operator's files.
    Files(Arc<Enrichment>),
    /// The values that an example of a rule gives, whatever its record says.
    Given(BTreeMap<Enriched, String>),
}

impl Facts {
    /// Whether the field can have a value at all.
    pub(crate) fn can_tell(&self, field: Enriched) -> bool {
        match self {
            Self::Files(files) => field.is_available(files),
            Self::Given(given) => given.contains_key(&field),
        }
    }

    /// What a predicate is for every record, if it asks for a field that can have no value.
    pub(crate) fn decided(&self, predicate: &Predicate) -> Option<bool> {
        match predicate.field {
            Field::Enriched(field) if !self.can_tell(field) => Some(predicate.test == Test::Null),
            _ => None,
        }
    }
}

impl RuleSet {
    /// The fingerprint of the files that enriched fields come from.
    #[must_use]
    pub fn enrichment_hash(&self) -> String {
        match &self.facts {
            Facts::Files(files) => files.fingerprint(),
            Facts::Given(_) => String::new(),
        }
    }

    /// The enriched fields that rules test and that can have no value, because the file that they need is not there: each
    /// with the numbers of its rules.
    #[must_use]
    pub fn unanswered(&self) -> BTreeMap<Enriched, Vec<u32>> {
        let mut unanswered: BTreeMap<Enriched, Vec<u32>> = BTreeMap::new();
        for (tree, rule) in self.trees.iter().zip(0_u32..) {
            tree.visit_predicates(&mut |number| {
                let Field::Enriched(field) = self.predicates[number as usize].field else { return };
                if self.facts.can_tell(field) {
                    return;
                }
                let rules = unanswered.entry(field).or_default();
                if rules.last() != Some(&rule) {
                    rules.push(rule);
                }
            });
        }
        unanswered
    }

    /// Fills `out` with what the operator's files say of a record: every enriched field that has a value.
    pub fn enrichment_into(
        &self,
        record: &Record<'_>,
        scratch: &mut MatchScratch,
        out: &mut Vec<(&'static str, String)>,
    ) {
        out.clear();
        // The record is not looked through again for files that are not there.
        if self.told.is_empty() {
            return;
        }
        self.with_view(record, scratch, |view, _| {
            for field in &self.told {
                view.enriched(*field, &mut |text| {
                    out.push((field.as_str(), text.to_owned()));
                    true
                });
            }
        });
    }
}

/// What the fields are made of. Each is a path of the record, or what `actor` and `actor.account` are made of.
pub(crate) fn made_of(field: Enriched) -> Vec<&'static str> {
    match field {
        Enriched::IpCountry
        | Enriched::IpCity
        | Enriched::IpAsn
        | Enriched::IpOrganization
        | Enriched::IpNetwork
        | Enriched::EnvironmentCountry
        | Enriched::EnvironmentNetwork => vec!["sourceIPAddress"],
        Enriched::AccountName | Enriched::AccountOu | Enriched::AccountEnvironment => {
            vec!["recipientAccountId"]
        }
        Enriched::EnvironmentRegion => vec!["awsRegion"],
        Enriched::ActorOwner | Enriched::ActorCriticality | Enriched::ActorStanding => {
            [Derived::Actor.made_of(), Derived::ActorAccount.made_of(), &["recipientAccountId"]]
                .concat()
        }
    }
}

const COUNT: usize = Enriched::ALL.len();

/// The enriched fields of one record, each worked out at most once, and the addresses seen before.
#[derive(Debug, Default)]
pub(crate) struct EnrichedTexts {
    /// A bit a field: worked out, and with a value.
    known: Cell<u32>,
    has_value: Cell<u32>,
    texts: [RefCell<String>; COUNT],
    places: RefCell<PlaceCache>,
    actors: RefCell<Actors>,
}

/// Callers that are remembered; each has one place, and a new one drives the old one out.
const ACTORS_MAX: usize = 512;

/// Callers with longer names are asked about each time: a record's author must not fill our memory.
const ACTOR_BYTES_MAX: usize = 2048;

/// What is known of the callers seen last: the principal table may hold thousands of wildcards to try.
#[derive(Debug, Default)]
struct Actors {
    places: Vec<KnownActor>,
    /// Room for the caller of this record, and for its account.
    actor: String,
    account: String,
}

#[derive(Debug, Default)]
struct KnownActor {
    actor: String,
    account: String,
    is_ours: bool,
    owner: Option<Box<str>>,
    criticality: Option<Box<str>>,
    standing: Option<Standing>,
}

impl Actors {
    /// Calls `take` with what is known of the record's caller, if it has one.
    fn visit(
        &mut self,
        files: &Enrichment,
        derived: GetDerived<'_>,
        recipient: Option<&str>,
        take: impl FnOnce(&KnownActor) -> bool,
    ) -> bool {
        let Self { places, actor, account } = self;
        for (field, room) in [(Derived::Actor, &mut *actor), (Derived::ActorAccount, &mut *account)]
        {
            room.clear();
            derived(field, &mut |text| {
                room.push_str(text);
                true
            });
        }
        if actor.is_empty() && account.is_empty() {
            return false;
        }
        let is_ours = recipient == Some(account);
        if actor.len() + account.len() > ACTOR_BYTES_MAX {
            return take(&KnownActor::of(files, actor, account, is_ours));
        }
        places.resize_with(ACTORS_MAX, KnownActor::default);
        let hash = FixedState::default().hash_one((&*actor, &*account, is_ours));
        let known = &mut places[usize::try_from(hash % ACTORS_MAX as u64).unwrap_or(0)];
        if known.actor != *actor || known.account != *account || known.is_ours != is_ours {
            *known = KnownActor::of(files, actor, account, is_ours);
        }
        take(known)
    }
}

impl KnownActor {
    /// `is_ours`: whether the record is from the caller's own account.
    fn of(files: &Enrichment, actor: &str, account: &str, is_ours: bool) -> Self {
        let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let row = files.principal(actor);
        Self {
            actor: actor.to_owned(),
            account: account.to_owned(),
            is_ours,
            owner: row.and_then(|row| row.owner.clone()),
            criticality: row.and_then(|row| row.criticality.clone()),
            standing: files.standing(some(actor), some(account), is_ours),
        }
    }
}

/// Visits the values of a derived field of the record.
pub(crate) type GetDerived<'g> = &'g dyn Fn(Derived, &mut dyn FnMut(&str) -> bool) -> bool;

impl EnrichedTexts {
    /// Forgets the last record.
    pub(crate) fn clear(&mut self) {
        self.known.set(0);
    }

    /// Calls `visit` with the field's value, if it has one.
    pub(crate) fn visit(
        &self,
        field: Enriched,
        facts: &Facts,
        (get, derived): (Get<'_, '_>, GetDerived<'_>),
        visit: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        if !facts.can_tell(field) {
            return false;
        }
        let files = match facts {
            Facts::Files(files) => files,
            Facts::Given(given) => return given.get(&field).is_some_and(|value| visit(value)),
        };
        let bit = 1_u32 << field as u32;
        let kept = &self.texts[field as usize];
        if self.known.get() & bit == 0 {
            let mut out = kept.borrow_mut();
            out.clear();
            let has_value = self.write(field, files, (get, derived), &mut out);
            let others = self.has_value.get() & !bit;
            self.has_value.set(if has_value { others | bit } else { others });
            self.known.set(self.known.get() | bit);
        }
        self.has_value.get() & bit != 0 && visit(&kept.borrow())
    }

    fn write(
        &self,
        field: Enriched,
        files: &Enrichment,
        (get, derived): (Get<'_, '_>, GetDerived<'_>),
        out: &mut String,
    ) -> bool {
        let expected = |is_expected: bool| if is_expected { "expected" } else { "unexpected" };
        let mut put = |value: Option<&str>| {
            out.push_str(value.unwrap_or_default());
            value.is_some()
        };
        let address = text(get, "sourceIPAddress");
        let account = || files.account(text(get, "recipientAccountId")?);
        match field {
            Enriched::IpCountry
            | Enriched::IpCity
            | Enriched::IpAsn
            | Enriched::IpOrganization
            | Enriched::EnvironmentCountry => {
                let mut places = self.places.borrow_mut();
                let place = address.and_then(|address| places.place(files, address));
                let asn = place.and_then(|place| place.asn).filter(|_| field == Enriched::IpAsn);
                let asn = asn.map(|number| number.to_string());
                put(match field {
                    Enriched::IpCountry => place.and_then(|place| place.country),
                    Enriched::IpCity => place.and_then(|place| place.city),
                    Enriched::IpOrganization => place.and_then(|place| place.organization),
                    Enriched::EnvironmentCountry => files.expected_country_of(place).map(expected),
                    _ => asn.as_deref(),
                })
            }
            Enriched::IpNetwork => put(address.and_then(|address| files.network(address))),
            Enriched::AccountName => put(account().and_then(|row| row.name.as_deref())),
            Enriched::AccountOu => put(account().and_then(|row| row.ou.as_deref())),
            Enriched::AccountEnvironment => {
                put(account().and_then(|row| row.environment.as_deref()))
            }
            Enriched::EnvironmentRegion => {
                let region = text(get, "awsRegion");
                put(region.and_then(|region| files.expected_region(region)).map(expected))
            }
            Enriched::EnvironmentNetwork => {
                put(address.and_then(|address| files.expected_network(address)).map(expected))
            }
            Enriched::ActorOwner | Enriched::ActorCriticality | Enriched::ActorStanding => {
                let recipient = text(get, "recipientAccountId");
                self.actors.borrow_mut().visit(files, derived, recipient, |known| {
                    put(match field {
                        Enriched::ActorOwner => known.owner.as_deref(),
                        Enriched::ActorCriticality => known.criticality.as_deref(),
                        _ => known.standing.map(Standing::as_str),
                    })
                })
            }
        }
    }
}
