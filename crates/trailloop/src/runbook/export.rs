//! `trailloop runbook export`: the bodies of runbooks, as Systems Manager Automation takes them.

use std::io::Write as _;

use anyhow::Context as _;
use trailloop_runbook::{Severity, export};

use super::files::RunbookFiles;
use crate::Exit;
use crate::cli::RunbookExportArgs;
use crate::synth::{refuse_if_not_empty, write_file};

/// Runs the command.
pub(super) fn export(arguments: &RunbookExportArgs) -> anyhow::Result<Exit> {
    let folder = &arguments.output;
    refuse_if_not_empty(folder)?;
    let files = RunbookFiles::read(&arguments.runbooks.paths)?;
    for one in files.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        // Nothing is left to be done if standard error is closed.
        drop(writeln!(std::io::stderr(), "{one}"));
    }
    for runbook in files.own() {
        let path = folder.join(format!("{}.json", runbook.id));
        let text = export::ssm(runbook);
        write_file(&path, text.as_bytes()).with_context(|| format!("write {}", path.display()))?;
    }
    writeln!(
        std::io::stdout(),
        "{} Automation documents written to {}",
        files.own,
        folder.display()
    )
    .context("write the result")?;
    Ok(if files.errors() > 0 { Exit::Failed } else { Exit::Done })
}
