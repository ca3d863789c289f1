//! Calls that fail, as they do in any organization.

use super::act::{Act, Set, Who};
use super::caller::Caller;

/// How many of ten thousand calls fail, and how.
struct Failures {
    denied: u32,
    throttled: u32,
    missing: u32,
}

/// Failures in ten thousand calls by who calls; our assumption, after one to two in a hundred over all. Workloads ask
/// for things that are not there, and lack a permission until somebody notices; a scanner tries what its role may
/// not; people try what their permission set does not allow; what services do for themselves hardly fails.
fn failures(who: Who) -> Failures {
    let (denied, throttled, missing) = match who {
        Who::Workload | Who::Task | Who::Function | Who::Pod | Who::Instance => (60, 60, 220),
        Who::For(_) => (10, 5, 0),
        Who::Pipeline | Who::Stack => (15, 90, 0),
        Who::Scanner => (300, 250, 0),
        Who::Console(Set::ReadOnly | Set::Billing) | Who::Cli(Set::ReadOnly) => (250, 10, 0),
        Who::Console(_) | Who::Cli(_) | Who::Reporting => (60, 15, 0),
        Who::Linked(..) => (10, 60, 0),
        Who::Backup | Who::Vending => (5, 30, 0),
        Who::User(_) => (5, 5, 0),
        _ => (0, 0, 0),
    };
    Failures { denied, throttled, missing }
}

/// The code and message with which this call fails, if it does.
pub(super) fn failure(
    random: &mut fastrand::Rng,
    who: Who,
    caller: &Caller,
    act: &Act,
) -> Option<(String, String)> {
    if let Some((code, message)) = act.fails {
        return Some((code.to_owned(), message.to_owned()));
    }
    if act.kind != "AwsApiCall" {
        return None;
    }
    let failures = failures(who);
    let at = random.u32(0..10_000);
    let denied = failures.denied;
    if at < denied {
        return (!ALWAYS_ALLOWED.contains(&act.name)).then(|| denial(caller, act));
    }
    if at < denied + failures.throttled {
        return Some(throttle(act));
    }
    missing(act).filter(|_| at < denied + failures.throttled + failures.missing)
}

/// Calls that need no permission.
const ALWAYS_ALLOWED: [&str; 3] =
    ["GetCallerIdentity", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"];

fn denial(caller: &Caller, act: &Act) -> (String, String) {
    let service = match act.source {
        "monitoring" => "cloudwatch",
        "sso-oauth" => "sso",
        source => source,
    };
    let action = match act.name {
        "ListObjects" | "HeadBucket" => "ListBucket",
        "HeadObject" => "GetObject",
        name => name.split("2015").next().unwrap_or(name),
    };
    let arn = &caller.arn;
    let text = |end: &str| {
        format!(
            "User: {arn} is not authorized to perform: {service}:{action} {end}because no identity-based policy allows the {service}:{action} action"
        )
    };
    match act.source {
        "ec2" => (
            "Client.UnauthorizedOperation".to_owned(),
            format!("You are not authorized to perform this operation. {}", text("")),
        ),
        "s3" => ("AccessDenied".to_owned(), text("")),
        "iam"
        | "sts"
        | "organizations"
        | "rds"
        | "elasticloadbalancing"
        | "autoscaling"
        | "monitoring" => ("AccessDenied".to_owned(), text("on resource: * ")),
        _ => ("AccessDeniedException".to_owned(), text("on resource: * ")),
    }
}

fn throttle(act: &Act) -> (String, String) {
    let (code, message) = match act.source {
        "ec2" => ("Client.RequestLimitExceeded", "Request limit exceeded."),
        "s3" => ("SlowDown", "Please reduce your request rate."),
        "iam" | "sts" | "elasticloadbalancing" | "autoscaling" | "monitoring" | "rds" => {
            ("Throttling", "Rate exceeded")
        }
        "dynamodb" => (
            "ThrottlingException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        "lambda" => ("TooManyRequestsException", "Rate Exceeded."),
        _ => ("ThrottlingException", "Rate exceeded"),
    };
    (code.to_owned(), message.to_owned())
}

/// What a program is told that asks for something that is not there, or makes what is there already.
fn missing(act: &Act) -> Option<(String, String)> {
    let (code, message) = match (act.source, act.name) {
        ("s3", "GetObject" | "HeadObject") => ("NoSuchKey", "The specified key does not exist."),
        ("logs", "CreateLogStream") => {
            ("ResourceAlreadyExistsException", "The specified log stream already exists")
        }
        ("logs", "CreateLogGroup") => {
            ("ResourceAlreadyExistsException", "The specified log group already exists")
        }
        ("secretsmanager", "GetSecretValue") => {
            ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        }
        ("ssm", "GetParameter") => ("ParameterNotFound", ""),
        ("ecr", "BatchGetImage" | "DescribeImages") => {
            ("ImageNotFoundException", "The image requested does not exist in the repository")
        }
        ("glue", "GetTable") => ("EntityNotFoundException", "Entity Not Found"),
        _ => return None,
    };
    Some((code.to_owned(), message.to_owned()))
}
