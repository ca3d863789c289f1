//! The same rows as an engine of another make: DuckDB reads the same files and answers the same statements.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};
use trailloop_cloud::FolderStore;
use trailloop_query::{Archive, Bound, Engine, Parameters, Prepared, Source, rows};

use crate::dialects::oracle;
use crate::kit::{key, runtime};
use crate::shipped::{OURS_ONLY, shipped};

const ANA: &str = "arn:aws:iam::111122223333:user/ana";
const APP: &str = "arn:aws:iam::111122223333:role/app";
/// In JSON some of its characters are escaped, so a glance can't tell.
const EVA: &str = "arn:aws:iam::444455556666:user/\u{e9}va \"x\"";
const ADDRESSES: [&str; 5] =
    ["198.51.100.7", "198.51.100.200", "203.0.113.9", "2001:db8:1:2::7", "s3.amazonaws.com"];
const PROGRAMS: [&str; 3] =
    ["aws-cli/2.15.0 md/x", "APN/1.0 Terraform/1.9", "console.amazonaws.com"];

/// A few hundred records that differ in what the queries look at. Arithmetic, so that each run has the same.
fn records() -> Vec<Value> {
    let calls = [
        ("s3", "GetObject"),
        ("s3", "PutObject"),
        ("iam", "CreateUser"),
        ("iam", "AttachUserPolicy"),
        ("sts", "AssumeRole"),
        ("sts", "GetSessionToken"),
        ("secretsmanager", "GetSecretValue"),
        ("ec2", "RunInstances"),
        ("cloudtrail", "StopLogging"),
        ("signin", "ConsoleLogin"),
        ("ec2", "DescribeInstances"),
    ];
    let record = |nth: usize| {
        let pick = |of: usize, salt: usize| (nth.wrapping_mul(7919) + salt * 104_729) / 13 % of;
        let (source, name) = calls[pick(calls.len(), 1)];
        let account = ["111122223333", "444455556666"][pick(2, 2)];
        let region = ["us-east-1", "eu-west-1", "ap-south-1"][pick(3, 3)];
        let reads = ["Get", "Describe"].iter().any(|verb| name.starts_with(verb));
        let identity = match pick(5, 4) {
            0 | 1 => json!({"type": "IAMUser", "arn": ANA, "userName": "ana",
                "accessKeyId": "AKIAIOSFODNN7EXAMPLE"}),
            2 => json!({"type": "AssumedRole", "accessKeyId": format!("ASIA{:016}", pick(4, 5)),
                "arn": format!("arn:aws:sts::111122223333:assumed-role/app/s{}", pick(3, 6)),
                "sessionContext": {"sessionIssuer": {"arn": APP, "userName": "app"}}}),
            3 => json!({"type": "Root", "arn": "arn:aws:iam::111122223333:root"}),
            _ => json!({"type": "IAMUser", "arn": EVA,
                "accessKeyId": "AKIAI44QH8DHBEXAMPLE"}),
        };
        let mut record = json!({
            "eventVersion": "1.09", "eventID": format!("event-{nth:04}"),
            "eventTime": format!("2026-01-{:02}T{:02}:{:02}:{:02}Z", 20 + nth / 40, nth % 24, nth % 60, nth % 59),
            "eventSource": format!("{source}.amazonaws.com"), "eventName": name,
            "awsRegion": region, "recipientAccountId": account, "userIdentity": identity,
            "sourceIPAddress": ADDRESSES[pick(5, 7)], "userAgent": PROGRAMS[pick(3, 8)],
            "readOnly": reads, "managementEvent": true, "eventCategory": "Management",
        });
        let more = match name {
            "GetObject" | "PutObject" => {
                json!({"requestParameters": {"bucketName": "b", "key": format!("k\u{fc}{}", pick(9, 9))}})
            }
            "CreateUser" | "AttachUserPolicy" => {
                json!({"requestParameters": {"userName": format!("u{}", pick(3, 10))}})
            }
            "AssumeRole" | "GetSessionToken" => {
                json!({"requestParameters": {"roleArn": APP},
                "responseElements": {"credentials": {"accessKeyId": format!("ASIA{:016}", pick(4, 11))}}})
            }
            "RunInstances" => json!({"requestParameters": {"instanceType": "m5.large",
                "instancesSet": {"items": [{"maxCount": pick(4, 12)}]}}}),
            "ConsoleLogin" => {
                json!({"additionalEventData": {"MFAUsed": if pick(2, 13) == 0 { "Yes" } else { "No" }},
                "responseElements": {"ConsoleLogin": "Success"}})
            }
            _ => json!({"requestParameters": null}),
        };
        let object = record.as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
        if pick(4, 14) == 0 {
            let code = if pick(2, 15) == 0 { "AccessDenied" } else { "NoSuchKey" };
            object.insert("errorCode".into(), json!(code));
        }
        record
    };
    (0..440).map(record).collect()
}

/// Statements beside the shipped ones.
const OTHERS: [&str; 6] = [
    "SELECT eventname, count(*) AS n FROM cloudtrail GROUP BY 1",
    "SELECT account, region, day, count(*) AS n, min(eventid) AS least FROM cloudtrail GROUP BY 1, 2, 3",
    "SELECT eventid, errorcode, useridentity.arn AS arn, requestparameters FROM cloudtrail WHERE errorcode IS NOT NULL",
    "SELECT DISTINCT useridentity.type AS kind, useridentity.sessioncontext.sessionissuer.username AS role FROM cloudtrail",
    "SELECT eventid, readonly, json_extract_scalar(requestparameters, '$.key') AS key FROM cloudtrail WHERE day = '2026/01/22' AND account = '111122223333' AND eventname IN ('GetObject', 'PutObject')",
    "SELECT eventid FROM cloudtrail WHERE eventtime >= '2026-01-25T03' AND eventtime < '2026-01-26' AND sourceipaddress LIKE '198.51.%' AND errorcode IS NULL",
];

/// Each statement with its values in order, and how our engine is asked.
fn statements() -> Vec<(String, Prepared, Parameters)> {
    let mut all: Vec<(String, Prepared, Parameters)> = OTHERS
        .iter()
        .map(|sql| ((*sql).to_owned(), Prepared::parse(sql).unwrap(), Parameters::new()))
        .collect();
    let now: Timestamp = "2026-01-31T00:00:00Z".parse().unwrap();
    let values = [
        ("key", "AKIAIOSFODNN7EXAMPLE"),
        ("address", "198.51.100.7"),
        ("account", "111122223333"),
        ("resource", "b"),
        ("source", "iam.amazonaws.com"),
        ("name", "CreateUser"),
        ("since", "2026-01-01T00:00:00Z"),
        ("quiet", "2026-01-27T00:00:00Z"),
        ("from", "2026-01-26T00:00:00Z"),
        ("least", "2"),
        ("networks", "2"),
    ];
    for query in shipped().iter().filter(|query| !query.description.contains(OURS_ONLY)) {
        for principal in [ANA, APP, EVA] {
            let values = values.into_iter().chain([("principal", principal)]);
            let given: BTreeMap<String, String> = values
                .filter(|(name, _)| query.parameters.iter().any(|one| one.name == *name))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let bound = query.bind(&given, now).unwrap();
            all.push((format!("{} {principal}", query.id), query.prepared.clone(), bound));
        }
    }
    all
}

fn sorted(mut rows: Vec<Value>) -> Vec<String> {
    // Members in one order, since two maps of the same members may differ in it.
    let text = |row: &mut Value| {
        row.sort_all_objects();
        row.to_string()
    };
    let mut rows: Vec<String> = rows.iter_mut().map(text).collect();
    rows.sort();
    rows
}

#[test]
fn duckdb_gives_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut objects: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in records() {
        let text = |key: &str| record[key].as_str().unwrap();
        let day = text("eventTime")[..10].replace('-', "/");
        let key = key(text("recipientAccountId"), text("awsRegion"), &day, "r");
        objects.entry(key).or_default().push(record);
    }
    for (key, records) in objects {
        let path = folder.path().join("logs").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(json!({ "Records": records }).to_string().as_bytes()).unwrap();
        std::fs::write(path, gzip.finish().unwrap()).unwrap();
    }
    let statements = statements();
    let of = |(_, prepared, bound): &(String, Prepared, Parameters)| {
        let value = |name: &String| match &bound[name] {
            Bound::Text(text) => json!(text),
            Bound::Integer(number) => json!(number),
            Bound::Null => Value::Null,
        };
        let values: Vec<Value> = prepared.parameters.iter().map(value).collect();
        json!({"sql": prepared.with_question_marks(), "values": values})
    };
    let asked: Vec<Value> = statements.iter().map(of).collect();
    let input = json!({"files": folder.path().join("logs"), "statements": asked});
    let Some(theirs) = oracle("duckdb_rows.py", &input) else { return };
    let theirs: Vec<Vec<Value>> = serde_json::from_str(&theirs).unwrap();
    assert_eq!(theirs.len(), statements.len());
    let source = Source {
        store: Arc::new(FolderStore::new(folder.path())),
        bucket: "logs".into(),
        prefix: String::new(),
    };
    let engine = Engine::new(Archive::new(vec![source]));
    let runtime = runtime();
    let mut with_rows = 0;
    for ((name, prepared, bound), theirs) in statements.iter().zip(theirs) {
        let ours = runtime.block_on(async {
            let answer = engine.ask(prepared, bound).await.unwrap();
            rows(&answer.all(usize::MAX).await.unwrap().0).unwrap()
        });
        with_rows += usize::from(!ours.is_empty());
        assert_eq!(sorted(ours), sorted(theirs), "{name}");
    }
    assert!(with_rows >= 25, "{with_rows} of {} statements have rows", statements.len());
}
