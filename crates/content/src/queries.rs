//! The queries this project ships, embedded, each with its examples.

use include_dir::{Dir, include_dir};

static QUERIES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/queries");

/// The files: path and text, in the order of their paths.
#[must_use]
pub fn files() -> Vec<(&'static str, &'static str)> {
    let file = |file: &'static include_dir::File<'static>| {
        Some((file.path().to_str()?, file.contents_utf8()?))
    };
    let mut files: Vec<_> = QUERIES.files().filter_map(file).collect();
    files.retain(|(path, _)| path.ends_with(".yml"));
    files.sort_unstable();
    files
}
