//! An incident as OCSF's Incident Finding (class 2005), <https://schema.ocsf.io/1.5.0/classes/incident_finding>.

use serde_json::{Value, json};

use crate::entry::Made;
use crate::incident::{Incident, Member};

/// What is reported of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It began.
    Create,
    /// It changed.
    Update,
    /// It ended.
    Close,
}

impl Activity {
    fn ocsf(self) -> (u16, &'static str) {
        match self {
            Self::Create => (1, "Create"),
            Self::Update => (2, "Update"),
            Self::Close => (3, "Close"),
        }
    }
}

impl Incident {
    /// The message; `group` is who is to look at it, which OCSF demands to be named.
    #[must_use]
    pub fn ocsf(&self, activity: Activity, group: &str, now_ms: i64) -> Value {
        let (activity_id, activity_name) = activity.ocsf();
        let (status_id, status) = self.status.ocsf();
        let title = self.title();
        let mut message = json!({
            "activity_id": activity_id,
            "activity_name": activity_name,
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": 2005,
            "class_name": "Incident Finding",
            "type_uid": 200_500 + u32::from(activity_id),
            "type_name": format!("Incident Finding: {activity_name}"),
            "severity_id": self.level.severity_id(),
            "severity": self.level.severity(),
            "status_id": status_id,
            "status": status,
            "time": now_ms,
            "start_time": self.first_ms,
            "end_time": self.last_ms,
            "count": self.findings.count(),
            "message": title,
            "desc": title,
            "metadata": {
                "version": "1.5.0",
                "product": {"name": "Trailloop", "vendor_name": "Trailloop"},
                "uid": self.id,
            },
            "assignee_group": {"name": group},
            "finding_info_list": self.members.iter().map(info).collect::<Vec<_>>(),
            "attacks": self.attacks(),
            "unmapped": {"trailloop": {
                "accounts": self.accounts,
                "regions": self.regions,
                "entities": self.entities().take(100).collect::<Vec<_>>(),
                "suppressed": self.findings.count().saturating_sub(self.visible.count()),
            }},
        });
        if let Some(judgement) = self.judgement {
            let (verdict_id, verdict) = judgement.ocsf();
            message["verdict_id"] = verdict_id.into();
            message["verdict"] = verdict.into();
            message["is_suspected_breach"] = judgement.is_hit().unwrap_or_default().into();
        }
        message
    }

    /// What it is called: its gravest finding, and how many others there are.
    #[must_use]
    pub fn title(&self) -> String {
        let visible = self.members.iter().find(|member| !member.is_suppressed);
        let gravest = visible.or_else(|| self.members.first());
        let title = gravest.map_or("An incident", |member| member.title.as_str());
        match self.findings.count() {
            0 | 1 => title.to_owned(),
            many => format!("{title}, and {} more", many - 1),
        }
    }

    fn attacks(&self) -> Vec<Value> {
        let attack =
            |(uid, name): (&String, &String)| json!({"tactic": {"uid": uid, "name": name}});
        self.tactics.iter().map(attack).collect()
    }
}

fn info(member: &Member) -> Value {
    let (type_id, kind) = match member.made {
        Made::Rule => (1, "Rule"),
        Made::Query => (99, "Query"),
    };
    json!({
        "uid": member.uid,
        "title": member.title,
        "created_time": member.event_ms,
        "analytic": {"type_id": type_id, "type": kind, "uid": member.rule},
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Entry, Judgement};

    #[test]
    fn an_incident_in_full() {
        let finding = |uid: &str, title: &str, severity: u8, filter: Option<&str>| {
            Entry::of(&json!({
                "finding_info": {"uid": uid, "title": title, "analytic": {"uid": "rule"},
                    "attacks": [{"tactic": {"uid": "TA0005", "name": "Defense Evasion"}}]},
                "severity_id": severity, "time": 1_793_610_843_000_i64,
                "cloud": {"region": "us-east-1", "account": {"uid": "111122223333"}},
                "evidences": [{"actor": {"user": {"uid": "arn:aws:iam::111122223333:user/ana"}}}],
                "unmapped": {"trailloop": {"suppressed_by": filter}},
            }))
            .unwrap()
        };
        let quiet = finding("f1", "Listing of users", 4, Some("filter"));
        let loud = finding("f2", "Logging stopped", 4, None);
        let begun = Incident::begin(&quiet);
        let mut incident = Incident::take(&loud, &[begun]).incident;
        incident.judgement = Some(Judgement::TruePositive);
        let message = incident.ocsf(Activity::Update, "Security operations", 1_793_610_900_000);
        insta::assert_snapshot!(serde_json::to_string_pretty(&message).unwrap());
    }
}
