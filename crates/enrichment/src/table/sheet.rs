//! Tables as CSV: a header, then a row a line, cells separated by commas and quoted where they hold one.

use crate::problem::{Reporter, code};
use crate::table::{Column, TABLE_ROWS_MAX, Table, Unknown, find, named, row, too_many_rows};
use crate::text::quoted;

/// Longer cells are refused.
const CELL_BYTES_MAX: usize = 4096;

/// Reads the table that begins at `start`.
pub(crate) fn read(
    reporter: &mut Reporter<'_>,
    text: &str,
    start: usize,
    columns: &[Column],
) -> Table {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(&text.as_bytes()[start..]);
    let mut table = Table::default();
    let mut header = csv::StringRecord::new();
    if !matches!(reader.read_record(&mut header), Ok(true)) {
        return table;
    }
    let Some(positions) = read_header(reporter, text, start, columns, &header) else {
        return table;
    };
    table.positions = positions;
    let mut cells = csv::StringRecord::new();
    let mut count = 0;
    // Reading from a slice of UTF-8 can't fail, and rows may be of any length.
    while matches!(reader.read_record(&mut cells), Ok(true)) {
        let at = begin(text, start, &cells);
        count += 1;
        if count > TABLE_ROWS_MAX {
            too_many_rows(reporter, at);
            break;
        }
        let Some(taken) = take(reporter, text, at, &header, &cells, &table.positions) else {
            continue;
        };
        table.rows.extend(row(reporter, at, columns, taken));
    }
    table
}

/// Where a record begins. The reader's own position may lie before the line breaks that part it from the last.
fn begin(text: &str, start: usize, record: &csv::StringRecord) -> usize {
    let at = record.position().map_or(0, csv::Position::byte);
    let at = (start + usize::try_from(at).unwrap_or(0)).min(text.len());
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// The position of each column; nothing if the table can't be read with this header.
fn read_header(
    reporter: &mut Reporter<'_>,
    text: &str,
    start: usize,
    columns: &[Column],
    header: &csv::StringRecord,
) -> Option<Vec<Option<usize>>> {
    let mut positions: Vec<Option<usize>> = vec![None; columns.len()];
    let mut unknown = Unknown::default();
    let mut is_good = true;
    for (position, name) in header.iter().enumerate() {
        let name = name.trim();
        let Some(nth) = find(columns, name) else {
            unknown.add(name);
            continue;
        };
        if let Some(earlier) = positions[nth] {
            let earlier = header.get(earlier).unwrap_or_default();
            let at = cell_at(text, start, position);
            let message =
                format!("the column {} stands twice, as {}", quoted(name), quoted(earlier));
            reporter.error(at, code::DUPLICATE_KEY, message, "keep one of them");
            is_good = false;
        }
        positions[nth] = Some(position);
    }
    for (column, position) in columns.iter().zip(&positions) {
        if column.is_key && position.is_none() {
            let names: Vec<String> = column.names.iter().map(|name| quoted(name)).collect();
            let message = format!("the header has no column {}", names.join(" or "));
            let first = header.get(0).unwrap_or_default();
            let help = if header.len() == 1 && first.contains([';', '\t']) {
                "separate cells with commas".to_owned()
            } else {
                format!("begin with a line such as {}", named(columns))
            };
            reporter.error(start, code::MISSING_COLUMN, message, help);
            is_good = false;
        }
    }
    if !is_good {
        return None;
    }
    unknown.report(reporter, start, columns);
    Some(positions)
}

/// The cells that were asked for; nothing if the row can't be read.
fn take(
    reporter: &mut Reporter<'_>,
    text: &str,
    at: usize,
    header: &csv::StringRecord,
    cells: &csv::StringRecord,
    positions: &[Option<usize>],
) -> Option<Vec<Option<String>>> {
    let is_empty = cells.iter().all(|cell| cell.trim().is_empty());
    if cells.len() != header.len() && !is_empty {
        let message = format!("the row has {} cells, the header {}", cells.len(), header.len());
        let help = "write a cell for each column; quote a cell that holds a comma";
        reporter.error(at, code::BAD_ROW, message, help);
        return None;
    }
    for (position, cell) in cells.iter().enumerate() {
        let problem = if cell.trim().contains(['\r', '\n']) {
            "a cell holds a line break".to_owned()
        } else if cell.len() > CELL_BYTES_MAX {
            format!("a cell has {} bytes, more than {CELL_BYTES_MAX}", cell.len())
        } else {
            continue;
        };
        let at = cell_at(text, at, position);
        reporter.error(at, code::BAD_ROW, problem, "shorten it; a quote may not be closed");
        return None;
    }
    let cell = |position: &Option<usize>| {
        let cell = cells.get((*position)?)?.trim();
        (!cell.is_empty()).then(|| cell.to_owned())
    };
    Some(positions.iter().map(cell).collect())
}

/// Where the cell of this position begins in the row at `row`.
pub(crate) fn cell_at(text: &str, row: usize, position: usize) -> usize {
    let mut left = position;
    let mut is_quoted = false;
    for (nth, byte) in text.as_bytes().get(row..).unwrap_or_default().iter().enumerate() {
        match byte {
            _ if left == 0 => return row + nth,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => left -= 1,
            b'\r' | b'\n' if !is_quoted => return row,
            _ => {}
        }
    }
    if left == 0 { text.len() } else { row }
}
