//! The queries this project ships: each loads, plans, passes its examples, and takes any text for a parameter as text.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use trailloop_enrichment::{Enrichment, Places};
use trailloop_query::arrow::datatypes::{DataType, Field, Schema};
use trailloop_query::arrow::json::ReaderBuilder;
use trailloop_query::named::{Kind, NamedQuery, load};
use trailloop_query::{Archive, Engine, Window, findings_of_rows, rows, run_examples};

use crate::kit::{Small, call, key, runtime};

/// What no parameter may be more than a text for.
pub(crate) const HOSTILE: [&str; 8] = [
    "x' OR '1'='1",
    "'; DROP TABLE cloudtrail; --",
    "{{ from }} ${jndi:ldap://x} :from ? $1",
    "\"; SELECT * FROM cloudtrail /*",
    "\\' OR 1=1 \\",
    "ана\u{202e}☃\u{1f4a5}",
    "\u{1}\u{7}\u{1b}[31m\r\n\t",
    "",
];

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every shipped query, as its file in the repository says it.
pub(crate) fn shipped() -> Vec<NamedQuery> {
    let folder = repository().join("crates/content/queries");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut said = Vec::new();
    let mut queries = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let loaded = load(&name, &std::fs::read_to_string(&path).unwrap());
        said.extend(loaded.diagnostics.iter().map(ToString::to_string));
        queries.extend(loaded.query);
    }
    assert!(said.is_empty(), "{}", said.join("\n"));
    queries
}

/// The rows of a shipped query over an archive.
pub(crate) fn answer(small: &Small, id: &str, given: &[(&str, &str)]) -> Vec<Value> {
    let query = shipped().into_iter().find(|query| query.id == id).unwrap();
    let given: BTreeMap<String, String> =
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let bound = query.bind(&given, Timestamp::UNIX_EPOCH).unwrap();
    let engine = Engine::new(small.archive.clone());
    runtime().block_on(async {
        let answer = engine.ask(&query.prepared, &bound).await.unwrap();
        rows(&answer.all(usize::MAX).await.unwrap().0).unwrap()
    })
}

/// What says in a description that a query needs columns that Athena does not have.
pub(crate) const OURS_ONLY: &str = "Our engine only:";

#[test]
fn every_file_is_embedded_and_named_by_its_id() {
    let queries = shipped();
    let files = trailloop_content::queries::files();
    let embedded: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    let by_id: Vec<String> = queries.iter().map(|query| format!("{}.yml", query.id)).collect();
    assert_eq!(embedded, by_id);
    assert!(queries.len() >= 24);
    for number in 1..=12 {
        let begins = format!("q{number:02}-");
        assert!(queries.iter().any(|query| query.id.starts_with(&begins)), "{begins}");
    }
}

#[test]
fn every_query_plans_and_passes_its_examples() {
    let runtime = runtime();
    let engine = Engine::new(Archive::new(Vec::new()));
    let mut said = Vec::new();
    for query in shipped() {
        let id = &query.id;
        if let Err(error) = runtime.block_on(engine.check(&query)) {
            said.push(format!("{id}: {error}"));
        }
        if query.tests.len() < 2 {
            said.push(format!("{id}: has fewer than two examples"));
        }
        // What needs an address database has no row in an example.
        let is_mute = query.tests.iter().all(|test| test.rows.is_empty());
        if is_mute && !query.description.contains(OURS_ONLY) {
            said.push(format!("{id}: no example gives a row"));
        }
        for outcome in runtime.block_on(run_examples(&query)) {
            if outcome.is_passed() {
                continue;
            }
            let lines = |rows: &[Value]| {
                rows.iter().map(|row| format!("\n    {row}")).collect::<Vec<_>>().concat()
            };
            let came = outcome.came.map_or_else(|said| said, |rows| lines(&rows));
            let (name, line, wanted) = (outcome.name, outcome.line, lines(&outcome.wanted));
            said.push(format!("{id}:{line}: {name}\n  should be {wanted}\n  is {came}"));
        }
    }
    assert!(said.is_empty(), "{}", said.join("\n"));
}

/// What runbooks ask under `enrich`.
const OF_RUNBOOKS: [&str; 2] = ["open-runs-of-principal", "other-keys-of-user"];

/// Windows that follow one another must not share their ends, and what follows a finding is not asked by itself.
#[test]
fn what_is_no_question_of_a_finding_has_a_schedule() {
    let mut scheduled = 0;
    for query in shipped() {
        let is_numbered = query.id.starts_with('q') && query.id.as_bytes()[1].is_ascii_digit();
        let is_question = is_numbered || OF_RUNBOOKS.contains(&query.id.as_str());
        assert_eq!(query.scheduled.is_none(), is_question, "{}", query.id);
        if query.scheduled.is_some() {
            scheduled += 1;
            let is_half_open = query.sql.contains("< :to") && !query.sql.contains("<= :to");
            assert!(is_half_open, "{}: write eventtime < :to", query.id);
        }
    }
    assert_eq!(scheduled, 13);
}

/// Rows that a query tells apart are told apart by its findings too.
#[test]
fn rows_of_examples_become_findings_of_their_own() {
    let runtime = runtime();
    let from: Timestamp = "2026-01-30T12:00:00Z".parse().unwrap();
    let window = Window { from, to: "2026-01-31T12:00:00Z".parse().unwrap() };
    let mut findings = 0;
    for query in shipped().into_iter().filter(|query| query.scheduled.is_some()) {
        for (nth, outcome) in runtime.block_on(run_examples(&query)).into_iter().enumerate() {
            let rows = outcome.came.unwrap();
            let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
            let batch = ReaderBuilder::new(Arc::new(schema_of(&rows)))
                .build(Cursor::new(lines.join("\n")))
                .unwrap();
            let batches: Vec<_> = batch.map(Result::unwrap).collect();
            let found = findings_of_rows(&query, window, &batches).unwrap();
            let uids: BTreeSet<_> = found.iter().map(|finding| finding.uid).collect();
            assert_eq!((found.len(), uids.len()), (rows.len(), rows.len()), "{} {nth}", query.id);
            findings += found.len();
        }
    }
    assert!(findings >= 20, "{findings}");
}

/// The columns that rows have.
fn schema_of(rows: &[Value]) -> Schema {
    let mut fields = BTreeMap::new();
    for (name, value) in rows.iter().flat_map(|row| row.as_object().unwrap()) {
        let kind = if value.is_number() { DataType::Int64 } else { DataType::Utf8 };
        fields.insert(name.clone(), Field::new(name, kind, true));
    }
    Schema::new(fields.into_values().collect::<Vec<_>>())
}

#[test]
fn every_text_parameter_has_a_hostile_example() {
    for query in shipped() {
        for one in query.parameters.iter().filter(|one| one.kind == Kind::Text) {
            let is_hostile = |text: &String| text.contains('\'');
            let has = query
                .tests
                .iter()
                .any(|test| test.parameters.get(&one.name).is_some_and(is_hostile));
            assert!(has, "{}: no example has a quote in :{}", query.id, one.name);
        }
    }
}

/// Rows of a query's first telling example, with another text in every text parameter.
async fn rows_with(query: &NamedQuery, text: &str) -> Option<Result<Vec<Value>, String>> {
    let texts = query.parameters.iter().filter(|one| one.kind == Kind::Text);
    let texts: Vec<(String, String)> =
        texts.map(|one| (one.name.clone(), text.to_owned())).collect();
    let mut test = query.tests.iter().find(|test| !test.rows.is_empty())?.clone();
    if texts.is_empty() {
        return None;
    }
    test.parameters.extend(texts);
    let query = NamedQuery { tests: vec![test], ..query.clone() };
    run_examples(&query).await.pop().map(|outcome| outcome.came)
}

/// A hostile text is as good as any other text that no record holds.
#[test]
fn hostile_texts_are_only_texts() {
    let runtime = runtime();
    let mut asked = 0;
    for query in shipped() {
        let harmless = runtime.block_on(rows_with(&query, "nothing-is-named-so"));
        for hostile in HOSTILE {
            let came = runtime.block_on(rows_with(&query, hostile));
            assert_eq!(came, harmless, "{} {hostile:?}", query.id);
            asked += usize::from(came.is_some_and(|came| came.is_ok()));
        }
    }
    assert!(asked >= 12 * HOSTILE.len());
}

/// A console login, or another call, from an address.
fn from(time: &str, name: &str, address: &str) -> Value {
    call(
        name,
        time,
        json!({"eventSource": "signin.amazonaws.com", "sourceIPAddress": address,
            "responseElements": {"ConsoleLogin": "Success"}}),
    )
}

/// Examples have no address database, so what needs one is shown here.
#[test]
fn countries_and_systems_come_of_the_database() {
    let mut small = Small::new();
    let database = std::fs::read(repository().join("fixtures/enrichment/places.mmdb")).unwrap();
    let places = Places::from_bytes([("places.mmdb".to_owned(), database)]).unwrap();
    small.archive.enrichment =
        Arc::new(Enrichment { places: Some(Arc::new(places)), ..Enrichment::default() });
    small.put(
        &key("111122223333", "eu-west-1", "2026/01/31", "a"),
        &[
            from("2026-01-31T08:00:00Z", "ConsoleLogin", "198.51.100.20"),
            from("2026-01-31T10:00:00Z", "ConsoleLogin", "198.51.100.20"),
            from("2026-01-31T10:01:00Z", "ConsoleLogin", "203.0.113.77"),
        ],
    );
    let given = [
        ("since", "2026-01-01T00:00:00Z"),
        ("from", "2026-01-31T09:00:00Z"),
        ("to", "2026-01-31T11:00:00Z"),
    ];
    let rows = answer(&small, "console-login-new-country", &given);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["ip_country"], "NL");
    assert_eq!(rows[0]["first_time"], "2026-01-31T10:01:00Z");
    let rows = answer(&small, "keys-from-several-systems", &given[1..]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["systems"], &rows[0]["calls"]), (&json!(2), &json!(2)));
}
