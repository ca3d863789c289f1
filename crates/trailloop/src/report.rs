//! `trailloop report`: how detection and response do, as a table and as a page to pass on.

use std::io::Write as _;

use anyhow::Context as _;
use trailloop_cloud::{Clock, CloudError, Table};
use trailloop_feedback::metrics::{Changes, Observed, Window};
use trailloop_feedback::report::{Given, Report, Waiting};
use trailloop_respond::canary;
use trailloop_respond::store::{self, Shown};

use crate::cli::ReportArgs;
use crate::findings::state;
use crate::show::shown;
use crate::{Exit, kept, respond};

/// So many of those that wait are named.
const WAITING_MAX: usize = 20;

/// Runs the command.
pub(crate) fn report(arguments: &ReportArgs) -> anyhow::Result<Exit> {
    let report = respond::block_on(async {
        let table = state(&arguments.config).await?;
        of(&*table, &Clock::System, arguments.days, &arguments.about)
            .await
            .context("read the findings")
    })?;
    if let Some(path) = &arguments.html {
        std::fs::write(path, report.html())
            .with_context(|| format!("write the page {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    for line in report.text().lines() {
        writeln!(out, "{}", shown(line)).context("write the report")?;
    }
    Ok(Exit::Done)
}

/// The report of the last days.
pub(crate) async fn of(
    table: &dyn Table,
    clock: &Clock,
    days: u32,
    about: &str,
) -> Result<Report, CloudError> {
    let now_ms = clock.now_ms();
    let window = Window::days(i64::from(days), now_ms);
    let asked = kept::days(clock, days);
    let mut queue = store::queue(table, &asked, now_ms).await?;
    let runs = store::runs(table, &mut queue).await?;
    let mut observed = Vec::new();
    for shown in &queue {
        let opinions = shown.judged.as_ref().map_or(&[][..], |judged| &judged.opinions);
        let mut one = Observed::new(&shown.kept.entry, opinions);
        if let Some(drawn) = store::drawn(table, &shown.place.uid).await? {
            one.probability = drawn;
        }
        observed.push(one);
    }
    let waiting = queue.iter().filter(|shown| shown.standing.is_none());
    let waiting: Vec<Waiting> = waiting.take(WAITING_MAX).map(waits).collect();
    Ok(Report::of(Given {
        about,
        window,
        observed: &observed,
        changes: &Changes::new(),
        measured: &store::measured(table).await?,
        runs: &runs,
        canaries: &canary::canaries(table).await?,
        queue: &waiting,
    }))
}

fn waits(one: &Shown) -> Waiting {
    let entry = &one.kept.entry;
    Waiting {
        uid: one.place.uid.clone(),
        title: entry.title.clone(),
        level: entry.level,
        who: entry.who().map(str::to_owned),
        score: one.priority.score,
        event_ms: entry.first_ms,
    }
}
