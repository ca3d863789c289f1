//! Records of attack techniques, each carried out against a real account by stratus-red-team: every technique has to be
//! found on its own step, at medium or above, by what it does and not by the name of the tool. What else is found is
//! written down.
//!
//! The records lie beside the repository; without them the test says that it was skipped. The report is `docs/attacks.md`;
//! delete it and run the test to write it anew, then read it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use trailloop_cloudtrail::{Limits, Scratch, read_records};
use trailloop_content::shipped;
use trailloop_finding::Level;
use trailloop_rules::{MatchScratch, RuleSet};

use crate::repository;

/// The rule that knows tools by their name: a stratus run is full of it, an attacker leaves the name away.
const BY_TOOL: &str = "discovery/attack-tool-user-agent.yml";

/// Each file, without `aws.` and `.json`, and the calls that are the technique itself: the rest prepares or looks around.
const STEPS: &[(&str, &[&str])] = &[
    ("credential-access.ec2-get-password-data", &["GetPasswordData"]),
    ("credential-access.ec2-steal-instance-credentials", &["SendCommand"]),
    ("credential-access.secretsmanager-batch-retrieve-secrets", &["BatchGetSecretValue"]),
    ("credential-access.secretsmanager-retrieve-secrets", &["GetSecretValue"]),
    ("credential-access.ssm-retrieve-securestring-parameters", &["GetParameters"]),
    ("defense-evasion.cloudtrail-delete", &["DeleteTrail"]),
    ("defense-evasion.cloudtrail-event-selectors", &["PutEventSelectors"]),
    ("defense-evasion.cloudtrail-stop", &["StopLogging"]),
    ("defense-evasion.dns-delete-logs", &["DeleteResolverQueryLogConfig"]),
    ("defense-evasion.organizations-leave", &["LeaveOrganization"]),
    ("defense-evasion.vpc-remove-flow-logs", &["DeleteFlowLogs"]),
    ("discovery.ec2-download-user-data", &["DescribeInstanceAttribute"]),
    ("execution.ec2-launch-unusual-instances", &["RunInstances"]),
    ("execution.ec2-user-data", &["ModifyInstanceAttribute"]),
    ("execution.ssm-send-command", &["SendCommand"]),
    ("execution.ssm-start-session", &["StartSession"]),
    ("exfiltration.ec2-security-group-open-port-22-ingress", &["AuthorizeSecurityGroupIngress"]),
    ("exfiltration.ec2-share-ami", &["ModifyImageAttribute"]),
    ("exfiltration.ec2-share-ebs-snapshot", &["ModifySnapshotAttribute"]),
    ("exfiltration.rds-share-snapshot", &["ModifyDBSnapshotAttribute"]),
    (
        "impact.bedrock-invoke-model",
        &[
            "PutUseCaseForModelAccess",
            "CreateFoundationModelAgreement",
            "PutFoundationModelEntitlement",
            "InvokeModel",
        ],
    ),
    ("initial-access.console-login-without-mfa", &["ConsoleLogin"]),
    ("lateral-movement.ec2-instance-connect", &["SendSSHPublicKey"]),
    (
        "lateral-movement.ec2-serial-console-send-ssh-public-key",
        &["EnableSerialConsoleAccess", "SendSerialConsoleSSHPublicKey"],
    ),
    ("persistence.iam-backdoor-role", &["UpdateAssumeRolePolicy"]),
    ("persistence.iam-backdoor-user", &["CreateAccessKey"]),
    ("persistence.iam-create-admin-user", &["CreateUser", "AttachUserPolicy", "CreateAccessKey"]),
    ("persistence.iam-create-backdoor-role", &["CreateRole", "AttachRolePolicy"]),
    ("persistence.iam-create-user-login-profile", &["CreateLoginProfile"]),
    ("persistence.lambda-backdoor-function", &["AddPermission20150331v2"]),
    ("persistence.lambda-layer-extension", &["UpdateFunctionConfiguration20150331v2"]),
    ("persistence.lambda-overwrite-code", &["UpdateFunctionCode20150331v2"]),
    ("persistence.rolesanywhere-create-trust-anchor", &["CreateTrustAnchor", "CreateProfile"]),
    ("persistence.sts-federation-token", &["GetFederationToken"]),
    ("privilege-escalation.iam-update-user-login-profile", &["UpdateLoginProfile"]),
];

/// Findings of one file: by level and title, on the technique's own calls and on others.
#[derive(Default)]
struct Found {
    records: usize,
    on_step: BTreeMap<(Level, String), usize>,
    around: BTreeMap<(Level, String), usize>,
    by_tool: usize,
}

impl Found {
    fn best(&self) -> Option<Level> {
        self.on_step.keys().map(|(level, _)| *level).max()
    }
}

fn examine(set: &RuleSet, path: &Path, steps: &[&str]) -> Found {
    let (mut scratch, mut hits, mut found) = (MatchScratch::new(), Vec::new(), Found::default());
    let bytes = std::fs::read(path).unwrap();
    let read = read_records(&bytes, &Limits::default(), &mut Scratch::new(), |record| {
        found.records += 1;
        set.matches_into(&record, &mut scratch, &mut hits);
        let is_step = record.text(&["eventName"]).is_some_and(|name| steps.contains(&name));
        for hit in &hits {
            let rule = set.rule(*hit);
            if rule.path == BY_TOOL {
                found.by_tool += 1;
                continue;
            }
            let side = if is_step { &mut found.on_step } else { &mut found.around };
            *side.entry((rule.analytic.level, rule.analytic.name.clone())).or_default() += 1;
        }
    });
    assert!(read.is_whole(), "{}", path.display());
    found
}

fn listed(found: &BTreeMap<(Level, String), usize>) -> String {
    let one = |((level, title), count): (&(Level, String), &usize)| {
        let times = if *count == 1 { String::new() } else { format!(" × {count}") };
        format!("{level}: {title}{times}")
    };
    let all: Vec<String> = found.iter().rev().map(one).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join("<br>") }
}

#[test]
fn every_attack_is_found_on_its_own_step() {
    let folder = repository().join("../shared/data/stratus");
    if !folder.exists() {
        // Not by a print macro: what they write is captured.
        let said = format!("skipped: {} is not there\n", folder.display());
        std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).unwrap();
        return;
    }
    let set = RuleSet::build(shipped().rules, &[], &mut Vec::new());
    let mut report = String::from(
        "# The shipped rules on attacks carried out\n\n\
         Records of 35 techniques that [stratus-red-team](https://stratus-red-team.cloud/attack-techniques/AWS/) carried out against a real\n\
         account (Datadog, Apache-2.0). A technique's own step are the calls that are the technique; the rest of a file prepares it or looks\n\
         around. One rule is left out of the lists and counted by itself: it knows the tool by its user agent, which an attacker leaves away.\n\
         A test keeps this page (`crates/content/tests/it/attacks.rs`).\n\n\
         | technique | own step | found on it | found around it | records | by the tool's name |\n|---|---|---|---|---|---|\n",
    );
    let mut missed = Vec::new();
    for (name, steps) in STEPS {
        let path = folder.join(format!("aws.{name}.json"));
        let found = examine(&set, &path, steps);
        if found.best() < Some(Level::Medium) {
            missed.push(*name);
        }
        let (on_step, around) = (listed(&found.on_step), listed(&found.around));
        let Found { records, by_tool, .. } = found;
        writeln!(
            report,
            "| {name} | {} | {on_step} | {around} | {records} | {by_tool} |",
            steps.join(", ")
        )
        .unwrap();
    }
    assert_eq!(missed, Vec::<&str>::new(), "not found at medium or above on the own step");
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, STEPS.len(), "each file has its steps in the table above");
    let page = repository().join("docs/attacks.md");
    let Ok(expected) = std::fs::read_to_string(&page) else {
        std::fs::write(&page, report).unwrap();
        panic!("{} is written anew: read it, then run again", page.display());
    };
    assert!(report == expected, "{} is out of date; delete it and run this test", page.display());
}
