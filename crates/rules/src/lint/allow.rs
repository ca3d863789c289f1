//! Comments that say a problem is meant: `# lint: allow(dead-field): the field is added by our forwarder`.
//!
//! The comment stands on the line of the problem, or above it on a line of its own. It names codes and a reason. One that
//! allows nothing is reported, so that it goes when the problem does.

use crate::diagnostic::{CODES, Reporter, Severity, code, quoted};
use crate::modifier::nearest;
use crate::yaml::{Data, Mark, Node};

/// Codes that no comment can allow: they are found where the comment is not seen, or speak of comments.
const NEVER: &[&str] =
    &[code::BAD_ALLOW, code::UNUSED_ALLOW, code::UNKNOWN_RULE, code::TOO_MANY_PROBLEMS];

/// The comments of a file.
#[derive(Debug, Default)]
pub(crate) struct Allows(Vec<Allow>);

/// A code that a comment allows on a line.
#[derive(Debug)]
struct Allow {
    mark: Mark,
    line: u32,
    code: &'static str,
    is_used: bool,
}

/// Reads the comments of a file, and reports those that can't be read.
pub(crate) fn allows(documents: &[Node], reporter: &mut Reporter<'_>) -> Allows {
    let text = reporter.text();
    let mut allows = Vec::new();
    if !text.contains("lint:") {
        return Allows(allows);
    }
    let mut scalars = Vec::new();
    documents.iter().for_each(|document| spans(document, &mut scalars));
    scalars.sort_unstable();
    let nexts = next_lines(text);
    for (nth, line) in (1_u32..).zip(text.lines()) {
        let Some((at, said)) = comment(line) else { continue };
        let column = u32::try_from(line[..at].chars().count() + 1).unwrap_or(u32::MAX);
        let mark = Mark { line: nth, column };
        if is_within(&scalars, mark) {
            continue;
        }
        let is_alone = line[..at].trim().is_empty();
        let next = usize::try_from(nth).ok().and_then(|nth| nexts.get(nth - 1).copied());
        let speaks_of = if is_alone { next.unwrap_or(nth) } else { nth };
        for code in codes(said, mark, reporter) {
            allows.push(Allow { mark, line: speaks_of, code, is_used: false });
        }
    }
    Allows(allows)
}

/// Where a `# lint:` begins in a line, and what follows it.
fn comment(line: &str) -> Option<(usize, &str)> {
    line.match_indices('#').find_map(|(at, _)| {
        let begins = line[..at].chars().next_back().is_none_or(char::is_whitespace);
        let said = line[at + 1..].trim_start().strip_prefix("lint:")?;
        begins.then_some((at, said.trim()))
    })
}

/// The places of scalars, each as its start and its end.
fn spans(node: &Node, scalars: &mut Vec<(Mark, Mark)>) {
    match &node.data {
        Data::Scalar(_) => scalars.push((node.mark, node.end)),
        Data::Sequence(nodes) => nodes.iter().for_each(|node| spans(node, scalars)),
        Data::Mapping(entries) => entries.iter().for_each(|(key, value)| {
            spans(key, scalars);
            spans(value, scalars);
        }),
    }
}

/// Whether a place lies in a scalar, where `#` is no comment.
fn is_within(scalars: &[(Mark, Mark)], mark: Mark) -> bool {
    let after = scalars.partition_point(|(start, _)| *start <= mark);
    scalars[..after].last().is_some_and(|(_, end)| mark < *end)
}

/// For each line the next one that is neither empty nor a comment, or itself if none follows; in one pass, because a file may
/// be nothing but comments.
fn next_lines(text: &str) -> Vec<u32> {
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let contents: Vec<bool> = text.lines().map(is_content).collect();
    let mut next = None;
    let mut nexts: Vec<u32> = (1_u32..).zip(&contents).map(|(nth, _)| nth).collect();
    for (at, is_content) in contents.iter().enumerate().rev() {
        let own = nexts[at];
        nexts[at] = next.unwrap_or(own);
        if *is_content {
            next = Some(own);
        }
    }
    nexts
}

/// The codes that a comment names; what is wrong with it is reported.
fn codes(said: &str, mark: Mark, reporter: &mut Reporter<'_>) -> Vec<&'static str> {
    const FORM: &str =
        "write `# lint: allow(code): reason`, several codes with commas between them";
    let parts = said.strip_prefix("allow(").and_then(|rest| rest.split_once(')'));
    let Some((names, reason)) = parts else {
        let message = format!("{} allows nothing", quoted(&format!("# lint: {said}")));
        reporter.warning(mark, code::BAD_ALLOW, message, FORM);
        return Vec::new();
    };
    let reason = reason.trim_start().strip_prefix(':').unwrap_or_default().trim();
    if reason.is_empty() {
        let message =
            format!("`allow({})` gives no reason", crate::diagnostic::on_one_line(names, None));
        reporter.warning(mark, code::BAD_ALLOW, message, FORM);
    }
    let mut codes = Vec::new();
    for name in names.split(',').map(str::trim) {
        let known = CODES.iter().map(|(code, _)| *code).find(|code| *code == name);
        match known.filter(|code| !NEVER.contains(code)) {
            Some(code) => codes.push(code),
            // More would not be kept, and finding what is near costs.
            None if reporter.is_full(Severity::Warning) => {}
            None => {
                let all: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
                let (message, help) = match (known, nearest(name, &all)) {
                    (Some(_), _) => {
                        (format!("{} can't be allowed", quoted(name)), "remove it".to_owned())
                    }
                    (None, Some(near)) => (
                        format!("there is no check {}", quoted(name)),
                        format!("write `{near}` if that is meant"),
                    ),
                    (None, None) => (
                        format!("there is no check {}", quoted(name)),
                        "write the word in brackets of the message that is to go".to_owned(),
                    ),
                };
                reporter.warning(mark, code::BAD_ALLOW, message, help);
            }
        }
    }
    codes
}

impl Allows {
    /// Whether a rule that begins on this line may find what another finds.
    pub(crate) fn twin(&mut self, line: u32) -> bool {
        let is_allowed =
            |allow: &&mut Allow| allow.line == line && allow.code == code::DUPLICATE_DETECTION;
        self.0.iter_mut().find(is_allowed).map(|allow| allow.is_used = true).is_some()
    }

    /// Takes the allowed problems back, and reports comments under which there were none.
    pub(crate) fn apply(mut self, reporter: &mut Reporter<'_>) {
        let mut errors = Vec::new();
        reporter.take_back(|problem| {
            let mut is_allowed = false;
            for allow in &mut self.0 {
                if allow.line != problem.line || allow.code != problem.code {
                    continue;
                }
                if problem.severity == Severity::Error {
                    errors.push((allow.mark, allow.code));
                    allow.is_used = true;
                } else {
                    allow.is_used = true;
                    is_allowed = true;
                }
            }
            is_allowed
        });
        for (mark, code) in errors {
            let message = format!("`{code}` is an error here, and errors can't be allowed");
            reporter.warning(mark, code::BAD_ALLOW, message, "repair it, and remove the comment");
        }
        for allow in self.0.iter().filter(|allow| !allow.is_used) {
            reporter.warning(
                allow.mark,
                code::UNUSED_ALLOW,
                format!("nothing on line {} is a case of `{}`", allow.line, allow.code),
                "remove it from the comment",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::load::load;

    /// The codes of what is said of a rule with these lines in its selection, metadata aside.
    fn said(lines: &str) -> Vec<&'static str> {
        let text = format!(
            "title: x\nid: 3f0a2d1e-5a35-4ad9-9d6c-5d2a6f2f7a01\nlevel: low\nauthor: a\ntags: [attack.t1078]\n\
             logsource: {{product: aws, service: cloudtrail}}\ndetection:\n  s:\n{lines}  condition: s\ndescription: d\n"
        );
        load("r.yml", &text).diagnostics.iter().map(|one| one.code).collect()
    }

    #[test]
    fn a_comment_speaks_of_its_line_or_the_next() {
        for (lines, codes) in [
            ("    status: x\n", vec!["dead-field"]),
            ("    status: x # lint: allow(dead-field): ours\n", vec![]),
            ("    status: x #lint:allow(dead-field): ours\n", vec![]),
            ("    # lint: allow(dead-field): ours\n    status: x\n", vec![]),
            ("    # lint: allow(dead-field): ours\r\n    status: x\r\n", vec![]),
            ("    # lint: allow(dead-field): ours\n\n    # it is added\n    status: x\n", vec![]),
            (
                "    errorCode: x # lint: allow(dead-field): ours\n    status: x\n",
                vec!["unused-allow", "dead-field"],
            ),
            (
                "    # lint: allow(dead-field): one\n    status: x\n    region: y\n",
                vec!["dead-field"],
            ),
            (
                "    status: [' x', y, y] # lint: allow(dead-field, padded-value,duplicate-value): ours\n",
                vec![],
            ),
        ] {
            assert_eq!(said(lines), codes, "{lines}");
        }
    }

    #[test]
    fn texts_are_no_comments() {
        for lines in [
            "    errorCode: 'x # lint: allow(dead-field)'\n",
            "    errorCode: x#lint:nothing\n",
            "    errorCode: |-\n      x\n      # lint: allow(dead-field)\n",
            "    errorCode: >-\n      x\n\n      y # lint: nothing\n",
            "    errorCode: \"x\n      # lint: nothing\"\n",
        ] {
            assert_eq!(said(lines), Vec::<&str>::new(), "{lines}");
        }
        let after =
            "    errorCode: |-\n      x\n    # lint: allow(dead-field): ours\n    status: x\n";
        assert_eq!(said(after), Vec::<&str>::new());
    }

    #[test]
    fn a_template_is_allowed_for_all_its_rules() {
        let rule = |title: &str, id: u8| {
            format!("---\ntitle: {title}\nid: 3f0a2d1e-5a35-4ad9-9d6c-5d2a6f2f7a0{id}\n")
        };
        let text = format!(
            "action: global\nlevel: low\nauthor: a\ndescription: d\ntags: [attack.t1078]\nlogsource: {{product: aws}}\n\
             detection:\n  # lint: allow(dead-field): ours\n  s: {{status: x}}\n  condition: s\n{}{}",
            rule("one", 1),
            rule("two", 2)
        );
        let loaded = load("r.yml", &text);
        assert_eq!(loaded.rules.len(), 2);
        assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    }
}
