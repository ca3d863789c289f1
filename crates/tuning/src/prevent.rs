//! From an attack to what would have prevented it: service control policies and a permissions boundary, each with what it
//! would have denied in the archive, to whom. They are files to review; nothing here applies one.
//!
//! Three shapes are tried. Calls of the attack that nobody but a few principals makes are denied to everybody else; regions in
//! which nothing else happened are closed; and the identity that was used gets a boundary of what it did when it was not
//! an attacker's. What a shape would have denied is counted by asking the very statement that is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};
use trailloop_cloudtrail::{Record, RecordBuffer};

use crate::applied::count;
use crate::evidence::Attack;
use crate::flat::{Profile, profile};
use crate::proposal::code;

/// A call that more principals make is not denied to all others: the list would be longer than the policy may be.
const PRINCIPALS_MAX: usize = 20;

/// A service control policy may have so many characters, a managed policy and so a boundary so many without white space.
const SCP_CHARS_MAX: usize = 5_120;
const BOUNDARY_CHARS_MAX: usize = 6_144;

/// What the services call an event in policies, where that is not its name.
const ACTIONS: &[(&str, &str, &str)] = &[
    ("lambda", "Invoke", "InvokeFunction"),
    ("s3", "DeleteObjects", "DeleteObject"),
    ("s3", "GetBucketEncryption", "GetEncryptionConfiguration"),
    ("s3", "GetBucketLifecycle", "GetLifecycleConfiguration"),
    ("s3", "GetBucketReplication", "GetReplicationConfiguration"),
    ("s3", "HeadBucket", "ListBucket"),
    ("s3", "HeadObject", "GetObject"),
    ("s3", "ListBuckets", "ListAllMyBuckets"),
    ("s3", "ListObjectVersions", "ListBucketVersions"),
    ("s3", "ListObjects", "ListBucket"),
    ("s3", "PutBucketEncryption", "PutEncryptionConfiguration"),
    ("s3", "PutBucketLifecycle", "PutLifecycleConfiguration"),
    ("s3", "PutBucketReplication", "PutReplicationConfiguration"),
];

/// Services whose prefix in policies is not that of their event source.
const PREFIXES: &[(&str, &str)] =
    &[("email", "ses"), ("monitoring", "cloudwatch"), ("tagging", "tag")];

/// Services that answer in one region for all; closing a region must not close them.
const GLOBAL: &[&str] = &[
    "account:*",
    "cloudfront:*",
    "globalaccelerator:*",
    "iam:*",
    "organizations:*",
    "route53:*",
    "route53domains:*",
    "shield:*",
    "sts:*",
    "support:*",
    "waf:*",
];

/// What kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A service control policy that denies calls to all but some principals.
    Callers,
    /// A service control policy that closes regions.
    Regions,
    /// A permissions boundary for the identity that was used.
    Boundary,
}

/// A policy, and what it would have done.
#[derive(Clone, Debug, PartialEq)]
pub struct Prevention {
    /// What kind it is.
    pub shape: Shape,
    /// The policy.
    pub policy: Value,
    /// Calls of the attack, and those of them that would have been denied.
    pub attack_calls: u64,
    /// See `attack_calls`.
    pub attack_denied: u64,
    /// Calls of the archive that are not of the attack.
    pub other_calls: u64,
    /// Those of them that would have been denied: by whom, which, how many.
    pub others_denied: BTreeMap<(String, String), u64>,
    /// Actions of the attack that this does not deny, and why.
    pub left: BTreeMap<String, &'static str>,
    /// Whether the policy is longer than AWS takes.
    pub is_too_long: bool,
}

/// A call as policies see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    action: String,
    entity: String,
    region: String,
    is_root: bool,
}

/// What a statement denies. It is written as JSON and asked in the backtest.
enum Statement {
    AllBut {
        actions: BTreeSet<String>,
        principals: BTreeSet<String>,
    },
    Regions(BTreeSet<String>),
    /// Everything to this identity but these actions.
    Boundary {
        entity: String,
        actions: BTreeSet<String>,
    },
}

/// The calls of an archive, counted: all that is asked of it, and little beside its records.
#[derive(Clone, Debug)]
pub struct Others {
    of_attack: BTreeSet<String>,
    calls: BTreeMap<Call, u64>,
}

impl Others {
    /// No calls yet. Those of the attack, which are known by their eventID, will be left out.
    #[must_use]
    pub fn beside(attack: &Attack) -> Self {
        let of_attack = attack.records.iter().filter_map(|one| id_of(one)).collect();
        Self { of_attack, calls: BTreeMap::new() }
    }

    /// Counts a record of the archive.
    pub fn add(&mut self, record: &[u8]) {
        if id_of(record).is_none_or(|id| !self.of_attack.contains(&id))
            && let Some(call) = call_of(record)
        {
            *self.calls.entry(call).or_default() += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Call> {
        self.calls.keys()
    }
}

/// Policies that would have prevented an attack, by the shapes that fit it, tested on everything else that was called.
#[must_use]
pub fn prevent(attack: &Attack, others: &Others) -> Vec<Prevention> {
    // An attack may have a record twice: as it stands in the archive, and as its finding quotes it.
    let mut seen = BTreeSet::new();
    let is_new = |record: &&Vec<u8>| id_of(record).is_none_or(|id| seen.insert(id));
    let records = attack.records.iter().filter(is_new);
    let calls: Vec<Call> = records.filter_map(|one| call_of(one)).collect();
    let made =
        [by_callers(&calls, others), by_regions(&calls, others), boundary(attack, &calls, others)];
    made.into_iter()
        .flatten()
        .map(|(shape, statement, left)| tested(shape, &statement, left, &calls, others))
        .filter(|one| one.attack_denied > 0)
        .collect()
}

type Made = Option<(Shape, Statement, BTreeMap<String, &'static str>)>;

/// The attack's actions, denied to all but who else does them.
fn by_callers(calls: &[Call], others: &Others) -> Made {
    let attackers: BTreeSet<&str> = calls.iter().map(|call| call.entity.as_str()).collect();
    let (mut actions, mut principals) = (BTreeSet::new(), BTreeSet::new());
    let mut left = BTreeMap::new();
    for action in calls.iter().map(|call| &call.action).collect::<BTreeSet<_>>() {
        let users: BTreeSet<&str> = others
            .iter()
            .filter(|call| call.action == *action)
            .map(|call| call.entity.as_str())
            .collect();
        let why = if !is_action(action) {
            Some("no policy speaks of it")
        } else if users.iter().any(|user| attackers.contains(user)) {
            Some("the identity that was used needs it")
        } else if users.len() > PRINCIPALS_MAX {
            Some("too many principals need it")
        } else if !users.iter().all(|user| is_principal(user)) {
            Some("callers that a policy cannot name need it")
        } else {
            None
        };
        match why {
            Some(why) => drop(left.insert(action.clone(), why)),
            None => {
                actions.insert(action.clone());
                principals.extend(users.into_iter().map(ToOwned::to_owned));
            }
        }
    }
    // The union of callers may name one of the attack's for another action, or be too long.
    principals.retain(|one: &String| !attackers.contains(one.as_str()));
    (!actions.is_empty()).then_some((
        Shape::Callers,
        Statement::AllBut { actions, principals },
        left,
    ))
}

/// The attack's regions in which nothing else happens.
fn by_regions(calls: &[Call], others: &Others) -> Made {
    let used: BTreeSet<&str> = others.iter().map(|call| call.region.as_str()).collect();
    let is_name = |region: &str| {
        !region.is_empty()
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let regions: BTreeSet<String> = calls
        .iter()
        .map(|call| &call.region)
        .filter(|region| !used.contains(region.as_str()) && is_name(region))
        .cloned()
        .collect();
    let left = calls
        .iter()
        .filter(|call| !regions.contains(&call.region) || is_global(&call.action))
        .map(|call| (call.action.clone(), "it was called in a region that is used, or in none"))
        .collect();
    (!regions.is_empty()).then_some((Shape::Regions, Statement::Regions(regions), left))
}

/// What the identity did when it was not an attacker's.
fn boundary(attack: &Attack, calls: &[Call], others: &Others) -> Made {
    if !is_principal(&attack.entity) {
        return None;
    }
    let actions: BTreeSet<String> = others
        .iter()
        .filter(|call| call.entity == attack.entity && is_action(&call.action))
        .map(|call| call.action.clone())
        .collect();
    let left = calls
        .iter()
        .filter(|call| actions.contains(&call.action))
        .map(|call| (call.action.clone(), "the identity that was used needs it"))
        .collect();
    // An identity that does nothing else needs no boundary; it can go.
    let entity = attack.entity.clone();
    (!actions.is_empty()).then_some((
        Shape::Boundary,
        Statement::Boundary { entity, actions },
        left,
    ))
}

fn tested(
    shape: Shape,
    statement: &Statement,
    left: BTreeMap<String, &'static str>,
    calls: &[Call],
    others: &Others,
) -> Prevention {
    let policy = statement.policy();
    let mut others_denied: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (call, count) in others.calls.iter().filter(|(call, _)| statement.denies(call)) {
        *others_denied.entry((call.entity.clone(), call.action.clone())).or_default() += count;
    }
    let limit = if shape == Shape::Boundary { BOUNDARY_CHARS_MAX } else { SCP_CHARS_MAX };
    Prevention {
        shape,
        attack_calls: count(calls.len()),
        attack_denied: count(calls.iter().filter(|call| statement.denies(call)).count()),
        other_calls: others.calls.values().sum(),
        others_denied,
        left,
        is_too_long: policy.to_string().chars().count() > limit,
        policy,
    }
}

impl Statement {
    fn denies(&self, call: &Call) -> bool {
        match self {
            Self::AllBut { actions, principals } => {
                actions.contains(&call.action) && !principals.contains(&call.entity)
            }
            Self::Regions(regions) => regions.contains(&call.region) && !is_global(&call.action),
            // A boundary does not bind the root user, whose ARN is no role's or user's anyway.
            Self::Boundary { entity, actions } => {
                call.entity == *entity && !call.is_root && !actions.contains(&call.action)
            }
        }
    }

    fn policy(&self) -> Value {
        let statement = match self {
            Self::AllBut { actions, principals } if principals.is_empty() => {
                json!({"Sid": "NobodyCallsThese", "Effect": "Deny", "Action": actions, "Resource": "*"})
            }
            Self::AllBut { actions, principals } => json!({
                "Sid": "OnlyTheirCallers", "Effect": "Deny", "Action": actions, "Resource": "*",
                "Condition": {"ArnNotEquals": {"aws:PrincipalArn": principals}},
            }),
            Self::Regions(regions) => json!({
                "Sid": "UnusedRegions", "Effect": "Deny", "NotAction": GLOBAL, "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": regions}},
            }),
            Self::Boundary { actions, .. } => {
                json!({"Sid": "WhatItDoes", "Effect": "Allow", "Action": actions, "Resource": "*"})
            }
        };
        json!({"Version": "2012-10-17", "Statement": [statement]})
    }
}

fn id_of(record: &[u8]) -> Option<String> {
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(record, &mut buffer).ok()?;
    record.text(&["eventID"]).map(ToOwned::to_owned)
}

/// The call of a record; none of what AWS or a service does by itself, of which no policy decides.
fn call_of(record: &[u8]) -> Option<Call> {
    let Profile { event, entity, region, is_root, .. } = profile(record);
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(record, &mut buffer).ok()?;
    let source = record.text(&["eventSource"])?.strip_suffix(".amazonaws.com")?;
    let is_of_aws = record.text(&["userIdentity", "type"]) == Some("AWSService");
    let prefix =
        PREFIXES.iter().find(|(one, _)| *one == source).map_or(source, |(_, prefix)| prefix);
    // Lambda and CloudFront append the version of their API.
    let bare = event.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default();
    let name = if matches!(source, "lambda" | "cloudfront") { bare } else { &event };
    let action = ACTIONS.iter().find(|(of, event, _)| *of == source && *event == name);
    let action = format!("{prefix}:{}", action.map_or(name, |(_, _, action)| action));
    (!is_of_aws).then_some(Call { action, entity, region, is_root })
}

/// Whether a text is an action that a policy may name: it comes out of a record.
fn is_action(action: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // Signing in is no action of IAM.
    action
        .split_once(':')
        .is_some_and(|(service, name)| service != "signin" && is_word(service) && is_word(name))
}

/// Whether a text is the ARN of a role or a user, without anything that a policy would read as a pattern or a variable.
fn is_principal(arn: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/+=,.@_-".contains(&byte);
    let mut parts = arn.splitn(6, ':');
    let is_iam = parts.next() == Some("arn") && parts.nth(1) == Some("iam");
    is_iam
        && arn.bytes().all(is_plain)
        && parts
            .nth(2)
            .is_some_and(|resource| resource.starts_with("role/") || resource.starts_with("user/"))
}

fn is_global(action: &str) -> bool {
    GLOBAL.iter().any(|one| one.strip_suffix('*').is_some_and(|prefix| action.starts_with(prefix)))
}

impl Prevention {
    /// The report, in Markdown.
    #[must_use]
    pub fn report(&self) -> String {
        let what = match self.shape {
            Shape::Callers => "Service control policy: these calls, for those alone who make them",
            Shape::Regions => "Service control policy: regions in which nothing else happens",
            Shape::Boundary => {
                "Permissions boundary: what the identity does when it is not an attacker's"
            }
        };
        let denied: u64 = self.others_denied.values().sum();
        let mut out = format!(
            "# {what}\n\nIt would have denied {} of {} calls of the attack, and {denied} of {} other calls of the archive.\n\n",
            self.attack_denied, self.attack_calls, self.other_calls
        );
        for ((entity, action), calls) in &self.others_denied {
            writeln!(out, "- {calls} of {} by {}", code(action), code(entity)).ok();
        }
        for (action, why) in &self.left {
            writeln!(out, "- not denied: {}, because {why}", code(action)).ok();
        }
        if self.is_too_long {
            out.push_str("\nIt is longer than AWS takes: split it.\n");
        }
        out.push_str(
            "\nThe archive shows what was called, not what is needed once a year: read it with whoever owns these identities. A service control policy does not bind the management account or service-linked roles. Nothing was applied.\n\n```json\n",
        );
        out.push_str(&serde_json::to_string_pretty(&self.policy).unwrap_or_default());
        out.push_str("\n```\n");
        out
    }
}
