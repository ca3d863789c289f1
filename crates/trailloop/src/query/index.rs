//! `trailloop query index`: which keys, principals and addresses are in which object.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use trailloop_query::{Archive, Indexed, Meter, make_index};

use super::{place, run};
use crate::cli::{Global, QueryIndexArgs};
use crate::config::cores;
use crate::show::{shown, thousands};
use crate::{Exit, progress};

/// How often the progress bar is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(100);

/// Runs the command.
pub(super) fn index(arguments: &QueryIndexArgs, global: &Global) -> anyhow::Result<Exit> {
    let meter = Arc::new(Meter::default());
    let indexed = run::runtime()?.block_on(made(arguments, global, &meter))?;
    for failure in meter.failures() {
        tracing::error!("{}", shown(&failure));
    }
    let Indexed { added, known, left, bytes_logs, bytes_index } = indexed;
    let share = bytes_index * 10_000 / bytes_logs.max(1);
    writeln!(
        std::io::stdout(),
        "{} objects added, {} known before, {} left out; {} bytes of index for {} of logs: {}.{:02} %",
        thousands(added),
        thousands(known),
        thousands(left),
        thousands(bytes_index),
        thousands(bytes_logs),
        share / 100,
        share % 100
    )
    .context("write the result")?;
    Ok(if meter.failures().is_empty() { Exit::Done } else { Exit::Failed })
}

async fn made(
    arguments: &QueryIndexArgs,
    global: &Global,
    meter: &Arc<Meter>,
) -> anyhow::Result<Indexed> {
    let sources = place::sources(&arguments.source, &arguments.aws).await?;
    let (index, vault) = place::index(&arguments.index, &arguments.aws).await?;
    let jobs = arguments.jobs.map_or_else(cores, usize::from);
    let archive = Archive { jobs, ..Archive::new(sources) };
    let bar = progress::bar(0, global.quiet);
    let mut drawn = tokio::time::interval(DRAWN_EVERY);
    let making = make_index(&archive, &index, &*vault, meter);
    tokio::pin!(making);
    let made = loop {
        tokio::select! {
            biased;
            made = &mut making => break made,
            _ = drawn.tick() => {
                bar.set_length(meter.cost().objects_wanted);
                bar.set_position(meter.cost().objects);
            }
        }
    };
    bar.finish_and_clear();
    made.map_err(|error| anyhow!("{}", shown(&error.to_string())))
}
