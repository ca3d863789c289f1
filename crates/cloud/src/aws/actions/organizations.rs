//! Organizations: service control policies, and where an account stands.

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::{Parent, Policy, PolicySummary, PolicyType, Tag};
use serde_json::Value;

use super::apis;
use super::inputs::Inputs;
use super::json::{list, object};
use crate::error::CloudError;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "AttachPolicy" attach_policy (set_policy_id name("PolicyId"), set_target_id name("TargetId"))
        _ => object! {};
    "DetachPolicy" detach_policy (set_policy_id name("PolicyId"), set_target_id name("TargetId"))
        _ => object! {};
    "ListPoliciesForTarget" list_policies_for_target (
        set_target_id name("TargetId"), set_filter required_choice("Filter", PolicyType::try_parse),
        set_next_token text("NextToken"))
        answer => object! {
            "Policies": list(answer.policies(), summary), "NextToken": answer.next_token(),
        };
    "ListPolicies" list_policies (
        set_filter required_choice("Filter", PolicyType::try_parse), set_next_token text("NextToken"))
        answer => object! {
            "Policies": list(answer.policies(), summary), "NextToken": answer.next_token(),
        };
    "CreatePolicy" create_policy (
        set_name name("Name"), set_description text("Description"), set_content name("Content"),
        set_type required_choice("Type", PolicyType::try_parse), set_tags structures("Tags", tag))
        answer => object! { "Policy": answer.policy().map(policy) };
    "DescribePolicy" describe_policy (set_policy_id name("PolicyId"))
        answer => object! { "Policy": answer.policy().map(policy) };
    "DescribeOrganization" describe_organization ()
        answer => object! {
            "Organization": answer.organization().map(|organization| object! {
                "Id": organization.id(),
                "Arn": organization.arn(),
                "FeatureSet": organization.feature_set().map(|set| set.as_str()),
                "MasterAccountArn": organization.master_account_arn(),
                "MasterAccountId": organization.master_account_id(),
                "MasterAccountEmail": organization.master_account_email(),
            }),
        };
    "DescribeAccount" describe_account (set_account_id name("AccountId"))
        answer => object! {
            "Account": answer.account().map(|account| object! {
                "Id": account.id(),
                "Arn": account.arn(),
                "Email": account.email(),
                "Name": account.name(),
                "JoinedMethod": account.joined_method().map(|method| method.as_str()),
                "JoinedTimestamp": account.joined_timestamp(),
            }),
        };
    "ListParents" list_parents (set_child_id name("ChildId"), set_next_token text("NextToken"))
        answer => object! {
            "Parents": list(answer.parents(), parent), "NextToken": answer.next_token(),
        };
}

fn summary(summary: &PolicySummary) -> Value {
    object! {
        "Id": summary.id(),
        "Arn": summary.arn(),
        "Name": summary.name(),
        "Description": summary.description(),
        "Type": summary.r#type().map(PolicyType::as_str),
        "AwsManaged": summary.aws_managed(),
    }
}

fn policy(policy: &Policy) -> Value {
    object! { "PolicySummary": policy.policy_summary().map(summary), "Content": policy.content() }
}

fn parent(parent: &Parent) -> Value {
    object! { "Id": parent.id(), "Type": parent.r#type().map(|kind| kind.as_str()) }
}

fn tag(from: &mut Inputs) -> Result<Tag, CloudError> {
    Tag::builder()
        .set_key(from.name("Key")?)
        .set_value(from.text("Value")?)
        .build()
        .map_err(|error| from.incomplete(&error))
}
