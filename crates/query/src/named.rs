//! Queries that are kept: files of YAML beside the rules, with typed parameters and examples.
//!
//! A file is read whole and told whole: every problem with its place. `docs/queries.md` describes the format.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Number, Value};
use trailloop_rules::Diagnostic;
use trailloop_rules::source::{Data, Mark, Meaning, Node, Reporter, nearest, quoted, read};

use crate::error::QueryError;
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
    /// Its examples.
    pub tests: Vec<Example>,
    /// Where it was read.
    pub path: String,
}

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
                let time = match text.strip_prefix('-').and_then(ago) {
                    Some(ago) => now.checked_sub(ago).ok(),
                    None => text.parse().ok(),
                };
                let help = "write RFC 3339, such as 2026-01-31T00:00:00Z, or how long ago, such as -36h or -7d";
                let time: Timestamp =
                    time.ok_or_else(|| format!("{} is no time; {help}", quoted(text)))?;
                Ok(Bound::Text(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
            }
        }
    }
}

/// `36h`, `7d`, `90m`, `30s`.
fn ago(text: &str) -> Option<Duration> {
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
}

/// What a file gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The query, if it has no error.
    pub query: Option<NamedQuery>,
    /// Every problem found, in the order of its place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a file. `path` is for messages.
#[must_use]
pub fn load(path: &str, text: &str) -> Loaded {
    let mut reporter = Reporter::new(path, text);
    let documents = read(text, &mut reporter);
    let mut file = File { reporter: &mut reporter };
    let query = match &documents[..] {
        [document] => file.query(document, path),
        [] if file.reporter.errors() > 0 => None,
        _ => {
            let mark = documents.get(1).map_or(Mark { line: 1, column: 1 }, |second| second.mark);
            file.error(mark, "one-query", "a file holds one query", "write one document a file");
            None
        }
    };
    let query = query.filter(|_| reporter.errors() == 0);
    Loaded { query, diagnostics: reporter.into_diagnostics() }
}

struct File<'r, 'a> {
    reporter: &'r mut Reporter<'a>,
}

type Entries<'n> = &'n [(Node, Node)];

impl File<'_, '_> {
    fn error(&mut self, mark: Mark, code: &'static str, message: impl Into<String>, help: &str) {
        self.reporter.error(mark, code, message, help);
    }

    fn query(&mut self, node: &Node, path: &str) -> Option<NamedQuery> {
        let keys = ["id", "title", "description", "parameters", "sql", "tests"];
        self.mapping(node, "a query", &keys)?;
        let id = self.demand(node, "a query", "id");
        if let Some(id) = &id
            && (id.is_empty() || !id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')))
        {
            let message = format!("the id is {}", quoted(id));
            self.error(node.mark, "bad-id", message, "write small letters, digits and hyphens");
        }
        let title = self.demand(node, "a query", "title");
        let description = self.demand(node, "a query", "description");
        let parameters = self.parameters(node.get("parameters"));
        let sql = self.demand(node, "a query", "sql");
        let prepared = sql.as_ref().and_then(|sql| self.prepared(node, sql, &parameters));
        let tests = self.list(node.get("tests"), "`tests`");
        let tests: Vec<Example> =
            tests.iter().filter_map(|test| self.example(test, &parameters)).collect();
        Some(NamedQuery {
            id: id?,
            title: title?,
            description: description?,
            parameters,
            sql: sql?,
            prepared: prepared?,
            tests,
            path: path.to_owned(),
        })
    }

    fn parameters(&mut self, node: Option<&Node>) -> Vec<Declared> {
        let Some(node) = node.filter(|node| !node.is_null()) else { return Vec::new() };
        let Data::Mapping(entries) = &node.data else {
            let message = format!("`parameters` is {}", node.what());
            self.error(node.mark, "wrong-type", message, "write each parameter's name as a key");
            return Vec::new();
        };
        let declared = |(name, of): &(Node, Node)| {
            self.mapping(of, "a parameter", &["type", "description", "default"])?;
            let kind = self.demand(of, "a parameter", "type")?;
            let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == kind) else {
                let message = format!("the type is {}", quoted(&kind));
                self.error(of.mark, "bad-type", message, "write text, time or integer");
                return None;
            };
            let description = self.demand(of, "a parameter", "description")?;
            let default = of.get("default").map(|node| node.text().to_owned());
            if let Some(default) = &default
                && let Err(said) = kind.read(default, Timestamp::UNIX_EPOCH)
            {
                self.error(of.mark, "bad-default", said, "write a value of the parameter's type");
            }
            Some(Declared { name: name.text().to_owned(), kind: *kind, description, default })
        };
        entries.iter().filter_map(declared).collect()
    }

    fn prepared(&mut self, node: &Node, sql: &str, parameters: &[Declared]) -> Option<Prepared> {
        let at = node.get("sql").map_or(node.mark, |node| node.mark);
        let prepared = match Prepared::parse(sql) {
            Ok(prepared) => prepared,
            Err(error) => {
                self.error(at, "bad-sql", error.to_string(), "correct the statement");
                return None;
            }
        };
        for name in &prepared.parameters {
            if parameters.iter().all(|one| one.name != *name) {
                let message = format!(":{name} is not declared");
                self.error(at, "undeclared-parameter", message, "declare it under `parameters`");
            }
        }
        for one in parameters.iter().filter(|one| !prepared.parameters.contains(&one.name)) {
            let message = format!("the parameter {} is not used", one.name);
            self.error(at, "unused-parameter", message, "use it as :name, or remove it");
        }
        Some(prepared)
    }

    fn example(&mut self, node: &Node, parameters: &[Declared]) -> Option<Example> {
        self.mapping(node, "an example", &["name", "parameters", "records", "rows"])?;
        let name = self.demand(node, "an example", "name")?;
        let mut values = BTreeMap::new();
        if let Some(Data::Mapping(entries)) = node.get("parameters").map(|node| &node.data) {
            for (key, value) in entries {
                if parameters.iter().all(|one| one.name != key.text()) {
                    let message = format!("there is no parameter {}", quoted(key.text()));
                    self.error(
                        key.mark,
                        "undeclared-parameter",
                        message,
                        "declare it, or remove it",
                    );
                }
                values.insert(key.text().to_owned(), value.text().to_owned());
            }
        }
        let records = self.list(node.get("records"), "`records`").iter().map(json).collect();
        let rows = self.list(node.get("rows"), "`rows`").iter().map(json).collect();
        Some(Example { name, line: node.mark.line, parameters: values, records, rows })
    }

    fn mapping<'n>(&mut self, node: &'n Node, what: &str, keys: &[&str]) -> Option<Entries<'n>> {
        let Data::Mapping(entries) = &node.data else {
            let message = format!("{what} is {}", node.what());
            self.error(node.mark, "wrong-type", message, &format!("write {}", keys.join(", ")));
            return None;
        };
        for (key, _) in entries.iter().filter(|(key, _)| !keys.contains(&key.text())) {
            let help = match nearest(key.text(), keys) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{what} has {}", keys.join(", ")),
            };
            let message = format!("{what} has no {}", quoted(key.text()));
            self.error(key.mark, "unknown-key", message, &help);
        }
        Some(entries)
    }

    fn demand(&mut self, node: &Node, what: &str, key: &str) -> Option<String> {
        match node.get(key).map(|value| (value, value.scalar())) {
            Some((value, Some(scalar))) if !value.is_null() => Some(scalar.text.clone()),
            Some((value, _)) => {
                let message = format!("`{key}` is {}", value.what());
                self.error(value.mark, "wrong-type", message, "write text");
                None
            }
            None => {
                let message = format!("{what} has no `{key}`");
                self.error(node.mark, "missing-key", message, &format!("write `{key}:`"));
                None
            }
        }
    }

    fn list<'n>(&mut self, node: Option<&'n Node>, what: &str) -> &'n [Node] {
        match node {
            Some(Node { data: Data::Sequence(list), .. }) => list,
            Some(other) if !other.is_null() => {
                let message = format!("{what} is {}", other.what());
                self.error(other.mark, "wrong-type", message, "write a list");
                &[]
            }
            _ => &[],
        }
    }
}

/// A node as JSON.
fn json(node: &Node) -> Value {
    match &node.data {
        Data::Sequence(nodes) => nodes.iter().map(json).collect(),
        Data::Mapping(entries) => {
            let entry = |(key, value): &(Node, Node)| (key.text().to_owned(), json(value));
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        Data::Scalar(scalar) => match scalar.meaning() {
            Meaning::Null => Value::Null,
            Meaning::Bool(flag) => Value::Bool(flag),
            Meaning::Number => match scalar.text.parse::<Number>() {
                Ok(number) => Value::Number(number),
                Err(_) => Value::String(scalar.text.clone()),
            },
            Meaning::Text => Value::String(scalar.text.clone()),
        },
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

    proptest::proptest! {
        #[test]
        fn no_text_panics(text: String) {
            drop(load("q.yml", &text));
            drop(load("q.yml", &format!("{GOOD}{text}")));
        }
    }
}
