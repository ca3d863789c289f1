//! The part of the configuration that `trailloop respond` reads.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use trailloop_finding::Level;
use trailloop_respond::Settings;
use trailloop_respond::alert::Kind;
use trailloop_respond::alert::route::{Match, Route, Routes};
use trailloop_respond::tell::{Destination, DestinationKind};
use trailloop_runbook::document::Mode;

use super::Reader;
use crate::rulefiles::RulePlace;

/// What the responder is built from.
#[derive(Debug)]
pub(crate) struct RespondConfig {
    pub(crate) state: Option<StatePlace>,
    pub(crate) archive_buckets: Vec<String>,
    pub(crate) runbooks: Vec<PathBuf>,
    pub(crate) kill_switch: Option<String>,
    pub(crate) role: String,
    pub(crate) external_id: Option<String>,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) routes: Routes,
    pub(crate) evidence: Option<RulePlace>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) link_secret_file: Option<PathBuf>,
    pub(crate) link_url: Option<String>,
    pub(crate) canaries: Option<CanaryConfig>,
    pub(crate) settings: Settings,
}

/// Where canaries are delivered, in which account they happen, how often, and how soon they have to be found.
#[derive(Debug)]
pub(crate) struct CanaryConfig {
    pub(crate) place: RulePlace,
    pub(crate) account: String,
    pub(crate) every: Duration,
    pub(crate) objective: Duration,
}

/// Where the state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StatePlace {
    /// A file of SQLite.
    File(PathBuf),
    /// A table of DynamoDB.
    Dynamo(String),
}

impl StatePlace {
    /// `dynamodb:TABLE`, or a path.
    pub(crate) fn parse(text: String) -> Self {
        match text.strip_prefix("dynamodb:") {
            Some(table) => Self::Dynamo(table.to_owned()),
            None => Self::File(PathBuf::from(text)),
        }
    }
}

/// The role that is assumed unless the configuration names another.
const ROLE: &str = "arn:aws:iam::{account}:role/trailloop-responder";

impl Reader<'_> {
    pub(super) fn respond(&mut self) -> RespondConfig {
        let role = self.text("respond.role").unwrap_or_else(|| ROLE.to_owned());
        if self.text("respond.listen").is_some() && self.text("respond.link_secret_file").is_none()
        {
            let place = self.place("respond.listen");
            self.problems.push(format!(
                "{place}: respond.listen answers links, and without respond.link_secret_file there are none"
            ));
        }
        let settings = self.settings(&role);
        let state = self.text("respond.state").map(StatePlace::parse);
        let destinations = self.destinations();
        let routes = self.routes(&destinations);
        RespondConfig {
            state,
            archive_buckets: self.list("respond.archive_buckets"),
            runbooks: self.list("respond.runbooks").into_iter().map(PathBuf::from).collect(),
            kill_switch: self.text("respond.kill_switch"),
            role,
            external_id: self.text("respond.external_id"),
            destinations,
            routes,
            evidence: self.evidence(),
            listen: self.address("respond.listen"),
            link_secret_file: self.text("respond.link_secret_file").map(PathBuf::from),
            link_url: self.text("respond.link_url"),
            canaries: self.canaries(),
            settings,
        }
    }

    fn settings(&mut self, role: &str) -> Settings {
        let mut seconds = |name| Duration::from_secs(self.number(name));
        let (max_age, watch) =
            (seconds("respond.max_age_seconds"), seconds("respond.watch_seconds"));
        let (grace, tick) = (seconds("respond.grace_seconds"), seconds("respond.tick_seconds"));
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut regions = self.list("respond.regions");
        regions.push("us-east-1".to_owned());
        let mode = match self.text("respond.mode").as_deref() {
            Some("observe") => Mode::Observe,
            Some("approve") => Mode::Approve,
            Some("auto") => Mode::Auto,
            _ => Mode::DryRun,
        };
        let place = self.place("respond.role");
        let named = role.rsplit_once('/').filter(|_| role.contains("{account}"));
        if named.is_none() {
            self.problems.push(format!(
                "{place}: respond.role is {role:?}; it must be the ARN of a role with {{account}} in the place of its account"
            ));
        }
        Settings {
            mode,
            first_day_auto: self.flag("respond.first_day_auto"),
            partition: self.partition(role),
            responder_role: named.map_or("", |(_, name)| name).to_owned(),
            management_account: self.text("respond.management_account"),
            organization_account: self.text("respond.organization_account"),
            protected: self.list("respond.protected"),
            max_age,
            per_hour_account: count(self.number("respond.per_hour_account")),
            per_hour_org: count(self.number("respond.per_hour_org")),
            freezes: self.freezes(),
            watch,
            grace,
            tick,
            regions,
            hears_security_hub: self.flag("respond.security_hub_verdicts"),
            simulates: self.text("respond.simulate_rights").as_deref() != Some("no"),
            ..Settings::default()
        }
    }

    /// The partition of the role; where the role leaves it open, that of the region.
    fn partition(&mut self, role: &str) -> String {
        let region = self.text("aws.region").unwrap_or_default();
        let named = role.split(':').nth(1).filter(|part| *part != "{partition}");
        named.unwrap_or_else(|| partition_of(&region)).to_owned()
    }

    fn evidence(&mut self) -> Option<RulePlace> {
        self.store_place("respond.evidence")
    }

    fn store_place(&mut self, name: &'static str) -> Option<RulePlace> {
        match RulePlace::parse(&self.text(name)?) {
            Ok(place) => Some(place),
            Err(error) => {
                let place = self.place(name);
                self.problems.push(format!("{place}: {name}: {error}"));
                None
            }
        }
    }

    fn canaries(&mut self) -> Option<CanaryConfig> {
        let place = self.store_place("respond.canaries")?;
        if self.text("respond.link_secret_file").is_none() {
            let at = self.place("respond.canaries");
            self.problems.push(format!(
                "{at}: respond.canaries are signed with the secret of respond.link_secret_file; name it"
            ));
        }
        let account = self.text("respond.canary_account").unwrap_or_else(|| "000000000000".into());
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            let at = self.place("respond.canary_account");
            self.problems.push(format!("{at}: respond.canary_account must have twelve digits"));
        }
        Some(CanaryConfig {
            place,
            account,
            every: Duration::from_secs(3600 * self.number("respond.canary_hours")),
            objective: Duration::from_secs(60 * self.number("respond.canary_minutes")),
        })
    }

    fn freezes(&mut self) -> Vec<(i64, i64)> {
        let mut freezes = Vec::new();
        for text in self.list("respond.freeze") {
            let parsed = text.split_once('/').and_then(|(from, to)| {
                let time = |text: &str| text.parse().ok().map(Timestamp::as_millisecond);
                Some((time(from)?, time(to)?)).filter(|(from, to)| from < to)
            });
            match parsed {
                Some(freeze) => freezes.push(freeze),
                None => {
                    let place = self.place("respond.freeze");
                    self.problems.push(format!(
                        "{place}: respond.freeze has {text:?}; write FROM/TO in RFC 3339, such as 2026-12-24T00:00:00Z/2026-12-27T00:00:00Z"
                    ));
                }
            }
        }
        freezes
    }

    fn destinations(&mut self) -> Vec<Destination> {
        let mut destinations = Vec::new();
        for (nth, text) in self.list("respond.destinations").into_iter().enumerate() {
            match destination(&text, nth + 1) {
                Ok(destination) => destinations.push(destination),
                Err(error) => {
                    let place = self.place("respond.destinations");
                    self.problems.push(format!("{place}: respond.destinations: {error}"));
                }
            }
        }
        destinations
    }

    fn routes(&mut self, destinations: &[Destination]) -> Routes {
        let mut routes = Routes::default();
        for text in self.list("respond.routes") {
            match route(&text, destinations) {
                Ok(route) => routes.routes.push(route),
                Err(error) => {
                    let place = self.place("respond.routes");
                    self.problems.push(format!("{place}: respond.routes has {text:?}: {error}"));
                }
            }
        }
        routes
    }

    /// Where a key was written, or the file if it was not.
    pub(super) fn place(&self, name: &'static str) -> String {
        self.written.get(name).map_or_else(|| self.path.to_owned(), |one| one.place.clone())
    }
}

fn partition_of(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

/// Reads `NAME=KIND:VALUE`. The value of a secret is the file it lies in, so that no configuration holds one.
fn destination(text: &str, nth: usize) -> Result<Destination, String> {
    let wanted = "write NAME=KIND:VALUE, such as secops=slack:file:/run/secrets/slack-url";
    // What has not this form may be a secret whole, and is told by its place.
    let named = text.split_once('=').filter(|(name, _)| is_name(name));
    let (name, rest) = named.ok_or_else(|| format!("entry {nth} has no name: {wanted}"))?;
    let (kind, value) = rest.split_once(':').ok_or_else(|| format!("{name}: {wanted}"))?;
    let file = || {
        value.strip_prefix("file:").map(PathBuf::from).ok_or_else(|| {
            format!("{name}: the URL or key of {kind} is a secret; write file:PATH of a file that holds it")
        })
    };
    let kind = match kind {
        "slack" => DestinationKind::Slack { url_file: file()? },
        "webhook" => DestinationKind::Webhook { url_file: file()? },
        "pagerduty" => DestinationKind::PagerDuty { key_file: file()? },
        "sns" => DestinationKind::Sns { topic: value.to_owned() },
        "securityhub" => DestinationKind::SecurityHub { region: value.to_owned() },
        other => {
            return Err(format!(
                "{name}: {other:?} is none of slack, webhook, pagerduty, sns, securityhub"
            ));
        }
    };
    Ok(Destination { name: name.to_owned(), kind })
}

/// Reads `CONDITION, … => NAME, …`.
fn route(text: &str, destinations: &[Destination]) -> Result<Route, String> {
    const WANTED: &str =
        "write CONDITION, … => NAME, …, such as account=1111*, severity=high => secops, pager";
    let (conditions, names) = text.split_once("=>").ok_or(WANTED)?;
    let parts = |text: &str| -> Vec<String> {
        text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    };
    let mut matches = Match::default();
    for condition in parts(conditions) {
        let (key, value) = condition.split_once('=').ok_or(WANTED)?;
        let value = value.trim().to_owned();
        match key.trim() {
            "account" => matches.accounts.push(value),
            "ou" => matches.ou = Some(value),
            "owner" => matches.owner = Some(value),
            "tag" => {
                let (key, value) = value
                    .split_once(':')
                    .ok_or("write tag=KEY:VALUE, such as tag=environment:prod")?;
                matches.tag = Some((key.to_owned(), value.to_owned()));
            }
            "severity" => {
                let level = Level::parse(&value).ok_or_else(|| {
                    format!("{value:?} is none of {}", Level::ALL.map(Level::as_str).join(", "))
                })?;
                matches.min_severity = Some(level);
            }
            "on" => {
                let kind = Kind::parse(&value).ok_or_else(|| {
                    format!("{value:?} is none of {}", Kind::ALL.map(Kind::name).join(", "))
                })?;
                matches.events.push(kind);
            }
            other => {
                return Err(format!("{other:?} is none of account, ou, tag, owner, severity, on"));
            }
        }
    }
    let to = parts(names);
    if to.is_empty() {
        return Err(WANTED.to_owned());
    }
    match to.iter().find(|name| !destinations.iter().any(|one| one.name == **name)) {
        Some(name) => Err(format!("respond.destinations has no {name:?}")),
        None => Ok(Route { matches, to }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_named_by_their_files_and_routes_by_what_they_ask_for() {
        let slack = destination("secops=slack:file:/run/secrets/slack", 1).unwrap();
        assert_eq!(slack.kind, DestinationKind::Slack { url_file: "/run/secrets/slack".into() });
        let error = destination("secops=slack:https://hooks.example.com/T0/B0/x", 1).unwrap_err();
        assert!(error.contains("file:PATH"), "{error}");
        assert!(!error.contains("hooks.example.com"), "a secret is not repeated: {error}");
        for unnamed in ["slack:https://hooks.example.com/T0/B0/x", "https://hooks.example.com/?x=y"]
        {
            let error = destination(unnamed, 3).unwrap_err();
            assert!(error.starts_with("entry 3 has no name"), "{error}");
            assert!(!error.contains("hooks.example.com"), "{error}");
        }
        let destinations = [destination("secops=sns:arn", 1).unwrap()];
        let routed = |text: &str| route(text, &destinations);
        let good = routed("account=1111*, ou=Production Apps, tag=environment:prod, owner=ada, severity=high, on=page => secops").unwrap();
        assert_eq!(good.matches.ou.as_deref(), Some("Production Apps"));
        assert_eq!(good.matches.min_severity, Some(Level::High));
        assert_eq!((good.matches.events, good.to), (vec![Kind::Page], vec!["secops".to_owned()]));
        for (text, said) in [
            ("account=1", "CONDITION"),
            ("account=1 => ", "CONDITION"),
            ("account=1 => nobody", "has no \"nobody\""),
            ("severity=loud => secops", "none of informational"),
            ("on=noon => secops", "none of proposed"),
            ("tag=prod => secops", "KEY:VALUE"),
            ("moon=full => secops", "none of account"),
        ] {
            let error = routed(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(destination("pager=email:a@example.com", 1).unwrap_err().contains("none of slack"));
    }
}
