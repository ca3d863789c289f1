//! Tables that operators keep: CSV with a header, or a JSON array of objects, told apart by what they hold.
//!
//! Both become the same rows: for each column that is asked for, a text or nothing. What is wrong is reported at the
//! cell where the format tells it (CSV), else at the row.

mod json;
mod sheet;

use crate::problem::{Problems, Reporter, code};
use crate::text::quoted;

/// The most bytes of a table: 64 MiB.
pub const TABLE_BYTES_MAX: usize = 64 << 20;

/// The most rows of a table.
pub const TABLE_ROWS_MAX: usize = 100_000;

/// At most this many columns that nobody asked for are named.
const UNKNOWN_SHOWN_MAX: usize = 8;

/// A column, by each of its names in small letters; the first is the one that messages say.
pub(crate) struct Column {
    pub(crate) names: &'static [&'static str],
    /// Whether a row without it says nothing.
    pub(crate) is_key: bool,
}

/// What was read: rows with a cell for each column asked for.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    /// In CSV, the position of each column in its row.
    positions: Vec<Option<usize>>,
}

/// A row, none of whose cells is empty text.
#[derive(Debug)]
pub(crate) struct Row {
    /// Where it begins.
    pub(crate) at: usize,
    pub(crate) cells: Vec<Option<String>>,
}

impl Table {
    /// Where a problem of a cell is to be shown.
    pub(crate) fn place(&self, text: &str, row: &Row, column: usize) -> usize {
        let position = self.positions.get(column).copied().flatten();
        position.map_or(row.at, |position| sheet::cell_at(text, row.at, position))
    }
}

/// The text of a file of at most `bytes_max`.
pub(crate) fn decode<'b>(
    path: &str,
    bytes: &'b [u8],
    bytes_max: usize,
) -> Result<&'b str, Problems> {
    let mut whole = Reporter::new(path, "");
    if bytes.len() > bytes_max {
        whole.error_of_file(
            code::TOO_LARGE,
            format!("the file has {} bytes, more than {bytes_max}", bytes.len()),
            "leave out what is not needed",
        );
        return Err(whole.into_problems());
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        whole.error_of_file(code::BAD_ENCODING, "the file is UTF-16", "save it as UTF-8");
        return Err(whole.into_problems());
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        let mut reporter = Reporter::new(path, good);
        let byte = bytes.get(good.len()).copied().unwrap_or_default();
        let message = format!("byte 0x{byte:02x} is not UTF-8");
        reporter.error(good.len(), code::BAD_ENCODING, message, "save the file as UTF-8");
        reporter.into_problems()
    })
}

/// Reads a table; what is wrong goes to the reporter, and the rows that could be read come back.
pub(crate) fn read(reporter: &mut Reporter<'_>, text: &str, columns: &[Column]) -> Table {
    let body = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let start = text.len() - body.len();
    match body.bytes().next() {
        None => {
            let names = named(columns);
            let help = format!("write a header, such as {names}, and a row for each; or JSON: []");
            reporter.error_of_file(code::EMPTY_FILE, "the file is empty", help);
            Table::default()
        }
        Some(b'[') => json::read(reporter, text, start, columns),
        Some(b'{') => {
            reporter.error(
                start,
                code::WRONG_TYPE,
                "the JSON is an object, not an array of objects",
                "write [{…}, {…}]; of `aws organizations list-accounts` take \
                 --query 'Accounts[].{account: Id, name: Name}'",
            );
            Table::default()
        }
        Some(_) => sheet::read(reporter, text, start, columns),
    }
}

/// The column of a name, whatever its case.
fn find(columns: &[Column], name: &str) -> Option<usize> {
    let is_named = |column: &Column| column.names.iter().any(|one| one.eq_ignore_ascii_case(name));
    columns.iter().position(is_named)
}

/// The names of columns as a header has them.
fn named(columns: &[Column]) -> String {
    let names: Vec<&str> =
        columns.iter().filter_map(|column| column.names.first().copied()).collect();
    names.join(",")
}

/// Columns that nobody asked for, in the order in which they came.
#[derive(Debug, Default)]
struct Unknown {
    names: Vec<String>,
    more: bool,
}

impl Unknown {
    fn add(&mut self, name: &str) {
        if self.names.iter().any(|known| known == name) {
            return;
        }
        if self.names.len() == UNKNOWN_SHOWN_MAX {
            self.more = true;
        } else {
            self.names.push(name.to_owned());
        }
    }

    fn report(&self, reporter: &mut Reporter<'_>, at: usize, columns: &[Column]) {
        if self.names.is_empty() {
            return;
        }
        let mut shown: Vec<String> = self.names.iter().map(|name| quoted(name)).collect();
        if self.more {
            shown.push("and more".to_owned());
        }
        let noun = if shown.len() == 1 { "column" } else { "columns" };
        reporter.warning(
            at,
            code::UNKNOWN_COLUMN,
            format!("{noun} {} left out", shown.join(", ")),
            format!("the columns that are read are {}", named(columns)),
        );
    }
}

/// Too many rows; what comes after them is not read.
fn too_many_rows(reporter: &mut Reporter<'_>, at: usize) {
    let message = format!("the table has more than {TABLE_ROWS_MAX} rows");
    reporter.error(at, code::TOO_LARGE, message, "leave out what is not needed");
}

/// The cells of a row, or nothing if it says nothing, or is without its key.
fn row(
    reporter: &mut Reporter<'_>,
    at: usize,
    columns: &[Column],
    cells: Vec<Option<String>>,
) -> Option<Row> {
    if cells.iter().all(Option::is_none) {
        reporter.warning(at, code::EMPTY_ROW, "the row is empty", "take it out");
        return None;
    }
    for (column, cell) in columns.iter().zip(&cells) {
        if column.is_key && cell.is_none() {
            let name = column.names.first().copied().unwrap_or_default();
            let message = format!("the row has no {name}");
            reporter.error(at, code::BAD_ROW, message, "write one, or take the row out");
            return None;
        }
    }
    Some(Row { at, cells })
}

#[cfg(test)]
mod tests;
