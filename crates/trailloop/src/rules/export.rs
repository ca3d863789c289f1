//! `trailloop rules export`: the shipped rules as files.

use std::fs;
use std::io::Write as _;

use anyhow::Context as _;

use crate::cli::ExportArgs;
use crate::synth::write_file;
use crate::{Exit, UsageError};

/// Runs the command.
pub(super) fn export(arguments: &ExportArgs) -> anyhow::Result<Exit> {
    let folder = &arguments.folder;
    // Files that are there already may be somebody's work.
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let text = format!("{} is not empty; name a new folder", folder.display());
        return Err(UsageError(text).into());
    }
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
