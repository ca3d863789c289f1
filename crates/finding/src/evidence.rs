//! What a finding says of its record: the same in the findings of all rules that match it.

use std::net::IpAddr;

use trailloop_cloudtrail::{Kind, Position, Record};

use crate::fields::{Fields, member};
use crate::json::Json;
use crate::redact::Redaction;
use crate::text::clip;
use crate::time::milliseconds;

/// The most resources, references and the like that a finding lists; `raw_data` has them all.
pub(crate) const LIST_MAX: usize = 16;

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
const ENRICHED_REGION: [&str; 1] = ["environment.region"];

/// A record as it may be shown, with what enrichment says of it. Every text comes through the redaction.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub(crate) record: Record<'a>,
    pub(crate) fields: &'a Fields,
    pub(crate) redaction: &'a Redaction,
    pub(crate) enrichment: &'a [(&'static str, String)],
    /// The caller's address, if it is one.
    address: Option<&'a str>,
}

impl<'a> Evidence<'a> {
    pub(crate) fn new(
        record: Record<'a>,
        fields: &'a Fields,
        redaction: &'a Redaction,
        enrichment: &'a [(&'static str, String)],
    ) -> Self {
        let mut evidence = Self { record, fields, redaction, enrichment, address: None };
        let address = evidence.text(fields.source_ip_address);
        // The field also holds service names and `AWS Internal`.
        evidence.address = address.filter(|text| text.parse::<IpAddr>().is_ok());
        evidence
    }

    /// The eventTime in Unix milliseconds; 0 when the record has none that can be read.
    pub(crate) fn time(self) -> i64 {
        let time = self.fields.event_time;
        time.and_then(|at| self.redaction.text(self.record, at)).and_then(milliseconds).unwrap_or(0)
    }

    /// The account that the record concerns.
    pub(crate) fn account(self) -> Option<&'a str> {
        let account = self.text(self.fields.recipient_account_id);
        account.or_else(|| self.text(self.fields.identity.account_id))
    }

    /// Who called what from where, in one sentence that goes on after the name of the rule.
    pub(crate) fn write_message(self, out: &mut String) {
        out.push_str(&clip(self.text(self.fields.event_name).unwrap_or("an unnamed event")));
        out.push_str(" by ");
        out.push_str(&clip(self.actor_name()));
        if let Some(address) = self.text(self.fields.source_ip_address) {
            out.push_str(" from ");
            out.push_str(&clip(address));
        }
        if let Some(error) = self.text(self.fields.error_code) {
            out.push_str(", refused with ");
            out.push_str(&clip(error));
        }
    }

    pub(crate) fn write_cloud(self, json: &mut Json) {
        json.object("cloud", |json| {
            json.members(br#","provider":"AWS""#);
            json.text("region", self.text(self.fields.aws_region));
            json.object("account", |json| json.text("uid", self.account()));
        });
    }

    /// What the record says was acted on.
    pub(crate) fn write_resources(self, json: &mut Json) {
        let resources = self.fields.resources.map(|at| self.record.value_at(at).kind());
        let Some(Kind::Array(resources)) = resources else { return };
        json.list("resources", |json| {
            let mut written = 0;
            for at in resources.filter_map(|resource| resource.position()) {
                let text = |key| self.redaction.text(self.record, member(self.record, at, key)?);
                let is_written = json.element(|json| {
                    json.text("uid", text("ARN").or_else(|| text("arn")));
                    json.text("type", text("type"));
                    json.object("owner", |json| {
                        json.object("account", |json| json.text("uid", text("accountId")));
                    });
                });
                written += usize::from(is_written);
                if written == LIST_MAX {
                    break;
                }
            }
        });
    }

    /// The values an analyst searches for next.
    pub(crate) fn write_observables(self, json: &mut Json) {
        let Fields { identity, .. } = self.fields;
        let observables: [(&[u8], _); 4] = [
            (
                br#","name":"evidences[0].src_endpoint.ip","type_id":2,"type":"IP Address""#,
                self.address,
            ),
            (
                br#","name":"evidences[0].actor.user.name","type_id":4,"type":"User Name""#,
                self.text(identity.user_name),
            ),
            (
                br#","name":"evidences[0].data.user_agent","type_id":16,"type":"HTTP User-Agent""#,
                self.text(self.fields.user_agent),
            ),
            (
                br#","name":"evidences[0].actor.user.uid","type_id":10,"type":"Resource UID""#,
                self.text(identity.arn),
            ),
        ];
        json.list("observables", |json| {
            for (kind, value) in observables {
                let Some(value) = value else { continue };
                json.element(|json| {
                    json.members(kind);
                    json.text("value", Some(value));
                });
            }
        });
    }

    /// Who did what, and how it ended.
    pub(crate) fn write_evidences(self, json: &mut Json) {
        json.list("evidences", |json| {
            json.element(|json| {
                json.object("actor", |json| self.write_actor(json));
                json.object("api", |json| {
                    json.text("operation", self.text(self.fields.event_name));
                    json.object("service", |json| {
                        json.text("name", self.text(self.fields.event_source));
                    });
                    json.text("version", self.text(self.fields.api_version));
                    json.object("request", |json| {
                        json.text("uid", self.text(self.fields.request_id));
                    });
                    json.object("response", |json| {
                        json.text("error", self.text(self.fields.error_code));
                        json.text("error_message", self.text(self.fields.error_message));
                    });
                });
                json.object("src_endpoint", |json| self.write_endpoint(json));
                json.object("data", |json| {
                    json.text("user_agent", self.text(self.fields.user_agent));
                    json.text("event_type", self.text(self.fields.event_type));
                    json.text("event_category", self.text(self.fields.event_category));
                    json.text("shared_event_uid", self.text(self.fields.shared_event_id));
                    json.text("tls_host", self.text(self.fields.tls_host));
                });
            });
        });
    }

    fn write_actor(self, json: &mut Json) {
        let Fields { identity, .. } = self.fields;
        let kind = self.text(identity.kind);
        let type_id = match kind {
            Some("IAMUser" | "IdentityCenterUser") => 1,
            Some("Root") => 2,
            Some("AWSService") => 3,
            Some(_) => 99,
            None => 0,
        };
        json.object("user", |json| {
            json.number("type_id", type_id);
            json.text("type", kind);
            json.text("name", self.text(identity.user_name));
            json.text("uid", self.text(identity.arn));
            json.text("uid_alt", self.text(identity.principal_id));
            json.text("credential_uid", self.text(identity.access_key_id));
            json.object("account", |json| json.text("uid", self.text(identity.account_id)));
        });
        json.object("session", |json| {
            json.text("issuer", self.text(identity.session_issuer_arn));
            let created = self.text(identity.session_created).map(clip);
            if let Some(created) = created.as_deref().and_then(milliseconds) {
                json.number("created_time", created);
            }
            if let Some(mfa) = self.text(identity.session_mfa) {
                json.flag("is_mfa", mfa == "true");
            }
        });
        json.text("invoked_by", self.text(identity.invoked_by));
    }

    fn write_endpoint(self, json: &mut Json) {
        json.text("ip", self.address);
        if self.address.is_none() {
            json.text("svc_name", self.text(self.fields.source_ip_address));
        }
        json.object("location", |json| {
            json.text("country", self.enriched("ip.country"));
            json.text("city", self.enriched("ip.city"));
        });
        json.object("autonomous_system", |json| {
            let number = self.enriched("ip.asn").map(clip);
            let number = number.and_then(|number| number.parse::<u32>().ok());
            if let Some(number) = number {
                json.number("number", number);
            }
            json.text("name", self.enriched("ip.organization"));
        });
    }

    /// What enrichment says of the caller's address, of the account, of the caller, and of the region.
    pub(crate) fn write_enrichments(self, json: &mut Json) {
        if self.enrichment.is_empty() {
            return;
        }
        let address = self.text(self.fields.source_ip_address);
        let region = self.text(self.fields.aws_region);
        let actor = Some(self.actor_name());
        let groups: [(_, _, _, &[&str]); 4] = [
            ("evidences[0].src_endpoint.ip", address, "location", &ENRICHED_ADDRESS),
            ("cloud.account.uid", self.account(), "account", &ENRICHED_ACCOUNT),
            ("evidences[0].actor", actor, "principal", &ENRICHED_ACTOR),
            ("cloud.region", region, "environment", &ENRICHED_REGION),
        ];
        json.list("enrichments", |json| {
            for (name, value, kind, fields) in groups {
                let known =
                    || fields.iter().filter_map(|field| Some((field, self.enriched(field)?)));
                if known().next().is_none() {
                    continue;
                }
                json.element(|json| {
                    json.text("name", Some(name));
                    match value {
                        Some(value) => json.text("value", Some(value)),
                        None => json.json("value", b"null"),
                    }
                    json.text("type", Some(kind));
                    json.object("data", |json| {
                        for (field, value) in known() {
                            json.text(field, Some(value));
                        }
                    });
                });
            }
        });
    }

    /// What enrichment says in this field.
    fn enriched(self, field: &str) -> Option<&'a str> {
        let known = self.enrichment.iter().find(|(name, _)| *name == field);
        known.map(|(_, value)| value.as_str())
    }

    /// The shortest name that tells the caller: an ARN where there is one.
    fn actor_name(self) -> &'a str {
        let Fields { identity, .. } = self.fields;
        let names = [
            identity.arn,
            identity.user_name,
            identity.invoked_by,
            identity.principal_id,
            identity.account_id,
            identity.kind,
        ];
        names.into_iter().find_map(|name| self.text(name)).unwrap_or("an unnamed caller")
    }

    /// A text of the record as it may be shown; none if it is absent, empty, or no text.
    fn text(self, field: Option<Position>) -> Option<&'a str> {
        self.redaction.text(self.record, field?).filter(|text| !text.is_empty())
    }
}
