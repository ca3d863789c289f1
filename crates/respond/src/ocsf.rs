//! What we tell other tools in OCSF 1.5: what a run did, what a verdict was, and what we found about ourselves.
//!
//! A run is a Remediation Activity (class 7001, <https://schema.ocsf.io/1.5.0/classes/remediation_activity>); a verdict updates the
//! Detection Finding (2004) it was given on; a forged finding, a responder role in other hands and a containment that failed are
//! Detection Findings of our own. Ids are made of what a message is about, so one that is sent twice is known to be the same.

use serde_json::{Map, Value, json};
use trailloop_finding::{Level, sha256};

use crate::alert::escape;

pub use trailloop_feedback::Judgement as Verdict;

/// D3FEND's tactics, as far as OCSF has them for remediations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tactic {
    /// A barrier: a policy of the organization, a closed group.
    Isolate,
    /// The intruder is put out: a key is made inactive, sessions are denied.
    Evict,
    /// What was changed is put back.
    Restore,
    /// It is made harder for the next one.
    Harden,
    /// None of these: evidence was kept, somebody was told.
    Other,
}

impl Tactic {
    fn ocsf(self) -> (u8, &'static str) {
        match self {
            Self::Isolate => (1, "Isolate"),
            Self::Evict => (2, "Evict"),
            Self::Restore => (3, "Restore"),
            Self::Harden => (4, "Harden"),
            Self::Other => (99, "Other"),
        }
    }
}

/// How a run ended, as OCSF tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its effect was verified.
    Success,
    /// Its effect is not there.
    Failure,
    /// There was nothing to act on.
    DoesNotExist,
    /// Some of its steps have their effect.
    Partial,
    /// A guard refused, or nobody agreed.
    Unsupported,
    /// It ended by an error of its own.
    Error,
}

impl Status {
    fn ocsf(self) -> (u8, &'static str) {
        match self {
            Self::Success => (1, "Success"),
            Self::Failure => (2, "Failure"),
            Self::DoesNotExist => (3, "Does Not Exist"),
            Self::Partial => (4, "Partial"),
            Self::Unsupported => (5, "Unsupported"),
            Self::Error => (6, "Error"),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The run's id.
    pub run: String,
    /// The finding it answers.
    pub finding: String,
    /// The runbook, as `id@version`.
    pub runbook: String,
    /// The runbook's hash.
    pub runbook_sha256: String,
    /// The account it acted in.
    pub account: String,
    /// The region.
    pub region: String,
    /// The finding's severity.
    pub severity: Level,
    /// When it ended, in milliseconds of Unix time.
    pub time_ms: i64,
    /// What it is.
    pub tactic: Tactic,
    /// How it ended.
    pub status: Status,
    /// What happened, in a sentence: `contained in 41 s, verified by explicit deny`.
    pub message: String,
    /// What was done, in a sentence.
    pub done: String,
    /// D3FEND techniques: ids such as `D3-CR`.
    pub countermeasures: Vec<String>,
    /// The calls that changed something: the API as `iam:UpdateAccessKey` and its request id.
    pub calls: Vec<(String, Option<String>)>,
    /// Whether it is about the undoing of the run.
    pub is_undo: bool,
}

/// The Remediation Activity of a run.
#[must_use]
pub fn remediation(outcome: &Outcome) -> Value {
    let (activity_id, activity) =
        if outcome.is_undo { Tactic::Restore } else { outcome.tactic }.ocsf();
    let (status_id, status) = outcome.status.ocsf();
    let uid = id(&["remediation", &outcome.run, status, if outcome.is_undo { "undo" } else { "" }]);
    let countermeasures: Vec<Value> = (outcome.countermeasures.iter())
        .map(|technique| json!({"d3f_technique": {"uid": text(technique)}}))
        .collect();
    let calls: Vec<Value> = (outcome.calls.iter())
        .map(|(api, request)| json!({"api": text(api), "request_id": request.as_deref().map(text)}))
        .collect();
    let mut message = json!({
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": 7,
        "category_name": "Remediation",
        "class_uid": 7001,
        "class_name": "Remediation Activity",
        "type_uid": 700_100 + u32::from(activity_id),
        "type_name": format!("Remediation Activity: {activity}"),
        "severity_id": outcome.severity.severity_id(),
        "severity": outcome.severity.severity(),
        "status_id": status_id,
        "status": status,
        "time": outcome.time_ms,
        "message": text(&outcome.message),
        "command_uid": text(&outcome.run),
        "metadata": metadata(&uid, &["cloud"]),
        "cloud": cloud(&outcome.account, &outcome.region),
        "remediation": {"desc": text(&outcome.done)},
        "unmapped": {"trailloop": {
            "finding": text(&outcome.finding),
            "runbook": text(&outcome.runbook),
            "runbook_sha256": text(&outcome.runbook_sha256),
            "undo": outcome.is_undo,
            "calls": calls,
        }},
    });
    if !countermeasures.is_empty() {
        message["countermeasures"] = json!(countermeasures);
    }
    message
}

/// A finding with a verdict: the same finding, updated. The record itself is left out; the first message of the finding has it.
///
/// `None` if the finding is not a Detection Finding with an id.
#[must_use]
pub fn with_verdict(
    finding: &Value,
    verdict: Verdict,
    by: &str,
    reason: &str,
    now_ms: i64,
) -> Option<Value> {
    let uid = finding.get("finding_info")?.get("uid")?.as_str()?.to_owned();
    if finding.get("class_uid")?.as_u64() != Some(2004) {
        return None;
    }
    let mut updated: Map<String, Value> = finding.as_object()?.clone();
    updated.shift_remove("raw_data");
    updated.shift_remove("raw_data_size");
    let (verdict_id, caption) = verdict.ocsf();
    let (status_id, status) = match verdict {
        Verdict::Inconclusive => (2, "In Progress"),
        _ => (4, "Resolved"),
    };
    let version = id(&["verdict", &uid, verdict.name(), &now_ms.to_string()]);
    for (key, value) in [
        ("activity_id", json!(2)),
        ("activity_name", json!("Update")),
        ("type_uid", json!(200_402)),
        ("type_name", json!("Detection Finding: Update")),
        ("status_id", json!(status_id)),
        ("status", json!(status)),
        ("is_alert", json!(false)),
        ("time", json!(now_ms)),
        ("verdict_id", json!(verdict_id)),
        ("verdict", json!(caption)),
        ("comment", json!(text(reason))),
        ("metadata", metadata(&version, &["cloud", "incident"])),
    ] {
        updated.insert(key.to_owned(), value);
    }
    if let Some(info) = updated.get_mut("finding_info").and_then(Value::as_object_mut) {
        info.insert("modified_time".to_owned(), json!(now_ms));
    }
    let unmapped = updated.entry("unmapped").or_insert_with(|| json!({}));
    if let Some(ours) = unmapped.as_object_mut() {
        let ours = ours.entry("trailloop").or_insert_with(|| json!({}));
        if let Some(ours) = ours.as_object_mut() {
            ours.insert(
                "verdict".to_owned(),
                json!({"verdict": verdict.name(), "by": text(by), "reason": text(reason)}),
            );
        }
    }
    Some(Value::Object(updated))
}

/// What we find about ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// A message on the action queue is not what its record and rule say.
    ForgedFinding,
    /// The responder role was used by a call that is not in the ledger.
    ResponderImpersonated,
    /// The intruder's calls went on after the containment, or it could not be done.
    ContainmentFailed,
    /// A synthetic event was not found in time.
    CanaryMissed,
    /// A rule that found something regularly does so no more.
    RuleSilent,
}

impl Own {
    /// The id of the analytic, such as `trailloop.forged_finding`.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::ForgedFinding => "trailloop.forged_finding",
            Self::ResponderImpersonated => "trailloop.responder_impersonated",
            Self::ContainmentFailed => "trailloop.containment_failed",
            Self::CanaryMissed => "trailloop.canary_missed",
            Self::RuleSilent => "trailloop.rule_silent",
        }
    }

    /// How grave it is: silence may have a harmless cause, the others have none.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::RuleSilent => Level::High,
            _ => Level::Critical,
        }
    }

    /// Its title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::ForgedFinding => "A finding on the action queue is not what its record says",
            Self::ResponderImpersonated => "The responder role was used without a ledger entry",
            Self::ContainmentFailed => "A containment does not hold",
            Self::CanaryMissed => "A canary was not found in time",
            Self::RuleSilent => "A rule has gone silent",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::ForgedFinding => {
                "Find who may send to the action queue, and who did: SendMessage in its data events. Nothing was done about the finding."
            }
            Self::ResponderImpersonated => {
                "Find who assumed the responder role (AssumeRole on its ARN), revoke its sessions, and switch the responder off until it is known."
            }
            Self::CanaryMissed => {
                "An attack would not be found either, or as late: look at the stream's queue and its log, at the rule, and at the right to write where canaries are delivered."
            }
            Self::RuleSilent => {
                "Ask the archive whether the calls still happen: if so, the rule, a filter or the index of rules is broken; if not, see whether the trail still records them and delivers from that account and region. Where they have ended, nothing is to be done."
            }
            Self::ContainmentFailed => {
                "Take over by hand: see the run's ledger for what was done, and the calls that went on for what was not."
            }
        }
    }
}

/// A finding of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFinding {
    /// What it is.
    pub own: Own,
    /// What makes it this one and no other: the hash of the forged message, the call's event id, the run's id.
    pub about: String,
    /// What was seen, in a sentence.
    pub message: String,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// When it happened, in milliseconds of Unix time.
    pub time_ms: i64,
    /// What it is about, as an ARN, if it is known.
    pub resource: Option<String>,
    /// Facts for whoever looks: names, and values in text.
    pub facts: Vec<(String, String)>,
}

impl OwnFinding {
    /// Its id, made as those of rules are: rule, zero, event.
    #[must_use]
    pub fn uid(&self) -> String {
        id(&[self.own.rule(), &self.about])
    }

    /// The Detection Finding.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let uid = self.uid();
        let mut facts = Map::new();
        for (name, value) in self.facts.iter().take(FACTS_MAX) {
            facts.insert(text(name), json!(text(value)));
        }
        let mut finding = json!({
            "activity_id": 1,
            "activity_name": "Create",
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": 2004,
            "class_name": "Detection Finding",
            "type_uid": 200_401,
            "type_name": "Detection Finding: Create",
            "severity_id": self.own.level().severity_id(),
            "severity": self.own.level().severity(),
            "status_id": 1,
            "status": "New",
            "is_alert": true,
            "time": self.time_ms,
            "message": text(&format!("{}: {}", self.own.title(), self.message)),
            "metadata": metadata(&uid, &["cloud"]),
            "cloud": cloud(&self.account, &self.region),
            "finding_info": {
                "uid": uid,
                "title": self.own.title(),
                "desc": text(&self.message),
                "created_time": self.time_ms,
                "first_seen_time": self.time_ms,
                "last_seen_time": self.time_ms,
                "analytic": {"type_id": 1, "type": "Rule", "uid": self.own.rule(), "name": self.own.title()},
            },
            "remediation": {"desc": self.own.remedy()},
            "evidences": [{"data": facts}],
        });
        if let Some(resource) = &self.resource {
            finding["resources"] = json!([{"uid": text(resource)}]);
        }
        finding
    }
}

const TEXT_CHARS_MAX: usize = 2_048;
const FACTS_MAX: usize = 50;

fn text(text: &str) -> String {
    escape::line(text, TEXT_CHARS_MAX)
}

fn metadata(uid: &str, profiles: &[&str]) -> Value {
    json!({
        "version": "1.5.0",
        "product": {"name": "Trailloop", "vendor_name": "Trailloop"},
        "profiles": profiles,
        "uid": uid,
    })
}

fn cloud(account: &str, region: &str) -> Value {
    let mut cloud = json!({"provider": "AWS"});
    if !region.is_empty() {
        cloud["region"] = json!(text(region));
    }
    if !account.is_empty() {
        cloud["account"] = json!({"uid": text(account)});
    }
    cloud
}

/// The first 32 hexadecimal digits of the SHA-256 of the parts with zeros between them.
fn id(parts: &[&str]) -> String {
    let mut id = sha256(parts.join("\0").as_bytes());
    id.truncate(32);
    id
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::alert::hostile;

    const REQUIRED: &str = include_str!("../../../fixtures/ocsf/required.json");

    /// The values at a path; `[]` is each element of a list.
    fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
        path.split('.').fold(vec![value], |values, name| {
            let (name, is_list) = match name.strip_suffix("[]") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let values = values.into_iter().filter_map(|value| value.get(name));
            if is_list {
                values.flat_map(|value| value.as_array().unwrap()).collect()
            } else {
                values.collect()
            }
        })
    }

    /// Whether the message has what `fixtures/*/required.json` says of its kind.
    pub(crate) fn assert_required(rules: &Value, message: &Value) {
        let names = |value: &Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        for path in names(&rules["required"]) {
            let values = at(message, &path);
            assert!(!values.is_empty() && !values[0].is_null(), "{path} is missing");
            assert!(values.iter().all(|value| value.as_str() != Some("")), "{path} is empty");
        }
        for (path, members) in rules["required_if_present"].as_object().unwrap() {
            for value in at(message, path) {
                for member in names(members) {
                    assert!(!value[&member].is_null(), "{path}.{member} is missing");
                }
            }
        }
        for (path, members) in rules["at_least_one"].as_object().unwrap() {
            for value in at(message, path) {
                let has = names(members).iter().any(|member| !value[member].is_null());
                assert!(has, "{path} has none of {members}");
            }
        }
        for kind in ["equals", "one_of"] {
            for (path, values) in rules[kind].as_object().unwrap() {
                for value in at(message, path) {
                    assert!(values.as_array().unwrap().contains(value), "{path} is {value}");
                }
            }
        }
    }

    fn assert_ocsf(message: &Value) {
        let rules: Value = serde_json::from_str(REQUIRED).unwrap();
        let class = message["class_uid"].as_u64().unwrap();
        assert_required(&rules[class.to_string()], message);
        let activity = message["activity_id"].as_u64().unwrap();
        assert_eq!(message["type_uid"].as_u64(), Some(class * 100 + activity));
    }

    fn outcome(text: &str) -> Outcome {
        Outcome {
            run: text.to_owned(),
            finding: text.to_owned(),
            runbook: text.to_owned(),
            runbook_sha256: text.to_owned(),
            account: text.to_owned(),
            region: text.to_owned(),
            severity: Level::High,
            time_ms: 1_795_510_800_000,
            tactic: Tactic::Evict,
            status: Status::Success,
            message: text.to_owned(),
            done: text.to_owned(),
            countermeasures: vec![text.to_owned()],
            calls: vec![(text.to_owned(), Some(text.to_owned()))],
            is_undo: false,
        }
    }

    #[test]
    fn a_run_is_a_remediation_activity() {
        let done = Outcome {
            run: "0f09babfb92e5b61295388ad84950d61".into(),
            finding: "8389544728669dc9116058ae78dfb033".into(),
            runbook: "contain-iam-user-key@3".into(),
            account: "111122223333".into(),
            region: "us-east-1".into(),
            message: "contained in 41 s, verified by explicit deny".into(),
            done: "the key is inactive, derived tokens are denied".into(),
            countermeasures: vec!["D3-CR".into()],
            calls: vec![("iam:UpdateAccessKey".into(), Some("r-1".into()))],
            ..outcome("")
        };
        let message = remediation(&done);
        assert_ocsf(&message);
        insta::assert_snapshot!(serde_json::to_string_pretty(&message).unwrap());
        assert_eq!(message, remediation(&done), "the id is the same");
        let undone = remediation(&Outcome { is_undo: true, ..done });
        assert_eq!(undone["type_uid"], 700_103);
        assert_ne!(undone["metadata"]["uid"], message["metadata"]["uid"]);
    }

    #[test]
    fn every_way_to_end_is_told() {
        use {Status as S, Tactic as T};
        for tactic in [T::Isolate, T::Evict, T::Restore, T::Harden, T::Other] {
            for status in
                [S::Success, S::Failure, S::DoesNotExist, S::Partial, S::Unsupported, S::Error]
            {
                assert_ocsf(&remediation(&Outcome { tactic, status, ..outcome("x") }));
            }
        }
    }

    #[test]
    fn hostile_texts_stay_texts() {
        for hostile in hostile::texts() {
            let own = OwnFinding {
                own: Own::ForgedFinding,
                about: hostile.clone(),
                message: hostile.clone(),
                account: hostile.clone(),
                region: hostile.clone(),
                time_ms: 0,
                resource: Some(hostile.clone()),
                facts: vec![(hostile.clone(), hostile.clone()); 100],
            };
            for message in [remediation(&outcome(&hostile)), own.to_json()] {
                assert_ocsf(&message);
                let json = message.to_string();
                assert!(json.len() < 100_000);
                assert!(!json.contains(r"\u001b") && !json.contains('\u{202e}'), "{json}");
            }
        }
    }

    #[test]
    fn a_verdict_updates_the_finding_it_is_of() {
        let own = own_finding(Own::ContainmentFailed);
        let mut finding = own.to_json();
        finding["raw_data"] = json!("{}");
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::parse(verdict.name()), Some(verdict));
            let updated = with_verdict(&finding, verdict, "ada", "approved_change", 7).unwrap();
            assert_ocsf(&updated);
            assert_eq!(updated["type_uid"], 200_402);
            assert_eq!(updated["finding_info"]["uid"], finding["finding_info"]["uid"]);
            assert_ne!(updated["metadata"]["uid"], finding["metadata"]["uid"]);
            assert_eq!(updated["verdict_id"], verdict.ocsf().0);
            assert_eq!(updated["unmapped"]["trailloop"]["verdict"]["by"], "ada");
            assert!(updated.get("raw_data").is_none());
        }
        for json in [json!(null), json!({}), json!({"class_uid": 2004, "finding_info": {}})] {
            assert_eq!(with_verdict(&json, Verdict::Test, "ada", "", 0), None);
        }
    }

    fn own_finding(own: Own) -> OwnFinding {
        OwnFinding {
            own,
            about: "0f09babfb92e5b61295388ad84950d61".into(),
            message: "ListBuckets succeeded 140 s after the key was made inactive".into(),
            account: "111122223333".into(),
            region: "us-east-1".into(),
            time_ms: 1_795_510_800_000,
            resource: Some("arn:aws:iam::111122223333:user/bob".into()),
            facts: vec![("event".into(), "e-1".into())],
        }
    }

    #[test]
    fn our_own_findings_are_grave_and_known_again() {
        let mut ids = Vec::new();
        use Own::{
            CanaryMissed, ContainmentFailed, ForgedFinding, ResponderImpersonated, RuleSilent,
        };
        for own in
            [ForgedFinding, ResponderImpersonated, ContainmentFailed, CanaryMissed, RuleSilent]
        {
            let finding = own_finding(own);
            let json = finding.to_json();
            assert_ocsf(&json);
            assert_eq!(json["severity"], if own == RuleSilent { "High" } else { "Critical" });
            ids.push(finding.uid());
        }
        // printf 'trailloop.forged_finding\0000f09babfb92e5b61295388ad84950d61' | sha256sum
        assert_eq!(ids[0], "60a063bc7030d4ed6164a33a4ac0f8da");
        ids.dedup();
        assert_eq!(ids.len(), 5);
        insta::assert_snapshot!(
            serde_json::to_string_pretty(&own_finding(Own::ForgedFinding).to_json()).unwrap()
        );
    }
}
