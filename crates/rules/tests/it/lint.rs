//! What the linter says: of planted faults, of our own and of public rules, and that nothing makes it panic.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;
use trailloop_rules::catalogue::{self, Category};
use trailloop_rules::{CODES, Call, CallName, Diagnostic, Loaded, RuleSet, Severity, load};

use crate::support::{assert_is_expected, files, repository, shared};

/// The rule files of a folder and of those in it, in order.
fn rule_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in files(folder) {
        if path.is_dir() {
            found.extend(rule_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yml") {
            found.push(path);
        }
    }
    found
}

/// Everything that is said of a file.
fn said_of(path: &Path) -> (Vec<Diagnostic>, usize) {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let Loaded { rules, filters, mut diagnostics, .. } = load(&name, &text);
    let loaded = RuleSet::build(rules, &filters, &mut diagnostics).len();
    (diagnostics, loaded)
}

#[test]
fn planted_faults_are_found_with_place_and_remedy() {
    let folder = repository().join("fixtures/rules-lint");
    let mut said = String::new();
    let paths = rule_files(&folder);
    assert!(paths.len() >= 30, "only {} files", paths.len());
    for path in paths {
        let (diagnostics, loaded) = said_of(&path);
        for diagnostic in &diagnostics {
            assert!(!diagnostic.help.is_empty() && !diagnostic.to_string().contains('\n'));
            writeln!(said, "{diagnostic}").unwrap();
        }
        let name = path.file_name().unwrap().to_string_lossy();
        assert_eq!(name.starts_with("clean"), diagnostics.is_empty(), "{name}: {diagnostics:#?}");
        writeln!(said, "{name}: {loaded} loaded\n").unwrap();
    }
    assert_is_expected(&folder, &said);
}

#[test]
fn every_check_is_explained_and_shown() {
    let docs = std::fs::read_to_string(repository().join("docs/lint.md")).unwrap();
    let shown = std::fs::read_to_string(repository().join("fixtures/rules-lint/expected.txt"));
    let shown = shown.unwrap();
    let as_found = |code| Diagnostic {
        path: String::new(),
        line: 1,
        column: 1,
        severity: Severity::Note,
        code,
        message: String::new(),
        help: String::new(),
    };
    let lints: Vec<_> = CODES.iter().filter(|(code, _)| as_found(code).is_lint()).collect();
    assert!(lints.len() >= 18, "{lints:?}");
    for (code, _) in lints {
        assert!(docs.contains(&format!("`{code}`")), "docs/lint.md does not explain {code}");
        assert!(shown.contains(&format!("[{code}]")), "no fixture shows {code}");
    }
}

#[test]
fn our_own_rules_have_no_fault() {
    let folder = repository().join("crates/content/rules");
    for path in rule_files(&folder) {
        let (diagnostics, _) = said_of(&path);
        assert!(diagnostics.is_empty(), "{}: {diagnostics:#?}", path.display());
    }
}

/// Every one of these was looked at and is right: a field that no record has, two calls that the service does not have, a
/// wildcard that could say what it asks, and five rules that name a tactic but no technique.
const PUBLIC: &[(&str, u32, &str)] = &[
    ("aws_cloudtrail_bucket_deleted.yml", 1, "missing-attack"),
    ("aws_cloudtrail_region_enabled.yml", 1, "missing-attack"),
    ("aws_cloudtrail_vpc_flow_logs_deleted.yml", 1, "missing-attack"),
    ("aws_delete_saml_provider.yml", 26, "dead-field"),
    ("aws_efs_fileshare_modified_or_deleted.yml", 1, "missing-attack"),
    ("aws_elasticache_security_group_modified_or_deleted.yml", 23, "unknown-event"),
    ("aws_elasticache_security_group_modified_or_deleted.yml", 24, "unknown-event"),
    ("aws_new_lambda_layer_attached.yml", 1, "missing-attack"),
    ("aws_new_lambda_layer_attached.yml", 23, "bare-wildcard"),
];

#[test]
fn public_rules_have_the_faults_that_are_known() {
    let Some(folder) = shared("sigma-rules") else { return };
    let mut said = Vec::new();
    for path in rule_files(&folder) {
        let (diagnostics, _) = said_of(&path);
        said.extend(diagnostics);
    }
    let places: Vec<_> = said.iter().map(|one| (one.path.as_str(), one.line, one.code)).collect();
    assert_eq!(places, PUBLIC, "{said:#?}");
}

/// The dotted paths of a value, those to objects included.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                found.insert(path.clone());
                paths(value, &path, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|one| paths(one, path, found)),
        _ => {}
    }
}

#[test]
fn real_records_hold_nothing_that_the_catalogue_does_not_know() {
    let Some(folder) = shared("stratus") else { return };
    let (mut fields, mut events) = (BTreeSet::new(), BTreeSet::new());
    for path in files(&folder) {
        let records: Vec<Value> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for record in records {
            paths(&record, "", &mut fields);
            let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            let read_only = record["readOnly"].as_bool();
            let is_management = record["managementEvent"].as_bool();
            events.insert((text("eventSource"), text("eventName"), read_only, is_management));
        }
    }
    assert!(fields.len() > 100 && events.len() > 40);
    for field in fields.iter().filter(|field| !field.contains([':', '[', '/'])) {
        let rule = format!("title: x\ndetection:\n  s: {{{field}|exists: true}}\n  condition: s\n");
        let said = load("r.yml", &rule).diagnostics;
        assert!(said.iter().all(|one| one.code != "dead-field"), "{said:#?}");
    }
    for (source, name, read_only, is_management) in events {
        let kinds = catalogue::kinds(&source, &name);
        let fits = |kind: &catalogue::EventKind| {
            let is_of_category =
                (kind.category == Category::Management) == is_management.unwrap_or(true);
            is_of_category && (kind.read_only.is_none() || kind.read_only == read_only)
        };
        assert!(
            kinds.iter().any(fits),
            "{source} {name} {read_only:?} {is_management:?}: {kinds:?}"
        );
    }
}

/// The words that [`rule`] is made of: few, so that they meet.
const FIELDS: &[&str] =
    &["eventName", "eventName", "errorCode", "requestParameters.a", "requestParameters.a"];
const MODIFIERS: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "|startswith",
    "|endswith",
    "|contains",
    "|neq",
    "|cased",
    "|all",
];
const VALUES: &[&str] =
    &["A", "A", "b", "b", "AB", "'*b'", "a*", "null", "[A, b]", "[ab, ba, null]"];
const CONDITIONS: &[&str] = &[
    "s",
    "s and t",
    "s or t",
    "s and not t",
    "not s",
    "s or not t",
    "1 of them",
    "all of them",
    "not (s or t)",
    "(s and t) or u",
    "s and u or t and not u",
    "2 of them",
    "not (s and not s)",
];

fn item() -> impl Strategy<Value = String> {
    let choice = (
        proptest::sample::select(FIELDS),
        proptest::sample::select(MODIFIERS),
        proptest::sample::select(VALUES),
    );
    choice.prop_map(|(field, modifier, value)| format!("{field}{modifier}: {value}"))
}

/// One selection: a mapping, or a list of two.
fn selection() -> impl Strategy<Value = String> {
    let mapping = || {
        proptest::collection::vec(item(), 1..=2).prop_map(|mut items| {
            items.sort();
            items.dedup_by(|a, b| a.split(':').next() == b.split(':').next());
            format!("{{{}}}", items.join(", "))
        })
    };
    prop_oneof![
        3 => mapping(),
        1 => (mapping(), mapping()).prop_map(|(one, other)| format!("[{one}, {other}]")),
    ]
}

fn rule() -> impl Strategy<Value = String> {
    let parts = (selection(), selection(), selection(), proptest::sample::select(CONDITIONS));
    parts.prop_map(|(s, t, u, condition)| {
        format!("title: x\ndetection:\n  s: {s}\n  t: {t}\n  u: {u}\n  condition: {condition}\n")
    })
}

/// Every record over a few values of the fields; `None` leaves a field out.
fn records() -> Vec<String> {
    let values = [None, Some("\"\""), Some("\"a\""), Some("\"AB\"")];
    let mut records = Vec::new();
    for name in values {
        for source in [None, Some("\"b\"")] {
            for code in [None, Some("\"ba\"")] {
                for kind in [None, Some("\"A\"")] {
                    let named = [("eventName", name), ("eventSource", source), ("errorCode", code)];
                    let mut members: Vec<String> = named
                        .iter()
                        .filter_map(|(key, value)| Some(format!("\"{key}\":{}", (*value)?)))
                        .collect();
                    members
                        .extend(kind.map(|kind| format!("\"userIdentity\":{{\"type\":{kind}}}")));
                    let list = r#""requestParameters":{"a":["a","b"]}"#.to_owned();
                    members.extend((records.len() % 2 == 0).then_some(list));
                    records.push(format!("{{{}}}", members.join(",")));
                }
            }
        }
    }
    records
}

/// What a record holds in a field of texts.
fn text_of(record: &Value, field: &str) -> Option<String> {
    record[field].as_str().map(str::to_lowercase)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// What is said of a condition holds on every record, and a record that a rule matches is of one of its calls.
    #[test]
    fn what_is_claimed_is_true(text in rule()) {
        let Loaded { rules, diagnostics, .. } = load("r.yml", &text);
        let Some(rule) = rules.first().cloned() else { return Ok(()) };
        let says = |code: &str| {
            diagnostics.iter().any(|one| one.code == code && one.message.contains("the condition"))
        };
        let set = RuleSet::build(rules, &[], &mut Vec::new());
        let calls = rule.calls();
        for json in records() {
            let is_hit = !crate::support::matches(&set, &json).is_empty();
            prop_assert!(!(is_hit && says("never-true")), "{text}\n{json}\n{diagnostics:#?}");
            prop_assert!(is_hit || !says("always-true"), "{text}\n{json}\n{diagnostics:#?}");
            let record: Value = serde_json::from_str(&json).unwrap();
            let is_of = |call: &Call| {
                let name = text_of(&record, "eventName");
                let is_source = call.source.is_none() || call.source == text_of(&record, "eventSource");
                is_source && match &call.name {
                    None => true,
                    Some(CallName::Exact(wanted)) => name.is_some_and(|name| name == wanted.to_lowercase()),
                    Some(CallName::Prefix(start)) => name.is_some_and(|name| name.starts_with(start)),
                    Some(CallName::Contains(piece)) => name.is_some_and(|name| name.contains(piece)),
                }
            };
            prop_assert!(!is_hit || calls.iter().any(is_of), "{text}\n{json}\n{calls:#?}");
        }
    }

    /// A branch that is said to be needless can be left out.
    #[test]
    fn needless_elements_can_be_left_out(one in selection(), other in selection()) {
        let with = |list: &str| format!("title: x\ndetection:\n  s: {list}\n  condition: s\n");
        let (one, other) = (one.trim_matches(['[', ']']), other.trim_matches(['[', ']']));
        let elements: Vec<&str> = one.split("}, ").chain(other.split("}, ")).collect();
        let elements: Vec<String> =
            elements.iter().map(|one| format!("{}}}", one.trim_end_matches('}'))).collect();
        let whole = with(&format!("[{}]", elements.join(", ")));
        let Loaded { rules, diagnostics, .. } = load("r.yml", &whole);
        let needless: Vec<usize> = diagnostics
            .iter()
            .filter(|one| one.code == "needless-branch" && one.message.starts_with("element "))
            .filter_map(|one| one.message.split(' ').nth(1)?.parse().ok())
            .collect();
        if rules.is_empty() || needless.is_empty() {
            return Ok(());
        }
        let kept: Vec<&str> = elements
            .iter()
            .enumerate()
            .filter(|(nth, _)| !needless.contains(&(nth + 1)))
            .map(|(_, element)| element.as_str())
            .collect();
        let fewer = load("r.yml", &with(&format!("[{}]", kept.join(", "))));
        let set = RuleSet::build(rules, &[], &mut Vec::new());
        let fewer_set = RuleSet::build(fewer.rules, &[], &mut Vec::new());
        for json in records() {
            let hits = [&set, &fewer_set].map(|set| crate::support::matches(set, &json).len());
            prop_assert_eq!(hits[0], hits[1], "{}\n{}\n{:#?}", whole, json, diagnostics);
        }
    }

    /// No rule makes the linter panic, whatever its fields, values, names and comments are.
    #[test]
    fn nothing_makes_the_linter_panic(
        parts in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(&[
                    "eventName: ", "eventSource|contains: ", "  - eventName: [", "filter:\n", "condition: ",
                    "title: x\ndetection:\n", "  s:\n", "    eventName: CreateUser\n", "  condition: s\n",
                    "# lint: allow(dead-field): x\n", "# lint: allow(,", "tags: [attack.t1, ", "]\n",
                    "s and not s", "é.x|fieldref: ", "s3.amazonaws.com\n", "\u{212a}", "requestParameters.", "---\n",
                ][..]).prop_map(str::to_owned),
                "[a-zé#:(){}\\[\\]*.|' \n-]{0,12}",
            ],
            0..24,
        )
    ) {
        let Loaded { rules, filters, mut diagnostics, .. } = load("r.yml", &parts.concat());
        drop(RuleSet::build(rules, &filters, &mut diagnostics));
        for one in &diagnostics {
            prop_assert!(!one.to_string().contains('\n'));
        }
    }
}
