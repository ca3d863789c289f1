//! What a kept query found: rows of its answer as OCSF Detection Findings.
//!
//! A row is a JSON object of columns. It is redacted as a record is, since whatever a query shows of a record may be a
//! secret, and only then read. Rows that agree in the key columns are one finding, whose id says which query was asked, about which
//! window, and what these columns held: whoever asks again gets the same ids.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use trailloop_cloudtrail::{Failure, Kind, Position, Record, RecordBuffer, Value};

use crate::analytic::Level;
use crate::evidence::LIST_MAX;
use crate::fields::{Fields, member};
use crate::identity::{FindingId, row_uid};
use crate::json::Json;
use crate::ocsf::{FINDING_BYTES_MAX, Finding};
use crate::redact::Redaction;
use crate::rendered::{HEAD, write_attacks};
use crate::text::{clip, escape_for_queues, string_of};

/// The most columns of a row that a finding shows.
const COLUMNS_MAX: usize = 64;

/// After so many bytes of rows no other is shown; all are counted.
const ROWS_BYTES_MAX: usize = 64 << 10;

/// A longer number is shown as a text, which is clipped.
const NUMBER_BYTES_MAX: usize = 80;

/// A kept query that was asked about a window of event time.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The id of the query.
    pub query: &'a str,
    /// Its title.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// The hash of what it asks and says.
    pub hash: &'a str,
    /// What the findings say first.
    pub title: &'a str,
    /// How much they matter.
    pub level: Level,
    /// Tags of ATT&CK.
    pub attack: &'a [String],
    /// The columns by which rows are told apart.
    pub key: &'a [String],
    /// The first time of the window.
    pub from: Timestamp,
    /// The first time after the window.
    pub to: Timestamp,
}

/// A row that no finding can be made of.
#[derive(Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its number among the rows, counted from 0.
    pub row: usize,
    /// What is wrong with it.
    pub failure: Failure,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: {}", self.row, self.failure)
    }
}

impl std::error::Error for BadRow {}

impl Finding {
    /// The findings of an answer: one for all rows that agree in the key columns, in the order of their first rows. Each row is one
    /// JSON object; a column that is null may be left out.
    ///
    /// # Errors
    ///
    /// If a row is no JSON object.
    pub fn of_rows<'r>(
        asked: Asked<'_>,
        rows: impl IntoIterator<Item = &'r [u8]>,
    ) -> Result<Vec<Self>, BadRow> {
        let (mut found, mut known) = (Vec::<Found>::new(), BTreeMap::new());
        let mut redaction = Redaction::default();
        for (nth, row) in rows.into_iter().enumerate() {
            let bad = |failure| BadRow { row: nth, failure };
            let shown = shown(row, &mut redaction).map_err(bad)?;
            let mut buffer = RecordBuffer::new();
            let row = Row(Record::parse(&shown, &mut buffer).map_err(bad)?);
            let uid = row.uid(asked);
            let at = *known.entry(uid).or_insert(found.len());
            match found.get_mut(at) {
                Some(found) => found.add(row),
                None => found.push(Found::new(asked, uid, row)),
            }
        }
        Ok(found.into_iter().map(|found| found.finding(asked)).collect())
    }
}

/// A row without its secrets, as JSON.
///
/// # Errors
///
/// If it is no JSON object.
pub fn redact_row(row: &[u8]) -> Result<Vec<u8>, Failure> {
    shown(row, &mut Redaction::default())
}

/// A row without its secrets.
fn shown(row: &[u8], redaction: &mut Redaction) -> Result<Vec<u8>, Failure> {
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(row, &mut buffer)?;
    // Columns are spelled as members are, but in lower case; by these a failed sign-in is known, whose name may be a password.
    let of = |name| member(record, Position::of(0), name);
    let fields = Fields {
        event_source: of("eventsource"),
        event_name: of("eventname"),
        error_code: of("errorcode"),
        error_message: of("errormessage"),
        ..Fields::default()
    };
    redaction.read(record, &fields);
    Ok(redaction.raw(record).to_vec())
}

/// A row that holds no secret any more.
#[derive(Clone, Copy)]
struct Row<'a>(Record<'a>);

impl<'a> Row<'a> {
    fn value(self, column: &str) -> Option<Value<'a>> {
        self.0.root().get(column).filter(|value| !value.is_null())
    }

    fn text(self, column: &str) -> Option<&'a str> {
        self.value(column)?.as_str().filter(|text| !text.is_empty())
    }

    /// The first of these columns that holds a text.
    fn first(self, columns: &[&'static str]) -> Option<(&'static str, &'a str)> {
        columns.iter().find_map(|column| Some((*column, self.text(column)?)))
    }

    fn uid(self, asked: Asked<'_>) -> FindingId {
        let value = |column: &String| {
            let mut json = String::new();
            match self.value(column) {
                Some(value) => value.write_compact(&mut json),
                None => json.push_str("null"),
            }
            json
        };
        let key: Vec<String> = asked.key.iter().map(value).collect();
        let window = format!("{}/{}", asked.from, asked.to);
        row_uid(asked.query, asked.hash, &window, &key)
    }

    /// The account, if it is one.
    fn account(self) -> Option<&'a str> {
        let (_, account) = self.first(&["account", "recipientaccountid"])?;
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        is_account.then_some(account)
    }

    fn write_columns(self, json: &mut Json) {
        let Kind::Object(members) = self.0.root().kind() else { return };
        let there = members.filter(|(_, value)| !value.is_null());
        for (column, value) in there.take(COLUMNS_MAX) {
            let mut text = String::new();
            match (value.kind(), value.as_str()) {
                (_, Some(text)) => json.named(column, text),
                (Kind::Object(_) | Kind::Array(_), _) => {
                    value.write_compact(&mut text);
                    json.named(column, &text);
                }
                _ => {
                    value.write_compact(&mut text);
                    match text.len() <= NUMBER_BYTES_MAX {
                        true => json.named_json(column, text.as_bytes()),
                        false => json.named(column, &text),
                    }
                }
            }
        }
    }

    /// The values an analyst searches for next.
    fn write_observables(self, json: &mut Json) {
        let address = |(_, text): &(&str, &str)| text.parse::<IpAddr>().is_ok();
        let observables = [
            (
                2,
                "IP Address",
                self.first(&["sourceipaddress", "address", "an_address"]).filter(address),
            ),
            (4, "User Name", self.first(&["username", "user_name"])),
            (10, "Resource UID", self.first(&["principal", "arn", "a_principal", "from_role"])),
            (16, "HTTP User-Agent", self.first(&["useragent"])),
        ];
        json.list("observables", |json| {
            for (type_id, kind, value) in observables {
                let Some((column, value)) = value else { continue };
                json.element(|json| {
                    json.pieces("name", &["evidences[0].data.", column]);
                    json.number("type_id", type_id);
                    json.text("type", Some(kind));
                    json.text("value", Some(value));
                });
            }
        });
    }
}

/// Rows that agree in the key columns.
struct Found {
    uid: FindingId,
    account: Option<String>,
    /// How many there are.
    rows: u64,
    /// Those that are shown.
    evidences: Json,
    shown: usize,
    /// What the first row says.
    message: String,
    cloud: Json,
    observables: Json,
    key: Json,
}

impl Found {
    fn new(asked: Asked<'_>, uid: FindingId, row: Row<'_>) -> Self {
        let mut found = Self {
            uid,
            account: row.account().map(str::to_owned),
            rows: 0,
            evidences: Json::default(),
            shown: 0,
            message: asked.title.to_owned(),
            cloud: Json::default(),
            observables: Json::default(),
            key: Json::default(),
        };
        found.cloud.object("cloud", |json| {
            json.text("provider", Some("AWS"));
            json.text("region", row.first(&["awsregion", "region"]).map(|(_, text)| text));
            json.object("account", |json| json.text("uid", row.account()));
        });
        row.write_observables(&mut found.observables);
        for (nth, column) in asked.key.iter().take(LIST_MAX).enumerate() {
            let mut text = String::new();
            match row.value(column) {
                Some(value) => match value.as_str() {
                    Some(value) => text.push_str(value),
                    None => value.write_compact(&mut text),
                },
                None => text.push('-'),
            }
            found.message.push_str(if nth == 0 { ": " } else { ", " });
            found.message.push_str(&clip(&text));
            found.key.named(column, &text);
        }
        found.add(row);
        found
    }

    fn add(&mut self, row: Row<'_>) {
        self.rows += 1;
        if self.shown < LIST_MAX && self.evidences.0.len() < ROWS_BYTES_MAX {
            self.shown += 1;
            self.evidences.element(|json| json.object("data", |json| row.write_columns(json)));
        }
    }

    fn finding(self, asked: Asked<'_>) -> Finding {
        let (from, to) = (asked.from.as_millisecond(), asked.to.as_millisecond());
        let uid = self.uid.as_str();
        let mut json = Json::default();
        json.members(HEAD);
        json.severity(asked.level);
        json.status(false);
        json.number("time", to);
        json.text("message", Some(&self.message));
        json.metadata(uid);
        json.members(&self.cloud.0);
        json.object("finding_info", |json| {
            json.pieces("uid", &[uid]);
            json.text("title", Some(asked.title));
            json.text("desc", Some(asked.description));
            json.number("created_time", to);
            json.number("first_seen_time", from);
            json.number("last_seen_time", to);
            json.object("analytic", |json| {
                json.members(br#","type_id":99,"type":"Query""#);
                json.whole("uid", asked.query);
                json.text("name", Some(asked.name));
            });
            write_attacks(asked.attack, json);
        });
        json.members(&self.observables.0);
        json.list("evidences", |json| json.members(&self.evidences.0));
        json.object("unmapped", |json| {
            json.object("trailloop", |json| {
                json.object("query", |json| {
                    json.whole("id", asked.query);
                    json.whole("hash", asked.hash);
                    json.whole("from", &asked.from.to_string());
                    json.whole("to", &asked.to.to_string());
                    json.object("key", |json| json.members(&self.key.0));
                    json.number("rows", self.rows);
                });
            });
        });
        json.close(0, *b"{}");
        escape_for_queues(&mut json.0, 0);
        let json = string_of(json.0);
        debug_assert!(json.len() <= FINDING_BYTES_MAX, "every field is clipped");
        let account = self.account.map(Into::into);
        Finding { uid: self.uid, level: asked.level, account, json }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ATTACK: &[&str] = &["attack.initial-access", "attack.t1078.004"];

    /// What a test asks, with these key columns.
    fn with_asked<T>(key: &[&str], test: impl FnOnce(Asked<'_>) -> T) -> T {
        let attack: Vec<String> = ATTACK.iter().map(|tag| (*tag).to_owned()).collect();
        let key: Vec<String> = key.iter().map(|column| (*column).to_owned()).collect();
        test(Asked {
            query: "console-login-new-country",
            name: "First console login from a country",
            description: "Logins from where nobody logged in before.",
            hash: "5e7",
            title: "Console login from a new country",
            level: Level::High,
            attack: &attack,
            key: &key,
            from: "2026-01-30T00:00:00Z".parse().unwrap(),
            to: "2026-01-31T00:00:00Z".parse().unwrap(),
        })
    }

    fn findings(asked: Asked<'_>, rows: &[&str]) -> Vec<Finding> {
        Finding::of_rows(asked, rows.iter().map(|row| row.as_bytes())).unwrap()
    }

    fn body(finding: &Finding) -> serde_json::Value {
        serde_json::from_str(&finding.json).unwrap()
    }

    const ROW: &str = r#"{"principal":"arn:aws:iam::111122223333:user/ana","account":"111122223333","ip_country":"NL","awsregion":"us-east-1","an_address":"203.0.113.77","logins":2,"share":0.50,"mfa":true,"of":["a",{"b":null}],"nothing":null}"#;

    #[test]
    fn a_finding_of_a_row_in_full() {
        let found = with_asked(&["principal", "ip_country"], |asked| findings(asked, &[ROW, ROW]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].account.as_deref(), Some("111122223333"));
        assert_eq!(body(&found[0])["unmapped"]["trailloop"]["query"]["rows"], 2);
        insta::assert_snapshot!(serde_json::to_string_pretty(&body(&found[0])).unwrap());
    }

    #[test]
    fn rows_are_told_apart_by_their_key_columns_alone() {
        let rows = [
            r#"{"a":"1","b":1,"c":"x"}"#,
            r#"{"c":"y","b":1,"a":"1"}"#,
            r#"{"a":1,"b":1}"#,
            r#"{"a":null,"b":1}"#,
            r#"{"b":1}"#,
            r#"{"a":"null","b":1}"#,
        ];
        let uids = |asked: Asked<'_>| -> Vec<String> {
            findings(asked, &rows).iter().map(|finding| finding.uid.to_string()).collect()
        };
        let first = with_asked(&["a", "b"], uids);
        assert_eq!(first.len(), 4, "the first two agree, and null is nothing");
        assert_eq!(first, with_asked(&["a", "b"], uids));
        let other = with_asked(&["a", "b"], |asked| uids(Asked { hash: "5e8", ..asked }));
        let later = with_asked(&["a", "b"], |asked| {
            uids(Asked { to: "2026-01-31T00:00:01Z".parse().unwrap(), ..asked })
        });
        for different in [other, later] {
            assert!(first.iter().all(|uid| !different.contains(uid)));
        }
        // printf 'query\0console-login-new-country\x005e7\x002026-01-30T00:00:00Z/2026-01-31T00:00:00Z\0"1"\x001' | sha256sum
        assert_eq!(first[0], "845fbc76c9ecb1c3cd0d8bfec75537e5");
    }

    #[test]
    fn no_column_carries_a_secret_out() {
        let rows = [
            r#"{"a":"x","password":"CANARY-1","said":"{\"secretAccessKey\":\"CANARY-2\"}","url":"https://x/?X-Amz-Signature=CANARY-3"}"#,
            r#"{"a":"y","eventname":"ConsoleLogin","errormessage":"Failed authentication","principal":"CANARY-4","username":"CANARY-5"}"#,
            r#"{"a":{"credentials":{"sessionToken":"CANARY-6"}},"CANARY":{"password":"CANARY-7"}}"#,
        ];
        let found = with_asked(&["a", "principal", "password"], |asked| findings(asked, &rows));
        assert_eq!(found.len(), 3);
        for finding in found {
            assert!(!finding.json.contains("CANARY-"), "{}", finding.json);
        }
    }

    #[test]
    fn a_finding_is_bounded_whatever_its_rows_hold() {
        let long = "\u{ffff}\u{1}".repeat(300);
        let columns: Vec<String> = (0..80)
            .map(|nth| {
                format!("{}:{}", serde_json::json!(format!("{nth}{long}")), serde_json::json!(long))
            })
            .collect();
        let row = format!("{{\"k\":\"x\",\"n\":{},{}}}", "7".repeat(9000), columns.join(","));
        let rows = vec![row.as_str(); 40];
        let key = vec!["k"; 40];
        let found = with_asked(&key, |asked| {
            let (title, description) = ("t".repeat(9000), "d".repeat(9000));
            findings(Asked { title: &title, description: &description, ..asked }, &rows)
        });
        assert_eq!(found.len(), 1);
        assert!(found[0].json.len() <= FINDING_BYTES_MAX, "{}", found[0].json.len());
        assert!(!found[0].json.contains('\u{ffff}'), "a queue takes it");
        assert_eq!(body(&found[0])["unmapped"]["trailloop"]["query"]["rows"], 40);
    }

    #[test]
    fn a_row_that_is_no_object_is_told_by_its_number() {
        let error = with_asked(&["a"], |asked| {
            Finding::of_rows(asked, [&b"{}"[..], b"[1]"]).unwrap_err().to_string()
        });
        assert!(error.starts_with("row 1: "), "{error}");
    }

    proptest! {
        #[test]
        fn no_rows_panic(rows: Vec<Vec<u8>>, column: String, value: String, key: String) {
            let row = serde_json::json!({column.as_str(): value, "account": value, "an_address": [value]});
            let row = row.to_string();
            let (found, odd) = with_asked(&[&key, &column], |asked| {
                let odd = Finding::of_rows(asked, rows.iter().map(Vec::as_slice));
                (findings(asked, &[&row, &row, "{}"]), odd)
            });
            drop(odd);
            prop_assert!(!found.is_empty() && found.len() <= 2);
            for finding in &found {
                prop_assert_eq!(&body(finding)["finding_info"]["uid"], finding.uid.as_str());
            }
        }
    }
}
