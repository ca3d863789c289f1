//! What a rule says about itself, beyond what it must say to run.

use crate::diagnostic::{Reporter, code, quoted};
use crate::modifier::nearest;
use crate::yaml::{Data, Node};

/// The tactics of ATT&CK 19, as tags name them.
const TACTICS: &[&str] = &[
    "collection",
    "command-and-control",
    "credential-access",
    "defense-impairment",
    "discovery",
    "execution",
    "exfiltration",
    "impact",
    "initial-access",
    "lateral-movement",
    "persistence",
    "privilege-escalation",
    "reconnaissance",
    "resource-development",
    "stealth",
];

/// Checks a rule's description of itself; `pack` is the pack it belongs to.
pub(crate) fn about(document: &Node, pack: Option<&str>, reporter: &mut Reporter<'_>) {
    let says = |key: &str| {
        document.get(key).is_some_and(|node| !node.is_null() && !node.text().trim().is_empty())
    };
    if !says("author") {
        let message = "the rule does not say who wrote it";
        reporter.note(document.mark, code::MISSING_AUTHOR, message, "write `author:` with a name");
    }
    if !says("description") {
        reporter.note(
            document.mark,
            code::MISSING_DESCRIPTION,
            "the rule does not say what it finds",
            "write `description:` with what happens and why it matters",
        );
    }
    let tags: Vec<&Node> = match document.get("tags").map(|node| &node.data) {
        Some(Data::Sequence(tags)) => tags.iter().collect(),
        _ => document.get("tags").filter(|node| !node.is_null()).into_iter().collect(),
    };
    for tag in &tags {
        if let Some(rest) = tag.text().strip_prefix("attack.") {
            attack_tag(tag, rest, reporter);
        }
    }
    let names_technique = tags
        .iter()
        .any(|tag| tag.text().strip_prefix("attack.").is_some_and(|rest| is_numbered(rest, "t")));
    if !names_technique && pack.is_none() {
        reporter.note(
            document.mark,
            code::MISSING_ATTACK,
            "no tag names a technique of ATT&CK",
            "write one under `tags:`, such as `attack.t1078.004`",
        );
    }
}

/// Whether a tag is a letter with four digits, a technique also with three more.
fn is_numbered(text: &str, prefix: &str) -> bool {
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    text.strip_prefix(prefix).is_some_and(|number| match number.split_once('.') {
        Some((technique, sub)) => prefix == "t" && digits(technique, 4) && digits(sub, 3),
        None => digits(number, 4),
    })
}

fn attack_tag(tag: &Node, rest: &str, reporter: &mut Reporter<'_>) {
    // Techniques, groups, software, campaigns, mitigations, data sources and tactics by number.
    let is_known = ["t", "g", "s", "c", "m", "ds", "ta"].iter().any(|one| is_numbered(rest, one));
    if is_known || TACTICS.contains(&rest) {
        return;
    }
    let plain = rest.to_ascii_lowercase().replace(['_', ' '], "-");
    if plain == "defense-evasion" {
        reporter.note(
            tag.mark,
            code::BAD_ATTACK_TAG,
            format!("{} is a tactic of ATT&CK before version 19", quoted(tag.text())),
            "write `attack.stealth` or `attack.defense-impairment`, which took its place",
        );
        return;
    }
    let help = match plain.as_str() {
        plain if TACTICS.contains(&plain) || is_numbered(plain, "t") => {
            format!("write `attack.{plain}`")
        }
        plain => match nearest(plain, TACTICS) {
            Some(near) => format!("write `attack.{near}`"),
            None => {
                "write a tactic such as `attack.persistence`, or a technique such as `attack.t1078` or `attack.t1078.004`".to_owned()
            }
        },
    };
    let message = format!("{} is no tactic and no technique of ATT&CK", quoted(tag.text()));
    reporter.warning(tag.mark, code::BAD_ATTACK_TAG, message, help);
}
