//! The fixtures and the page for readers keep up with the code.

use std::path::{Path, PathBuf};
use std::process::Command;

use trailloop_enrichment::FIELDS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_database_is_what_its_script_writes() {
    let script = root().join("fixtures/make_places.py");
    let output = Command::new("python3").arg(script).arg("--check").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_page_names_every_field() {
    let page = std::fs::read_to_string(root().join("docs/enrichment.md")).unwrap();
    for (name, ..) in FIELDS {
        assert!(page.contains(&format!("`{name}`")), "docs/enrichment.md does not name {name}");
    }
}
