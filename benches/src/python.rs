//! A Python with the packages of other engines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::corpus::say;

/// The packages.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/requirements.txt");

/// A Python that has DuckDB and chdb, made once in the folder.
///
/// # Errors
///
/// Why there is none.
pub fn python(folder: &Path) -> Result<PathBuf, String> {
    let home = folder.join("python");
    let (python, stamp) = (home.join("bin/python"), home.join("installed.txt"));
    let wanted = fs::read(REQUIREMENTS).map_err(|error| error.to_string())?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    say("installing DuckDB and chdb");
    fs::remove_dir_all(&home).ok();
    succeeds("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let mut pip = Command::new(home.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",
    ]);
    pip.args(["--only-binary", ":all:", "-r", REQUIREMENTS]);
    succeeds("pip install", &mut pip)?;
    fs::write(stamp, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

/// Runs a program to its end.
///
/// # Errors
///
/// If it can't be run, or ends otherwise than well.
pub fn succeeds(what: &str, command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { status, .. }) => Err(format!("{what} ended with {status}")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}
