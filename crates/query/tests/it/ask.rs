//! What queries give, what they read for it, and what they say when they can't.

use serde_json::json;
use trailloop_query::{Engine, Parameters, Prepared};

use crate::kit::{Small, call, key};

fn small() -> Small {
    let small = Small::new();
    let get = |time, key: &str| {
        call("GetObject", time, json!({"requestParameters": {"bucketName": "b", "key": key}}))
    };
    small.put(
        &key("111122223333", "eu-west-1", "2026/01/31", "a"),
        &[
            get("2026-01-31T10:00:00Z", "x"),
            get("2026-01-31T10:00:01Z", "y\u{1b}[31m"),
            call("PutObject", "2026-01-31T10:00:02Z", json!({"errorCode": "AccessDenied", "userIdentity":
                {"type": "AssumedRole", "accessKeyId": "ASIAIOSFODNN7EXAMPLE", "sessionContext":
                {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/app", "userName": "app"}}}})),
        ],
    );
    small.put(
        &key("444455556666", "us-east-1", "2026/02/01", "b"),
        &[call(
            "ListBuckets",
            "2026-02-01T00:00:00Z",
            json!({"recipientAccountId": "444455556666",
            "resources": [{"ARN": "arn:aws:s3:::b", "type": "AWS::S3::Bucket"}]}),
        )],
    );
    small.put("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/31/d.json.gz", &[]);
    small
}

#[test]
fn records_are_counted_by_name() {
    let rows =
        small().rows("SELECT eventname, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1");
    let wanted = json!([{"eventname": "GetObject", "n": 2}, {"eventname": "ListBuckets", "n": 1},
        {"eventname": "PutObject", "n": 1}]);
    assert_eq!(rows, wanted);
    assert_eq!(small().rows("SELECT count(*) AS n FROM cloudtrail"), json!([{"n": 4}]));
}

#[test]
fn members_json_and_the_key_are_read() {
    let small = small();
    let rows = small.rows(
        "SELECT useridentity.sessioncontext.sessionissuer.username AS role, readonly, account, region, day, outcome \
         FROM cloudtrail WHERE useridentity.accesskeyid = 'ASIAIOSFODNN7EXAMPLE'",
    );
    let wanted = json!([{"role": "app", "readonly": "true", "account": "111122223333", "region": "eu-west-1",
        "day": "2026/01/31", "outcome": "failure"}]);
    assert_eq!(rows, wanted);
    let both = small.rows(
        "SELECT json_get_str(requestparameters, 'key') AS one, json_extract_scalar(requestparameters, '$.key') AS other \
         FROM cloudtrail WHERE json_extract_scalar(requestparameters, '$.bucketName') = 'b' ORDER BY eventtime",
    );
    let wanted =
        json!([{"one": "x", "other": "x"}, {"one": "y\u{1b}[31m", "other": "y\u{1b}[31m"}]);
    assert_eq!(both, wanted);
    let listed = small
        .rows("SELECT resources[1].arn AS arn FROM cloudtrail WHERE eventname = 'ListBuckets'");
    assert_eq!(listed, json!([{"arn": "arn:aws:s3:::b"}]));
}

#[test]
fn keys_are_pruned_and_conditions_pushed() {
    let small = small();
    let cost = |sql: &str| small.ask(sql, &[]).unwrap().1;
    assert_eq!(cost("SELECT * FROM cloudtrail").objects, 2);
    assert_eq!(cost("SELECT * FROM cloudtrail WHERE account = '444455556666'").objects, 1);
    assert_eq!(
        cost("SELECT * FROM cloudtrail WHERE eventtime < '2026-01-31T11'").objects,
        2,
        "one day may be late"
    );
    assert_eq!(
        cost("SELECT * FROM cloudtrail WHERE eventtime >= '2026-02-01T00:00:00Z'").objects,
        1
    );
    let found = cost(
        "SELECT eventid FROM cloudtrail WHERE eventname = 'PutObject' AND errorcode IS NOT NULL",
    );
    assert_eq!((found.records, found.rows), (4, 1));
    let caller = "SELECT eventname FROM cloudtrail WHERE coalesce(useridentity.sessioncontext.sessionissuer.arn, useridentity.arn) = :who";
    let role = "arn:aws:iam::111122223333:role/app";
    let (rows, found) = small.ask(caller, &[("who", role)]).unwrap();
    assert_eq!((rows, found.records, found.rows), (json!([{"eventname": "PutObject"}]), 4, 1));
    let (_, found) = small.ask(caller, &[("who", "arn:aws:iam::111122223333:user/ana")]).unwrap();
    assert_eq!((found.records, found.rows), (4, 3));
    let plan = small.rows("EXPLAIN SELECT eventid FROM cloudtrail WHERE eventname IN ('A', 'B') AND day = '2026/01/31'");
    let plan = plan.to_string();
    for said in ["objects=1", "keys=[days 2026-01-31 to 2026-01-31]", "pushed=[", "columns=["] {
        assert!(plan.contains(said), "{said}: {plan}");
    }
}

#[test]
fn parameters_are_bound() {
    let small = small();
    let hostile = "x' OR '1'='1";
    let sql = "SELECT eventtime FROM cloudtrail WHERE json_extract_scalar(requestparameters, '$.key') = :key";
    assert_eq!(small.ask(sql, &[("key", hostile)]).unwrap().0, json!([]));
    let rows = small.ask(sql, &[("key", "x")]).unwrap().0;
    assert_eq!(rows, json!([{"eventtime": "2026-01-31T10:00:00Z"}]));
}

#[test]
fn what_is_wrong_is_said_in_a_line() {
    let mut small = small();
    let mut said = vec![
        small.refused("SELEC eventname FROM cloudtrail", &[]),
        small.refused("SELECT eventnam FROM cloudtrail", &[]),
        small.refused("SELECT nothing_like_it FROM cloudtrail", &[]),
        small.refused("SELECT * FROM trails", &[]),
        small.refused("SELECT no_such(eventname) FROM cloudtrail", &[]),
        small.refused("SELECT 1; SELECT 2", &[]),
        small.refused("COPY cloudtrail TO 'x.csv'", &[]),
        small.refused("DROP TABLE cloudtrail", &[]),
        small.refused("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", &[]),
        small.refused("SELECT * FROM '/etc/passwd'", &[]),
        small.refused("SELECT :a AS a", &[("b", "1")]),
        small.refused("SELECT 1", &[("b", "1")]),
        small.refused("SELECT $1", &[]),
        small.refused(
            "SELECT json_extract_scalar(requestparameters, 'a') FROM cloudtrail LIMIT 1",
            &[],
        ),
        small.refused(
            "SELECT a.eventid, b.eventid FROM cloudtrail a JOIN cloudtrail b ON a.eventtime = b.eventtime",
            &[],
        ),
    ];
    small.archive.bytes_max = Some(10);
    said.push(small.refused("SELECT * FROM cloudtrail", &[]));
    small.archive.sources[0].bucket = "no-such-bucket".into();
    said.push(small.refused("SELECT * FROM cloudtrail", &[]));
    assert!(said.iter().all(|line| !line.contains('\n')));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn memory_is_bounded_and_told() {
    let mut small = small();
    let record = |nth: usize| {
        call("GetObject", "2026-01-31T10:00:00Z", json!({"requestID": format!("{nth:032}")}))
    };
    let records: Vec<_> = (0..3_000).map(record).collect();
    small.put(&key("111122223333", "eu-west-1", "2026/01/30", "many"), &records);
    let groups = "SELECT requestid, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1 LIMIT 1";
    let engine = Engine::new(small.archive.clone());
    let peak = small.block_on(async {
        let query = Prepared::parse(groups).unwrap();
        let mut answer = engine.ask(&query, &Parameters::new()).await.unwrap();
        while answer.next().await.unwrap().is_some() {}
        answer.meter.memory_peak_bytes()
    });
    assert!((100_000..100_000_000).contains(&peak), "{peak}");
    small.memory_bytes_max = Some(20_000);
    let said = small.refused(groups, &[]);
    let begins = "the query needs more memory than it may have; ask for fewer groups or rows, or raise --memory-max: ";
    assert!(said.starts_with(begins) && !said.contains('\n'), "{said}");
}

#[test]
fn what_nothing_looks_at_is_not_said_to_be_pushed() {
    let small = small();
    let pushed = |condition: &str| {
        let plan = small.rows(&format!("EXPLAIN SELECT eventid FROM cloudtrail WHERE {condition}"));
        let plan = plan.to_string();
        let (_, after) = plan.split_once("pushed=[").unwrap();
        after.split_once("], columns").unwrap().0.replace("\\\\\\\"", "'").replace("\\\"", "'")
    };
    for unseen in [
        "outcome = 'failure'",
        "ip_country = 'AT'",
        "requestparameters = '{}'",
        "useridentity IS NOT NULL",
        "account > '2'",
        "region LIKE 'eu-%'",
        "day >= 'yesterday'",
    ] {
        assert_eq!(pushed(unseen), "", "{unseen}");
    }
    assert_eq!(pushed("account = '1'"), "account = '1'");
    assert_eq!(pushed("day >= '2026/01/31'"), "day >= '2026/01/31'");
    assert_eq!(pushed("errorcode IS NULL"), "errorcode is not there");
    assert_eq!(pushed("tlsdetails.tlsversion = 'x'"), "tlsdetails.tlsversion = 'x'");
}

/// A few rows are handed on before the archive is read.
#[test]
fn a_limit_ends_the_reading() {
    let mut small = Small::new();
    small.archive.jobs = 2;
    for nth in 0..2_000 {
        let record = call("GetObject", "2026-01-31T10:00:00Z", json!({"readOnly": nth % 2 == 0}));
        small.put(&key("111122223333", "eu-west-1", "2026/01/31", &format!("{nth:04}")), &[record]);
    }
    let (rows, cost) =
        small.ask("SELECT readonly FROM cloudtrail WHERE readonly = 'false' LIMIT 1", &[]).unwrap();
    assert_eq!(rows, json!([{"readonly": "false"}]));
    assert!(cost.objects < 2_000, "{cost:?}");
}

/// What a glance can't be sure of is told by the parser, and comes out the same.
#[test]
fn odd_values_are_told_as_the_parser_tells_them() {
    let small = Small::new();
    let odd = |name: &str, more: serde_json::Value| call(name, "2026-01-31T10:00:00Z", more);
    small.put(
        &key("111122223333", "eu-west-1", "2026/01/31", "a"),
        &[
            odd("A", json!({"readOnly": false, "errorCode": {"a": 1}})),
            odd("B", json!({"readOnly": null, "errorCode": 5})),
            odd("C\u{e9}", json!({"readOnly": "false", "errorCode": null})),
            odd("D", json!({"readOnly": [true]})),
        ],
    );
    let all = "SELECT eventname, readonly, errorcode FROM cloudtrail ORDER BY 1";
    let wanted = json!([
        {"eventname": "A", "readonly": "false", "errorcode": "{\"a\":1}"},
        {"eventname": "B", "errorcode": "5"},
        {"eventname": "C\u{e9}", "readonly": "false"},
        {"eventname": "D", "readonly": "[true]"},
    ]);
    assert_eq!(small.rows(all), wanted);
    let names = |condition: &str| {
        small.rows(&format!("SELECT eventname FROM cloudtrail WHERE {condition} ORDER BY 1"))
    };
    assert_eq!(names("readonly = 'false'"), json!([{"eventname": "A"}, {"eventname": "C\u{e9}"}]));
    assert_eq!(names("readonly IS NULL"), json!([{"eventname": "B"}]));
    assert_eq!(names("errorcode = '5'"), json!([{"eventname": "B"}]));
    assert_eq!(names("errorcode = '5' AND eventname = 'A'"), json!([]));
    assert_eq!(small.rows("SELECT count(*) AS n FROM cloudtrail"), json!([{"n": 4}]));
}
