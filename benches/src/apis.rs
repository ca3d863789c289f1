//! The APIs that the measured rules name, from `apis.txt`.

use std::collections::BTreeSet;

/// Every `(eventSource, eventName)` of the table, in an order of which any beginning holds each service in proportion.
#[must_use]
pub fn pairs() -> Vec<(String, String)> {
    let mut services: Vec<(&str, Vec<String>)> = Vec::new();
    for line in include_str!("apis.txt").lines().filter(|line| !line.starts_with('#')) {
        match (line.strip_prefix("    "), services.last_mut()) {
            (Some(names), Some((_, of_service))) => {
                let (verbs, nouns) = names.split_once(": ").unwrap_or(("", names));
                for noun in nouns.split(' ') {
                    of_service.extend(verbs.split(' ').map(|verb| format!("{verb}{noun}")));
                }
            }
            _ => services.push((line, Vec::new())),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::pairs;

    #[test]
    fn each_api_stands_once_and_there_are_enough() {
        let pairs = pairs();
        let mut seen = BTreeSet::new();
        let twice: Vec<_> = pairs.iter().filter(|pair| !seen.insert(*pair)).collect();
        assert_eq!(twice, Vec::<&(String, String)>::new());
        assert!(pairs.len() > 1000, "{}", pairs.len());
    }
}
