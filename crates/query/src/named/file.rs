//! A file of a query, read with positions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Number, Value};
use trailloop_rules::Diagnostic;
use trailloop_rules::source::{Data, Mark, Meaning, Node, Reporter, nearest, quoted, read};

use super::{Declared, Example, KINDS, NamedQuery};
use crate::own::{OWN_TABLES, OwnShape};
use crate::sql::Prepared;

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

pub(super) struct File<'r, 'a> {
    reporter: &'r mut Reporter<'a>,
}

type Entries<'n> = &'n [(Node, Node)];

impl File<'_, '_> {
    pub(super) fn error(
        &mut self,
        mark: Mark,
        code: &'static str,
        message: impl Into<String>,
        help: &str,
    ) {
        self.reporter.error(mark, code, message, help);
    }

    fn query(&mut self, node: &Node, path: &str) -> Option<NamedQuery> {
        let keys =
            ["id", "title", "description", "parameters", "sql", "schedule", "finding", "tests"];
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
        let scheduled = self.scheduled(node, &parameters);
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
            scheduled,
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
        let own = OWN_TABLES.iter().map(|shape| shape.name);
        let keys: Vec<&str> =
            ["name", "parameters", "records", "rows"].into_iter().chain(own).collect();
        self.mapping(node, "an example", &keys)?;
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
        let own = OWN_TABLES.iter().map(|shape| (shape.name, self.own_rows(node, shape))).collect();
        Some(Example { name, line: node.mark.line, parameters: values, records, own, rows })
    }

    /// The rows that an example gives of a table of ours.
    fn own_rows(&mut self, node: &Node, shape: &OwnShape) -> Vec<Value> {
        let what = format!("`{}`", shape.name);
        let columns: Vec<&str> = shape.columns.iter().map(|(name, ..)| *name).collect();
        let rows = self.list(node.get(shape.name), &what);
        rows.iter()
            .filter_map(|row| {
                self.mapping(row, &format!("a row of {what}"), &columns)?;
                Some(json(row))
            })
            .collect()
    }

    pub(super) fn mapping<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        keys: &[&str],
    ) -> Option<Entries<'n>> {
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

    pub(super) fn demand(&mut self, node: &Node, what: &str, key: &str) -> Option<String> {
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

    pub(super) fn list<'n>(&mut self, node: Option<&'n Node>, what: &str) -> &'n [Node] {
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
