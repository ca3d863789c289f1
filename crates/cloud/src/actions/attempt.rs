//! Whether a request with some credentials would be allowed, by what is enforced at a time.

use std::collections::BTreeMap;

use super::accounts::{Identities, Principal, World, rfc3339};
use super::policy::{Decision, Request, evaluate};

/// What would come of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// It would be made.
    Allowed,
    /// It would be refused.
    Denied {
        /// The sentence that AWS says, and CloudTrail keeps as `errorMessage`.
        reason: String,
    },
}

/// Credentials, and what they are of.
struct Caller<'a> {
    identities: &'a Identities,
    principal: &'a Principal,
    arn: String,
    context: BTreeMap<&'static str, String>,
}

const INVALID: &str = "The security token included in the request is invalid.";

pub(super) fn attempt(
    world: &World,
    access_key_id: &str,
    action: &str,
    resource: &str,
    now_ms: i64,
) -> Attempt {
    let Some(caller) = caller(world, access_key_id, now_ms) else {
        return Attempt::Denied { reason: INVALID.to_owned() };
    };
    // STS answers this even to those who are denied everything.
    if action == "sts:GetCallerIdentity" {
        return Attempt::Allowed;
    }
    let Caller { identities, principal, arn, context } = caller;
    let request = Request { action, resource, context };
    let refuse = |why: &str| Attempt::Denied {
        reason: format!(
            "User: {arn} is not authorized to perform: {action} on resource: {resource} {why}"
        ),
    };
    let attached = principal.attached.iter().filter_map(|arn| identities.policies.get(arn));
    let decision =
        principal.inline.values().chain(attached).map(|text| evaluate(text, &request)).max();
    let boundary = principal.boundary.as_ref().map(|arn| {
        identities.policies.get(arn).map_or(Decision::Silent, |text| evaluate(text, &request))
    });
    match (decision.unwrap_or(Decision::Silent), boundary) {
        (Decision::Deny, _) => refuse("with an explicit deny in an identity-based policy"),
        (_, Some(Decision::Deny)) => refuse("with an explicit deny in a permissions boundary"),
        (Decision::Silent, _) => {
            refuse(&format!("because no identity-based policy allows the {action} action"))
        }
        (Decision::Allow, Some(Decision::Silent)) => {
            refuse(&format!("because no permissions boundary allows the {action} action"))
        }
        (Decision::Allow, None | Some(Decision::Allow)) => Attempt::Allowed,
    }
}

/// The account of valid credentials.
pub(super) fn account_of(world: &World, access_key_id: &str, now_ms: i64) -> Option<String> {
    if let Some(temporary) = world.temporary.get(access_key_id) {
        return Some(temporary.account.clone());
    }
    let caller = caller(world, access_key_id, now_ms)?;
    caller.arn.split(':').nth(4).map(str::to_owned)
}

fn caller<'a>(world: &'a World, access_key_id: &str, now_ms: i64) -> Option<Caller<'a>> {
    if let Some(temporary) = world.temporary.get(access_key_id) {
        let identities = enforced(world, &temporary.account, now_ms)?;
        let issued = ("aws:tokenissuetime", rfc3339(temporary.issued_ms));
        let Some(session) = &temporary.session else {
            let user = identities.users.get(&temporary.principal)?;
            return Some(of_user(identities, user, [issued].into()));
        };
        let role = identities.roles.get(&temporary.principal)?;
        let arn = format!(
            "arn:aws:sts::{}:assumed-role/{}/{session}",
            temporary.account, temporary.principal
        );
        let context = [
            issued,
            ("aws:userid", format!("{}:{session}", role.id)),
            ("aws:principalarn", role.arn.clone()),
        ];
        return Some(Caller { identities, principal: role, arn, context: context.into() });
    }
    world.accounts.keys().find_map(|account| {
        let identities = enforced(world, account, now_ms)?;
        let active = |user: &&Principal| user.keys.get(access_key_id).is_some_and(|key| key.active);
        let user = identities.users.values().find(active)?;
        Some(of_user(identities, user, BTreeMap::new()))
    })
}

fn of_user<'a>(
    identities: &'a Identities,
    user: &'a Principal,
    mut context: BTreeMap<&'static str, String>,
) -> Caller<'a> {
    context.insert("aws:userid", user.id.clone());
    context.insert("aws:username", user.name.clone());
    context.insert("aws:principalarn", user.arn.clone());
    Caller { identities, principal: user, arn: user.arn.clone(), context }
}

/// What is enforced in an account at a time.
fn enforced<'a>(world: &'a World, account: &str, now_ms: i64) -> Option<&'a Identities> {
    let enforced = &world.accounts.get(account)?.enforced;
    enforced.iter().rev().find(|(from_ms, _)| *from_ms <= now_ms).map(|(_, identities)| identities)
}
