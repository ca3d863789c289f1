//! What was done, in the order in which it was done: a chain of lines, each of which names the hash of the one before.
//!
//! Lines are rows of the partition `ledger`, sorted by their number; they are only ever added, by a write on condition that no
//! such row exists, so of two writers one comes first and the other goes on after it. A line's canonical bytes are the row's
//! text: what is hashed is what is stored and exported.
//!
//! Where the chain ends is known by walking it. A row of its own says where to begin the walk; it is a hint, and may be old or missing.
//! What it says is never trusted: the hash of a line is always taken from the line.

mod audit;

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Mutex;
use trailloop_cloud::{CloudError, Expected, RowKey, Table, VALUE_BYTES_MAX, Written};
use trailloop_finding::sha256;

pub use audit::{Auditor, Break, Fault, Summary, audit};

/// The partition of the lines.
pub const PARTITION: &str = "ledger";

/// What the first line names as the hash of the one before.
pub const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How often the hint is written: every so many lines, so a walk is about this long at most.
const HINT_EVERY: u64 = 16;

/// How often a line is tried, conflicts and lost answers together.
const ATTEMPTS_MAX: u32 = 64;

/// How many lost answers in a row are borne.
const LOST_MAX: u32 = 5;

const PAGE_ROWS: usize = 200;

/// The end of a chain: its last line's number, and the hash of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// From 1; zero if there is no line.
    pub seq: u64,
    /// In hexadecimal.
    pub sha256: String,
}

impl Head {
    /// The end of a chain without lines.
    #[must_use]
    pub fn start() -> Self {
        Self { seq: 0, sha256: START.to_owned() }
    }
}

/// What a line says. All of it is kept as it is given, so secrets were removed before.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Entry {
    /// When, as RFC 3339.
    pub time: String,
    /// What it is: `intent`, `answer`, `refused`, `approval`, `undo`, `verdict`, …
    pub kind: String,
    /// The run's id.
    pub run: String,
    /// The finding's id.
    pub finding: String,
    /// The runbook, as `id@version`.
    pub runbook: String,
    /// The runbook's hash.
    pub runbook_sha256: String,
    /// The step.
    pub step: String,
    /// The account that is acted in.
    pub account: String,
    /// The API, as `iam:UpdateAccessKey`.
    pub api: String,
    /// The call's inputs.
    pub params: Value,
    /// What AWS names the request, as in CloudTrail's `requestID`.
    pub aws_request_id: Option<String>,
    /// What came of it.
    pub result: String,
    /// Who did it or agreed to it: the responder, or a person.
    pub actor: String,
}

/// A line as it stands in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub seq: u64,
    /// The hash of its text.
    pub sha256: String,
    /// Its text, without a line break.
    pub text: String,
}

/// Why a line was not written, or not read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The table failed.
    #[error("the ledger's table failed")]
    Table(#[from] CloudError),
    /// Others wrote all the time.
    #[error("line {0} of the ledger was taken by others each time; try again")]
    Contended(u64),
    /// The line is too long even without its parameters.
    #[error("a line of the ledger would have {0} bytes, more than a row takes")]
    TooLong(usize),
}

/// The ledger of a table.
pub struct Ledger {
    table: Arc<dyn Table>,
    /// Who writes, so that no two writers ever write the same text.
    writer: String,
    /// Where the chain ended when it was last seen. Held while a line is written: the lines of one writer do not race each other.
    head: Mutex<Option<Head>>,
}

impl Ledger {
    /// The ledger in this table. `writer` names the process and no other, such as a random id made at its start.
    #[must_use]
    pub fn new(table: Arc<dyn Table>, writer: impl Into<String>) -> Self {
        Self { table, writer: writer.into(), head: Mutex::new(None) }
    }

    /// Adds a line. When this returns, the line is stored, once. After an error it may be stored or not; it is never stored twice
    /// by one call.
    pub async fn append(&self, entry: &Entry) -> Result<Line, LedgerError> {
        let mut known = self.head.lock().await;
        let mut head = match known.take() {
            Some(head) => head,
            None => self.find_head().await?,
        };
        let mut lost = 0;
        for _attempt in 0..ATTEMPTS_MAX {
            let line = self.line(entry, &head)?;
            let row = match self.table.put(&row_key(line.seq), &line.text, Expected::Absent).await {
                Ok(Written::Done(_)) => Some(line.text.clone()),
                Ok(Written::Conflict(row)) => row.map(|row| row.value),
                // Whether it was written only the row can tell.
                Err(error) if error.is_transient() && lost < LOST_MAX => {
                    lost += 1;
                    self.read(line.seq, &mut lost).await?
                }
                Err(error) => return Err(error.into()),
            };
            match row {
                Some(text) if text == line.text => {
                    let head = Head { seq: line.seq, sha256: line.sha256.clone() };
                    *known = Some(head);
                    self.hint(line.seq).await;
                    return Ok(line);
                }
                // Somebody was first: go on after them.
                Some(text) => head = Head { seq: line.seq, sha256: sha256(text.as_bytes()) },
                None => {}
            }
        }
        Err(LedgerError::Contended(head.seq + 1))
    }

    /// Where the chain ends.
    pub async fn head(&self) -> Result<Head, LedgerError> {
        let mut known = self.head.lock().await;
        let head = match known.take() {
            Some(head) => self.walk(head).await?,
            None => self.find_head().await?,
        };
        *known = Some(head.clone());
        Ok(head)
    }

    /// Up to `lines_max` lines after this number, in order. Fewer than asked for means the end.
    pub async fn lines(&self, after: u64, lines_max: usize) -> Result<Vec<Line>, LedgerError> {
        let rows = self.table.list(PARTITION, Some(&sort_key(after)), lines_max).await?;
        let line = |row: trailloop_cloud::Row| Line {
            // A key that is no number is not ours; as a number that never fits, the audit says so.
            seq: row.key.sort.parse().unwrap_or(u64::MAX),
            sha256: sha256(row.value.as_bytes()),
            text: row.value,
        };
        Ok(rows.into_iter().map(line).collect())
    }

    /// All lines after this number, as NDJSON. The text of a file that [`audit()`] takes.
    pub async fn export(&self, after: u64) -> Result<String, LedgerError> {
        let mut out = String::new();
        let mut after = after;
        loop {
            let lines = self.lines(after, PAGE_ROWS).await?;
            for line in &lines {
                out.push_str(&line.text);
                out.push('\n');
            }
            match lines.last() {
                Some(last) if lines.len() == PAGE_ROWS => after = last.seq,
                _ => return Ok(out),
            }
        }
    }

    /// Checks the chain as it is stored. `until` is an end that was written down elsewhere, such as in the last export: without
    /// one, lines that were cut off the end can't be missed.
    pub async fn audit(&self, until: Option<&Head>) -> Result<Result<Summary, Break>, LedgerError> {
        let mut auditor = Auditor::new(Head::start(), until.cloned());
        let mut after = None;
        loop {
            let rows = self.table.list(PARTITION, after.as_deref(), PAGE_ROWS).await?;
            for row in &rows {
                // A row is written once, so one of another version was written over, whatever it says now.
                if let Err(found) = auditor.row(&row.key.sort, row.version, &row.value) {
                    return Ok(Err(found));
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_ROWS => after = Some(last.key.sort.clone()),
                _ => return Ok(auditor.finish()),
            }
        }
    }

    async fn find_head(&self) -> Result<Head, LedgerError> {
        let hint = self.table.get(&hint_key()).await?;
        let seq = hint.and_then(|row| row.value.parse::<u64>().ok()).unwrap_or_default();
        let line = match seq {
            0 => None,
            seq => self.table.get(&row_key(seq)).await?,
        };
        let head = line.map(|row| Head { seq, sha256: sha256(row.value.as_bytes()) });
        self.walk(head.unwrap_or_else(Head::start)).await
    }

    async fn walk(&self, from: Head) -> Result<Head, LedgerError> {
        let mut head = from;
        loop {
            let lines = self.lines(head.seq, PAGE_ROWS).await?;
            let count = lines.len();
            if let Some(last) = lines.into_iter().next_back() {
                // A number beyond all is a row that somebody else put there, and nothing can follow it.
                if last.seq == u64::MAX {
                    return Err(LedgerError::Contended(last.seq));
                }
                head = Head { seq: last.seq, sha256: last.sha256 };
            }
            if count < PAGE_ROWS {
                return Ok(head);
            }
        }
    }

    /// The text of a line, read again as long as `lost` answers are borne.
    async fn read(&self, seq: u64, lost: &mut u32) -> Result<Option<String>, LedgerError> {
        loop {
            match self.table.get(&row_key(seq)).await {
                Ok(row) => return Ok(row.map(|row| row.value)),
                Err(error) if error.is_transient() && *lost < LOST_MAX => *lost += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The hint is worth one try: whoever finds an old one walks farther.
    async fn hint(&self, seq: u64) {
        if !seq.is_multiple_of(HINT_EVERY) {
            return;
        }
        let expected = match self.table.get(&hint_key()).await {
            Ok(Some(row)) if row.value.parse::<u64>().is_ok_and(|hinted| hinted >= seq) => return,
            Ok(Some(row)) => Expected::Version(row.version),
            Ok(None) => Expected::Absent,
            Err(_) => return,
        };
        if let Err(error) = self.table.put(&hint_key(), &seq.to_string(), expected).await {
            tracing::debug!(%error, "the ledger's hint was not written");
        }
    }

    fn line(&self, entry: &Entry, head: &Head) -> Result<Line, LedgerError> {
        let mut text = self.text(entry, head, &entry.params);
        if text.len() > VALUE_BYTES_MAX {
            // What was called stays provable: the parameters by their hash.
            let params = entry.params.to_string();
            let params = json!({"bytes": params.len(), "sha256": sha256(params.as_bytes())});
            text = self.text(entry, head, &params);
        }
        if text.len() > VALUE_BYTES_MAX {
            return Err(LedgerError::TooLong(text.len()));
        }
        Ok(Line { seq: head.seq + 1, sha256: sha256(text.as_bytes()), text })
    }

    fn text(&self, entry: &Entry, head: &Head, params: &Value) -> String {
        json!({
            "seq": head.seq + 1,
            "prev_sha256": head.sha256,
            "time": entry.time,
            "kind": entry.kind,
            "run": entry.run,
            "finding": entry.finding,
            "runbook": entry.runbook,
            "runbook_sha256": entry.runbook_sha256,
            "step": entry.step,
            "account": entry.account,
            "api": entry.api,
            "params": params,
            "aws_request_id": entry.aws_request_id,
            "result": entry.result,
            "actor": entry.actor,
            "writer": self.writer,
        })
        .to_string()
    }
}

fn sort_key(seq: u64) -> String {
    format!("{seq:020}")
}

fn row_key(seq: u64) -> RowKey {
    RowKey::new(PARTITION, sort_key(seq))
}

/// In a partition of its own, so that the lines are all that is listed.
fn hint_key() -> RowKey {
    RowKey::new("ledger-head", "head")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};
    use std::ops::Bound;
    use std::sync::Mutex as StdMutex;

    use async_trait::async_trait;
    use trailloop_cloud::{CloudErrorKind, Row};

    use super::*;

    /// What goes wrong with a write.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Wrong {
        Nothing,
        /// It took no effect, and the answer was lost.
        Before,
        /// It took effect, and the answer was lost.
        After,
    }

    #[derive(Default)]
    struct Rows {
        rows: StdMutex<BTreeMap<RowKey, Row>>,
        /// What goes wrong with the next writes of lines.
        plan: StdMutex<VecDeque<Wrong>>,
    }

    #[async_trait]
    impl Table for Rows {
        fn name(&self) -> &'static str {
            "rows"
        }

        async fn get(&self, key: &RowKey) -> Result<Option<Row>, CloudError> {
            Ok(self.rows.lock().unwrap().get(key).cloned())
        }

        async fn put(
            &self,
            key: &RowKey,
            value: &str,
            expected: Expected,
        ) -> Result<Written, CloudError> {
            let wrong = match key.partition.as_str() {
                PARTITION => self.plan.lock().unwrap().pop_front().unwrap_or(Wrong::Nothing),
                _ => Wrong::Nothing,
            };
            let lost = || CloudError::new(CloudErrorKind::Transient, "put", "rows", "lost");
            if wrong == Wrong::Before {
                return Err(lost());
            }
            // Others come in between.
            tokio::task::yield_now().await;
            let mut rows = self.rows.lock().unwrap();
            let found = rows.get(key).cloned();
            let version = match (expected, &found) {
                (Expected::Absent, None) => 1,
                (Expected::Version(version), Some(row)) if row.version == version => version + 1,
                _ => return Ok(Written::Conflict(found)),
            };
            rows.insert(key.clone(), Row { key: key.clone(), version, value: value.to_owned() });
            if wrong == Wrong::After { Err(lost()) } else { Ok(Written::Done(version)) }
        }

        async fn delete(&self, _key: &RowKey, _version: u64) -> Result<Written, CloudError> {
            unreachable!("nothing is deleted from a ledger")
        }

        async fn list(
            &self,
            partition: &str,
            after: Option<&str>,
            rows_max: usize,
        ) -> Result<Vec<Row>, CloudError> {
            let after = RowKey::new(partition, after.unwrap_or_default());
            let rows = self.rows.lock().unwrap();
            let rows = rows.range((Bound::Excluded(after), Bound::Unbounded));
            let rows = rows.take_while(|(key, _)| key.partition == partition);
            Ok(rows.map(|(_, row)| row.clone()).take(rows_max).collect())
        }
    }

    fn entry(step: &str) -> Entry {
        Entry {
            time: "2026-11-25T09:00:00Z".to_owned(),
            kind: "answer".to_owned(),
            run: "0f09babfb92e5b61295388ad84950d61".to_owned(),
            step: step.to_owned(),
            api: "iam:UpdateAccessKey".to_owned(),
            params: json!({"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive"}),
            aws_request_id: Some("r-1".to_owned()),
            result: "done".to_owned(),
            actor: "trailloop".to_owned(),
            ..Entry::default()
        }
    }

    /// Each step stands in the ledger once, and the chain is whole.
    async fn assert_whole(ledger: &Ledger, mut steps: Vec<String>) {
        let summary = ledger.audit(None).await.unwrap().unwrap();
        assert_eq!(summary.lines, steps.len() as u64);
        let text = ledger.export(0).await.unwrap();
        assert_eq!(audit(&text, Head::start(), Some(&summary.head)), Ok(summary));
        let step = |line: &str| -> String {
            serde_json::from_str::<Value>(line).unwrap()["step"].as_str().unwrap().to_owned()
        };
        let mut found: Vec<String> = text.lines().map(step).collect();
        found.sort();
        steps.sort();
        assert_eq!(found, steps);
    }

    #[tokio::test]
    async fn lines_are_chained() {
        let ledger = Ledger::new(Arc::new(Rows::default()), "w");
        assert_eq!(ledger.head().await.unwrap(), Head::start());
        let one = ledger.append(&entry("one")).await.unwrap();
        let two = ledger.append(&entry("two")).await.unwrap();
        assert_eq!((one.seq, two.seq), (1, 2));
        let json: Value = serde_json::from_str(&two.text).unwrap();
        assert_eq!(json["prev_sha256"], one.sha256);
        assert_eq!(ledger.head().await.unwrap(), Head { seq: 2, sha256: two.sha256 });
        insta::assert_snapshot!(one.text);
        assert_whole(&ledger, vec!["one".into(), "two".into()]).await;
    }

    #[tokio::test]
    async fn a_new_process_goes_on_where_the_old_one_ended_however_old_the_hint() {
        let table = Arc::new(Rows::default());
        let mut steps = Vec::new();
        for n in 0..3 * PAGE_ROWS {
            steps.push(n.to_string());
        }
        let old = Ledger::new(table.clone(), "old");
        for step in &steps {
            old.append(&entry(step)).await.unwrap();
        }
        let hint = table.get(&hint_key()).await.unwrap().unwrap();
        assert_eq!(hint.value, (3 * PAGE_ROWS / 16 * 16).to_string());
        for hint in [None, Some("0"), Some("17"), Some("9999999"), Some("junk"), Some("-1")] {
            {
                let mut rows = table.rows.lock().unwrap();
                rows.remove(&hint_key());
                if let Some(value) = hint {
                    let row = Row { key: hint_key(), version: 1, value: value.to_owned() };
                    rows.insert(hint_key(), row);
                }
            }
            let new = Ledger::new(table.clone(), "new");
            steps.push(format!("{hint:?}"));
            new.append(&entry(&format!("{hint:?}"))).await.unwrap();
        }
        assert_whole(&old, steps).await;
    }

    #[tokio::test]
    async fn a_lost_answer_is_settled_by_reading() {
        for wrong in [Wrong::Before, Wrong::After] {
            let table = Arc::new(Rows::default());
            let ledger = Ledger::new(table.clone(), "w");
            table.plan.lock().unwrap().extend([Wrong::Nothing, wrong, Wrong::Nothing, wrong]);
            for step in ["a", "b", "c"] {
                ledger.append(&entry(step)).await.unwrap();
            }
            assert_whole(&ledger, vec!["a".into(), "b".into(), "c".into()]).await;
        }
    }

    #[tokio::test]
    async fn a_table_that_stays_away_is_an_error() {
        let table = Arc::new(Rows::default());
        let ledger = Ledger::new(table.clone(), "w");
        table.plan.lock().unwrap().extend([Wrong::Before; 20]);
        assert!(matches!(ledger.append(&entry("a")).await, Err(LedgerError::Table(_))));
        table.plan.lock().unwrap().clear();
        ledger.append(&entry("a")).await.unwrap();
        assert_whole(&ledger, vec!["a".into()]).await;
    }

    #[tokio::test]
    async fn many_writers_make_one_chain() {
        let table = Arc::new(Rows::default());
        let wrongs = (0..200).map(|n| match n % 7 {
            3 => Wrong::Before,
            5 => Wrong::After,
            _ => Wrong::Nothing,
        });
        table.plan.lock().unwrap().extend(wrongs);
        let mut tasks = tokio::task::JoinSet::new();
        let mut steps = Vec::new();
        for writer in 0..8 {
            let ledger = Ledger::new(table.clone(), writer.to_string());
            steps.extend((0..20).map(|n| format!("{writer}-{n}")));
            tasks.spawn(async move {
                for n in 0..20 {
                    ledger.append(&entry(&format!("{writer}-{n}"))).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        assert_whole(&Ledger::new(table, "reader"), steps).await;
    }

    #[tokio::test]
    async fn long_parameters_are_kept_by_their_hash() {
        let ledger = Ledger::new(Arc::new(Rows::default()), "w");
        let long = Entry { params: json!("x".repeat(VALUE_BYTES_MAX)), ..entry("a") };
        let line = ledger.append(&long).await.unwrap();
        let json: Value = serde_json::from_str(&line.text).unwrap();
        assert_eq!(json["params"]["bytes"], VALUE_BYTES_MAX + 2);
        let long = Entry { result: "x".repeat(VALUE_BYTES_MAX), ..entry("a") };
        assert!(matches!(ledger.append(&long).await, Err(LedgerError::TooLong(_))));
        // The end of the chain was forgotten with the error, and is found again.
        assert_eq!(ledger.append(&entry("b")).await.unwrap().seq, 2);
    }

    #[tokio::test]
    async fn a_row_that_was_written_over_is_found_even_at_the_end() {
        let table = Arc::new(Rows::default());
        let ledger = Ledger::new(table.clone(), "w");
        for step in ["a", "b", "c"] {
            ledger.append(&entry(step)).await.unwrap();
        }
        let text = table.get(&row_key(3)).await.unwrap().unwrap().value.replace("done", "none");
        table.put(&row_key(3), &text, Expected::Version(1)).await.unwrap();
        let found = ledger.audit(None).await.unwrap().unwrap_err();
        assert_eq!(found, Break { seq: 3, what: Fault::Altered });
    }

    #[tokio::test]
    async fn lines_that_were_cut_off_are_missed_by_who_wrote_down_the_end() {
        let table = Arc::new(Rows::default());
        let ledger = Ledger::new(table.clone(), "w");
        for step in ["a", "b", "c"] {
            ledger.append(&entry(step)).await.unwrap();
        }
        let head = ledger.head().await.unwrap();
        table.rows.lock().unwrap().remove(&row_key(3));
        assert_eq!(ledger.audit(None).await.unwrap().unwrap().lines, 2);
        let found = ledger.audit(Some(&head)).await.unwrap().unwrap_err();
        assert_eq!(found, Break { seq: 3, what: Fault::Missing });
    }
}
