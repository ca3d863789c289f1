//! The finding, made again from the archive.
//!
//! The queue is not trusted. A hint leads to an object, and the object is examined by the very stage that the stream uses,
//! under the rules that are in force here. What comes of it is the finding that everything after this acts on; a hint of which
//! nothing comes is a forgery, or the rules have changed since. Only objects of the trail's own buckets are looked at,
//! because anybody can make a bucket and write a record into it. A finding of a kept query is made again by asking the query again.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;
use trailloop_cloud::{CloudError, CloudErrorKind, ObjectRef, Store};
use trailloop_cloudtrail::LogKey;
use trailloop_finding::{Finding, Place};
use trailloop_pipeline::examine::{Engine, Worker};
use trailloop_query::{Index, QueryError, Window, findings_of_rows};

use crate::ask::Queries;
use crate::hint::{Hint, Origin};

/// The trail's objects and the rules that findings are made by.
pub struct Archive {
    /// Where the objects lie.
    pub store: Arc<dyn Store>,
    /// The buckets that the trails write to; no other is read.
    pub buckets: Vec<String>,
    /// The rules and what one object may cost.
    pub engine: Arc<Engine>,
    /// The largest object.
    pub object_bytes_max: u64,
    /// What tells which objects say nothing of a lineage.
    pub index: Option<Arc<Index>>,
}

/// A finding that the archive bears out.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmed {
    /// The finding as it was made here.
    pub finding: Value,
    /// The record, redacted, as the finding quotes it.
    pub record: Value,
}

/// Why a hint leads to nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Doubt {
    /// The archive does not bear it out: nothing is done, and somebody is told.
    #[error("the archive does not bear the finding out: {0}")]
    Forged(String),
    /// The rule that made it is not the one in force here.
    #[error("the finding was made by another version of its rule; update the rules here and there")]
    RuleChanged,
    /// It is of a query, and none can be asked here.
    #[error(
        "the finding is of a query, and none can be asked here; set queries.archive as it is for the stream"
    )]
    NotAsked,
    /// The archive could not be read this time.
    #[error("failed to read the record again")]
    Unread(#[source] CloudError),
}

impl Archive {
    /// The finding that the hint claims, from the record itself.
    pub async fn confirm(
        &self,
        hint: &Hint,
        queries: Option<&Queries>,
    ) -> Result<Confirmed, Doubt> {
        match &hint.of {
            Origin::Record { object, rule_hash } => {
                self.confirm_record(&hint.uid, object, rule_hash.as_deref()).await
            }
            Origin::Query { id, hash, from, to } => {
                let window = Window { from: *from, to: *to };
                confirm_rows(&hint.uid, (id, hash), window, queries).await
            }
        }
    }

    async fn confirm_record(
        &self,
        uid: &str,
        at: &ObjectRef,
        rule_hash: Option<&str>,
    ) -> Result<Confirmed, Doubt> {
        let forged = |why: &str| Doubt::Forged(why.to_owned());
        if !self.buckets.contains(&at.bucket) {
            return Err(forged("its bucket is none that the trails write to"));
        }
        let key = LogKey::parse(&at.key);
        if !key.contents.holds_records() {
            return Err(forged("its object is of a kind that holds no records"));
        }
        let object = match self.store.get(at, self.object_bytes_max).await {
            Ok(object) => object,
            Err(error) if error.kind() == CloudErrorKind::NotFound => {
                return Err(forged("there is no such object"));
            }
            Err(error) => return Err(Doubt::Unread(error)),
        };
        let found = self.find((uid, rule_hash), at, object.bytes).await?;
        let finding: Value =
            serde_json::from_str(&found.json).map_err(|error| Doubt::Forged(error.to_string()))?;
        let hash = finding.pointer("/unmapped/trailloop/rule/hash").and_then(Value::as_str);
        if hash != rule_hash {
            return Err(Doubt::RuleChanged);
        }
        let raw = finding.get("raw_data").and_then(Value::as_str).unwrap_or_default();
        let record: Value =
            serde_json::from_str(raw).map_err(|error| Doubt::Forged(error.to_string()))?;
        let recipient = record.get("recipientAccountId").and_then(Value::as_str);
        // The key is written by CloudTrail, and the record's account belongs into it.
        if key.account.is_some() && recipient.is_some() && key.account != recipient {
            return Err(forged("the record's account is not the one its object is filed under"));
        }
        Ok(Confirmed { finding, record })
    }

    /// Whether the rule that a hint names is one of those in force here; one that names none has no excuse.
    fn has_rule(&self, hash: Option<&str>) -> bool {
        let Some(hash) = hash else { return true };
        self.engine.rules.now().rules.rules().iter().any(|rule| rule.analytic.hash == hash)
    }

    /// Examines the object for the finding of this id, off the runtime's threads.
    async fn find(
        &self,
        (uid, rule_hash): (&str, Option<&str>),
        at: &ObjectRef,
        bytes: bytes::Bytes,
    ) -> Result<Finding, Doubt> {
        let engine = Arc::clone(&self.engine);
        let (uid, source) = (uid.to_owned(), format!("{}/{}", at.bucket, at.key));
        let version = at.version.clone();
        let searched = tokio::task::spawn_blocking(move || {
            let mut found = None;
            let place = Place { source: &source, version: version.as_deref() };
            Worker::default().examine(&engine, &bytes, place, |finding| {
                if finding.uid.as_str() == uid {
                    found = Some(finding);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            found
        });
        match searched.await {
            Ok(Some(finding)) => Ok(finding),
            Ok(None) if !self.has_rule(rule_hash) => Err(Doubt::RuleChanged),
            Ok(None) => Err(Doubt::Forged(
                "no record of that object makes this finding under the rules in force".to_owned(),
            )),
            Err(error) => Err(Doubt::Forged(format!("the object could not be examined: {error}"))),
        }
    }
}

/// The finding of a kept query, from asking it about the same window again. There is no record to act on: whoever is told looks.
async fn confirm_rows(
    uid: &str,
    (id, hash): (&str, &str),
    window: Window,
    queries: Option<&Queries>,
) -> Result<Confirmed, Doubt> {
    let forged = |why: &str| Doubt::Forged(why.to_owned());
    let queries = queries.ok_or(Doubt::NotAsked)?;
    let query = queries.kept.iter().find(|query| query.id == id);
    let Some((query, scheduled)) = query.and_then(|query| Some((query, query.scheduled.as_ref()?)))
    else {
        return Err(forged("there is no scheduled query of its id"));
    };
    if query.hash() != hash {
        return Err(Doubt::RuleChanged);
    }
    if !scheduled.schedule.may_ask(window) {
        return Err(forged("the query's schedule has no such window"));
    }
    let unread = |error: QueryError| {
        let text = error.to_string();
        Doubt::Unread(CloudError::new(CloudErrorKind::Transient, "ask again", id, text))
    };
    let parameters = query.bind_window(window).map_err(unread)?;
    let answer = queries.engine.ask(&query.prepared, &parameters).await.map_err(unread)?;
    let (batches, _) = answer.all(usize::MAX).await.map_err(unread)?;
    let findings = findings_of_rows(query, window, &batches).map_err(unread)?;
    let found = findings.into_iter().find(|finding| finding.uid.as_str() == uid);
    let found = found.ok_or_else(|| forged("the query does not answer so"))?;
    let finding =
        serde_json::from_str(&found.json).map_err(|error| Doubt::Forged(error.to_string()))?;
    Ok(Confirmed { finding, record: Value::Null })
}
