//! A query for one account and day opens the objects of that account and day, however many others there are.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tokio::task::JoinSet;
use trailloop_cloud::{
    AwsOptions, FolderStore, Meter, MeteredStore, Operation, Store, connect, provision,
};
use trailloop_query::{Archive, Cost, Engine, Parameters, Prepared, Source, rows};

use crate::kit::{call, key, runtime};

const ACCOUNTS: u64 = 200;
const DAYS: u64 = 30;
const ASKED: &str = "100000000137";
/// The account that is asked for is used in three regions, and each other one in one.
const REGIONS: [&str; 3] = ["eu-west-1", "sa-east-1", "us-east-1"];

/// The keys of the bucket.
fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    for account in 0..ACCOUNTS {
        let account = format!("{}", 100_000_000_000 + account);
        let regions = if account == ASKED { &REGIONS[..] } else { &REGIONS[..1] };
        for (region, day) in
            regions.iter().flat_map(|region| (1..=DAYS).map(move |day| (region, day)))
        {
            keys.push(key(&account, region, &format!("2026/01/{day:02}"), "x"));
        }
    }
    keys
}

/// The same object under each key: tiny, with one record.
fn body() -> Bytes {
    let text = json!({ "Records": [call("GetObject", "2026-01-15T10:00:00Z", json!({}))] });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.to_string().as_bytes()).unwrap();
    gzip.finish().unwrap().into()
}

/// Asks, and gives the count, the cost, and the requests of each kind.
async fn ask(store: Arc<dyn Store>, bucket: &str, condition: &str) -> (u64, Cost, [u64; 2]) {
    let meter = Meter::default();
    let store = Arc::new(MeteredStore::new(store, meter.clone()));
    let source = Source { store, bucket: bucket.to_owned(), prefix: String::new() };
    let engine = Engine::new(Archive::new(vec![source]));
    let sql = format!("SELECT count(*) AS n FROM cloudtrail WHERE {condition}");
    let query = Prepared::parse(&sql).unwrap();
    let answer = engine.ask(&query, &Parameters::new()).await.unwrap();
    let (batches, cost) = answer.all(usize::MAX).await.unwrap();
    let n = rows(&batches).unwrap()[0]["n"].as_u64().unwrap();
    (n, cost, [Operation::List, Operation::Get].map(|one| meter.requests(one)))
}

async fn prunes(store: Arc<dyn Store>, bucket: &str) {
    let asked = |condition: &str| {
        let (store, condition) = (Arc::clone(&store), condition.to_owned());
        async move { ask(store, bucket, &condition).await }
    };
    let day = format!("account = '{ASKED}' AND day = '2026/01/15'");
    let (n, cost, [lists, gets]) = asked(&day).await;
    assert_eq!((n, cost.objects, cost.objects_wanted, gets), (3, 3, 3, 3));
    assert_eq!(cost.list_requests, lists);
    // From the first key to the account, then to the day in each of three regions, and beyond the last.
    assert!(lists <= 8, "{lists} requests to list 3 objects");
    // One region more is known, so fewer keys are leapt over.
    let (n, _, [fewer, gets]) = asked(&format!("{day} AND region = 'sa-east-1'")).await;
    assert_eq!((n, gets), (1, 1));
    assert!(fewer <= lists, "{fewer}");
    // An event of the day may be delivered that day and the next; the day of the bound itself is wanted too.
    let time = "eventtime >= '2026-01-15T00:00:00Z' AND eventtime < '2026-01-16T00:00:00Z'";
    let (n, _, [lists, gets]) = asked(&format!("account = '{ASKED}' AND {time}")).await;
    assert_eq!((n, gets), (9, 9));
    assert!(lists <= 8, "{lists}");
    // A day of all accounts costs a request or two for each account, and no object of another day.
    let (n, _, [lists, gets]) = asked("day = '2026/01/15'").await;
    assert_eq!((n, gets), (ACCOUNTS + 2, ACCOUNTS + 2));
    assert!(lists <= 2 * ACCOUNTS, "{lists}");
}

#[test]
fn one_account_and_day_of_a_folder() {
    let root = tempfile::tempdir().unwrap();
    let (keys, body) = (keys(), body());
    assert_eq!(keys.len(), 6060);
    for key in keys {
        let path = root.path().join("logs").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &body).unwrap();
    }
    runtime().block_on(prunes(Arc::new(FolderStore::new(root.path())), "logs"));
}

#[test]
fn one_account_and_day_of_a_bucket_in_s3() {
    let Some(endpoint_url) = endpoint("TRAILLOOP_TEST_MINISTACK") else { return };
    runtime().block_on(async {
        let options = AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(endpoint_url),
            path_style: true,
        };
        let aws = connect(options).await.with_keys("test", "test");
        let bucket = format!("pruning-{}", std::process::id());
        provision::create_bucket(&aws, &bucket).await.unwrap();
        let (mut puts, body) = (JoinSet::new(), body());
        for key in keys() {
            let (aws, bucket, body) = (aws.clone(), bucket.clone(), body.clone());
            if puts.len() == 32 {
                puts.join_next().await.unwrap().unwrap();
            }
            puts.spawn(async move {
                provision::put_object(&aws, &bucket, &key, body).await.unwrap();
            });
        }
        puts.join_all().await;
        prunes(Arc::new(aws.store()), &bucket).await;
        // A bucket that is not there is told with its name and what to do.
        let missing = Source {
            store: Arc::new(aws.store()),
            bucket: "no-such-bucket".to_owned(),
            prefix: String::new(),
        };
        let query = Prepared::parse("SELECT count(*) FROM cloudtrail").unwrap();
        let engine = Engine::new(Archive::new(vec![missing]));
        let said = engine.ask(&query, &Parameters::new()).await.err().unwrap().to_string();
        assert!(said.contains("no-such-bucket") && said.contains("--source"), "{said}");
        assert!(!said.contains('\n'), "{said}");
    });
}

fn endpoint(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests learn here where the emulators are")]
    let found = std::env::var(variable).ok();
    if found.is_none() {
        // Not by a print macro: what they write is captured.
        let said = format!("skipped: {variable} does not say where the emulator is\n");
        std::io::stderr().write_all(said.as_bytes()).ok();
    }
    found
}
