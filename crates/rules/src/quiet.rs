//! Filters that make a rule quieter without taking events from it: `trailloop: {action: downrank}`.
//!
//! What such a filter describes is still found, and its finding is written, counted and searchable; who ranks findings
//! is told of the filter and puts them lower. A filter of this kind hides what people see first, so it says who owns it,
//! why, until when, what voids it, and on what evidence it stands. The evidence is sealed with the rule and the filter's
//! own text: once either changes, [`Filter::is_stale`] says so, and the set leaves the filter out.
//!
//! Nothing here looks at a clock: whether a filter has expired is for the caller to say.

use std::sync::Arc;

use trailloop_finding::sha256;

use crate::diagnostic::{Reporter, code, quoted};
use crate::filter::Filter;
use crate::modifier::nearest;
use crate::ours::text;
use crate::rule::Rule;
use crate::time::TimePart;
use crate::yaml::{Data, Meaning, Node};

/// What can void a filter at once, by the names that `tripwires:` uses.
pub const TRIPWIRES: &[&str] = &[
    "entity_risk_gt_60",
    "key_created",
    "new_event",
    "new_network",
    "new_region",
    "new_user_agent",
    "policy_changed",
    "tp_on_entity",
    "tp_on_lineage",
    "trust_changed",
    "volume_gt_3x",
];

/// The block `trailloop:` of a filter with `action: downrank`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quiet {
    /// Who answers for it.
    pub owner: String,
    /// Why its events are harmless.
    pub reason: String,
    /// The day it was written, such as `2026-08-22`.
    pub created: String,
    /// The day from which it no longer counts.
    pub expires: String,
    /// What voids it, of [`TRIPWIRES`].
    pub tripwires: Vec<String>,
    /// What the events it was tested on had in common.
    pub seen: Seen,
    /// The verdicts it was made from.
    pub evidence: QuietEvidence,
    /// What it would have done to the archive.
    pub backtest: QuietBacktest,
}

/// What was seen of the events that a filter describes; what is not here is new, and tripwires tell by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Who made them.
    pub entities: Vec<String>,
    /// What they called.
    pub events: Vec<String>,
    /// From which networks.
    pub networks: Vec<String>,
    /// In which regions.
    pub regions: Vec<String>,
    /// With which kinds of user agent.
    pub agents: Vec<String>,
}

/// How much people said of the events that a filter describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuietEvidence {
    /// How many verdicts.
    pub verdicts: u64,
    /// By how many people.
    pub reviewers: u64,
    /// On how many days.
    pub days: u64,
}

/// What a filter would have done to the archive, and the seal on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuietBacktest {
    /// The hash of the rule it was tested with.
    pub rule: String,
    /// The first day of the archive that was read.
    pub from: String,
    /// The last one.
    pub to: String,
    /// How many events were read.
    pub events: u64,
    /// How many findings it would have made quieter.
    pub removed: u64,
    /// How many it would have left.
    pub kept: u64,
    /// How many entities the former belong to.
    pub entities: u64,
    /// How many of these nobody ever judged.
    pub unreviewed_entities: u64,
    /// How many true positives it describes.
    pub tp_hidden: u64,
    /// How many events of known attacks it describes.
    pub corpora_hidden: u64,
    /// How many of the former findings were drawn at random and judged.
    pub audited: u64,
    /// With 95 % confidence no more than this share of what it describes is true.
    pub hidden_tp_ub95: f64,
    /// On nineteen of twenty days it described no more findings.
    pub daily_p95: u64,
    /// The seal: [`Filter::seal`] of the rule.
    pub sha256: String,
}

impl Filter {
    /// What it says of itself if it only makes its rule quieter; `None`: it takes events away, as Sigma has it.
    #[must_use]
    pub fn quiet(&self) -> Option<&Quiet> {
        self.quiet.as_deref()
    }

    /// The day from which it no longer counts, such as `2026-11-20`; such days compare as texts.
    #[must_use]
    pub fn expires(&self) -> Option<&str> {
        self.quiet().map(|quiet| quiet.expires.as_str())
    }

    /// The names of what voids it.
    #[must_use]
    pub fn tripwires(&self) -> &[String] {
        self.quiet().map_or(&[], |quiet| &quiet.tripwires)
    }

    /// What it is known by: a hash of all that it says.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.digest
    }

    /// The seal of a backtest with this rule: a hash of what the rule says and of what the filter says, its backtest
    /// aside.
    #[must_use]
    pub fn seal(&self, rule: &Rule) -> String {
        sha256(format!("{}\n{}", rule.analytic.hash, self.digest_unsealed).as_bytes())
    }

    /// Whether its backtest was made with another rule or another filter than these.
    #[must_use]
    pub fn is_stale(&self, rule: &Rule) -> bool {
        self.quiet().is_some_and(|quiet| {
            quiet.backtest.rule != rule.analytic.hash || quiet.backtest.sha256 != self.seal(rule)
        })
    }
}

/// Reads the block of a filter; an inner `None`: it has no `action`, so that it takes events away.
#[expect(clippy::option_option, reason = "refused, a filter as Sigma has it, or one of ours")]
pub(crate) fn read(document: &Node, reporter: &mut Reporter<'_>) -> Option<Option<Quiet>> {
    const KEYS: &[&str] = &[
        "action",
        "backtest",
        "created",
        "evidence",
        "expires",
        "owner",
        "reason",
        "seen",
        "tripwires",
    ];
    let Some(block) = document.get("trailloop").filter(|node| !node.is_null()) else {
        return Some(None);
    };
    let message = format!("`trailloop` is {}", block.kind());
    let entries = reporter.mapping(block, message, "write a mapping with `action: downrank`")?;
    let errors = reporter.errors();
    known(entries, KEYS, "trailloop", reporter);
    let Some(action) = block.get("action").filter(|node| !node.is_null()) else {
        reporter.warning(
            block.mark,
            code::BAD_DOWNRANK,
            "the filter has a block `trailloop` without an `action`, so it takes its events away for good",
            "write `action: downrank` if they should only rank lower, or remove the block",
        );
        return Some(None);
    };
    if action.text() != "downrank" {
        let message = format!("the action of the filter is {}", action.what());
        reporter.error(action.mark, code::BAD_DOWNRANK, message, "write `action: downrank`");
        return None;
    }
    let quiet = Quiet {
        owner: demanded(block, "owner", reporter),
        reason: demanded(block, "reason", reporter),
        created: day(block, "created", reporter),
        expires: day(block, "expires", reporter),
        tripwires: tripwires(block, reporter),
        seen: seen(block, reporter),
        evidence: evidence(block, reporter),
        backtest: backtest(block, reporter),
    };
    if let Some(expires) = block.get("expires")
        && quiet.expires <= quiet.created
        && reporter.errors() == errors
    {
        let message =
            format!("the filter expires on {} and is written on {}", quiet.expires, quiet.created);
        reporter.error(expires.mark, code::BAD_DOWNRANK, message, "write a later day");
    }
    (reporter.errors() == errors).then_some(Some(quiet))
}

/// Refuses keys that are not among these.
fn known(entries: &[(Node, Node)], keys: &[&str], of: &str, reporter: &mut Reporter<'_>) {
    for (key, _) in entries.iter().filter(|(key, _)| !keys.contains(&key.text())) {
        let help = match nearest(key.text(), keys) {
            Some(near) => format!("write `{near}` if that is meant"),
            None => format!("write one of {}, or remove it", keys.join(", ")),
        };
        let message = format!("`{of}` of a filter has no key {}", quoted(key.text()));
        reporter.error(key.mark, code::UNKNOWN_KEY, message, help);
    }
}

/// A text that has to be there; empty if it is not.
fn demanded(block: &Node, key: &str, reporter: &mut Reporter<'_>) -> String {
    let entry = match &block.data {
        Data::Mapping(entries) => entries.iter().find(|(name, _)| name.text() == key),
        _ => None,
    };
    if let Some((key, value)) = entry {
        return text(key, value, reporter).unwrap_or_default();
    }
    reporter.error(
        block.mark,
        code::BAD_DOWNRANK,
        format!("a filter with `action: downrank` says no `{key}`"),
        format!("write `{key}:`, or have `trailloop tune propose` write the filter"),
    );
    String::new()
}

fn day(block: &Node, key: &str, reporter: &mut Reporter<'_>) -> String {
    let errors = reporter.errors();
    let text = demanded(block, key, reporter);
    let is_day = text.len() == 10 && TimePart::Day.of(&format!("{text}T00:00Z")).is_some();
    if !is_day && reporter.errors() == errors {
        let mark = block.get(key).map_or(block.mark, |node| node.mark);
        let message = format!("`{key}` is {}, which is no day", quoted(&text));
        reporter.error(mark, code::BAD_DOWNRANK, message, "write a day such as 2026-11-20");
    }
    text
}

/// The texts of a list; nothing if it is not there.
fn texts(block: &Node, key: &str, reporter: &mut Reporter<'_>) -> Vec<String> {
    let Some(node) = block.get(key).filter(|node| !node.is_null()) else { return Vec::new() };
    let all_texts = |nodes: &[Node]| nodes.iter().all(|node| node.scalar().is_some());
    match &node.data {
        Data::Sequence(nodes) if all_texts(nodes) => {
            nodes.iter().map(|node| node.text().to_owned()).collect()
        }
        _ => {
            let message = format!("`{key}` is not a list of texts");
            reporter.error(node.mark, code::WRONG_TYPE, message, "write `[…]` with texts");
            Vec::new()
        }
    }
}

fn tripwires(block: &Node, reporter: &mut Reporter<'_>) -> Vec<String> {
    let names = texts(block, "tripwires", reporter);
    let mark = block.get("tripwires").map_or(block.mark, |node| node.mark);
    for name in names.iter().filter(|name| !TRIPWIRES.contains(&name.as_str())) {
        let help = match nearest(name, TRIPWIRES) {
            Some(near) => format!("write `{near}`"),
            None => format!("write one of {}", TRIPWIRES.join(", ")),
        };
        let message = format!("there is no tripwire {}", quoted(name));
        reporter.error(mark, code::BAD_DOWNRANK, message, help);
    }
    if names.is_empty() {
        reporter.error(
            mark,
            code::BAD_DOWNRANK,
            "a filter with `action: downrank` has no `tripwires`, so that nothing would void it",
            format!("write `tripwires: [{}]`", TRIPWIRES.join(", ")),
        );
    }
    names
}

fn seen(block: &Node, reporter: &mut Reporter<'_>) -> Seen {
    let Some(node) = section(block, "seen", reporter) else { return Seen::default() };
    let mut list = |key: &str| texts(node, key, reporter);
    let (entities, networks) = (list("entities"), list("networks"));
    let (regions, agents, events) = (list("regions"), list("agents"), list("events"));
    known(
        entries(node),
        &["agents", "entities", "events", "networks", "regions"],
        "seen",
        reporter,
    );
    Seen { entities, events, networks, regions, agents }
}

fn evidence(block: &Node, reporter: &mut Reporter<'_>) -> QuietEvidence {
    let Some(node) = section(block, "evidence", reporter) else { return QuietEvidence::default() };
    known(entries(node), &["days", "reviewers", "verdicts"], "evidence", reporter);
    let mut count = |key: &str| count(node, key, reporter);
    QuietEvidence {
        verdicts: count("verdicts"),
        reviewers: count("reviewers"),
        days: count("days"),
    }
}

fn backtest(block: &Node, reporter: &mut Reporter<'_>) -> QuietBacktest {
    const KEYS: &[&str] = &[
        "audited",
        "corpora_hidden",
        "daily_p95",
        "entities",
        "events",
        "from",
        "hidden_tp_ub95",
        "kept",
        "removed",
        "rule",
        "sha256",
        "to",
        "tp_hidden",
        "unreviewed_entities",
    ];
    let Some(node) = section(block, "backtest", reporter) else { return QuietBacktest::default() };
    known(entries(node), KEYS, "backtest", reporter);
    QuietBacktest {
        rule: hash(node, "rule", reporter),
        from: day(node, "from", reporter),
        to: day(node, "to", reporter),
        events: count(node, "events", reporter),
        removed: count(node, "removed", reporter),
        kept: count(node, "kept", reporter),
        entities: count(node, "entities", reporter),
        unreviewed_entities: count(node, "unreviewed_entities", reporter),
        tp_hidden: count(node, "tp_hidden", reporter),
        corpora_hidden: count(node, "corpora_hidden", reporter),
        audited: count(node, "audited", reporter),
        hidden_tp_ub95: share(node, "hidden_tp_ub95", reporter),
        daily_p95: count(node, "daily_p95", reporter),
        sha256: hash(node, "sha256", reporter),
    }
}

/// A mapping of the block that has to be there.
fn section<'n>(block: &'n Node, key: &str, reporter: &mut Reporter<'_>) -> Option<&'n Node> {
    let Some(node) = block.get(key).filter(|node| !node.is_null()) else {
        demanded(block, key, reporter);
        return None;
    };
    let message = format!("`{key}` is {}", node.kind());
    reporter.mapping(node, message, "write a mapping, as `trailloop tune propose` does")?;
    Some(node)
}

fn entries(node: &Node) -> &[(Node, Node)] {
    match &node.data {
        Data::Mapping(entries) => entries,
        _ => &[],
    }
}

fn count(node: &Node, key: &str, reporter: &mut Reporter<'_>) -> u64 {
    number(node, key, "a whole number", reporter).unwrap_or_default()
}

fn share(node: &Node, key: &str, reporter: &mut Reporter<'_>) -> f64 {
    let share: f64 = number(node, key, "a share from 0 to 1", reporter).unwrap_or_default();
    if (0.0..=1.0).contains(&share) {
        return share;
    }
    let mark = node.get(key).map_or(node.mark, |node| node.mark);
    let message = format!("`{key}` is no share");
    reporter.error(mark, code::BAD_DOWNRANK, message, "write a number from 0 to 1");
    0.0
}

fn number<N: std::str::FromStr>(
    node: &Node,
    key: &str,
    what: &str,
    reporter: &mut Reporter<'_>,
) -> Option<N> {
    let found = node.get(key);
    let is_number =
        |found: &&Node| found.scalar().is_some_and(|scalar| scalar.meaning() == Meaning::Number);
    let parsed = found.filter(is_number).and_then(|found| found.text().parse().ok());
    if parsed.is_none() {
        let said = found.map_or("missing".to_owned(), Node::what);
        let mark = found.map_or(node.mark, |found| found.mark);
        let message = format!("`{key}` is {said}");
        reporter.error(mark, code::BAD_DOWNRANK, message, format!("write {what}"));
    }
    parsed
}

fn hash(node: &Node, key: &str, reporter: &mut Reporter<'_>) -> String {
    let errors = reporter.errors();
    let text = demanded(node, key, reporter);
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash && reporter.errors() == errors {
        let mark = node.get(key).map_or(node.mark, |node| node.mark);
        let message = format!("`{key}` is {}, which is no SHA-256", quoted(&text));
        reporter.error(
            mark,
            code::BAD_DOWNRANK,
            message,
            "have `trailloop tune propose` test the filter and write it",
        );
    }
    text
}

/// Shared by every filter that has no such block, so that cloning one costs little.
pub(crate) type QuietBlock = Option<Arc<Quiet>>;
