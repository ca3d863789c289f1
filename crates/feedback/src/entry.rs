//! A finding as it is kept: who, what, where and when, its clocks, and the repeats that folded into it.
//!
//! The queue delivers a finding more than once and out of order, and several writers fold at once. So [`Entry::fold`] does not mind:
//! whatever the order, and however often, the same findings make the same entry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trailloop_finding::{Level, sha256};

use crate::level_name;
use crate::uids::Uids;

/// A longer text is cut: findings are clipped by whoever writes them, but what is kept is bounded by whoever keeps it.
const TEXT_BYTES_MAX: usize = 2048;

/// The most tactics of an entry; ATT&CK has fewer.
const TACTICS_MAX: usize = 16;

/// What kind of thing made a finding.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// A rule, of one record.
    #[default]
    Rule,
    /// A kept query, of rows.
    Query,
}

impl Made {
    /// The name, `rule` or `query`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Query => "query",
        }
    }
}

/// When what happened, in milliseconds of Unix time.
///
/// AWS takes minutes to write a file, so that lag (event to receipt) is told apart from ours (receipt to finding).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clocks {
    /// The call, by the record's `eventTime`.
    pub event_ms: Option<i64>,
    /// The object was written, by its `LastModified`.
    pub file_ms: Option<i64>,
    /// Its notification was received.
    pub received_ms: Option<i64>,
    /// The finding was made.
    pub finding_ms: Option<i64>,
    /// A run was planned.
    pub proposed_ms: Option<i64>,
    /// Somebody agreed to it.
    pub approved_ms: Option<i64>,
    /// Its first call was made.
    pub action_ms: Option<i64>,
    /// That call was seen in the trail.
    pub action_seen_ms: Option<i64>,
    /// It held.
    pub contained_ms: Option<i64>,
    /// Somebody judged.
    pub verdict_ms: Option<i64>,
}

impl Clocks {
    /// Takes the times of arrival from another reading of the same finding.
    fn unite_arrival(&mut self, other: &Self) {
        earliest(&mut self.event_ms, other.event_ms);
        earliest(&mut self.file_ms, other.file_ms);
        earliest(&mut self.received_ms, other.received_ms);
        earliest(&mut self.finding_ms, other.finding_ms);
    }

    /// Takes the times of what was done, which is done once for all that fold.
    fn unite_response(&mut self, other: &Self) {
        earliest(&mut self.proposed_ms, other.proposed_ms);
        earliest(&mut self.approved_ms, other.approved_ms);
        earliest(&mut self.action_ms, other.action_ms);
        earliest(&mut self.action_seen_ms, other.action_seen_ms);
        earliest(&mut self.contained_ms, other.contained_ms);
        earliest(&mut self.verdict_ms, other.verdict_ms);
    }
}

fn earliest(one: &mut Option<i64>, other: Option<i64>) {
    *one = one.iter().copied().chain(other).min();
}

/// A finding as it is kept. Its texts come from records, so who shows them escapes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The id of the first finding.
    pub uid: String,
    /// What made it.
    #[serde(default)]
    pub made: Made,
    /// The id of the rule or query.
    pub rule: String,
    /// The hash of what the rule says.
    #[serde(default)]
    pub rule_hash: Option<String>,
    /// The hash of the set of rules that were asked.
    #[serde(default)]
    pub rule_set: Option<String>,
    /// The greatest level of those that folded.
    #[serde(with = "level_name")]
    pub level: Level,
    /// The rule's title.
    #[serde(default)]
    pub title: String,
    /// The account it concerns.
    #[serde(default)]
    pub account: Option<String>,
    /// The region.
    #[serde(default)]
    pub region: Option<String>,
    /// The ARN of the caller.
    #[serde(default)]
    pub principal: Option<String>,
    /// Where the caller's credential came from. [`Entry::of`] takes what the record itself says; who knows the chain says better.
    #[serde(default)]
    pub lineage_root: Option<String>,
    /// The id of the access key.
    #[serde(default)]
    pub access_key: Option<String>,
    /// What was acted on.
    #[serde(default)]
    pub target: Option<String>,
    /// The address it came from, or the service that called.
    #[serde(default)]
    pub address: Option<String>,
    /// The call's service, such as `iam.amazonaws.com`.
    #[serde(default)]
    pub event_source: Option<String>,
    /// The call.
    #[serde(default)]
    pub event_name: Option<String>,
    /// Its tactics: ATT&CK's id and name.
    #[serde(default)]
    pub tactics: BTreeMap<String, String>,
    /// The filter that moved it down, if one did so with all that folded.
    #[serde(default)]
    pub suppressed_by: Option<String>,
    /// The event time of the first.
    pub first_ms: i64,
    /// The event time of the last.
    pub last_ms: i64,
    /// When what happened: arrival of the first finding, and the response to all.
    #[serde(default)]
    pub clocks: Clocks,
    /// The ids of all that folded, itself among them.
    #[serde(default)]
    pub folded: Uids,
}

/// A finding that can't be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the finding has no {0}")]
pub struct Unreadable(&'static str);

impl Entry {
    /// What a finding of ours says, as OCSF JSON.
    ///
    /// # Errors
    ///
    /// If it names neither itself nor what made it.
    pub fn of(finding: &Value) -> Result<Self, Unreadable> {
        let info = &finding["finding_info"];
        let ours = &finding["unmapped"]["trailloop"];
        let uid = text(&info["uid"]).ok_or(Unreadable("finding_info.uid"))?;
        let rule = text(&info["analytic"]["uid"]).ok_or(Unreadable("finding_info.analytic.uid"))?;
        let query = &ours["query"];
        let time = finding["time"].as_i64().unwrap_or_default();
        let evidence = &finding["evidences"][0];
        let (user, column) = (&evidence["actor"]["user"], &evidence["data"]);
        let session = &evidence["actor"]["session"];
        let source = &evidence["src_endpoint"];
        let principal = text(&user["uid"]).or_else(|| observable(finding, 10));
        let issuer = text(&session["issuer"]);
        let filter = text(&ours["suppressed_by"]);
        let is_suppressed = finding["status_id"] == 3;
        Ok(Self {
            made: if query.is_object() { Made::Query } else { Made::Rule },
            rule,
            rule_hash: text(&ours["rule"]["hash"]).or_else(|| text(&query["hash"])),
            rule_set: text(&ours["rule_set"]),
            level: level(&finding["severity_id"]),
            title: text(&info["title"]).unwrap_or_default(),
            account: text(&finding["cloud"]["account"]["uid"]),
            region: text(&finding["cloud"]["region"]),
            lineage_root: text(&column["lineage_root"])
                .or_else(|| text(&column["root_principal"]))
                .or_else(|| root(principal.as_deref(), issuer)),
            principal,
            access_key: text(&user["credential_uid"])
                .or_else(|| text(&column["accesskeyid"]))
                .or_else(|| text(&column["key_id"])),
            target: text(&finding["resources"][0]["uid"])
                .or_else(|| text(&column["target"]))
                .or_else(|| text(&column["resource"])),
            address: text(&source["ip"])
                .or_else(|| text(&source["svc_name"]))
                .or_else(|| observable(finding, 2)),
            event_source: text(&evidence["api"]["service"]["name"])
                .or_else(|| text(&column["eventsource"])),
            event_name: text(&evidence["api"]["operation"]).or_else(|| text(&column["eventname"])),
            tactics: tactics(&info["attacks"]),
            suppressed_by: filter.or_else(|| is_suppressed.then(|| "a filter".to_owned())),
            first_ms: time,
            last_ms: time,
            clocks: Clocks { event_ms: (time > 0).then_some(time), ..Clocks::default() },
            folded: [uid.as_str()].into_iter().collect(),
            uid,
        })
    }

    /// How many findings it stands for; of more than [`crate::UIDS_MAX`] about how many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.folded.count().max(1)
    }

    /// Whose credential it was: its root, else the caller.
    #[must_use]
    pub fn lineage(&self) -> Option<&str> {
        self.lineage_root.as_deref().or(self.principal.as_deref())
    }

    /// Whom it is about: whose credential it was, else the account.
    #[must_use]
    pub fn who(&self) -> Option<&str> {
        self.lineage().or(self.account.as_deref())
    }

    /// The key under which repeats fold: rule, root or caller, and target. Hex digits, whatever the record says.
    #[must_use]
    pub fn key(&self) -> String {
        let parts =
            [self.rule.as_str(), self.who().unwrap_or(""), self.target.as_deref().unwrap_or("")];
        // The lengths tell apart what a text with a separator in it would make the same.
        let lengths = parts.map(|part| part.len().to_string()).join(".");
        let mut key = sha256([&lengths, parts[0], parts[1], parts[2]].join("\0").as_bytes());
        key.truncate(32);
        key
    }

    /// Takes up a repeat; `false`, and nothing changes, if it is none.
    #[must_use]
    pub fn fold(&mut self, other: &Self) -> bool {
        if self.key() != other.key() {
            return false;
        }
        let is_same = (self.first_ms, &self.uid) == (other.first_ms, &other.uid);
        let (mut first, second) = match other.rank() < self.rank() {
            true => (other.clone(), &*self),
            false => (self.clone(), other),
        };
        if is_same {
            first.clocks.unite_arrival(&second.clocks);
        }
        first.clocks.unite_response(&second.clocks);
        first.level = first.level.max(second.level);
        first.last_ms = first.last_ms.max(second.last_ms);
        first.folded.unite(&second.folded);
        for (uid, name) in &second.tactics {
            let kept = first.tactics.entry(uid.clone()).or_insert_with(|| name.clone());
            if name < kept {
                kept.clone_from(name);
            }
        }
        while first.tactics.len() > TACTICS_MAX {
            first.tactics.pop_last();
        }
        // What one of them does not hide is not hidden.
        first.suppressed_by = match (first.suppressed_by.take(), &second.suppressed_by) {
            // Nor what two filters hide: once one of them is void, nobody knows what the other hides.
            (Some(one), Some(other)) if one == *other => Some(one),
            _ => None,
        };
        *self = first;
        true
    }

    /// What decides which of two is the first; two readings of one finding may differ in what enrichment said.
    fn rank(&self) -> impl Ord + '_ {
        let texts = [
            &self.rule_hash,
            &self.rule_set,
            &self.account,
            &self.region,
            &self.principal,
            &self.lineage_root,
            &self.access_key,
            &self.target,
            &self.address,
            &self.event_source,
            &self.event_name,
        ];
        (self.first_ms, &self.uid, self.made, &self.title, texts)
    }
}

/// A text that is there and not empty, at most so long.
fn text(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    Some(clip(text).to_owned())
}

/// The beginning of a text, of whole characters.
pub(crate) fn clip(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The first observable of this type.
fn observable(finding: &Value, type_id: u64) -> Option<String> {
    let observables = finding["observables"].as_array()?;
    let is_it = |one: &&Value| one["type_id"].as_u64() == Some(type_id);
    observables.iter().find(is_it).and_then(|one| text(&one["value"]))
}

/// The level of a severity; what names none is looked at as most are.
fn level(severity: &Value) -> Level {
    let of = |level: &Level| severity.as_u64() == Some(u64::from(level.severity_id()));
    Level::ALL.into_iter().find(of).unwrap_or(Level::Medium)
}

/// Where a credential came from, as far as one record says: of a session the role or user that issued it. A session of
/// Identity Center is a person, and the role is everybody's.
fn root(principal: Option<&str>, issuer: Option<String>) -> Option<String> {
    let is_person = principal.is_some_and(|arn| arn.contains(":assumed-role/AWSReservedSSO_"));
    let own = principal.map(str::to_owned);
    if is_person { own } else { issuer.or(own) }
}

/// The tactics, by their ids.
fn tactics(attacks: &Value) -> BTreeMap<String, String> {
    let attacks = attacks.as_array().map(Vec::as_slice).unwrap_or_default();
    let tactic = |attack: &Value| {
        let tactic = &attack["tactic"];
        Some((text(&tactic["uid"])?, text(&tactic["name"]).unwrap_or_default()))
    };
    attacks.iter().filter_map(tactic).take(TACTICS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_rule() -> Value {
        finding_of(include_str!(
            "../../finding/src/snapshots/trailloop_finding__ocsf__tests__a_finding_in_full.snap"
        ))
    }

    fn finding_of(snapshot: &str) -> Value {
        let body = snapshot.splitn(3, "---\n").nth(2).unwrap();
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn a_finding_of_a_rule_is_read() {
        let entry = Entry::of(&of_rule()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&entry).unwrap());
        let kept = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&kept).unwrap(), entry);
    }

    #[test]
    fn a_finding_of_a_query_is_read() {
        let finding = finding_of(include_str!(
            "../../finding/src/snapshots/trailloop_finding__row__tests__a_finding_of_a_row_in_full.snap"
        ));
        let entry = Entry::of(&finding).unwrap();
        assert_eq!((entry.made, entry.rule.as_str()), (Made::Query, "console-login-new-country"));
        assert_eq!(entry.who(), Some("arn:aws:iam::111122223333:user/ana"));
        assert_eq!(entry.address.as_deref(), Some("203.0.113.77"));
        assert_eq!(entry.rule_hash.as_deref(), Some("5e7"));
    }

    #[test]
    fn sessions_of_a_role_are_one_and_those_of_people_are_not() {
        let with = |arn: &str, issuer: &str| {
            let mut finding = of_rule();
            finding["evidences"][0]["actor"]["user"]["uid"] = arn.into();
            finding["evidences"][0]["actor"]["session"]["issuer"] = issuer.into();
            Entry::of(&finding).unwrap()
        };
        let role = "arn:aws:iam::111122223333:role/app";
        let one = with("arn:aws:sts::111122223333:assumed-role/app/i-1", role);
        let two = with("arn:aws:sts::111122223333:assumed-role/app/i-2", role);
        assert_eq!(one.who(), Some(role));
        assert_eq!(one.key(), two.key());
        let person = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0/ana";
        assert_eq!(with(person, role).who(), Some(person));
    }

    #[test]
    fn what_is_no_finding_is_refused_and_odd_ones_are_read() {
        assert_eq!(Entry::of(&Value::Null), Err(Unreadable("finding_info.uid")));
        let odd = serde_json::json!({
            "finding_info": {"uid": "u", "analytic": {"uid": "é".repeat(5_000)}, "attacks": {"a": 1}},
            "severity_id": "high", "time": "now", "evidences": {}, "resources": [7], "status_id": 3,
        });
        let entry = Entry::of(&odd).unwrap();
        assert_eq!((entry.level, entry.first_ms, entry.rule.len()), (Level::Medium, 0, 2_048));
        assert_eq!(entry.suppressed_by.as_deref(), Some("a filter"));
        assert_eq!(entry.clocks, Clocks::default());
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let clocks = || prop::option::of(0..5_i64);
        let suppressed = prop::option::of(prop::sample::select(vec!["f1", "f2"]));
        let level = prop::sample::select(Level::ALL.to_vec());
        (0..6_u8, 0..3_i64, clocks(), clocks(), suppressed, level).prop_map(
            |(uid, time, received_ms, verdict_ms, suppressed, level)| {
                let mut entry = Entry::of(&of_rule()).unwrap();
                entry.uid = uid.to_string();
                entry.folded = [entry.uid.as_str()].into_iter().collect();
                (entry.first_ms, entry.last_ms) = (time, time);
                entry.clocks = Clocks { received_ms, verdict_ms, ..Clocks::default() };
                entry.suppressed_by = suppressed.map(str::to_owned);
                entry.level = level;
                entry.tactics = [(format!("TA000{uid}"), time.to_string())].into();
                entry.region = (time > 1).then(|| "eu-west-1".to_owned());
                entry
            },
        )
    }

    fn folded<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Option<Entry> {
        let mut entries = entries.into_iter();
        let mut first = entries.next()?.clone();
        for entry in entries {
            assert!(first.fold(entry));
        }
        Some(first)
    }

    proptest! {
        #[test]
        fn folding_minds_neither_order_nor_repeats(entries in prop::collection::vec(entry(), 1..8)) {
            let once = folded(&entries);
            prop_assert_eq!(&folded(entries.iter().rev()), &once);
            prop_assert_eq!(&folded(entries.iter().chain(&entries)), &once);
            // By halves, as two writers would.
            let (left, right) = entries.split_at(entries.len() / 2);
            let halves: Vec<Entry> = [folded(left), folded(right)].into_iter().flatten().collect();
            prop_assert_eq!(&folded(&halves), &once);
        }

        #[test]
        fn what_is_kept_is_read_whatever_stands_in_it(odd: String, number: i64) {
            let mut finding = of_rule();
            finding["finding_info"]["uid"] = odd.clone().into();
            finding["finding_info"]["title"] = odd.clone().into();
            finding["resources"][0]["uid"] = odd.into();
            finding["time"] = number.into();
            if let Ok(entry) = Entry::of(&finding) {
                let kept = serde_json::to_string(&entry).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Entry>(&kept).unwrap(), &entry);
                prop_assert_eq!(entry.key().len(), 32);
            }
        }
    }
}
