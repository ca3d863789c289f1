//! Lambda: whether a function may run, and who may call it.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{Cors, FunctionUrlAuthType, InvokeMode};
use serde_json::Value;

use super::apis;
use super::json::object;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "GetFunctionConcurrency" get_function_concurrency (set_function_name name("FunctionName"))
        answer => object! {
            "ReservedConcurrentExecutions": answer.reserved_concurrent_executions(),
        };
    "PutFunctionConcurrency" put_function_concurrency (
        set_function_name name("FunctionName"),
        set_reserved_concurrent_executions required_number("ReservedConcurrentExecutions"))
        answer => object! {
            "ReservedConcurrentExecutions": answer.reserved_concurrent_executions(),
        };
    "DeleteFunctionConcurrency" delete_function_concurrency (set_function_name name("FunctionName"))
        _ => object! {};
    "AddPermission" add_permission (
        set_function_name name("FunctionName"), set_statement_id name("StatementId"),
        set_action name("Action"), set_principal name("Principal"),
        set_source_arn text("SourceArn"), set_source_account text("SourceAccount"),
        set_event_source_token text("EventSourceToken"), set_qualifier text("Qualifier"),
        set_revision_id text("RevisionId"), set_principal_org_id text("PrincipalOrgID"),
        set_function_url_auth_type choice("FunctionUrlAuthType", FunctionUrlAuthType::try_parse))
        answer => object! { "Statement": answer.statement() };
    "RemovePermission" remove_permission (
        set_function_name name("FunctionName"), set_statement_id name("StatementId"),
        set_qualifier text("Qualifier"), set_revision_id text("RevisionId"))
        _ => object! {};
    "GetPolicy" get_policy (set_function_name name("FunctionName"), set_qualifier text("Qualifier"))
        answer => object! { "Policy": answer.policy(), "RevisionId": answer.revision_id() };
    "GetFunctionUrlConfig" get_function_url_config (
        set_function_name name("FunctionName"), set_qualifier text("Qualifier"))
        answer => object! {
            "FunctionUrl": answer.function_url(),
            "FunctionArn": answer.function_arn(),
            "AuthType": answer.auth_type().as_str(),
            "Cors": answer.cors().map(cors),
            "CreationTime": answer.creation_time(),
            "LastModifiedTime": answer.last_modified_time(),
            "InvokeMode": answer.invoke_mode().map(InvokeMode::as_str),
        };
    "DeleteFunctionUrlConfig" delete_function_url_config (
        set_function_name name("FunctionName"), set_qualifier text("Qualifier"))
        _ => object! {};
}

fn cors(cors: &Cors) -> Value {
    object! {
        "AllowCredentials": cors.allow_credentials(),
        "AllowHeaders": cors.allow_headers(),
        "AllowMethods": cors.allow_methods(),
        "AllowOrigins": cors.allow_origins(),
        "ExposeHeaders": cors.expose_headers(),
        "MaxAge": cors.max_age(),
    }
}
