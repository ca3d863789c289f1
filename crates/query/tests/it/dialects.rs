//! Shipped queries in Athena's dialect, as sqlglot reads it: they parse, name columns that are there, and call functions that are known
//! to be in Trino.

use std::process::Command;

use serde_json::{Value, json};
use trailloop_query::{Bound, Location, ddl, for_athena};

use crate::shipped::{OURS_ONLY, repository, shipped};

/// Runs a script of `fixtures/oracle` with a file of JSON; `None`, and a word about it, if it lacks its packages.
pub(crate) fn oracle(script: &str, input: &Value) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input.json");
    std::fs::write(&file, input.to_string()).unwrap();
    let script = repository().join("fixtures/oracle").join(script);
    let ran = Command::new("python3").arg(&script).arg(&file).output();
    let said = ran.as_ref().map_or_else(
        |error| format!("No module named python3: {error}"),
        |ran| String::from_utf8_lossy(&ran.stderr).into_owned(),
    );
    if said.contains("No module named") {
        let said = format!(
            "skipped: {} needs fixtures/oracle/requirements.txt; scripts/test installs it\n",
            script.display()
        );
        // Not by a print macro: what they write is captured.
        std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).ok();
        return None;
    }
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{said}");
    Some(String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn shipped_queries_are_in_athenas_dialect() {
    let location = Location {
        bucket: "example-logs".into(),
        prefix: "AWSLogs/".into(),
        accounts: vec!["111122223333".into()],
        regions: vec!["us-east-1".into()],
        from: "2026/01/01".into(),
    };
    let query = |query: &trailloop_query::named::NamedQuery| {
        let hostile = || Bound::Text("\\' OR ''='' --".to_owned());
        let given =
            query.prepared.parameters.iter().map(|name| (name.clone(), hostile())).collect();
        let sent = for_athena(&query.prepared, &given).map(|sent| sent.sql);
        json!({"id": query.id, "sql": sent.unwrap_or_else(|_| query.prepared.with_question_marks()),
            "ours_only": query.description.contains(OURS_ONLY)})
    };
    let queries: Vec<Value> = shipped().iter().map(query).collect();
    let bad = json!([
        {"id": "cast", "sql": "SELECT eventtime::date FROM cloudtrail", "ours_only": true},
        {"id": "column", "sql": "SELECT nothing FROM cloudtrail", "ours_only": false},
        {"id": "function", "sql": "SELECT json_get_str(eventname, 'a') FROM cloudtrail", "ours_only": false},
        {"id": "listed", "sql": "SELECT string_agg(eventname, ',') FROM cloudtrail", "ours_only": false},
        {"id": "qualify", "sql": "SELECT eventname FROM cloudtrail QUALIFY row_number() OVER (ORDER BY eventtime) = 1", "ours_only": true},
        {"id": "syntax", "sql": "SELECT FROM WHERE", "ours_only": true},
    ]);
    let ask = |queries: &Value| {
        let said = oracle("dialects.py", &json!({"ddl": ddl(&location), "queries": queries}))?;
        Some(said.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let Some(said) = ask(&json!(queries)) else { return };
    assert!(said.is_empty(), "{}", said.join("\n"));
    let said = ask(&bad).unwrap();
    for (line, id) in said.iter().zip(["cast", "column", "function", "listed", "qualify", "syntax"])
    {
        assert!(line.starts_with(&format!("{id}: ")), "{said:?}");
    }
    assert_eq!(said.len(), 6, "{said:?}");
}
