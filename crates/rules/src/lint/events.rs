//! Event sources and event names that CloudTrail does not write.
//!
//! A name is held against the sources that stand beside it in the same mapping; without any, against all. Sources that
//! are known to have more names than the catalogue are believed, unless the name is a misspelling of one that is there.

use std::collections::BTreeSet;

use super::{Item, Part, mappings};
use crate::catalogue::{self, HOST, Source};
use crate::coverage::is_versioned;
use crate::diagnostic::{Reporter, Severity, code, quoted};
use crate::modifier::nearest;
use crate::pattern::{Pattern, Shape, Token, tokens};
use crate::test::Relation;
use crate::values::related;
use crate::yaml::{Meaning, Node};

/// Sources that append the version of their API to names.
const VERSIONED: &[&str] = &["cloudfront", "lambda"];

/// Sources that most accounts have records of.
const COMMON: &[&str] =
    &["ec2", "iam", "kms", "lambda", "organizations", "rds", "s3", "signin", "ssm", "sts"];

/// What services are called elsewhere, and the name of their source.
const CALLED: &[(&str, &str)] = &[
    ("cloudwatch", "monitoring"),
    ("cloudwatchlogs", "logs"),
    ("cloudwatch-logs", "logs"),
    ("directory-service", "ds"),
    ("efs", "elasticfilesystem"),
    ("elb", "elasticloadbalancing"),
    ("elbv2", "elasticloadbalancing"),
    ("email", "ses"),
    ("emr", "elasticmapreduce"),
    ("eventbridge", "events"),
    ("firehose-delivery", "firehose"),
    ("identitycenter", "sso"),
    ("iam-identity-center", "sso"),
    ("macie", "macie2"),
    ("msk", "kafka"),
    ("opensearch", "es"),
    ("sesv2", "ses"),
    ("sfn", "states"),
    ("sso-admin", "sso"),
    ("stepfunctions", "states"),
];

pub(super) fn check(parts: &[Part<'_>], reporter: &mut Reporter<'_>) {
    let mut said = BTreeSet::new();
    for part in parts {
        for items in mappings(part.value) {
            let items: Vec<Item<'_>> =
                items.iter().map(|(key, value)| Item::of(key, value)).collect();
            let sources = sources(&items, &mut said, reporter);
            for item in &items {
                if matches!(item.field, "eventName" | "api") && item.is_of_text() {
                    names(item, sources.as_deref(), &mut said, reporter);
                }
            }
        }
    }
}

/// What a value of an item asks of a text.
enum Asked {
    /// To be this text.
    Whole,
    /// To fit this pattern.
    Fit(Pattern),
}

fn asked(item: &Item<'_>, value: &Node) -> Option<Asked> {
    if value.scalar().is_none_or(|scalar| scalar.meaning() == Meaning::Null)
        || value.text().is_empty()
    {
        return None;
    }
    let relation = [
        ("contains", Relation::Contains),
        ("startswith", Relation::StartsWith),
        ("endswith", Relation::EndsWith),
    ];
    let relation = relation.into_iter().find(|(word, _)| item.has(word)).map(|(_, one)| one);
    let tokens = tokens(value.text());
    if relation.is_none() && tokens.iter().all(|token| matches!(token, Token::Char(_))) {
        return Some(Asked::Whole);
    }
    Some(Asked::Fit(Pattern::new(related(tokens, relation), false, None)))
}

/// The sources that the items of a mapping leave, each checked; `None`: any source, or one that is not known.
fn sources(
    items: &[Item<'_>],
    said: &mut BTreeSet<String>,
    reporter: &mut Reporter<'_>,
) -> Option<Vec<&'static Source>> {
    let mut left: Option<Vec<&'static Source>> = None;
    let mut is_known = true;
    for item in items.iter().filter(|item| item.field == "eventSource" && item.is_of_text()) {
        let mut of_item = Vec::new();
        for value in item.values() {
            match asked(item, value) {
                None => is_known = false,
                Some(Asked::Whole) => match catalogue::source(value.text()) {
                    Some(source) => {
                        bare_source(value, source, said, reporter);
                        of_item.push(source);
                    }
                    None => {
                        is_known = false;
                        unknown_source(value, said, reporter);
                    }
                },
                Some(Asked::Fit(pattern)) => {
                    let fits = |one: &&Source| pattern.matches(&format!("{}{HOST}", one.name));
                    let fitting: Vec<_> = catalogue::sources().iter().filter(fits).collect();
                    if fitting.is_empty() {
                        is_known = false;
                        nothing_fits(value, "event source", said, reporter);
                    }
                    of_item.extend(fitting);
                }
            }
        }
        if item.has("neq") {
            is_known = false;
        }
        left = match left {
            None => Some(of_item),
            Some(left) => Some(
                left.into_iter()
                    .filter(|one| of_item.iter().any(|other| other.name == one.name))
                    .collect(),
            ),
        };
    }
    // Without a source beside it a name may belong to any.
    match left {
        Some(left) if is_known => Some(left),
        Some(_) => Some(Vec::new()),
        None => None,
    }
}

/// Says a problem of a text once.
fn warn(
    value: &Node,
    message: String,
    help: String,
    said: &mut BTreeSet<String>,
    reporter: &mut Reporter<'_>,
) {
    if said.insert(message.clone()) {
        reporter.warning(value.mark, code::UNKNOWN_EVENT, message, help);
    }
}

/// A source without `.amazonaws.com`.
fn bare_source(
    value: &Node,
    source: &Source,
    said: &mut BTreeSet<String>,
    reporter: &mut Reporter<'_>,
) {
    if value.text().to_ascii_lowercase().ends_with(HOST) {
        return;
    }
    let message = format!("{} is no whole event source", quoted(value.text()));
    warn(value, message, format!("write `{}{HOST}`", source.name), said, reporter);
}

fn unknown_source(value: &Node, said: &mut BTreeSet<String>, reporter: &mut Reporter<'_>) {
    if reporter.is_full(Severity::Warning) {
        return;
    }
    let lower = value.text().to_ascii_lowercase();
    let bare = lower.strip_suffix(HOST).unwrap_or(&lower);
    let names: Vec<&str> = catalogue::sources().iter().map(|source| source.name).collect();
    let first = bare.split('.').next().unwrap_or(bare);
    let called = CALLED.iter().find(|(word, _)| *word == bare).map(|(_, name)| *name);
    let near = called
        .or_else(|| nearest(bare, &names))
        .or_else(|| names.iter().find(|name| **name == first).copied());
    let help = match near {
        Some(near) => format!("write `{near}{HOST}` if that is meant"),
        None => "look at the eventSource of a record of this service; it often is not the service's name".to_owned(),
    };
    let message = format!("no event source of the catalogue is {}", quoted(value.text()));
    warn(value, message, help, said, reporter);
}

fn nothing_fits(
    value: &Node,
    what: &str,
    said: &mut BTreeSet<String>,
    reporter: &mut Reporter<'_>,
) {
    let message = format!("no {what} of the catalogue fits {}", quoted(value.text()));
    let help = "look at a record of this service, and write what stands there".to_owned();
    warn(value, message, help, said, reporter);
}

/// Checks the values of an item of names.
fn names(
    item: &Item<'_>,
    sources: Option<&[&'static Source]>,
    said: &mut BTreeSet<String>,
    reporter: &mut Reporter<'_>,
) {
    let all: Vec<&'static Source>;
    let sources = match sources {
        Some([]) => return,
        Some(sources) => sources,
        None => {
            all = catalogue::sources().iter().collect();
            all.as_slice()
        }
    };
    for value in item.values() {
        if reporter.is_full(Severity::Warning) {
            return;
        }
        match asked(item, value) {
            Some(Asked::Whole) => name(item, value, sources, said, reporter),
            Some(Asked::Fit(pattern)) if reporter.may_search() => {
                let may_be_more = sources.iter().any(|source| {
                    source.is_open
                        || VERSIONED.contains(&source.name)
                            && !matches!(pattern.shape, Shape::Prefix(_))
                });
                let fits = |name: &str| {
                    pattern.matches(name)
                        || matches!(&pattern.shape, Shape::Prefix(start)
                            if is_versioned(start, &name.to_ascii_lowercase()))
                };
                let is_all = sources.len() == catalogue::sources().len();
                if (is_all || !may_be_more)
                    && !sources.iter().any(|source| source.names().any(fits))
                {
                    nothing_fits(value, "event name", said, reporter);
                }
            }
            _ => {}
        }
    }
}

/// Checks one whole name.
fn name(
    item: &Item<'_>,
    value: &Node,
    sources: &[&'static Source],
    said: &mut BTreeSet<String>,
    reporter: &mut Reporter<'_>,
) {
    let name = value.text();
    let is_beside =
        |wanted: &str| item.values().iter().any(|other| other.text().eq_ignore_ascii_case(wanted));
    let is_one = sources.len() == 1;
    let renamed = sources.iter().find_map(|source| catalogue::renamed(source, name));
    if let Some(recorded) = renamed.filter(|_| is_one || !sources.iter().any(|one| one.has(name))) {
        // A list that names both is on the safe side.
        if !recorded.iter().any(|one| is_beside(one)) {
            let (message, help) = of_renamed(name, recorded);
            warn(value, message, help, said, reporter);
        }
        return;
    }
    if sources.iter().any(|source| source.has(name)) {
        return;
    }
    let is_all = sources.len() == catalogue::sources().len();
    let is_open = !is_all && sources.iter().any(|source| source.is_open);
    let near = near_name(name, sources);
    let one_more =
        |near: &str| near.strip_suffix('s') == Some(name) || name.strip_suffix('s') == Some(near);
    if is_open && near.is_none_or(one_more) {
        return;
    }
    let message = match sources {
        [source] => format!("{}{HOST} has no event {}", source.name, quoted(name)),
        _ if is_all => format!("no event source of the catalogue has an event {}", quoted(name)),
        _ => format!("none of these event sources has an event {}", quoted(name)),
    };
    warn(value, message, remedy(name, near, is_open), said, reporter);
}

fn of_renamed(name: &str, recorded: &[&str]) -> (String, String) {
    if recorded.is_empty() {
        return (
            format!("CloudTrail writes no event {}", quoted(name)),
            "it is a permission that is checked within other calls: look for those".to_owned(),
        );
    }
    let names: Vec<String> = recorded.iter().map(|one| format!("`{one}`")).collect();
    let names = names.join(" or ");
    (
        format!("CloudTrail writes {names} where the permission or the SDK says {}", quoted(name)),
        format!("write {names}"),
    )
}

/// What to write instead of a name that none of its sources has.
fn remedy(name: &str, near: Option<&str>, is_open: bool) -> String {
    let mut others: Vec<&Source> =
        catalogue::sources().iter().filter(|source| source.has(name)).collect();
    // Of many services the one that everybody has is likely meant.
    others.sort_by_key(|source| !COMMON.contains(&source.name));
    let shown: Vec<String> =
        others.iter().take(3).map(|source| format!("`{}{HOST}`", source.name)).collect();
    match shown.as_slice() {
        _ if is_open => {}
        [] => {}
        [one] => return format!("write {one} as `eventSource`, which has it"),
        several => {
            return format!("write one of {} as `eventSource`, which have it", several.join(", "));
        }
    }
    if let Some(near) = near {
        return format!("write `{near}` if that is meant");
    }
    let lower = name.to_ascii_lowercase();
    let longer = catalogue::sources().iter().find_map(|source| {
        let begins = |one: &&str| one.to_ascii_lowercase().starts_with(&lower);
        Some((source, source.names().find(begins)?))
    });
    match longer.filter(|_| lower.len() > 6) {
        Some((source, longer)) => format!("`{longer}` of `{}{HOST}` may be meant", source.name),
        None => "look at a record of this call: names of IAM actions and of console pages are not always those of events".to_owned(),
    }
}

/// The nearest name that one of the sources has.
fn near_name(name: &str, sources: &[&'static Source]) -> Option<&'static str> {
    let first = name.bytes().next()?.to_ascii_lowercase();
    let may_be_near = |one: &&'static str| {
        one.len().abs_diff(name.len()) <= 2
            && one.bytes().next().is_some_and(|byte| byte.to_ascii_lowercase() == first)
    };
    let candidates: Vec<&'static str> =
        sources.iter().flat_map(|source| source.names()).filter(may_be_near).collect();
    candidates.chunks(1_000).find_map(|chunk| nearest(name, chunk))
}
