//! The service's configuration: one table of keys, from which reading, checking and the reference follow.
//!
//! A value comes from the file, or from a `TRAILLOOP_…` variable, which wins. All problems are reported at once, each
//! with its place; unknown keys are refused, because a misspelt limit is no limit.

mod api;
mod keys;
mod queries;
mod respond;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use trailloop_cloudtrail::Limits;
use trailloop_pipeline::ServiceLimits;

use crate::UsageError;
use crate::cli::LogFormat;
use crate::config::keys::{KEYS, Key, Kind};
use crate::rulefiles::RulePlace;

pub(crate) use self::api::ApiConfig;
pub(crate) use self::queries::QueriesConfig;
pub(crate) use self::respond::{RespondConfig, StatePlace};

/// The configuration, resolved: every value is present and in bounds.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) notifications: String,
    pub(crate) actions: String,
    pub(crate) dead_letters: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) path_style: bool,
    pub(crate) rules: Vec<RulePlace>,
    /// How often changed rules are looked for; never if it is zero.
    pub(crate) reload: Duration,
    pub(crate) trial_records: u64,
    pub(crate) denies_lints: bool,
    pub(crate) content_version: Option<String>,
    pub(crate) enrichment: Option<PathBuf>,
    pub(crate) workers: usize,
    pub(crate) bytes_in_flight_max: u64,
    pub(crate) object_bytes_max: u64,
    pub(crate) limits: Limits,
    pub(crate) service: ServiceLimits,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
    pub(crate) queries: QueriesConfig,
    pub(crate) respond: RespondConfig,
    pub(crate) api: Option<ApiConfig>,
}

/// A value as it was written, and where.
struct Written {
    value: Value,
    place: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
    /// Of another type than the key takes, which has been said.
    Unusable,
}

/// Which command reads the configuration: each demands other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The stream service.
    Run,
    /// The runbook executor.
    Respond,
    /// What looks at the executor's state, or speaks to it.
    State,
}

/// Reads a configuration file under the variables of the environment.
pub(crate) fn load(path: &Path, purpose: Purpose) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        UsageError(format!("failed to read the configuration {}: {error}", path.display()))
    })?;
    parse(&path.display().to_string(), &text, &environment(), purpose).map_err(anyhow::Error::new)
}

/// The `TRAILLOOP_…` variables, without those of our tests.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("TRAILLOOP_") && !name.starts_with("TRAILLOOP_TEST_"))
        .collect()
}

fn parse(
    path: &str,
    text: &str,
    environment: &BTreeMap<String, String>,
    purpose: Purpose,
) -> Result<Config, UsageError> {
    let mut problems = Vec::new();
    let mut written = BTreeMap::new();
    match DeTable::parse(text) {
        Ok(table) => flatten("", table.get_ref(), path, text, &mut written, &mut problems),
        Err(error) => {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            problems.push(format!("{path}:{line}: not TOML: {}", error.message()));
            return Err(UsageError(listed(path, &problems)));
        }
    }
    for (name, value) in environment {
        match KEYS.iter().find(|key| key.variable() == *name) {
            Some(key) => read_variable(key, name, value, &mut written, &mut problems),
            None => {
                problems.push(format!("{name}: no such variable; docs/configuration.md lists them"))
            }
        }
    }
    let mut reader = Reader { written: &written, problems: &mut problems, path, purpose };
    let config = reader.config();
    reader.check(&config);
    if problems.is_empty() { Ok(config) } else { Err(UsageError(listed(path, &problems))) }
}

fn listed(path: &str, problems: &[String]) -> String {
    let count = problems.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    let mut text = format!("{count} {noun} in the configuration {path}");
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(problem);
    }
    text
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Collects the values of known keys, and a problem for everything else.
fn flatten(
    prefix: &str,
    table: &DeTable<'_>,
    path: &str,
    text: &str,
    written: &mut BTreeMap<&'static str, Written>,
    problems: &mut Vec<String>,
) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        let place = format!("{path}:{}", line_of(text, key.span().start));
        if let Some(known) = KEYS.iter().find(|known| known.name == name) {
            let value = read(known, value.get_ref()).unwrap_or_else(|| {
                problems.push(format!("{place}: {name} must be {}", known.kind.wanted()));
                Value::Unusable
            });
            written.insert(known.name, Written { value, place });
            continue;
        }
        let section = KEYS.iter().any(|known| known.name.starts_with(&format!("{name}.")));
        match value.get_ref() {
            DeValue::Table(inner) if section => {
                flatten(&format!("{name}."), inner, path, text, written, problems);
            }
            _ => problems.push(format!("{place}: unknown key {name}{}", suggestion(&name))),
        }
    }
}

/// The known key that was probably meant: the one that shares the longest start or end.
fn suggestion(name: &str) -> String {
    let shared = |known: &str| {
        let front = known.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        let back = known.bytes().rev().zip(name.bytes().rev()).take_while(|(a, b)| a == b).count();
        front.max(back)
    };
    let best = KEYS.iter().max_by_key(|known| shared(known.name));
    match best {
        Some(best) if shared(best.name) >= 4 => format!("; did you mean {}?", best.name),
        _ => String::new(),
    }
}

fn read(key: &Key, value: &DeValue<'_>) -> Option<Value> {
    match (key.kind, value) {
        (Kind::Text | Kind::Choice(_), DeValue::String(text)) => {
            Some(Value::Text(text.to_string()))
        }
        (Kind::Flag, DeValue::Boolean(flag)) => Some(Value::Flag(*flag)),
        (Kind::Number { .. }, DeValue::Integer(number)) => {
            let digits = number.as_str().replace('_', "");
            u64::from_str_radix(&digits, number.radix()).ok().map(Value::Number)
        }
        (Kind::List, DeValue::Array(elements)) => {
            let text = |element: &toml::Spanned<DeValue<'_>>| match element.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            };
            elements.iter().map(text).collect::<Option<_>>().map(Value::List)
        }
        _ => None,
    }
}

fn read_variable(
    key: &Key,
    name: &str,
    text: &str,
    written: &mut BTreeMap<&'static str, Written>,
    problems: &mut Vec<String>,
) {
    let value = match key.kind {
        Kind::Text | Kind::Choice(_) => Some(Value::Text(text.to_owned())),
        Kind::Flag => text.parse().ok().map(Value::Flag),
        Kind::Number { .. } => text.parse().ok().map(Value::Number),
        Kind::List => Some(Value::List(text.split(',').map(str::to_owned).collect())),
    };
    let value = value.unwrap_or_else(|| {
        problems.push(format!("{name} must be {}", key.kind.wanted()));
        Value::Unusable
    });
    written.insert(key.name, Written { value, place: name.to_owned() });
}

/// Takes values out, with defaults and bounds, and notes every problem.
struct Reader<'a> {
    written: &'a BTreeMap<&'static str, Written>,
    problems: &'a mut Vec<String>,
    path: &'a str,
    purpose: Purpose,
}

impl Reader<'_> {
    fn config(&mut self) -> Config {
        let bytes = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let seconds = Duration::from_secs;
        let workers = bytes(self.number("limits.workers"));
        let limits = Limits {
            raw_bytes_max: self.number("limits.raw_bytes_max"),
            block_bytes_max: bytes(self.number("limits.block_bytes_max")),
            record_bytes_max: bytes(self.number("limits.record_bytes_max")),
            records_max: self.number("limits.records_max"),
            ..Limits::default()
        };
        let service = ServiceLimits {
            pollers: bytes(self.number("limits.pollers")),
            messages_in_flight_max: bytes(self.number("limits.messages_in_flight_max")),
            receive_wait: seconds(self.number("limits.receive_wait_seconds")),
            visibility: seconds(self.number("limits.visibility_seconds")),
            drain: seconds(self.number("limits.drain_seconds")),
        };
        Config {
            notifications: self.demanded("queues.notifications", &[Purpose::Run]),
            actions: self.demanded("queues.actions", &[Purpose::Run, Purpose::Respond]),
            dead_letters: self.text("queues.dead_letters"),
            region: self.text("aws.region"),
            endpoint_url: self.text("aws.endpoint_url"),
            path_style: self.flag("aws.path_style"),
            rules: self.rule_places(),
            reload: seconds(self.number("rules.reload_seconds")),
            trial_records: self.number("rules.trial_records"),
            denies_lints: self.text("rules.lint").as_deref() == Some("deny"),
            content_version: self.text("rules.content_version"),
            enrichment: self.text("enrichment.folder").map(PathBuf::from),
            workers: if workers == 0 { cores() } else { workers },
            bytes_in_flight_max: self.number("limits.bytes_in_flight_max"),
            object_bytes_max: self.number("limits.object_bytes_max"),
            limits,
            service,
            log_format: match self.text("log.format").as_deref() {
                Some("text") => LogFormat::Text,
                _ => LogFormat::Json,
            },
            log_level: self.text("log.level").unwrap_or_default(),
            queries: self.queries(),
            respond: self.respond_checked(),
            api: self.api(),
        }
    }

    fn rule_places(&mut self) -> Vec<RulePlace> {
        let mut places = Vec::new();
        for text in self.list("rules.paths") {
            match RulePlace::parse(&text) {
                Ok(place) => places.push(place),
                Err(error) => self.problems.push(format!("{}: rules.paths: {error}", self.path)),
            }
        }
        places
    }

    /// What single values cannot tell.
    fn check(&mut self, config: &Config) {
        let queues = [
            ("queues.notifications", Some(&config.notifications).filter(|url| !url.is_empty())),
            ("queues.actions", Some(&config.actions).filter(|url| !url.is_empty())),
            ("queues.dead_letters", config.dead_letters.as_ref()),
        ];
        let named = || queues.iter().filter_map(|(name, url)| Some((*name, *url.as_ref()?)));
        for (nth, (name, url)) in named().enumerate().filter(|(_, (_, url))| !url.is_empty()) {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                self.problems
                    .push(format!("{}: {name} is {url:?}; it must be the queue's URL", self.path));
            }
            if let Some((other, _)) = named().take(nth).find(|(_, other)| *other == url) {
                self.problems.push(format!("{}: {name} is the same queue as {other}", self.path));
            }
        }
        if config.object_bytes_max > config.bytes_in_flight_max {
            self.problems.push(format!(
                "{}: limits.object_bytes_max is {}; it must not be more than limits.bytes_in_flight_max, {}",
                self.path, config.object_bytes_max, config.bytes_in_flight_max
            ));
        }
    }

    /// The text of a key, or its default; empty text counts as none.
    fn text(&mut self, name: &'static str) -> Option<String> {
        let key = keys::find(name);
        let Some(Written { value: Value::Text(text), place }) = self.written.get(name) else {
            return key.default_text();
        };
        if let Kind::Choice(choices) = key.kind
            && !choices.contains(&text.as_str())
        {
            self.problems.push(format!("{place}: {name} must be {}", key.kind.wanted()));
        }
        Some(text.clone()).filter(|text| !text.is_empty())
    }

    /// The part of the responder, with what its commands demand.
    fn respond_checked(&mut self) -> RespondConfig {
        self.demanded("respond.state", &[Purpose::Respond, Purpose::State]);
        let respond = self.respond();
        if self.purpose == Purpose::Respond && respond.archive_buckets.is_empty() {
            self.problems.push(format!(
                "{}: respond.archive_buckets is missing; name the buckets that the trails write to",
                self.path
            ));
        }
        respond
    }

    /// The text of a key that these commands can't do without.
    fn demanded(&mut self, name: &'static str, by: &[Purpose]) -> String {
        if by.contains(&self.purpose) {
            self.required(name)
        } else {
            self.text(name).unwrap_or_default()
        }
    }

    fn required(&mut self, name: &'static str) -> String {
        let text = self.text(name);
        let said = matches!(self.written.get(name), Some(Written { value: Value::Unusable, .. }));
        if text.is_none() && !said {
            let variable = keys::find(name).variable();
            let problem = format!("{}: {name} is missing; set it here or in {variable}", self.path);
            self.problems.push(problem);
        }
        text.unwrap_or_default()
    }

    fn number(&mut self, name: &'static str) -> u64 {
        let key = keys::find(name);
        let Kind::Number { least, most, default, .. } = key.kind else { return 0 };
        let Some(Written { value: Value::Number(number), place }) = self.written.get(name) else {
            return default;
        };
        if !(least..=most).contains(number) {
            self.problems
                .push(format!("{place}: {name} is {number}; it must be {}", key.kind.wanted()));
        }
        *number
    }

    fn flag(&mut self, name: &'static str) -> bool {
        matches!(self.written.get(name), Some(Written { value: Value::Flag(true), .. }))
    }

    fn list(&mut self, name: &'static str) -> Vec<String> {
        match self.written.get(name) {
            Some(Written { value: Value::List(list), .. }) => list.clone(),
            _ => Vec::new(),
        }
    }
}

/// How many threads the machine runs at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The configuration reference as Markdown, made from the table of keys.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\nGenerated from the table in `crates/trailloop/src/config/keys.rs`; edit that.\n\n\
         `trailloop run` and `trailloop respond` read one TOML file, `--config FILE`. Each key may also be given as an environment variable, which\n\
         wins over the file. Unknown keys and variables are refused. `trailloop run --config FILE --check` reports every\n\
         problem at once and stops.\n",
    );
    let mut section = "";
    for key in KEYS {
        let (of, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if of != section {
            section = of;
            text.push_str(&format!(
                "\n## [{of}]\n\n| Key | Value | Default | What it is |\n|---|---|---|---|\n"
            ));
        }
        let (variable, wanted) = (key.variable(), key.kind.wanted());
        let (default, doc) = (key.default_shown(), key.doc);
        text.push_str(&format!("| `{name}` <br> `{variable}` | {wanted} | {default} | {doc} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[queues]\nnotifications = \"https://sqs/n\"\nactions = \"https://sqs/a\"\n";

    fn problems(text: &str, environment: &[(&str, &str)]) -> String {
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        match parse("t.toml", text, &environment.collect(), Purpose::Run) {
            Ok(_) => "none".to_owned(),
            Err(UsageError(text)) => text,
        }
    }

    #[test]
    fn defaults_are_in_bounds_and_the_least_file_is_enough() {
        let config = parse("t.toml", GOOD, &BTreeMap::new(), Purpose::Run).unwrap();
        assert_eq!(config.service.visibility, Duration::from_secs(60));
        assert_eq!(config.limits.block_bytes_max, Limits::default().block_bytes_max);
        assert_eq!(config.dead_letters, None);
        assert!(config.workers > 0);
    }

    #[test]
    fn variables_win_over_the_file() {
        let environment = [("TRAILLOOP_LIMITS_WORKERS", "3"), ("TRAILLOOP_RULES_PATHS", "a,b")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = format!("{GOOD}[limits]\nworkers = 9\n");
        let config = parse("t.toml", &text, &environment.into(), Purpose::Run).unwrap();
        assert_eq!(config.workers, 3);
        assert_eq!(config.rules, ["a", "b"].map(|path| RulePlace::Path(path.into())));
    }

    #[test]
    fn all_problems_come_at_once() {
        let text = "[queues]\nnotification = \"x\"\nactions = 7\n[limits]\nworkers = 100_000\npollers = \"two\"\n[extra]\na = 1\n[log]\nformat = \"xml\"\n";
        let environment = [("TRAILLOOP_LIMIT", "1"), ("TRAILLOOP_AWS_PATH_STYLE", "maybe")];
        insta::assert_snapshot!(problems(text, &environment));
        insta::assert_snapshot!(problems("queues = [\n", &[]));
    }

    /// The configuration files of the fixtures, by whether they are good.
    fn fixtures(folder: &str) -> Vec<(String, String)> {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/configs").join(folder);
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
    }

    #[test]
    fn good_configurations_of_the_executor_are_taken() {
        let files = fixtures("good");
        assert!(files.len() >= 2);
        for (name, text) in files {
            let parsed = parse(&name, &text, &BTreeMap::new(), Purpose::Respond);
            assert!(parsed.is_ok(), "{name}: {}", parsed.err().unwrap());
        }
    }

    #[test]
    fn bad_configurations_of_the_executor_are_refused_with_all_problems_and_no_secret() {
        let mut said = String::new();
        for (name, text) in fixtures("bad") {
            let error = parse(&name, &text, &BTreeMap::new(), Purpose::Respond).unwrap_err();
            said.push_str(&format!("{error}\n\n"));
        }
        assert!(!said.contains("CANARY"), "{said}");
        insta::assert_snapshot!(said);
    }

    #[test]
    fn each_command_demands_what_it_uses() {
        let state = "[respond]\nstate = \"state.sqlite\"\n";
        assert!(parse("t.toml", state, &BTreeMap::new(), Purpose::State).is_ok());
        let missing = |text: &str, purpose| {
            let error = parse("t.toml", text, &BTreeMap::new(), purpose).unwrap_err().to_string();
            ["queues.notifications", "queues.actions", "respond.state", "respond.archive_buckets"]
                .into_iter()
                .filter(|key| error.contains(&format!("{key} is missing")))
                .collect::<Vec<_>>()
        };
        assert_eq!(missing("", Purpose::Run), ["queues.notifications", "queues.actions"]);
        let respond = ["queues.actions", "respond.state", "respond.archive_buckets"];
        assert_eq!(missing("", Purpose::Respond), respond);
        assert_eq!(missing("", Purpose::State), ["respond.state"]);
    }

    #[test]
    fn queries_are_scheduled_where_there_is_an_archive_and_a_state() {
        let queries = |more: &str, purpose| {
            let text = format!("{GOOD}{more}");
            parse("t.toml", &text, &BTreeMap::new(), purpose).map(|config| config.queries)
        };
        let run = |more: &str| queries(more, Purpose::Run);
        assert!(!run("").unwrap().schedules, "without an archive nothing is asked");
        let archive = "[queries]\narchive = [\"s3://example-logs/AWSLogs/\", \"logs\"]\n";
        let state = "[respond]\nstate = \"dynamodb:state\"\n";
        let all = run(&format!("{archive}{state}")).unwrap();
        assert!(all.schedules);
        assert_eq!(all.state, Some(StatePlace::Dynamo("state".to_owned())));
        assert_eq!(all.archive.len(), 2);
        let own = run(&format!("{archive}state = \"own.sqlite\"\n{state}")).unwrap();
        assert_eq!(own.state, Some(StatePlace::File("own.sqlite".into())));
        assert!(!run(&format!("{archive}schedules = \"off\"\n")).unwrap().schedules);
        let said = |more: &str| run(more).unwrap_err().to_string();
        assert!(said(archive).contains("queries.state is missing"));
        assert!(
            said(&format!("[queries]\nschedules = \"on\"\n{state}"))
                .contains("queries.archive is missing")
        );
        assert!(
            said("[queries]\narchive = [\"s3:///x\"]\n")
                .contains("queries.archive: s3:///x names no bucket")
        );
        // The executor asks without a state of its own for it.
        let archive_buckets = "[respond]\nstate = \"s\"\narchive_buckets = [\"b\"]\n";
        assert!(queries(&format!("{archive}{archive_buckets}"), Purpose::Respond).is_ok());
    }

    #[test]
    fn the_reference_in_the_repository_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        if kept != reference() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, reference()).unwrap();
            panic!(
                "docs/configuration.md was out of date and has been written anew; look at the change and keep it"
            );
        }
    }
}
