//! Which rights calls take: of the executor's role for whole runbooks, and of one session for one call.
//!
//! Resources are named by the ARN templates of the catalogue. In a role's policy whatever a plan fills in later is a wildcard; in a
//! session's policy everything is exact, and a `*`, `?` or `$` in a value is only that character, so that no name widens the session.

pub mod document;
mod needs;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::catalogue::{self, Api};
use crate::document::Template;
pub use needs::needs;

/// AWS takes session policies of at most this many characters.
pub const SESSION_CHARACTERS_MAX: usize = 2048;

/// Inputs that rights are bound to and that have another value when a state is put back: which one, nobody knows beforehand.
const PUT_BACK: [&str; 2] = ["PermissionsBoundary", "Groups"];

/// Where calls go, for the ARNs in policies; `*` for what is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
}

impl Place {
    /// Any account and region of this partition.
    #[must_use]
    pub fn anywhere_in(partition: &str) -> Self {
        Self { partition: partition.to_owned(), account: "*".to_owned(), region: "*".to_owned() }
    }
}

/// A call of a runbook: a step, a read of an assertion or of a proof, a call of `undo`.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// The call.
    pub call: &'a Template,
    /// Whether the state before may be put back by the catalogue's own inverse.
    pub restores: bool,
}

/// The least rights by which all these calls can be made, their states read, and put back where that is asked for. As IAM's JSON.
#[must_use]
pub fn rights(uses: &[Use<'_>], place: &Place) -> Value {
    let mut grants = Grants::default();
    for one in uses {
        let Template { service, api, inputs } = one.call;
        let call = Call { service: service.clone(), api: api.clone(), inputs: inputs.clone() };
        let Some(api) = catalogue::find(service, &call.api) else { continue };
        let scope = Scope { place, call: &call, is_exact: false, lists: true };
        grants.add_with_reads(api, &scope);
        let mut back = call.clone();
        back.inputs.retain(|name, _| !PUT_BACK.contains(&name.as_str()));
        let scope = Scope { call: &back, ..scope };
        let inverses = api.inverses().iter().filter(|_| one.restores);
        for inverse in inverses.filter_map(|name| catalogue::find(service, name)) {
            grants.add(inverse, &scope);
        }
    }
    grants.policy()
}

/// The rights of one call and the reads of its state on its own resource, and no others. A call of no catalogue, or one whose names
/// are too long for any session policy, gets a policy that denies everything.
#[must_use]
pub fn session_policy(call: &Call, partition: &str, account: &str, region: &str) -> String {
    let (partition, account, region) =
        (partition.to_owned(), account.to_owned(), region.to_owned());
    let place = Place { partition, account, region };
    if let Some(api) = catalogue::find(&call.service, &call.api) {
        // A long list of resources is given up first: the call and its account are exact even then.
        for lists in [true, false] {
            let mut grants = Grants::default();
            grants.add_with_reads(api, &Scope { place: &place, call, is_exact: true, lists });
            let policy = grants.policy().to_string();
            if !grants.0.is_empty() && policy.chars().count() <= SESSION_CHARACTERS_MAX {
                return policy;
            }
        }
    }
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#
        .to_owned()
}

/// What fills in a template of an ARN.
struct Scope<'a> {
    place: &'a Place,
    call: &'a Call,
    /// Whether texts are meant as they are; else `{{ … }}` in them is anything.
    is_exact: bool,
    /// Whether each item of a list is named.
    lists: bool,
}

/// A condition's key, and the values of which it has to have one.
type Condition = Option<(String, Vec<String>)>;

/// Actions by resources and condition: what a policy's statements are made of.
#[derive(Default)]
struct Grants(BTreeMap<(BTreeSet<String>, Condition), BTreeSet<String>>);

impl Grants {
    fn add_with_reads(&mut self, api: &Api, scope: &Scope<'_>) {
        self.add(api, scope);
        for read in api.state_reads(scope.call) {
            if let Some(api) = catalogue::find(&read.service, &read.api) {
                self.add(api, &Scope { call: &read, ..*scope });
            }
        }
    }

    fn add(&mut self, api: &Api, scope: &Scope<'_>) {
        let condition = api.condition.and_then(|(key, input)| {
            let values = scope.values(input);
            (!values.iter().any(|value| value == "*")).then(|| (key.to_owned(), values))
        });
        self.grant(&api.action(), api.resources, condition, scope);
        for also in api.also {
            self.grant(also.action, also.resources, None, scope);
        }
    }

    fn grant(&mut self, action: &str, resources: &[&str], condition: Condition, scope: &Scope<'_>) {
        let mut named: BTreeSet<String> =
            resources.iter().flat_map(|template| scope.arns(template)).collect();
        if resources.is_empty() {
            named.insert("*".to_owned());
        } else if named.is_empty() {
            // A call on an empty list is a call on nothing, and not on everything.
            return;
        }
        let wide: Vec<String> = named.iter().filter(|arn| arn.ends_with('*')).cloned().collect();
        named.retain(|arn| {
            let covers = |wide: &String| wide != arn && arn.starts_with(wide.trim_end_matches('*'));
            !wide.iter().any(covers)
        });
        self.0.entry((named, condition)).or_default().insert(action.to_owned());
    }

    fn policy(&self) -> Value {
        let made = self.0.iter().map(|((resources, condition), actions)| {
            let mut statement = Map::new();
            statement.insert("Effect".to_owned(), Value::from("Allow"));
            statement.insert("Action".to_owned(), json!(actions));
            statement.insert("Resource".to_owned(), json!(resources));
            if let Some((key, values)) = condition {
                statement.insert("Condition".to_owned(), json!({ "ArnLike": { key: values } }));
            }
            Value::Object(statement)
        });
        let mut statements: Vec<Value> = made.collect();
        statements.sort_by_cached_key(|statement| statement["Action"].to_string());
        json!({ "Version": "2012-10-17", "Statement": statements })
    }
}

impl Scope<'_> {
    /// The ARNs that a template stands for.
    fn arns(&self, template: &str) -> Vec<String> {
        if let Some(input) = whole(template) {
            let values = self.values(input).into_iter();
            return values.map(|arn| if arn == "*" { self.any(input) } else { arn }).collect();
        }
        let (mut taken, mut made) = (Vec::new(), vec![String::new()]);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let values = match name {
                "partition" => vec![self.place.partition.clone()],
                "account" => vec![self.place.account.clone()],
                "region" => vec![self.place.region.clone()],
                input => self.values(input),
            };
            // An input that may be a name or an ARN is taken as it is when it is one.
            let (arns, values): (Vec<String>, Vec<String>) =
                values.into_iter().partition(|value| value.starts_with("arn:"));
            taken.extend(arns);
            made = made
                .iter()
                .flat_map(|so_far| {
                    values.iter().map(move |value| format!("{so_far}{before}{}", tail(value)))
                })
                .collect();
            rest = after;
        }
        made.into_iter().map(|arn| arn + rest).chain(taken).collect()
    }

    /// The values of an input, ready for a policy.
    fn values(&self, input: &str) -> Vec<String> {
        match self.call.inputs.get(input) {
            Some(Value::String(text)) => vec![self.value(text)],
            Some(Value::Array(items)) if self.lists && items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(|text| self.value(text)).collect()
            }
            _ => vec!["*".to_owned()],
        }
    }

    fn value(&self, text: &str) -> String {
        if self.is_exact {
            return literal(text);
        }
        let mut made = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            made += &literal(before);
            made += match name.trim() {
                "global:AWS_PARTITION" => &self.place.partition,
                "global:ACCOUNT_ID" => &self.place.account,
                "global:REGION" => &self.place.region,
                _ => "*",
            };
            rest = after;
        }
        made + &literal(rest)
    }

    /// Any ARN that this input can be.
    fn any(&self, input: &str) -> String {
        let Place { partition, account, region } = self.place;
        match input {
            "InstanceArn" => format!("arn:{partition}:sso:::instance/*"),
            "PermissionSetArn" => format!("arn:{partition}:sso:::permissionSet/*"),
            "PolicyArn" => format!("arn:{partition}:iam::{account}:policy/*"),
            "PolicySourceArn" => format!("arn:{partition}:iam::{account}:*"),
            "TopicArn" => format!("arn:{partition}:sns:{region}:{account}:*"),
            _ => format!("arn:{partition}:*"),
        }
    }
}

/// The input that a template consists of.
fn whole(template: &str) -> Option<&str> {
    template.strip_prefix('{')?.strip_suffix('}').filter(|name| !name.contains('{'))
}

/// The part of a value that stands in an ARN: of a queue's URL its name, of a parameter's path all but the first slash.
fn tail(value: &str) -> &str {
    match value.split_once("://") {
        Some((_, rest)) => rest.rsplit_once('/').map_or(rest, |(_, name)| name),
        None => value.strip_prefix('/').unwrap_or(value),
    }
}

/// A text in which `*`, `?` and `$` mean themselves.
fn literal(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' => made += "${*}",
            '?' => made += "${?}",
            '$' => made += "${$}",
            c => made.push(c),
        }
    }
    made
}

#[cfg(test)]
mod tests;
