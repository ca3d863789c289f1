//! What reading a file has to say: where, how bad, what is wrong, and what to write instead.

use std::fmt;

use crate::text::on_one_line;

/// A problem of a file, tied to the place that has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the caller named it, fit for a one-line message.
    pub path: String,
    /// Line and column (in characters), both from 1; none for a database, which has neither.
    pub place: Option<(u32, u32)>,
    /// Whether the file is refused.
    pub severity: Severity,
    /// A short stable word for the kind of problem.
    pub code: &'static str,
    /// What is wrong, with the offending text quoted.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Whether a [`Problem`] refuses its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is read; something about it deserves a second look.
    Warning,
    /// The file is refused.
    Error,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, place, severity, code, message, help } = self;
        write!(f, "{path}:")?;
        if let Some((line, column)) = place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {severity}[{code}]: {message}; help: {help}")
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Everything that is wrong with the files that were read: at least one error, and the warnings beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The codes, so that no place can misspell one.
pub(crate) mod code {
    pub(crate) const BAD_ACCOUNT: &str = "bad-account";
    pub(crate) const BAD_COUNTRY: &str = "bad-country";
    pub(crate) const BAD_DATABASE: &str = "bad-database";
    pub(crate) const BAD_ENCODING: &str = "bad-encoding";
    pub(crate) const BAD_NETWORK: &str = "bad-network";
    pub(crate) const BAD_PATTERN: &str = "bad-pattern";
    pub(crate) const BAD_REGION: &str = "bad-region";
    pub(crate) const BAD_ROW: &str = "bad-row";
    pub(crate) const BAD_SYNTAX: &str = "bad-syntax";
    pub(crate) const DUPLICATE_KEY: &str = "duplicate-key";
    pub(crate) const EMPTY_FILE: &str = "empty-file";
    pub(crate) const EMPTY_ROW: &str = "empty-row";
    pub(crate) const MISSING_COLUMN: &str = "missing-column";
    pub(crate) const TOO_LARGE: &str = "too-large";
    pub(crate) const TOO_MANY_PROBLEMS: &str = "too-many-problems";
    pub(crate) const UNKNOWN_COLUMN: &str = "unknown-column";
    pub(crate) const UNKNOWN_KEY: &str = "unknown-key";
    pub(crate) const WRONG_TYPE: &str = "wrong-type";
}

/// At most this many errors of one file are kept, and as many warnings; one more of each says that there are more.
const PROBLEMS_SHOWN_MAX: usize = 100;

/// Collects the problems of one file. It counts errors even past the limit of what is kept.
pub(crate) struct Reporter<'t> {
    path: String,
    text: &'t str,
    problems: Vec<Problem>,
    errors: usize,
    warnings: usize,
    /// Where lines begin, found when the first place is asked for.
    line_starts: Vec<usize>,
}

impl<'t> Reporter<'t> {
    /// For a file of text; places are byte offsets into it.
    pub(crate) fn new(path: &str, text: &'t str) -> Self {
        let (problems, line_starts) = (Vec::new(), Vec::new());
        Self { path: on_one_line(path), text, problems, errors: 0, warnings: 0, line_starts }
    }

    pub(crate) fn error(
        &mut self,
        at: usize,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Some(at), Severity::Error, code, message.into(), help.into());
    }

    pub(crate) fn warning(
        &mut self,
        at: usize,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Some(at), Severity::Warning, code, message.into(), help.into());
    }

    /// An error of the file as a whole.
    pub(crate) fn error_of_file(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(None, Severity::Error, code, message.into(), help.into());
    }

    /// Whether there was no error so far.
    pub(crate) fn is_good(&self) -> bool {
        self.errors == 0
    }

    /// The value with the warnings, or all problems if there was an error.
    pub(crate) fn finish<T>(self, value: T) -> Result<(T, Vec<Problem>), Problems> {
        let is_good = self.is_good();
        let problems = self.into_problems();
        if is_good { Ok((value, problems.0)) } else { Err(problems) }
    }

    /// All problems in the order of their places, for a file of which no value could be made.
    pub(crate) fn into_problems(mut self) -> Problems {
        self.problems.sort_by_key(|problem| (problem.place.is_none(), problem.place));
        Problems(self.problems)
    }

    /// Line and column of an offset, both from 1.
    pub(crate) fn place(&mut self, at: usize) -> (u32, u32) {
        if self.line_starts.is_empty() {
            self.line_starts.push(0);
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            self.line_starts.extend(ends.map(|(end, _)| end + 1));
        }
        let at = self.text.floor_char_boundary(at);
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = self.line_starts[line - 1];
        let column = self.text[start..at].chars().filter(|c| *c != '\u{feff}').count() + 1;
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        (short(line), short(column))
    }

    fn add(
        &mut self,
        at: Option<usize>,
        severity: Severity,
        code: &'static str,
        message: String,
        help: String,
    ) {
        let count = match severity {
            Severity::Warning => &mut self.warnings,
            Severity::Error => &mut self.errors,
        };
        *count += 1;
        let count = *count;
        if count > PROBLEMS_SHOWN_MAX + 1 {
            return;
        }
        let place = at.map(|at| self.place(at));
        let path = self.path.clone();
        let mut problem = Problem { path, place, severity, code, message, help };
        if count == PROBLEMS_SHOWN_MAX + 1 {
            problem.place = None;
            problem.code = code::TOO_MANY_PROBLEMS;
            problem.message = format!("the file has more {severity}s than {PROBLEMS_SHOWN_MAX}");
            problem.help = "repair those above first".to_owned();
        }
        self.problems.push(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_like_the_problems_of_rules() {
        let mut reporter = Reporter::new("a\n/b.csv", "\u{feff}ä,b\nxy\n");
        reporter.warning(5, code::EMPTY_ROW, "odd", "better");
        reporter.error(8, code::BAD_ROW, "what is wrong", "what to write");
        reporter.error_of_file(code::TOO_LARGE, "too large", "split it");
        let problems = reporter.finish(()).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "a\\n/b.csv:1:2: warning[empty-row]: odd; help: better\n\
             a\\n/b.csv:2:1: error[bad-row]: what is wrong; help: what to write\n\
             a\\n/b.csv: error[too-large]: too large; help: split it"
        );
    }

    #[test]
    fn a_flood_of_problems_is_cut_but_refuses() {
        let mut reporter = Reporter::new("a", "");
        for _ in 0..1_000 {
            reporter.error(9, code::BAD_ROW, "x", "y");
        }
        let problems = reporter.into_problems().0;
        assert_eq!(problems.len(), PROBLEMS_SHOWN_MAX + 1);
        assert_eq!(problems[PROBLEMS_SHOWN_MAX].code, code::TOO_MANY_PROBLEMS);
    }
}
