//! What every store promises, asked of any kind through the trait alone.

use trailloop_cloud::{CloudErrorKind, ObjectRef, Store};

/// Keys that trip up stores, in byte order, with their bodies.
pub(crate) fn objects() -> Vec<(String, Vec<u8>)> {
    let keys = [
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/31/a.json.gz",
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/31/b.json.gz",
        "B",
        "dir with space/a+b.json.gz",
        "dir with space/a=b&c%2Bd.json.gz",
        "dir.json",
        "dir/'quoted' (x)!*.json",
        "dir/sub/file",
        "dir0",
        "é/漢字 \u{1F600}.json",
    ];
    keys.iter().map(|key| ((*key).to_owned(), format!("body of {key}").into_bytes())).collect()
}

/// Keys for more than two pages: `many/0000` to `many/2004`.
pub(crate) fn many() -> Vec<String> {
    (0..2005).map(|number| format!("many/{number:04}")).collect()
}

/// Runs the contract on a bucket that holds [`objects`]. With `etags`, the store says them.
pub(crate) async fn check(store: &dyn Store, bucket: &str) {
    lists_in_byte_order(store, bucket).await;
    reads_every_key(store, bucket).await;
    holds_to_the_etag(store, bucket).await;
    holds_to_the_limit(store, bucket).await;
    names_what_is_missing(store, bucket).await;
}

async fn keys(store: &dyn Store, bucket: &str, prefix: &str, after: Option<&str>) -> Vec<String> {
    let page = store.list(bucket, prefix, after).await.unwrap();
    assert_eq!(page.next, None);
    page.objects.into_iter().map(|listed| listed.key).collect()
}

async fn lists_in_byte_order(store: &dyn Store, bucket: &str) {
    let page = store.list(bucket, "", None).await.unwrap();
    let listed: Vec<(String, u64)> =
        page.objects.into_iter().map(|listed| (listed.key, listed.bytes)).collect();
    let expected: Vec<(String, u64)> =
        objects().into_iter().map(|(key, body)| (key, body.len() as u64)).collect();
    assert_eq!(listed, expected);
    assert_eq!(
        keys(store, bucket, "dir/", None).await,
        ["dir/'quoted' (x)!*.json", "dir/sub/file"]
    );
    assert_eq!(
        keys(store, bucket, "dir w", None).await,
        ["dir with space/a+b.json.gz", "dir with space/a=b&c%2Bd.json.gz"]
    );
    assert_eq!(
        keys(store, bucket, "dir", Some("dir.json")).await,
        ["dir/'quoted' (x)!*.json", "dir/sub/file", "dir0"]
    );
    assert_eq!(keys(store, bucket, "", Some("dir/~")).await, ["dir0", "é/漢字 \u{1F600}.json"]);
    assert_eq!(keys(store, bucket, "é/", None).await, ["é/漢字 \u{1F600}.json"]);
    assert!(keys(store, bucket, "absent/", None).await.is_empty());
}

async fn reads_every_key(store: &dyn Store, bucket: &str) {
    for listed in store.list(bucket, "", None).await.unwrap().objects {
        let object = store.get(&ObjectRef::new(bucket, &listed.key), 1000).await.unwrap();
        assert!(listed.etag.is_none() || listed.etag == object.etag, "{}", listed.key);
    }
    for (key, body) in objects() {
        let object = store.get(&ObjectRef::new(bucket, &key), 1000).await.unwrap();
        assert_eq!(object.bytes, body, "{key}");
        assert!(object.etag.is_some(), "{key}");
    }
}

async fn holds_to_the_etag(store: &dyn Store, bucket: &str) {
    let mut object = ObjectRef::new(bucket, "dir0");
    let etag = store.get(&object, 1000).await.unwrap().etag.unwrap();
    for spelling in [etag.clone(), etag.trim_matches('"').to_owned()] {
        object.etag = Some(spelling);
        assert_eq!(store.get(&object, 1000).await.unwrap().bytes, "body of dir0");
    }
    object.etag = Some("\"d41d8cd98f00b204e9800998ecf8427e\"".to_owned());
    let error = store.get(&object, 1000).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
    assert_eq!(error.code(), Some("PreconditionFailed"));
    assert_eq!(error.status(), Some(412));
}

async fn holds_to_the_limit(store: &dyn Store, bucket: &str) {
    let object = ObjectRef::new(bucket, "dir0");
    let length = "body of dir0".len() as u64;
    assert_eq!(store.get(&object, length).await.unwrap().bytes.len() as u64, length);
    let error = store.get(&object, length - 1).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::TooLarge);
    assert!(error.to_string().contains("dir0"), "{error}");
}

async fn names_what_is_missing(store: &dyn Store, bucket: &str) {
    let error = store.get(&ObjectRef::new(bucket, "dir/absent"), 1000).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(&format!("{bucket}/dir/absent")), "{error}");
    // A folder of keys is no object.
    let error = store.get(&ObjectRef::new(bucket, "dir"), 1000).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
    let error = store.get(&ObjectRef::new("no-such-bucket-here", "k"), 1000).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
    let error = store.list("no-such-bucket-here", "", None).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
}

/// Pages follow each other without a gap or a repeat, on a bucket that holds [`many`].
pub(crate) async fn check_pages(store: &dyn Store, bucket: &str) {
    let mut found = Vec::new();
    let mut pages = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.list(bucket, "many/", after.as_deref()).await.unwrap();
        pages.push(page.objects.len());
        found.extend(page.objects.into_iter().map(|listed| listed.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, many());
    assert_eq!(pages, [1000, 1000, 5]);
}
