//! The fields of a record, ours included, and what a name that is none was meant to be.

use std::sync::LazyLock;

use trailloop_enrichment::Enriched;

use crate::derived::Derived;
use crate::modifier::nearest;

/// What other products and the habit of other logs call a field, in lower case, and its name here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("accountid", "recipientAccountId"),
    ("account_id", "recipientAccountId"),
    ("cloud.account.id", "recipientAccountId"),
    ("cloud.region", "awsRegion"),
    ("error", "errorCode"),
    ("event.action", "eventName"),
    ("event.outcome", "outcome"),
    ("event.provider", "eventSource"),
    ("event_name", "eventName"),
    ("event_source", "eventSource"),
    ("eventoutcome", "outcome"),
    ("eventregion", "awsRegion"),
    ("ip", "sourceIPAddress"),
    ("region", "awsRegion"),
    ("request_parameters", "requestParameters"),
    ("response_elements", "responseElements"),
    ("result", "outcome"),
    ("source.ip", "sourceIPAddress"),
    ("source_ip_address", "sourceIPAddress"),
    ("sourceip", "sourceIPAddress"),
    ("src_ip", "sourceIPAddress"),
    ("status", "outcome"),
    ("time", "eventTime"),
    ("timestamp", "eventTime"),
    ("user", "userIdentity.userName"),
    ("user_agent", "userAgent"),
    ("user_agent.original", "userAgent"),
    ("user_identity", "userIdentity"),
    ("useridentity.account_id", "userIdentity.accountId"),
    ("username", "userIdentity.userName"),
];

/// A field of the catalogue.
struct Known {
    path: &'static str,
    /// Whether anything may stand below it.
    is_free: bool,
}

static FIELDS: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let lines = include_str!("fields.txt").lines().filter(|line| !line.starts_with('#'));
    let known = lines.map(|line| match line.strip_suffix(" *") {
        Some(path) => Known { path, is_free: true },
        None => Known { path: line, is_free: false },
    });
    known.filter(|known| !known.path.is_empty()).collect()
});

/// Whether records may have a field of this dotted path, or we have one.
pub(crate) fn is_field(path: &str) -> bool {
    Derived::of_name(path).is_some()
        || Enriched::parse(path).is_some()
        || FIELDS.iter().any(|known| {
            path.strip_prefix(known.path)
                .is_some_and(|rest| rest.is_empty() || known.is_free && rest.starts_with('.'))
        })
}

/// Whether a word is the first key of one of CloudTrail's fields.
pub(crate) fn is_root(word: &str) -> bool {
    FIELDS.iter().any(|known| known.path == word)
}

/// What a path that is no field was meant to be: a field misspelt, or another product's word for it.
pub(crate) fn near_field(path: &str) -> Option<String> {
    let lower = path.to_ascii_lowercase();
    if let Some((_, here)) = ELSEWHERE.iter().find(|(word, _)| *word == lower) {
        return Some((*here).to_owned());
    }
    // What EventBridge and other carriers wrap around a record.
    for wrapper in ["detail.", "Records.", "aws.cloudtrail.", "event.", "record.", "Event."] {
        if let Some(inner) = path.strip_prefix(wrapper).filter(|inner| is_field(inner)) {
            return Some(inner.to_owned());
        }
    }
    let ours = crate::derived::names().chain(Enriched::ALL.iter().map(|field| field.as_str()));
    let names: Vec<&str> = FIELDS.iter().map(|known| known.path).chain(ours).collect();
    if let Some(near) = nearest(path, &names) {
        return Some(near.to_owned());
    }
    // A path below a misspelt object: `RequestParameters.userName`.
    let free: Vec<&str> =
        FIELDS.iter().filter(|known| known.is_free).map(|known| known.path).collect();
    for (at, _) in path.match_indices('.') {
        let (head, rest) = path.split_at(at);
        if let Some(near) = nearest(head, &free).filter(|near| near.len() > 4) {
            return Some(format!("{near}{rest}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_with_what_stands_below_them() {
        for path in [
            "eventName",
            "userIdentity",
            "userIdentity.sessionContext.sessionIssuer.arn",
            "requestParameters",
            "requestParameters.a.b",
            "resources.ARN",
            "outcome",
            "ip.country",
            "ua.family",
            "actor.account",
            "errorMessage",
            "eventContext.tagContext.principalTags.team",
        ] {
            assert!(is_field(path), "{path}");
        }
        for path in [
            "status",
            "sourceIpAddress",
            "useridentity.type",
            "eventName.x",
            "userIdentity.name",
            "requestParametersX",
            "",
            "Resources",
        ] {
            assert!(!is_field(path), "{path}");
        }
    }

    #[test]
    fn what_was_meant_is_found() {
        for (path, meant) in [
            ("sourceIpAddress", "sourceIPAddress"),
            ("userIdenity.type", "userIdentity.type"),
            ("useridentity", "userIdentity"),
            ("status", "outcome"),
            ("Resources", "resources"),
            ("detail.eventName", "eventName"),
            ("RequestParameters.userName", "requestParameters.userName"),
            ("requestParameter.a.b", "requestParameters.a.b"),
            (
                "userIdentity.sessionContext.sessionIssuer.userNam",
                "userIdentity.sessionContext.sessionIssuer.userName",
            ),
            ("ip.contry", "ip.country"),
            ("user_agent", "userAgent"),
        ] {
            assert_eq!(near_field(path), Some(meant.to_owned()), "{path}");
        }
        assert_eq!(near_field("bucketName"), None);
    }
}
