//! YAML with positions: the events of `saphyr-parser` as a tree whose every node knows its line and column.
//!
//! A rule file comes from someone else, so reading one is bounded: its bytes, its nesting, and the work of following
//! aliases. A duplicate key is refused with both lines, because the last one winning would silently drop a
//! predicate. A document that can't be read costs itself: reading goes on at the next `---`.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use crate::diagnostic::{Reporter, code, quoted};

/// A longer file is not read.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A file of more nodes is not read on. A node counts once more per [`NODE_TEXT_BYTES`] of text, so that aliases of
/// long scalars are bounded too.
pub(crate) const NODES_MAX: usize = 200_000;

/// See [`NODES_MAX`].
const NODE_TEXT_BYTES: usize = 32;

/// A document nested deeper is not read.
const DEPTH_MAX: usize = 64;

/// A place in a file: line and column in characters, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A value of a YAML document and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub mark: Mark,
    /// Just past the node; for a collection its start again.
    pub end: Mark,
    /// What it holds.
    pub data: Data,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug)]
pub enum Data {
    /// One value.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys are scalars, each once.
    Mapping(Vec<(Node, Node)>),
}

/// A scalar as written, after YAML's own unquoting.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// Written without quotes, so that `true`, `null` and numbers mean what they look like.
    pub plain: bool,
}

/// What a scalar means under YAML 1.2's core schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer or a float.
    Number,
    /// Text.
    Text,
}

impl Node {
    /// The scalar, if the node is one.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.data {
            Data::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The scalar's text; empty for a collection. Meant for keys, which are always scalars.
    #[must_use]
    pub fn text(&self) -> &str {
        self.scalar().map_or("", |scalar| &scalar.text)
    }

    /// Whether the node is a plain null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.meaning() == Meaning::Null)
    }

    /// The value of a key, if the node is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.data {
            Data::Mapping(entries) => {
                entries.iter().find(|(name, _)| name.text() == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// How many nodes it is, itself included, by the measure of [`NODES_MAX`].
    pub(crate) fn count(&self) -> usize {
        match &self.data {
            Data::Scalar(scalar) => 1 + scalar.text.len() / NODE_TEXT_BYTES,
            Data::Sequence(nodes) => 1 + nodes.iter().map(Self::count).sum::<usize>(),
            Data::Mapping(entries) => {
                1 + entries.iter().map(|(key, value)| key.count() + value.count()).sum::<usize>()
            }
        }
    }

    /// What stands there, for messages: the scalar's text, or what kind of node it is.
    #[must_use]
    pub fn what(&self) -> String {
        match self.scalar() {
            Some(_) if self.is_null() => "empty".to_owned(),
            Some(scalar) => quoted(&scalar.text),
            None => self.kind().to_owned(),
        }
    }

    /// "a list", "a mapping" or "a scalar", for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.data {
            Data::Scalar(_) => "a scalar",
            Data::Sequence(_) => "a list",
            Data::Mapping(_) => "a mapping",
        }
    }
}

impl Scalar {
    /// What the scalar means; quoted ones are always text.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        if !self.plain {
            return Meaning::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
            "true" | "True" | "TRUE" => Meaning::Bool(true),
            "false" | "False" | "FALSE" => Meaning::Bool(false),
            text if is_core_number(text) => Meaning::Number,
            _ => Meaning::Text,
        }
    }
}

/// Reads every document of a file; what can't be read is reported and left out.
pub fn read(text: &str, reporter: &mut Reporter<'_>) -> Vec<Node> {
    let start = Mark { line: 1, column: 1 };
    if text.len() > FILE_BYTES_MAX {
        reporter.error(
            start,
            code::TOO_LARGE,
            format!("the file has {} bytes, more than {FILE_BYTES_MAX}", text.len()),
            "split it into files of fewer rules",
        );
        return Vec::new();
    }
    let mut documents = Vec::new();
    let mut nodes_left = NODES_MAX;
    let mut rest = text;
    let mut lines_before = 0;
    loop {
        let mut reader = Reader {
            parser: Parser::new_from_str(rest),
            reporter,
            lines_before,
            nodes_left,
            anchors: BTreeMap::new(),
        };
        let Err(stop) = reader.documents(&mut documents) else { return documents };
        nodes_left = reader.nodes_left;
        let Some(stopped_at) = stop else { return documents };
        // Begin again at the first document after the line that could not be read; or on that line, if it is the
        // document's mark itself that came where the one before should have gone on.
        let line = stopped_at.line.saturating_sub(lines_before);
        let lines_read = if stopped_at.column <= 3 { line.saturating_sub(1) } else { line }.max(1);
        let Some((skipped, tail)) = next_document(rest, lines_read) else { return documents };
        lines_before += skipped;
        rest = tail;
    }
}

/// The text from the first line after the first `lines_read` that begins a document, and how many lines precede it.
fn next_document(text: &str, lines_read: u32) -> Option<(u32, &str)> {
    let mut at = 0;
    for (nth, line) in (0_u32..).zip(text.split_inclusive('\n')) {
        let begins = line.strip_prefix("---").is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_whitespace())
        });
        if nth >= lines_read && begins {
            return Some((nth, &text[at..]));
        }
        at += line.len();
    }
    None
}

/// Why reading stopped: at a place after which it may begin again, or for good.
type Stop = Option<Mark>;

/// A node kept for its aliases: its cost in the budget and its height.
struct Anchored {
    node: Node,
    cost: usize,
    height: usize,
}

struct Reader<'r, 't, 'p> {
    parser: Parser<'t, StrInput<'t>>,
    reporter: &'r mut Reporter<'p>,
    lines_before: u32,
    nodes_left: usize,
    anchors: BTreeMap<usize, Anchored>,
}

impl<'t> Reader<'_, 't, '_> {
    fn documents(&mut self, documents: &mut Vec<Node>) -> Result<(), Stop> {
        loop {
            let (event, _) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(_) => {
                    self.anchors.clear();
                    let errors = self.reporter.errors();
                    let (event, span) = self.next()?;
                    let (node, _) = self.node(event, span, 1)?;
                    if self.reporter.errors() == errors && !node.is_null() {
                        documents.push(node);
                    }
                }
                _ => {}
            }
        }
    }

    /// The node that begins with `event`, and its height.
    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<(Node, usize), Stop> {
        let mark = self.mark(span.start);
        if depth > DEPTH_MAX {
            self.reporter.error(
                mark,
                code::TOO_LARGE,
                format!("nested more than {DEPTH_MAX} deep"),
                "write the rule with less nesting",
            );
            return Err(Some(mark));
        }
        let budget_before = self.nodes_left;
        let (node, height, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(1 + text.len() / NODE_TEXT_BYTES, mark)?;
                if !is_known_tag(tag.as_deref()) {
                    // What the tag does to the value is for whoever defined it to say.
                    self.reporter.error(
                        mark,
                        code::YAML_SYNTAX,
                        "a value begins with a YAML tag that means nothing here",
                        "quote the value if it begins with `!`, or remove the tag",
                    );
                }
                let plain = style == ScalarStyle::Plain && !is_text_tag(tag.as_deref());
                let data = Data::Scalar(Scalar { text: text.into_owned(), plain });
                (Node { mark, end: self.mark(span.end), data }, 1, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.spend(1, mark)?;
                let (data, height) = self.sequence(depth)?;
                (Node { mark, end: mark, data }, height, anchor)
            }
            Event::MappingStart(anchor, _) => {
                self.spend(1, mark)?;
                let (data, height) = self.mapping(depth)?;
                (Node { mark, end: mark, data }, height, anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, mark, depth),
            _ => {
                self.reporter.error(
                    mark,
                    code::YAML_SYNTAX,
                    "a value is missing here",
                    "write a value or remove the key",
                );
                return Err(Some(mark));
            }
        };
        if anchor > 0 {
            let cost = budget_before - self.nodes_left;
            self.anchors.insert(anchor, Anchored { node: node.clone(), cost, height });
        }
        Ok((node, height))
    }

    fn sequence(&mut self, depth: usize) -> Result<(Data, usize), Stop> {
        let mut elements = Vec::new();
        let mut height = 0;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Data::Sequence(elements), height + 1));
            }
            let (element, element_height) = self.node(event, span, depth + 1)?;
            height = height.max(element_height);
            elements.push(element);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<(Data, usize), Stop> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        // Looking through the entries for each key would be quadratic in a hostile file.
        let mut seen: BTreeMap<String, Mark> = BTreeMap::new();
        let mut height = 0;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok((Data::Mapping(entries), height + 1));
            }
            let (key, _) = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let (value, value_height) = self.node(event, span, depth + 1)?;
            height = height.max(value_height);
            let Some(scalar) = key.scalar() else {
                self.reporter.error(
                    key.mark,
                    code::WRONG_TYPE,
                    format!("{} stands as a key", key.kind()),
                    "write a plain word as key",
                );
                continue;
            };
            if scalar.plain && scalar.text == "<<" {
                self.reporter.error(
                    key.mark,
                    code::YAML_ALIAS,
                    "merge keys are not part of YAML 1.2",
                    "write the merged entries out",
                );
                continue;
            }
            if let Some(first) = seen.insert(scalar.text.clone(), key.mark) {
                self.reporter.error(
                    key.mark,
                    code::DUPLICATE_KEY,
                    format!(
                        "the key {} stands on line {} and again on line {}",
                        quoted(&scalar.text),
                        first.line,
                        key.mark.line
                    ),
                    "remove one of them; several values of a field are a list under one key",
                );
                continue;
            }
            entries.push((key, value));
        }
    }

    fn alias(&mut self, anchor: usize, mark: Mark, depth: usize) -> Result<(Node, usize), Stop> {
        let Some(Anchored { node, cost, height }) = self.anchors.get(&anchor) else {
            self.reporter.error(
                mark,
                code::YAML_ALIAS,
                "an alias to a value that is not complete yet",
                "write the value out",
            );
            return Err(Some(mark));
        };
        let (cost, height) = (*cost, *height);
        if depth + height > DEPTH_MAX + 1 {
            self.reporter.error(
                mark,
                code::TOO_LARGE,
                format!("aliases nest values more than {DEPTH_MAX} deep"),
                "write the values out with less nesting",
            );
            return Err(Some(mark));
        }
        let cost_is_met = self.nodes_left >= cost;
        let node = if cost_is_met { Some(node.clone()) } else { None };
        self.spend(cost, mark)?;
        match node {
            Some(node) => Ok((node, height)),
            None => Err(None),
        }
    }

    /// Takes nodes from the file's budget; an empty budget ends the file.
    fn spend(&mut self, nodes: usize, mark: Mark) -> Result<(), Stop> {
        match self.nodes_left.checked_sub(nodes) {
            Some(left) => {
                self.nodes_left = left;
                Ok(())
            }
            None => {
                self.reporter.error(
                    mark,
                    code::TOO_LARGE,
                    format!("the file holds more than {NODES_MAX} YAML nodes, aliases followed"),
                    "split it into smaller files, and write aliases out",
                );
                Err(None)
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Some(self.syntax_error(&error))),
            None => Err(None),
        }
    }

    fn syntax_error(&mut self, error: &ScanError) -> Mark {
        let mark = self.mark(*error.marker());
        self.reporter.error(
            mark,
            code::YAML_SYNTAX,
            error.info().to_owned(),
            "check indentation (spaces, no tabs), quotes and brackets here and above; quote a value that begins with one of * & ! % @ ` { [",
        );
        mark
    }

    fn mark(&self, marker: saphyr_parser::Marker) -> Mark {
        let line = u32::try_from(marker.line()).unwrap_or(u32::MAX);
        let column = u32::try_from(marker.col()).unwrap_or(u32::MAX - 1);
        Mark { line: line.saturating_add(self.lines_before), column: column + 1 }
    }
}

/// Whether a scalar has no tag, or one of YAML's own.
fn is_known_tag(tag: Option<&Tag>) -> bool {
    tag.is_none_or(|tag| tag.is_yaml_core_schema()) || is_text_tag(tag)
}

/// Whether a tag says that a scalar is text whatever it looks like.
fn is_text_tag(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| {
        (tag.is_yaml_core_schema() && tag.suffix == "str")
            || (tag.handle == "!" && tag.suffix.is_empty())
            || (tag.handle.is_empty() && tag.suffix == "!")
    })
}

/// Whether a plain scalar is an int or a float of the core schema.
fn is_core_number(text: &str) -> bool {
    let is_radix = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix)
            .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)))
    };
    if is_radix("0x", 16) || is_radix("0o", 8) {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_is_good = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let mantissa_is_good = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    mantissa_is_good && exponent_is_good
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    fn read_all(text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
        let mut reporter = Reporter::new("test.yml", text);
        let documents = read(text, &mut reporter);
        (documents, reporter.into_diagnostics())
    }

    #[test]
    fn nodes_know_their_places() {
        let (documents, diagnostics) =
            read_all("a: 1\r\nb:\r\n  - é: 'x'\n    c: {d: e}\n---\nf: g\n");
        assert_eq!(diagnostics, []);
        let place = |node: &Node| (node.mark.line, node.mark.column);
        let Data::Sequence(list) = &documents[0].get("b").unwrap().data else { panic!() };
        assert_eq!(place(list[0].get("é").unwrap()), (3, 8));
        assert_eq!(place(list[0].get("c").unwrap().get("d").unwrap()), (4, 12));
        assert_eq!(place(documents[1].get("f").unwrap()), (6, 4));
    }

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        for (text, meaning) in [
            ("~", Meaning::Null),
            ("null", Meaning::Null),
            ("'null'", Meaning::Text),
            ("TRUE", Meaning::Bool(true)),
            ("yes", Meaning::Text),
            ("no", Meaning::Text),
            ("0x1F", Meaning::Number),
            ("-1.5e3", Meaning::Number),
            (".inf", Meaning::Number),
            ("1e", Meaning::Text),
            ("1_000", Meaning::Text),
            ("2026-01-02", Meaning::Text),
            ("10.0.0.0", Meaning::Text),
            ("\"22\"", Meaning::Text),
            ("!!str 22", Meaning::Text),
            ("! 22", Meaning::Text),
            ("22", Meaning::Number),
        ] {
            let (documents, _) = read_all(&format!("a: {text}\n"));
            let meant = documents[0].get("a").unwrap().scalar().unwrap().meaning();
            assert_eq!(meant, meaning, "{text}");
        }
    }

    #[test]
    fn aliases_are_followed_within_a_document() {
        let (documents, diagnostics) = read_all("a: &x [1, 2]\nb: *x\n---\nc: *x\n---\nd: 1\n");
        assert_eq!(documents.len(), 2, "{diagnostics:?}");
        let Data::Sequence(list) = &documents[0].get("b").unwrap().data else { panic!() };
        assert_eq!(list[1].text(), "2");
        assert!(documents[1].get("d").is_some());
        assert_eq!(diagnostics.len(), 1);
        assert_eq!((diagnostics[0].line, diagnostics[0].column), (4, 4));
    }

    #[test]
    fn a_duplicate_key_costs_its_document_only() {
        let (documents, diagnostics) = read_all("a: 1\na: 2\n---\nb: 1\n");
        assert_eq!(documents.len(), 1);
        assert!(diagnostics[0].message.contains("line 1 and again on line 2"));
    }
}
