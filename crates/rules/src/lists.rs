//! Lists of values that rules name with `expand`: one value a line in a text file.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Severity, code, quoted};

/// A longer list is not read.
const LIST_BYTES_MAX: usize = 1024 * 1024;

/// One value of a rule stands for at most so many.
const EXPANDED_MAX: usize = 100_000;

/// What the values of one file stand for has no more bytes together.
pub(crate) const EXPANDED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The lists that are there, by name.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    by_name: BTreeMap<String, List>,
}

#[derive(Clone, Debug)]
struct List {
    path: String,
    values: Vec<String>,
}

impl Lists {
    /// No lists.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a list, which is named like its file without the ending. What is wrong with it is returned; then it is not
    /// there, and rules that name it are rejected.
    #[must_use]
    pub fn add(&mut self, path: &str, text: &str) -> Option<Diagnostic> {
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let name = file.strip_suffix(".txt").unwrap_or(file);
        let complaint = |message: String, help: &str| {
            Some(Diagnostic {
                path: path.to_owned(),
                line: 1,
                column: 1,
                severity: Severity::Error,
                code: code::BAD_LIST,
                message,
                help: help.to_owned(),
            })
        };
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            let message = format!("{} is no name for a list", quoted(name));
            return complaint(message, "name the file with letters, digits, `_` and `-`");
        }
        if text.len() > LIST_BYTES_MAX {
            let message = format!("the list has {} bytes, more than {LIST_BYTES_MAX}", text.len());
            return complaint(message, "split it into lists of fewer values");
        }
        if let Some(first) = self.by_name.get(name) {
            let message = format!("a list {} is there already, from {}", quoted(name), first.path);
            return complaint(message, "give one of them another name");
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let values = lines.filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        self.by_name.insert(name.to_owned(), List { path: path.to_owned(), values });
        None
    }

    /// Visits the values of each list that a text names with a placeholder.
    pub(crate) fn visit_named(&self, text: &str, visit: &mut dyn FnMut(&str)) {
        let mut rest = text;
        while let Some((_, name, after)) = placeholder(rest) {
            for value in self.by_name.get(name).into_iter().flat_map(|list| &list.values) {
                visit(value);
            }
            rest = after;
        }
    }

    /// The texts that a value stands for, its placeholders replaced by each value of their lists.
    pub(crate) fn expand(
        &self,
        text: &str,
        bytes_left: &Cell<usize>,
    ) -> Result<Vec<String>, Missing> {
        let mut expanded = vec![String::new()];
        let mut rest = text;
        while let Some((before, name, after)) = placeholder(rest) {
            let list = self.by_name.get(name).filter(|list| !list.values.is_empty());
            let Some(list) = list else {
                return Err(match self.by_name.get(name) {
                    Some(list) => Missing::Values { path: list.path.clone() },
                    None => Missing::List { name: name.to_owned() },
                });
            };
            let (starts, values) = (expanded.len(), list.values.len());
            let start_bytes: usize = expanded.iter().map(String::len).sum();
            let value_bytes: usize = list.values.iter().map(String::len).sum();
            let bytes = (start_bytes + starts * before.len()) * values + value_bytes * starts;
            let left = bytes_left.get().checked_sub(bytes);
            bytes_left.set(left.unwrap_or(0));
            if left.is_none() || starts * values > EXPANDED_MAX {
                return Err(Missing::Room);
            }
            expanded = expanded
                .iter()
                .flat_map(|start| {
                    list.values.iter().map(move |value| format!("{start}{before}{value}"))
                })
                .collect();
            rest = after;
        }
        let left = bytes_left.get().checked_sub(expanded.len() * rest.len());
        bytes_left.set(left.ok_or(Missing::Room)?);
        expanded.iter_mut().for_each(|text| text.push_str(rest));
        Ok(expanded)
    }
}

/// Why a placeholder stands for nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    List {
        name: String,
    },
    Values {
        path: String,
    },
    /// It would stand for more than [`EXPANDED_MAX`] values or [`EXPANDED_BYTES_MAX`].
    Room,
}

impl Missing {
    /// What is wrong and what to do.
    pub(crate) fn complaint(&self) -> (String, String) {
        match self {
            Self::List { name } => (
                format!("there is no list {}", quoted(name)),
                format!(
                    "put its values, one a line, into `lists/{name}.txt` in the folder of the rules"
                ),
            ),
            Self::Values { path } => (
                format!("the list in {} holds no value", quoted(path)),
                "put at least one value into it".to_owned(),
            ),
            Self::Room => (
                format!(
                    "the placeholders stand for more than {EXPANDED_MAX} values, or those of the file for more than {EXPANDED_BYTES_MAX} bytes"
                ),
                "use one placeholder a value, and name a long list once".to_owned(),
            ),
        }
    }
}

/// The first placeholder of a text: what precedes it, its name, and what follows.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + text[from..].find('%')?;
        let close = open + 1 + text[open + 1..].find('%')?;
        let name = &text[open + 1..close];
        if !name.is_empty() && name.bytes().all(is_name_byte) {
            return Some((&text[..open], name, &text[close + 1..]));
        }
        from = close;
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced() {
        let mut lists = Lists::new();
        assert_eq!(lists.add("rules/lists/ab.txt", "\u{feff}# two\na\r\n\n  b \n"), None);
        assert_eq!(lists.add("c.txt", "c"), None);
        assert_eq!(lists.add("none.txt", "# nothing\n"), None);
        let expand = |text: &str| lists.expand(text, &Cell::new(1_000_000));
        assert_eq!(expand("plain 100%").unwrap(), ["plain 100%"]);
        assert_eq!(expand("%ab%").unwrap(), ["a", "b"]);
        assert_eq!(expand("x%ab%-%ab%%c%").unwrap(), ["xa-ac", "xa-bc", "xb-ac", "xb-bc"]);
        assert_eq!(expand("100% %c%").unwrap(), ["100% c"]);
        assert_eq!(expand("%no%"), Err(Missing::List { name: "no".to_owned() }));
        assert_eq!(expand("%none%"), Err(Missing::Values { path: "none.txt".to_owned() }));
        assert_eq!(expand(&"%ab%".repeat(17)), Err(Missing::Room));
        assert_eq!(lists.expand("long before %ab%", &Cell::new(20)), Err(Missing::Room));
        assert_eq!(lists.expand("%ab% and long after", &Cell::new(20)), Err(Missing::Room));
    }

    #[test]
    fn odd_lists_are_refused() {
        let mut lists = Lists::new();
        assert_eq!(lists.add("a/x.txt", "1"), None);
        for (path, text) in [("b/x.txt", "1"), ("no name.txt", "1"), (".txt", "1")] {
            assert!(lists.add(path, text).is_some(), "{path}");
        }
        assert!(lists.add("y.txt", &"1\n".repeat(600_000)).is_some());
    }
}
