//! Rights: of one call for its session, of a runbook for the executor's role.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::call::Call;
use crate::catalogue;

/// The session policy of one call: itself, and the reads that show its effect, on its one resource.
#[must_use]
pub fn session_policy(call: &Call, partition: &str, account: &str, region: &str) -> String {
    let mut calls = vec![call.clone()];
    if let Some(api) = catalogue::find(&call.service, &call.api) {
        calls.extend(api.state_reads(call));
    }
    let mut by_resource: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    for call in &calls {
        let Some(api) = catalogue::find(&call.service, &call.api) else { continue };
        let resources = resources(api.resource, call, partition, account, region);
        by_resource.entry(resources).or_default().extend(api.rights);
    }
    let statement = |(resources, mut actions): (Vec<String>, Vec<&str>)| {
        actions.sort_unstable();
        actions.dedup();
        json!({ "Effect": "Allow", "Action": actions, "Resource": resources })
    };
    let statements: Vec<Value> = by_resource.into_iter().map(statement).collect();
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// The ARNs of a template. A user or role may have a path that its name does not tell.
fn resources(
    template: &str,
    call: &Call,
    partition: &str,
    account: &str,
    region: &str,
) -> Vec<String> {
    let mut arn = template
        .replace("{partition}", partition)
        .replace("{account}", account)
        .replace("{region}", region);
    for (name, value) in &call.inputs {
        if let Some(text) = value.as_str() {
            arn = arn.replace(&format!("{{{name}}}"), text);
        }
    }
    if arn.contains('{') {
        return vec!["*".to_owned()];
    }
    let with_path = [":user/", ":role/", ":group/"].iter().find_map(|kind| {
        let (front, name) = arn.split_once(kind)?;
        arn.contains(":iam:").then(|| format!("{front}{kind}*/{name}"))
    });
    std::iter::once(arn.clone()).chain(with_path).collect()
}

/// Whether a glob (`*`, `?`) matches a text, whole.
#[must_use]
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        if at < glob.len() && (glob[at] == '?' || glob[at] == text[in_text]) && glob[at] != '*' {
            at += 1;
            in_text += 1;
        } else if at < glob.len() && glob[at] == '*' {
            star = Some((at, in_text));
            at += 1;
        } else if let Some((place, taken)) = star {
            at = place + 1;
            in_text = taken + 1;
            star = Some((place, taken + 1));
        } else {
            return false;
        }
    }
    glob[at..].iter().all(|one| *one == '*')
}
