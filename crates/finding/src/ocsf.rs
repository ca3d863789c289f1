//! The finding itself: one OCSF 1.5 Detection Finding (class 2004) as a line of JSON.
//!
//! The fields follow <https://schema.ocsf.io/1.5.0/classes/detection_finding>. What OCSF has no place for stands
//! under `unmapped.trailloop`. `raw_data` is always JSON text: the record, or where to find it when the finding
//! would grow beyond what a queue takes.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};
use trailloop_cloudtrail::{Kind, Record, RecordBuffer, Value};

use crate::analytic::{Analytic, Level};
use crate::attack::{tactic_of, technique_of};
use crate::identity::{event_uid, finding_uid, sha256};
use crate::redact::redact;
use crate::text::{clip, escape_for_queues};

/// The longest finding: an SQS message holds 256 KiB with its attributes.
pub const FINDING_BYTES_MAX: usize = 240 << 10;

/// The most resources, references and the like that a finding lists; `raw_data` has them all.
const LIST_MAX: usize = 16;

/// Where a record's object lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// `bucket/key`, or the path relative to the source when a folder is replayed.
    pub source: &'a str,
    /// The object's version, in a versioned bucket.
    pub version: Option<&'a str>,
}

/// How a finding came about: where its record lies, which rules were asked, and what the user's own files say of it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Where the record's object lies.
    pub place: Place<'a>,
    /// The hash of the rule set.
    pub rule_set: &'a str,
    /// What enrichment says of the record: a field, such as `ip.country`, and its value.
    pub enrichment: &'a [(&'static str, String)],
}

/// A finding, ready to be sent or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its id; the same for every reading of the same event.
    pub uid: String,
    /// How much it matters.
    pub level: Level,
    /// The account it concerns, if the record names one.
    pub account: Option<String>,
    /// One line of JSON, which any queue takes.
    pub json: String,
}

impl Finding {
    /// What this rule says of this record.
    #[must_use]
    pub fn new(analytic: &Analytic, record: Record<'_>, origin: Origin<'_>) -> Self {
        let event_uid = event_uid(record);
        let uid = finding_uid(&analytic.uid, &event_uid);
        let raw = redact(record);
        let mut buffer = RecordBuffer::new();
        let shown = match &raw {
            Cow::Borrowed(_) => record,
            // Redaction keeps the text valid; a record of nothing but its raw text is the safe way out.
            Cow::Owned(redacted) => match Record::parse(redacted, &mut buffer) {
                Ok(shown) => shown,
                Err(_) => return Self::new_bare(analytic, &uid, &event_uid, origin),
            },
        };
        let about = About { analytic, uid: &uid, event_uid: &event_uid, record: shown, origin };
        let account = about.account();
        let location = location(origin.place, record.index());
        let mut body = about.body(&location);
        let text = String::from_utf8_lossy(&raw);
        body["raw_data_size"] = json!(record.raw().len());
        body["raw_data"] = json!(text);
        let mut json = escape_for_queues(body.to_string());
        if json.len() > FINDING_BYTES_MAX {
            body["raw_data"] = json!(reference(&location, record).to_string());
            json = escape_for_queues(body.to_string());
        }
        debug_assert!(json.len() <= FINDING_BYTES_MAX, "every other field is clipped");
        Self { uid, level: analytic.level, account, json }
    }

    fn new_bare(analytic: &Analytic, uid: &str, event_uid: &str, origin: Origin<'_>) -> Self {
        let mut buffer = RecordBuffer::new();
        let empty = Record::parse(b"{}", &mut buffer).ok();
        let body = empty.map_or(Json::Null, |record| {
            About { analytic, uid, event_uid, record, origin }.body(&Json::Null)
        });
        let json = escape_for_queues(body.to_string());
        Self { uid: uid.to_owned(), level: analytic.level, account: None, json }
    }
}

/// Bucket and key are one text in `source`, so that a replayed copy of buckets names them like the service does.
fn location(place: Place<'_>, index: u64) -> Json {
    let (bucket, key) = place.source.split_once('/').unwrap_or(("", place.source));
    json!({"bucket": bucket, "key": key, "version": place.version, "index": index})
}

/// Where a record too long for a finding is to be found, and how to tell that it is the one.
fn reference(location: &Json, record: Record<'_>) -> Json {
    let mut reference = location.clone();
    reference["bytes"] = json!(record.raw().len());
    reference["sha256"] = json!(sha256(record.raw()));
    reference
}

/// What a finding is about.
struct About<'a> {
    analytic: &'a Analytic,
    uid: &'a str,
    event_uid: &'a str,
    record: Record<'a>,
    origin: Origin<'a>,
}

impl About<'_> {
    fn body(&self, location: &Json) -> Json {
        let Analytic { level, name, .. } = self.analytic;
        let time = self.time();
        pruned(json!({
            "activity_id": 1,
            "activity_name": "Create",
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": 2004,
            "class_name": "Detection Finding",
            "type_uid": 200_401,
            "type_name": "Detection Finding: Create",
            "severity_id": level.severity_id(),
            "severity": level.severity(),
            "status_id": 1,
            "status": "New",
            "is_alert": true,
            "time": time,
            "message": self.message(),
            "metadata": {
                "version": "1.5.0",
                "product": {"name": "Trailloop", "vendor_name": "Trailloop"},
                "profiles": ["cloud"],
                "uid": self.uid,
            },
            "cloud": {
                "provider": "AWS",
                "region": self.clipped(&["awsRegion"]),
                "account": {"uid": self.account()},
            },
            "finding_info": {
                "uid": self.uid,
                "title": clip(name),
                "desc": self.analytic.description.as_deref().map(clip),
                "created_time": time,
                "first_seen_time": time,
                "last_seen_time": time,
                "analytic": {"type_id": 1, "type": "Rule", "uid": self.analytic.uid, "name": clip(name)},
                "attacks": self.attacks(),
                "related_events": [{"uid": clip(self.event_uid), "type": "AWS CloudTrail"}],
            },
            "remediation": {"desc": self.analytic.runbook.as_deref().map(clip)},
            "resources": self.resources(),
            "observables": self.observables(),
            "evidences": [self.evidence()],
            "enrichments": self.enrichments(),
            "unmapped": {"trailloop": {
                "location": location,
                "rule_set": self.origin.rule_set,
                "rule": {
                    "hash": self.analytic.hash,
                    "author": self.analytic.author.as_deref().map(clip),
                    "status": self.analytic.status.as_deref().map(clip),
                    "license": self.analytic.license.as_deref().map(clip),
                    "tags": clipped(&self.analytic.tags),
                    "references": clipped(&self.analytic.references),
                    "falsepositives": clipped(&self.analytic.falsepositives),
                },
            }},
        }))
    }

    /// The eventTime in Unix milliseconds; 0 when the record has none that can be read.
    fn time(&self) -> i64 {
        milliseconds(self.record.text(&["eventTime"])).unwrap_or(0)
    }

    fn account(&self) -> Option<String> {
        let account = self.clipped(&["recipientAccountId"]);
        account.or_else(|| self.clipped(&["userIdentity", "accountId"]))
    }

    fn clipped(&self, path: &[&str]) -> Option<String> {
        self.record.text(path).filter(|text| !text.is_empty()).map(clip)
    }

    /// Who called what from where, in one sentence.
    fn message(&self) -> String {
        let api = self.clipped(&["eventName"]).unwrap_or_else(|| "an unnamed event".to_owned());
        let mut message = format!("{}: {} by {}", self.analytic.name, api, self.actor_name());
        if let Some(address) = self.clipped(&["sourceIPAddress"]) {
            message.push_str(" from ");
            message.push_str(&address);
        }
        if let Some(error) = self.clipped(&["errorCode"]) {
            message.push_str(", refused with ");
            message.push_str(&error);
        }
        clip(&message)
    }

    /// The shortest name that tells the caller: an ARN where there is one.
    fn actor_name(&self) -> String {
        ["arn", "userName", "invokedBy", "principalId", "accountId", "type"]
            .iter()
            .find_map(|key| self.clipped(&["userIdentity", key]))
            .unwrap_or_else(|| "an unnamed caller".to_owned())
    }

    /// Techniques and tactics of the rule's tags. A technique belongs to the tactic when the rule names just one.
    fn attacks(&self) -> Json {
        let tags = &self.analytic.tags;
        let tactics: Vec<Json> = tags
            .iter()
            .filter_map(|tag| tactic_of(tag))
            .map(|(uid, name)| json!({"uid": uid, "name": name}))
            .collect();
        let techniques =
            tags.iter().filter_map(|tag| technique_of(tag)).take(LIST_MAX).map(|uid| {
                let technique = uid.split('.').next().unwrap_or_default();
                let mut attack = json!({"technique": {"uid": technique}});
                if uid.contains('.') {
                    attack["sub_technique"] = json!({"uid": uid});
                }
                attack
            });
        let mut attacks: Vec<Json> = techniques.collect();
        match (tactics.as_slice(), attacks.is_empty()) {
            ([tactic], false) => {
                for attack in &mut attacks {
                    attack["tactic"] = tactic.clone();
                }
            }
            _ => attacks.extend(tactics.into_iter().map(|tactic| json!({"tactic": tactic}))),
        }
        Json::Array(attacks)
    }

    /// What the record says was acted on.
    fn resources(&self) -> Json {
        let Some(Kind::Array(elements)) = self.record.get(&["resources"]).map(|list| list.kind())
        else {
            return Json::Null;
        };
        let text = |value: Value<'_>, key: &str| value.get(key)?.as_str().map(clip);
        let resource = |value: Value<'_>| {
            pruned(json!({
                "uid": text(value, "ARN").or_else(|| text(value, "arn")),
                "type": text(value, "type"),
                "owner": {"account": {"uid": text(value, "accountId")}},
            }))
        };
        elements.map(resource).filter(|resource| !resource.is_null()).take(LIST_MAX).collect()
    }

    /// The values an analyst searches for next.
    fn observables(&self) -> Json {
        let observables = [
            ("evidences[0].src_endpoint.ip", 2, "IP Address", self.address()),
            (
                "evidences[0].actor.user.name",
                4,
                "User Name",
                self.clipped(&["userIdentity", "userName"]),
            ),
            ("evidences[0].data.user_agent", 16, "HTTP User-Agent", self.clipped(&["userAgent"])),
            (
                "evidences[0].actor.user.uid",
                10,
                "Resource UID",
                self.clipped(&["userIdentity", "arn"]),
            ),
        ];
        let found = observables.into_iter().filter_map(|(name, type_id, kind, value)| {
            let value = value?;
            Some(json!({"name": name, "type_id": type_id, "type": kind, "value": value}))
        });
        found.collect()
    }

    /// What enrichment says in this field.
    fn enriched(&self, field: &str) -> Option<String> {
        let known = self.origin.enrichment.iter().find(|(name, _)| *name == field);
        known.map(|(_, value)| clip(value))
    }

    /// What enrichment says of the caller's address, of the account, of the caller, and of the region.
    fn enrichments(&self) -> Json {
        let of = |name: &str, value: Option<String>, kind: &str, fields: &[&str]| {
            let known = fields.iter().filter_map(|field| Some((*field, self.enriched(field)?)));
            let data: Map<String, Json> =
                known.map(|(field, value)| (field.to_owned(), json!(value))).collect();
            let is_known = !data.is_empty();
            is_known.then(|| json!({"name": name, "value": value, "type": kind, "data": data}))
        };
        let address = self.clipped(&["sourceIPAddress"]);
        let region = self.clipped(&["awsRegion"]);
        let groups = [
            of("evidences[0].src_endpoint.ip", address, "location", &ENRICHED_ADDRESS),
            of("cloud.account.uid", self.account(), "account", &ENRICHED_ACCOUNT),
            of("evidences[0].actor", Some(self.actor_name()), "principal", &ENRICHED_ACTOR),
            of("cloud.region", region, "environment", &["environment.region"]),
        ];
        groups.into_iter().flatten().collect()
    }

    /// The caller's address; the field also holds service names and `AWS Internal`.
    fn address(&self) -> Option<String> {
        self.clipped(&["sourceIPAddress"]).filter(|text| text.parse::<std::net::IpAddr>().is_ok())
    }

    /// Who did what, and how it ended.
    fn evidence(&self) -> Json {
        let identity = |key: &str| self.clipped(&["userIdentity", key]);
        let session =
            |path: &[&str]| self.clipped(&[&["userIdentity", "sessionContext"], path].concat());
        let kind = identity("type");
        let type_id = match kind.as_deref() {
            Some("IAMUser" | "IdentityCenterUser") => 1,
            Some("Root") => 2,
            Some("AWSService") => 3,
            Some(_) => 99,
            None => 0,
        };
        let address = self.address();
        let service = match address {
            Some(_) => None,
            None => self.clipped(&["sourceIPAddress"]),
        };
        pruned(json!({
            "actor": {
                "user": {
                    "type_id": type_id,
                    "type": kind,
                    "name": identity("userName"),
                    "uid": identity("arn"),
                    "uid_alt": identity("principalId"),
                    "credential_uid": identity("accessKeyId"),
                    "account": {"uid": identity("accountId")},
                },
                "session": {
                    "issuer": session(&["sessionIssuer", "arn"]),
                    "created_time": milliseconds(session(&["attributes", "creationDate"]).as_deref()),
                    "is_mfa": session(&["attributes", "mfaAuthenticated"]).map(|mfa| mfa == "true"),
                },
                "invoked_by": identity("invokedBy"),
            },
            "api": {
                "operation": self.clipped(&["eventName"]),
                "service": {"name": self.clipped(&["eventSource"])},
                "version": self.clipped(&["apiVersion"]),
                "request": {"uid": self.clipped(&["requestID"])},
                "response": {
                    "error": self.clipped(&["errorCode"]),
                    "error_message": self.clipped(&["errorMessage"]),
                },
            },
            "src_endpoint": {
                "ip": address,
                "svc_name": service,
                "location": {"country": self.enriched("ip.country"), "city": self.enriched("ip.city")},
                "autonomous_system": {
                    "number": self.enriched("ip.asn").and_then(|number| number.parse::<u32>().ok()),
                    "name": self.enriched("ip.organization"),
                },
            },
            "data": {
                "user_agent": self.clipped(&["userAgent"]),
                "event_type": self.clipped(&["eventType"]),
                "event_category": self.clipped(&["eventCategory"]),
                "shared_event_uid": self.clipped(&["sharedEventID"]),
                "tls_host": self.clipped(&["tlsDetails", "clientProvidedHostHeader"]),
            },
        }))
    }
}

/// The fields of enrichment, by what of the record they speak of.
const ENRICHED_ADDRESS: [&str; 7] = [
    "ip.country",
    "ip.city",
    "ip.asn",
    "ip.organization",
    "ip.network",
    "environment.country",
    "environment.network",
];
const ENRICHED_ACCOUNT: [&str; 3] = ["account.name", "account.ou", "account.environment"];
const ENRICHED_ACTOR: [&str; 3] = ["actor.owner", "actor.criticality", "actor.standing"];

fn clipped(list: &[String]) -> Vec<String> {
    list.iter().take(LIST_MAX).map(|text| clip(text)).collect()
}

/// A timestamp in Unix milliseconds.
fn milliseconds(text: Option<&str>) -> Option<i64> {
    text?.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond())
}

/// Without nulls and without the objects and lists that are empty once they are gone.
fn pruned(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            let kept: Map<String, Json> = members
                .into_iter()
                .map(|(key, value)| (key, pruned(value)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            if kept.is_empty() { Json::Null } else { Json::Object(kept) }
        }
        Json::Array(elements) if elements.is_empty() => Json::Null,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn analytic() -> Analytic {
        Analytic {
            uid: "3f1c6d0e-6f5e-4a53-9f0e-0d2f7a1c9b11".to_owned(),
            name: "Logging stopped".to_owned(),
            level: Level::High,
            description: Some("Someone stopped a trail.".to_owned()),
            author: Some("Trailloop".to_owned()),
            tags: vec!["attack.defense-evasion".to_owned(), "attack.t1562.008".to_owned()],
            references: vec!["https://docs.aws.amazon.com/".to_owned()],
            falsepositives: Vec::new(),
            status: Some("test".to_owned()),
            license: None,
            runbook: Some("Start the trail again.".to_owned()),
            hash: "0b".repeat(32),
        }
    }

    fn finding(json: &str) -> (Finding, Json) {
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        let place = Place { source: "trail/AWSLogs/x.json.gz", version: Some("v1") };
        let enrichment = [
            ("ip.country", "NL".to_owned()),
            ("ip.asn", "64496".to_owned()),
            ("account.name", "prod".to_owned()),
        ];
        let origin = Origin { place, rule_set: "5e7", enrichment: &enrichment };
        let finding = Finding::new(&analytic(), record, origin);
        let body = serde_json::from_str(&finding.json).unwrap();
        (finding, body)
    }

    const RECORD: &str = r#"{"eventVersion":"1.11","eventTime":"2026-11-02T09:14:03Z","eventSource":"cloudtrail.amazonaws.com",
"eventName":"StopLogging","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.77","userAgent":"aws-cli/2.17 \uffff",
"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ci-deployer","userName":"ci-deployer","accountId":"111122223333",
"accessKeyId":"AKIAIOSFODNN7EXAMPLE"},"requestParameters":{"name":"org-trail"},"responseElements":null,
"requestID":"r-1","eventID":"e-1","resources":[{"ARN":"arn:aws:cloudtrail:us-east-1:111122223333:trail/org-trail","type":"AWS::CloudTrail::Trail"}],
"recipientAccountId":"111122223333","eventType":"AwsApiCall"}"#;

    #[test]
    fn a_finding_in_full() {
        let (finding, body) = finding(RECORD);
        assert!(!finding.json.contains('\n') && !finding.json.contains('\u{ffff}'));
        assert_eq!(body["raw_data"], RECORD);
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
    }

    #[test]
    fn a_record_too_long_is_referred_to() {
        let long = format!(
            r#"{{"eventID":"e-1","password":"CANARY","x":"{}"}}"#,
            "\\u0001".repeat(60_000)
        );
        let (finding, body) = finding(&long);
        assert!(finding.json.len() <= FINDING_BYTES_MAX);
        let reference: Json = serde_json::from_str(body["raw_data"].as_str().unwrap()).unwrap();
        assert_eq!(reference["bucket"], "trail");
        assert_eq!(reference["key"], "AWSLogs/x.json.gz");
        assert_eq!(reference["bytes"], long.len());
        assert_eq!(reference["sha256"], sha256(long.as_bytes()));
    }

    #[test]
    fn no_field_carries_a_secret_out() {
        let (finding, body) = finding(
            r#"{"eventID":"e-1","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","errorMessage":"No username found in given account",
            "userIdentity":{"type":"IAMUser","userName":"CANARY-1"},"responseElements":{"ConsoleLogin":"Failure","credentials":{"sessionToken":"CANARY-2"}}}"#,
        );
        assert!(!finding.json.contains("CANARY"), "{}", finding.json);
        assert_eq!(body["evidences"][0]["actor"]["user"]["name"], "[redacted]");
    }

    #[test]
    fn a_record_of_odd_types_still_makes_a_finding_of_bounded_size() {
        let odd = format!(
            r#"{{"eventTime":7,"eventName":["x"],"userIdentity":"me","resources":[1,{{"ARN":{{}}}},{{"ARN":"{}"}}],"sourceIPAddress":"999.1.1.1","userAgent":"{}"}}"#,
            "\\uffff".repeat(5000),
            "\\u0000".repeat(5000),
        );
        let (finding, body) = finding(&odd);
        assert_eq!(body["time"], 0);
        assert_eq!(body["evidences"][0]["src_endpoint"]["svc_name"], "999.1.1.1");
        assert!(finding.json.len() < FINDING_BYTES_MAX);
    }
}
