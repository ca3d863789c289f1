//! Where a credential came from: the account's trail, read backwards from the event.
//!
//! Hour by hour the records of the token service tell who was given a credential, and by which; the search ends at one that nobody
//! handed out. An index of the archive, where there is one, tells which objects say nothing of the keys and principals met so far;
//! they are left unread until the next one is met.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;
use trailloop_cloud::{CloudError, Listed};
use trailloop_cloudtrail::{LogKey, Record};
use trailloop_pipeline::needle::{FIELDS, fingerprint};
use trailloop_query::Known;
use trailloop_runbook::lineage::{Lineage, to_contain};

use crate::context::Case;
use crate::responder::Responder;

/// So long a credential of STS lives at most.
const LINEAGE_HOURS: i64 = 36;

impl Responder {
    /// The case, and before it those of who stands behind its caller, the root first: a leaf that is contained alone grows
    /// again.
    pub(crate) async fn with_parents(&self, case: Case) -> Result<Vec<Case>, CloudError> {
        let time: Timestamp = case.text("time").parse().unwrap_or_default();
        let is_temporary =
            case.target.access_key_id.as_deref().is_some_and(|key| key.starts_with("ASIA"));
        if !is_temporary {
            return Ok(vec![case]);
        }
        let known = match self.lineage(&case, time.as_millisecond()).await {
            Ok(known) => known,
            Err(error) if error.is_transient() => return Err(error),
            // The leaf alone is better than nothing.
            Err(error) => {
                tracing::error!(%error, "where the credential came from can't be read");
                return Ok(vec![case]);
            }
        };
        let chain = known.chain(&case.confirmed.record);
        let behind = to_contain(&chain).into_iter().filter(|link| {
            link.target.principal_arn != case.target.principal_arn && link.target.may_act().is_ok()
        });
        let mut cases: Vec<Case> = behind
            .map(|link| Case::about(case.confirmed.clone(), link.target.clone(), true))
            .collect();
        cases.push(case);
        Ok(cases)
    }

    /// Where the finding's credential came from and what was minted from it.
    pub(crate) async fn lineage(&self, case: &Case, event_ms: i64) -> Result<Lineage, CloudError> {
        let mut search = Search::new(self, case);
        for hours_back in 0..=LINEAGE_HOURS {
            search.list(event_ms - hours_back * 3_600_000).await?;
            let is_within = search.read().await?;
            if !is_within || is_rooted(&search.lineage, &case.confirmed.record) {
                break;
            }
        }
        Ok(search.lineage)
    }
}

struct Search<'s> {
    responder: &'s Responder,
    case: &'s Case,
    lineage: Lineage,
    /// Objects that were listed and not read.
    unread: Vec<(Date, Listed)>,
    /// What the index knows of the days that were met.
    known: BTreeMap<Date, Known>,
    bytes_left: u64,
}

impl<'s> Search<'s> {
    fn new(responder: &'s Responder, case: &'s Case) -> Self {
        let mut lineage = Lineage::new();
        lineage.feed(&case.confirmed.record);
        let (unread, known) = (Vec::new(), BTreeMap::new());
        let bytes_left = responder.settings.scan_bytes_max;
        Self { responder, case, lineage, unread, known, bytes_left }
    }

    /// Adds the objects that were delivered in an hour.
    async fn list(&mut self, hour_ms: i64) -> Result<(), CloudError> {
        let mut listed = Vec::new();
        for prefix in self.responder.prefixes(self.case, hour_ms, "T%H") {
            listed.extend(self.responder.keys(self.case, &prefix, None).await?);
        }
        let hour = Timestamp::from_millisecond(hour_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let day = TimeZone::UTC.to_datetime(hour).date();
        if !listed.is_empty() && !self.known.contains_key(&day) {
            // An index tells of a whole organization, and may be larger than what one account wrote in a day.
            let bytes_max = 24 * listed.iter().map(|object| object.bytes).sum::<u64>();
            let known = match &self.responder.archive.index {
                Some(index) => index.day_within(day, bytes_max).await,
                None => Known::default(),
            };
            self.known.insert(day, known);
        }
        // An index files an object under the day in its key.
        let day_of = |object: &Listed| LogKey::parse(&object.key).date.unwrap_or(day);
        self.unread.extend(listed.into_iter().map(|object| (day_of(&object), object)));
        Ok(())
    }

    /// Reads what may tell more, until nothing does. Says whether that was within the bound of bytes.
    async fn read(&mut self) -> Result<bool, CloudError> {
        loop {
            let wanted = wanted(&self.lineage, &self.case.confirmed.record);
            let may_tell = |(day, object): &(Date, Listed)| {
                self.known.get(day).is_none_or(|known| known.may_hold(object, &wanted))
            };
            let (next, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.unread).into_iter().partition(may_tell);
            self.unread = rest;
            if next.is_empty() {
                return Ok(true);
            }
            for (_, object) in next {
                let Some(left) = self.bytes_left.checked_sub(object.bytes) else {
                    tracing::warn!(
                        key = object.key,
                        "the search for where a credential came from ended at respond's bound of bytes"
                    );
                    return Ok(false);
                };
                self.bytes_left = left;
                let records =
                    self.responder.records(self.case, &object.key, tells_of_credentials).await?;
                records.iter().for_each(|record| self.lineage.feed(record));
            }
        }
    }
}

/// The fingerprints of what an object holds that tells more of a record's lineage: the keys of its chain, as handed out; these
/// and all that came of them, as what further ones are asked for with; and its principals, who may ask with other keys.
fn wanted(lineage: &Lineage, record: &Value) -> BTreeSet<u32> {
    let mut wanted = BTreeSet::new();
    let mut want = |path: &[&str], text: &str| {
        let field = FIELDS.iter().position(|field| *field == path);
        wanted.extend(field.map(|field| fingerprint(field, text)));
    };
    for link in lineage.chain(record) {
        if let Some(arn) = &link.target.principal_arn {
            want(&["userIdentity", "arn"], arn);
            want(&["userIdentity", "sessionContext", "sessionIssuer", "arn"], arn);
        }
        if let Some(key) = &link.key {
            want(&["responseElements", "credentials", "accessKeyId"], key);
            want(&["userIdentity", "accessKeyId"], key);
            for key in lineage.descendants(key) {
                want(&["userIdentity", "accessKeyId"], &key);
            }
        }
    }
    wanted
}

/// Whether the chain ends at a credential that nobody handed out.
fn is_rooted(lineage: &Lineage, record: &Value) -> bool {
    let chain = lineage.chain(record);
    let root = chain.last().and_then(|link| link.key.as_deref());
    root.is_some_and(|key| key.starts_with("AKIA"))
}

/// Whether a record may tell where a credential came from.
fn tells_of_credentials(record: &Record<'_>) -> bool {
    record.text(&["eventSource"]) == Some("sts.amazonaws.com")
        || record.text(&["eventName"]) == Some("ConsoleLogin")
}
