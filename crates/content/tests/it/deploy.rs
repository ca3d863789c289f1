//! The policies to deploy: that they are policies, that they spare exactly whom they should, and that the responder's role may do
//! what the shipped runbooks do, and no more.
//!
//! `deploy/responder-role.yml` is written from the runbooks; delete it and run the test to write it anew, then read it.

use std::fmt::Write as _;

use serde_json::{Value, json};
use trailloop_content::runbooks;
use trailloop_runbook::policy::document::glob;
use trailloop_runbook::policy::{Place, needs};

use crate::repository;

/// AWS takes service control policies of at most this many characters, managed policies of this many without white space.
const SCP_CHARACTERS_MAX: usize = 5_120;
const MANAGED_CHARACTERS_MAX: usize = 6_144;

const RESPONDER: &str = "arn:*:iam::*:role/trailloop-responder";

fn text(file: &str) -> String {
    std::fs::read_to_string(repository().join("deploy").join(file)).unwrap()
}

fn statements(file: &str) -> Vec<Value> {
    let text = text(file);
    assert!(text.chars().count() <= SCP_CHARACTERS_MAX, "{file} is too long");
    let policy: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    policy["Statement"].as_array().unwrap().clone()
}

fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        many => many.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect(),
    }
}

#[test]
fn the_guard_spares_the_responder_and_nobody_else() {
    for statement in statements("trailloop-guard-scp.json") {
        assert_eq!(statement["Effect"], "Deny");
        let spared = &statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
        assert_eq!(list(spared), [RESPONDER], "{}", statement["Sid"]);
        // Everything else in the condition says which policies are meant; a statement without it names them as resources.
        let operators: Vec<&String> = statement["Condition"].as_object().unwrap().keys().collect();
        let named = match statement["Condition"]["ArnLike"].get("iam:PolicyARN") {
            Some(arns) => {
                assert_eq!(operators, ["ArnLike", "ArnNotLike"]);
                list(arns)
            }
            None => {
                assert_eq!(operators, ["ArnNotLike"]);
                list(&statement["Resource"])
            }
        };
        let is_ours = |arn: &&str| arn.contains(":policy/trailloop-") || *arn == RESPONDER;
        assert!(named.iter().all(is_ours), "{named:?}");
        let of_policies = named
            .iter()
            .any(|arn| glob(arn, "arn:aws:iam::111122223333:policy/trailloop-quarantine"));
        let of_role = named
            .iter()
            .any(|arn| glob(arn, "arn:aws-cn:iam::111122223333:role/trailloop-responder"));
        assert!(of_policies != of_role, "{}", statement["Sid"]);
        assert!(list(&statement["Action"]).iter().all(|action| action.starts_with("iam:")));
    }
}

#[test]
fn the_quarantine_spares_the_responder_and_break_glass() {
    let statements = statements("trailloop-quarantine-scp.json");
    let [statement] = statements.as_slice() else { panic!("it has one statement") };
    assert_eq!((&statement["Effect"], &statement["Action"]), (&json!("Deny"), &json!("*")));
    assert_eq!(statement["Resource"], "*");
    let spared = &statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
    assert_eq!(list(spared), [RESPONDER, "arn:*:iam::*:role/break-glass"]);
    assert_eq!(statement["Condition"].as_object().unwrap().len(), 1);
}

/// Whether a call is made in the account that manages the organization, and in no other.
fn is_of_organization(action: &str) -> bool {
    ["organizations:", "sso:", "identitystore:"].iter().any(|service| action.starts_with(service))
}

/// What the shipped runbooks take, as statements; what the role may ask of itself stands in the head of the file.
fn needed() -> Vec<Value> {
    let (runbooks, _) = runbooks::shipped();
    let place = Place {
        partition: "${AWS::Partition}".to_owned(),
        account: "${AWS::AccountId}".to_owned(),
        region: "*".to_owned(),
    };
    let mut statements = needs(&runbooks, &place)["Statement"].as_array().unwrap().clone();
    statements.retain(|statement| list(&statement["Action"]) != ["iam:SimulatePrincipalPolicy"]);
    statements
}

/// A statement as CloudFormation takes it: what names the account or the partition is filled in there.
fn substituted(value: &Value) -> Value {
    match value {
        Value::String(text) if text.contains("${AWS::") => json!({ "Fn::Sub": text }),
        Value::Array(items) => items.iter().map(substituted).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), substituted(value))).collect()
        }
        other => other.clone(),
    }
}

/// The characters of a statement, with the longest partition.
fn length(statement: &Value) -> usize {
    let text = statement.to_string().replace("${AWS::Partition}", "aws-us-gov");
    text.replace("${AWS::AccountId}", "111122223333").chars().count()
}

/// Statements in as many policies as their lengths ask for.
fn policies(statements: Vec<Value>) -> Vec<Vec<Value>> {
    let mut policies: Vec<Vec<Value>> = vec![Vec::new()];
    let mut total = 0;
    for statement in statements {
        total += length(&statement) + 1;
        if total > MANAGED_CHARACTERS_MAX - 60 {
            policies.push(Vec::new());
            total = length(&statement) + 1;
        }
        policies.last_mut().unwrap().push(statement);
    }
    policies
}

const HEAD: &str = r#"# The role that `trailloop respond` assumes in each account, for a StackSet over the organization. Its rights are those that the
# shipped runbooks take and no others. A test keeps this file (crates/content/tests/it/deploy.rs); delete it and run the test to
# write it anew.
AWSTemplateFormatVersion: "2010-09-09"
Description: The role of Trailloop's responder, and the policy by which it quarantines a user or a role.
Parameters:
  ExecutorRoleArn:
    Type: String
    Description: The role that `trailloop respond` runs as.
    AllowedPattern: "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$"
  ExternalId:
    Type: String
    Description: The value of respond.external_id; make it long and random.
    NoEcho: true
    MinLength: 16
    MaxLength: 1224
    AllowedPattern: "^[A-Za-z0-9+=,.@:/-]+$"
  SourceIdentity:
    Type: String
    Description: What each session of the role carries in every record of it.
    Default: trailloop
    AllowedPattern: "^[A-Za-z0-9+=,.@_-]{2,64}$"
  ManagesOrganization:
    Type: String
    Description: Whether this account may attach service control policies; true only for the management or delegated account.
    Default: "false"
    AllowedValues: ["true", "false"]
Conditions:
  OfOrganization: {"Fn::Equals": [{Ref: ManagesOrganization}, "true"]}
Resources:
  Responder:
    Type: AWS::IAM::Role
    Properties:
      RoleName: trailloop-responder
      Description: Assumed by Trailloop's responder, each time with a session policy of one call.
      MaxSessionDuration: 3600
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {AWS: {Ref: ExecutorRoleArn}}
            Action: sts:AssumeRole
            Condition:
              StringEquals: {"sts:ExternalId": {Ref: ExternalId}, "sts:SourceIdentity": {Ref: SourceIdentity}}
          - Effect: Allow
            Principal: {AWS: {Ref: ExecutorRoleArn}}
            Action: sts:SetSourceIdentity
            Condition:
              StringEquals: {"sts:SourceIdentity": {Ref: SourceIdentity}}
      Policies:
        - PolicyName: own-role
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Sid: AsksWhatItMay
                Effect: Allow
                Action: iam:SimulatePrincipalPolicy
                Resource: {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/trailloop-responder"}
              - Sid: NeverChangesItself
                Effect: Deny
                NotAction: ["iam:Get*", "iam:List*", "iam:SimulatePrincipalPolicy"]
                Resource: {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/trailloop-responder"}
  Quarantine:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      ManagedPolicyName: trailloop-quarantine
      Description: Denies everything; attached by Trailloop's responder, and kept attached by its guard.
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Sid: TrailloopQuarantine, Effect: Deny, Action: "*", Resource: "*"}
"#;

fn template() -> String {
    let (organization, accounts): (Vec<Value>, Vec<Value>) = needed()
        .into_iter()
        .partition(|statement| list(&statement["Action"]).into_iter().all(is_of_organization));
    let mut page = HEAD.to_owned();
    let mut policy = |name: &str, condition: Option<&str>, statements: &[Value]| {
        writeln!(page, "  {name}:\n    Type: AWS::IAM::ManagedPolicy").unwrap();
        if let Some(condition) = condition {
            writeln!(page, "    Condition: {condition}").unwrap();
        }
        page.push_str("    Properties:\n      Roles: [{Ref: Responder}]\n      PolicyDocument:\n");
        page.push_str("        Version: \"2012-10-17\"\n        Statement:\n");
        for statement in statements {
            writeln!(page, "          - {}", substituted(statement)).unwrap();
        }
    };
    for (nth, statements) in policies(accounts).iter().enumerate() {
        policy(&format!("Runbooks{}", nth + 1), None, statements);
    }
    policy("RunbooksOfOrganization", Some("OfOrganization"), &organization);
    page
}

#[test]
fn the_responder_may_do_what_the_runbooks_do_and_no_more() {
    let page = template();
    let file = repository().join("deploy/responder-role.yml");
    let Ok(expected) = std::fs::read_to_string(&file) else {
        std::fs::write(&file, page).unwrap();
        panic!("{} is written anew: read it, then run again", file.display());
    };
    assert!(page == expected, "{} is out of date; delete it and run this test", file.display());
}

/// The file as it is deployed, whatever wrote it, holds every action that `runbook check` prints.
#[test]
fn the_file_names_every_action_that_a_check_prints() {
    let file = text("responder-role.yml");
    let (runbooks, _) = runbooks::shipped();
    let printed = needs(&runbooks, &Place::anywhere_in("aws"));
    for statement in printed["Statement"].as_array().unwrap() {
        for action in list(&statement["Action"]) {
            assert!(file.contains(action), "{action}");
        }
    }
}

#[test]
fn no_policy_of_the_responder_is_too_long_or_allows_everything() {
    let needed = needed();
    assert!(needed.iter().all(|statement| statement["Effect"] == "Allow"));
    for statement in &needed {
        for action in list(&statement["Action"]) {
            assert!(!action.contains('*'), "{action}");
            let on_all = list(&statement["Resource"]).contains(&"*");
            let verb = action.split_once(':').unwrap().1;
            let reads = ["Get", "List", "Describe"].iter().any(|prefix| verb.starts_with(prefix));
            // Recorders have no ARN by which a policy could name them.
            let is_known = action.starts_with("config:");
            assert!(!on_all || reads || is_known, "{action} on everything");
        }
    }
    // Ten managed policies can be attached to a role.
    let policies = policies(needed);
    assert!(policies.len() <= 9);
    for statements in policies {
        assert!(statements.iter().map(length).sum::<usize>() + 60 <= MANAGED_CHARACTERS_MAX);
    }
}
