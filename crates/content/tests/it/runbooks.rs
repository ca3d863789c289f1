//! Which shipped runbook answers which shipped rule.
//!
//! Every rule of level medium or above has a runbook for each record that it is shown to match, and that runbook can act: its
//! parameters are found in the record, and nothing that it would call is refused for such a caller. What answers what is
//! `docs/runbook-catalogue.md`; delete it and run the test to write it anew, then read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};
use trailloop_cloudtrail::{Limits, Scratch, read_records};
use trailloop_content::{example_file, runbooks, shipped};
use trailloop_finding::{Level, redact};
use trailloop_rules::{Rule, run_tests};
use trailloop_runbook::catalogue::{Ours, Risk, find};
use trailloop_runbook::document::{Action, Template, Undo};
use trailloop_runbook::{Call, Runbook, Values, bind, choose_all, resolve, resource};

use crate::repository;

/// Findings whose runbook is refused, which is told to people: the role has a name that is only AWS's to give, and root made the
/// user, at whose word nothing is done to anybody's identity.
const REFUSED: [(&str, &str); 2] = [
    ("persistence/user-created-by-hand.yml", "CreateUser"),
    ("privilege-escalation/rights-changed-by-hand.yml", "CreateRole"),
];

/// A matching example of a rule as its finding's context.
fn contexts(rule: &Rule) -> Vec<Value> {
    let matching = run_tests(rule, &|file| example_file(&rule.path, file)).into_iter();
    matching.filter(|outcome| outcome.expected).map(|one| context(rule, &one.event)).collect()
}

/// A record as a finding quotes it, without secrets: the executor sees no other.
fn redacted(event: &str) -> Value {
    let object = format!(r#"{{"Records":[{event}]}}"#);
    let mut found = Value::Null;
    read_records(object.as_bytes(), &Limits::default(), &mut Scratch::new(), |record| {
        found = serde_json::from_slice(&redact(record)).unwrap();
    });
    assert!(found.is_object(), "{event}");
    found
}

/// What expressions see of a finding of this rule on this record, as the executor builds it.
fn context(rule: &Rule, event: &str) -> Value {
    let event = redacted(event);
    let target = resolve(&event);
    let account = target.account.clone().map_or(event["recipientAccountId"].clone(), Value::from);
    let run = json!({
        "id": "fedcba9876543210fedcba9876543210",
        "started_at": "2026-11-20T10:00:00Z",
        "account": account,
        "region": event["awsRegion"],
        "partition": target.partition,
    });
    let finding = json!({
        "uid": "0123456789abcdef0123456789abcdef",
        "uid8": "01234567",
        "time": event["eventTime"],
        "severity": rule.analytic.level.as_str(),
        "severity_id": rule.analytic.level.severity_id(),
        "title": rule.analytic.name,
        "rule": rule.analytic.uid,
        "tags": rule.analytic.tags,
        "account": event["recipientAccountId"],
        "region": event["awsRegion"],
        "priority": null,
        "verdict": null,
        "resource": resource::of(&event).map_or(Value::Null, |one| one.to_json()),
        "target": target.to_json(),
        "event": event,
    });
    json!({ "finding": finding, "run": run, "enrich": {} })
}

/// Why a runbook can't act on a finding that it is chosen for.
fn obstacle(runbook: &Runbook, context: &Value) -> Option<String> {
    let event = &context["finding"]["event"];
    let (target, resource) = (resolve(event), resource::of(event));
    let text = |name: &str| context["run"][name].as_str().unwrap_or_default().to_owned();
    let parameters = match bind(runbook, context) {
        Ok(parameters) => parameters,
        Err(refusal) => return Some(refusal.to_string()),
    };
    let values = Values {
        parameters,
        account: text("account"),
        region: text("region"),
        partition: text("partition"),
        date_time: text("started_at"),
        execution_id: text("id"),
        ..Values::default()
    };
    let ours = Ours {
        responder_role: "trailloop-responder".to_owned(),
        break_glass: vec!["arn:aws:iam::*:role/BreakGlass".to_owned()],
        management_account: Some("999988887777".to_owned()),
    };
    // What is only planned is never asked whether it may be made.
    if runbook.not_run_here().is_some() {
        return None;
    }
    changes(runbook).find_map(|(_, template)| {
        let call = match template.fill(&values) {
            Ok(call) => call,
            Err(refusal) => return Some(refusal.to_string()),
        };
        if let Some(refusal) = target.forbids_on(&call, resource.as_ref()) {
            return Some(refusal.to_string());
        }
        let never = template.api().unwrap().never(&call, &target, &ours);
        never.err().map(|refusal| refusal.to_string())
    })
}

/// The steps that change something.
fn changes(runbook: &Runbook) -> impl Iterator<Item = (&str, &Template)> {
    runbook.steps.iter().filter_map(|step| match &step.action {
        Action::Call(call) if call.api().is_some_and(|api| api.changes) => {
            Some((step.name.as_str(), call))
        }
        _ => None,
    })
}

/// How much harm the widest of its changes can do.
fn risk(runbook: &Runbook) -> Option<Risk> {
    let of = |(_, template): (&str, &Template)| {
        let api = template.api()?;
        let Template { service, api: name, inputs } = template.clone();
        // Of a policy its document tells; the rest is not known before a run.
        Some(match inputs.contains_key("PolicyDocument") {
            true => api.risk_of(&Call { service, api: name, inputs }),
            false => api.risk,
        })
    };
    changes(runbook).filter_map(of).max()
}

/// The shipped rules of level medium or above.
fn rules() -> Vec<Rule> {
    let mut rules = shipped().rules;
    rules.retain(|rule| rule.analytic.level >= Level::Medium);
    rules
}

#[test]
fn every_rule_of_medium_or_above_is_answered() {
    let (runbooks, _) = runbooks::shipped();
    let (mut unanswered, mut refused) = (Vec::new(), 0);
    for rule in rules() {
        let contexts = contexts(&rule);
        assert!(!contexts.is_empty(), "{} has no matching example", rule.path);
        for context in contexts {
            let name = context["finding"]["event"]["eventName"].as_str().unwrap_or_default();
            let chosen = choose_all(&runbooks, &context);
            if chosen.is_empty() {
                unanswered.push(format!("{} {name}: no runbook", rule.path));
            }
            for runbook in chosen {
                let is_known = REFUSED.contains(&(rule.path.as_str(), name));
                match obstacle(runbook, &context) {
                    Some(_) if is_known => refused += 1,
                    Some(why) => {
                        unanswered.push(format!("{} {name}: {}: {why}", rule.path, runbook.id));
                    }
                    None => {}
                }
            }
        }
    }
    assert_eq!(unanswered, Vec::<String>::new());
    assert_eq!(refused, REFUSED.len());
}

#[test]
fn techniques_are_those_of_the_rules() {
    let tags: BTreeSet<String> =
        shipped().rules.into_iter().flat_map(|rule| rule.analytic.tags).collect();
    for runbook in runbooks::shipped().0 {
        for technique in &runbook.attack {
            let tag = format!("attack.{}", technique.to_ascii_lowercase());
            assert!(tags.contains(&tag), "{}: no rule is about {technique}", runbook.id);
        }
    }
}

#[test]
fn every_escalation_ends_and_nothing_wide_acts_by_itself() {
    let (runbooks, _) = runbooks::shipped();
    let by_id: BTreeMap<&str, &Runbook> =
        runbooks.iter().map(|runbook| (runbook.id.as_str(), runbook)).collect();
    for runbook in &runbooks {
        let mut at = runbook;
        let mut passed = BTreeSet::from([at.id.as_str()]);
        while let Some(next) = at.escalate.first() {
            at = by_id[next.as_str()];
            assert!(passed.insert(&at.id), "{} leads back to {}", runbook.id, at.id);
        }
        assert_eq!(runbook.owner, "security", "{}", runbook.id);
        assert!(!runbook.attack.is_empty() && !runbook.d3fend.is_empty(), "{}", runbook.id);
        assert!(!runbook.notify.is_empty(), "{} tells nobody", runbook.id);
        assert!(runbook.tests.len() >= 2, "{} has too few examples", runbook.id);
        let widest = risk(runbook);
        if widest > Some(Risk::R1) {
            assert!(runbook.mode < trailloop_runbook::document::Mode::Auto, "{}", runbook.id);
        }
        let acts = widest.is_some() && runbook.mode > trailloop_runbook::document::Mode::DryRun;
        let is_undone = runbook.undo.values().any(|undo| !matches!(undo, Undo::None(_)));
        assert!(!acts || !is_undone || runbook.lease.is_some(), "{} has no lease", runbook.id);
    }
}

/// The pattern by which a policy of our own is named lets no other be named.
#[test]
fn policies_that_we_write_have_names_of_our_own_unless_they_take_a_grant_away() {
    let (runbooks, _) = runbooks::shipped();
    for runbook in &runbooks {
        let writes = changes(runbook).any(|(_, call)| {
            matches!(call.api.as_str(), "PutUserPolicy" | "PutRolePolicy")
                && call.inputs["PolicyDocument"].as_str().is_some_and(|text| text.contains("Deny"))
        });
        if writes {
            let name = runbook.parameters.iter().find(|one| one.name == "PolicyName").unwrap();
            let pattern = name.allowed_pattern.as_ref().unwrap();
            assert!(
                pattern.as_str().starts_with("^trailloop-contain-[0-9a-f]{8}"),
                "{}",
                runbook.id
            );
            assert!(!pattern.is_match("admin"), "{}", runbook.id);
        }
    }
}

#[test]
fn calls_have_the_inputs_that_their_apis_take() {
    for runbook in runbooks::shipped().0 {
        let undone = runbook.undo.values().filter_map(|undo| match undo {
            Undo::Call(call) => Some(call),
            _ => None,
        });
        for call in changes(&runbook).map(|(_, call)| call).chain(undone) {
            let problems = call.api().unwrap().problems(&call.inputs);
            assert_eq!(problems, Vec::<String>::new(), "{}", runbook.id);
        }
    }
}

/// What attackers may write where a name should stand.
const HOSTILE: [&str; 14] = [
    "",
    "*",
    "a b",
    "a\nb",
    "\u{1b}[31mbob",
    "{{ UserName }}",
    "bob\",\"Effect\":\"Allow",
    "\"},{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},{\"x\":\"",
    "$(id)",
    "${aws:username}",
    "<!channel>",
    "bob;id",
    "b\u{f6}b",
    "bob\u{202e}",
];

#[test]
fn no_parameter_takes_hostile_text() {
    for runbook in runbooks::shipped().0 {
        for parameter in &runbook.parameters {
            let name = &parameter.name;
            for text in HOSTILE {
                // Systems Manager's own role may be left out.
                if text.is_empty() && name == "AutomationAssumeRole" {
                    continue;
                }
                let id = &runbook.id;
                assert!(parameter.admit(&json!(text)).is_err(), "{id}: {name} takes {text:?}");
                assert!(parameter.admit(&json!([text])).is_err(), "{id}: {name} takes [{text:?}]");
            }
        }
    }
}

fn undo(runbook: &Runbook) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (step, call) in changes(runbook) {
        let line = match runbook.undo.get(step) {
            Some(Undo::Restore) => format!("{}:{} put back as it was", call.service, call.api),
            Some(Undo::Call(undo)) => format!("{}:{}", undo.service, undo.api),
            Some(Undo::None(why)) => format!("none: {why}"),
            None => "none: irreversible".to_owned(),
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if lines.is_empty() { "nothing to undo".to_owned() } else { lines.join("<br>") }
}

fn calls(runbook: &Runbook) -> String {
    let mut lines: Vec<String> = Vec::new();
    for step in &runbook.steps {
        lines.extend(match &step.action {
            Action::Call(call) if find(&call.service, &call.api).is_some_and(|api| api.changes) => {
                Some(format!("{}:{}", call.service, call.api))
            }
            Action::Automation { runbook, .. } => Some(format!("→ {runbook}")),
            Action::Approve { .. } => Some("a question to the owner".to_owned()),
            _ => None,
        });
    }
    lines.dedup();
    if lines.is_empty() { "evidence and an alert".to_owned() } else { lines.join("<br>") }
}

fn mode(runbook: &Runbook) -> String {
    let by = match runbook.approval.quorum {
        quorum if quorum > 1 => format!(" by {quorum}"),
        _ => String::new(),
    };
    match runbook.mode.name() {
        "approve" => format!("approve{by}"),
        "dry_run" if changes(runbook).next().is_some() => "planned for a person".to_owned(),
        "dry_run" => "alert".to_owned(),
        "auto" if runbook.guards.deterministic => "auto, deterministic".to_owned(),
        other => other.to_owned(),
    }
}

#[test]
fn the_catalogue_is_up_to_date() {
    let (runbooks, _) = runbooks::shipped();
    let mut serves: BTreeMap<&str, BTreeMap<String, Level>> = BTreeMap::new();
    let mut answered = BTreeSet::new();
    for rule in rules() {
        for context in contexts(&rule) {
            for runbook in choose_all(&runbooks, &context) {
                let path = rule.path.trim_end_matches(".yml").to_owned();
                answered.insert(path.clone());
                serves.entry(&runbook.id).or_default().insert(path, rule.analytic.level);
            }
        }
    }
    let mut page = format!(
        "# The shipped runbooks\n\n\
         {} runbooks answer all {} shipped rules of level medium or above. Which runbooks a finding gets, one for what was\n\
         done and one for who did it, follows from its rule, its event, its caller and its level ([runbooks.md](runbooks.md)); here each rule's own\n\
         examples were asked. A test keeps this page (`crates/content/tests/it/runbooks.rs`).\n\n\
         Risk: R0 changes nothing, R1 is reversible and narrow, R2 reversible and wide, R3 irreversible: planned here, done by a person. A mode\n\
         is the most that a runbook asks for; the configuration may allow less.\n\n\
         | runbook | what it does | calls | risk | mode | undo | turns to | rules |\n|---|---|---|---|---|---|---|---|\n",
        runbooks.len(),
        answered.len(),
    );
    for runbook in &runbooks {
        let risk = risk(runbook);
        let count = serves.get(runbook.id.as_str()).map_or(0, BTreeMap::len);
        let next = runbook.escalate.first().map_or("a person", String::as_str);
        writeln!(
            page,
            "| [{id}](../crates/content/runbooks/{id}.yml) | {} | {} | {} | {} | {} | {next} | {count} |",
            runbook.description.trim(),
            calls(runbook),
            risk.unwrap_or(Risk::R0).name(),
            mode(runbook),
            undo(runbook),
            id = runbook.id,
        )
        .unwrap();
    }
    page.push_str("\n## Rules by runbook\n");
    for (id, rules) in &serves {
        writeln!(page, "\n### {id}\n").unwrap();
        for (path, level) in rules {
            writeln!(page, "- {path} ({level})").unwrap();
        }
    }
    let file = repository().join("docs/runbook-catalogue.md");
    let Ok(expected) = std::fs::read_to_string(&file) else {
        std::fs::write(&file, page).unwrap();
        panic!("{} is written anew: read it, then run again", file.display());
    };
    assert!(page == expected, "{} is out of date; delete it and run this test", file.display());
}
