//! `trailloop synth`: the logs of a synthetic organization, from a seed.
//!
//! What the organization is and does, and how often: `docs/synthetic-organization.md` for readers, `catalogue.rs` and
//! its tables for the code. From AWS's documentation: the layout of keys, the fields of a record, delivery about every
//! five minutes, late and out of order. Chosen, not measured: half of the records are data events, and at least nine of
//! ten callers are roles and services, as in an organization that runs on roles. Nothing in it is an attack, and nothing
//! in it was chosen for what rules look for; people are numbers, and addresses are from ranges kept for documentation.

mod accounts;
mod act;
mod agents;
mod caller;
mod catalogue;
mod failure;
mod fill;
mod plan;
mod record;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

pub use crate::cli::SynthArgs;
use crate::progress;
use crate::synth::accounts::Account;
use crate::synth::agents::pick;
use crate::synth::plan::Plan;
use crate::synth::record::Writer;
use crate::{Exit, UsageError};

/// Minutes between deliveries of one account and region.
const DELIVERY_MINUTES: i64 = 5;

/// So much text is compressed at a time.
const PIECE_BYTES: usize = 1 << 16;

/// Runs the command.
pub(crate) fn command(arguments: &SynthArgs) -> anyhow::Result<Exit> {
    refuse_if_not_empty(&arguments.out)?;
    let bar = progress::bar(u64::from(arguments.objects), false);
    write(arguments, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(Exit::Done)
}

/// What is there already must not be mixed with what is about to be written.
pub(crate) fn refuse_if_not_empty(folder: &Path) -> Result<(), UsageError> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let text = format!("{} is not empty; name a new folder", folder.display());
        return Err(UsageError(text));
    }
    Ok(())
}

/// Writes the logs and calls `written` after each object.
///
/// # Errors
///
/// If a file cannot be written.
pub fn write(arguments: &SynthArgs, mut written: impl FnMut()) -> anyhow::Result<()> {
    let organization = Organization::new(arguments);
    for nth in 0..arguments.objects {
        let object = organization.object(nth);
        let path = arguments.out.join(&object.key);
        write_file(&path, &object.bytes).with_context(|| format!("write {}", path.display()))?;
        written();
    }
    Ok(())
}

pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}

/// A log object.
pub struct SynthObject {
    /// Its key.
    pub key: String,
    /// Its bytes, gzip.
    pub bytes: Vec<u8>,
}

/// A synthetic organization.
pub struct Organization {
    seed: u64,
    records: u32,
    start: Timestamp,
    accounts: Vec<Account>,
    /// Which account writes which object of a round.
    schedule: Vec<usize>,
    plan: Plan,
}

impl Organization {
    /// The organization that these arguments describe.
    #[must_use]
    pub fn new(arguments: &SynthArgs) -> Self {
        let start =
            TimeZone::UTC.to_timestamp(arguments.start.into()).unwrap_or(Timestamp::UNIX_EPOCH);
        let accounts = accounts::accounts(usize::from(arguments.accounts.max(1)));
        let schedule = accounts::schedule(&accounts);
        let plan = Plan::new(&accounts, &schedule);
        Self { seed: arguments.seed, records: arguments.records, start, accounts, schedule, plan }
    }

    /// The object with this number: the same for the same seed, whatever else was made before.
    #[must_use]
    pub fn object(&self, nth: u32) -> SynthObject {
        let mut random = fastrand::Rng::with_seed(self.seed ^ (u64::from(nth) << 20));
        let account = &self.accounts[self.schedule[nth as usize % self.schedule.len()]];
        let region = pick(&mut random, account.kind.regions());
        let round = i64::from(nth) / i64::try_from(self.schedule.len()).unwrap_or(1);
        let delivered = self.start + (round * DELIVERY_MINUTES).minutes();
        let date = TimeZone::UTC.to_datetime(delivered);
        let tail: String = (0..16).map(|_| random.alphanumeric()).collect();
        let key = format!(
            "AWSLogs/o-exampleorgid/{id}/CloudTrail/{region}/{}/{id}_CloudTrail_{region}_{}_{tail}.json.gz",
            date.strftime("%Y/%m/%d"),
            date.strftime("%Y%m%dT%H%MZ"),
            id = account.id,
        );
        let writer =
            Writer { plan: &self.plan, accounts: &self.accounts, account, region, delivered };
        SynthObject { key, bytes: self.compressed(&writer, &mut random) }
    }

    /// The records as gzip. Their text is compressed piece by piece, because that of the longest objects is ten times
    /// what it compresses to.
    fn compressed(&self, writer: &Writer<'_>, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut encoder = encoder();
        // Writing to a vector does not fail.
        let mut compress = |text: &mut String| {
            drop(encoder.write_all(text.as_bytes()));
            text.clear();
        };
        let mut text = String::with_capacity(2 * PIECE_BYTES);
        text.push_str("{\"Records\":[");
        writer.write(random, self.records, &mut text, |text| {
            if text.len() >= PIECE_BYTES {
                compress(text);
            }
        });
        text.push_str("]}");
        compress(&mut text);
        encoder.finish().unwrap_or_default()
    }
}

/// Gzip without a name and with no time, so that the same text gives the same bytes.
fn encoder() -> GzEncoder<Vec<u8>> {
    GzBuilder::new().mtime(0).write(Vec::new(), Compression::default())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use trailloop_cloudtrail::{Limits, LogKey, Scratch, read_records};

    use super::*;

    fn arguments(seed: u64) -> SynthArgs {
        let start = "2026-11-02".parse().unwrap();
        SynthArgs { out: "unused".into(), seed, objects: 3, records: 500, accounts: 2, start }
    }

    fn whole() -> SynthArgs {
        SynthArgs { accounts: 36, ..arguments(1) }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let object = |seed| Organization::new(&arguments(seed)).object(2);
        assert_eq!(object(7).bytes, object(7).bytes);
        assert_ne!(object(7).bytes, object(8).bytes);
    }

    #[test]
    fn records_have_the_shape_that_is_promised() {
        let object = Organization::new(&arguments(1)).object(0);
        assert_eq!(LogKey::parse(&object.key).account, Some("100000000000"));
        let (mut data, mut machines, mut ids) = (0, 0, BTreeSet::new());
        let summary =
            read_records(&object.bytes, &Limits::default(), &mut Scratch::new(), |record| {
                data += u32::from(record.text(&["eventCategory"]) == Some("Data"));
                let kind = record.text(&["userIdentity", "type"]);
                machines += u32::from(matches!(kind, Some("AssumedRole" | "AWSService")));
                ids.insert(record.text(&["eventID"]).unwrap().to_owned());
            });
        assert_eq!((summary.records, summary.records_failed), (500, 0));
        assert_eq!(ids.len(), 500);
        assert!((200..300).contains(&data), "{data} data events");
        assert!(machines >= 450, "{machines} roles and services");
        let bytes = summary.bytes_raw / summary.records;
        assert!((1000..1500).contains(&bytes), "{bytes} bytes a record");
        let ratio = summary.bytes_raw / object.bytes.len() as u64;
        assert!((5..=12).contains(&ratio), "compressed {ratio} times");
    }

    #[test]
    fn one_or_two_calls_in_a_hundred_fail() {
        let organization = Organization::new(&whole());
        let (mut records, mut failed) = (0, 0);
        for nth in 0..10 {
            let object = organization.object(nth);
            read_records(&object.bytes, &Limits::default(), &mut Scratch::new(), |record| {
                records += 1;
                failed += u32::from(record.text(&["errorCode"]).is_some());
            });
        }
        assert!((records / 200..=records / 40).contains(&failed), "{failed} of {records} failed");
    }

    /// Every act of the catalogue, also those that are too rare to be met in a sample.
    #[test]
    fn every_act_is_json_without_blanks() {
        let organization = Organization::new(&whole());
        let accounts = &organization.accounts[..];
        let (plan, region, delivered) = (&organization.plan, accounts::HOME, organization.start);
        let writer = Writer { plan, accounts, account: &accounts[0], region, delivered };
        let mut random = fastrand::Rng::with_seed(3);
        let mut text = String::from("{\"Records\":[");
        catalogue::all().for_each(|doing| writer.every_act(&mut random, doing, &mut text));
        text.push_str("]}");
        let summary =
            read_records(text.as_bytes(), &Limits::default(), &mut Scratch::new(), |_| ());
        assert!(summary.records > 300, "{} acts", summary.records);
        assert_eq!(summary.records_failed, 0, "{:?}", summary.reports);
        assert_eq!(text.find('<'), None, "a blank that nobody fills");
    }

    /// What is documented, what the tables say, and what is drawn are the same.
    #[test]
    fn rare_acts_appear_as_often_as_documented() {
        const DRAWN: u32 = 1_500_000;
        let organization = Organization::new(&whole());
        let mut random = fastrand::Rng::with_seed(11);
        let mut counts: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        let mut records = 0_u32;
        while records < DRAWN {
            let nth = organization.schedule[random.usize(0..organization.schedule.len())];
            let kind = organization.accounts[nth].kind;
            let region = pick(&mut random, kind.regions());
            let mut left = 500_u32;
            while left > 0 {
                let doing = organization.plan.next(&mut random, kind, region);
                let each = f64::from(doing.length()) / doing.acts.len() as f64;
                for act in doing.acts {
                    *counts.entry((act.source, act.name)).or_default() += each;
                }
                records += doing.length();
                left = left.saturating_sub(doing.length());
            }
        }
        let documented = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/synthetic-organization.md"
        ));
        let mut rows = 0;
        for line in documented.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let name = cells[1].trim_matches('`');
            let (source, name) = name.split_once(':').unwrap();
            let said: f64 = cells[2].replace(',', "").parse().unwrap();
            let shared = catalogue::all().map(|doing| doing.records_of(source, name)).sum::<f64>();
            assert!((shared - said).abs() <= said * 0.06, "{line}: the tables say {shared}");
            let expected: f64 = said * f64::from(records) / 1e6;
            let counted = counts.get(&(source, name)).copied().unwrap_or_default();
            // Six deviations of a count, and what rounding and clumps add.
            let bound: f64 = 6.0 * (12.0 * expected).sqrt() + 0.1 * expected + 6.0;
            assert!((counted - expected).abs() < bound, "{line}: {counted}, not {expected}");
            rows += 1;
        }
        assert!(rows > 60, "{rows} rows");
        let total: f64 = catalogue::all().map(plan::records).sum();
        assert!((total - 1e6).abs() < 1e4, "the shares make {total} records in a million");
    }
}
