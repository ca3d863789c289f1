//! `trailloop runbook audit`: whether the ledger is whole, and where it breaks if not.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use trailloop_respond::ledger::{self, Break, Head, Ledger, Summary};

use crate::cli::AuditArgs;
use crate::config::{self, Purpose};
use crate::synth::write_file;
use crate::{Exit, Unreadable, UsageError, respond};

/// Runs the command.
pub(super) fn audit(arguments: &AuditArgs) -> anyhow::Result<Exit> {
    let (audited, text) = match (&arguments.file, &arguments.config) {
        (Some(file), _) => of_file(file)?,
        (None, Some(config)) => of_table(config, arguments.output.is_some())?,
        (None, None) => return Err(UsageError("name --config or --file".to_owned()).into()),
    };
    let mut out = std::io::stdout().lock();
    let summary = match audited {
        Ok(summary) => summary,
        Err(found) => {
            writeln!(out, "{found}").context("write the result")?;
            return Ok(Exit::Failed);
        }
    };
    if let Some(output) = &arguments.output {
        write_file(output, text.as_bytes())
            .with_context(|| format!("write {}", output.display()))?;
    }
    writeln!(out, "{} lines, each follows from the one before", summary.lines)
        .context("write the result")?;
    writeln!(
        out,
        "head {} {}: keep it where nobody who writes the ledger can write, since only it proves that no line was cut off",
        summary.head.seq, summary.head.sha256
    )
    .context("write the result")?;
    Ok(Exit::Done)
}

fn of_file(file: &Path) -> anyhow::Result<(Result<Summary, Break>, String)> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Unreadable(format!("failed to read the ledger {}: {error}", file.display()))
    })?;
    Ok((ledger::audit(&text, Head::start(), None), text))
}

/// The ledger of the state table. What is exported is verified itself, as it was read.
fn of_table(config: &Path, exports: bool) -> anyhow::Result<(Result<Summary, Break>, String)> {
    let config = config::load(config, Purpose::State)?;
    respond::block_on(async {
        let ledger = Ledger::new(respond::table(&config).await?, "audit");
        let audited = ledger.audit(None).await.context("read the ledger")?;
        let Ok(summary) = &audited else { return Ok((audited, String::new())) };
        if !exports {
            return Ok((audited, String::new()));
        }
        let text = ledger.export(0).await.context("read the ledger")?;
        Ok((ledger::audit(&text, Head::start(), Some(&summary.head)), text))
    })
}
