//! What a rule says in each of its findings, as JSON that is written once.

use std::sync::OnceLock;

use crate::analytic::{Analytic, Level};
use crate::attack::{tactic_of, technique_number};
use crate::evidence::LIST_MAX;
use crate::json::Json;
use crate::text::escape_for_queues;

/// The rule's own members of a finding, written when it first makes one. Whoever changes the rule after that has to put
/// an empty one in its place. It takes no part in comparisons, because all that it holds the rule says.
#[derive(Clone, Debug, Default)]
pub struct Rendered(OnceLock<Box<Parts>>);

impl PartialEq for Rendered {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Rendered {}

impl Rendered {
    #[inline]
    pub(crate) fn get_or_render(&self, analytic: &Analytic) -> &Parts {
        self.0.get_or_init(|| Box::new(Parts::of(analytic)))
    }
}

/// The first members of every finding.
pub(crate) const HEAD: &[u8] = br#","activity_id":1,"activity_name":"Create","category_uid":2,"category_name":"Findings","class_uid":2004,"class_name":"Detection Finding","type_uid":200401,"type_name":"Detection Finding: Create""#;

/// The first members of every finding's `metadata`.
const METADATA: &[u8] = br#","version":"1.5.0","product":{"name":"Trailloop","vendor_name":"Trailloop"},"profiles":["cloud"]"#;

impl Json {
    /// How much a finding matters.
    pub(crate) fn severity(&mut self, level: Level) {
        self.number("severity_id", level.severity_id());
        self.text("severity", Some(level.severity()));
    }

    /// What made a finding, and the finding's id.
    pub(crate) fn metadata(&mut self, uid: &str) {
        self.object("metadata", |json| {
            json.members(METADATA);
            json.pieces("uid", &[uid]);
        });
    }

    /// That nobody has looked at a finding yet, or that nobody need be called to.
    pub(crate) fn status(&mut self, is_quieted: bool) {
        self.members(match is_quieted {
            false => br#","status_id":1,"status":"New","is_alert":true"#,
            true => br#","status_id":3,"status":"Suppressed","is_alert":false"#,
        });
    }
}

/// Members of a finding, in the order in which they stand there.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The first members of all.
    pub(crate) head: Box<[u8]>,
    /// Members of `finding_info`: `title` and `desc`.
    pub(crate) title: Box<[u8]>,
    /// Members of `finding_info`: `analytic` and `attacks`.
    pub(crate) analytic: Box<[u8]>,
    /// The member `remediation`; nothing if the rule has none.
    pub(crate) remediation: Box<[u8]>,
    /// The member `rule` of what OCSF has no place for.
    pub(crate) rule: Box<[u8]>,
}

impl Parts {
    fn of(analytic: &Analytic) -> Self {
        let part = |write: &dyn Fn(&mut Json)| {
            let mut json = Json::default();
            write(&mut json);
            escape_for_queues(&mut json.0, 0);
            json.0.into_boxed_slice()
        };
        Self {
            head: part(&|json| {
                json.members(HEAD);
                json.severity(analytic.level);
            }),
            title: part(&|json| {
                json.text("title", Some(&analytic.name));
                json.text("desc", analytic.description.as_deref());
            }),
            analytic: part(&|json| {
                json.object("analytic", |json| {
                    json.members(br#","type_id":1,"type":"Rule""#);
                    json.whole("uid", &analytic.uid);
                    json.text("name", Some(&analytic.name));
                });
                write_attacks(&analytic.tags, json);
            }),
            remediation: part(&|json| {
                json.object("remediation", |json| json.text("desc", analytic.runbook.as_deref()));
            }),
            rule: part(&|json| json.object("rule", |json| write_rule(analytic, json))),
        }
    }
}

/// What the rule says beside what OCSF has a place for.
fn write_rule(analytic: &Analytic, json: &mut Json) {
    json.whole("hash", &analytic.hash);
    json.text("author", analytic.author.as_deref());
    json.text("status", analytic.status.as_deref());
    json.text("license", analytic.license.as_deref());
    let lists = [
        ("tags", &analytic.tags),
        ("references", &analytic.references),
        ("falsepositives", &analytic.falsepositives),
    ];
    for (key, texts) in lists {
        json.list(key, |json| {
            for text in texts.iter().take(LIST_MAX) {
                json.text_element(text);
            }
        });
    }
}

/// Techniques and tactics of the rule's tags. A technique belongs to the tactic when the rule names just one.
pub(crate) fn write_attacks(tags: &[String], json: &mut Json) {
    let tactics = || tags.iter().filter_map(|tag| tactic_of(tag));
    let techniques = || tags.iter().filter_map(|tag| technique_number(tag)).take(LIST_MAX);
    let mut first = tactics();
    let only = first.next().filter(|_| first.next().is_none() && techniques().next().is_some());
    let write_tactic = |(uid, name): (&str, &str), json: &mut Json| {
        json.object("tactic", |json| {
            json.text("uid", Some(uid));
            json.text("name", Some(name));
        });
    };
    json.list("attacks", |json| {
        for number in techniques() {
            json.element(|json| {
                let technique = number.split('.').next().unwrap_or_default();
                json.object("technique", |json| json.pieces("uid", &["T", technique]));
                if number.contains('.') {
                    json.object("sub_technique", |json| json.pieces("uid", &["T", number]));
                }
                if let Some(tactic) = only {
                    write_tactic(tactic, json);
                }
            });
        }
        for tactic in tactics().filter(|_| only.is_none()) {
            json.element(|json| write_tactic(tactic, json));
        }
    });
}
