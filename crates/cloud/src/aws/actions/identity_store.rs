//! Identity Store: the people behind Identity Center's sessions.

#![expect(
    deprecated,
    reason = "the filter still is the one way to find a user with the right to list users alone"
)]

use aws_sdk_identitystore::Client;
use aws_sdk_identitystore::types::{Email, Filter, Name, User};
use serde_json::Value;

use super::apis;
use super::inputs::Inputs;
use super::json::{list, object};
use crate::error::CloudError;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "DescribeUser" describe_user (
        set_identity_store_id name("IdentityStoreId"), set_user_id name("UserId"))
        answer => object! {
            "IdentityStoreId": answer.identity_store_id(),
            "UserId": answer.user_id(),
            "UserName": answer.user_name(),
            "DisplayName": answer.display_name(),
            "Name": answer.name().map(name),
            "Emails": list(answer.emails(), email),
        };
    "ListUsers" list_users (
        set_identity_store_id name("IdentityStoreId"), set_filters structures("Filters", filter),
        set_next_token text("NextToken"))
        answer => object! { "Users": list(answer.users(), user), "NextToken": answer.next_token() };
}

fn user(user: &User) -> Value {
    object! {
        "IdentityStoreId": user.identity_store_id(),
        "UserId": user.user_id(),
        "UserName": user.user_name(),
        "DisplayName": user.display_name(),
        "Name": user.name().map(name),
        "Emails": list(user.emails(), email),
    }
}

fn name(name: &Name) -> Value {
    object! {
        "Formatted": name.formatted(),
        "FamilyName": name.family_name(),
        "GivenName": name.given_name(),
    }
}

fn email(email: &Email) -> Value {
    object! { "Value": email.value(), "Type": email.r#type(), "Primary": email.primary() }
}

fn filter(from: &mut Inputs) -> Result<Filter, CloudError> {
    Filter::builder()
        .set_attribute_path(from.name("AttributePath")?)
        .set_attribute_value(from.name("AttributeValue")?)
        .build()
        .map_err(|error| from.incomplete(&error))
}
