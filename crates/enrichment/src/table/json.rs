//! Tables as JSON: an array of objects, a row each.
//!
//! Rows are taken off as they are parsed, so that a file of millions of empty objects costs no memory; a value that was
//! asked for must be a text, a whole number or null.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::problem::{Reporter, code};
use crate::table::{Column, TABLE_ROWS_MAX, Table, Unknown, find, row, too_many_rows};
use crate::text::{on_one_line, quoted};

/// A row before it is judged.
enum Read {
    Cells(Vec<Cell>),
    /// No object.
    Other,
}

/// A value that was asked for.
#[derive(Clone, Debug, Default)]
enum Cell {
    #[default]
    Missing,
    Text(String),
    /// Of a kind that no column takes.
    Other,
    Twice,
}

/// Reads the array that begins at `start`.
pub(crate) fn read(
    reporter: &mut Reporter<'_>,
    text: &str,
    start: usize,
    columns: &[Column],
) -> Table {
    let unknown = RefCell::new(Unknown::default());
    let mut json = serde_json::Deserializer::from_str(&text[start..]);
    let seed = Rows { columns, unknown: &unknown };
    let read = seed.deserialize(&mut json).and_then(|read| json.end().map(|()| read));
    let read = match read {
        Ok(read) => read,
        Err(error) => {
            report_syntax(reporter, text, start, &error);
            return Table::default();
        }
    };
    unknown.borrow().report(reporter, start, columns);
    let mut table = Table::default();
    for (nth, (read, at)) in read.into_iter().zip(element_starts(text, start)).enumerate() {
        if nth == TABLE_ROWS_MAX {
            too_many_rows(reporter, at);
            break;
        }
        let Read::Cells(cells) = read else {
            let message = format!("row {} is no object", nth + 1);
            reporter.error(at, code::WRONG_TYPE, message, "write [{…}, {…}]");
            continue;
        };
        let cells =
            columns.iter().zip(cells).map(|(column, cell)| judge(reporter, at, column, cell));
        let Some(cells) = cells.collect() else { continue };
        table.rows.extend(row(reporter, at, columns, cells));
    }
    table
}

/// The text of a cell, if it has one; nothing at all if it can't be used.
fn judge(
    reporter: &mut Reporter<'_>,
    at: usize,
    column: &Column,
    cell: Cell,
) -> Option<Option<String>> {
    let name = quoted(column.names.first().copied().unwrap_or_default());
    match cell {
        Cell::Missing => Some(None),
        Cell::Text(text) => {
            Some(Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned))
        }
        Cell::Other => {
            let message = format!("{name} is neither a text nor a whole number");
            reporter.error(at, code::WRONG_TYPE, message, "write it in quotes");
            None
        }
        Cell::Twice => {
            let message = format!("{name} stands twice in one object");
            reporter.error(at, code::DUPLICATE_KEY, message, "keep one of them");
            None
        }
    }
}

fn report_syntax(reporter: &mut Reporter<'_>, text: &str, start: usize, error: &serde_json::Error) {
    let body = &text[start..];
    let line = error.line().saturating_sub(1);
    let line_start: usize = body.split_inclusive('\n').take(line).map(str::len).sum();
    let at = start + line_start + error.column().saturating_sub(1);
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    let message = format!("not JSON: {}", on_one_line(said));
    reporter.error(at.min(text.len()), code::BAD_SYNTAX, message, "repair it there");
}

/// Where each element of the array begins; the text is JSON.
fn element_starts(text: &str, start: usize) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes().iter().enumerate().skip(start);
    let (mut depth, mut is_quoted, mut is_escaped, mut is_open) = (0_usize, false, false, false);
    bytes.filter_map(move |(at, byte)| {
        if is_quoted {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_quoted = false,
                _ => {}
            }
            return None;
        }
        let depth_before = depth;
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => is_quoted = true,
            _ => {}
        }
        if depth_before != 1 {
            return None;
        }
        match byte {
            b',' => is_open = false,
            b' ' | b'\t' | b'\r' | b'\n' | b']' => {}
            _ if !is_open => {
                is_open = true;
                return Some(at);
            }
            _ => {}
        }
        None
    })
}

/// The array.
struct Rows<'c> {
    columns: &'c [Column],
    unknown: &'c RefCell<Unknown>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = Vec<Read>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Read>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = Vec<Read>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<Read>, A::Error> {
        let mut rows = Vec::new();
        // One more than the limit, so that passing it is seen.
        while rows.len() <= TABLE_ROWS_MAX {
            let seed = OneRow { columns: self.columns, unknown: self.unknown };
            let Some(row) = elements.next_element_seed(seed)? else { return Ok(rows) };
            rows.push(row);
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(rows)
    }
}

/// An element of the array.
struct OneRow<'c> {
    columns: &'c [Column],
    unknown: &'c RefCell<Unknown>,
}

impl<'de> DeserializeSeed<'de> for OneRow<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneRow<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut cells = vec![Cell::Missing; self.columns.len()];
        let mut seen = vec![false; self.columns.len()];
        while let Some(name) = map.next_key::<String>()? {
            let Some(nth) = find(self.columns, name.trim()) else {
                self.unknown.borrow_mut().add(&name);
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let cell = map.next_value_seed(OneCell)?;
            cells[nth] = if seen[nth] { Cell::Twice } else { cell };
            seen[nth] = true;
        }
        Ok(Read::Cells(cells))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Read, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Read::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Read, E> {
        Ok(Read::Other)
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Other)
    }
}

/// A value that was asked for.
struct OneCell;

impl<'de> DeserializeSeed<'de> for OneCell {
    type Value = Cell;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cell, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneCell {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Cell, E> {
        Ok(Cell::Text(number.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Missing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Cell, E> {
        Ok(Cell::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Cell, E> {
        Ok(Cell::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Cell, E> {
        Ok(Cell::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Cell, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Other)
    }
}
