//! How rare a finding's call is: what its principal did, and what its account saw, in the thirty days before the finding's own day.
//!
//! Two kept queries count it over the archive, one a principal and day and one an account and day. What they answer is kept, so that
//! a flood of findings asks no more than one would. They are asked last, after what contains, and only move a finding in the order:
//! where there is no answer in time, rarity is not among its terms.

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
use crate::rows;
use crate::time::rfc3339;

/// The partition of the counts, by a hash of what was counted.
const USUAL: &str = "usual";

/// What counts a principal's calls and addresses, and what an account's calls.
const OF_PRINCIPAL: (&str, &str) = ("q13-usual-of-principal", "principal");
const IN_ACCOUNT: (&str, &str) = ("q14-usual-in-account", "account");

/// How far back is counted.
const HISTORY_MS: i64 = 30 * DAY_MS;

const DAY_MS: i64 = 86_400_000;

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
    /// Of those that are not kept, none was there more often.
    least: u64,
}

/// Of calls and of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Usual {
    calls: Counted,
    networks: Counted,
}

impl Responder {
    /// How often the like of a finding was seen before, as far as it is known.
    pub(crate) async fn seen_before(
        &self,
        entry: &Entry,
        principal: Option<&str>,
    ) -> Result<Vec<Seen>, Halt> {
        let Some(queries) = &self.queries else { return Ok(Vec::new()) };
        let call = entry.event_source.as_deref().zip(entry.event_name.as_deref());
        let call = call.map(|(source, name)| format!("{source}/{name}"));
        let network = entry.address.as_deref().map(network_of);
        let day_ms = entry.first_ms - entry.first_ms.rem_euclid(DAY_MS);
        let mut seen = Vec::new();
        if let Some(principal) = principal {
            let usual = self.usual(queries, OF_PRINCIPAL, principal, day_ms).await?;
            let Usual { calls, networks } = usual.unwrap_or_default();
            seen.extend(call.as_deref().and_then(|call| calls.seen(call, "by", principal)));
            let network = network.as_deref();
            seen.extend(network.and_then(|network| networks.seen(network, "used by", principal)));
        }
        if let Some((account, call)) = entry.account.as_deref().zip(call.as_deref()) {
            let usual = self.usual(queries, IN_ACCOUNT, account, day_ms).await?;
            seen.extend(usual.unwrap_or_default().calls.seen(call, "in account", account));
        }
        Ok(seen)
    }

    /// What was usual of a principal or account before a day; `None` if it can't be counted in time.
    async fn usual(
        &self,
        queries: &Queries,
        (id, parameter): (&str, &str),
        of: &str,
        day_ms: i64,
    ) -> Result<Option<Usual>, Halt> {
        let Some(query) = queries.kept.iter().find(|query| query.id == id) else {
            return Ok(None);
        };
        let day = rfc3339(day_ms);
        let name = sha256([query.hash().as_str(), "\0", of, "\0", &day].concat().as_bytes());
        let key = RowKey::new(USUAL, name);
        if let Some(kept) = rows::load::<Option<Usual>>(&*self.table, &key).await? {
            return Ok(kept.value);
        }
        let from = rfc3339(day_ms - HISTORY_MS);
        let given = [(parameter, of), ("from", from.as_str()), ("to", day.as_str())];
        let usual = match counted(&queries.engine, query, given, queries.budget).await {
            Ok(usual) => Some(usual),
            Err(error) => {
                tracing::info!(query = id, of, %error, "how rare its findings of this day are is not known");
                None
            }
        };
        // What takes too long today is not tried again with every finding.
        rows::create(&*self.table, &key, &usual).await?;
        Ok(usual)
    }
}

/// Asks one of the queries.
async fn counted(
    engine: &Engine,
    query: &NamedQuery,
    given: [(&str, &str); 3],
    budget: Duration,
) -> Result<Usual, String> {
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let bound = query.bind(&given, Timestamp::UNIX_EPOCH).map_err(|error| error.to_string())?;
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
            if name.len() <= NAME_BYTES_MAX {
                *counted.each.entry(name).or_default() += calls;
            }
        }
        let is_whole = rows.len() < KINDS_MAX;
        for counted in [&mut usual.calls, &mut usual.networks] {
            if is_whole {
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

    fn row(what: &str, usual: &str, calls: u64, all_calls: u64) -> Value {
        json!({"what": what, "usual": usual, "calls": calls, "all_calls": all_calls, "kinds": 3})
    }

    #[test]
    fn addresses_add_up_to_networks_and_what_was_not_there_was_seen_never() {
        let usual = Usual::of(&[
            row("api", "iam.amazonaws.com/ListUsers", 4, 4),
            row("address", "198.51.100.7", 2, 4),
            row("address", "198.51.100.9", 1, 4),
            row("address", "AWS Internal", 1, 4),
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
        let rows: Vec<Value> = (0..KINDS_MAX)
            .map(|nth| row("api", &format!("s/{nth}"), if nth == 0 { 90 } else { 5 }, 9_000))
            .collect();
        let calls = Usual::of(&rows).calls;
        let count = |what: &str| calls.seen(what, "by", "ana").unwrap().count;
        assert_eq!((count("s/0"), count("s/unheard-of")), (90, 5));
        let calls = Usual::of(&rows[1..]).calls;
        assert_eq!(calls.seen("s/unheard-of", "by", "ana").unwrap().count, 0);
    }
}
