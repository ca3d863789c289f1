//! What people say in Security Hub: findings whose verification state they set there are verdicts here.
//!
//! Asked every few minutes, from a little before where it was last asked up to; a verdict that is taken over twice is the same row.
//! What we wrote there ourselves carries our field and is left out. It is off unless the operator asks for it: a verdict undoes what was
//! done, and so could whoever may update findings there.

use jiff::Timestamp;
use serde_json::Value;
use trailloop_cloud::{CloudError, RowKey};
use trailloop_feedback::Reason;

use crate::alert::asff::{self, Said};
use crate::hint::is_id;
use crate::responder::{Halt, Responder};
use crate::rows::{self, Kept};
use crate::tell::DestinationKind;
use crate::time::rfc3339;
use crate::voices::{self, Verdict};

/// So often it is asked.
const EVERY_MS: i64 = 5 * 60_000;

/// So far back before the last time: Security Hub shows changes after a while.
const BACK_MS: i64 = 15 * 60_000;

/// So many pages are read at once; the rest is read the next time.
const PAGES_MAX: usize = 50;

/// The reason of a verdict whose note names none of ours.
const UNSAID: &str = "security_hub";

/// Who judges where the note says nobody.
const NOBODY: &str = "security-hub";

impl Responder {
    /// Takes over what people said in Security Hub since.
    pub(crate) async fn hear_security_hub(&self) -> Result<(), Halt> {
        let Some((account, _)) = &self.destinations.home else { return Ok(()) };
        let now_ms = self.clock.now_ms();
        if !self.settings.hears_security_hub || !self.next_looks.hub.is_due(now_ms, EVERY_MS) {
            return Ok(());
        }
        for destination in &self.destinations.all {
            let DestinationKind::SecurityHub { region } = &destination.kind else { continue };
            let product = asff::product_arn(&self.settings.partition, region, account);
            // One region that does not answer keeps no other from being heard.
            if let Err(error) = self.hear_region(region, &product, now_ms).await {
                tracing::warn!(region, %error, "Security Hub can't be asked for verdicts for now");
            }
        }
        Ok(())
    }

    async fn hear_region(
        &self,
        region: &str,
        product: &str,
        now_ms: i64,
    ) -> Result<(), CloudError> {
        let key = RowKey::new("security-hub", region);
        let mut until = rows::load::<i64>(&*self.table, &key)
            .await?
            .unwrap_or(Kept { value: now_ms - BACK_MS, version: 0 });
        let (from, to) = (rfc3339(until.value - BACK_MS), rfc3339(now_ms));
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let call = asff::judged(product, &from, &to, next.as_deref());
            let answer = self.call_home(&call, Some(region)).await?.body;
            for said in asff::said(&answer) {
                self.take_over(&said, now_ms).await?;
            }
            next = answer.get("NextToken").and_then(Value::as_str).map(str::to_owned);
            if next.is_none() {
                // Whoever else asks at the same time takes over the same.
                until.value = now_ms;
                rows::store(&*self.table, &key, &mut until).await?;
                return Ok(());
            }
        }
        tracing::warn!(region, "more was said in Security Hub than is read at once; it is read on");
        Ok(())
    }

    async fn take_over(&self, said: &Said, now_ms: i64) -> Result<(), CloudError> {
        // Whoever may write findings there may write any id.
        if !is_id(&said.finding) {
            return Ok(());
        }
        let at: Timestamp = said.updated.parse().unwrap_or_default();
        let mut reasons = Reason::of(said.verdict);
        let reason = reasons.find(|one| one.name() == said.reason).map_or(UNSAID, Reason::name);
        let verdict = Verdict {
            finding: said.finding.clone(),
            judgement: said.verdict.name().to_owned(),
            reason: reason.to_owned(),
            by: said.by.clone().filter(|by| !by.is_empty()).unwrap_or_else(|| NOBODY.to_owned()),
            at_ms: at.as_millisecond().min(now_ms),
        };
        voices::judge(&*self.table, &verdict).await.map(drop)
    }
}
