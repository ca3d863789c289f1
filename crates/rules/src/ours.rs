//! What we add to Sigma: the block `trailloop:` of a rule, which other tools ignore.

use crate::diagnostic::{Reporter, code, quoted};
use crate::examples;
use crate::load::texts_of;
use crate::modifier::nearest;
use crate::rule::RuleTest;
use crate::yaml::Node;

/// The keys of the block.
const KEYS: &[&str] = &["level_reason", "pack", "queries", "runbook", "tests"];

/// The block.
#[derive(Debug, Default)]
pub(crate) struct Ours {
    pub(crate) level_reason: Option<String>,
    pub(crate) pack: Option<String>,
    pub(crate) queries: Vec<String>,
    pub(crate) runbook: Option<String>,
    pub(crate) tests: Vec<RuleTest>,
}

/// Reads the block of a rule; without one all is empty.
pub(crate) fn read(document: &Node, reporter: &mut Reporter<'_>) -> Ours {
    let mut ours = Ours::default();
    let Some(block) = document.get("trailloop").filter(|node| !node.is_null()) else {
        return ours;
    };
    let message = format!("`trailloop` is {}", block.kind());
    let Some(entries) = reporter.mapping(block, message, "write a mapping with `tests:`") else {
        return ours;
    };
    for (key, value) in entries {
        match key.text() {
            "tests" => ours.tests = examples::read(value, reporter),
            "level_reason" => ours.level_reason = text(key, value, reporter),
            "pack" => ours.pack = text(key, value, reporter),
            "queries" => ours.queries = texts_of(block, "queries", reporter),
            "runbook" => ours.runbook = text(key, value, reporter),
            other => {
                let help = match nearest(other, KEYS) {
                    Some(near) => format!("write `{near}` if that is meant"),
                    None => format!("write one of {}, or remove it", KEYS.join(", ")),
                };
                let message = format!("`trailloop` has no key {}", quoted(other));
                reporter.error(key.mark, code::UNKNOWN_KEY, message, help);
            }
        }
    }
    ours
}

/// A text of the block; what is none is reported.
pub(crate) fn text(key: &Node, value: &Node, reporter: &mut Reporter<'_>) -> Option<String> {
    let text = value.scalar().map(|scalar| scalar.text.trim().to_owned());
    match text {
        Some(text) if !text.is_empty() && !value.is_null() => Some(text),
        _ => {
            let message = format!("`{}` is {}", key.text(), value.what());
            reporter.error(
                value.mark,
                code::WRONG_TYPE,
                message,
                "write a text, or remove the key",
            );
            None
        }
    }
}
