//! What would stop if a plan were carried out: what its principal did before the event, as the trail tells.
//!
//! It is quoted with the plan before anybody agrees to it. Whoever approves has to know whether a person's laptop goes silent, or
//! a service that a thousand customers call.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use trailloop_cloud::{CloudError, Listed};
use trailloop_cloudtrail::Record;
use trailloop_runbook::resolve;

use crate::context::Case;
use crate::responder::Responder;

/// So far back it is looked.
const HOURS: i64 = 6;

/// So many services are named; all are counted.
const SERVICES_NAMED: usize = 5;

/// What a principal did.
#[derive(Debug, Default)]
struct Radius {
    calls: u64,
    sessions: BTreeSet<String>,
    services: BTreeMap<String, u64>,
    /// The bound of bytes ended the search, so there may be more.
    is_cut: bool,
}

impl Responder {
    /// What would stop, in a line for people. Nothing if the case is about no principal.
    pub(crate) async fn would_stop(&self, case: &Case) -> Option<String> {
        let arn = case.target.principal_arn.as_deref()?;
        Some(match self.radius(case, arn).await {
            Ok(radius) => radius.line(arn),
            Err(error) => format!("what would stop could not be read: {error}"),
        })
    }

    async fn radius(&self, case: &Case, arn: &str) -> Result<Radius, CloudError> {
        let event: Timestamp = case.text("time").parse().unwrap_or_default();
        let mut radius = Radius::default();
        let mut left = self.settings.scan_bytes_max;
        for hours_back in 0..HOURS {
            let hour_ms = event.as_millisecond() - hours_back * 3_600_000;
            for prefix in self.prefixes(case, hour_ms, "T%H") {
                for Listed { key, bytes, .. } in self.keys(case, &prefix, None).await? {
                    if bytes > left {
                        radius.is_cut = true;
                        return Ok(radius);
                    }
                    left -= bytes;
                    for record in self.records(case, &key, has_succeeded).await? {
                        if resolve(&record).principal_arn.as_deref() == Some(arn) {
                            radius.add(&record);
                        }
                    }
                }
            }
        }
        Ok(radius)
    }
}

/// What was refused does not stop.
fn has_succeeded(record: &Record<'_>) -> bool {
    record.text(&["errorCode"]).is_none()
}

impl Radius {
    fn add(&mut self, record: &Value) {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
        self.calls += 1;
        let session =
            text("/userIdentity/accessKeyId").or_else(|| text("/userIdentity/principalId"));
        self.sessions.extend(session.map(str::to_owned));
        if let Some(service) = text("/eventSource") {
            *self.services.entry(service.to_owned()).or_default() += 1;
        }
    }

    fn line(&self, arn: &str) -> String {
        let Self { calls, sessions, services, is_cut } = self;
        let mut named: Vec<(&String, &u64)> = services.iter().collect();
        named.sort_by_key(|(service, calls)| (std::cmp::Reverse(**calls), *service));
        let named: Vec<String> = named
            .iter()
            .take(SERVICES_NAMED)
            .map(|(service, calls)| format!("{} {calls}", service.escape_debug()))
            .collect();
        let more = services.len().saturating_sub(SERVICES_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let bound = if *is_cut { "at least " } else { "" };
        let hourly = calls.div_ceil(u64::try_from(HOURS).unwrap_or(1));
        format!(
            "would stop {}: in {HOURS} hours {bound}{calls} calls ({hourly} an hour) by {} credentials to {} services: {}{more}",
            arn.escape_debug(),
            sessions.len(),
            services.len(),
            if named.is_empty() { "none".to_owned() } else { named.join(", ") }
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_are_counted_by_credential_and_service() {
        let mut radius = Radius::default();
        for (key, service) in [("A", "s3"), ("A", "s3"), ("B", "ec2"), ("B", "x\u{1b}[31m")] {
            radius.add(&json!({"userIdentity": {"accessKeyId": key}, "eventSource": service}));
        }
        assert_eq!(
            radius.line("arn:aws:iam::111122223333:user/bob"),
            "would stop arn:aws:iam::111122223333:user/bob: in 6 hours 4 calls (1 an hour) by 2 credentials to 3 \
             services: s3 2, ec2 1, x\\u{1b}[31m 1"
        );
        let cut = Radius { is_cut: true, ..Radius::default() };
        assert!(cut.line("x").contains("at least 0 calls"));
        let many = (0..9).map(|nth| (format!("s{nth}"), 1)).collect();
        let many = Radius { services: many, ..Radius::default() };
        assert!(many.line("x").ends_with("s4 1 and 4 more"));
    }
}
