//! How rare a finding's call is: what its principal did, and what its account saw, in the thirty days before the finding's own day.
//!
//! Two kept queries count it over the archive, one a principal and day and one an account and day; what they answered is kept. A finding
//! is noted as one to be counted once nothing waits for it any more, and one worker counts one after another, so that a flood of
//! findings is no flood of queries. All of it only moves a finding in the order: where there is no answer in time, its rarity is not known.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trailloop_cloud::RowKey;
use trailloop_feedback::{Entry, Seen};
use trailloop_finding::sha256;
use trailloop_query::Engine;
use trailloop_query::named::NamedQuery;
use trailloop_tuning::network_of;

use crate::ask::Queries;
use crate::responder::{Halt, Responder};
use crate::rows::{self, Kept};
use crate::tables::DAY_MS;
use crate::time::rfc3339;
use crate::{holds, store};

/// The partition of the counts, by a hash of what was counted.
const USUAL: &str = "usual";

/// The partition of the findings whose like is to be counted, by their ids.
const TO_COUNT: &str = "to-count";

/// So many of them in one look.
const COUNTED_AT_ONCE: usize = 20;

/// Whoever counts holds that for so long: longer than two questions take.
const HOLD_MS: i64 = 60_000;

/// What could not be counted in time is tried again so long after, for findings that come then.
const AGAIN_MS: i64 = 3_600_000;

/// What counts a principal's calls and addresses in an account, and what all calls of an account.
const OF_PRINCIPAL: &str = "q13-usual-of-principal";
const IN_ACCOUNT: &str = "q14-usual-in-account";

/// How far back is counted.
const HISTORY_MS: i64 = 30 * DAY_MS;

/// So many different calls and networks are kept, those with most calls.
const KINDS_MAX: usize = 1_000;

/// A longer name is counted and not kept: no call and no network has one.
const NAME_BYTES_MAX: usize = 128;

/// What was counted of a kind of thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    /// All calls.
    all: u64,
    /// How many different things there are.
    kinds: u64,
    /// How often each was there.
    each: BTreeMap<String, u64>,
    /// Of how many of them it is told how often each was there.
    told: u64,
    /// None of the others was there more often.
    least: u64,
}

/// Of calls and of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Usual {
    calls: Counted,
    networks: Counted,
}

/// What was counted, or that it could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tried {
    usual: Option<Usual>,
    at_ms: i64,
}

impl Responder {
    /// Notes that the like of a finding is to be counted.
    pub(crate) async fn count_later(&self, finding: &str) -> Result<(), Halt> {
        if self.queries.is_some() {
            let key = RowKey::new(TO_COUNT, finding);
            rows::create(&*self.table, &key, &self.clock.now_ms()).await?;
        }
        Ok(())
    }

    /// Counts the like of some findings that wait for it.
    pub(crate) async fn look_after_rarity(&self) -> Result<(), Halt> {
        let Some(queries) = &self.queries else { return Ok(()) };
        for waiting in self.table.list(TO_COUNT, None, COUNTED_AT_ONCE).await? {
            let now_ms = self.clock.now_ms();
            let times = (now_ms, now_ms + HOLD_MS);
            if holds::take(&*self.table, "rarity", &self.worker, times).await? != self.worker {
                return Ok(());
            }
            let finding = &waiting.key.sort;
            if let Err(error) = Box::pin(self.count_like(queries, finding)).await {
                // One that can't be counted keeps no other from it.
                tracing::warn!(finding, %error, "how rare it is is counted later");
                continue;
            }
            self.table.delete(&waiting.key, waiting.version).await?;
        }
        Ok(())
    }

    /// Keeps with a finding how often its like was seen before, as far as it is known.
    async fn count_like(&self, queries: &Queries, finding: &str) -> Result<(), Halt> {
        let Some(place) = store::place_of(&*self.table, finding).await? else { return Ok(()) };
        let Some(kept) = store::load(&*self.table, &place).await? else { return Ok(()) };
        let Entry { account, event_source, event_name, address, first_ms, .. } = &kept.entry;
        let Some(account) = account.as_deref() else { return Ok(()) };
        let call = event_source.as_deref().zip(event_name.as_deref());
        let call = call.map(|(source, name)| format!("{source}/{name}"));
        let network = address.as_deref().map(network_of);
        let day_ms = first_ms - first_ms.rem_euclid(DAY_MS);
        let mut seen = Vec::new();
        if let Some(principal) = &kept.entity {
            let of = [("principal", principal.as_str()), ("account", account)];
            let usual = self.usual(queries, OF_PRINCIPAL, &of, day_ms).await?.unwrap_or_default();
            let Usual { calls, networks } = usual;
            seen.extend(call.as_deref().and_then(|call| calls.seen(call, "by", principal)));
            let network = network.as_deref();
            seen.extend(network.and_then(|network| networks.seen(network, "used by", principal)));
        }
        if let Some(call) = &call {
            let of = [("account", account)];
            let usual = self.usual(queries, IN_ACCOUNT, &of, day_ms).await?.unwrap_or_default();
            seen.extend(usual.calls.seen(call, "in account", account));
        }
        store::note_seen(&*self.table, &place, &seen).await?;
        Ok(())
    }

    /// What was usual of a principal or account before a day; `None` if it can't be counted in time.
    async fn usual(
        &self,
        queries: &Queries,
        id: &str,
        of: &[(&str, &str)],
        day_ms: i64,
    ) -> Result<Option<Usual>, Halt> {
        let Some(query) = queries.kept.iter().find(|query| query.id == id) else {
            return Ok(None);
        };
        let (from, to) = (rfc3339(day_ms - HISTORY_MS), rfc3339(day_ms));
        let all = of.iter().copied().chain([("from", from.as_str()), ("to", to.as_str())]);
        let given: BTreeMap<String, String> =
            all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let name = format!("{}\0{given:?}", query.hash());
        let key = RowKey::new(USUAL, sha256(name.as_bytes()));
        let now_ms = self.clock.now_ms();
        let there = rows::load::<Tried>(&*self.table, &key).await?;
        if let Some(Kept { value: Tried { usual, at_ms }, .. }) = &there
            && (usual.is_some() || now_ms - at_ms < AGAIN_MS)
        {
            return Ok(usual.clone());
        }
        let usual = match counted(&queries.engine, query, &given, queries.budget).await {
            Ok(usual) => Some(usual),
            Err(error) => {
                tracing::info!(query = id, ?of, %error, "how rare its findings are is not known for now");
                None
            }
        };
        let version = there.map_or(0, |row| row.version);
        let value = Tried { usual: usual.clone(), at_ms: now_ms };
        rows::store(&*self.table, &key, &mut Kept { value, version }).await?;
        Ok(usual)
    }
}

/// Asks one of the queries.
async fn counted(
    engine: &Engine,
    query: &NamedQuery,
    given: &BTreeMap<String, String>,
    budget: Duration,
) -> Result<Usual, String> {
    let bound = query.bind(given, Timestamp::UNIX_EPOCH).map_err(|error| error.to_string())?;
    let asking = async {
        let answer = engine.ask(&query.prepared, &bound).await?;
        let (batches, _) = answer.all(KINDS_MAX).await?;
        trailloop_query::rows(&batches)
    };
    let late = |_| format!("no answer within {} ms", budget.as_millis());
    let rows = tokio::time::timeout(budget, asking).await.map_err(late)?;
    Ok(Usual::of(&rows.map_err(|error| error.to_string())?))
}

impl Usual {
    /// Reads the rows of an answer, the most frequent first.
    fn of(rows: &[Value]) -> Self {
        let mut usual = Self::default();
        for row in rows {
            let number = |name: &str| row[name].as_u64().unwrap_or_default();
            let Some(name) = row["usual"].as_str() else { continue };
            let (counted, name) = match row["what"].as_str() {
                Some("api") => (&mut usual.calls, name.to_owned()),
                Some("address") => (&mut usual.networks, network_of(name)),
                _ => continue,
            };
            let calls = number("calls");
            counted.all = number("all_calls");
            counted.kinds = number("kinds");
            counted.least = calls;
            counted.told += 1;
            if name.len() <= NAME_BYTES_MAX {
                *counted.each.entry(name).or_default() += calls;
            }
        }
        for counted in [&mut usual.calls, &mut usual.networks] {
            if counted.told == counted.kinds {
                counted.least = 0;
            }
        }
        usual
    }
}

impl Counted {
    /// How often something was there; nothing is known where nothing was.
    fn seen(&self, what: &str, of: &str, whom: &str) -> Option<Seen> {
        let count = self.each.get(what).copied().unwrap_or(self.least);
        let is_known = self.all > 0;
        let what = format!("{what} {of} {whom}");
        is_known.then_some(Seen { what, count, all: self.all, kinds: self.kinds })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(what: &str, usual: &str, calls: u64, all_calls: u64, kinds: usize) -> Value {
        json!({"what": what, "usual": usual, "calls": calls, "all_calls": all_calls, "kinds": kinds})
    }

    #[test]
    fn addresses_add_up_to_networks_and_what_was_not_there_was_seen_never() {
        let usual = Usual::of(&[
            row("api", "iam.amazonaws.com/ListUsers", 4, 4, 1),
            row("address", "198.51.100.7", 2, 4, 3),
            row("address", "198.51.100.9", 1, 4, 3),
            row("address", "AWS Internal", 1, 4, 3),
        ]);
        let seen = |what: &str| usual.networks.seen(what, "used by", "ana").unwrap();
        assert_eq!(seen("198.51.100.0/24").count, 3);
        assert_eq!(seen("203.0.113.0/24").count, 0);
        let Seen { what, all, kinds, .. } = seen("AWS Internal");
        assert_eq!((what.as_str(), all, kinds), ("AWS Internal used by ana", 4, 3));
        assert_eq!(
            Usual::of(&[]).calls.seen("x", "by", "ana"),
            None,
            "of nothing nothing is known"
        );
    }

    #[test]
    fn what_a_cut_answer_leaves_out_is_no_rarer_than_its_last_row() {
        let calls = |kinds| -> Vec<Value> {
            let calls = |nth: usize| if nth == 0 { 90 } else { 5 };
            (0..9).map(|nth| row("api", &format!("s/{nth}"), calls(nth), 900, kinds)).collect()
        };
        let count = |rows: &[Value], what: &str| {
            Usual::of(rows).calls.seen(what, "by", "ana").unwrap().count
        };
        let (whole, cut) = (calls(9), calls(50));
        assert_eq!((count(&cut, "s/0"), count(&cut, "s/unheard-of")), (90, 5));
        assert_eq!(count(&whole, "s/unheard-of"), 0);
        // Very many addresses, of which an attacker makes as many as he wants, cut no calls.
        let many = (0..90).map(|nth| row("address", &format!("198.51.100.{nth}"), 1, 900, 800));
        let both: Vec<Value> = whole.into_iter().chain(many).collect();
        assert_eq!(count(&both, "s/unheard-of"), 0);
        let networks = Usual::of(&both).networks;
        assert_eq!(networks.seen("203.0.113.0/24", "used by", "ana").unwrap().count, 1);
    }
}
