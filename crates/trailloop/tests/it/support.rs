//! What the tests share.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub(crate) fn trailloop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailloop"));
    command.current_dir(root());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    trailloop().args(arguments).output().unwrap()
}

pub(crate) fn status(output: &Output) -> i32 {
    let code = output.status.code();
    code.unwrap_or_else(|| panic!("it ended by {}: {}", output.status, stderr(output)))
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn lines(text: &[u8]) -> Vec<Value> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Says something that a passing test would otherwise keep to itself.
pub(crate) fn say(text: &str) {
    // Not by a print macro: what they write is captured.
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Data kept beside the repository. Says so when it is absent.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    say(&format!("skipped: {} is not there", path.display()));
    None
}
