//! The repository's invariants, held from the first day: the line of crates, what each layer may not know, one place
//! that deletes, one that reads the environment, files a reader can hold, licences we may ship.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// The line: each crate may use only those above it.
const LINE: [&str; 15] = [
    "trailloop-masks",
    "trailloop-inflate",
    "trailloop-cloudtrail",
    "trailloop-finding",
    "trailloop-enrichment",
    "trailloop-rules",
    "trailloop-feedback",
    "trailloop-tuning",
    "trailloop-runbook",
    "trailloop-content",
    "trailloop-cloud",
    "trailloop-pipeline",
    "trailloop-query",
    "trailloop-respond",
    "trailloop",
];

/// These may use all, and nobody uses them.
const ASIDE: [&str; 3] = ["trailloop-sim", "trailloop-benches", "trailloop-instructions"];

/// Bytes and values in, values out.
const PURE: [&str; 10] = [
    "trailloop-masks",
    "trailloop-inflate",
    "trailloop-cloudtrail",
    "trailloop-finding",
    "trailloop-enrichment",
    "trailloop-rules",
    "trailloop-feedback",
    "trailloop-tuning",
    "trailloop-runbook",
    "trailloop-content",
];

/// A file without its tests is at most this long.
const FILE_LINES_MAX: usize = 500;

const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .unwrap()
}

fn member<'m>(metadata: &'m Metadata, name: &str) -> &'m Package {
    metadata.workspace_packages().into_iter().find(|package| package.name == name).unwrap()
}

#[test]
fn crates_stand_in_a_line() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let place = LINE.iter().position(|one| *one == name);
        assert!(place.is_some() || ASIDE.contains(&name), "{name} has no place in the line");
        for dependency in &package.dependencies {
            if dependency.path.is_none() || dependency.kind == DependencyKind::Development {
                continue;
            }
            let used = LINE.iter().position(|one| *one == dependency.name);
            let may = match place {
                Some(place) => used.is_some_and(|used| used < place),
                None => used.is_some(),
            };
            assert!(may, "{name} may not use {}", dependency.name);
        }
    }
}

/// Everything a crate is built with, dev-dependencies aside.
fn reach(metadata: &Metadata, package: &Package) -> BTreeSet<String> {
    let nodes: BTreeMap<&PackageId, _> =
        metadata.resolve.as_ref().unwrap().nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![&package.id];
    while let Some(id) = open.pop() {
        for dependency in &nodes[id].deps {
            let normal =
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if normal && seen.insert(metadata[&dependency.pkg].name.to_string()) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen
}

#[test]
fn pure_crates_know_no_runtime_no_cloud_and_no_database() {
    let metadata = metadata();
    for name in PURE {
        for used in reach(&metadata, member(&metadata, name)) {
            let heavy = used == "tokio"
                || used == "rusqlite"
                || used.starts_with("aws-")
                || used == "hyper";
            assert!(!heavy, "{name} reaches {used}");
        }
    }
}

#[test]
fn only_cloud_names_the_sdk_and_the_database() {
    for package in metadata().workspace_packages() {
        for dependency in &package.dependencies {
            let walled = dependency.name.starts_with("aws-") || dependency.name == "rusqlite";
            assert!(
                !walled || package.name == "trailloop-cloud",
                "{} names {}",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn licences_are_ones_we_may_ship() {
    for package in metadata().packages {
        // Older packages write a stroke for OR, and SPDX 3 allows it in small letters.
        let licence = package.license.clone().unwrap_or_default();
        let licence = licence.replace('/', " OR ").replace(" or ", " OR ");
        assert!(allowed(&licence), "{} {}: licence {licence:?}", package.name, package.version);
    }
}

/// Whether an SPDX expression can be met: OR binds weaker than AND, parentheses bind strongest.
fn allowed(expression: &str) -> bool {
    let expression = expression.trim();
    if let Some(parts) = split_outside(expression, " OR ") {
        return parts.into_iter().any(allowed);
    }
    if let Some(parts) = split_outside(expression, " AND ") {
        return parts.into_iter().all(allowed);
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => allowed(inner),
        None => LICENCES.contains(&expression),
    }
}

/// Splits at a separator outside of parentheses; `None` if it does not occur there.
fn split_outside<'e>(expression: &'e str, separator: &str) -> Option<Vec<&'e str>> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, char) in expression.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && at >= start && expression[at..].starts_with(separator) => {
                parts.push(&expression[start..at]);
                start = at + separator.len();
            }
            _ => {}
        }
    }
    if parts.is_empty() {
        return None;
    }
    parts.push(&expression[start..]);
    Some(parts)
}

#[test]
fn licence_expressions_are_read() {
    assert!(allowed("MIT OR GPL-3.0"));
    assert!(!allowed("MIT AND GPL-3.0"));
    assert!(allowed("(MIT OR GPL-3.0) AND Zlib"));
    assert!(!allowed(""));
}

/// A source file, and its text without the tests at its end and without comments.
struct Source {
    path: String,
    text: String,
    code: String,
    lines: usize,
}

/// Every Rust file of the crates' and benches' sources.
fn sources() -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    for folder in ["crates", "benches"] {
        rust_files(&root.join(folder), &mut paths);
    }
    assert!(paths.len() > 20, "the sources were not found");
    let source = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let before_tests = text
            .split("\n#[cfg(test)]\nmod ")
            .flat_map(|part| part.split("\n#[cfg(test)]\npub(crate) mod "))
            .next()
            .unwrap_or_default();
        let code: Vec<&str> =
            before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let path = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        Source { path, code: code.join("\n"), lines: before_tests.lines().count(), text }
    };
    paths.iter().map(source).collect()
}

fn rust_files(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            rust_files(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Tests, and examples, which are run by hand and not shipped.
fn is_test(path: &str) -> bool {
    path.contains("/tests/")
        || path.contains("/examples/")
        || path.ends_with("/tests.rs")
        || path.starts_with("crates/sim/")
}

/// The places outside of tests whose code holds `needle`.
fn places(needle: &str) -> Vec<String> {
    let holds = |source: &Source| !is_test(&source.path) && source.code.contains(needle);
    sources().into_iter().filter(holds).map(|source| source.path).collect()
}

#[test]
fn every_file_says_what_it_is() {
    for source in sources() {
        assert!(source.text.starts_with("//!"), "{} has no //! header", source.path);
    }
}

#[test]
fn files_can_be_held_in_the_head() {
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        assert!(
            source.lines <= FILE_LINES_MAX,
            "{}: {} lines without tests",
            source.path,
            source.lines
        );
    }
}

#[test]
fn one_function_deletes_messages_of_the_source() {
    let spine = fs::read_to_string(root().join("crates/pipeline/src/lib.rs")).unwrap();
    assert_eq!(spine.matches(".delete(").count(), 1);
    // It deletes several at once, and each of them has come to the end of the spine.
    assert_eq!(spine.matches("Settled::new(").count(), 1);
    assert_eq!(places("Settled::new("), ["crates/pipeline/src/lib.rs"]);
    let others: Vec<String> = places(".delete(")
        .into_iter()
        .filter(|path| path.starts_with("crates/pipeline/") && path != "crates/pipeline/src/lib.rs")
        .collect();
    assert_eq!(others, Vec::<String>::new());
}

#[test]
fn one_file_reads_the_environment() {
    let readers: BTreeSet<String> =
        ["env::var", "env::vars"].iter().flat_map(|needle| places(needle)).collect();
    assert_eq!(readers, BTreeSet::from(["crates/trailloop/src/config.rs".to_owned()]));
}

#[test]
fn one_module_holds_all_unsafe_code() {
    assert_eq!(places("unsafe {"), ["crates/masks/src/x86.rs", "crates/masks/src/x86/escape.rs"]);
    for needle in ["unsafe fn", "unsafe impl", "allow(unsafe_code"] {
        assert_eq!(places(needle), Vec::<String>::new(), "{needle}");
    }
}

#[test]
fn pure_crates_read_no_clock_and_no_file() {
    for needle in [
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "std::fs",
        "std::net::Tcp",
        "std::env",
    ] {
        let pure = [
            "masks",
            "inflate",
            "cloudtrail",
            "finding",
            "enrichment",
            "rules",
            "feedback",
            "tuning",
            "content",
        ]
        .map(|name| format!("crates/{name}/"));
        let found: Vec<String> = places(needle)
            .into_iter()
            .filter(|path| pure.iter().any(|pure| path.starts_with(pure.as_str())))
            .collect();
        assert_eq!(found, Vec::<String>::new(), "{needle}");
    }
}

#[test]
fn every_task_is_owned_and_every_choice_is_in_order() {
    for needle in ["tokio::spawn(", "block_in_place", "todo!(", "unimplemented!(", "#[allow("] {
        assert_eq!(places(needle), Vec::<String>::new(), "{needle}");
    }
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        for after in source.code.split("select! {").skip(1) {
            assert!(
                after.trim_start().starts_with("biased;"),
                "{}: a select! without biased",
                source.path
            );
        }
    }
}

#[test]
fn the_repository_speaks_of_the_product_alone() {
    // Written so that this file does not hold them itself.
    let words = [
        ["/", "work/"].concat(),
        ["/t", "mp/"].concat(),
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
    ];
    let root = root();
    let mut paths = Vec::new();
    for folder in
        [".ci", ".cargo", "benches", "crates", "deploy", "docs", "fixtures", "fuzz", "scripts"]
    {
        text_files(&root.join(folder), &mut paths);
    }
    for file in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Cargo.toml", "clippy.toml"] {
        paths.push(root.join(file));
    }
    assert!(paths.len() > 200, "the files were not found");
    for path in paths {
        // An address database holds texts too.
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} holds {word}", path.display());
        }
    }
}

/// Every file of text below a folder; logs and hostile files are none.
fn text_files(folder: &Path, paths: &mut Vec<PathBuf>) {
    const OTHER: [&str; 4] = ["target", "logs", "hostile", "__pycache__"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !OTHER.contains(&name.as_str()) {
            text_files(&path, paths);
        } else if path.is_file() && name != "Cargo.lock" {
            paths.push(path);
        }
    }
}
