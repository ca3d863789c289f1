//! The first 57 rules: the mix of what people write by hand for CloudTrail.
//!
//! Of 57: 49 name an event by source and name, four by name alone, one a source, three none of both. Seventeen hold a
//! list, nine `1 of`, eleven `contains`, seven `not`, four null, three a bare `*`; one each `re`, `all`, `startswith`,
//! `fieldref` and a list of mappings.

use std::fmt::Write as _;

use super::Api;

/// How many there are.
pub(super) const COUNT: usize = 57;

/// The detection of one of them.
pub(super) fn detection(nth: usize, apis: &[Api]) -> String {
    // Those that are not made from the table of APIs come first.
    let mut special = include_str!("by_hand.yml").split("---\n").skip(1);
    let count = special.clone().count();
    if let Some(detection) = special.nth(nth) {
        return detection.to_owned();
    }
    let plain = nth - count;
    let (source, name) = &apis[plain * 13];
    match plain {
        0..7 => {
            let names = names_of(source, 2 + plain % 4, apis);
            format!(
                "selection:\n  eventSource: {source}\n  eventName:\n{names}condition: selection\n"
            )
        }
        7..14 => {
            let (other_source, other) = &apis[plain * 13 + 6];
            format!(
                "selection_one:\n  eventSource: {source}\n  eventName: {name}\n\
                 selection_other:\n  eventSource: {other_source}\n  eventName: {other}\n\
                 condition: 1 of selection_*\n"
            )
        }
        14..17 => format!(
            "selection:\n  eventSource: {source}\n  eventName: {name}\n  errorCode: null\n\
             condition: selection\n"
        ),
        _ => format!(
            "selection:\n  eventSource: {source}\n  eventName: {name}\ncondition: selection\n"
        ),
    }
}

/// Names of a service's events as items of a YAML list.
pub(super) fn names_of(source: &str, count: usize, apis: &[Api]) -> String {
    let mut list = String::new();
    for (_, name) in apis.iter().filter(|(of, _)| of == source).take(count) {
        writeln!(list, "    - {name}").expect("a String takes everything");
    }
    list
}
