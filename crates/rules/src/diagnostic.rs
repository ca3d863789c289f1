//! What the loader says of a file: where, how bad, what is wrong, and what to write instead.

use std::fmt::{self, Write as _};

use trailloop_enrichment::is_odd;

use crate::yaml::{Data, Mark, Node};

/// A problem of a rule file, tied to the place that has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as the caller named it.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// Whether the rule is rejected.
    pub severity: Severity,
    /// A short stable word for the kind of problem; [`CODES`] lists them all.
    pub code: &'static str,
    /// What is wrong, with the offending text quoted.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Whether a [`Diagnostic`] rejects its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The rule loads and does what it says; something about it could be better, or is unusual.
    Note,
    /// The rule loads; something about it deserves a second look.
    Warning,
    /// The rule is rejected; the others load.
    Error,
}

impl Diagnostic {
    /// Whether this is a linter's finding: the rule is well formed and runs, but is not likely to be what was meant.
    #[must_use]
    pub fn is_lint(&self) -> bool {
        crate::lint::CODES.contains(&self.code)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, severity, code, message, help } = self;
        let [path, message, help] = [path, message, help].map(|text| OneLine(text));
        write!(f, "{path}:{line}:{column}: {severity}[{code}]: {message}; help: {help}")
    }
}

/// A text of which no part can begin a line of its own or steer a terminal: names of files and of keys are strangers' too.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if is_odd(c) { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Declares each code once, as a constant for the loader and as a row of the table for readers.
macro_rules! codes {
    ($($name:ident = $code:literal: $meaning:literal,)*) => {
        /// The codes as constants, so that no place can misspell one.
        pub(crate) mod code {
            $(pub(crate) const $name: &str = $code;)*
        }

        /// Every code a [`Diagnostic`] can carry, with its meaning, in alphabetical order.
        pub const CODES: &[(&str, &str)] = &[$(($code, $meaning),)*];
    };
}

codes! {
    ALWAYS_TRUE = "always-true": "a condition that every record satisfies",
    BAD_ACTION = "bad-action": "an `action` that Sigma does not define, or that has nothing to act on",
    BAD_ALLOW = "bad-allow": "a comment `# lint: allow(…)` without a reason, or of what can't be allowed",
    BAD_ATTACK_TAG = "bad-attack-tag": "a tag of ATT&CK that is none",
    BAD_CIDR = "bad-cidr": "a `cidr` value is not a network",
    BAD_CONDITION = "bad-condition": "the condition is not a sentence of Sigma's condition language",
    BAD_DOWNRANK = "bad-downrank": "a filter with `action: downrank` that does not say what such a filter has to say",
    BAD_ENCODING = "bad-encoding": "the file is not UTF-8",
    BAD_FIELD = "bad-field": "a field name that can't be looked up",
    BAD_ID = "bad-id": "the rule's id is not a UUID",
    BAD_LEVEL = "bad-level": "the level is none of Sigma's five",
    BAD_LIST = "bad-list": "a list for `expand` that can't be used",
    BAD_NUMBER = "bad-number": "a comparison's bound is not a number",
    BAD_REGEX = "bad-regex": "a regular expression that does not compile, or not within its size limit",
    BAD_SCOPE = "bad-scope": "brackets in a field name that select nothing",
    BAD_TEST = "bad-test": "an example under `trailloop: tests:` is not a name, an event and an expectation",
    BAD_VALUE = "bad-value": "a value that this modifier can't take",
    BAD_VERSION = "bad-version": "a `sigma-version` that this engine does not read",
    BARE_WILDCARD = "bare-wildcard": "`contains` and its like over nothing but a wildcard",
    CONFLICTING_MODIFIERS = "conflicting-modifiers": "modifiers that can't stand together",
    DEAD_FIELD = "dead-field": "a field that no record of CloudTrail has",
    DUPLICATE_DETECTION = "duplicate-detection": "another rule finds the same records",
    DUPLICATE_ID = "duplicate-id": "another rule has the same id",
    DUPLICATE_KEY = "duplicate-key": "a key stands twice in one mapping",
    DUPLICATE_VALUE = "duplicate-value": "a value that stands twice in its list",
    EMPTY_FILE = "empty-file": "the file holds no document",
    EMPTY_SELECTION = "empty-selection": "a search identifier without anything to search for",
    FIELD_AS_VALUE = "field-as-value": "a value that looks like the name of a field",
    FILTER_POLARITY = "filter-polarity": "a filter that keeps what it describes instead of taking it away",
    FOREIGN_LOGSOURCE = "foreign-logsource": "the rule is written for logs that are not CloudTrail",
    KEEPING_FILTER = "keeping-filter": "a filter that the condition demands instead of excluding",
    LEGACY_AGGREGATION = "legacy-aggregation": "an aggregation after `|`, from before Sigma had correlations",
    MISSING_ATTACK = "missing-attack": "the rule names no technique of ATT&CK",
    MISSING_AUTHOR = "missing-author": "the rule does not say who wrote it",
    MISSING_CONDITION = "missing-condition": "the detection has no condition",
    MISSING_DESCRIPTION = "missing-description": "the rule does not say what it finds",
    MISSING_DETECTION = "missing-detection": "the rule has no detection",
    MISSING_ID = "missing-id": "the rule has no id, so its title stands for it",
    MISSING_LEVEL = "missing-level": "the rule has no level, so it counts as medium",
    MISSING_LOGSOURCE = "missing-logsource": "the rule does not say which logs it is for",
    MISSING_TESTS = "missing-tests": "a shipped rule without an event that it matches and one that it does not",
    MISSING_TITLE = "missing-title": "the rule has no title",
    NEEDLESS_BRANCH = "needless-branch": "a branch of the condition that another one covers",
    NEVER_TRUE = "never-true": "a branch that no record can satisfy",
    NULL_IN_LIST = "null-in-list": "null among other values, which other engines refuse",
    OR_FOR_AND = "or-for-and": "a filter of alternatives that were probably meant together",
    PADDED_VALUE = "padded-value": "a value with white space at an end",
    QUIETS_CRITICAL = "quiets-critical": "a filter that would make a critical rule quieter",
    SINGLE_ALL = "single-all": "`all` over a single value changes nothing",
    STALE_BACKTEST = "stale-backtest": "a filter whose backtest is of another rule or another text of the filter",
    TOO_LARGE = "too-large": "a limit on files, rules or values is passed",
    TOO_MANY_PROBLEMS = "too-many-problems": "the rest of the file's problems are not shown",
    UNDEFINED_IDENTIFIER = "undefined-identifier": "the condition names a search identifier that does not exist",
    UNKNOWN_EVENT = "unknown-event": "an eventSource or eventName that CloudTrail does not write",
    UNKNOWN_KEY = "unknown-key": "a key that Sigma does not define",
    UNKNOWN_LIST = "unknown-list": "`expand` names a list that is not there",
    UNKNOWN_MODIFIER = "unknown-modifier": "a modifier that Sigma does not define",
    UNKNOWN_RULE = "unknown-rule": "a filter speaks of a rule that is not loaded",
    UNSUPPORTED = "unsupported": "Sigma that this engine does not run",
    UNUSED_ALLOW = "unused-allow": "a comment `# lint: allow(…)` under which nothing is found",
    UNUSED_IDENTIFIER = "unused-identifier": "a search identifier that no condition uses",
    UPPERCASE_OPERATOR = "uppercase-operator": "an operator in capitals, which other engines refuse",
    WRONG_TYPE = "wrong-type": "a list, mapping or scalar where another of them belongs",
    YAML_ALIAS = "yaml-alias": "an alias or merge key that can't be followed",
    YAML_SYNTAX = "yaml-syntax": "the text is not YAML",
}

/// At most this many errors of one file are kept, as many warnings and as many notes; one more of each says that there are
/// more.
const PROBLEMS_SHOWN_MAX: usize = 100;

/// Collects the problems of one file. It counts errors even past the limit of what is kept.
pub struct Reporter<'a> {
    path: &'a str,
    text: &'a str,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    notes: usize,
    searches_left: usize,
}

/// So many patterns of one file are tried on every name of the catalogue; the others are taken to fit something.
const SEARCHES_MAX: usize = 2_000;

impl<'a> Reporter<'a> {
    /// For one file: its name for messages, and its text.
    #[must_use]
    pub fn new(path: &'a str, text: &'a str) -> Self {
        let searches_left = SEARCHES_MAX;
        Self {
            path,
            text,
            diagnostics: Vec::new(),
            errors: 0,
            warnings: 0,
            notes: 0,
            searches_left,
        }
    }

    /// Whether one more pattern may be tried on the whole catalogue.
    pub(crate) fn may_search(&mut self) -> bool {
        let may = self.searches_left > 0;
        self.searches_left = self.searches_left.saturating_sub(1);
        may
    }

    pub(crate) fn path(&self) -> &'a str {
        self.path
    }

    /// How many errors there were so far; a rule during which it grew is rejected.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether further problems of this severity would only be counted.
    pub(crate) fn is_full(&self, severity: Severity) -> bool {
        let count = match severity {
            Severity::Note => self.notes,
            Severity::Warning => self.warnings,
            Severity::Error => self.errors,
        };
        count > PROBLEMS_SHOWN_MAX
    }

    /// Reports what rejects.
    pub fn error(
        &mut self,
        mark: Mark,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(mark, Severity::Error, code, message.into(), help.into());
    }

    /// Reports what deserves a second look.
    pub fn warning(
        &mut self,
        mark: Mark,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(mark, Severity::Warning, code, message.into(), help.into());
    }

    pub(crate) fn note(
        &mut self,
        mark: Mark,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(mark, Severity::Note, code, message.into(), help.into());
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Takes back every problem that `is_allowed` says is meant.
    pub(crate) fn take_back(&mut self, mut is_allowed: impl FnMut(&Diagnostic) -> bool) {
        self.diagnostics.retain(|diagnostic| !is_allowed(diagnostic));
    }

    /// The place in the file of `word`, which stands at `offset` of the node's text.
    ///
    /// A scalar may be quoted, folded or indented in the file, so its own columns don't carry over. The n-th
    /// occurrence of the word in the value is the n-th in the source, which needs no knowledge of the style.
    #[must_use]
    pub fn mark_within(&self, node: &Node, value: &str, offset: usize, word: &str) -> Mark {
        // Finding the place costs a walk through the text, which a flood of problems must not repeat for ever.
        if word.is_empty() || self.is_full(Severity::Error) {
            return node.mark;
        }
        let Some(before) = value.get(..offset) else { return node.mark };
        let nth = before.matches(word).count();
        let Some(start) = self.byte_offset(node.mark) else { return node.mark };
        let end = self.byte_offset(node.end).unwrap_or(self.text.len());
        let source = self.text.get(start..end.max(start)).unwrap_or_default();
        let Some((at, _)) = source.match_indices(word).nth(nth) else { return node.mark };
        let (lines, columns) =
            source[..at].char_indices().fold((0, 0), |(lines, columns), (_, c)| {
                if c == '\n' { (lines + 1, 0) } else { (lines, columns + 1) }
            });
        let column = if lines == 0 { node.mark.column + columns } else { columns + 1 };
        Mark { line: node.mark.line + lines, column }
    }

    /// The entries of a mapping; `message` and `help` are for a node that is none.
    pub(crate) fn mapping<'n>(
        &mut self,
        node: &'n Node,
        message: impl Into<String>,
        help: &str,
    ) -> Option<&'n [(Node, Node)]> {
        if let Data::Mapping(entries) = &node.data {
            return Some(entries);
        }
        self.error(node.mark, code::WRONG_TYPE, message, help);
        None
    }

    /// The problems in the order of their places; that there are more comes last.
    #[must_use]
    pub fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| {
            (diagnostic.code == code::TOO_MANY_PROBLEMS, diagnostic.line, diagnostic.column)
        });
        self.diagnostics
    }

    fn byte_offset(&self, mark: Mark) -> Option<usize> {
        let lines_before = usize::try_from(mark.line.checked_sub(1)?).ok()?;
        let line_start = match lines_before.checked_sub(1) {
            None => 0,
            Some(nth) => self.text.match_indices('\n').nth(nth)?.0 + 1,
        };
        let columns_before = usize::try_from(mark.column.checked_sub(1)?).ok()?;
        let rest = &self.text[line_start..];
        Some(line_start + rest.char_indices().nth(columns_before).map_or(rest.len(), |(at, _)| at))
    }

    fn push(
        &mut self,
        mark: Mark,
        severity: Severity,
        code: &'static str,
        message: String,
        help: String,
    ) {
        let count = match severity {
            Severity::Note => &mut self.notes,
            Severity::Warning => &mut self.warnings,
            Severity::Error => &mut self.errors,
        };
        *count += 1;
        if *count > PROBLEMS_SHOWN_MAX + 1 {
            return;
        }
        let mut diagnostic = Diagnostic {
            path: self.path.to_owned(),
            line: mark.line,
            column: mark.column,
            severity,
            code,
            message,
            help,
        };
        if *count == PROBLEMS_SHOWN_MAX + 1 {
            diagnostic.code = code::TOO_MANY_PROBLEMS;
            diagnostic.message = format!("the file has more {severity}s than {PROBLEMS_SHOWN_MAX}");
            diagnostic.help = "repair those above first".to_owned();
        }
        self.diagnostics.push(diagnostic);
    }
}

/// At most this many characters of a stranger's text are repeated in a message.
const QUOTED_CHARS_MAX: usize = 80;

/// Text from a file, fit for a one-line message.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("`{}`", on_one_line(text, None))
}

/// A stranger's text on one line: what could steer a terminal, or `quote`, is escaped; long text is cut.
#[must_use]
pub fn on_one_line(text: &str, quote: Option<char>) -> String {
    let mut line = String::new();
    for (nth, c) in text.chars().enumerate() {
        if nth == QUOTED_CHARS_MAX {
            line.push('…');
            break;
        }
        match c {
            c if quote == Some(c) => line.extend(['\\', c]),
            c if is_odd(c) => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_as_the_contract_says() {
        let mut reporter = Reporter::new("a/b.yml", "");
        let mark = Mark { line: 3, column: 7 };
        reporter.error(mark, code::BAD_ID, "what is wrong", "what to write");
        reporter.warning(mark, code::MISSING_ID, "odd", "better");
        let lines: Vec<_> = reporter.into_diagnostics().iter().map(ToString::to_string).collect();
        assert_eq!(lines[0], "a/b.yml:3:7: error[bad-id]: what is wrong; help: what to write");
        assert_eq!(lines[1], "a/b.yml:3:7: warning[missing-id]: odd; help: better");
    }

    #[test]
    fn a_problem_is_shown_on_one_line_whatever_its_texts_hold() {
        let mut reporter = Reporter::new("a\nb.yml", "");
        let (message, help) = ("\u{1b}[2J\r", "\u{202e}x\u{2028}");
        reporter.error(Mark { line: 1, column: 1 }, code::BAD_ID, message, help);
        let shown = reporter.into_diagnostics()[0].to_string();
        assert_eq!(shown, r"a\nb.yml:1:1: error[bad-id]: \u{1b}[2J\r; help: \u{202e}x\u{2028}");
    }

    #[test]
    fn codes_are_sorted_kebab_case_and_unique() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted and unique");
        for (code, meaning) in CODES {
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{code}");
            assert!(!meaning.is_empty());
        }
    }

    #[test]
    fn a_flood_of_problems_is_cut_but_counted() {
        let mut reporter = Reporter::new("a", "");
        for _ in 0..1_000 {
            reporter.error(Mark { line: 1, column: 1 }, code::BAD_ID, "x", "y");
        }
        assert_eq!(reporter.errors(), 1_000);
        let diagnostics = reporter.into_diagnostics();
        assert_eq!(diagnostics.len(), PROBLEMS_SHOWN_MAX + 1);
        assert_eq!(diagnostics[PROBLEMS_SHOWN_MAX].code, code::TOO_MANY_PROBLEMS);
    }

    #[test]
    fn quoting_keeps_a_message_on_one_line() {
        assert_eq!(quoted("a\nb"), "`a\\nb`");
        assert!(quoted(&"x".repeat(1_000)).chars().count() < 90);
    }
}
