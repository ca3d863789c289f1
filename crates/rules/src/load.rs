//! From the text of a file to rules: each document is checked whole, and what can't be run is refused with its place.

use std::cell::Cell;

use trailloop_finding::{Analytic, Level, Rendered};
use uuid::Uuid;

use crate::collection;
use crate::condition::VALUES_MAX;
use crate::detection::{self, Context};
use crate::diagnostic::{Diagnostic, Reporter, Severity, code, quoted};
use crate::digest;
use crate::filter::{self, Filter};
use crate::lint;
use crate::lists::{EXPANDED_BYTES_MAX, Lists};
use crate::modifier::nearest;
use crate::ours::{self, Ours};
use crate::path::SCOPES_SINCE;
use crate::rule::Rule;
use crate::test::Expr;
use crate::values::REGEXES_BYTES_MAX;
use crate::yaml::{self, Data, Mark, Node};

/// What a file gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rules without errors, in the order of the file.
    pub rules: Vec<Rule>,
    /// The filters without errors, in the order of the file.
    pub filters: Vec<Filter>,
    /// Every problem found, in the order of its place.
    pub diagnostics: Vec<Diagnostic>,
    /// How many rules and filters were rejected; at least one if there is an error.
    pub rejected: usize,
}

impl Loaded {
    /// Takes in what another file gave.
    pub fn extend(&mut self, other: Self) {
        self.rules.extend(other.rules);
        self.filters.extend(other.filters);
        self.diagnostics.extend(other.diagnostics);
        self.rejected += other.rejected;
    }
}

/// A rule makes no more tests one by one. Lists of eight values and more of one kind are one test.
const TESTS_MAX: usize = 500;

/// The version of Sigma that a document without `sigma-version` is written for.
const VERSION_ASSUMED: u32 = 2;

/// Keys that Sigma defines at the top of a rule or filter, and our own.
const KNOWN_KEYS: &[&str] = &[
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "sigma-version",
    "filter",
    "trailloop",
];

/// The text of a file of rules or of a list. Bytes that are not UTF-8 are refused: replaced, they would make a value that
/// nothing has.
///
/// # Errors
///
/// If the bytes are not UTF-8, with the place of the first that is not.
pub fn text_of_file<'b>(path: &str, bytes: &'b [u8]) -> Result<&'b str, Diagnostic> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let place = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        Diagnostic {
            path: path.to_owned(),
            line: place(before.matches('\n').count()),
            column: place(before[line_start..].chars().count()),
            severity: Severity::Error,
            code: code::BAD_ENCODING,
            message: format!("byte {} of the file is not UTF-8", error.valid_up_to()),
            help: "save the file as UTF-8".to_owned(),
        }
    })
}

/// Reads one file of rules that name no lists. `path` is used in diagnostics only; the text may hold several documents.
#[must_use]
pub fn load(path: &str, text: &str) -> Loaded {
    load_with(path, text, &Lists::new())
}

/// Reads one file; `expand` finds its values in `lists`.
#[must_use]
pub fn load_with(path: &str, text: &str, lists: &Lists) -> Loaded {
    // A byte order mark is no content; the columns of the first line are counted after it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reporter = Reporter::new(path, text);
    let documents = yaml::read(text, &mut reporter);
    if documents.is_empty() && reporter.errors() == 0 {
        reporter.error(
            Mark { line: 1, column: 1 },
            code::EMPTY_FILE,
            "the file holds no rule",
            "write a Sigma rule, or remove the file",
        );
    }
    let mut allows = lint::allows(&documents, &mut reporter);
    let mut loaded = Loaded::default();
    let regex_bytes_left = Cell::new(REGEXES_BYTES_MAX);
    let expanded_bytes_left = Cell::new(EXPANDED_BYTES_MAX);
    for document in collection::resolve(documents, &mut reporter) {
        let context = Context {
            version: VERSION_ASSUMED,
            regex_bytes_left: &regex_bytes_left,
            values_left: &Cell::new(VALUES_MAX),
            expanded_bytes_left: &expanded_bytes_left,
            lists,
            in_scope: false,
        };
        match read(&document, context, &mut reporter) {
            Some(Read::Rule(mut rule)) => {
                rule.twin_is_meant = allows.twin(rule.line);
                loaded.rules.push(*rule);
            }
            Some(Read::Filter(filter)) => loaded.filters.push(filter),
            None => loaded.rejected += 1,
        }
    }
    allows.apply(&mut reporter);
    // A document that is not YAML did not even become one.
    loaded.rejected = loaded.rejected.max(usize::from(reporter.errors() > 0));
    loaded.diagnostics = reporter.into_diagnostics();
    loaded
}

/// What a document turned out to be.
enum Read {
    Rule(Box<Rule>),
    Filter(Filter),
}

/// The UUIDv5 that stands for a missing id: in the URL namespace, of `urn:trailloop:rule:` and the title.
fn id_of_title(title: &str) -> String {
    let name = format!("urn:trailloop:rule:{title}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

fn read(document: &Node, context: Context<'_>, reporter: &mut Reporter<'_>) -> Option<Read> {
    let entries = reporter.mapping(
        document,
        format!("a rule is {}", document.kind()),
        "write a mapping with `title`, `logsource` and `detection`",
    )?;
    if let Some((key, _)) = entries.iter().find(|(key, _)| key.text() == "correlation") {
        let help = "remove it, or write a rule over single events";
        reporter.error(
            key.mark,
            code::UNSUPPORTED,
            "correlation rules are not supported yet",
            help,
        );
        return None;
    }
    let errors = reporter.errors();
    unknown_keys(entries, reporter);
    let version = version(document, reporter).unwrap_or(SCOPES_SINCE);
    let context = Context { version, ..context };
    let title = title(document, reporter);
    let read = match document.get("filter") {
        Some(section) if document.get("detection").is_some() => {
            let message = "the document has both a `detection` and a `filter`";
            let help = "write them as two documents, with `---` between them";
            reporter.error(section.mark, code::WRONG_TYPE, message, help);
            None
        }
        Some(section) => {
            logsource(document, reporter);
            let title = title.unwrap_or_default();
            filter::read(title, document, section, context, reporter).map(Read::Filter)
        }
        None => rule(document, title, context, reporter).map(|rule| Read::Rule(Box::new(rule))),
    };
    if reporter.errors() > errors { None } else { read }
}

fn rule(
    document: &Node,
    title: Option<String>,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Rule> {
    let (uid, id_mark) = id(document, title.as_deref(), reporter);
    let level = level(document, reporter);
    logsource(document, reporter);
    let detection = match document.get("detection") {
        Some(detection) => detection::read(detection, context, reporter)
            .and_then(|expr| bounded(expr, detection, reporter)),
        None => {
            reporter.error(
                document.mark,
                code::MISSING_DETECTION,
                "the rule has no `detection`",
                "write what it looks for under `detection:`",
            );
            None
        }
    };
    let Ours { level_reason, pack, queries, runbook, tests } = ours::read(document, reporter);
    lint::about(document, pack.as_deref(), reporter);
    let analytic = Analytic {
        uid,
        name: title.unwrap_or_default(),
        level,
        description: text_of(document, "description", reporter),
        author: text_of(document, "author", reporter),
        tags: texts_of(document, "tags", reporter),
        references: texts_of(document, "references", reporter),
        falsepositives: texts_of(document, "falsepositives", reporter),
        status: text_of(document, "status", reporter),
        license: text_of(document, "license", reporter),
        runbook,
        hash: digest::of_document(document, context.lists),
        rendered: Rendered::default(),
    };
    let name = text_of(document, "name", reporter);
    let path = reporter.path().to_owned();
    let line = document.mark.line;
    let exceptions = Vec::new();
    let detection = detection?;
    Some(Rule {
        analytic,
        name,
        level_reason,
        pack,
        queries,
        path,
        line,
        tests,
        detection,
        exceptions,
        id_mark,
        twin_is_meant: false,
    })
}

/// Refuses a detection that makes too many tests one by one: each is made of every element of an array.
pub(crate) fn bounded(expr: Expr, detection: &Node, reporter: &mut Reporter<'_>) -> Option<Expr> {
    let tests = expr.tests();
    if tests <= TESTS_MAX {
        return Some(expr);
    }
    reporter.error(
        detection.mark,
        code::TOO_LARGE,
        format!("the detection makes {tests} tests one by one, more than {TESTS_MAX}"),
        "put values of one kind into one list, which counts once (whole texts, starts, ends, pieces, networks), or split the rule",
    );
    None
}

/// The major version of Sigma that the document says it is written for.
fn version(document: &Node, reporter: &mut Reporter<'_>) -> Option<u32> {
    let Some(node) = document.get("sigma-version").filter(|node| !node.is_null()) else {
        return Some(VERSION_ASSUMED);
    };
    let major = node.text().split('.').next().and_then(|major| major.parse::<u32>().ok());
    if let Some(major @ 1..=SCOPES_SINCE) = major {
        return Some(major);
    }
    reporter.error(
        node.mark,
        code::BAD_VERSION,
        format!("the version of Sigma is {}, which is not read here", node.what()),
        format!("write `sigma-version: {VERSION_ASSUMED}` or `sigma-version: {SCOPES_SINCE}`"),
    );
    None
}

fn unknown_keys(entries: &[(Node, Node)], reporter: &mut Reporter<'_>) {
    for (key, _) in entries {
        if KNOWN_KEYS.contains(&key.text()) || reporter.is_full(Severity::Warning) {
            continue;
        }
        reporter.warning(
            key.mark,
            code::UNKNOWN_KEY,
            format!("Sigma defines no key {}", quoted(key.text())),
            match (key.text(), nearest(key.text(), KNOWN_KEYS)) {
                ("condition", _) => "move it under `detection:`".to_owned(),
                ("rules", _) => "move it under `filter:`".to_owned(),
                (_, Some(near)) => format!("write `{near}` if that is meant"),
                (key, None) if nearest(key, &["action"]).is_some() => {
                    "write `action` if that is meant".to_owned()
                }
                _ => "remove it if nothing reads it".to_owned(),
            },
        );
    }
}

fn title(document: &Node, reporter: &mut Reporter<'_>) -> Option<String> {
    let errors = reporter.errors();
    let title = text_of(document, "title", reporter).filter(|title| !title.trim().is_empty());
    if title.is_none() && reporter.errors() == errors {
        reporter.error(
            document.get("title").map_or(document.mark, |node| node.mark),
            code::MISSING_TITLE,
            "the rule has no title",
            "write `title:` with a few words on what it finds",
        );
    }
    title
}

/// The rule's id in lower case, and where it stands.
fn id(document: &Node, title: Option<&str>, reporter: &mut Reporter<'_>) -> (String, Mark) {
    let generated = id_of_title(title.unwrap_or_default());
    // Every rule without a title would get the same one.
    let offer = match title {
        Some(_) => format!("`id: {generated}`"),
        None => "`id:` with a new UUID".to_owned(),
    };
    let Some(node) = document.get("id").filter(|node| !node.is_null()) else {
        reporter.warning(
            document.mark,
            code::MISSING_ID,
            "the rule has no id; one made of its title stands for it and changes with it",
            format!("write {offer}"),
        );
        return (generated, document.mark);
    };
    let text = node.text();
    // Other spellings of a UUID, such as braces, would make two ids of one.
    let parsed =
        Some(text).filter(|text| text.len() == 36).and_then(|text| Uuid::parse_str(text).ok());
    let Some(id) = parsed else {
        let message = match node.scalar() {
            Some(_) => format!("the id {} is not a UUID", quoted(text)),
            None => format!("the id is {}", node.kind()),
        };
        // Another spelling, such as braces, is rewritten.
        let help = match Uuid::parse_str(text) {
            Ok(id) => format!("write `id: {id}`"),
            Err(_) => format!("write {offer}, or another UUID"),
        };
        reporter.error(node.mark, code::BAD_ID, message, help);
        return (generated, node.mark);
    };
    (id.to_string(), node.mark)
}

fn level(document: &Node, reporter: &mut Reporter<'_>) -> Level {
    const NAMES: &[&str] = &["informational", "low", "medium", "high", "critical"];
    let Some(node) = document.get("level").filter(|node| !node.is_null()) else {
        reporter.warning(
            document.mark,
            code::MISSING_LEVEL,
            "the rule has no level and counts as medium",
            format!("write `level:` with one of {}", NAMES.join(", ")),
        );
        return Level::Medium;
    };
    if let Some(level) = Level::parse(node.text()) {
        return level;
    }
    let help = match nearest(node.text(), NAMES) {
        Some(near) => format!("write `{near}`"),
        None => format!("write one of {}", NAMES.join(", ")),
    };
    let message = format!("the level is {}", node.what());
    reporter.error(node.mark, code::BAD_LEVEL, message, help);
    Level::Medium
}

/// Refuses rules for other logs. A part that is left out is taken to be ours.
fn logsource(document: &Node, reporter: &mut Reporter<'_>) {
    let Some(node) = document.get("logsource").filter(|node| !node.is_null()) else {
        reporter.warning(
            document.mark,
            code::MISSING_LOGSOURCE,
            "it is not said which logs this is for",
            "write `logsource:` with `product: aws` and `service: cloudtrail`",
        );
        return;
    };
    let Some(entries) = reporter.mapping(
        node,
        format!("`logsource` is {}", node.what()),
        "write a mapping with `product: aws` and `service: cloudtrail`",
    ) else {
        return;
    };
    for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
        let ours = match key.text() {
            "product" => "aws",
            "service" => "cloudtrail",
            "category" => "",
            "definition" => continue,
            other => {
                let message = format!("Sigma defines no `logsource` key {}", quoted(other));
                let help = match nearest(other, &["product", "service", "category"]) {
                    Some(near) => format!("write `{near}` if that is meant"),
                    None => "remove it if nothing reads it".to_owned(),
                };
                reporter.warning(key.mark, code::UNKNOWN_KEY, message, help);
                continue;
            }
        };
        if !value.text().eq_ignore_ascii_case(ours) {
            let help = match nearest(value.text(), &[ours]).filter(|near| !near.is_empty()) {
                Some(near) => format!("write `{near}`"),
                None => "leave it out of this rule set, or write `product: aws` and `service: cloudtrail`"
                    .to_owned(),
            };
            reporter.error(
                value.mark,
                code::FOREIGN_LOGSOURCE,
                format!("this is for {} {}, not for CloudTrail", key.text(), value.what()),
                help,
            );
        }
    }
}

/// A text of the rule, if it is there.
fn text_of(document: &Node, key: &str, reporter: &mut Reporter<'_>) -> Option<String> {
    let node = document.get(key).filter(|node| !node.is_null())?;
    if let Some(scalar) = node.scalar() {
        return Some(scalar.text.trim_end().to_owned());
    }
    reporter.error(
        node.mark,
        code::WRONG_TYPE,
        format!("`{key}` is {}", node.kind()),
        "write a text",
    );
    None
}

/// A list of texts of the rule; a single text counts as a list of one.
pub(crate) fn texts_of(document: &Node, key: &str, reporter: &mut Reporter<'_>) -> Vec<String> {
    let Some(node) = document.get(key).filter(|node| !node.is_null()) else { return Vec::new() };
    let elements = match &node.data {
        Data::Sequence(elements) => elements.as_slice(),
        Data::Scalar(_) => {
            let message = format!("`{key}` is a scalar and counts as a list of one");
            reporter.warning(node.mark, code::WRONG_TYPE, message, "write a list");
            std::slice::from_ref(node)
        }
        Data::Mapping(_) => {
            let message = format!("`{key}` is a mapping");
            reporter.error(node.mark, code::WRONG_TYPE, message, "write a list of texts");
            return Vec::new();
        }
    };
    let mut texts = Vec::new();
    for element in elements {
        match element.scalar() {
            Some(scalar) => texts.push(scalar.text.trim_end().to_owned()),
            None => reporter.error(
                element.mark,
                code::WRONG_TYPE,
                format!("{} stands in `{key}`", element.kind()),
                "write texts",
            ),
        }
    }
    texts
}
