//! What is wrong with rules that run: fields that no record has, events that do not exist, conditions that can't be true.
//!
//! A rule can be perfect Sigma and never fire. Each check here looks for one way in which that happens, and says what to
//! write instead. A warning says that the rule does not do what it says, as far as the catalogue is right; a note that it
//! could be better. What is meant after all is allowed by a comment (see `allow`). `docs/lint.md` lists the checks with
//! what each is worth.

mod about;
mod allow;
mod condition;
mod events;
mod fields;
mod truth;
mod values;

use crate::condition::Identifier;
use crate::diagnostic::{Diagnostic, Reporter, Severity, code};
use crate::yaml::{Data, Node};

pub(crate) use about::about;
pub(crate) use allow::allows;

/// The codes of the checks here.
pub(crate) const CODES: &[&str] = &[
    code::ALWAYS_TRUE,
    code::BAD_ALLOW,
    code::BAD_ATTACK_TAG,
    code::BARE_WILDCARD,
    code::DEAD_FIELD,
    code::DUPLICATE_DETECTION,
    code::DUPLICATE_VALUE,
    code::FIELD_AS_VALUE,
    code::KEEPING_FILTER,
    code::MISSING_ATTACK,
    code::MISSING_AUTHOR,
    code::MISSING_DESCRIPTION,
    code::NEEDLESS_BRANCH,
    code::NEVER_TRUE,
    code::OR_FOR_AND,
    code::PADDED_VALUE,
    code::UNKNOWN_EVENT,
    code::UNUSED_ALLOW,
];

/// A search identifier as it stands in the file, with what it was read into.
#[derive(Clone, Copy)]
struct Part<'d> {
    key: &'d Node,
    value: &'d Node,
    identifier: &'d Identifier,
}

/// One `field|modifiers: values` of a detection.
struct Item<'d> {
    key: &'d Node,
    /// Without modifiers; empty for keywords.
    field: &'d str,
    modifiers: Vec<&'d str>,
    value: &'d Node,
}

impl<'d> Item<'d> {
    fn of(key: &'d Node, value: &'d Node) -> Self {
        let mut words = key.text().split('|');
        let field = words.next().unwrap_or_default();
        Self { key, field, modifiers: words.collect(), value }
    }

    fn has(&self, modifier: &str) -> bool {
        self.modifiers.contains(&modifier)
    }

    /// Whether its values are texts that are compared as they stand, with wildcards.
    fn is_of_text(&self) -> bool {
        const OF_TEXT: &[&str] =
            &["contains", "startswith", "endswith", "all", "cased", "neq", "windash"];
        self.modifiers.iter().all(|modifier| OF_TEXT.contains(modifier))
    }

    /// The single values.
    fn values(&self) -> &'d [Node] {
        match &self.value.data {
            Data::Scalar(_) => std::slice::from_ref(self.value),
            Data::Sequence(values) => values,
            Data::Mapping(_) => &[],
        }
    }
}

/// The mappings of a search identifier: itself, or those of its list.
fn mappings<'n>(value: &'n Node) -> Vec<&'n [(Node, Node)]> {
    let nodes = match &value.data {
        Data::Sequence(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let mapping = |node: &'n Node| match &node.data {
        Data::Mapping(items) => Some(items.as_slice()),
        _ => None,
    };
    nodes.iter().filter_map(mapping).collect()
}

/// Looks through a detection that was read without errors.
pub(crate) fn detection(
    detection: &Node,
    identifiers: &[Identifier],
    sentence: &Node,
    reporter: &mut Reporter<'_>,
) {
    let Data::Mapping(entries) = &detection.data else { return };
    let named = entries.iter().filter(|(key, _)| key.text() != "condition");
    let parts: Vec<Part<'_>> = named
        .zip(identifiers)
        .map(|((key, value), identifier)| Part { key, value, identifier })
        .collect();
    fields::check(&parts, reporter);
    events::check(&parts, reporter);
    values::check(&parts, reporter);
    condition::check(&parts, sentence, reporter);
    truth::check(&parts, sentence, reporter);
}

/// Says that a rule finds what another finds already.
pub(crate) fn duplicate_detection(
    (path, line): (&str, u32),
    (first, first_path, first_line): (&str, &str, u32),
) -> Diagnostic {
    Diagnostic {
        path: path.to_owned(),
        line,
        column: 1,
        severity: Severity::Note,
        code: code::DUPLICATE_DETECTION,
        message: format!(
            "the rule finds the same records as {} at {first_path}:{first_line}",
            crate::diagnostic::quoted(first)
        ),
        help: "keep one of them, or tell them apart by what they look for".to_owned(),
    }
}
