//! Filters: exceptions written apart from the rules they speak of.
//!
//! A filter's condition is joined to a rule's with `and`, as it is written, which is what the other engines do as well.
//! It has to say `not` to take events away; one that does not would leave the rule nothing but what it describes.
//!
//! A filter with `trailloop: {action: downrank}` is not joined: the rule goes on matching, and the set tells of a match
//! that the filter describes it (see `quiet`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::detection::{self, Context};
use crate::diagnostic::{Diagnostic, Reporter, Severity, code, quoted};
use crate::digest;
use crate::load::bounded;
use crate::quiet::{self, QuietBlock};
use crate::rule::Rule;
use crate::test::Expr;
use crate::yaml::{Data, Mark, Node};

/// A filter that loaded without errors.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Its title.
    pub title: String,
    /// The file it came from, as the caller named it.
    pub path: String,
    /// The line its document begins on, from 1.
    pub line: u32,
    /// The rules it speaks of, by id or name, and where each is named; `None`: all.
    rules: Option<Vec<(String, Mark)>>,
    pub(crate) condition: Arc<Expr>,
    /// What it says of itself if it takes nothing away and only makes its rule quieter.
    pub(crate) quiet: QuietBlock,
    /// The hash of its document.
    pub(crate) digest: String,
    /// The same without the backtest that it carries.
    pub(crate) digest_unsealed: String,
}

/// Reads the `filter` section of a document.
pub(crate) fn read(
    title: String,
    document: &Node,
    section: &Node,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Filter> {
    let entries = reporter.mapping(
        section,
        format!("`filter` is {}", section.kind()),
        "write a mapping of `rules`, search identifiers and a condition",
    )?;
    let rules = match section.get("rules") {
        Some(node) => rules(node, reporter)?,
        None => None,
    };
    let parts: Vec<(Node, Node)> =
        entries.iter().filter(|(key, _)| key.text() != "rules").cloned().collect();
    let detection = Node { mark: section.mark, end: section.end, data: Data::Mapping(parts) };
    let condition = detection::read(&detection, context, reporter)
        .and_then(|expr| bounded(expr, section, reporter))?;
    let quiet = quiet::read(document, reporter)?;
    if quiet.is_some() {
        about_one_rule(section, rules.as_deref(), reporter)?;
    } else if let Some(sentence) = section.get("condition")
        && !says_not(section)
    {
        reporter.warning(
            sentence.mark,
            code::FILTER_POLARITY,
            "the filter's condition has no `not`: its rules will see only the events it describes",
            "write `not` before what has to be left out, such as `condition: not selection`",
        );
    }
    let path = reporter.path().to_owned();
    let condition = Arc::new(condition);
    let digest = digest::of_document(document, context.lists);
    let digest_unsealed = digest::of_document(&without_backtest(document), context.lists);
    let line = document.mark.line;
    let quiet = quiet.map(Arc::new);
    Some(Filter { title, path, line, rules, condition, quiet, digest, digest_unsealed })
}

/// Refuses a filter that makes rules quieter unless it speaks of one, and says `not`: its backtest is of that rule, and
/// without `not` it would describe everything else.
fn about_one_rule(
    section: &Node,
    rules: Option<&[(String, Mark)]>,
    reporter: &mut Reporter<'_>,
) -> Option<()> {
    if rules.is_none_or(|rules| rules.len() != 1) {
        let mark = section.get("rules").map_or(section.mark, |node| node.mark);
        let message = "a filter with `action: downrank` speaks of one rule, by which it was tested";
        let help =
            "write `rules: [` and the id of one rule `]`, and a filter for each further rule";
        reporter.error(mark, code::BAD_DOWNRANK, message, help);
        return None;
    }
    if !says_not(section) {
        let mark = section.get("condition").map_or(section.mark, |node| node.mark);
        let message =
            "the filter's condition has no `not`: it would quiet all but what it describes";
        reporter.error(mark, code::BAD_DOWNRANK, message, "write `condition: not selection`");
        return None;
    }
    Some(())
}

/// The document as it is sealed: its backtest is what the seal is on.
fn without_backtest(document: &Node) -> Node {
    let mut document = document.clone();
    let Data::Mapping(entries) = &mut document.data else { return document };
    for (_, block) in entries.iter_mut().filter(|(key, _)| key.text() == "trailloop") {
        if let Data::Mapping(entries) = &mut block.data {
            entries.retain(|(key, _)| key.text() != "backtest");
        }
    }
    document
}

impl Filter {
    /// Whether it names this rule, or speaks of all.
    #[must_use]
    pub fn speaks_of(&self, rule: &Rule) -> bool {
        self.rules.as_ref().is_none_or(|rules| {
            rules.iter().any(|(name, _)| {
                rule.name.as_ref() == Some(name)
                    || rule.analytic.uid == *name
                    || rule.analytic.uid == name.to_ascii_lowercase()
            })
        })
    }
}

/// The rules that a filter names; an inner `None` stands for all.
#[expect(clippy::option_option, reason = "refused, all, or these")]
fn rules(node: &Node, reporter: &mut Reporter<'_>) -> Option<Option<Vec<(String, Mark)>>> {
    let nodes = match &node.data {
        Data::Sequence(nodes) => nodes.as_slice(),
        Data::Scalar(scalar) if node.is_null() || scalar.text.eq_ignore_ascii_case("any") => {
            return Some(None);
        }
        _ => std::slice::from_ref(node),
    };
    let mut named = Vec::new();
    for node in nodes {
        match node.scalar() {
            Some(scalar) if !node.is_null() => named.push((scalar.text.clone(), node.mark)),
            _ => {
                let message = format!("{} stands in `rules`", node.kind());
                reporter.error(
                    node.mark,
                    code::WRONG_TYPE,
                    message,
                    "write ids or names of rules, or `rules: any`",
                );
                return None;
            }
        }
    }
    Some(if named.is_empty() { None } else { Some(named) })
}

/// Whether the filter negates anything: `not` in its condition, or `neq` in an item.
fn says_not(section: &Node) -> bool {
    let has_word = |node: &Node| {
        let mut words = node.text().split(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        words.any(|word| word.eq_ignore_ascii_case("not"))
    };
    let says = |condition: &Node| match &condition.data {
        Data::Sequence(sentences) => sentences.iter().any(has_word),
        _ => has_word(condition),
    };
    section.get("condition").is_some_and(says) || has_neq(section)
}

fn has_neq(node: &Node) -> bool {
    match &node.data {
        Data::Scalar(_) => false,
        Data::Sequence(nodes) => nodes.iter().any(has_neq),
        Data::Mapping(entries) => entries.iter().any(|(key, value)| {
            key.text().split('|').skip(1).any(|word| word == "neq") || has_neq(value)
        }),
    }
}

/// Joins filters to the rules they speak of. One that speaks of a rule that is not there is reported.
pub(crate) fn join(rules: &mut [Rule], filters: &[Filter], diagnostics: &mut Vec<Diagnostic>) {
    if filters.is_empty() {
        return;
    }
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (nth, rule) in rules.iter().enumerate() {
        by_name.entry(rule.analytic.uid.clone()).or_default().push(nth);
        if let Some(name) = &rule.name {
            by_name.entry(name.clone()).or_default().push(nth);
        }
    }
    for filter in filters {
        let Some(named) = &filter.rules else {
            rules.iter_mut().for_each(|rule| rule.exceptions.push(Arc::clone(&filter.condition)));
            continue;
        };
        for (name, mark) in named {
            let found = by_name.get(name).or_else(|| by_name.get(&name.to_ascii_lowercase()));
            if found.is_none() {
                diagnostics.push(unknown_rule(filter, name, *mark));
            }
            if filter.quiet.is_some() {
                continue;
            }
            for nth in found.into_iter().flatten() {
                rules[*nth].exceptions.push(Arc::clone(&filter.condition));
            }
        }
    }
}

fn unknown_rule(filter: &Filter, name: &str, mark: Mark) -> Diagnostic {
    Diagnostic {
        path: filter.path.clone(),
        line: mark.line,
        column: mark.column,
        severity: Severity::Warning,
        code: code::UNKNOWN_RULE,
        message: format!(
            "the filter speaks of {}, and no rule of that id or name is loaded",
            quoted(name)
        ),
        help: "correct the id, or load the rule beside the filter".to_owned(),
    }
}
