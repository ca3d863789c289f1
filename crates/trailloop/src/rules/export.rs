//! `trailloop rules export`: the shipped rules as files.

use std::io::Write as _;

use anyhow::Context as _;

use crate::Exit;
use crate::cli::ExportArgs;
use crate::synth::{refuse_if_not_empty, write_file};

/// Runs the command.
pub(super) fn export(arguments: &ExportArgs) -> anyhow::Result<Exit> {
    let folder = &arguments.folder;
    refuse_if_not_empty(folder)?;
    let files = trailloop_content::files();
    for (name, text) in &files {
        let path = folder.join(name);
        write_file(&path, text.as_bytes()).with_context(|| format!("write {}", path.display()))?;
    }
    let version = trailloop_content::VERSION;
    writeln!(
        std::io::stdout(),
        "{} rules of version {version} written to {}",
        files.len(),
        folder.display()
    )
    .context("write the result")?;
    Ok(Exit::Done)
}
