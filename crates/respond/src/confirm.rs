//! The finding, made again from the archive.
//!
//! The queue is not trusted. A hint leads to an object, and the object is examined by the very stage that the stream uses,
//! under the rules that are in force here. What comes of it is the finding that everything after this acts on; a hint of which
//! nothing comes is a forgery, or the rules have changed since. Only objects of the trail's own buckets are looked at,
//! because anybody can make a bucket and write a record into it.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;
use trailloop_cloud::{CloudError, CloudErrorKind, Store};
use trailloop_cloudtrail::LogKey;
use trailloop_finding::{Finding, Place};
use trailloop_pipeline::examine::{Engine, Worker};

use crate::hint::Hint;

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
    /// The archive could not be read this time.
    #[error("failed to read the record again")]
    Unread(#[source] CloudError),
}

impl Archive {
    /// The finding that the hint claims, from the record itself.
    pub async fn confirm(&self, hint: &Hint) -> Result<Confirmed, Doubt> {
        let forged = |why: &str| Doubt::Forged(why.to_owned());
        if !self.buckets.contains(&hint.object.bucket) {
            return Err(forged("its bucket is none that the trails write to"));
        }
        let key = LogKey::parse(&hint.object.key);
        if !key.contents.holds_records() {
            return Err(forged("its object is of a kind that holds no records"));
        }
        let object = match self.store.get(&hint.object, self.object_bytes_max).await {
            Ok(object) => object,
            Err(error) if error.kind() == CloudErrorKind::NotFound => {
                return Err(forged("there is no such object"));
            }
            Err(error) => return Err(Doubt::Unread(error)),
        };
        let found = self.find(hint, object.bytes).await?;
        let finding: Value =
            serde_json::from_str(&found.json).map_err(|error| Doubt::Forged(error.to_string()))?;
        let hash = finding.pointer("/unmapped/trailloop/rule/hash").and_then(Value::as_str);
        if hash != hint.rule_hash.as_deref() {
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

    /// Whether the rule that the hint names is one of those in force here; one that names none has no excuse.
    fn has_rule(&self, hint: &Hint) -> bool {
        let Some(hash) = hint.rule_hash.as_deref() else { return true };
        self.engine.rules.now().rules.rules().iter().any(|rule| rule.analytic.hash == hash)
    }

    /// Examines the object for the finding of this id, off the runtime's threads.
    async fn find(&self, hint: &Hint, bytes: bytes::Bytes) -> Result<Finding, Doubt> {
        let engine = Arc::clone(&self.engine);
        let (uid, source) =
            (hint.uid.clone(), format!("{}/{}", hint.object.bucket, hint.object.key));
        let version = hint.object.version.clone();
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
            Ok(None) if !self.has_rule(hint) => Err(Doubt::RuleChanged),
            Ok(None) => Err(Doubt::Forged(
                "no record of that object makes this finding under the rules in force".to_owned(),
            )),
            Err(error) => Err(Doubt::Forged(format!("the object could not be examined: {error}"))),
        }
    }
}
