//! A small archive, and answers as text.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use trailloop_cloud::{MemoryStore, Object, ObjectRef, Store as _};
use trailloop_query::arrow::json::LineDelimitedWriter;
use trailloop_query::{Archive, Bound, Cost, Engine, Parameters, Prepared, QueryError, Source};

/// What queries run on.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// An archive in memory.
pub(crate) struct Small {
    store: Arc<MemoryStore>,
    pub(crate) archive: Archive,
    pub(crate) memory_bytes_max: Option<usize>,
    runtime: Runtime,
}

impl Small {
    pub(crate) fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let source =
            Source { store: Arc::clone(&store) as _, bucket: "logs".into(), prefix: String::new() };
        let archive = Archive::new(vec![source]);
        Self { store, archive, memory_bytes_max: None, runtime: runtime() }
    }

    /// Puts an object with these records.
    pub(crate) fn put(&self, key: &str, records: &[Value]) {
        let text = json!({ "Records": records }).to_string();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        self.put_bytes(key, gzip.finish().unwrap());
    }

    /// Puts an object of these bytes.
    pub(crate) fn put_bytes(&self, key: &str, bytes: impl Into<Bytes>) {
        self.store.put("logs", key, bytes);
    }

    /// An object as it was put.
    pub(crate) fn object(&self, key: &str) -> Object {
        self.runtime.block_on(self.store.get(&ObjectRef::new("logs", key), 1 << 20)).unwrap()
    }

    /// The rows as one JSON array, and what they cost.
    pub(crate) fn ask(
        &self,
        sql: &str,
        given: &[(&str, &str)],
    ) -> Result<(Value, Cost), QueryError> {
        let given: Parameters = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Bound::Text((*value).to_owned())))
            .collect();
        let engine = Engine::new(self.archive.clone());
        let engine = match self.memory_bytes_max {
            Some(bytes_max) => engine.with_memory(bytes_max),
            None => engine,
        };
        self.runtime.block_on(async {
            let answer = engine.ask(&Prepared::parse(sql)?, &given).await?;
            let (batches, cost) = answer.all(usize::MAX).await?;
            let mut out = Vec::new();
            let mut writer = LineDelimitedWriter::new(&mut out);
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
            let lines = std::str::from_utf8(&out).unwrap().lines();
            Ok((lines.map(|line| serde_json::from_str::<Value>(line).unwrap()).collect(), cost))
        })
    }

    /// Waits for what is asynchronous.
    pub(crate) fn block_on<T>(&self, of: impl Future<Output = T>) -> T {
        self.runtime.block_on(of)
    }

    /// The rows; the query is answered.
    pub(crate) fn rows(&self, sql: &str) -> Value {
        self.ask(sql, &[]).unwrap().0
    }

    /// Why the query is not answered.
    pub(crate) fn refused(&self, sql: &str, given: &[(&str, &str)]) -> String {
        self.ask(sql, given).unwrap_err().to_string()
    }
}

/// A record of a call.
pub(crate) fn call(name: &str, time: &str, more: Value) -> Value {
    let mut record = json!({
        "eventVersion": "1.09", "eventTime": time, "eventSource": "s3.amazonaws.com",
        "eventName": name, "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
        "readOnly": true,
        "userIdentity": {"type": "IAMUser", "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "arn": "arn:aws:iam::111122223333:user/ana", "userName": "ana"},
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// A key of an account, a region and a day.
pub(crate) fn key(account: &str, region: &str, day: &str, file: &str) -> String {
    format!("AWSLogs/{account}/CloudTrail/{region}/{day}/{file}.json.gz")
}
