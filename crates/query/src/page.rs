//! The page about queries, `docs/queries.md`: words, and what the code knows of columns and shipped queries.

use crate::columns::{COLUMNS, Column, DERIVED, Origin, RECORD, Shape};
use crate::named::{NamedQuery, Scheduled, load};
use crate::own::{Holds, OWN_TABLES};

const WORDS: &str = include_str!("page.md");

/// The page.
#[must_use]
pub fn reference() -> String {
    WORDS.replace("{queries}", &queries()).replace("{columns}\n", &columns())
}

fn queries() -> String {
    let mut out = String::new();
    let files = trailloop_content::queries::files();
    for query in files.into_iter().filter_map(|(path, text)| load(path, text).query) {
        let NamedQuery { id, title, description, parameters, scheduled, .. } = query;
        out += &format!("### {id}\n\n{title}. {description}\n\n");
        if let Some(Scheduled { schedule, finding }) = scheduled {
            let key = finding.key.join("`, `");
            out += &format!("Asked {schedule}: {} findings by `{key}`.\n\n", finding.level);
        }
        for one in parameters {
            let default = match one.default {
                Some(default) if default.is_empty() => " (may be left out)".to_owned(),
                Some(default) => format!(" (`{default}`)"),
                None => String::new(),
            };
            out += &format!("- `:{}` {}{default}\n", one.name, one.description);
        }
        out.push('\n');
    }
    out
}

fn columns() -> String {
    let mut out = "| Column | Member of the record |\n|---|---|\n".to_owned();
    RECORD.iter().for_each(|column| member(&mut out, "", "", column));
    out.push_str("\nOf the object's key, or of the record if the key does not say it:\n\n");
    out.push_str("| Column | Value |\n|---|---|\n");
    out.push_str("| `account` | twelve digits |\n| `region` | such as `eu-west-1` |\n");
    out.push_str("| `day` | the day of delivery, `2026/01/31` |\n");
    out.push_str("\nOur engine only. Derived of the record, as rules know them and [Sigma rules](sigma.md) describes them:\n\n");
    out.push_str("| Column | Field |\n|---|---|\n");
    for (name, field) in DERIVED {
        out += &match field {
            "object" => format!("| `{name}` | the object's bucket and key |\n"),
            field => format!("| `{name}` | `{field}` |\n"),
        };
    }
    out.push_str("\nOur engine only. Of the files that [enrichment](enrichment.md) reads:\n\n");
    out.push_str("| Column | Value | Needs |\n|---|---|---|\n");
    for (name, origin) in COLUMNS.iter() {
        if let Origin::Enriched(field) = origin {
            out += &format!("| `{name}` | {} | {} |\n", field.doc(), field.needs());
        }
    }
    own(&mut out);
    out
}

/// Our own tables.
fn own(out: &mut String) {
    for shape in OWN_TABLES {
        *out += &format!("\n### Table `{}`\n\nA row is {}.\n\n", shape.name, shape.is);
        *out += "| Column | What it is |\n|---|---|\n";
        for (name, holds, what) in shape.columns {
            let kind = match holds {
                Holds::Text => "",
                Holds::Integer | Holds::Number => " (a number)",
                Holds::Flag => " (true or false)",
            };
            *out += &format!("| `{name}` | {what}{kind} |\n");
        }
    }
}

/// A column's line and those of its members.
fn member(out: &mut String, names: &str, keys: &str, column: &Column) {
    let (name, key) = (format!("{names}{}", column.name), format!("{keys}{}", column.key));
    let what = match column.shape {
        Shape::Text => "",
        Shape::Json => ", as JSON text",
        Shape::Struct(_) => ", an object",
        Shape::List(_) => ", a list: `[1]` is its first item",
        Shape::Map => ", a map of texts",
    };
    *out += &format!("| `{name}` | `{key}`{what} |\n");
    let (name, key) = (format!("{name}."), format!("{key}."));
    match column.shape {
        Shape::Struct(members) => members.iter().for_each(|one| member(out, &name, &key, one)),
        Shape::List(members) => {
            let (name, key) = (name.replace('.', "[1]."), key.replace('.', "[]."));
            members.iter().for_each(|one| member(out, &name, &key, one));
        }
        Shape::Text | Shape::Json | Shape::Map => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/queries.md");
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        if kept != reference() {
            std::fs::write(&path, reference()).unwrap();
            panic!(
                "docs/queries.md was out of date and has been written anew; look at the change and keep it"
            );
        }
    }
}
