//! The organization: its rules, who does what every day, and who attacks it.

use fastrand::Rng;
use serde_json::json;
use trailloop_rules::{Rule, load};

use super::DAYS;

/// The rules, as they would stand in files.
const RULES: &[(&str, &str, &str, &str)] = &[
    ("01", "low", "s3.amazonaws.com", "ListBuckets, GetBucketAcl, GetBucketPolicy"),
    (
        "02",
        "medium",
        "iam.amazonaws.com",
        "ListUsers, ListRoles, ListAttachedRolePolicies, GetAccountAuthorizationDetails",
    ),
    (
        "03",
        "medium",
        "secretsmanager.amazonaws.com",
        "ListSecrets, GetSecretValue, BatchGetSecretValue",
    ),
    ("04", "high", "iam.amazonaws.com", "CreateAccessKey, CreateLoginProfile"),
    (
        "05",
        "high",
        "iam.amazonaws.com",
        "AttachRolePolicy, PutRolePolicy, AttachUserPolicy, UpdateAssumeRolePolicy",
    ),
    ("06", "critical", "cloudtrail.amazonaws.com", "StopLogging, DeleteTrail"),
];

/// What automations look like: the rule they trip, their calls, their client.
const KINDS: &[(usize, &[&str], &str)] = &[
    (1, &["ListUsers", "ListRoles"], "APN/1.0 HashiCorp/1.0 Terraform/1.5.7"),
    (1, &["ListRoles", "ListAttachedRolePolicies"], "Boto3/1.34 Python/3.12"),
    (2, &["GetSecretValue"], "aws-sdk-java/2.25"),
    (0, &["ListBuckets", "GetBucketAcl", "GetBucketPolicy"], "prowler/4.1"),
    (2, &["ListSecrets", "GetSecretValue"], "Boto3/1.34 Python/3.12"),
    (1, &["GetAccountAuthorizationDetails", "ListRoles"], "inventory/2.0"),
    (0, &["GetBucketPolicy", "ListBuckets"], "aws-sdk-go-v2/1.30"),
    (2, &["GetSecretValue", "BatchGetSecretValue"], "external-secrets/0.9"),
    (4, &["AttachRolePolicy"], "APN/1.0 HashiCorp/1.0 Terraform/1.5.7"),
];

const ACCOUNT: &str = "111122223333";

/// A network of the operator's own.
pub(crate) const OFFICE: &str = "198.51.100.0/24";

/// Steps that attackers take after looking around; none of an automation's calls.
const GOALS: &[(&str, &str)] = &[
    ("iam.amazonaws.com", "CreateAccessKey"),
    ("iam.amazonaws.com", "CreateLoginProfile"),
    ("iam.amazonaws.com", "AttachUserPolicy"),
    ("iam.amazonaws.com", "UpdateAssumeRolePolicy"),
    ("cloudtrail.amazonaws.com", "StopLogging"),
];

/// How an attacker came by an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// A role of its own that nothing else uses.
    Foothold,
    /// An automation's credential, used elsewhere.
    Stolen,
    /// An automation's host: its credential, its endpoint, its client.
    OnHost,
    /// As before, and first a flood of what the automation does.
    Flood,
    /// A person's keys.
    Person,
}

/// Who calls, from where, with what.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    arn: String,
    is_role: bool,
    /// An endpoint, or else addresses of this network's first three numbers.
    endpoint: Option<String>,
    network: String,
    region: &'static str,
    agent: String,
}

#[derive(Debug)]
struct Automation {
    caller: Caller,
    source: &'static str,
    calls: &'static [&'static str],
    a_day: u32,
}

#[derive(Debug)]
struct Planned {
    day: u16,
    how: How,
}

/// A record with the truth about it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) json: Vec<u8>,
    /// The attack that it is part of.
    pub(crate) attack: Option<usize>,
}

/// The organization.
#[derive(Debug)]
pub(crate) struct World {
    random: Rng,
    automations: Vec<Automation>,
    people: Vec<Caller>,
    attacks: Vec<Planned>,
    serial: u64,
}

/// The rules, compiled from Sigma.
pub(crate) fn rules() -> Vec<Rule> {
    let text: Vec<String> = RULES
        .iter()
        .map(|(nth, level, source, events)| {
            let first = events.split(',').next().unwrap_or_default();
            format!(
                "title: Rule {nth} of {source}\nid: 5a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a{nth}\ndescription: Looks for {events}.\nauthor: nobody\nlevel: {level}\ntags: [attack.discovery, attack.t1087.004]\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n  selection:\n    eventSource: {source}\n    eventName: [{events}]\n  condition: selection\ntrailloop:\n  tests:\n    - {{name: it fires, expect: true, event: {{eventSource: {source}, eventName: {first}, userIdentity: {{type: IAMUser, arn: 'arn:aws:iam::444455556666:user/mallory'}}}}}}\n"
            )
        })
        .collect();
    let loaded = load("rules.yml", &text.join("---\n"));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.rules
}

/// Events of an attack that everybody knows.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let caller = Caller {
        arn: "arn:aws:iam::444455556666:user/stratus".to_owned(),
        is_role: false,
        endpoint: None,
        network: "203.0.113".to_owned(),
        region: "us-east-1",
        agent: "stratus-red-team".to_owned(),
    };
    let mut random = Rng::with_seed(1);
    let calls = RULES
        .iter()
        .flat_map(|(_, _, source, events)| events.split(", ").map(|event| (*source, event)));
    calls.map(|(source, event)| record(&caller, source, event, 0, 0, &mut random)).collect()
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let automations = (0..16).map(|nth| automation(nth, &mut random)).collect();
        let people = (0..5).map(person).collect();
        let mut attacks = Vec::new();
        let mut day = random.u16(1..4);
        while day < DAYS {
            let how = match random.u8(0..100) {
                0..64 => How::Foothold,
                64..72 => How::Stolen,
                72..78 => How::OnHost,
                78..82 => How::Flood,
                _ => How::Person,
            };
            attacks.push(Planned { day, how });
            day += random.u16(2..8);
        }
        Self { random, automations, people, attacks, serial: 0 }
    }

    /// How many attacks there are over all days.
    pub(crate) fn attacks(&self) -> usize {
        self.attacks.len()
    }

    /// How each attacker came by an identity.
    pub(crate) fn how(&self, attack: usize) -> How {
        self.attacks[attack].how
    }

    /// The records of a day. Those of an attack come in their order; all else lies between them.
    pub(crate) fn day(&mut self, day: u16) -> Vec<Made> {
        let mut timed: Vec<(u32, Made)> = Vec::new();
        for nth in 0..self.automations.len() {
            let automation = &self.automations[nth];
            for _ in 0..automation.a_day + self.random.u32(0..2) {
                let call = automation.calls[self.random.usize(0..automation.calls.len())];
                let second = self.random.u32(0..86_400);
                self.serial += 1;
                let json = record(
                    &automation.caller,
                    automation.source,
                    call,
                    day,
                    second,
                    &mut self.random,
                );
                timed.push((second, Made { json, attack: None }));
            }
        }
        for nth in 0..self.people.len() {
            for _ in 0..self.random.u8(0..3) {
                let caller = self.people[nth].clone();
                let (_, _, source, events) = RULES[self.random.usize(0..5)];
                let events: Vec<&str> = events.split(", ").collect();
                let event = events[self.random.usize(0..events.len())];
                let second = self.random.u32(0..86_400);
                let caller = self.at_home_or_in_the_office(caller);
                let json = record(&caller, source, event, day, second, &mut self.random);
                timed.push((second, Made { json, attack: None }));
            }
        }
        for nth in 0..self.attacks.len() {
            if self.attacks[nth].day == day {
                self.attack(nth, day, &mut timed);
            }
        }
        timed.sort_by_key(|(second, _)| *second);
        timed.into_iter().map(|(_, made)| made).collect()
    }

    fn at_home_or_in_the_office(&mut self, mut caller: Caller) -> Caller {
        if self.random.bool() {
            "198.51.100".clone_into(&mut caller.network);
        }
        caller
    }

    fn attack(&mut self, nth: usize, day: u16, timed: &mut Vec<(u32, Made)>) {
        let how = self.attacks[nth].how;
        let victim = self.random.usize(0..self.automations.len());
        let looks = {
            let automation = &self.automations[victim];
            (automation.source, automation.calls)
        };
        let caller = self.attacker(how, victim, nth);
        let mut steps: Vec<(&str, &str)> = Vec::new();
        let noise = if how == How::Flood {
            self.automations[victim].a_day * 5
        } else {
            self.random.u32(1..5)
        };
        let is_of_victim = matches!(how, How::Stolen | How::OnHost | How::Flood);
        for _ in 0..noise {
            if is_of_victim {
                steps.push((looks.0, looks.1[self.random.usize(0..looks.1.len())]));
            } else {
                let (_, _, source, events) = RULES[self.random.usize(0..3)];
                let events: Vec<&'static str> = events.split(", ").collect();
                steps.push((source, events[self.random.usize(0..events.len())]));
            }
        }
        for _ in 0..self.random.u32(1..4) {
            steps.push(GOALS[self.random.usize(0..GOALS.len())]);
        }
        let mut second = self.random.u32(0..60_000);
        for (source, event) in steps {
            second += self.random.u32(1..200);
            let json = record(&caller, source, event, day, second, &mut self.random);
            timed.push((second, Made { json, attack: Some(nth) }));
        }
    }

    fn attacker(&mut self, how: How, victim: usize, nth: usize) -> Caller {
        let elsewhere = format!("203.0.{}", self.random.u8(..));
        let role = |name: String| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
        let of_victim = self.automations[victim].caller.clone();
        match how {
            How::Foothold => Caller {
                arn: role(format!("web-{nth}")),
                is_role: true,
                endpoint: None,
                network: elsewhere,
                region: "us-east-1",
                agent: "aws-cli/2.15 Python/3.11".to_owned(),
            },
            How::Stolen => Caller {
                endpoint: None,
                network: elsewhere,
                agent: if self.random.bool() {
                    of_victim.agent.clone()
                } else {
                    "aws-cli/2.15".to_owned()
                },
                ..of_victim
            },
            How::OnHost | How::Flood => of_victim,
            How::Person => {
                let person = self.people[self.random.usize(0..self.people.len())].clone();
                // Half of them come through the office, as the person would.
                let network = if self.random.bool() { "198.51.100".to_owned() } else { elsewhere };
                Caller { network, ..person }
            }
        }
    }
}

fn automation(nth: usize, random: &mut Rng) -> Automation {
    let (rule, calls, agent) = KINDS[nth % KINDS.len()];
    let is_behind_endpoint = random.u8(0..10) < 7;
    let caller = Caller {
        arn: format!("arn:aws:iam::{ACCOUNT}:role/automation-{nth}"),
        is_role: true,
        endpoint: is_behind_endpoint.then(|| format!("vpce-0{nth:08x}")),
        network: if is_behind_endpoint { "10.0.1" } else { "198.51.100" }.to_owned(),
        region: if random.bool() { "us-east-1" } else { "eu-west-1" },
        agent: agent.to_owned(),
    };
    Automation { caller, source: RULES[rule].2, calls, a_day: random.u32(3..9) }
}

fn person(nth: u8) -> Caller {
    Caller {
        arn: format!("arn:aws:iam::{ACCOUNT}:user/person-{nth}"),
        is_role: false,
        endpoint: None,
        network: format!("192.0.{nth}"),
        region: "us-east-1",
        agent: "[AWS CloudShell] aws-cli/2.15".to_owned(),
    }
}

fn record(
    caller: &Caller,
    source: &str,
    event: &str,
    day: u16,
    second: u32,
    random: &mut Rng,
) -> Vec<u8> {
    let name = caller.arn.rsplit('/').next().unwrap_or_default();
    let identity = if caller.is_role {
        json!({
            "type": "AssumedRole",
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/session-{}", random.u16(..)),
            "accountId": ACCOUNT,
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": caller.arn, "accountId": ACCOUNT}},
        })
    } else {
        json!({"type": "IAMUser", "arn": caller.arn, "accountId": ACCOUNT, "userName": name})
    };
    let month_day = super::people::date_of(day);
    let named = if event.contains("Role") { "roleName" } else { "userName" };
    let mut record = json!({
        "eventVersion": "1.11",
        "eventID": format!("{:016x}", random.u64(..)),
        "eventTime": format!("{month_day}T{:02}:{:02}:{:02}Z", second / 3_600 % 24, second / 60 % 60, second % 60),
        "eventSource": source,
        "eventName": event,
        "awsRegion": caller.region,
        "sourceIPAddress": format!("{}.{}", caller.network, random.u8(1..250)),
        "userAgent": caller.agent,
        "recipientAccountId": ACCOUNT,
        "userIdentity": identity,
        "requestParameters": {named: format!("target-{}", random.u8(..))},
    });
    if let Some(endpoint) = &caller.endpoint {
        record["vpcEndpointId"] = endpoint.as_str().into();
    }
    serde_json::to_vec(&record).unwrap_or_default()
}
