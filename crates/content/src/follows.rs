//! What followed what in attacks that were carried out, counted once and shipped as a table.
//!
//! `cargo run -p trailloop-content --example follow -- --table crates/content/follows.json` makes it anew from the attack corpora; a test
//! tells when it is not of the rules that ship.

use std::sync::LazyLock;

use trailloop_feedback::Follows;

static FOLLOWS: LazyLock<Follows> = LazyLock::new(|| {
    // A test reads the same text, so this can't fail where it ships.
    serde_json::from_str(include_str!("../follows.json")).unwrap_or_default()
});

/// The table: what an open incident arms is read from it.
#[must_use]
pub fn follows() -> &'static Follows {
    &FOLLOWS
}
