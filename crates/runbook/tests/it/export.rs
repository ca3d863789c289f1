//! Exported bodies are Systems Manager's own: they satisfy a schema that was written from AWS's documentation.

use serde_json::{Value, json};
use trailloop_runbook::export::ssm;

use crate::runbooks_support::{examples, load, repository};

/// What of a value breaks a schema, by the keywords that our schema uses. An unknown keyword is an error, so that none is
/// passed over.
fn faults(schema: &Value, root: &Value, value: &Value, at: &str, faults_out: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" | "then" => true,
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is_type(one, value)),
                one => is_type(one, value),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => value.as_str().is_none_or(|text| {
                regex::Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)
            }),
            "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
            "minItems" => {
                value.as_array().is_none_or(|list| list.len() as u64 >= rule.as_u64().unwrap())
            }
            "minProperties" => {
                value.as_object().is_none_or(|object| object.len() as u64 >= rule.as_u64().unwrap())
            }
            "required" => value.as_object().is_none_or(|object| {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .all(|key| object.contains_key(key.as_str().unwrap()))
            }),
            "properties" | "additionalProperties" | "items" => {
                parts(keyword, schema, root, value, at, faults_out);
                true
            }
            "allOf" => {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .for_each(|rule| faults(rule, root, value, at, faults_out));
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|rule| is_valid(rule, root, value)),
            "if" => {
                if is_valid(rule, root, value) {
                    faults(&schema["then"], root, value, at, faults_out);
                }
                true
            }
            "$ref" => {
                let rule = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                faults(rule, root, value, at, faults_out);
                true
            }
            other => panic!("the schema uses `{other}`, which this test does not know"),
        };
        if !holds {
            faults_out.push(format!("{at}: {keyword} {rule}"));
        }
    }
}

/// The faults of what a value holds, by one keyword.
fn parts(
    keyword: &str,
    schema: &Value,
    root: &Value,
    value: &Value,
    at: &str,
    faults_out: &mut Vec<String>,
) {
    let rule = &schema[keyword];
    let known = schema.get("properties");
    let entries = || value.as_object().into_iter().flatten();
    match keyword {
        "properties" => {
            for (key, rule) in rule.as_object().unwrap() {
                if let Some(value) = value.get(key) {
                    faults(rule, root, value, &format!("{at}/{key}"), faults_out);
                }
            }
        }
        "items" => {
            for (nth, value) in value.as_array().into_iter().flatten().enumerate() {
                faults(rule, root, value, &format!("{at}/{nth}"), faults_out);
            }
        }
        _ => {
            for (key, value) in
                entries().filter(|(key, _)| known.is_none_or(|known| known.get(key).is_none()))
            {
                match rule {
                    Value::Bool(false) => faults_out.push(format!("{at}/{key}: unknown")),
                    rule => faults(rule, root, value, &format!("{at}/{key}"), faults_out),
                }
            }
        }
    }
}

fn is_valid(schema: &Value, root: &Value, value: &Value) -> bool {
    let mut found = Vec::new();
    faults(schema, root, value, "", &mut found);
    found.is_empty()
}

fn is_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        other => panic!("the schema has the type `{other}`"),
    }
}

fn schema() -> Value {
    let path = repository().join("fixtures/ssm/automation-0.3.schema.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn exported_bodies_satisfy_the_schema_of_automation() {
    let schema = schema();
    for (path, text) in examples() {
        let exported = ssm(&load(path, text).runbook.unwrap());
        let body: Value = serde_json::from_str(&exported).unwrap();
        let mut found = Vec::new();
        faults(&schema, &schema, &body, "", &mut found);
        assert!(found.is_empty(), "{path}: {found:#?}");
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys[..2], ["schemaVersion", "description"], "the order stays");
    }
}

#[test]
fn the_schema_tells_bodies_that_are_not_automation() {
    let schema = schema();
    let (path, text) = examples().next().unwrap();
    let good = load(path, text).runbook.unwrap().body;
    type Spoil = fn(&mut Value);
    let spoils: [Spoil; 8] = [
        |body| body["trailloop"] = json!({}),
        |body| body["schemaVersion"] = json!("2.2"),
        |body| body["mainSteps"] = json!([]),
        |body| body["mainSteps"][0]["action"] = json!("aws:none"),
        |body| body["mainSteps"][0]["inputs"]["DesiredValues"] = json!("x"),
        |body| body["mainSteps"][1]["onFailure"] = json!("Retry"),
        |body| body["mainSteps"][2]["inputs"]["Choices"][0]["Variable"] = json!(null),
        |body| body["parameters"]["Now"]["type"] = json!("Text"),
    ];
    for spoil in spoils {
        let mut body = good.clone();
        spoil(&mut body);
        assert!(!is_valid(&schema, &schema, &body), "{body:#}");
    }
}
