//! The principal behind a call: who to ask, and who to stop.

use super::{Get, put, text};

/// What [`write`] looks at.
pub(super) const MADE_OF: &[&str] = &[
    "awsRegion",
    "userIdentity.accountId",
    "userIdentity.arn",
    "userIdentity.invokedBy",
    "userIdentity.onBehalfOf.userId",
    "userIdentity.principalId",
    "userIdentity.sessionContext.sessionIssuer.arn",
    "userIdentity.type",
    "userIdentity.userName",
];

/// What [`account`] looks at.
pub(super) const ACCOUNT_MADE_OF: &[&str] = &[
    "userIdentity.accountId",
    "userIdentity.arn",
    "userIdentity.sessionContext.sessionIssuer.accountId",
];

/// Writes the canonical name of the principal: an ARN where the record has one.
pub(super) fn write(get: Get<'_, '_>, out: &mut String) -> bool {
    let kind = text(get, "userIdentity.type").unwrap_or_default();
    if kind == "AWSService"
        && let Some(service) = text(get, "userIdentity.invokedBy")
    {
        return put(Some(service), out);
    }
    if let Some(issuer) = text(get, "userIdentity.sessionContext.sessionIssuer.arn") {
        return put(Some(issuer), out);
    }
    if let Some(arn) = text(get, "userIdentity.arn") {
        return write_arn(arn, out);
    }
    if kind == "Root"
        && let Some(account) = text(get, "userIdentity.accountId")
    {
        let partition = match text(get, "awsRegion") {
            Some(region) if region.starts_with("cn-") => "aws-cn",
            Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        for part in ["arn:", partition, ":iam::", account, ":root"] {
            out.push_str(part);
        }
        return true;
    }
    // A principal id is `id` or `id:session`.
    let id = text(get, "userIdentity.principalId").map(|id| id.split(':').next().unwrap_or(id));
    let other = id
        .filter(|id| !id.is_empty())
        .or_else(|| text(get, "userIdentity.onBehalfOf.userId"))
        .or_else(|| text(get, "userIdentity.userName"))
        .or_else(|| text(get, "userIdentity.accountId"));
    put(other, out)
}

/// The account of the principal.
pub(super) fn account<'a>(get: Get<'_, 'a>) -> Option<&'a str> {
    text(get, "userIdentity.sessionContext.sessionIssuer.accountId")
        .or_else(|| text(get, "userIdentity.accountId"))
        .or_else(|| {
            let account = text(get, "userIdentity.arn")?.split(':').nth(4)?;
            (!account.is_empty()).then_some(account)
        })
}

/// Writes an ARN; that of a role session becomes its role's, without the path, which a session does not tell.
fn write_arn(arn: &str, out: &mut String) -> bool {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (_, partition, service, _, account, resource) =
        (next(), next(), next(), next(), next(), next());
    let role = resource.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next());
    match role {
        Some(role) if service == "sts" => {
            for part in ["arn:", partition, ":iam::", account, ":role/", role] {
                out.push_str(part);
            }
        }
        _ => out.push_str(arn),
    }
    true
}
