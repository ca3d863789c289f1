//! The resolver over real records of attacks.

use std::collections::BTreeMap;

use serde_json::Value;
use trailloop_runbook::{Class, Lineage, inverse, resolve, resource};

use crate::support::{assert_is_safe, shared};

fn records() -> Option<Vec<Value>> {
    let folder = shared("stratus")?;
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut records = Vec::new();
    for file in files {
        match serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap() {
            Value::Array(list) => records.extend(list),
            Value::Object(mut object) => match object.remove("Records") {
                Some(Value::Array(list)) => records.extend(list),
                _ => records.push(Value::Object(object)),
            },
            _ => {}
        }
    }
    Some(records)
}

#[test]
fn no_record_of_an_attack_leads_to_a_call_that_must_not_be_made() {
    let Some(records) = records() else { return };
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for record in &records {
        let target = resolve(record);
        assert_is_safe(record, &target);
        *classes.entry(target.class.name()).or_default() += 1;
        let key = record["userIdentity"]["accessKeyId"].as_str().unwrap_or_default();
        assert!(target.class != Class::IamUserKey || key.starts_with("AKIA"), "{target:?}");
    }
    // The four that are unknown name a role in their ARN that is not their issuer's: whoever made the log anonymous broke them.
    insta::assert_debug_snapshot!(classes);
}

#[test]
fn what_attacks_acted_on_and_how_it_is_taken_back() {
    let Some(records) = records() else { return };
    let mut said = BTreeMap::new();
    for record in &records {
        let Some(resource) = resource::of(record) else { continue };
        let calls = match inverse::of(record, &[]) {
            Ok(calls) => calls.iter().map(trailloop_runbook::Call::name).collect(),
            Err(refusal) => vec![refusal.reason],
        };
        let name = record["eventName"].as_str().unwrap().to_owned();
        said.entry((name, resource.kind, calls)).and_modify(|count| *count += 1).or_insert(1);
    }
    insta::assert_debug_snapshot!(said);
}

#[test]
fn sessions_of_attacks_lead_up_to_the_key_that_took_them() {
    let Some(records) = records() else { return };
    let mut lineage = Lineage::new();
    records.iter().for_each(|record| lineage.feed(record));
    let mut chains: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    for record in &records {
        let chain = lineage.chain(record);
        let classes = chain.iter().map(|link| link.target.class.name()).collect();
        *chains.entry(classes).or_default() += 1;
        assert!(lineage.contains(&chain, record) || chain[0].key.is_none());
    }
    insta::assert_debug_snapshot!(chains);
}
