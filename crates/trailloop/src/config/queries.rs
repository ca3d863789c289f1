//! The part of the configuration that says what queries are asked of and what they may cost.

use std::path::PathBuf;
use std::time::Duration;

use super::{Purpose, Reader, StatePlace};
use crate::rulefiles::RulePlace;

/// What queries of the services are built from.
#[derive(Debug)]
pub(crate) struct QueriesConfig {
    /// Without any, the shipped queries.
    pub(crate) paths: Vec<PathBuf>,
    /// Where the log objects lie; without any place nothing is asked.
    pub(crate) archive: Vec<RulePlace>,
    pub(crate) index: Option<RulePlace>,
    /// Where it stands how far scheduled queries have come.
    pub(crate) state: Option<StatePlace>,
    /// Whether queries are asked by their schedules.
    pub(crate) schedules: bool,
    pub(crate) bytes_max: u64,
    pub(crate) memory_max: usize,
    pub(crate) time_max: Duration,
    pub(crate) rows_max: usize,
    pub(crate) at_once: usize,
    /// Zero means half of the cores.
    pub(crate) workers: usize,
    pub(crate) lease: Duration,
}

impl Reader<'_> {
    pub(super) fn queries(&mut self) -> QueriesConfig {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let archive = self.places("queries.archive");
        let state = self.text("queries.state").or_else(|| self.text("respond.state"));
        let wanted = self.text("queries.schedules");
        let schedules = match wanted.as_deref() {
            Some("on") => true,
            Some("off") => false,
            _ => !archive.is_empty(),
        };
        if self.purpose == Purpose::Run && schedules {
            let mut missing = Vec::new();
            if archive.is_empty() {
                missing.push("queries.archive is missing; name the places of the logs, such as s3://example-logs/AWSLogs/");
            }
            if state.is_none() {
                missing.push("queries.state is missing; name what scheduled queries note how far they have come in, such as dynamodb:TABLE");
            }
            for said in missing {
                self.problems
                    .push(format!("{}: {said}, or write queries.schedules = \"off\"", self.path));
            }
        }
        QueriesConfig {
            paths: self.list("queries.paths").into_iter().map(PathBuf::from).collect(),
            archive,
            index: self
                .text("queries.index")
                .and_then(|text| self.query_place("queries.index", &text)),
            state: state.map(StatePlace::parse),
            schedules,
            bytes_max: self.number("queries.bytes_max"),
            memory_max: count(self.number("queries.memory_max")),
            time_max: Duration::from_secs(self.number("queries.seconds_max")),
            rows_max: count(self.number("queries.rows_max")),
            at_once: count(self.number("queries.at_once")),
            workers: count(self.number("queries.workers")),
            lease: Duration::from_secs(self.number("queries.lease_seconds")),
        }
    }

    fn places(&mut self, name: &'static str) -> Vec<RulePlace> {
        let texts = self.list(name);
        texts.iter().filter_map(|text| self.query_place(name, text)).collect()
    }

    fn query_place(&mut self, name: &'static str, text: &str) -> Option<RulePlace> {
        match RulePlace::parse(text) {
            Ok(place) => Some(place),
            Err(error) => {
                let place = self.place(name);
                self.problems.push(format!("{place}: {name}: {error}"));
                None
            }
        }
    }
}
