//! Findings leave for the action queue.
//!
//! What an object's examination hands over at once is a parcel, and parcels of several objects share a request. One that
//! comes alone goes at once; one that comes less than [`GATHER`] after the last request waits for the rest of that time,
//! or for nine others. So a quiet service adds nothing to the time of a finding, a busy one sends ten for the price of
//! one, and none between them asks more than twenty times a second for less than ten. A request that hangs holds up
//! nobody but those it carries.
//!
//! A parcel stays together and an object sends its next one when this one is accepted, so a FIFO queue gets the findings
//! of an object in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use trailloop_cloud::{CloudError, CloudErrorKind, Message, Outgoing};
use trailloop_cloudtrail::notification::Named;
use trailloop_finding::Finding;

use crate::batch::{Entries, Gatherer, Waiting};
use crate::bridge::Batch;
use crate::budget::Held;
use crate::counters::add;
use crate::park::Doubt;
use crate::{Accepted, Batchers, Pipeline, Trouble};

/// How long findings gather while others have just gone.
const GATHER: Duration = Duration::from_millis(50);

/// Findings of one object, on their way.
pub(crate) struct Parcel {
    findings: Vec<Outgoing>,
    held: Option<Held>,
}

/// What the action queue said to a parcel: to each of its findings, or nothing to any.
pub(crate) type Sent = Result<Vec<Result<(), CloudError>>, CloudError>;

impl Parcel {
    pub(crate) fn new(batch: Batch, times: &Times) -> Self {
        let findings = batch.findings.into_iter().map(|finding| outgoing(finding, times)).collect();
        Self { findings, held: batch.held }
    }
}

impl Entries for Parcel {
    fn entries(&self) -> usize {
        self.findings.len()
    }
}

impl Pipeline {
    /// Sends findings to the action queue; done when each of them is accepted. One that the queue will never take is a
    /// doubt about the message: it must not keep the others from arriving.
    pub(crate) async fn send(
        &self,
        named: &Named,
        parcel: Parcel,
        batchers: &Batchers,
        doubts: &mut Vec<Doubt>,
    ) -> Result<Accepted, Trouble> {
        let sent = batchers.findings.ask(parcel).await.ok_or(Trouble::GoingDown)?;
        for result in sent.map_err(Trouble::Send)? {
            match result {
                Ok(()) => add(&self.counters.findings, 1),
                Err(error)
                    if matches!(
                        error.kind(),
                        CloudErrorKind::Invalid | CloudErrorKind::TooLarge
                    ) =>
                {
                    doubts.push(Doubt::Finding { object: named.clone(), error });
                }
                Err(error) => return Err(Trouble::Send(error)),
            }
        }
        Ok(Accepted(()))
    }

    /// Gathers parcels and sends them until the service ends.
    pub(crate) async fn send_all(self: Arc<Self>, parcels: Gatherer<Parcel, Sent>) {
        let due = |Waiting { since, last_went, .. }: Waiting| {
            last_went.map_or(since, |last_went| since.min(last_went) + GATHER)
        };
        parcels.keep(due, |parcels| deliver(Arc::clone(&self), parcels)).await;
    }
}

/// One answer for each parcel.
async fn deliver(pipeline: Arc<Pipeline>, parcels: Vec<Parcel>) -> Vec<Sent> {
    let lengths: Vec<usize> = parcels.iter().map(Entries::entries).collect();
    let (findings, _held): (Vec<_>, Vec<_>) =
        parcels.into_iter().map(|parcel| (parcel.findings, parcel.held)).unzip();
    let outgoing: Vec<Outgoing> = findings.into_iter().flatten().collect();
    match pipeline.actions.send(&outgoing).await {
        Ok(results) => {
            debug_assert_eq!(results.len(), outgoing.len(), "a queue answers for each entry");
            let mut results = results.into_iter();
            lengths.into_iter().map(|length| Ok(results.by_ref().take(length).collect())).collect()
        }
        Err(error) => lengths.into_iter().map(|_| Err(error.clone())).collect(),
    }
}

/// Wall-clock times of a message, as attributes: a finding itself holds none.
pub type Times = BTreeMap<String, String>;

/// When S3 told of the objects, and when we heard.
pub(crate) fn times(message: &Message, received_ms: i64) -> Times {
    let notified = message.sent_at_ms.map(|sent_ms| ("trailloop-notified-ms", sent_ms));
    let received = ("trailloop-received-ms", received_ms);
    let times = notified.into_iter().chain([received]);
    times.map(|(name, ms)| (name.to_owned(), ms.to_string())).collect()
}

/// A finding as a message: in order per account, and the same id for the same finding.
#[must_use]
pub fn outgoing(finding: Finding, times: &Times) -> Outgoing {
    let group = finding.account.as_deref().filter(|account| is_account(account));
    Outgoing {
        body: finding.json,
        group: Some(group.unwrap_or("none").to_owned()),
        deduplication: Some(finding.uid.to_string()),
        attributes: times.clone(),
    }
}

/// A FIFO queue refuses a group of odd characters, and records are not to be trusted.
fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
