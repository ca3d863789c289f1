//! STS: who we are there.

use aws_sdk_sts::Client;

use super::apis;
use super::json::object;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "GetCallerIdentity" get_caller_identity ()
        answer => object! {
            "UserId": answer.user_id(), "Account": answer.account(), "Arn": answer.arn(),
        };
}
