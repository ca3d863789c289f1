//! Queries that are kept: files of YAML beside the rules, with typed parameters and examples.
//!
//! A file is read whole and told whole: every problem with its place. `docs/queries.md` describes the format.

mod file;
mod scheduled;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use trailloop_enrichment::{Enriched, Enrichment};
use trailloop_finding::{Level, sha256};
use trailloop_rules::source::quoted;

pub use self::file::{Loaded, load};
use crate::error::QueryError;
use crate::schedule::{Schedule, Window, rfc3339};
use crate::sql::{Bound, Parameters, Prepared};

/// A kept query.
#[derive(Clone, Debug)]
pub struct NamedQuery {
    /// Its name: small letters, digits and hyphens.
    pub id: String,
    /// What it tells, in a few words.
    pub title: String,
    /// What it is for, and what its answer does not say.
    pub description: String,
    /// Its parameters, in the order of the file.
    pub parameters: Vec<Declared>,
    /// Its text.
    pub sql: String,
    /// The statement of that text.
    pub prepared: Prepared,
    /// When it is asked by itself, and what comes of its rows.
    pub scheduled: Option<Scheduled>,
    /// Its examples.
    pub tests: Vec<Example>,
    /// Where it was read.
    pub path: String,
}

/// What a query with a schedule says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// At which times it is asked, and about which windows.
    pub schedule: Schedule,
    /// How a row becomes a finding.
    pub finding: RowFinding,
}

/// How a row of a query becomes a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFinding {
    /// How much it matters.
    pub level: Level,
    /// What the finding says; if nothing, the title of the query.
    pub title: Option<String>,
    /// The columns by whose values rows are told apart: rows that agree in all of them are one finding.
    pub key: Vec<String>,
    /// Tags of ATT&CK, such as `attack.t1078`.
    pub attack: Vec<String>,
}

/// The parameters that a schedule binds to its window.
pub const WINDOW_PARAMETERS: [&str; 2] = ["from", "to"];

/// A parameter that a query declares.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its name, without the colon.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// What it is for.
    pub description: String,
    /// Its value if none is given, as written.
    pub default: Option<String>,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A time in RFC 3339, or how long ago: `-36h`, `-7d`. It is bound as CloudTrail writes times.
    Time,
    /// A whole number.
    Integer,
}

const KINDS: [(&str, Kind); 3] =
    [("text", Kind::Text), ("time", Kind::Time), ("integer", Kind::Integer)];

impl Kind {
    fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Reads a value. `now` is what times count back from.
    ///
    /// # Errors
    ///
    /// If the text is none of this kind, with what may be written.
    pub fn read(self, text: &str, now: Timestamp) -> Result<Bound, String> {
        match self {
            Self::Text => Ok(Bound::Text(text.to_owned())),
            Self::Integer => {
                let number = text.parse().map(Bound::Integer);
                number.map_err(|_| format!("{} is no whole number", quoted(text)))
            }
            Self::Time => {
                let time = match text.strip_prefix('-').and_then(duration) {
                    Some(ago) => now.checked_sub(ago).ok(),
                    None => text.parse().ok(),
                };
                let help = "write RFC 3339, such as 2026-01-31T00:00:00Z, or how long ago, such as -36h or -7d";
                let time: Timestamp =
                    time.ok_or_else(|| format!("{} is no time; {help}", quoted(text)))?;
                Ok(Bound::Text(rfc3339(time)))
            }
        }
    }
}

/// `36h`, `7d`, `90m`, `30s`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

/// Records, and the rows that come of them.
#[derive(Clone, Debug)]
pub struct Example {
    /// What it shows.
    pub name: String,
    /// Where it stands.
    pub line: u32,
    /// Values of parameters, as written.
    pub parameters: BTreeMap<String, String>,
    /// The records.
    pub records: Vec<Value>,
    /// Rows of our own tables, by the table's name.
    pub own: BTreeMap<&'static str, Vec<Value>>,
    /// The rows, in order; what is null is left out.
    pub rows: Vec<Value>,
}

impl NamedQuery {
    /// The values of its parameters: those given, and defaults for the others.
    ///
    /// # Errors
    ///
    /// If one is missing, unknown, or not of its kind.
    pub fn bind(
        &self,
        given: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Parameters, QueryError> {
        let error = |said: String| QueryError::Parameter(format!("{}: {said}", self.id));
        let is_declared = |name: &String| self.parameters.iter().any(|one| one.name == *name);
        if let Some(name) = given.keys().find(|name| !is_declared(name)) {
            let names: Vec<&str> = self.parameters.iter().map(|one| one.name.as_str()).collect();
            return Err(error(format!(
                "there is no parameter {name}; it has {}",
                names.join(", ")
            )));
        }
        let mut bound = Parameters::new();
        for one in &self.parameters {
            let text = given.get(&one.name).or(one.default.as_ref());
            let missing = || {
                error(format!("{} has no value; give it with --param {}=VALUE", one.name, one.name))
            };
            let value = one.kind.read(text.ok_or_else(missing)?, now);
            let value = value.map_err(|said| error(format!("{}: {said}", one.name)))?;
            bound.insert(one.name.clone(), value);
        }
        Ok(bound)
    }

    /// The values of its parameters for a window: `from` and `to` are its ends, and the others have their defaults, counted back from
    /// its end. So whoever asks about the same window asks the same.
    ///
    /// # Errors
    ///
    /// If another parameter has no default.
    pub fn bind_window(&self, window: Window) -> Result<Parameters, QueryError> {
        let [from, to] = WINDOW_PARAMETERS.map(str::to_owned);
        let given = BTreeMap::from([(from, rfc3339(window.from)), (to, rfc3339(window.to))]);
        self.bind(&given, window.to)
    }

    /// The SHA-256, in hex, of what it asks and what its findings say. Where and how it is written does not matter, nor when it is asked,
    /// nor its examples.
    #[must_use]
    pub fn hash(&self) -> String {
        let parameters: Vec<Value> = self
            .parameters
            .iter()
            .map(|Declared { name, kind, description, default }| {
                json!([name, kind.name(), description, default])
            })
            .collect();
        let finding = self.scheduled.as_ref().map(|of| {
            let RowFinding { level, title, key, attack } = &of.finding;
            json!([level.as_str(), title, key, attack])
        });
        let Self { id, title, description, sql, .. } = self;
        let said = json!([id, title, description, parameters, sql, finding]);
        sha256(said.to_string().as_bytes())
    }

    /// The enriched fields that it asks for and that nothing here says, because files of the enrichment folder are missing. Where there is one,
    /// its answer means nothing.
    #[must_use]
    pub fn missing(&self, enrichment: &Enrichment) -> Vec<Enriched> {
        let mut fields = self.prepared.enriched();
        fields.retain(|field| !field.is_available(enrichment));
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "id: who-asked\ntitle: Who asked\ndescription: Callers of one API.\nparameters:\n  name: {type: text, description: The API}\n  from: {type: time, description: Since, default: -24h}\nsql: |\n  SELECT useridentity.arn AS arn FROM cloudtrail WHERE eventname = :name AND eventtime >= :from\n";

    #[test]
    fn a_query_is_read_and_its_parameters_bound() {
        let query = load("q.yml", GOOD).query.unwrap();
        let now: Timestamp = "2026-02-02T12:00:00Z".parse().unwrap();
        let given = BTreeMap::from([("name".to_owned(), "GetObject' --".to_owned())]);
        let bound = query.bind(&given, now).unwrap();
        assert_eq!(bound["from"], Bound::Text("2026-02-01T12:00:00Z".into()));
        assert_eq!(bound["name"], Bound::Text("GetObject' --".into()));
        assert_eq!(
            query.prepared.with_question_marks(),
            "SELECT useridentity.arn AS arn FROM cloudtrail WHERE eventname = ? AND eventtime >= ?"
        );
        let said = |given: &[(&str, &str)]| {
            let given =
                given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            query.bind(&given, now).unwrap_err().to_string()
        };
        let said = [said(&[]), said(&[("nam", "x")]), said(&[("name", "x"), ("from", "soon")])];
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let files = [
            "",
            "- a",
            "id: A b\ntitle: x\ndescription: y\nsql: DROP TABLE cloudtrail",
            "id: a\ntitel: x\ndescription: y\nsql: SELECT :b FROM cloudtrail",
            "id: a\ntitle: x\ndescription: y\nparameters:\n  p: {type: date, description: d}\n  q: {type: integer, description: d, default: x}\nsql: SELECT 1\ntests: 3",
            "id: a\ntitle: x\ndescription: y\nsql: SELEC 1\n---\nid: b",
        ];
        let mut said = Vec::new();
        for file in files {
            let loaded = load("q.yml", file);
            assert!(loaded.query.is_none());
            said.extend(loaded.diagnostics.iter().map(ToString::to_string));
        }
        insta::assert_snapshot!(said.join("\n"));
    }

    const SCHEDULED: &str = "id: who-asked\ntitle: Who asked\ndescription: Callers.\nparameters:\n  from: {type: time, description: d}\n  to: {type: time, description: d}\n  since: {type: time, description: d, default: -14d}\nsql: SELECT eventname AS arn FROM cloudtrail WHERE eventtime >= :from AND eventtime < :to AND day > :since AND ip_country = 'NL'\n";

    fn loaded(more: &str) -> Loaded {
        load("q.yml", &format!("{SCHEDULED}{more}"))
    }

    #[test]
    fn a_schedule_is_read_and_its_window_bound() {
        let more = "schedule: {every: 15m, lag: 5m, catch_up: 4, window: 1h}\nfinding:\n  severity: high\n  title: Someone asked\n  key: [arn]\n  attack: [attack.t1078.004, attack.initial-access]\n";
        let query = loaded(more).query.unwrap();
        let scheduled = query.scheduled.clone().unwrap();
        assert_eq!(scheduled.schedule.to_string(), "every 15m, the 1h before, 5m later");
        assert_eq!((scheduled.finding.level, scheduled.schedule.catch_up), (Level::High, 4));
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let window =
            Window { from: time("2026-01-31T09:00:00Z"), to: time("2026-01-31T10:00:00Z") };
        let bound = query.bind_window(window).unwrap();
        assert_eq!(bound["from"], Bound::Text("2026-01-31T09:00:00Z".into()));
        assert_eq!(bound["to"], Bound::Text("2026-01-31T10:00:00Z".into()));
        assert_eq!(bound["since"], Bound::Text("2026-01-17T10:00:00Z".into()));
        let missing = query.missing(&Enrichment::default());
        assert_eq!(missing.iter().map(|one| one.as_str()).collect::<Vec<_>>(), ["ip.country"]);
        let short = loaded("schedule: {cron: 0 3 * * *}\nfinding: {severity: low, key: [arn]}\n");
        let short = short.query.unwrap().scheduled.unwrap();
        assert_eq!(short.schedule.to_string(), "cron 0 3 * * *, 20m later");
        assert_eq!((short.schedule.catch_up, short.finding.title), (24, None));
    }

    #[test]
    fn the_hash_is_of_what_is_asked_and_said_and_not_of_when() {
        let hash = |more: &str| loaded(more).query.unwrap().hash();
        let finding = "finding: {severity: low, key: [arn]}\n";
        let every = hash(&format!("schedule: {{every: 15m}}\n{finding}"));
        assert_eq!(
            every,
            hash(&format!("{finding}# said\nschedule:\n  cron: 5 * * * *\ntests: []"))
        );
        assert_ne!(every, hash("schedule: {every: 15m}\nfinding: {severity: high, key: [arn]}\n"));
        assert_ne!(every, hash(""));
    }

    #[test]
    fn what_is_wrong_with_a_schedule_is_told_with_its_place() {
        let good = "finding: {severity: low, key: [arn]}\n";
        let files = [
            "schedule: {every: 15m}\n".to_owned(),
            good.to_owned(),
            format!("schedule: daily\n{good}"),
            format!("schedule: {{evry: 15m}}\n{good}"),
            format!("schedule: {{every: 15m, cron: 0 3 * * *}}\n{good}"),
            format!("schedule: {{every: 0s, lag: soon, catch_up: 0}}\n{good}"),
            format!("schedule: {{cron: 0 25 * * *}}\n{good}"),
            format!("schedule: {{every: 1h, window: 15m}}\n{good}"),
            format!("schedule: {{cron: 0 3 * * mon-fri, window: 1d}}\n{good}"),
            "schedule: {every: 1h}\nfinding: {severity: loud, key: [arn, [x]], attack: [t1078], colour: red}\n".to_owned(),
            "schedule: {every: 1h}\nfinding: {severity: low, title: [x]}\n".to_owned(),
        ];
        let mut said = Vec::new();
        for file in files {
            let loaded = loaded(&file);
            assert!(loaded.query.is_none(), "{file}");
            said.extend(loaded.diagnostics.iter().map(ToString::to_string));
        }
        let unasked = load("q.yml", &format!("{GOOD}schedule: {{every: 1h}}\n{good}"));
        assert!(unasked.query.is_none());
        said.extend(unasked.diagnostics.iter().map(ToString::to_string));
        insta::assert_snapshot!(said.join("\n"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text: String) {
            drop(load("q.yml", &text));
            drop(load("q.yml", &format!("{GOOD}{text}")));
            let finding = "finding: {severity: low, key: [arn]}";
            drop(loaded(&format!("{finding}\nschedule: {{{text}}}")));
            drop(loaded(&format!("{finding}\nschedule:\n  {text}")));
        }
    }
}
