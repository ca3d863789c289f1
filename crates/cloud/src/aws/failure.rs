//! What AWS answers, turned into [`CloudError`]: one table from code and status to what it means.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::{CloudError, CloudErrorKind};

/// Older SQS protocols, and some emulators, put this before the code.
const SQS_PREFIX: &str = "AWS.SimpleQueueService.";

/// The error of a request, with all that the answer (if one came) tells.
pub(crate) fn from_sdk<E>(
    operation: &'static str,
    resource: &str,
    failure: &SdkError<E, HttpResponse>,
) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let response = failure.raw_response();
    let status = response.map(|response| response.status().as_u16());
    let metadata = failure.as_service_error().map(ProvideErrorMetadata::meta);
    let code = metadata.and_then(|metadata| metadata.code()).map(plain_code);
    let said = metadata.and_then(|metadata| metadata.message());

    let kind = match failure {
        SdkError::ServiceError(_) | SdkError::ResponseError(_) => {
            classify(code, status, said.unwrap_or_default())
        }
        _ => classify_unsent(&chain(failure)),
    };
    let mut message = match said {
        Some(said) => said.to_owned(),
        None if code.is_some() => String::new(),
        None => chain(failure),
    };
    if let Some(region) = header(response, "x-amz-bucket-region")
        && kind == CloudErrorKind::Invalid
    {
        message = format!("{}; the bucket is in region {region}", message.trim_end_matches('.'));
    }
    let mut error = CloudError::new(kind, operation, resource, message);
    if let Some(code) = code {
        error = error.with_code(code);
    }
    if let Some(status) = status {
        error = error.with_status(status);
    }
    let request_id =
        header(response, "x-amzn-requestid").or_else(|| header(response, "x-amz-request-id"));
    if let Some(request_id) = request_id {
        error = error.with_request_id(request_id);
    }
    error
}

/// The error of one entry of a batch whose request itself went through.
pub(crate) fn from_entry(
    operation: &'static str,
    resource: &str,
    code: &str,
    sender_fault: bool,
    message: Option<&str>,
) -> CloudError {
    let code = plain_code(code);
    let message = message.unwrap_or_default();
    let status = if sender_fault { 400 } else { 500 };
    CloudError::new(classify(Some(code), Some(status), message), operation, resource, message)
        .with_code(code)
}

/// The code without the prefix that only some answers carry.
fn plain_code(code: &str) -> &str {
    code.strip_prefix(SQS_PREFIX).unwrap_or(code)
}

/// What a code means; without a known code the status decides, and without both we may try again.
pub(crate) fn classify(code: Option<&str>, status: Option<u16>, message: &str) -> CloudErrorKind {
    code.and_then(|code| classify_code(code, message)).unwrap_or(match status {
        Some(404 | 410) => CloudErrorKind::NotFound,
        Some(401 | 403) => CloudErrorKind::Denied,
        Some(408 | 425 | 429) => CloudErrorKind::Transient,
        Some(413) => CloudErrorKind::TooLarge,
        Some(300..=499) => CloudErrorKind::Invalid,
        // 5xx, an answer cut short after a 200, or no answer at all.
        _ => CloudErrorKind::Transient,
    })
}

fn classify_code(code: &str, message: &str) -> Option<CloudErrorKind> {
    use CloudErrorKind::{Denied, Gone, Invalid, NotFound, TooLarge, Transient};
    let kind = match code {
        "NoSuchBucket" | "NoSuchKey" | "NoSuchVersion" | "NotFound" | "NonExistentQueue"
        | "QueueDoesNotExist" => NotFound,
        // S3 says this of a version that is a delete marker.
        "MethodNotAllowed" => NotFound,

        "AccessDenied"
        | "AccessDeniedException"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidObjectState"
        | "InvalidSecurity"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "UnauthorizedAccess"
        | "UnrecognizedClientException" => Denied,

        "BandwidthLimitExceeded"
        | "InternalError"
        | "InternalFailure"
        | "LimitExceeded"
        | "OperationAborted"
        | "OverLimit"
        | "PriorRequestNotComplete"
        | "PurgeQueueInProgress"
        | "QueueDeletedRecently"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestTimeout"
        | "ServiceUnavailable"
        | "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException" => Transient,

        "MessageNotInflight" | "ReceiptHandleIsInvalid" => Gone,
        // The handle of a lease that lapsed is an invalid parameter to SQS, as many others are.
        "InvalidParameterValue" if message.contains("ReceiptHandle") => Gone,
        "InvalidParameterValue" if message.contains("must be shorter than") => TooLarge,
        "BatchRequestTooLong" | "EntityTooLarge" => TooLarge,

        "AuthorizationHeaderMalformed"
        | "InvalidMessageContents"
        | "InvalidParameterValue"
        | "MissingParameter"
        | "PermanentRedirect"
        | "PreconditionFailed"
        | "TemporaryRedirect" => Invalid,

        // S3 writes `KMS.…`, SQS `Kms…`. Other than throttling they are a key someone must mend.
        _ if code.starts_with("KMS.") || code.starts_with("Kms") => {
            if code.contains("Throttl") || code.contains("Internal") || code.contains("Timeout") {
                Transient
            } else {
                Denied
            }
        }
        _ => return classify_table_code(code),
    };
    Some(kind)
}

/// The codes of DynamoDB beside those that all services have; their status is 400 whatever they mean.
fn classify_table_code(code: &str) -> Option<CloudErrorKind> {
    match code {
        "ResourceNotFoundException" => Some(CloudErrorKind::NotFound),
        "ProvisionedThroughputExceededException"
        | "ReplicatedWriteConflictException"
        | "TransactionConflictException" => Some(CloudErrorKind::Transient),
        _ => None,
    }
}

/// Of a request that got no answer: the SDK tells missing credentials from a broken line only in
/// its text.
fn classify_unsent(text: &str) -> CloudErrorKind {
    let no_credentials = ["no providers in chain", "credential provider was not enabled"]
        .iter()
        .any(|known| text.contains(known));
    if no_credentials {
        return CloudErrorKind::Denied;
    }
    if ["missing region", "A region must be set", "Invalid Configuration"]
        .iter()
        .any(|known| text.contains(known))
    {
        return CloudErrorKind::Invalid;
    }
    CloudErrorKind::Transient
}

/// All levels of an error on one line, each fact once.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut level = error.source();
    while let Some(source) = level {
        let said = source.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        level = source.source();
    }
    text
}

fn header<'r>(response: Option<&'r HttpResponse>, name: &str) -> Option<&'r str> {
    response.and_then(|response| response.headers().get(name)).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use CloudErrorKind::{Denied, Gone, Invalid, NotFound, TooLarge, Transient};

    use super::*;

    #[test]
    fn codes_mean_the_same_with_and_without_the_prefix() {
        for (code, kind) in [
            ("NonExistentQueue", NotFound),
            ("QueueDoesNotExist", NotFound),
            ("ExpiredToken", Denied),
            ("RequestThrottled", Transient),
            ("ReceiptHandleIsInvalid", Gone),
            ("MessageNotInflight", Gone),
            ("KmsAccessDenied", Denied),
            ("KmsThrottled", Transient),
            ("BatchRequestTooLong", TooLarge),
            ("InvalidMessageContents", Invalid),
        ] {
            let prefixed = format!("{SQS_PREFIX}{code}");
            for code in [code, prefixed.as_str()] {
                let error = from_entry("send", "q", code, true, None);
                assert_eq!(error.kind(), kind, "{code}");
                assert!(!error.code().unwrap().contains("SimpleQueueService"));
            }
        }
    }

    #[test]
    fn s3_codes_and_plain_statuses() {
        for (code, status, kind) in [
            (Some("AccessDenied"), 403, Denied),
            (Some("InvalidObjectState"), 403, Denied),
            (Some("KMS.DisabledException"), 400, Denied),
            (Some("KMS.ThrottlingException"), 400, Transient),
            (Some("NoSuchKey"), 404, NotFound),
            (Some("MethodNotAllowed"), 405, NotFound),
            (Some("PreconditionFailed"), 412, Invalid),
            (Some("PermanentRedirect"), 301, Invalid),
            (Some("AuthorizationHeaderMalformed"), 400, Invalid),
            (Some("SlowDown"), 503, Transient),
            (Some("RequestTimeout"), 400, Transient),
            (Some("SomethingNew"), 400, Invalid),
            (Some("SomethingNew"), 500, Transient),
            (None, 403, Denied),
            (None, 429, Transient),
            (None, 502, Transient),
            (None, 200, Transient),
        ] {
            assert_eq!(classify(code, Some(status), ""), kind, "{code:?} {status}");
        }
        assert_eq!(classify(None, None, ""), Transient);
    }

    #[test]
    fn an_invalid_parameter_is_told_apart_by_its_text() {
        let kind = |message| classify(Some("InvalidParameterValue"), Some(400), message);
        assert_eq!(
            kind(
                "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist \
                 or is not available for visibility timeout change."
            ),
            Gone
        );
        assert_eq!(
            kind("Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total …"),
            Invalid
        );
        assert_eq!(
            kind(
                "One or more parameters are invalid. Reason: Message must be shorter than 262144 \
                 bytes."
            ),
            TooLarge
        );
    }
}
