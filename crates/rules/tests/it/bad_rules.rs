//! What the loader says of bad rules, and that hostile files cost a bounded amount of work.

use std::fmt::Write as _;
use std::time::Instant;

use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{CODES, Lists, Loaded, MatchScratch, RuleSet, Severity, text_of_file};

use crate::support::{assert_is_expected, files, load, load_with, repository, rule_of};

#[test]
fn bad_rules_are_refused_with_place_and_remedy() {
    let folder = repository().join("fixtures/rules-bad");
    let mut said = String::new();
    let mut count = 0;
    for path in files(&folder) {
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        count += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Loaded { rules, filters, mut diagnostics, .. } =
            load(&name, &std::fs::read_to_string(&path).unwrap());
        let loaded = RuleSet::build(rules, &filters, &mut diagnostics).len();
        diagnostics.retain(|one| !one.is_lint());
        assert!(!diagnostics.is_empty(), "{name} is not bad");
        for diagnostic in &diagnostics {
            assert!(CODES.iter().any(|(code, _)| *code == diagnostic.code), "{diagnostic}");
            assert!(
                !diagnostic.help.is_empty() && !diagnostic.to_string().contains('\n'),
                "{diagnostic}"
            );
            writeln!(said, "{diagnostic}").unwrap();
        }
        writeln!(said, "{name}: {loaded} loaded\n").unwrap();
    }
    assert!(count >= 60, "only {count} files");
    assert_is_expected(&folder, &said);
}

#[test]
fn every_code_is_shown_by_a_fixture() {
    let said = |folder: &str| {
        let path = repository().join("fixtures").join(folder).join("expected.txt");
        std::fs::read_to_string(path).unwrap()
    };
    let expected = said("rules-bad") + &said("rules-lint");
    // These are said of a file too full of problems to list, of lists, of shipped rules, and of bytes.
    let elsewhere = ["too-many-problems", "bad-list", "missing-tests", "bad-encoding"];
    for (code, _) in CODES.iter().filter(|(code, _)| !elsewhere.contains(code)) {
        assert!(expected.contains(&format!("[{code}]")), "no fixture shows {code}");
    }
}

/// So many search identifiers, one a line.
fn parts(count: usize) -> String {
    (0..count).map(|nth| format!("s{nth}: {{a: x{nth}}}\n")).collect()
}

/// So many values.
fn listed(count: usize) -> String {
    (0..count).map(|nth| format!("v{nth}, ")).collect()
}

/// A rule that may use array scopes.
fn scoped(detection: &str) -> String {
    rule_of(detection).replacen("level: low\n", "level: low\nsigma-version: 3\n", 1)
}

/// Bodies of scopes, one in the other.
fn bodies(deep: usize) -> String {
    (0..deep).fold("{.: x}".to_owned(), |body, _| format!("{{'b[any]': {body}}}"))
}

/// A template of so many values, and so many rules that differ in their titles alone.
fn template(values: usize, rules: usize) -> String {
    let titles: String = (0..rules).map(|nth| format!("---\ntitle: R{nth}\n")).collect();
    format!(
        "action: global\nlevel: low\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{s: {{a|startswith: [{}]}}, condition: s}}\n{titles}",
        listed(values)
    )
}

/// Loads a hostile text, which must take neither long nor much; returns the codes of its errors.
fn hostile(text: &str) -> Vec<&'static str> {
    let start = Instant::now();
    let loaded = load("hostile.yml", text);
    // Far above what any of these takes, far below what they would take without limits.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert!(loaded.diagnostics.iter().all(|d| d.to_string().len() < 2_000));
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    errors.map(|d| d.code).collect()
}

#[test]
fn hostile_files_are_bounded() {
    let selection = |value: &str| rule_of(&format!("s:\n  a: '{value}'\ncondition: s"));
    let condition = |text: &str| rule_of(&format!("s:\n  a: b\ncondition: {text}"));
    let many_values: String = (0..20_000).map(|n| format!("\n    - v{n}")).collect();
    let keys = |separator: &str| -> String {
        (0..20_000).map(|n| format!("k{n}|contains: x{separator}")).collect()
    };
    for (text, code) in [
        (rule_of(&format!("s:\n  {}\ncondition: t", keys("\n  "))), "undefined-identifier"),
        (rule_of(&format!("s: {{{}}}\ncondition: t", keys(", "))), "undefined-identifier"),
        (condition(&"s AND ".repeat(100_000)), "too-large"),
        (rule_of(&format!("{}\ncondition: 1 of them", keys("\n"))), "too-large"),
        (
            format!(
                "{}detection: x\n",
                (0..50_000).map(|n| format!("k{n}: x\n")).collect::<String>()
            ),
            "wrong-type",
        ),
        (selection(&"*a".repeat(50_000)), "too-large"),
        (selection(&"a".repeat(10_000)), "too-large"),
        ("a".repeat(2 * 1024 * 1024), "too-large"),
        ("- x\n".repeat(250_000), "too-large"),
        ("[".repeat(100_000), "yaml-syntax"),
        ("- ".repeat(100_000), "too-large"),
        ("{a: ".repeat(100_000), "yaml-syntax"),
        ("? ".repeat(100_000), "too-large"),
        (condition(&"(".repeat(10_000)), "too-large"),
        (condition(&"not ".repeat(10_000)), "too-large"),
        (
            rule_of(&format!("s:\n  a:{many_values}\ncondition: s{}", " or s".repeat(10_000))),
            "too-large",
        ),
        (format!("a: &a {}\nb: [{}]", "x".repeat(500_000), "*a, ".repeat(100_000)), "too-large"),
        ("a: 1\n".repeat(1_000), "duplicate-key"),
        ("a: &a [*a]\n".to_owned(), "yaml-alias"),
        ("\u{0}\u{1}".to_owned(), "yaml-syntax"),
        ("--- \"\n".repeat(10_000), "yaml-syntax"),
        ("--- [\n".repeat(50_000), "yaml-syntax"),
    ] {
        is_refused(&text, code);
    }
}

#[test]
fn hostile_values_and_templates_are_refused() {
    let selection = |value: &str| rule_of(&format!("s:\n  a: '{value}'\ncondition: s"));
    for (text, code) in [
        (selection(&"*a".repeat(2_500_000)), "too-large"),
        (rule_of(&format!("{}\ncondition: 1 of them", parts(10_000))), "too-large"),
        (rule_of("s:\n  a|re: '(a{1000}){1000}'\ncondition: s"), "bad-regex"),
        (rule_of("s:\n  a|re: '\\w{1000}{1000}'\ncondition: s"), "bad-regex"),
        (rule_of(&format!("s:\n  a|re: '{}'\ncondition: s", "(a|".repeat(5_000))), "bad-regex"),
        (
            rule_of(&format!(
                "s:\n  a|re: [{}]\ncondition: s",
                "'((a{100}){100}){100}', ".repeat(10)
            )),
            "bad-regex",
        ),
        (scoped(&format!("s:\n  a{}: x\ncondition: s", "[any]".repeat(100))), "too-large"),
        (scoped(&format!("s:\n  a{}: x\ncondition: s", ".b[all]".repeat(100))), "too-large"),
        (scoped(&format!("s:\n  a[any]: {}\ncondition: s", bodies(64))), "too-large"),
        (template(1_000, 10_000), "too-large"),
        (
            format!(
                "title: x\ndetection: {{s: {{a|startswith: [{}]}}, condition: s}}\n---\n{}",
                listed(1_000),
                "action: repeat\nlevel: low\n---\n".repeat(10_000)
            ),
            "too-large",
        ),
        (
            format!(
                "action: global\nx: &x [{}]\ny: [{}]\n---\n{}",
                "a, ".repeat(1_000),
                "*x, ".repeat(150),
                "title: x\n---\n".repeat(10_000)
            ),
            "too-large",
        ),
    ] {
        is_refused(&text, code);
    }
}

fn is_refused(text: &str, code: &str) {
    let codes = hostile(text);
    let start: String = text.chars().take(40).collect();
    assert!(codes.contains(&code), "{start:?}… gave {codes:?}");
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let problem = text_of_file("rule.yml", b"title: x\n# caf\xe9\n").unwrap_err();
    assert_eq!((problem.line, problem.column, problem.code), (2, 6, "bad-encoding"));
    assert_eq!(text_of_file("rule.yml", "é".as_bytes()), Ok("é"));
}

#[test]
fn a_long_list_of_values_is_no_hostile_file() {
    let values: String = (0..20_000).map(|n| format!("\n    - value-{n}")).collect();
    let loaded = load("long.yml", &rule_of(&format!("s:\n  a:{values}\ncondition: s")));
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
}

#[test]
fn a_broken_document_does_not_take_the_others_down() {
    let good = rule_of("s:\n  eventName: CreateUser\ncondition: s");
    let other = good.replace("9a8d3f1c", "9a8d3f1d");
    let broken = "title: broken\ndetection: [\n";
    let loaded = load("three.yml", &format!("{good}---\n{broken}---\n{other}"));
    assert_eq!(loaded.rules.len(), 2, "{:#?}", loaded.diagnostics);
    let line = u32::try_from(good.lines().count() + 1 + broken.lines().count() + 2).unwrap();
    assert_eq!(loaded.rules[1].line, line);
    assert_eq!(loaded.diagnostics.len(), 1, "{:#?}", loaded.diagnostics);
}

/// A rule whose item `key` lists so many values.
fn many(key: &str, count: usize, value: impl Fn(usize) -> String) -> String {
    let values: Vec<_> = (0..count).map(value).collect();
    rule_of(&format!("s:\n  {key}: [{}]\ncondition: s", values.join(", ")))
}

/// Records made to cost: each is about as large as CloudTrail lets a record be.
fn hostile_records() -> Vec<String> {
    let many = |count: usize, one: &dyn Fn(usize) -> String| {
        (0..count).map(one).collect::<Vec<_>>().join(",")
    };
    vec![
        format!(r#"{{"a":"{}"}}"#, "a".repeat(100_000)),
        format!(r#"{{"a":"{}é"}}"#, "a".repeat(100_000)),
        format!(r#"{{"a":"{}"}}"#, "é".repeat(50_000)),
        format!(r#"{{"a":"{}"}}"#, many(42_000, &|nth| format!("p{nth}"))),
        format!(r#"{{"a":[{}]}}"#, many(50_000, &|nth| format!("\"t{nth}\""))),
        format!(r#"{{"a":[{}]}}"#, many(50_000, &|nth| nth.to_string())),
        format!(r#"{{"a":[{}]}}"#, many(40_000, &|nth| format!("{{\"b\":{nth}}}"))),
        format!(r#"{{"a":{{{}}}}}"#, many(20_000, &|nth| format!("\"k{nth}\":\"v\""))),
        format!(
            r#"{{"a":[{}],"f":[{}]}}"#,
            many(20_000, &|nth| format!("\"l{nth}\"")),
            many(20_000, &|nth| format!("\"r{nth}\""))
        ),
        format!(r#"{{"a":[{}]}}"#, many(50_000, &|nth| format!(r#""{{\"b\":{nth}}}""#))),
        format!(r#"{{"a":"{{\"b\":[{}]}}"}}"#, many(25_000, &|nth| format!(r#"\"t{nth}\""#))),
        format!(r#"{{"a":{}1{}}}"#, r#"{"b":["#.repeat(50), "]}".repeat(50)),
    ]
}

/// Loads a file, builds its set and matches every hostile record, each of which must be done in bounded time. The file
/// may be refused instead.
fn is_bounded(name: &str, text: &str, records: &[String]) -> Vec<String> {
    let mut slow = Vec::new();
    let mut start = Instant::now();
    let mut lap = |what: &str| {
        let took = start.elapsed();
        // As in `hostile`: far above what it takes, far below what it would take without limits.
        assert!(took.as_secs() < 20, "{name}: {what} took {took:?}");
        if took.as_millis() > 200 {
            slow.push(format!("{name}: {what} took {took:?}"));
        }
        start = Instant::now();
    };
    let Loaded { rules, filters, mut diagnostics, .. } = load("hostile.yml", text);
    lap("loading");
    assert!(!rules.is_empty() || diagnostics.iter().any(|one| one.severity == Severity::Error));
    let set = RuleSet::build(rules, &filters, &mut diagnostics);
    lap("building");
    let mut scratch = MatchScratch::new();
    let mut out = Vec::new();
    for json in records {
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        lap("parsing");
        set.matches_into(&record, &mut scratch, &mut out);
        lap(&format!("{}…", &json[..json.len().min(24)]));
    }
    slow
}

#[test]
fn hostile_rules_on_hostile_records_are_bounded() {
    let records = hostile_records();
    for (name, text) in [
        ("equality", many("a", 10_000, |nth| format!("v{nth}"))),
        ("numbers", many("a", 10, |nth| (nth + 100_000).to_string())),
        ("networks", many("a|cidr", 10_000, |nth| format!("10.{}.{}.0/24", nth / 250, nth % 250))),
        ("keywords", rule_of(&format!("k:{}\ncondition: k", "\n  - none of them".repeat(20)))),
        ("many keywords", rule_of(&format!("k:{}\ncondition: k", keywords(10_000)))),
        ("every word", many("'|all'", 20, |nth| format!("t{nth}"))),
        ("one other field", many("a|fieldref", 1, |_| "a.x".to_owned())),
        ("no other field", many("a|fieldref", 10, |nth| format!("f.g{nth}"))),
        ("nested bodies", scoped(&format!("s:\n  a[any]: {}\ncondition: s", bodies(50)))),
        ("a long path", rule_of(&format!("s:\n  {}a: x\ncondition: s", "a.".repeat(100_000)))),
        (
            "a long path of another style",
            rule_of(&format!("s: {{{}a: x}}\ncondition: s", "a.".repeat(20_000))),
        ),
        (
            "a long path to another field",
            rule_of(&format!("s:\n  a|fieldref: {}a\ncondition: s", "a.".repeat(20_000))),
        ),
        (
            "a path into texts",
            scoped("s:\n  a.b.c.d.e: x\n  a.b[any]: t1\n  a[all].b: 3\ncondition: s"),
        ),
        (
            "quantifiers",
            scoped(
                "s:\n  a[none]:\n    b|gt: 50000\n  a[all_or_empty].b|exists: true\n  a[-1].b: 3\ncondition: s",
            ),
        ),
        ("repetition", many("a|re", 10, |nth| format!("'(a*)*(a|b|aa)*{nth}'"))),
        ("a template", template(20, 20)),
        ("question marks", many("a", 1, |_| format!("'*{}b*'", "?".repeat(200)))),
    ] {
        println!("{:#?}", is_bounded(name, &text, &records));
    }
}

#[test]
fn the_largest_rules_on_hostile_records_are_bounded() {
    let records = hostile_records();
    let long = "a".repeat(8_000);
    for (name, text) in [
        (
            "exploding expressions",
            rule_of(&format!(
                "s:\n  a|re: [{}]\ncondition: s",
                "'((a{100}){100}){100}', ".repeat(10_000)
            )),
        ),
        ("numbers", many("a", 1_000, |nth| (nth + 100_000).to_string())),
        ("pieces", many("a|contains", 10_000, |nth| format!("piece{nth}"))),
        ("pieces beyond ASCII", many("a|contains", 10_000, |nth| format!("é{nth}"))),
        ("every word", many("'|all'", 10_000, |nth| format!("t{nth}"))),
        ("every piece", many("a|contains|all", 10_000, |nth| format!("{nth}"))),
        ("starts", many("a|startswith", 10_000, |nth| format!("a{nth}"))),
        ("ends", many("a|endswith", 10_000, |nth| format!("a{nth}"))),
        ("expressions", many("a|re", 10_000, |nth| format!("'x{nth}+y'"))),
        ("large expressions", many("a|re", 10_000, |nth| format!("'(x{nth}[a-z]){{900}}'"))),
        ("other fields", many("a|fieldref", 10_000, |nth| format!("f.g{nth}"))),
        ("pairs of values", many("a|fieldref", 1, |_| "f".to_owned())),
        ("pairs of parts", many("a|fieldref|contains", 1, |_| "f".to_owned())),
        ("pairs in a body", scoped("s:\n  a[none]|fieldref: f\ncondition: s")),
        ("words beyond ASCII", many("'|contains'", 10_000, |nth| format!("é{nth}"))),
        ("wildcards", many("a", 90_000, |nth| format!("a*{nth}"))),
        ("long pieces", many("a", 3, |nth| format!("'*{long}?{nth}*'"))),
        ("identifiers", rule_of(&format!("{}condition: 1 of them", parts(1_000)))),
        ("a large template", template(1_000, 190)),
        ("filters", filters(200, 150)),
    ] {
        println!("{:#?}", is_bounded(name, &text, &records));
    }
}

/// A list of so many keywords.
fn keywords(count: usize) -> String {
    (0..count).map(|nth| format!("\n  - word {nth}")).collect()
}

/// So many rules, and so many filters that speak of all of them.
fn filters(rules: usize, filters: usize) -> String {
    let rule = |nth: usize| {
        format!(
            "title: R{nth}\nlevel: low\ndetection: {{s: {{a|contains: t{nth}}}, condition: s}}\n---\n"
        )
    };
    let filter = |nth: usize| {
        format!(
            "title: F{nth}\nfilter: {{rules: any, s: {{a: x{nth}, b: y}}, condition: not s}}\n---\n"
        )
    };
    (0..rules).map(rule).chain((0..filters).map(filter)).collect()
}

#[test]
fn a_product_of_lists_is_bounded() {
    let mut lists = Lists::new();
    let values: String = (0..300).map(|nth| format!("value-{nth}\n")).collect();
    assert_eq!(lists.add("many.txt", &values), None);
    for (value, code) in
        [("%many%".repeat(3), "unknown-list"), ("%many%".repeat(1_000), "unknown-list")]
    {
        let start = Instant::now();
        let text = many("a|expand", 100, |_| format!("'{value}'"));
        let loaded = load_with("hostile.yml", &text, &lists);
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
        assert!(loaded.diagnostics.iter().any(|one| one.code == code), "{:?}", loaded.diagnostics);
    }
}
