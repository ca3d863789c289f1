//! The twelve questions, answered on records of attacks that were really carried out, where those lie beside the repository.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kit::{Small, key};
use crate::shipped::{answer, repository};

/// All records in one archive, each where CloudTrail would have put it.
fn attacks() -> Option<Small> {
    let folder = repository().join("../shared/data/stratus");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let said = format!("skipped: {} is not there\n", folder.display());
        // Not by a print macro: what they write is captured.
        std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).ok();
        return None;
    };
    let mut objects: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in entries {
        let records = std::fs::read(entry.unwrap().path()).unwrap();
        for record in serde_json::from_slice::<Vec<Value>>(&records).unwrap() {
            let text = |key: &str| record[key].as_str().unwrap();
            let day = text("eventTime")[..10].replace('-', "/");
            let key = key(text("recipientAccountId"), text("awsRegion"), &day, "records");
            objects.entry(key).or_default().push(record);
        }
    }
    let small = Small::new();
    objects.iter().for_each(|(key, records)| small.put(key, records));
    Some(small)
}

fn ask(small: &Small, id: &str, given: &[(&str, &str)]) -> Vec<Value> {
    let mut given = given.to_vec();
    for (name, value) in [("from", "2024-07-01T00:00:00Z"), ("to", "2024-12-31T00:00:00Z")] {
        if given.iter().all(|(given, _)| *given != name) {
            given.push((name, value));
        }
    }
    answer(small, id, &given)
}

/// The texts of some columns, row by row.
fn columns(rows: &[Value], names: &[&str]) -> Value {
    let row = |row: &Value| names.iter().map(|name| row[*name].clone()).collect::<Value>();
    rows.iter().map(row).collect()
}

const ADMIN: &str = "arn:aws:iam::229654561268:user/christophe";
const PASSWORDS: &str =
    "arn:aws:iam::457448411975:role/stratus-red-team-ec2-get-password-data-role";

#[test]
fn what_it_did_and_what_it_left_behind() {
    let Some(small) = attacks() else { return };
    let did = ask(&small, "q01-what-did-it-do", &[("principal", ADMIN)]);
    let wanted = json!([["AttachUserPolicy", 1], ["CreateAccessKey", 1], ["CreateUser", 1]]);
    assert_eq!(columns(&did, &["eventname", "calls"]), wanted);
    let left = ask(&small, "q05-persistence", &[("principal", ADMIN)]);
    let wanted = json!([
        ["AttachUserPolicy", "malicious-iam-user", "arn:aws:iam::aws:policy/AdministratorAccess"],
        ["CreateAccessKey", "malicious-iam-user", "AKIAXAFZN8JEPF6L682H"],
        ["CreateUser", "malicious-iam-user", null]
    ]);
    assert_eq!(columns(&left, &["eventname", "object", "detail"]), wanted);
    let others = ask(
        &small,
        "q11-who-else",
        &[("source", "iam.amazonaws.com"), ("name", "CreateAccessKey")],
    );
    let wanted = json!([[ADMIN, 1], ["arn:aws:iam::946986569305:user/christophe", 1]]);
    assert_eq!(columns(&others, &["principal", "calls"]), wanted);
}

#[test]
fn tokens_and_where_they_came_from() {
    let Some(small) = attacks() else { return };
    let minted = ask(&small, "q02-tokens-minted", &[("key", "AKIA6V1GNZTT65XQH36M")]);
    let wanted = json!([["GetFederationToken", "ASIASTJKC5GCM7ZE6LUP"]]);
    assert_eq!(columns(&minted, &["eventname", "minted"]), wanted);
    let chain = ask(&small, "q03-credential-lineage", &[("key", "ASIASTJKC5GCM7ZE6LUP")]);
    let user = "arn:aws:iam::742491224508:user/stratus-red-team-user-federation-user";
    let wanted = json!([["AKIA6V1GNZTT65XQH36M", user, "ASIASTJKC5GCM7ZE6LUP", null]]);
    assert_eq!(columns(&chain, &["root_key", "root_principal", "first_key", "second_key"]), wanted);
    let chain = ask(&small, "q03-credential-lineage", &[("key", "ASIA36EV31F1RB3OA8IG")]);
    let role = "arn:aws:iam::307578594326:role/stratus-red-team-leave-org-role";
    let wanted = json!([["AKIADVISM0T50G52IF0D", role]]);
    assert_eq!(columns(&chain, &["root_key", "first_role"]), wanted);
    let signs = ask(&small, "q12-approved-change", &[("principal", role)]);
    let wanted = json!([["session", "aws-go-sdk-1722587398902687000", 1]]);
    assert_eq!(columns(&signs, &["what", "sign", "calls"]), wanted);
}

#[test]
fn what_was_new_and_what_was_read() {
    let Some(small) = attacks() else { return };
    let role = "arn:aws:iam::494659789341:role/test-role";
    let given =
        [("principal", role), ("since", "2024-10-01T00:00:00Z"), ("from", "2024-10-17T20:11:00Z")];
    let new = ask(&small, "q04-first-time", &given);
    let wanted = json!([["api", "bedrock.amazonaws.com/InvokeModel"]]);
    assert_eq!(columns(&new, &["what", "new_value"]), wanted);
    let reader = "arn:aws:iam::903144391865:user/christophe";
    let read = ask(&small, "q06-data-read", &[("principal", reader)]);
    assert_eq!(read.len(), 20);
    assert!(read.iter().all(|row| row["eventname"] == "GetSecretValue" && row["calls"] == 1));
}

#[test]
fn who_would_stop_who_else_was_there_and_what_was_denied() {
    let Some(small) = attacks() else { return };
    let radius = ask(&small, "q07-blast-radius", &[("principal", PASSWORDS)]);
    let names = ["calls", "sessions", "programs", "services", "busy_hours", "automatic_percent"];
    assert_eq!(columns(&radius, &names), json!([[30, 1, 1, 1, 1, 0]]));
    let near = ask(&small, "q08-same-network", &[("address", "200.249.253.9")]);
    let wanted = json!([[PASSWORDS, 30, 30], ["arn:aws:iam::457448411975:user/christophe", 4, 2]]);
    assert_eq!(columns(&near, &["principal", "calls", "failed"]), wanted);
    let denied = ask(&small, "q09-denied-calls", &[("principal", PASSWORDS)]);
    let names = ["in_hour", "denied", "denied_apis", "denied_percent"];
    assert_eq!(columns(&denied, &names), json!([["2024-07-30T21", 30, 1, 100]]));
    let given = [
        ("account", "844015365555"),
        ("principal", ADMIN),
        ("resource", "i-B2ABDCa5b78E0f1dd"),
        ("from", "2024-11-26T15:05:00Z"),
        ("to", "2024-11-26T16:05:00Z"),
    ];
    let others = ask(&small, "q10-neighbours", &given);
    let wanted = json!([
        ["SendSerialConsoleSSHPublicKey", "yes"],
        ["SendSerialConsoleSSHPublicKey", "no"],
        ["EnableSerialConsoleAccess", "no"],
        ["SendSerialConsoleSSHPublicKey", "no"]
    ]);
    assert_eq!(columns(&others, &["eventname", "same_resource"]), wanted);
}
