//! What rules find in an archive, gathered: for backtests and for proposals, which look at every finding of a rule together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use jiff::civil::Date;
use serde_json::Value;
use trailloop_cloudtrail::{Limits, Scratch, read_records};
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::replay::{Body, Fetched, Replayed, replay};
use trailloop_rules::RuleSet;
use trailloop_tuning::entity_of;

use crate::cli::{AwsArgs, Global};
use crate::config::cores;
use crate::replay::OBJECT_BYTES_MAX;
use crate::show::shown;
use crate::source::{Fetcher, Item, Sources};
use crate::{UsageError, progress};

/// More findings are not held at once: each has its record.
const FOUND_MAX: usize = 1_000_000;

/// A finding of a rule.
pub(crate) struct Found {
    pub(crate) uid: String,
    pub(crate) rule: String,
    pub(crate) day: Date,
    /// Whose it is, by [`entity_of`].
    pub(crate) entity: String,
    /// The record, redacted.
    pub(crate) record: Vec<u8>,
    /// A filter moves it down.
    pub(crate) is_quieted: bool,
    /// What the operator's files said, by the names of enriched fields.
    pub(crate) enriched: BTreeMap<String, String>,
}

/// What was gathered.
#[derive(Default)]
pub(crate) struct Gathered {
    /// The findings, in the order of the archive.
    pub(crate) found: Vec<Found>,
    /// How many records were read.
    pub(crate) records: u64,
    /// Objects that could not be read, wholly or in part, and sources that could not be listed.
    pub(crate) failed: u64,
    /// Findings whose record is too long to stand in them.
    pub(crate) without_record: u64,
}

/// An archive to be read several times.
pub(crate) struct Archive {
    sources: Sources,
    items: Vec<Item>,
    failed: u64,
}

impl Archive {
    /// Lists it.
    pub(crate) fn list(named: &[String], aws: &AwsArgs) -> anyhow::Result<Self> {
        let mut sources = Sources::new(aws, OBJECT_BYTES_MAX)?;
        let listing = sources.list(named, &RecordFilter::default())?;
        for failed in &listing.failed {
            tracing::error!("{}", shown(failed));
        }
        if listing.items.is_empty() {
            return Err(UsageError(format!("no object found in {}", named.join(" "))).into());
        }
        let failed = listing.failed.len() as u64;
        Ok(Self { sources, items: listing.items, failed })
    }

    /// Gathers what the rules find.
    pub(crate) fn gather(
        &self,
        rules: Arc<RuleSet>,
        how: (Option<usize>, &Global),
    ) -> anyhow::Result<Gathered> {
        self.gather_each(rules, how, |_| ())
    }

    /// The same, and shows each finding whole.
    pub(crate) fn gather_each(
        &self,
        rules: Arc<RuleSet>,
        (jobs, global): (Option<usize>, &Global),
        mut each: impl FnMut(&Value) + Send,
    ) -> anyhow::Result<Gathered> {
        let engine = Engine {
            rules: LiveRules::new(rules),
            limits: Limits::default(),
            filter: RecordFilter::default(),
        };
        let bar = progress::bar(self.items.len() as u64, global.quiet);
        let mut gathered = Gathered { failed: self.failed, ..Gathered::default() };
        let mut error = None;
        let name = |item: &Item| item.name.clone();
        let fetcher = self.sources.fetcher(&self.items);
        let fetch =
            |nth: usize, item: &Item, buffer: &mut Vec<u8>| fetcher.fetch(nth, item, buffer);
        replay(&engine, &self.items, jobs.unwrap_or_else(cores), name, fetch, |nth, replayed| {
            match replayed {
                Replayed::Findings(lines) => {
                    error = gathered.take(lines.text.as_bytes(), &mut each).err();
                }
                Replayed::Examined { examined, .. } => {
                    gathered.records += examined.records_evaluated;
                    gathered.failed += u64::from(!examined.read.is_whole());
                    bar.inc(1);
                }
                Replayed::Failed(why) => {
                    tracing::error!("{}: {}", shown(&self.items[nth].name), shown(&why));
                    gathered.failed += 1;
                    bar.inc(1);
                }
            }
            error.is_none()
        });
        bar.finish_and_clear();
        match error {
            Some(error) => Err(error),
            None => Ok(gathered),
        }
    }
}

impl Gathered {
    /// Takes findings as lines of JSON.
    fn take(&mut self, lines: &[u8], each: &mut impl FnMut(&Value)) -> anyhow::Result<()> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let finding: Value = serde_json::from_slice(line).context("read a finding of ours")?;
            each(&finding);
            match of(&finding) {
                Some(found) => self.found.push(found),
                None => self.without_record += 1,
            }
            if self.found.len() > FOUND_MAX {
                let text = format!(
                    "the rules find more than {FOUND_MAX} times in it; name fewer rules or a part of the archive"
                );
                return Err(UsageError(text).into());
            }
        }
        Ok(())
    }
}

/// Of whom events are wanted, and on which days.
pub(crate) type Wanted = BTreeMap<String, BTreeSet<Date>>;

impl Archive {
    /// All events of these entities on these days, whether a rule matches them or not.
    pub(crate) fn events_of(
        &self,
        wanted: &Wanted,
    ) -> anyhow::Result<BTreeMap<String, Vec<Vec<u8>>>> {
        let mut events: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        if wanted.is_empty() {
            return Ok(events);
        }
        let mut scratch = Scratch::new();
        self.each_object(|_, object| {
            read_records(object, &Limits::default(), &mut scratch, |record| {
                let day = record.text(&["eventTime"]).and_then(|time| time.get(..10)?.parse().ok());
                let entity = entity_of(record.raw());
                let is_wanted =
                    wanted.get(&entity).zip(day).is_some_and(|(days, day)| days.contains(&day));
                if is_wanted {
                    events.entry(entity).or_default().push(record.raw().to_vec());
                }
            });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(events)
    }

    /// Shows every object with its name, until no more are wanted. One that can't be fetched is an error.
    pub(crate) fn each_object(
        &self,
        mut each: impl FnMut(&str, &[u8]) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let mut buffer = Vec::new();
        let fetcher = self.sources.fetcher(&self.items);
        for (nth, item) in self.items.iter().enumerate() {
            let fetched = fetch(&fetcher, (nth, item), &mut buffer)?;
            let object = match &fetched.body {
                Body::Buffer => &buffer[..],
                Body::Bytes(bytes) => bytes,
            };
            if each(&item.name, object)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Shows every record as it stands in the archive.
    pub(crate) fn each_record(&self, mut each: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut scratch = Scratch::new();
        self.each_object(|_, object| {
            read_records(object, &Limits::default(), &mut scratch, |record| each(record.raw()));
            Ok(ControlFlow::Continue(()))
        })
    }

    /// All records, object by object.
    pub(crate) fn records(&self) -> anyhow::Result<Vec<(String, Vec<Vec<u8>>)>> {
        let (mut scratch, mut all) = (Scratch::new(), Vec::new());
        self.each_object(|name, object| {
            let mut records = Vec::new();
            let read = read_records(object, &Limits::default(), &mut scratch, |record| {
                records.push(record.raw().to_vec());
            });
            // What can't be read of a known attack can't be held against a filter.
            ensure!(read.is_whole(), "{} is damaged; leave it out or mend it", shown(name));
            all.push((name.to_owned(), records));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }
}

/// Reads an object, which must be there: what is left out of an archive would speak for nothing.
fn fetch(
    fetcher: &Fetcher<'_>,
    (nth, item): (usize, &Item),
    buffer: &mut Vec<u8>,
) -> anyhow::Result<Fetched> {
    buffer.clear();
    let fetched = fetcher.fetch(nth, item, buffer);
    fetched.map_err(|why| anyhow!("{}: {}", shown(&item.name), shown(&why)))
}

/// A finding with its record, if that stands in it.
fn of(finding: &Value) -> Option<Found> {
    let info = &finding["finding_info"];
    let record = finding["raw_data"].as_str()?.as_bytes().to_vec();
    let parsed: Value = serde_json::from_slice(&record).ok()?;
    let day = parsed["eventTime"].as_str()?.get(..10)?.parse().ok()?;
    Some(Found {
        uid: info["uid"].as_str()?.to_owned(),
        rule: info["analytic"]["uid"].as_str()?.to_owned(),
        day,
        entity: entity_of(&record),
        record,
        is_quieted: finding["status_id"] == 3,
        enriched: enriched(finding),
    })
}

fn enriched(finding: &Value) -> BTreeMap<String, String> {
    let all = finding["enrichments"].as_array().into_iter().flatten();
    let said = all.filter_map(|one| one["data"].as_object()).flatten();
    said.filter_map(|(field, value)| Some((field.clone(), value.as_str()?.to_owned()))).collect()
}
