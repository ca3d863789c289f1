//! What a file says of a query's schedule and of the findings that come of it.

use std::time::Duration;

use trailloop_finding::{Level, tactic_of, technique_of};
use trailloop_rules::source::{Mark, Node, quoted};

use super::file::File;
use super::{Declared, Kind, RowFinding, Scheduled, WINDOW_PARAMETERS, duration};
use crate::schedule::{Cron, Schedule, Ticks};

/// How long late delivery is waited for unless a file says otherwise. CloudTrail delivers mostly within five minutes, and often
/// within fifteen.
const LAG: Duration = Duration::from_secs(20 * 60);

/// So many missed windows are made up for unless a file says otherwise, and at most.
const CATCH_UP: u32 = 24;
const CATCH_UP_MAX: u32 = 1000;

/// No time of a schedule is longer.
const DAYS_MAX: u64 = 400;

impl File<'_, '_> {
    /// What the keys `schedule` and `finding` say, which stand together.
    pub(super) fn scheduled(&mut self, node: &Node, parameters: &[Declared]) -> Option<Scheduled> {
        let there = |key: &str| node.get(key).filter(|node| !node.is_null());
        let (schedule_node, finding_node) = match (there("schedule"), there("finding")) {
            (None, None) => return None,
            (Some(schedule), Some(finding)) => (schedule, finding),
            (Some(one), None) => {
                let message = "a query with a `schedule` has no `finding`";
                let help =
                    "write `finding:` with `severity` and `key`, which say what comes of a row";
                self.error(one.mark, "missing-key", message, help);
                return None;
            }
            (None, Some(one)) => {
                let message = "a query with a `finding` has no `schedule`";
                self.error(
                    one.mark,
                    "missing-key",
                    message,
                    "write `schedule:` with `every` or `cron`",
                );
                return None;
            }
        };
        self.window_is_asked_for(schedule_node.mark, parameters);
        let schedule = self.schedule(schedule_node);
        let finding = self.finding(finding_node);
        Some(Scheduled { schedule: schedule?, finding: finding? })
    }

    /// Nobody is there to give values but the schedule, which gives the ends of the window.
    fn window_is_asked_for(&mut self, mark: Mark, parameters: &[Declared]) {
        for name in WINDOW_PARAMETERS {
            if !parameters.iter().any(|one| one.name == name && one.kind == Kind::Time) {
                let message =
                    format!("a query with a `schedule` has no parameter `{name}` of the type time");
                let help =
                    format!("declare {name}, and ask for eventtime >= :from AND eventtime < :to");
                self.error(mark, "no-window", message, &help);
            }
        }
        let others =
            parameters.iter().filter(|one| !WINDOW_PARAMETERS.contains(&one.name.as_str()));
        for one in others.filter(|one| one.default.is_none()) {
            let message = format!("the parameter {} has no value when the schedule asks", one.name);
            self.error(mark, "no-default", message, "give it a `default`");
        }
    }

    fn schedule(&mut self, node: &Node) -> Option<Schedule> {
        self.mapping(node, "a schedule", &["every", "cron", "window", "lag", "catch_up"])?;
        let ticks = match (node.get("every"), node.get("cron")) {
            (Some(_), None) => self.duration(node, "every", 1).map(Ticks::Every),
            (None, Some(cron)) => match Cron::parse(cron.text()) {
                Ok(cron) => Some(Ticks::Cron(cron)),
                Err(said) => {
                    let help = "write minute, hour, day of the month, month and day of the week in UTC, such as \"0 3 * * *\"";
                    self.error(cron.mark, "bad-cron", said, help);
                    None
                }
            },
            (both, _) => {
                let said = if both.is_some() { "both `every` and" } else { "neither `every` nor" };
                let message = format!("a schedule has {said} `cron`");
                self.error(node.mark, "no-time", message, "write one of them, such as every: 15m");
                None
            }
        };
        let window = self.duration(node, "window", 1);
        let lag = self.duration(node, "lag", 0).unwrap_or(LAG);
        let catch_up = self.catch_up(node.get("catch_up")).unwrap_or(CATCH_UP);
        let schedule = Schedule { ticks: ticks?, window, lag, catch_up };
        if let Some(window) = window
            && let Some(at) = node.get("window")
            && schedule.longest() > i64::try_from(window.as_secs()).unwrap_or(i64::MAX)
        {
            let message = "the window is shorter than the time between two of them, and what lies between is never asked about";
            self.error(at.mark, "gap", message, "make it at least as long, or leave it out");
        }
        Some(schedule)
    }

    fn duration(&mut self, node: &Node, key: &str, least: u64) -> Option<Duration> {
        let value = node.get(key)?;
        let read = duration(value.text());
        let bounds = Duration::from_secs(least)..=Duration::from_secs(DAYS_MAX * 86_400);
        if let Some(read) = read.filter(|read| bounds.contains(read)) {
            return Some(read);
        }
        let message = format!("`{key}` is {}", value.what());
        let help = format!("write a time such as 30s, 15m, 6h or 1d, of at most {DAYS_MAX}d");
        self.error(value.mark, "bad-duration", message, &help);
        None
    }

    fn catch_up(&mut self, node: Option<&Node>) -> Option<u32> {
        let node = node?;
        let number = node.text().parse().ok().filter(|number| (1..=CATCH_UP_MAX).contains(number));
        if number.is_none() {
            let message = format!("`catch_up` is {}", node.what());
            let help =
                format!("write how many missed windows are made up for, from 1 to {CATCH_UP_MAX}");
            self.error(node.mark, "bad-number", message, &help);
        }
        number
    }

    fn finding(&mut self, node: &Node) -> Option<RowFinding> {
        self.mapping(node, "a finding", &["severity", "title", "key", "attack"])?;
        let level = self.demand(node, "a finding", "severity");
        let known = level.as_deref().and_then(Level::parse);
        if let (Some(level), None, Some(at)) = (&level, known, node.get("severity")) {
            let message = format!("the severity is {}", quoted(level));
            let help = format!("write {}", Level::ALL.map(Level::as_str).join(", "));
            self.error(at.mark, "bad-severity", message, &help);
        }
        let title = match node.get("title") {
            Some(_) => Some(self.demand(node, "a finding", "title")?),
            None => None,
        };
        let key = self.texts(node.get("key"), "`key`");
        if key.is_empty() {
            let message = "a finding has no `key`";
            let help = "write a list of the columns by which rows are told apart, such as [principal, account]";
            self.error(node.mark, "missing-key", message, help);
        }
        let attack = self.texts(node.get("attack"), "`attack`");
        for (tag, mark) in &attack {
            if tactic_of(tag).is_none() && technique_of(tag).is_none() {
                let message = format!("{} is no tag of ATT&CK", quoted(tag));
                let help = "write a tactic or a technique, such as attack.initial-access or attack.t1078.004";
                self.error(*mark, "bad-tag", message, help);
            }
        }
        let texts = |list: Vec<(String, Mark)>| list.into_iter().map(|(text, _)| text).collect();
        Some(RowFinding { level: known?, title, key: texts(key), attack: texts(attack) })
    }

    /// A list of texts, each with its place.
    fn texts(&mut self, node: Option<&Node>, what: &str) -> Vec<(String, Mark)> {
        let mut texts = Vec::new();
        for one in self.list(node, what) {
            match one.scalar().filter(|_| !one.is_null()) {
                Some(scalar) => texts.push((scalar.text.clone(), one.mark)),
                None => {
                    let message = format!("an element of {what} is {}", one.what());
                    self.error(one.mark, "wrong-type", message, "write text");
                }
            }
        }
        texts
    }
}
