//! The finding itself: one OCSF 1.5 Detection Finding (class 2004) as a line of JSON.
//!
//! The fields follow <https://schema.ocsf.io/1.5.0/classes/detection_finding>. What OCSF has no place for stands
//! under `unmapped.trailloop`. `raw_data` is always JSON text: the record, or where to find it when the finding
//! would grow beyond what a queue takes.
//!
//! Several rules may match one record. What their findings share is written once, by [`Findings::new`].

use std::borrow::Cow;
use std::sync::Arc;

use trailloop_cloudtrail::Record;

use crate::analytic::{Analytic, Level};
use crate::evidence::Evidence;
use crate::fields::Fields;
use crate::identity::{FindingId, event_uid_of, finding_uid, sha256};
use crate::json::Json;
use crate::lines::JsonLines;
use crate::redact::Redaction;
use crate::text::{clip, escape_for_queues, string_of};

/// The longest finding: an SQS message holds 256 KiB with its attributes.
pub const FINDING_BYTES_MAX: usize = 240 << 10;

/// A finding without its record is seldom longer, and room is made for no more beforehand.
const GUESS_BYTES_MAX: usize = 8 << 10;

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

/// A filter that moves a finding down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quieted<'a> {
    /// Its title.
    pub title: &'a str,
    /// What it is known by: a hash of what it says.
    pub hash: &'a str,
}

/// A finding, ready to be sent or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its id; the same for every reading of the same event.
    pub uid: FindingId,
    /// How much it matters.
    pub level: Level,
    /// The account it concerns, if the record names one.
    pub account: Option<Arc<str>>,
    /// One line of JSON, which any queue takes.
    pub json: String,
}

impl Finding {
    /// What one rule says of this record, for who asks no more of them.
    #[must_use]
    pub fn new(analytic: &Analytic, record: Record<'_>, origin: Origin<'_>) -> Self {
        Findings::new(record, origin, &mut FindingScratch::default()).of(analytic)
    }
}

/// What a worker keeps from record to record, so that a finding allocates little more than what it is made of.
#[derive(Default)]
pub struct FindingScratch {
    redaction: Redaction,
    shared: Shared,
    /// The message of one rule's finding.
    message: String,
    /// How long the members of the last finding were, as a guess at those of the next.
    members_bytes: usize,
}

/// The findings of one record: [`Findings::of`] is asked for each rule that matched it.
pub struct Findings<'a> {
    record: Record<'a>,
    origin: Origin<'a>,
    event_uid: Cow<'a, str>,
    /// The account, from the first finding on that is asked for: lines have no need of it.
    account: Option<Arc<str>>,
    /// The filter that makes the next finding's rule quieter for this record.
    quieted: Option<Quieted<'a>>,
    scratch: &'a mut FindingScratch,
}

impl<'a> Findings<'a> {
    /// Redacts the record, and writes what its findings share.
    #[must_use]
    pub fn new(record: Record<'a>, origin: Origin<'a>, scratch: &'a mut FindingScratch) -> Self {
        let fields = Fields::of(record);
        let FindingScratch { redaction, shared, .. } = scratch;
        redaction.read(record, &fields);
        let evidence = Evidence::new(record, &fields, redaction, origin.enrichment);
        let event_uid = event_uid_of(record, &fields);
        shared.write(evidence, &event_uid, origin.place);
        Self { record, origin, event_uid, account: None, quieted: None, scratch }
    }

    /// Whether a filter moves down what is asked for next, and which. Such a finding is written as any other, and says so.
    pub fn quieten(&mut self, filter: Option<Quieted<'a>>) {
        self.quieted = filter;
    }

    /// What this rule says of the record.
    #[must_use]
    pub fn of(&mut self, analytic: &Analytic) -> Finding {
        let mut json = Json::default();
        let uid = self.append(analytic, &mut json);
        let json = string_of(json.0);
        if self.account.is_none() {
            let account = self.scratch.shared.account.as_str();
            self.account = (!account.is_empty()).then(|| account.into());
        }
        Finding { uid, level: analytic.level, account: self.account.clone(), json }
    }

    /// Appends what this rule says of the record, for who wants the text alone.
    pub fn append_line(&mut self, analytic: &Analytic, lines: &mut JsonLines) {
        lines.add(|json| self.append(analytic, json));
    }

    fn append(&mut self, analytic: &Analytic, json: &mut Json) -> FindingId {
        let FindingScratch { shared, message, members_bytes, .. } = &mut *self.scratch;
        let uid = finding_uid(&analytic.uid, &self.event_uid);
        let (rule_set, quieted) = (self.origin.rule_set, self.quieted);
        let about = About { analytic, uid: uid.as_str(), shared, rule_set, quieted };
        // Most are as long as the one before; then there are the brace that closes and the end of a line.
        json.0.reserve((*members_bytes).min(GUESS_BYTES_MAX) + shared.raw.0.len() + 2);
        let start = json.0.len();
        about.write_members(json, message);
        *members_bytes = json.0.len() - start;
        let is_long = shared.is_long || *members_bytes + shared.raw.0.len() + 1 > FINDING_BYTES_MAX;
        let last = match is_long {
            true => shared.reference(self.record, self.origin.place),
            false => &shared.raw.0,
        };
        debug_assert!(
            *members_bytes + last.len() < FINDING_BYTES_MAX,
            "every other field is clipped"
        );
        json.members(last);
        json.close(start, *b"{}");
        uid
    }
}

impl Drop for Findings<'_> {
    fn drop(&mut self) {
        let FindingScratch { redaction, shared, .. } = &mut *self.scratch;
        redaction.forget();
        shared.forget();
    }
}

/// What the findings of all rules of a record share, which is most of them, in parts of JSON.
#[derive(Default)]
struct Shared {
    /// The account that the record concerns; empty if it names none.
    account: String,
    time: Json,
    /// What follows the name of the rule in `message`.
    message: String,
    cloud: Json,
    /// The times of `finding_info`.
    times: Json,
    /// The element of `related_events`.
    event: Json,
    /// What the record says: the members from `resources` on.
    evidence: Json,
    location: Json,
    /// The same without the record's index, and of which object that is.
    place: Json,
    source: String,
    version: Option<String>,
    /// The record is longer than a finding may be, so it does not stand in `raw`.
    is_long: bool,
    /// The last members, ready to be sent: `raw_data_size` and `raw_data`.
    raw: Json,
    /// The same with a reference in place of the record; empty until a finding needs it.
    reference: Json,
}

impl Shared {
    fn write(&mut self, evidence: Evidence<'_>, event_uid: &str, place: Place<'_>) {
        // A panic may have left parts of another record.
        self.forget();
        self.account.push_str(&clip(evidence.account().unwrap_or_default()));
        let time = evidence.time();
        self.time.number("time", time);
        evidence.write_message(&mut self.message);
        evidence.write_cloud(&mut self.cloud);
        // Digits take longer to write than to copy.
        let digits = self.time.0.strip_prefix(br#","time":"#).unwrap_or_default();
        for key in ["created_time", "first_seen_time", "last_seen_time"] {
            self.times.json(key, digits);
        }
        self.event.element(|json| {
            json.text("uid", Some(event_uid));
            json.members(br#","type":"AWS CloudTrail""#);
        });
        evidence.write_resources(&mut self.evidence);
        evidence.write_observables(&mut self.evidence);
        evidence.write_evidences(&mut self.evidence);
        evidence.write_enrichments(&mut self.evidence);
        self.write_location(place);
        self.location.number("index", evidence.record.index());
        let raw = evidence.redaction.raw(evidence.record);
        self.is_long = raw.len() > FINDING_BYTES_MAX;
        self.raw.number("raw_data_size", evidence.record.raw().len());
        if !self.is_long {
            self.raw.bytes("raw_data", raw);
        }
        // What queues refuse is beyond ASCII, and so comes neither from such a record nor from what stands for its secrets.
        if evidence.record.is_plain() && evidence.enrichment.is_empty() {
            return;
        }
        for json in [&mut self.cloud, &mut self.event, &mut self.evidence, &mut self.raw] {
            escape_for_queues(&mut json.0, 0);
        }
    }

    /// Writes where the object lies, which is the same for all records of it.
    fn write_location(&mut self, place: Place<'_>) {
        let is_known = self.source == place.source && self.version.as_deref() == place.version;
        if !is_known {
            self.place.forget();
            write_place(place, &mut self.place);
            if let Some(version) = place.version {
                self.place.whole("version", version);
            }
            escape_for_queues(&mut self.place.0, 0);
            place.source.clone_into(&mut self.source);
            self.version = place.version.map(str::to_owned);
        }
        self.location.members(&self.place.0);
    }

    /// Where a record too long for a finding is to be found, and how to tell that it is the one.
    fn reference(&mut self, record: Record<'_>, place: Place<'_>) -> &[u8] {
        if !self.reference.0.is_empty() {
            return &self.reference.0;
        }
        let mut reference = Json::default();
        write_place(place, &mut reference);
        // Here a version that is not there is null.
        match place.version {
            Some(version) => reference.whole("version", version),
            None => reference.json("version", b"null"),
        }
        reference.number("index", record.index());
        reference.number("bytes", record.raw().len());
        reference.whole("sha256", &sha256(record.raw()));
        reference.close(0, *b"{}");
        self.reference.number("raw_data_size", record.raw().len());
        self.reference.bytes("raw_data", &reference.0);
        escape_for_queues(&mut self.reference.0, 0);
        &self.reference.0
    }

    fn forget(&mut self) {
        let Self {
            account,
            time,
            message,
            cloud,
            times,
            event,
            evidence,
            location,
            place: _,
            source: _,
            version: _,
            is_long: _,
            raw,
            reference,
        } = self;
        account.clear();
        message.clear();
        for json in [time, cloud, times, event, evidence, location, raw, reference] {
            json.forget();
        }
    }
}

/// Bucket and key are one text in `source`, so that a replayed copy of buckets names them like the service does.
fn write_place(place: Place<'_>, json: &mut Json) {
    let (bucket, key) = place.source.split_once('/').unwrap_or(("", place.source));
    json.whole("bucket", bucket);
    json.whole("key", key);
}

/// What a finding is about.
struct About<'a> {
    analytic: &'a Analytic,
    uid: &'a str,
    shared: &'a Shared,
    rule_set: &'a str,
    quieted: Option<Quieted<'a>>,
}

impl About<'_> {
    /// All members but the last two, which come to be other ones when the record is long. What is shared by findings and what a
    /// rule says in all of its are escaped for queues already.
    fn write_members(&self, json: &mut Json, message: &mut String) {
        let Self { analytic, uid, shared, rule_set, quieted } = self;
        let parts = analytic.rendered.get_or_render(analytic);
        json.members(&parts.head);
        json.status(quieted.is_some());
        json.members(&shared.time.0);
        message.clear();
        message.extend([&analytic.name, ": ", &shared.message]);
        let before = json.0.len();
        json.text("message", Some(message));
        escape_for_queues(&mut json.0, before);
        json.metadata(uid);
        json.members(&shared.cloud.0);
        json.object("finding_info", |json| {
            json.pieces("uid", &[uid]);
            json.members(&parts.title);
            json.members(&shared.times.0);
            json.members(&parts.analytic);
            json.list("related_events", |json| json.members(&shared.event.0));
        });
        json.members(&parts.remediation);
        json.members(&shared.evidence.0);
        json.object("unmapped", |json| {
            json.object("trailloop", |json| {
                json.object("location", |json| json.members(&shared.location.0));
                json.whole("rule_set", rule_set);
                json.members(&parts.rule);
                if let Some(Quieted { title, hash }) = quieted {
                    let before = json.0.len();
                    json.text("suppressed_by", Some(title));
                    json.whole("suppressed_by_hash", hash);
                    escape_for_queues(&mut json.0, before);
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use trailloop_cloudtrail::{Limits, RecordBuffer, Scratch, read_records};

    use super::*;
    use crate::Rendered;

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
            rendered: Rendered::default(),
        }
    }

    fn finding(json: &str) -> (Finding, Value) {
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
        let reference: Value = serde_json::from_str(body["raw_data"].as_str().unwrap()).unwrap();
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
    fn a_finding_is_the_same_however_its_record_was_read() {
        let enrichment = [("ip.city", "odd \u{ffff}".to_owned())];
        let plain =
            r#"{"eventName":"A","userAgent":"a","requestParameters":{"password":"CANARY"}}"#;
        for json in [
            plain,
            &plain.replace(":\"a\"", ":\"\u{ffff}\""),
            &plain.replace(":\"a\"", r#":"\uffff""#),
            r#"{"eventName":"A","requestParameters":"%EF%BF%BF%22password%22%3A1"}"#,
        ] {
            for enrichment in [&enrichment[..], &[]] {
                let place = Place { source: "b/k", version: None };
                let origin = Origin { place, rule_set: "", enrichment };
                let mut buffer = RecordBuffer::new();
                let alone = Record::parse(json.as_bytes(), &mut buffer).unwrap();
                let alone = Finding::new(&analytic(), alone, origin);
                let mut together = Vec::new();
                let (limits, scratch) = (Limits::default(), &mut Scratch::new());
                read_records(format!("[{json}]").as_bytes(), &limits, scratch, |record| {
                    assert_eq!(record.is_plain(), json.is_ascii() && !json.contains('\\'));
                    together.push(Finding::new(&analytic(), record, origin));
                });
                assert_eq!(together, std::slice::from_ref(&alone), "{json}");
                assert!(!alone.json.contains('\u{ffff}') && !alone.json.contains("CANARY"));
            }
        }
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
