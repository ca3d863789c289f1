//! Who is told of what, and that they are: each message is a row before it is sent, and stays one until it was taken.
//!
//! What runbooks call `default` goes to the destination of that name. A message carries no secret in its row; the URL or the
//! key of its destination is read from its file when it is sent.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trailloop_cloud::{Answer, CloudError, CloudErrorKind, Post, RowKey, Session};
use trailloop_runbook::Call;
use trailloop_runbook::document::Runbook;

use crate::alert::route::{Admission, Gate, Limits, Routes, Surroundings};
use crate::alert::{Alert, Held, Kind, Link, asff, pagerduty, slack, sns, webhook};
use crate::context::Case;
use crate::receivers::{DEFAULT, GATES, surroundings};
use crate::responder::{Halt, Responder};
use crate::rows::{self, Kept};
use crate::run::{Phase, Run};
use crate::token::{Action, Claims, Secret, url};

/// The destinations, and what links are signed with.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// By name.
    pub all: Vec<Destination>,
    /// Which of them are told what is for `default`; without a route that takes it, the one of that name.
    pub routes: Routes,
    /// What links and webhooks are signed with.
    pub secret: Option<Secret>,
    /// Under which URL people reach the links.
    pub link_url: Option<String>,
    /// The account and region that SNS and Security Hub are called in.
    pub home: Option<(String, String)>,
}

/// Somebody who can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The name in runbooks.
    pub name: String,
    /// How.
    pub kind: DestinationKind,
}

/// How somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationKind {
    /// A Slack webhook; its URL is a secret and lies in a file.
    Slack {
        /// The file.
        url_file: PathBuf,
    },
    /// A webhook of any kind, signed.
    Webhook {
        /// The file of its URL.
        url_file: PathBuf,
    },
    /// PagerDuty's Events API v2.
    PagerDuty {
        /// The file of its routing key.
        key_file: PathBuf,
    },
    /// An SNS topic.
    Sns {
        /// Its ARN.
        topic: String,
    },
    /// Security Hub, in this region.
    SecurityHub {
        /// The region.
        region: String,
    },
}

/// A message that waits to be taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Waiting {
    destination: String,
    body: Value,
}

const OUTBOX: &str = "outbox";

impl Responder {
    /// Tells whoever the runbook names that something happened to its run.
    pub(crate) async fn tell(&self, run: &Run, case: &Case, what: &str) -> Result<(), Halt> {
        let Some(kind) = kind_of(what) else { return Ok(()) };
        let Some(runbook) = self.runbooks.iter().find(|one| one.id == run.runbook) else {
            return Ok(());
        };
        let alert = self.alert(run, runbook, case, kind);
        let around = surroundings(case);
        let asked = |on: &[String]| on.iter().any(|name| name == kind.name());
        for notify in runbook.notify.iter().filter(|notify| asked(&notify.on)) {
            self.send(&notify.to, &alert, &around, &format!("{}/{what}", run.id)).await?;
        }
        Ok(())
    }

    /// Tells whoever hears of findings that queries answer otherwise by now.
    pub(crate) async fn tell_of_answers(
        &self,
        run: &Run,
        case: &Case,
        changed: &[String],
    ) -> Result<(), Halt> {
        let Some(runbook) = self.runbooks.iter().find(|one| one.id == run.runbook) else {
            return Ok(());
        };
        let mut alert = self.alert(run, runbook, case, Kind::Enriched);
        alert.reasons = changed.iter().map(|line| format!("query {line}")).collect();
        let about = format!("{}/enriched/{}", run.id, self.clock.now_ms());
        self.send(DEFAULT, &alert, &surroundings(case), &about).await
    }

    /// Calls a person, whoever the runbook names: what waits for somebody must not wait unseen.
    pub(crate) async fn page(&self, run: &Run, why: &str) -> Result<(), Halt> {
        let Some(runbook) = self.runbooks.iter().find(|one| one.id == run.runbook) else {
            return Ok(());
        };
        let Some(case) = self.case(&run.id).await? else { return Ok(()) };
        let mut alert = self.alert(run, runbook, &case, Kind::Page);
        if why == "budget" {
            // One page for a budget, not one for each run that it holds up.
            alert.run.clear();
            alert.target = format!("budget/{}/{}", run.runbook, run.account);
            alert.title =
                format!("The hour's budget of {} is spent; runs wait for approval", run.runbook);
        }
        self.send(DEFAULT, &alert, &surroundings(&case), &format!("{}/{why}", run.id)).await
    }

    /// A message of a runbook's own step.
    pub(crate) async fn post(&self, run: &Run, to: &str, body: &str) -> Result<(), CloudError> {
        let Some(destination) = self.destinations.all.iter().find(|one| one.name == to) else {
            let text = "respond.destinations has none of this name";
            return Err(CloudError::new(CloudErrorKind::NotFound, "post", to, text));
        };
        let body = json!({ "run": run.id, "runbook": run.runbook_name(), "message": body });
        self.deliver(destination, &body).await
    }

    fn alert(&self, run: &Run, runbook: &Runbook, case: &Case, kind: Kind) -> Alert {
        let mut alert = Alert::new(kind, Self::level_of(run), self.time(), run.title.clone());
        alert.finding.clone_from(&run.finding);
        alert.target.clone_from(&run.target);
        alert.who.clone_from(&run.target);
        alert.account.clone_from(&run.account);
        alert.region.clone_from(&run.region);
        alert.partition.clone_from(&self.settings.partition);
        alert.rule.clone_from(&run.rule);
        alert.rule_title.clone_from(&run.title);
        let tags = case.finding.get("tags").and_then(Value::as_array).into_iter().flatten();
        alert.tags = tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
        let origin = case.confirmed.record.get("sourceIPAddress").and_then(Value::as_str);
        origin.unwrap_or_default().clone_into(&mut alert.origin);
        alert.runbook = run.runbook_name();
        alert.run.clone_from(&run.id);
        alert.plan.clone_from(&run.plan);
        alert.reasons.clone_from(&run.reasons);
        alert.reasons.extend(case.answers());
        if run.phase == Phase::AwaitingApproval {
            alert.commands = vec![
                format!("trailloop runbook approve {}", run.id),
                format!("trailloop runbook reject {}", run.id),
            ];
        }
        alert.links = self.links(run, runbook);
        alert
    }

    /// Signed links: to agree while somebody has to, and to judge the finding.
    fn links(&self, run: &Run, runbook: &Runbook) -> Vec<Link> {
        let (Some(secret), Some(base)) = (&self.destinations.secret, &self.destinations.link_url)
        else {
            return Vec::new();
        };
        let expires_s = (self.clock.now_ms() + crate::time::ms(runbook.approval.ttl)) / 1000;
        let link = |action: Action, label: &str| {
            let is_verdict = matches!(action, Action::Verdict(_));
            let (subject, hash, parameters) = if is_verdict {
                (run.finding.clone(), String::new(), String::new())
            } else {
                (run.id.clone(), run.hash.clone(), run.parameters_hash())
            };
            let expires_s = if is_verdict { expires_s + 7 * 86_400 } else { expires_s };
            let nonce = secret.nonce(&[&run.id, action.name()]);
            let holder = runbook.approval.approvers.first().cloned();
            let claims = Claims {
                action,
                subject,
                holder: holder.unwrap_or_else(|| "link".to_owned()),
                runbook_sha256: hash,
                parameters_sha256: parameters,
                expires_s,
                nonce,
            };
            Link {
                label: label.to_owned(),
                url: url(base, &secret.issue(&claims)),
                is_grave: !is_verdict,
            }
        };
        let mut links = Vec::new();
        if run.phase == Phase::AwaitingApproval {
            links.push(link(Action::Approve, "Approve"));
            links.push(link(Action::Reject, "Reject"));
        }
        for (name, label) in [
            ("true_positive", "Malicious"),
            ("benign_positive", "Expected"),
            ("false_positive", "Rule wrong"),
        ] {
            links.extend(Action::parse(name).map(|action| link(action, label)));
        }
        links
    }

    /// Puts a message into the row of each who is meant, unless the gate holds it back, and tries to deliver it.
    pub(crate) async fn send(
        &self,
        to: &str,
        alert: &Alert,
        around: &Surroundings,
        about: &str,
    ) -> Result<(), Halt> {
        for name in self.receivers(to, alert, around) {
            self.send_to(&name, alert, about).await?;
        }
        Ok(())
    }

    async fn send_to(&self, to: &str, alert: &Alert, about: &str) -> Result<(), Halt> {
        if !self.destinations.all.iter().any(|one| one.name == to) {
            tracing::info!(to, kind = alert.kind.name(), title = %alert.title.escape_debug(), "nobody is told: no such destination");
            return Ok(());
        }
        let told = RowKey::new(format!("told/{about}"), format!("{}/{to}", alert.kind.name()));
        if self.table.get(&told).await?.is_some() {
            return Ok(());
        }
        let Some(held) = self.admit(to, alert).await? else {
            rows::create(&*self.table, &told, &"held back").await?;
            return Ok(());
        };
        let alert = Alert { held, ..alert.clone() };
        self.put_into_outbox(to, &alert, about).await?;
        rows::create(&*self.table, &told, &"sent").await?;
        Ok(())
    }

    /// Puts an alert into its row as the destination is to have it, and tries to deliver it.
    pub(crate) async fn put_into_outbox(
        &self,
        to: &str,
        alert: &Alert,
        about: &str,
    ) -> Result<(), Halt> {
        let Some(destination) = self.destinations.all.iter().find(|one| one.name == to) else {
            return Ok(());
        };
        let body = self.rendered(&destination.kind, alert);
        self.put_body_into_outbox(to, body, &format!("{about}/{}", alert.kind.name())).await
    }

    pub(crate) async fn put_body_into_outbox(
        &self,
        to: &str,
        body: Value,
        about: &str,
    ) -> Result<(), Halt> {
        let waiting = Waiting { destination: to.to_owned(), body };
        let key = RowKey::new(OUTBOX, format!("{about}/{to}"));
        rows::create(&*self.table, &key, &waiting).await?;
        self.try_to_deliver(&key, &waiting).await
    }

    /// Asks the gate, whose state all workers share.
    async fn admit(&self, to: &str, alert: &Alert) -> Result<Option<Held>, Halt> {
        let key = RowKey::new(GATES, to);
        loop {
            let mut row: Kept<Value> = rows::load(&*self.table, &key)
                .await?
                .unwrap_or(Kept { value: Value::Null, version: 0 });
            let mut gate = Gate::from_json(&row.value);
            let admission = gate.admit(to, Limits::default(), alert, self.clock.now_ms());
            row.value = gate.to_json();
            if rows::store(&*self.table, &key, &mut row).await? {
                return Ok(match admission {
                    Admission::Send(held) => Some(held),
                    Admission::Duplicate | Admission::Limited => None,
                });
            }
        }
    }

    /// Tries the messages again that were not taken.
    pub(crate) async fn deliver_held_back(&self) -> Result<(), Halt> {
        for (sort, row) in rows::all::<Waiting>(&*self.table, OUTBOX).await? {
            self.try_to_deliver(&RowKey::new(OUTBOX, sort), &row.value).await?;
        }
        Ok(())
    }

    async fn try_to_deliver(&self, key: &RowKey, waiting: &Waiting) -> Result<(), Halt> {
        let found = self.destinations.all.iter().find(|one| one.name == waiting.destination);
        if let Some(destination) = found
            && let Err(error) = self.deliver(destination, &waiting.body).await
        {
            tracing::warn!(to = waiting.destination, %error, "a message was not taken");
            if error.is_transient() || error.kind() == CloudErrorKind::Denied {
                return Ok(());
            }
        }
        if let Some(row) = self.table.get(key).await? {
            self.table.delete(key, row.version).await?;
        }
        Ok(())
    }

    async fn deliver(&self, destination: &Destination, body: &Value) -> Result<(), CloudError> {
        let name = destination.name.as_str();
        let post = |url: String, body: &Value| Post {
            destination: name.to_owned(),
            url,
            headers: std::collections::BTreeMap::new(),
            body: body.to_string(),
        };
        match &destination.kind {
            DestinationKind::Slack { url_file } => {
                let url = secret_of(name, url_file).await?;
                self.notifier.post(&post(url, body)).await
            }
            DestinationKind::PagerDuty { key_file } => {
                let mut body = body.clone();
                body["routing_key"] = secret_of(name, key_file).await?.into();
                self.notifier.post(&post(pagerduty::URL.to_owned(), &body)).await
            }
            DestinationKind::Webhook { url_file } => {
                let url = secret_of(name, url_file).await?;
                let now_s = self.clock.now_ms() / 1000;
                let signed = match &self.destinations.secret {
                    Some(secret) => webhook::signed(body.to_string(), name, &url, secret, now_s),
                    None => post(url, body),
                };
                self.notifier.post(&signed).await
            }
            DestinationKind::Sns { topic } => {
                let message = sns::Message {
                    subject: body["subject"].as_str().unwrap_or_default().to_owned(),
                    body: body["body"].as_str().unwrap_or_default().to_owned(),
                };
                self.call_home(&message.publish(topic), topic.split(':').nth(3)).await.map(drop)
            }
            DestinationKind::SecurityHub { region } if body.get("FindingIdentifiers").is_some() => {
                let inputs = body.as_object().cloned().unwrap_or_default();
                let (service, api) = ("securityhub".to_owned(), "BatchUpdateFindings".to_owned());
                self.call_home(&Call { service, api, inputs }, Some(region)).await.map(drop)
            }
            DestinationKind::SecurityHub { region } => {
                for call in asff::import(std::slice::from_ref(body)) {
                    self.call_home(&call, Some(region)).await?;
                }
                Ok(())
            }
        }
    }

    /// A call in our own account.
    pub(crate) async fn call_home(
        &self,
        call: &Call,
        region: Option<&str>,
    ) -> Result<Answer, CloudError> {
        let Some((account, home)) = &self.destinations.home else {
            let text = "our own account is not known";
            return Err(CloudError::new(CloudErrorKind::Denied, "call", call.name(), text));
        };
        let region = region.unwrap_or(home).to_owned();
        let policy = trailloop_runbook::policy::session_policy(
            call,
            &self.settings.partition,
            account,
            &region,
        );
        let session = Session {
            account: account.clone(),
            region,
            run: "notify".to_owned(),
            policy: Some(policy),
        };
        self.actions.call(&session, call).await
    }

    /// What a destination of this kind is sent, without its secret.
    fn rendered(&self, kind: &DestinationKind, alert: &Alert) -> Value {
        match kind {
            DestinationKind::Slack { .. } => slack::render(alert),
            DestinationKind::PagerDuty { .. } => pagerduty::trigger(alert, ""),
            DestinationKind::Webhook { .. } => alert.to_json(),
            DestinationKind::Sns { .. } => {
                let message = sns::render(alert);
                json!({ "subject": message.subject, "body": message.body })
            }
            DestinationKind::SecurityHub { region } => {
                let mut finding = asff::render(alert);
                // It is imported with our own account's product, which takes findings of that account and region alone.
                if let Some((account, _)) = &self.destinations.home {
                    finding["ProductArn"] =
                        asff::product_arn(&self.settings.partition, region, account).into();
                    finding["AwsAccountId"] = account.clone().into();
                }
                finding
            }
        }
    }

    pub(crate) fn time(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.clock.now_ms()).unwrap_or_default()
    }
}

/// A secret from its file, read when it is used, so that it can be changed.
async fn secret_of(name: &str, file: &Path) -> Result<String, CloudError> {
    match tokio::fs::read_to_string(file).await {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => {
            let text = format!("its file {} can't be read: {error}", file.display());
            Err(CloudError::new(CloudErrorKind::Denied, "post", name, text))
        }
    }
}

/// What people are told when a run comes to a phase, or something else happens to it.
fn kind_of(what: &str) -> Option<Kind> {
    Some(match what {
        "planned" => Kind::Proposed,
        "awaiting_approval" => Kind::AwaitingApproval,
        "refused" | "rejected" => Kind::Refused,
        "contained" => Kind::Done,
        "failed" | "undo_refused" => Kind::Failed,
        "escalated" => Kind::Escalated,
        "undone" => Kind::Undone,
        "reverted" | "expired" => Kind::Page,
        _ => return None,
    })
}
