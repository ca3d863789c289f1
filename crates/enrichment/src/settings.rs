//! The environment file as it is written: TOML, read into texts with their places.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Reporter, code};
use crate::text::{on_one_line, quoted};

/// The most bytes of an environment file: 4 MiB.
pub const ENVIRONMENT_BYTES_MAX: usize = 4 << 20;

/// The keys that hold a list of texts, and what is in it.
pub(crate) const LISTS: [(&str, &str); 5] = [
    ("countries", "country codes, such as \"DE\""),
    ("regions", "regions, such as \"eu-central-1\""),
    ("automation_roles", "ARNs or names of roles, with `*` for any text"),
    ("break_glass", "ARNs or names of roles and users, with `*` for any text"),
    ("vendor_accounts", "account ids, such as \"444455556666\""),
];

/// A text and where it stands.
pub(crate) struct Entry {
    pub(crate) text: String,
    pub(crate) at: usize,
}

/// Everything that the file says, not yet judged.
#[derive(Default)]
pub(crate) struct Settings {
    /// In the order of [`LISTS`].
    pub(crate) lists: [Vec<Entry>; LISTS.len()],
    /// The networks of each name.
    pub(crate) networks: Vec<(Entry, Vec<Entry>)>,
}

/// Reads the text; what is wrong goes to the reporter.
pub(crate) fn read(reporter: &mut Reporter<'_>, text: &str) -> Settings {
    let mut settings = Settings::default();
    // TOML has no place for a byte order mark, but editors write one.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let shift = text.len() - body.len();
    let (table, errors) = DeTable::parse_recoverable(body);
    if !errors.is_empty() {
        // What could still be read may not be what was meant, so that nothing is said of it.
        for error in errors {
            let at = shift + error.span().map_or(0, |span| span.start);
            let message = format!("not TOML: {}", on_one_line(error.message()));
            reporter.error(at, code::BAD_SYNTAX, message, "repair it there");
        }
        return settings;
    }
    for (key, value) in table.get_ref() {
        let at = shift + key.span().start;
        let name: &str = key.get_ref();
        if let Some(nth) = LISTS.iter().position(|(list, _)| *list == name) {
            settings.lists[nth] = list(reporter, shift, name, LISTS[nth].1, value);
        } else if name == "networks" {
            settings.networks = networks(reporter, shift, value);
        } else {
            let message = format!("unknown key {}", quoted(name));
            reporter.error(at, code::UNKNOWN_KEY, message, suggestion(name));
        }
    }
    settings
}

fn networks(
    reporter: &mut Reporter<'_>,
    shift: usize,
    value: &Spanned<DeValue<'_>>,
) -> Vec<(Entry, Vec<Entry>)> {
    let DeValue::Table(table) = value.get_ref() else {
        let at = shift + value.span().start;
        let help = "write a table: [networks], and below it office = [\"198.51.100.0/24\"]";
        reporter.error(at, code::WRONG_TYPE, "`networks` is no table", help);
        return Vec::new();
    };
    let wanted = "networks, such as \"198.51.100.0/24\"";
    let network = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let name = Entry { text: key.get_ref().to_string(), at: shift + key.span().start };
        let prefixes = list(reporter, shift, &name.text, wanted, value);
        (name, prefixes)
    };
    table.iter().map(network).collect()
}

/// The texts of a list.
fn list(
    reporter: &mut Reporter<'_>,
    shift: usize,
    name: &str,
    wanted: &str,
    value: &Spanned<DeValue<'_>>,
) -> Vec<Entry> {
    let help = || format!("write a list of {wanted}");
    let DeValue::Array(elements) = value.get_ref() else {
        let message = format!("{} is no list", quoted(name));
        reporter.error(shift + value.span().start, code::WRONG_TYPE, message, help());
        return Vec::new();
    };
    let mut entries = Vec::new();
    for element in elements.iter() {
        let at = shift + element.span().start;
        match element.get_ref() {
            DeValue::String(text) => entries.push(Entry { text: text.to_string(), at }),
            _ => {
                let message = format!("{} holds something else than texts", quoted(name));
                reporter.error(at, code::WRONG_TYPE, message, help());
            }
        }
    }
    entries
}

/// What an unknown key was probably meant to be: the known one that shares the longest start or end.
fn suggestion(name: &str) -> String {
    let known = LISTS.iter().map(|(list, _)| *list).chain(["networks"]);
    let shared = |known: &str| {
        let front = known.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        let back = known.bytes().rev().zip(name.bytes().rev()).take_while(|(a, b)| a == b).count();
        front.max(back)
    };
    match known.clone().max_by_key(|known| shared(known)) {
        Some(best) if shared(best) >= 4 => format!("did you mean {best}?"),
        _ => format!("the keys are {}", known.collect::<Vec<_>>().join(", ")),
    }
}
