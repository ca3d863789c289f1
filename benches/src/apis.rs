//! The APIs that the measured rules name, from `apis.txt` without those of `frequent.txt`.

use std::collections::BTreeSet;

/// Every `(eventSource, eventName)` of the table that an organization seldom calls, in an order of which any beginning
/// holds each service in proportion.
#[must_use]
pub fn pairs() -> Vec<(String, String)> {
    let frequent: BTreeSet<_> = read(include_str!("frequent.txt")).collect();
    let mut services: Vec<(&str, Vec<String>)> = Vec::new();
    for (service, name) in read(include_str!("apis.txt")).filter(|api| !frequent.contains(api)) {
        match services.last_mut() {
            Some((last, names)) if *last == service => names.push(name),
            _ => services.push((service, vec![name])),
        }
    }
    let mut placed = BTreeSet::new();
    for (service, names) in services {
        let count = names.len();
        for (nth, name) in names.into_iter().enumerate() {
            let place = (2 * nth + 1) * 100_000 / count;
            placed.insert((place, format!("{service}.amazonaws.com"), name));
        }
    }
    placed.into_iter().map(|(_, source, name)| (source, name)).collect()
}

/// The services and names of a table.
fn read<'t>(table: &'t str) -> impl Iterator<Item = (&'t str, String)> {
    let mut service = "";
    table.lines().filter(|line| !line.starts_with('#')).flat_map(move |line| {
        let Some(names) = line.strip_prefix("    ") else {
            service = line;
            return Vec::new();
        };
        let (verbs, nouns) = names.split_once(": ").unwrap_or(("", names));
        let of_noun =
            |noun: &'t str| verbs.split(' ').map(move |verb| (service, format!("{verb}{noun}")));
        nouns.split(' ').flat_map(of_noun).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{pairs, read};

    #[test]
    fn each_api_stands_once_and_there_are_enough() {
        let pairs = pairs();
        let mut seen = BTreeSet::new();
        let twice: Vec<_> = pairs.iter().filter(|pair| !seen.insert(*pair)).collect();
        assert_eq!(twice, Vec::<&(String, String)>::new());
        assert!(pairs.len() > 1000, "{}", pairs.len());
    }

    #[test]
    fn what_is_frequent_is_in_the_table() {
        let table: BTreeSet<_> = read(include_str!("apis.txt")).collect();
        let unknown: Vec<_> =
            read(include_str!("frequent.txt")).filter(|api| !table.contains(api)).collect();
        assert_eq!(unknown, Vec::new());
    }
}
