//! The demo's story: findings as a person would tell them.

mod closed;
mod contained;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use trailloop_finding::Level;
use trailloop_pipeline::Totals;

use crate::show::{shown, thousands};

pub(crate) use self::closed::Closing;
pub(crate) use self::contained::Containment;

/// What the story is told from.
pub(crate) struct Story<'a> {
    /// The findings, by event time.
    pub(crate) findings: &'a [Value],
    pub(crate) totals: Totals,
    pub(crate) rules: usize,
    pub(crate) workers: usize,
    /// From the first receive to the last acknowledgement.
    pub(crate) took: Duration,
    pub(crate) findings_file: &'a Path,
    /// What an answer in time comes to.
    pub(crate) containment: &'a Containment,
    /// What verdicts come to.
    pub(crate) closing: &'a Closing,
}

/// A finding's parts that the story tells.
struct Told<'a> {
    time: Timestamp,
    level: Level,
    title: &'a str,
    operation: &'a str,
    account: &'a str,
    actor: &'a str,
    key: Option<&'a str>,
    address: &'a str,
    /// Where the address is, and whose, as far as enrichment knows.
    place: Option<String>,
}

impl<'a> Told<'a> {
    fn new(finding: &'a Value) -> Self {
        let text = |pointer: &str| finding.pointer(pointer).and_then(Value::as_str);
        let actor = "/evidences/0/actor";
        let first = |pointers: &[String]| pointers.iter().find_map(|pointer| text(pointer));
        let milliseconds = finding.get("time").and_then(Value::as_i64).unwrap_or(0);
        let severity = finding.get("severity_id").and_then(Value::as_u64).unwrap_or(0);
        let level = Level::ALL.into_iter().find(|level| u64::from(level.severity_id()) == severity);
        Self {
            time: Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH),
            level: level.unwrap_or(Level::Informational),
            title: text("/finding_info/title").unwrap_or("untitled"),
            operation: text("/evidences/0/api/operation").unwrap_or("-"),
            account: text("/cloud/account/uid").unwrap_or("-"),
            actor: first(&[
                format!("{actor}/user/uid"),
                format!("{actor}/user/name"),
                format!("{actor}/invoked_by"),
            ])
            .filter(|name| *name != "[redacted]")
            .unwrap_or("a caller whose name was withheld: it may be a mistyped password"),
            key: first(&[format!("{actor}/user/credential_uid")]),
            address: first(&[
                "/evidences/0/src_endpoint/ip".to_owned(),
                "/evidences/0/src_endpoint/svc_name".to_owned(),
            ])
            .unwrap_or("-"),
            place: {
                let country = text("/evidences/0/src_endpoint/location/country");
                let owner = text("/evidences/0/src_endpoint/autonomous_system/name");
                let known: Vec<String> = country.into_iter().chain(owner).map(shown).collect();
                (!known.is_empty()).then(|| known.join(", "))
            },
        }
    }
}

impl Story<'_> {
    /// The whole story.
    pub(crate) fn tell(&self) -> String {
        let told: Vec<Told<'_>> = self.findings.iter().map(Told::new).collect();
        let mut text = String::new();
        self.tell_input(&mut text);
        tell_findings(&told, &mut text);
        tell_callers(&told, &mut text);
        self.containment.tell(&mut text);
        self.closing.tell(&mut text);
        self.tell_speed(&mut text);
        text
    }

    fn tell_input(&self, text: &mut String) {
        let Totals { objects, objects_skipped, records, bytes_compressed, bytes_raw, .. } =
            self.totals;
        line(text, "Trailloop demo: a made-up organization's CloudTrail, read as it arrives");
        line(
            text,
            "Somewhere in an ordinary morning someone tries a leaked key. Nobody told Trailloop where to look.",
        );
        line(text, "");
        line(text, "WHAT CAME IN");
        line(
            text,
            &format!(
                "  {} notifications named {} log objects; {objects_skipped} without records not downloaded",
                thousands(self.totals.messages_received),
                thousands(objects + objects_skipped),
            ),
        );
        line(
            text,
            &format!(
                "  {} records, {} of JSON from {} of gzip, against {} rules",
                thousands(records),
                megabytes(bytes_raw),
                megabytes(bytes_compressed),
                self.rules
            ),
        );
        line(text, "");
    }

    fn tell_speed(&self, text: &mut String) {
        let Totals { records, bytes_raw, messages_acknowledged, messages_parked, .. } = self.totals;
        let seconds = self.took.as_secs_f64().max(0.001);
        let per_second = |count: u64| {
            // A rate for a person: whole numbers are exact enough.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a rate for a person"
            )]
            let rate = (count as f64 / seconds) as u64;
            rate
        };
        line(text, "HOW FAST");
        line(
            text,
            &format!(
                "  {seconds:.2} s from the first receive to the last acknowledgement: {} records and {} a second on {} worker threads",
                thousands(per_second(records)),
                megabytes(per_second(bytes_raw)),
                self.workers,
            ),
        );
        line(
            text,
            &format!(
                "  {messages_acknowledged} messages acknowledged, each after its findings were with the action queue; {messages_parked} parked"
            ),
        );
        line(text, "");
        line(text, "WHAT NEXT");
        line(
            text,
            &format!("  findings, one OCSF object a line   {}", self.findings_file.display()),
        );
        line(
            text,
            "  your own archive                   trailloop replay s3://BUCKET/AWSLogs/ --output findings.ndjson",
        );
        line(text, "  the rules that ran                 trailloop rules list");
        line(text, "  what answers them                  trailloop runbook list");
        let config = self.containment.config.display();
        line(
            text,
            &format!(
                "  the run above, and its ledger      trailloop runbook plan|audit --config {config}"
            ),
        );
        line(
            text,
            &format!(
                "  its finding, and its rank          trailloop findings list|why --config {config}"
            ),
        );
    }
}

fn tell_findings(told: &[Told<'_>], text: &mut String) {
    let count = |level: Level| told.iter().filter(|one| one.level == level).count();
    let counts: Vec<String> = Level::ALL
        .into_iter()
        .rev()
        .filter(|level| count(*level) > 0)
        .map(|level| format!("{} {level}", count(level)))
        .collect();
    line(text, "WHAT WAS FOUND");
    line(text, &format!("  {}: {}", counted(told.len(), "finding"), counts.join(", ")));
    line(text, "");
    let told_of = told.iter().filter(|one| one.level >= Level::Medium);
    let wide = told_of.map(|one| shown(one.title).chars().count()).max().unwrap_or(0).min(64);
    for one in told.iter().filter(|one| one.level >= Level::Medium) {
        line(
            text,
            &format!(
                "  {}  {:<13}  {:<wide$}  {} in {}",
                one.time.strftime("%H:%M:%S"),
                one.level.as_str(),
                shown(one.title),
                shown(one.operation),
                shown(one.account),
            ),
        );
    }
    line(text, "");
    let mut minor: BTreeMap<(Level, &str), usize> = BTreeMap::new();
    for one in told.iter().filter(|one| one.level < Level::Medium) {
        *minor.entry((one.level, one.title)).or_default() += 1;
    }
    if minor.is_empty() {
        return;
    }
    let mut minor: Vec<_> = minor.into_iter().collect();
    minor.sort_by_key(|((level, _), count)| std::cmp::Reverse((*level, *count)));
    line(text, "  Worth knowing, not worth waking anyone");
    for ((level, title), count) in minor {
        line(text, &format!("  {count:>8}  {:<13}  {}", level.as_str(), shown(title)));
    }
    line(text, "");
}

/// What one caller did.
#[derive(Default)]
struct Caller {
    findings: usize,
    worst: Option<Level>,
    addresses: BTreeSet<String>,
    keys: BTreeSet<String>,
}

fn tell_callers(told: &[Told<'_>], text: &mut String) {
    let mut callers: BTreeMap<&str, Caller> = BTreeMap::new();
    for one in told {
        let caller = callers.entry(one.actor).or_default();
        caller.findings += 1;
        caller.worst = caller.worst.max(Some(one.level));
        caller.addresses.insert(match &one.place {
            Some(place) => format!("{} ({place})", shown(one.address)),
            None => shown(one.address),
        });
        caller.keys.extend(one.key.filter(|key| !key.is_empty()).map(shown));
    }
    let mut callers: Vec<_> = callers.into_iter().collect();
    callers.sort_by_key(|(_, caller)| std::cmp::Reverse((caller.worst, caller.findings)));
    line(text, "WHO DID IT");
    for (name, caller) in callers.iter().filter(|(_, caller)| caller.worst >= Some(Level::Medium)) {
        line(text, &format!("  {}", shown(name)));
        let mut parts = vec![counted(caller.findings, "finding")];
        parts.push(format!("from {}", listed(&caller.addresses)));
        if !caller.keys.is_empty() {
            parts.push(format!("with {}", listed(&caller.keys)));
        }
        line(text, &format!("    {}", parts.join(", ")));
    }
    line(text, "");
    line(text, "HOW LONG");
    let serious = || told.iter().filter(|one| one.level >= Level::Medium);
    if let (Some(first), Some(last)) = (serious().next(), serious().next_back()) {
        line(
            text,
            &format!(
                "  {} from the first finding of level medium or above ({}) to the last ({})",
                span(first.time, last.time),
                first.time.strftime("%Y-%m-%d %H:%M:%S UTC"),
                last.time.strftime("%H:%M:%S UTC"),
            ),
        );
    }
    line(text, "");
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(" and ")
}

fn span(first: Timestamp, last: Timestamp) -> String {
    let seconds = last.as_second() - first.as_second();
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size for a person")]
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_story_is_told_and_hostile_text_is_escaped() {
        let finding = |time: i64, severity: u8, actor: &str| {
            json!({"time": time, "severity_id": severity, "cloud": {"account": {"uid": "111122223333"}},
                "finding_info": {"title": "Logging stopped"},
                "evidences": [{"api": {"operation": "StopLogging\u{1b}[2J"}, "src_endpoint": {"ip": "203.0.113.77"},
                    "actor": {"user": {"uid": actor, "credential_uid": "AKIAIOSFODNN7EXAMPLE"}}}]})
        };
        let findings = [
            finding(1_793_610_843_000, 4, "arn:aws:iam::111122223333:user/ci-deployer"),
            finding(1_793_613_903_000, 5, "arn:aws:iam::111122223333:user/backup-operator"),
        ];
        let totals =
            Totals { objects: 2, records: 1200, messages_received: 3, ..Totals::default() };
        let story = Story {
            findings: &findings,
            totals,
            rules: 7,
            workers: 2,
            took: Duration::from_millis(500),
            findings_file: Path::new("findings.ndjson"),
            containment: &contained::tests::example(),
            closing: &closed::tests::example(),
        };
        insta::assert_snapshot!(story.tell());
    }
}
