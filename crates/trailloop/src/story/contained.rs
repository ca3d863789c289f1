//! The demo's last chapter: what an answer in time comes to.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use trailloop_respond::Run;
use trailloop_respond::alert::escape;
use trailloop_respond::ledger::Summary;

use super::{counted, line};
use crate::show::shown;

/// As much of a line of the plan is told.
const PLAN_CHARACTERS_MAX: usize = 110;

/// What happened when the finding was answered.
pub(crate) struct Containment {
    /// The finding that was answered: its title, when its event happened, and when CloudTrail delivered it.
    pub(crate) title: String,
    pub(crate) event_ms: i64,
    pub(crate) delivered_ms: i64,
    /// What queries answered about the finding.
    pub(crate) asked: Vec<String>,
    /// The run at its end.
    pub(crate) run: Run,
    pub(crate) approver: String,
    /// The calls that changed something, with their request ids.
    pub(crate) calls: Vec<(String, String)>,
    /// From the finding to the last answer of these calls; the approval took no time.
    pub(crate) took: Duration,
    /// What the attacker tried next, and the code and the sentence they were answered with.
    pub(crate) attempts: Vec<(String, String, String)>,
    /// How long the account was watched, by its own clock.
    pub(crate) watched: Duration,
    pub(crate) ledger: Summary,
    /// A configuration by which the commands find the state.
    pub(crate) config: PathBuf,
}

impl Containment {
    pub(crate) fn tell(&self, text: &mut String) {
        let Self { run, .. } = self;
        line(text, "WHAT AN ANSWER IN TIME COMES TO");
        line(
            text,
            &format!(
                "  Again from {}, when CloudTrail delivered the first of it, in an account in memory:",
                clock(self.delivered_ms, "%H:%M")
            ),
        );
        let event = clock(self.event_ms, "%H:%M:%S");
        line(text, &format!("  finding   {} ({event})", shown(&self.title)));
        for (nth, answer) in self.asked.iter().enumerate() {
            let head = if nth == 0 { "asked" } else { "" };
            line(text, &format!("  {head:<8}  {}", escape::line(answer, PLAN_CHARACTERS_MAX)));
        }
        line(
            text,
            &format!(
                "  chosen    {}, which acts on {} and asks first",
                shown(&run.runbook_name()),
                shown(&run.target)
            ),
        );
        for (nth, plan) in run.plan.iter().enumerate() {
            let head = if nth == 0 { "plan" } else { "" };
            line(text, &format!("  {head:<8}  {}", escape::line(plan, PLAN_CHARACTERS_MAX)));
        }
        line(
            text,
            &format!(
                "  approved  by {}: this program itself, where else a person is asked",
                shown(&self.approver)
            ),
        );
        for (nth, (call, request)) in self.calls.iter().enumerate() {
            let head = if nth == 0 { "called" } else { "" };
            line(text, &format!("  {head:<8}  {} (request {})", shown(call), shown(request)));
        }
        for (what, code, sentence) in &self.attempts {
            line(text, &format!("  attacker  {}", shown(what)));
            line(text, &format!("              {}: {}", shown(code), shown(sentence)));
        }
        let proof = run.stream_proof.as_deref().unwrap_or("nothing yet");
        line(
            text,
            &format!(
                "  proof     the log shows {} after the act; read back and watched for {} min, now {}",
                shown(proof),
                self.watched.as_secs() / 60,
                run.phase.name()
            ),
        );
        line(
            text,
            &format!(
                "  took      {:.3} s from the finding to the last call's answer; {} of the ledger verify",
                self.took.as_secs_f64(),
                counted(usize::try_from(self.ledger.lines).unwrap_or(usize::MAX), "line")
            ),
        );
        line(text, "");
    }
}

/// A time of the account's clock.
fn clock(ms: i64, format: &str) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime(format).to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;
    use trailloop_respond::ledger::Head;

    use super::*;

    /// An answer with text that would steer a terminal.
    pub(in crate::story) fn example() -> Containment {
        let run = json!({
            "id": "fedcba9876543210fedcba9876543210", "finding": "0123456789abcdef0123456789abcdef",
            "title": "A key is tried", "level": "high", "rule": "r", "runbook": "contain-iam-user-key", "version": 1,
            "hash": "h", "account": "111122223333", "region": "us-east-1",
            "target": "arn:aws:iam::111122223333:user/bob\u{1b}[2J", "is_live": true, "event_ms": 0, "started_ms": 0,
            "parameters": {}, "mode": "approve", "phase": "contained", "cursor": null, "outputs": {},
            "plan": ["disableKey: iam:UpdateAccessKey Status=Inactive", "denyTokens: iam:PutUserPolicy UserName=bob"],
            "reasons": [], "acted_ms": 0, "until_ms": null, "reasserted": 0, "stream_proof": "explicit_deny",
            "has_critical_failure": false, "successes": [], "ledger_from": 0, "parent": null,
        });
        Containment {
            asked: vec!["query q01: 2 rows\u{1b}[2J".to_owned()],
            title: "A key is tried".to_owned(),
            event_ms: 1_795_164_372_000,
            delivered_ms: 1_795_164_720_000,
            run: serde_json::from_value(run).unwrap(),
            approver: "demo".to_owned(),
            calls: vec![("iam:UpdateAccessKey".to_owned(), "r-1".to_owned())],
            took: Duration::from_millis(7),
            attempts: vec![(
                "iam:CreateAccessKey with the key".to_owned(),
                "InvalidClientTokenId".to_owned(),
                "The security token included in the request is invalid.".to_owned(),
            )],
            watched: Duration::from_secs(960),
            ledger: Summary { lines: 12, head: Head::start() },
            config: "demo/respond.toml".into(),
        }
    }
}
