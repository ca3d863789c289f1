//! The contract over SQS, S3 and DynamoDB as two emulators speak them, over real HTTP.
//!
//! `TRAILLOOP_TEST_MINISTACK`, `TRAILLOOP_TEST_MINISTACK_AUTH` and `TRAILLOOP_TEST_MOTO` say where they
//! are; a test whose variable is absent says so and ends. Where an emulator differs from AWS, the
//! difference stands beside its test. None gives `MessageNotInflight`, so that a lapsed lease
//! cannot be extended is shown on our own kinds alone.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use trailloop_cloud::{
    Aws, AwsOptions, CloudErrorKind, ObjectRef, Queue, Store, Table, connect, provision,
};

use crate::queue_contract::{self, Differences, outgoing, receive_all};
use crate::store_contract;
use crate::table_contract;

/// Clients of the emulator that a variable names, or `None` with a word that it was skipped.
pub(crate) async fn emulator(variable: &str) -> Option<Aws> {
    let options = AwsOptions {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(endpoint_url(variable)?),
        path_style: true,
    };
    Some(connect(options).await.with_keys("test", "test"))
}

pub(crate) fn endpoint_url(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests learn here where the emulators are")]
    let found = std::env::var(variable).ok();
    if found.is_none() {
        // Not by a print macro: what they write is captured.
        let said = format!("skipped: {variable} does not say where the emulator is");
        std::io::Write::write_all(&mut std::io::stderr(), format!("{said}\n").as_bytes()).ok();
    }
    found
}

pub(crate) async fn ministack() -> Option<Aws> {
    emulator("TRAILLOOP_TEST_MINISTACK").await
}

pub(crate) async fn moto() -> Option<Aws> {
    emulator("TRAILLOOP_TEST_MOTO").await
}

/// A name that no other test, and no other run on the same emulator, uses.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

async fn queue_url(aws: &Aws, name: &str, attributes: &[(&str, &str)]) -> String {
    let attributes: BTreeMap<String, String> =
        attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    provision::create_queue(aws, &unique(name), &attributes).await.unwrap()
}

async fn bucket(aws: &Aws, name: &str) -> String {
    let bucket = unique(name);
    provision::create_bucket(aws, &bucket).await.unwrap();
    for (key, body) in store_contract::objects() {
        provision::put_object(aws, &bucket, &key, body).await.unwrap();
    }
    bucket
}

async fn check_dead_letters(aws: &Aws) {
    let dead_letters = queue_url(aws, "dead", &[]).await;
    let arn = provision::queue_arn(aws, &dead_letters).await.unwrap();
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"2"}}"#);
    let url = queue_url(aws, "with-dead", &[("RedrivePolicy", &policy)]).await;
    queue_contract::check_dead_letters(&aws.queue(url), &aws.queue(dead_letters)).await;
}

async fn check_fifo(aws: &Aws, differences: Differences) {
    let name = format!("{}.fifo", unique("ordered"));
    let attributes = BTreeMap::from([("FifoQueue".to_owned(), "true".to_owned())]);
    let url = provision::create_queue(aws, &name, &attributes).await.unwrap();
    queue_contract::check_deduplication(&aws.queue(url), differences).await;
}

#[tokio::test]
async fn ministack_queue_keeps_the_contract() {
    let Some(aws) = ministack().await else { return };
    let url = queue_url(&aws, "contract", &[]).await;
    let differences = Differences { second_delete_fails: true, ..Differences::default() };
    queue_contract::check(&aws.queue(url), differences).await;
}

#[tokio::test]
async fn ministack_moves_dead_letters() {
    let Some(aws) = ministack().await else { return };
    check_dead_letters(&aws).await;
}

#[tokio::test]
async fn ministack_fifo_queue_drops_duplicates() {
    let Some(aws) = ministack().await else { return };
    check_fifo(&aws, Differences::default()).await;
}

#[tokio::test]
async fn ministack_store_keeps_the_contract() {
    let Some(aws) = ministack().await else { return };
    store_contract::check(&aws.store(), &bucket(&aws, "contract").await).await;
}

#[tokio::test]
async fn ministack_store_gives_pages() {
    let Some(aws) = ministack().await else { return };
    let bucket = unique("pages");
    provision::create_bucket(&aws, &bucket).await.unwrap();
    let mut writers = JoinSet::new();
    for keys in store_contract::many().chunks(150) {
        let (aws, bucket, keys) = (aws.clone(), bucket.clone(), keys.to_vec());
        writers.spawn(async move {
            for key in keys {
                provision::put_object(&aws, &bucket, &key, "x").await.unwrap();
            }
        });
    }
    writers.join_all().await;
    store_contract::check_pages(&aws.store(), &bucket).await;
}

#[tokio::test]
async fn ministack_tells_the_queue_of_a_new_object() {
    let Some(aws) = ministack().await else { return };
    let url = queue_url(&aws, "notified", &[]).await;
    let arn = provision::queue_arn(&aws, &url).await.unwrap();
    let bucket = unique("notifying");
    provision::create_bucket(&aws, &bucket).await.unwrap();
    provision::set_bucket_notification(&aws, &bucket, &arn).await.unwrap();
    provision::put_object(&aws, &bucket, "a b+c.json.gz", "hello").await.unwrap();
    let queue = aws.queue(url.clone());
    // The first is S3's test event.
    let messages = receive_all(&queue, 2).await;
    assert!(messages.iter().any(|message| message.body.contains("s3:TestEvent")));
    assert!(messages.iter().any(|message| message.body.contains("a+b%2Bc.json.gz")));
    assert_eq!(provision::queue_depth(&aws, &url).await.unwrap(), (0, 2));
}

#[tokio::test]
async fn moto_queue_keeps_the_contract() {
    let Some(aws) = moto().await else { return };
    let url = queue_url(&aws, "contract", &[]).await;
    // moto takes any receipt that the message ever had.
    let differences = Differences {
        stale_delete_deletes: true,
        stale_extend_is_ok: true,
        ..Differences::default()
    };
    queue_contract::check(&aws.queue(url), differences).await;
}

#[tokio::test]
async fn moto_moves_dead_letters() {
    let Some(aws) = moto().await else { return };
    check_dead_letters(&aws).await;
}

#[tokio::test]
async fn moto_fifo_queue_drops_duplicates() {
    let Some(aws) = moto().await else { return };
    let differences =
        Differences { forgets_deduplication_of_the_deleted: true, ..Differences::default() };
    check_fifo(&aws, differences).await;
}

#[tokio::test]
async fn moto_store_keeps_the_contract() {
    let Some(aws) = moto().await else { return };
    store_contract::check(&aws.store(), &bucket(&aws, "contract").await).await;
}

async fn check_table(aws: &Aws) {
    let name = unique("state");
    provision::create_table(aws, &name).await.unwrap();
    table_contract::check(Arc::new(aws.table(name))).await;
}

#[tokio::test]
async fn ministack_table_keeps_the_contract() {
    let Some(aws) = ministack().await else { return };
    check_table(&aws).await;
}

/// This one ends a page at 1 MB, as AWS does.
#[tokio::test]
async fn moto_table_keeps_the_contract() {
    let Some(aws) = moto().await else { return };
    check_table(&aws).await;
}

#[tokio::test]
async fn a_table_that_is_missing_is_not_found() {
    let Some(aws) = ministack().await else { return };
    let error = aws.table(unique("imagined")).list("p", None, 1).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
}

/// One request to IAM, which takes any signature from the keys `test`; gives the answer's text.
fn ask_iam(endpoint_url: &str, query: &str) -> String {
    let address = endpoint_url.trim_start_matches("http://").trim_end_matches('/');
    let mut iam = TcpStream::connect(address).unwrap();
    write!(
        iam,
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, \
         SignedHeaders=host, Signature=0\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{query}",
        query.len()
    )
    .unwrap();
    let mut answer = String::new();
    iam.read_to_string(&mut answer).unwrap();
    answer
}

/// The keys of a new user without any right.
fn keys_without_rights(endpoint_url: &str) -> (String, String) {
    let user = unique("backup-operator");
    ask_iam(endpoint_url, &format!("Action=CreateUser&UserName={user}&Version=2010-05-08"));
    let query = format!("Action=CreateAccessKey&UserName={user}&Version=2010-05-08");
    let answer = ask_iam(endpoint_url, &query);
    let between = |open: &str, close: &str| {
        let rest = answer.split_once(open).unwrap_or_else(|| panic!("{open} in {answer}")).1;
        rest.split_once(close).unwrap().0.to_owned()
    };
    (between("<AccessKeyId>", "</AccessKeyId>"), between("<SecretAccessKey>", "</SecretAccessKey>"))
}

/// The keys `test` are the emulator's root, whose secret it does not look at; so the refusals are
/// those of a user of its own, with a wrong secret and then with the right one but no rights.
#[tokio::test]
async fn a_wrong_secret_and_a_missing_right_are_denied() {
    let variable = "TRAILLOOP_TEST_MINISTACK_AUTH";
    let Some(aws) = emulator(variable).await else { return };
    let bucket = bucket(&aws, "closed").await;
    let url = queue_url(&aws, "closed", &[]).await;
    assert!(aws.store().get(&ObjectRef::new(&bucket, "B"), 1000).await.is_ok());

    let (id, secret) = keys_without_rights(&endpoint_url(variable).unwrap());
    let minute = Duration::from_secs(60);
    for secret in ["a wrong secret", &secret] {
        let denied = aws.clone().with_keys(&id, secret);
        let (store, queue) = (denied.store(), denied.queue(&url));
        let errors = [
            store.get(&ObjectRef::new(&bucket, "B"), 1000).await.unwrap_err(),
            store.list(&bucket, "", None).await.unwrap_err(),
            queue.receive(1, Duration::ZERO, minute).await.unwrap_err(),
            queue.send(&[outgoing("x")]).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), CloudErrorKind::Denied, "{error}");
            assert!(matches!(error.status(), Some(400 | 403)), "{error}");
            assert!(error.code().is_some(), "{error}");
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_not_found() {
    let Some(aws) = ministack().await else { return };
    let url = queue_url(&aws, "real", &[]).await.replace("real", "imagined");
    let error = aws.queue(url).send(&[outgoing("x")]).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
}

/// Moto keeps one organization for each account, so the account is one that nothing else uses.
#[tokio::test]
async fn the_accounts_of_an_organization_are_listed_with_their_units() {
    let Some(aws) = moto().await else { return };
    let made = provision::create_organization(
        &aws,
        "workloads",
        "payments",
        ("environment", "production"),
    );
    let id = made.await.unwrap();
    let accounts = aws.organization().accounts(Some("environment")).await.unwrap();
    let payments = accounts.iter().find(|account| account.id == id).unwrap();
    assert_eq!(
        (payments.name.as_str(), payments.unit.as_str(), payments.tag.as_deref()),
        ("payments", "workloads", Some("production"))
    );
    let master = accounts.iter().find(|account| account.id != id).unwrap();
    assert_eq!((master.unit.as_str(), &master.tag), ("", &None));
    let without = aws.organization().accounts(None).await.unwrap();
    assert!(without.len() == accounts.len() && without.iter().all(|account| account.tag.is_none()));
}
