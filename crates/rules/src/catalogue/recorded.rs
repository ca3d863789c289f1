//! Whether any trail records a call: what a rule needs to fire at all.

use super::{Category, EventKind, Selectors, kinds, source, sources};
use crate::coverage::Call;

/// An event as trails select it.
pub(crate) struct Candidate<'c> {
    /// Without `.amazonaws.com`; `None`: unknown.
    pub(crate) source: Option<&'c str>,
    /// `None`: unknown.
    pub(crate) name: Option<&'c str>,
    /// `None`: unknown.
    pub(crate) kind: Option<EventKind>,
}

/// Whether some trail may record the call. `false` is certain as far as the catalogue is right; `true` is not, because
/// selectors may name resources and principals, which a call does not tell.
#[must_use]
pub fn recorded(call: &Call, selectors: &Selectors) -> bool {
    let of_call = call.source.as_deref().map(source);
    let known: Vec<_> = match of_call {
        Some(source) => source.into_iter().collect(),
        None => sources().iter().collect(),
    };
    let mut found = false;
    for source in &known {
        for name in source.names() {
            if call.name.as_ref().is_some_and(|wanted| !wanted.fits(name)) {
                continue;
            }
            found = true;
            let with =
                |kind| Candidate { source: Some(source.name), name: Some(name), kind: Some(kind) };
            let is_selected = |kind: EventKind| {
                // The same call may be recorded once more as one through a VPC endpoint.
                let through = EventKind { category: Category::NetworkActivity, ..kind };
                selectors.select(&with(kind)) || selectors.select(&with(through))
            };
            if kinds(source.name, name).into_iter().any(is_selected) {
                return true;
            }
        }
    }
    // An event that is not in the catalogue may be of any kind.
    let may_be_more = !found || call.name.is_none() || known.iter().any(|source| source.is_open);
    let is_exact = matches!(call.name, Some(crate::coverage::CallName::Exact(_)));
    if !may_be_more || found && is_exact {
        return false;
    }
    let lower = call.source.as_deref().map(str::to_ascii_lowercase);
    let bare = lower.as_deref().map(|text| text.strip_suffix(super::HOST).unwrap_or(text));
    selectors.select(&Candidate { source: bare, name: None, kind: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::CallName;

    fn call(source: &str, name: &str) -> Call {
        Call {
            source: Some(format!("{source}.amazonaws.com")),
            name: Some(CallName::Exact(name.to_owned())),
        }
    }

    #[test]
    fn trails_record_what_they_select() {
        let management = r#"{"TrailARN":"t","EventSelectors":[{"ReadWriteType":"All","IncludeManagementEvents":true,"DataResources":[],"ExcludeManagementEventSources":[]}]}"#;
        let writes = r#"{"EventSelectors":[{"ReadWriteType":"WriteOnly","ExcludeManagementEventSources":["kms.amazonaws.com"]}]}"#;
        let objects = r#"{"EventSelectors":[{"ReadWriteType":"ReadOnly","IncludeManagementEvents":false,"DataResources":[{"Type":"AWS::S3::Object","Values":["arn:aws:s3"]}]}]}"#;
        let advanced = r#"{"AdvancedEventSelectors":[
            {"Name":"m","FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]},{"Field":"readOnly","Equals":["false"]},{"Field":"eventSource","NotEquals":["kms.amazonaws.com"]}]},
            {"FieldSelectors":[{"Field":"eventCategory","Equals":["Data"]},{"Field":"resources.type","Equals":["AWS::DynamoDB::Table"]},{"Field":"eventName","StartsWith":["Put"]}]}]}"#;
        for (selectors, source, name, expected) in [
            (management, "iam", "CreateUser", true),
            (management, "iam", "ListUsers", true),
            (management, "s3", "GetObject", false),
            (management, "lambda", "Invoke", false),
            (management, "lambda", "Invoke20150331", false),
            (management, "rdsdata", "ExecuteStatement", true),
            (management, "unheardof", "GetThing", true),
            (writes, "iam", "CreateUser", true),
            (writes, "iam", "ListUsers", false),
            (writes, "kms", "ScheduleKeyDeletion", false),
            (writes, "signin", "ConsoleLogin", true),
            (objects, "s3", "GetObject", true),
            (objects, "s3", "PutObject", false),
            (objects, "iam", "CreateUser", false),
            (objects, "dynamodb", "GetItem", false),
            (advanced, "iam", "CreateUser", true),
            (advanced, "iam", "ListUsers", false),
            (advanced, "kms", "DisableKey", false),
            (advanced, "dynamodb", "PutItem", true),
            (advanced, "dynamodb", "GetItem", false),
            (advanced, "s3", "PutObject", false),
        ] {
            let selectors = Selectors::parse(selectors).unwrap();
            assert_eq!(recorded(&call(source, name), &selectors), expected, "{source} {name}");
        }
        let both = Selectors::parse(&format!("[{objects}, {management}]\n{writes}")).unwrap();
        assert_eq!(both.len(), 3);
        assert!(recorded(&call("s3", "GetObject"), &both));
        assert!(!recorded(&call("s3", "PutObject"), &both));
    }

    #[test]
    fn a_call_that_is_not_named_may_be_any() {
        let objects = r#"{"EventSelectors":[{"IncludeManagementEvents":false,"DataResources":[{"Type":"AWS::Lambda::Function","Values":["arn:aws:lambda"]}]}]}"#;
        let selectors = Selectors::parse(objects).unwrap();
        let any = |source: Option<&str>, name| {
            recorded(&Call { source: source.map(str::to_owned), name }, &selectors)
        };
        assert!(any(None, None));
        assert!(any(Some("lambda.amazonaws.com"), None));
        assert!(any(None, Some(CallName::Prefix("invoke".to_owned()))));
        assert!(!any(
            Some("lambda.amazonaws.com"),
            Some(CallName::Prefix("createfunction".to_owned()))
        ));
        let nothing = r#"{"EventSelectors":[{"IncludeManagementEvents":false}]}"#;
        let nothing = Selectors::parse(nothing).unwrap();
        assert!(!recorded(&Call { source: None, name: None }, &nothing));
    }
}
