//! Field names: dotted paths, positions in arrays, and the array scopes that a path may open on its way.
//!
//! Sigma 2 knows dots only. The selectors in brackets belong to the next version (sigma-specification #212), and a rule
//! has to ask for it: other engines would read the brackets as a part of the key.

use crate::diagnostic::{Reporter, code, quoted};
use crate::modifier::nearest;
use crate::yaml::Node;

/// From this version of Sigma on, brackets are selectors.
pub(crate) const SCOPES_SINCE: u32 = 3;

/// A path opens no more scopes.
const SCOPES_MAX: usize = 8;

/// A path has no more keys, and is no longer: records end at 128 levels, and every key costs a level of recursion.
const KEYS_MAX: usize = 128;
const PATH_BYTES_MAX: usize = 2_048;

/// A path from the record, or from an element of an array; an empty one is the element itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    pub(crate) parts: Box<[Part]>,
}

/// A stretch of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Keys joined by dots; how they are cut is up to the record, where a key may hold dots itself.
    Keys(Box<str>),
    /// One element of an array, counted from its end if negative.
    Index(i64),
}

/// Which elements of an array must satisfy a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quantifier {
    Any,
    All,
    AllOrEmpty,
    None,
    /// No quantifier: the body speaks of the very value at the path.
    Itself,
}

impl Quantifier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::All => "all",
            Self::AllOrEmpty => "all_or_empty",
            Self::None => "none",
            Self::Itself => "itself",
        }
    }
}

/// A field name taken apart: the scopes it opens, outermost first, and the path inside the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) scopes: Vec<(Path, Quantifier)>,
    pub(crate) path: Path,
}

impl Path {
    /// A path of keys alone.
    pub(crate) fn of_keys(keys: &str) -> Self {
        Self { parts: Box::new([Part::Keys(keys.into())]) }
    }

    /// The dotted keys, if the path has no positions.
    pub(crate) fn keys(&self) -> Option<&str> {
        match &*self.parts {
            [Part::Keys(keys)] => Some(keys),
            _ => None,
        }
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.parts.is_empty() {
            return f.write_str(".");
        }
        for (nth, part) in self.parts.iter().enumerate() {
            match part {
                Part::Keys(keys) if nth == 0 => f.write_str(keys)?,
                Part::Keys(keys) => write!(f, ".{keys}")?,
                Part::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Reads a field name, which stands in `node`, in a rule of this major version of Sigma.
pub(crate) fn read(
    node: &Node,
    name: &str,
    version: u32,
    reporter: &mut Reporter<'_>,
) -> Option<Name> {
    if name.len() > PATH_BYTES_MAX || name.matches('.').count() >= KEYS_MAX {
        let message = format!("a path of more than {KEYS_MAX} keys or {PATH_BYTES_MAX} bytes");
        reporter.error(node.mark, code::TOO_LARGE, message, "name the field by a shorter path");
        return None;
    }
    let mut reading = Reading { scopes: Vec::new(), parts: Vec::new(), keys: String::new() };
    if version >= SCOPES_SINCE && name == "." {
        return Some(Name { scopes: Vec::new(), path: reading.path() });
    }
    let mut offset = 0;
    for segment in name.split('.') {
        let read =
            if version < SCOPES_SINCE { unselected(segment) } else { reading.segment(segment) };
        if let Err(Complaint { word, message, help }) = read {
            // An empty segment has no place of its own; the dot beside it has.
            let (at, word) = match word {
                "" => (offset.min(name.len().saturating_sub(1)), "."),
                word => (offset + (word.as_ptr().addr() - segment.as_ptr().addr()), word),
            };
            let mark = reporter.mark_within(node, node.text(), at, word);
            reporter.error(mark, code::BAD_SCOPE, message, help);
            return None;
        }
        offset += segment.len() + 1;
    }
    if version < SCOPES_SINCE {
        return Some(Name { scopes: Vec::new(), path: Path::of_keys(&unescaped(name)) });
    }
    if reading.scopes.len() > SCOPES_MAX {
        let message = format!("the path opens more than {SCOPES_MAX} array scopes");
        reporter.error(node.mark, code::TOO_LARGE, message, "name the elements with fewer scopes");
        return None;
    }
    let path = reading.path();
    Some(Name { scopes: reading.scopes, path })
}

struct Reading {
    scopes: Vec<(Path, Quantifier)>,
    parts: Vec<Part>,
    keys: String,
}

/// What is wrong with which part of a segment, and what to write instead.
struct Complaint<'s> {
    word: &'s str,
    message: String,
    help: String,
}

impl Reading {
    fn segment<'s>(&mut self, segment: &'s str) -> Result<(), Complaint<'s>> {
        let (key, selectors) = segment.split_at(open_bracket(segment).unwrap_or(segment.len()));
        let is_first = self.keys.is_empty() && self.parts.is_empty() && self.scopes.is_empty();
        if key.is_empty() && (selectors.is_empty() || is_first) {
            return Err(Complaint {
                word: segment,
                message: format!("{} names no key", quoted(segment)),
                help: match selectors {
                    "" => "write a key between the dots".to_owned(),
                    selectors => format!("name the array before {}", quoted(selectors)),
                },
            });
        }
        let selectors = selectors_of(selectors).map_err(|word| Complaint {
            word,
            message: format!("{} is no selector", quoted(word)),
            help: remedy(word),
        })?;
        if !key.is_empty() {
            self.push_key(&unescaped(key));
        }
        for selector in selectors {
            match selector {
                Selector::Index(index) => {
                    self.end_keys();
                    self.parts.push(Part::Index(index));
                }
                Selector::Quantifier(quantifier) => {
                    let path = self.path();
                    self.scopes.push((path, quantifier));
                }
            }
        }
        Ok(())
    }

    fn push_key(&mut self, key: &str) {
        if !self.keys.is_empty() {
            self.keys.push('.');
        }
        self.keys.push_str(key);
    }

    fn end_keys(&mut self) {
        if !self.keys.is_empty() {
            self.parts.push(Part::Keys(std::mem::take(&mut self.keys).into()));
        }
    }

    /// The path so far; the next one begins anew.
    fn path(&mut self) -> Path {
        self.end_keys();
        Path { parts: std::mem::take(&mut self.parts).into() }
    }
}

/// What to write instead of a selector that is none.
fn remedy(word: &str) -> String {
    const WORDS: &[&str] = &["any", "all", "all_or_empty", "none"];
    let inner = word.trim_start_matches('[').split(']').next().unwrap_or_default();
    match nearest(inner, WORDS) {
        Some(near) if word.starts_with('[') => format!("write `[{near}]`"),
        None if !word.starts_with('[') => format!("write a dot before {}", quoted(word)),
        _ => r"write `[any]`, `[all]`, `[all_or_empty]`, `[none]` or a number; `\[` and `\]` for brackets of the key"
            .to_owned(),
    }
}

/// Refuses what would be a selector in a later version of Sigma, and a key that is empty.
fn unselected(segment: &str) -> Result<(), Complaint<'_>> {
    if segment.is_empty() {
        return Err(Complaint {
            word: segment,
            message: "`` names no key".to_owned(),
            help: "write a key between the dots".to_owned(),
        });
    }
    let selectors = open_bracket(segment).map(|at| &segment[at..]);
    match selectors {
        Some(word) if selectors_of(word).is_ok() => Err(Complaint {
            word,
            message: format!(
                "{} selects elements of an array, which Sigma 2 does not know",
                quoted(segment)
            ),
            help: format!(
                r"write `sigma-version: {SCOPES_SINCE}` at the top of the rule, or `\[` and `\]` if the key holds brackets"
            ),
        }),
        _ => Ok(()),
    }
}

enum Selector {
    Quantifier(Quantifier),
    Index(i64),
}

/// Reads `[any][0]` and the like; what can't be read is returned.
fn selectors_of(text: &str) -> Result<Vec<Selector>, &str> {
    let mut selectors = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) =
            rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or(rest)?;
        selectors.push(match word {
            "any" => Selector::Quantifier(Quantifier::Any),
            "all" => Selector::Quantifier(Quantifier::All),
            "all_or_empty" => Selector::Quantifier(Quantifier::AllOrEmpty),
            "none" => Selector::Quantifier(Quantifier::None),
            number => Selector::Index(number.parse().map_err(|_| rest)?),
        });
        rest = after;
    }
    Ok(selectors)
}

/// Where the first bracket without a backslash before it stands.
fn open_bracket(segment: &str) -> Option<usize> {
    let bytes = segment.as_bytes();
    (0..bytes.len()).find(|&at| bytes[at] == b'[' && (at == 0 || bytes[at - 1] != b'\\'))
}

fn unescaped(key: &str) -> String {
    key.replace("\\[", "[").replace("\\]", "]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str, version: u32) -> Result<Name, String> {
        let mut reporter = Reporter::new("test.yml", text);
        let node = crate::yaml::Node {
            mark: crate::yaml::Mark { line: 1, column: 1 },
            end: crate::yaml::Mark { line: 1, column: 1 },
            data: crate::yaml::Data::Scalar(crate::yaml::Scalar {
                text: text.to_owned(),
                plain: true,
            }),
        };
        let read = read(&node, text, version, &mut reporter);
        read.ok_or_else(|| reporter.into_diagnostics().remove(0).message)
    }

    #[test]
    fn names_are_taken_apart() {
        let shown = |text: &str| {
            let Name { scopes, path } = name(text, 3).unwrap();
            let scopes: String = scopes
                .iter()
                .map(|(path, quantifier)| format!("{path}[{}] ", quantifier.name()))
                .collect();
            format!("{scopes}{path}")
        };
        for (text, expected) in [
            ("a.b-c.d", "a.b-c.d"),
            ("a[any]", "a[any] ."),
            ("a.b[none].c.d", "a.b[none] c.d"),
            ("a[any].b[all]", "a[any] b[all] ."),
            ("a[0].b", "a[0].b"),
            ("a[-1]", "a[-1]"),
            ("a[1][any].b", "a[1][any] b"),
            ("a[any][0]", "a[any] [0]"),
            (r"a\[any\].b", "a[any].b"),
            (".", "."),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn selectors_want_their_version_and_their_words() {
        assert!(name("a[any]", 2).unwrap_err().contains("Sigma 2"));
        assert!(name("a[0]", 2).is_err());
        assert_eq!(
            name("a[some text]", 2),
            Ok(Name { scopes: Vec::new(), path: Path::of_keys("a[some text]") })
        );
        for text in ["a[some]", "a[any", "a[]", "[any]", "a[any]x"] {
            assert!(name(text, 3).is_err(), "{text}");
        }
        for text in ["", ".a", "a.", "a..b", "..", &"a.".repeat(200), &"a".repeat(5_000)] {
            assert!(name(text, 3).is_err() && name(text, 2).is_err(), "{text}");
        }
        assert!(name(".", 2).is_err());
    }
}
