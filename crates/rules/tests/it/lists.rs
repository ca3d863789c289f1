//! Lists for `expand`: values of a rule that stand in files of their own.

use trailloop_rules::{Lists, Loaded, RuleSet};

use crate::support::{load_with, matches, rule_of};

fn lists() -> Lists {
    let mut lists = Lists::new();
    for (path, text) in [
        ("lists/admins.txt", "# who may\nci-deployer\n\n  platform-*  \n"),
        ("lists/offices.txt", "192.0.2.0/24\r\n2001:db8::/32\r\n"),
        ("lists/tools.txt", "pacu\nscout?uite\nwhat\\*\n"),
        ("lists/regions.txt", "us-east-1\neu-west-1\n"),
        ("lists/one.txt", "solo\n"),
        ("lists/none.txt", "# nothing yet\n"),
        ("lists/broken.txt", "192.0.2.1/24\n"),
        ("lists/numbers.txt", "22\n3389\n"),
    ] {
        assert_eq!(lists.add(path, text), None, "{path}");
    }
    lists
}

/// Whether the item matches the record; the codes of the errors if it is refused.
fn ask(item: &str, json: &str) -> Result<bool, Vec<&'static str>> {
    let text = rule_of(&format!("s:\n  {item}\ncondition: s"));
    let Loaded { rules, diagnostics, .. } = load_with("rule.yml", &text, &lists());
    if rules.is_empty() {
        return Err(diagnostics.iter().map(|one| one.code).collect());
    }
    let set = RuleSet::build(rules, &[], &mut Vec::new());
    Ok(!matches(&set, json).is_empty())
}

#[test]
fn placeholders_stand_for_every_value() {
    for (item, json, expected) in [
        ("a|expand: '%admins%'", r#"{"a":"CI-deployer"}"#, true),
        ("a|expand: '%admins%'", r#"{"a":"platform-admin"}"#, true),
        ("a|expand: '%admins%'", r#"{"a":"backup-operator"}"#, false),
        ("a|expand: '%admins%'", r##"{"a":"# who may"}"##, false),
        ("a|expand: '%admins%'", r#"{"a":""}"#, false),
        ("a|expand: ['%admins%', backup-operator]", r#"{"a":"backup-operator"}"#, true),
        ("a|expand: ['%admins%', '%one%']", r#"{"a":"solo"}"#, true),
        ("a|contains|expand: '%tools%'", r#"{"a":"the PACU tool"}"#, true),
        ("a|expand|contains: '%tools%'", r#"{"a":"the pacu tool"}"#, true),
        ("a|contains|expand: '%tools%'", r#"{"a":"scoutsuite/5"}"#, true),
        ("a|contains|expand: '%tools%'", r#"{"a":"whatever"}"#, false),
        ("a|contains|expand: '%tools%'", r#"{"a":"so what*"}"#, true),
        ("a|startswith|expand: '%regions%'", r#"{"a":"us-east-1a"}"#, true),
        ("a|startswith|expand: '%regions%'", r#"{"a":"x us-east-1"}"#, false),
        ("a|endswith|expand: '%regions%'", r#"{"a":"in eu-west-1"}"#, true),
        ("a|cased|expand: '%admins%'", r#"{"a":"CI-deployer"}"#, false),
        ("a|cidr|expand: '%offices%'", r#"{"a":"192.0.2.77"}"#, true),
        ("a|cidr|expand: '%offices%'", r#"{"a":"2001:db8::1"}"#, true),
        ("a|cidr|expand: '%offices%'", r#"{"a":"198.51.100.1"}"#, false),
        ("a|cidr|expand: ['%offices%', 198.51.100.0/24]", r#"{"a":"198.51.100.1"}"#, true),
        ("a|neq|expand: '%admins%'", r#"{"a":"ci-deployer"}"#, false),
        ("a|neq|expand: '%admins%'", r#"{}"#, true),
        ("a|contains|all|expand: '%regions%'", r#"{"a":"us-east-1 and eu-west-1"}"#, true),
        ("a|contains|all|expand: '%regions%'", r#"{"a":"us-east-1"}"#, false),
        ("a|contains|all|expand: '%regions%'", r#"{"a":["us-east-1","eu-west-1"]}"#, true),
        ("a|expand: '%numbers%'", r#"{"a":22}"#, true),
        ("a|base64|contains|expand: '%one%'", r#"{"a":"x c29sbw=="}"#, true),
        ("'|expand': '%admins%'", r#"{"b":["by ci-deployer"]}"#, true),
    ] {
        assert_eq!(ask(item, json), Ok(expected), "{item} on {json}");
    }
}

#[test]
fn placeholders_may_be_a_part_of_a_value() {
    for (item, json, expected) in [
        ("a|expand: 'user/%admins%'", r#"{"a":"user/ci-deployer"}"#, true),
        ("a|expand: 'user/%admins%'", r#"{"a":"ci-deployer"}"#, false),
        ("a|expand: '%regions%:%one%'", r#"{"a":"eu-west-1:solo"}"#, true),
        ("a|expand: '%regions%:%regions%'", r#"{"a":"us-east-1:eu-west-1"}"#, true),
        ("a|expand: '%regions%:%regions%'", r#"{"a":"us-east-1:other"}"#, false),
        ("a|expand: '100% %one%'", r#"{"a":"100% solo"}"#, true),
        ("a|expand: '*/%one%'", r#"{"a":"any/solo"}"#, true),
        ("a|expand: '50%'", r#"{"a":"50%"}"#, true),
        // Without `expand` a percent sign is one.
        ("a: '%admins%'", r#"{"a":"%admins%"}"#, true),
        ("a: '%admins%'", r#"{"a":"ci-deployer"}"#, false),
        ("a|contains: '%not_there%'", r#"{"a":"%NOT_THERE%"}"#, true),
    ] {
        assert_eq!(ask(item, json), Ok(expected), "{item} on {json}");
    }
}

#[test]
fn what_a_list_can_not_give_is_refused() {
    for (item, code) in [
        ("a|expand: '%not_there%'", "unknown-list"),
        ("a|expand: '%none%'", "unknown-list"),
        ("a|expand: ['%admins%', '%not_there%']", "unknown-list"),
        ("a|cidr|expand: '%broken%'", "bad-cidr"),
        ("a|cidr|expand: '%admins%'", "bad-cidr"),
        ("a|base64|expand: '%admins%'", "bad-value"),
        ("a|re|expand: '%admins%'", "conflicting-modifiers"),
        ("a|gt|expand: '%numbers%'", "conflicting-modifiers"),
        ("a|fieldref|expand: '%admins%'", "conflicting-modifiers"),
        ("a|exists|expand: '%admins%'", "conflicting-modifiers"),
    ] {
        let said = ask(item, "{}").unwrap_err();
        assert!(said.contains(&code), "{item}: {said:?}");
    }
    // Its place is that of the value which names the list.
    let text = rule_of("s:\n  a|expand:\n    - x\n    - '%not_there%'\ncondition: s");
    let diagnostics = load_with("rule.yml", &text, &lists()).diagnostics;
    let line = text.lines().position(|line| line.contains("not_there")).unwrap() + 1;
    assert_eq!((diagnostics[0].line as usize, diagnostics[0].column), (line, 9));
}

#[test]
fn many_placeholders_are_bounded() {
    let mut lists = Lists::new();
    let values: String = (0..2_000).map(|nth| format!("value-{nth}\n")).collect();
    assert_eq!(lists.add("many.txt", &values), None);
    for (value, loads) in
        [("%many%", true), ("%many%%many%", false), (&"%many%".repeat(500), false)]
    {
        let text = rule_of(&format!("s:\n  a|expand: '{value}'\ncondition: s"));
        let loaded = load_with("rule.yml", &text, &lists);
        assert_eq!(loaded.rules.len() == 1, loads, "{:?}", loaded.diagnostics);
    }
    // Many values that each stand for many are bounded together.
    let each = vec!["'%many%'"; 100].join(", ");
    let text = rule_of(&format!("s:\n  a|expand: [{each}]\ncondition: s"));
    let codes: Vec<_> =
        load_with("rule.yml", &text, &lists).diagnostics.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["too-large"]);
}
