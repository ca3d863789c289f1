//! Which objects a query has to open: keys pruned by account, region and day before they are listed.
//!
//! Keys are listed in byte order, and `AWSLogs/account/CloudTrail/region/YYYY/MM/DD/` orders them by just what queries ask for.
//! So the listing leaps: from a key that is not wanted to the first that may be. A bucket of 200 accounts, of which one day of one is
//! asked for, costs a few requests and not a walk over all its keys.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use trailloop_cloud::{CloudError, Listed, ObjectRef};
use trailloop_cloudtrail::LogKey;

use crate::archive::Source;
use crate::wanted::{Demand, Test};

/// CloudTrail delivers most events within minutes, and again for 30 days where the bucket was misconfigured. A query is
/// widened by this much unless it is told otherwise.
pub const DELIVERY_DAYS: i32 = 1;

/// What a query demands of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyFilter {
    accounts: Option<BTreeSet<String>>,
    regions: Option<BTreeSet<String>>,
    from: Option<Date>,
    to: Option<Date>,
}

impl KeyFilter {
    /// What follows for keys from demands on columns.
    pub(crate) fn of(demands: &[Demand], delivery_days: i32) -> Self {
        let mut filter = Self::default();
        for Demand { names, test } in demands {
            let [name] = &names[..] else { continue };
            match (name.as_str(), test) {
                ("account" | "recipientaccountid", Test::OneOf(texts)) => {
                    keep(&mut filter.accounts, texts)
                }
                ("region", Test::OneOf(texts)) => keep(&mut filter.regions, texts),
                ("day", test) => filter.bound(test, |text| day(&text.replace('/', "-")), 0),
                ("eventtime", test) => {
                    filter.bound(test, |text| day(text.get(..10)?), delivery_days)
                }
                _ => {}
            }
        }
        filter
    }

    fn bound(&mut self, test: &Test, day: impl Fn(&str) -> Option<Date>, later: i32) {
        let low = |text: &String| day(text);
        let high = |text: &String| Some(day(text)?.saturating_add(later.days()));
        let (from, to) = match test {
            Test::OneOf(texts) => {
                let days: Option<Vec<Date>> = texts.iter().map(low).collect();
                let Some(days) = days else { return };
                let last = days.iter().max().map(|last| last.saturating_add(later.days()));
                (days.iter().min().copied(), last)
            }
            Test::AtLeast(text) | Test::Above(text) => (low(text), None),
            Test::AtMost(text) | Test::Below(text) => (None, high(text)),
            Test::Begins(text) => (low(text), high(text)),
            Test::Present | Test::Absent | Test::Among { .. } => (None, None),
        };
        self.from = self.from.max(from);
        self.to = match (self.to, to) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// What becomes of a key.
    fn decide(&self, text: &str) -> Step {
        let key = LogKey::parse(text);
        let Some(place) = Place::of(text, &key) else {
            // A file that somebody copied: nothing is known of it before it is read.
            return if key.contents.holds_records() { Step::Keep } else { Step::Leave };
        };
        if !key.contents.holds_records() {
            return place.beyond(place.service);
        }
        if let Some(accounts) = &self.accounts
            && !accounts.contains(place.account)
        {
            let next = accounts.range(place.account.to_owned()..).next();
            return match next {
                Some(next) => Step::Leap(format!("{}{next}", place.above_account())),
                None => Step::Leap(format!("{}\u{10ffff}", place.above_account())),
            };
        }
        let (Some(region), Some(date)) = (key.region, key.date) else { return Step::Keep };
        if let Some(regions) = &self.regions
            && !regions.contains(region)
        {
            return match regions.range(region.to_owned()..).next() {
                Some(next) => Step::Leap(format!("{}{next}", &text[..place.service])),
                None => place.beyond(place.service),
            };
        }
        let folder = &text[..place.service + region.len() + 1];
        match (self.from, self.to) {
            (Some(from), _) if date < from => {
                Step::Leap(format!("{folder}{}", from.strftime("%Y/%m/%d")))
            }
            (_, Some(to)) if date > to => Step::Leap(format!("{folder}\u{10ffff}")),
            _ => Step::Keep,
        }
    }
}

fn keep(list: &mut Option<BTreeSet<String>>, texts: &[String]) {
    let texts: BTreeSet<String> = texts.iter().cloned().collect();
    *list = Some(match list.take() {
        Some(list) => list.intersection(&texts).cloned().collect(),
        None => texts,
    });
}

fn day(text: &str) -> Option<Date> {
    text.parse().ok()
}

impl fmt::Display for KeyFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |list: &BTreeSet<String>| list.iter().cloned().collect::<Vec<_>>().join(", ");
        let mut said = Vec::new();
        said.extend(self.accounts.as_ref().map(|accounts| format!("accounts {}", list(accounts))));
        said.extend(self.regions.as_ref().map(|regions| format!("regions {}", list(regions))));
        match (self.from, self.to) {
            (Some(from), Some(to)) => said.push(format!("days {from} to {to}")),
            (Some(from), None) => said.push(format!("days from {from}")),
            (None, Some(to)) => said.push(format!("days to {to}")),
            (None, None) => {}
        }
        f.write_str(if said.is_empty() { "all" } else { "" })?;
        f.write_str(&said.join("; "))
    }
}

/// Where the parts of a placed key lie.
struct Place<'k> {
    text: &'k str,
    /// Where the account begins, and the account.
    account_at: usize,
    account: &'k str,
    /// Where what follows the service's folder begins.
    service: usize,
}

impl<'k> Place<'k> {
    fn of(text: &'k str, key: &LogKey<'k>) -> Option<Self> {
        let account = key.account?;
        // The account is a part of the text, so its place is the distance of the two.
        let account_at = (account.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let after = account_at + account.len() + 1;
        let service = after + text.get(after..)?.find('/')? + 1;
        Some(Self { text, account_at, account, service })
    }

    fn above_account(&self) -> &'k str {
        &self.text[..self.account_at]
    }

    fn beyond(&self, end: usize) -> Step {
        Step::Leap(format!("{}\u{10ffff}", &self.text[..end]))
    }
}

/// What becomes of a key, and where to go on.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Keep,
    Leave,
    /// To the first key after this one.
    Leap(String),
}

/// An object to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// The number of its source.
    pub(crate) source: usize,
    pub(crate) object: ObjectRef,
    pub(crate) bytes: u64,
    pub(crate) etag: Option<String>,
}

/// What was listed.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) items: Arc<[Item]>,
    pub(crate) bytes: u64,
    /// Objects that the index told to leave out.
    pub(crate) skipped: u64,
    /// Requests that it took.
    pub(crate) requests: u64,
    /// Keys that were listed and are not wanted; leapt over were more.
    pub(crate) left: u64,
}

/// Lists what a query has to open.
pub(crate) async fn list(sources: &[Source], filter: &KeyFilter) -> Result<Listing, CloudError> {
    let (mut listing, mut items) = (Listing::default(), Vec::new());
    for (number, source) in sources.iter().enumerate() {
        let mut after: Option<String> = None;
        loop {
            let page = source.store.list(&source.bucket, &source.prefix, after.as_deref()).await?;
            listing.requests += 1;
            let last = page.objects.last().map(|last| last.key.clone());
            let leap = listing.take((number, source), &page.objects, filter, &mut items);
            after = match (page.next, leap) {
                (None, _) => break,
                // The leap may lead beyond this page.
                (Some(next), Some(leap)) if last.is_some_and(|last| leap > last) => {
                    Some(leap.max(next))
                }
                (Some(next), _) => Some(next),
            };
        }
    }
    listing.bytes = items.iter().map(|item| item.bytes).sum();
    listing.items = items.into();
    Ok(listing)
}

impl Listing {
    /// Takes what is wanted of a page. Gives the last leap, which may lead beyond it.
    fn take(
        &mut self,
        (source, of): (usize, &Source),
        objects: &[Listed],
        filter: &KeyFilter,
        items: &mut Vec<Item>,
    ) -> Option<String> {
        let (mut at, mut leapt) = (0, None);
        while let Some(listed) = objects.get(at) {
            leapt = None;
            at += 1;
            match filter.decide(&listed.key) {
                Step::Keep => {
                    let object = ObjectRef::new(&of.bucket, &listed.key);
                    let (bytes, etag) = (listed.bytes, listed.etag.clone());
                    items.push(Item { source, object, bytes, etag });
                }
                Step::Leave => self.left += 1,
                Step::Leap(to) => {
                    self.left += 1;
                    at += objects[at..].partition_point(|next| next.key <= to);
                    leapt = Some(to);
                }
            }
        }
        leapt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(name: &str, test: Test) -> Demand {
        Demand { names: vec![name.to_owned()], test }
    }

    fn one_of(text: &str) -> Test {
        Test::OneOf(vec![text.to_owned()])
    }

    fn key(account: &str, region: &str, day: &str) -> String {
        format!("b/AWSLogs/o-exampleorgid/{account}/CloudTrail/{region}/{day}/x.json.gz")
    }

    #[test]
    fn time_is_widened_by_what_delivery_takes() {
        let demands = [
            demand("eventtime", Test::AtLeast("2026-01-31T10:00:00Z".into())),
            demand("eventtime", Test::Below("2026-02-28T00:00:00Z".into())),
        ];
        let filter = KeyFilter::of(&demands, 1);
        assert_eq!(filter.to_string(), "days 2026-01-31 to 2026-03-01");
        let exact = KeyFilter::of(&[demand("day", one_of("2026/02/01"))], 1);
        assert_eq!(exact.to_string(), "days 2026-02-01 to 2026-02-01");
        assert_eq!(
            KeyFilter::of(&[demand("eventtime", one_of("yesterday"))], 1),
            KeyFilter::default()
        );
    }

    #[test]
    fn leaps_lead_to_what_may_be_wanted() {
        let demands = [
            demand("account", one_of("222222222222")),
            demand("region", one_of("eu-west-1")),
            demand("day", one_of("2026/01/15")),
        ];
        let filter = KeyFilter::of(&demands, 1);
        let step =
            |account: &str, region: &str, day: &str| filter.decide(&key(account, region, day));
        let leap = |to: &str| Step::Leap(format!("b/AWSLogs/o-exampleorgid/{to}"));
        assert_eq!(step("111111111111", "eu-west-1", "2026/01/15"), leap("222222222222"));
        assert_eq!(step("333333333333", "eu-west-1", "2026/01/15"), leap("\u{10ffff}"));
        let two = "222222222222/CloudTrail/";
        assert_eq!(
            step("222222222222", "ap-south-1", "2026/01/15"),
            leap(&format!("{two}eu-west-1"))
        );
        assert_eq!(
            step("222222222222", "us-east-1", "2026/01/15"),
            leap(&format!("{two}\u{10ffff}"))
        );
        let day = format!("{two}eu-west-1/2026/01/15");
        assert_eq!(step("222222222222", "eu-west-1", "2025/12/31"), leap(&day));
        assert_eq!(step("222222222222", "eu-west-1", "2026/01/15"), Step::Keep);
        let end = format!("{two}eu-west-1/\u{10ffff}");
        assert_eq!(step("222222222222", "eu-west-1", "2026/01/16"), leap(&end));
        assert_eq!(filter.decide("copied/events.json"), Step::Keep);
        assert_eq!(
            filter.decide("AWSLogs/222222222222/Config/x/y"),
            Step::Leap("AWSLogs/222222222222/Config/\u{10ffff}".into())
        );
    }

    proptest::proptest! {
        /// Whatever is leapt over is not wanted.
        #[test]
        fn nothing_wanted_is_leapt_over(
            keys in proptest::collection::vec((0..4_usize, 0..3_usize, 1..28_i8), 1..60),
            account in proptest::option::of(0..4_usize),
            region in proptest::option::of(0..3_usize),
            from in 1..28_i8,
            long in 0..9_i8,
        ) {
            let accounts = ["111111111111", "222222222222", "333333333333", "444444444444"];
            let regions = ["ap-south-1", "eu-west-1", "us-east-1"];
            let mut demands = vec![
                demand("day", Test::AtLeast(format!("2026/01/{from:02}"))),
                demand("day", Test::AtMost(format!("2026/01/{:02}", (from + long).min(28)))),
            ];
            demands.extend(account.map(|at| demand("account", one_of(accounts[at]))));
            demands.extend(region.map(|at| demand("region", one_of(regions[at]))));
            let filter = KeyFilter::of(&demands, 1);
            let mut keys: Vec<String> = keys.into_iter()
                .map(|(account, region, day)| key(accounts[account], regions[region], &format!("2026/01/{day:02}")))
                .collect();
            keys.sort();
            keys.dedup();
            let wanted: Vec<&String> = keys.iter().filter(|key| filter.decide(key) == Step::Keep).collect();
            let objects: Vec<Listed> =
                keys.iter().map(|key| Listed { key: key.clone(), bytes: 1, etag: None }).collect();
            let mut listing = Listing::default();
            let mut items = Vec::new();
            listing.take((0, &Source::in_memory("logs")), &objects, &filter, &mut items);
            let taken: Vec<&String> = items.iter().map(|item| &item.object.key).collect();
            proptest::prop_assert_eq!(taken, wanted);
        }
    }
}
