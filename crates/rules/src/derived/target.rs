//! What a call acts on.

use trailloop_cloudtrail::Kind;

use super::{Get, text};

/// IAM calls that act on the caller when they name no user.
const ON_ONESELF: [&str; 20] = [
    "ChangePassword",
    "CreateAccessKey",
    "CreateLoginProfile",
    "DeactivateMFADevice",
    "DeleteAccessKey",
    "DeleteLoginProfile",
    "DeleteServiceSpecificCredential",
    "DeleteSigningCertificate",
    "GetLoginProfile",
    "GetUser",
    "ListAccessKeys",
    "ListMFADevices",
    "ListSSHPublicKeys",
    "ListServiceSpecificCredentials",
    "ListSigningCertificates",
    "ResetServiceSpecificCredential",
    "UpdateAccessKey",
    "UpdateServiceSpecificCredential",
    "UpdateSigningCertificate",
    "UploadSigningCertificate",
];

/// What [`user`] looks at.
pub(super) const USER_MADE_OF: &[&str] = &[
    "eventName",
    "eventSource",
    "requestParameters.userName",
    "responseElements.accessKey.userName",
    "responseElements.loginProfile.userName",
    "responseElements.user.userName",
    "userIdentity.userName",
];

/// What [`key`] looks at.
pub(super) const KEY_MADE_OF: &[&str] = &[
    "eventSource",
    "requestParameters.accessKeyId",
    "requestParameters.key",
    "requestParameters.keyId",
    "resources",
    "responseElements.accessKey.accessKeyId",
];

pub(super) fn user<'a>(get: Get<'_, 'a>) -> Option<&'a str> {
    text(get, "requestParameters.userName")
        .or_else(|| text(get, "responseElements.accessKey.userName"))
        .or_else(|| text(get, "responseElements.user.userName"))
        .or_else(|| text(get, "responseElements.loginProfile.userName"))
        .or_else(|| {
            let is_iam = text(get, "eventSource") == Some("iam.amazonaws.com");
            let is_on_oneself = ON_ONESELF.contains(&text(get, "eventName")?);
            if is_iam && is_on_oneself { text(get, "userIdentity.userName") } else { None }
        })
}

pub(super) fn role<'a>(get: Get<'_, 'a>) -> Option<&'a str> {
    text(get, "requestParameters.roleName").or_else(|| {
        let arn = text(get, "requestParameters.roleArn")?;
        let (_, path) = arn.split_once(":role/")?;
        path.rsplit('/').next().filter(|name| !name.is_empty())
    })
}

pub(super) fn bucket<'a>(get: Get<'_, 'a>) -> Option<&'a str> {
    text(get, "requestParameters.bucketName").or_else(|| {
        let arn = resource(get, &["AWS::S3::Bucket", "AWS::S3::Object"])?;
        let (_, path) = arn.split_once(":::")?;
        path.split('/').next().filter(|name| !name.is_empty())
    })
}

/// What the service calls a key.
pub(super) fn key<'a>(get: Get<'_, 'a>) -> Option<&'a str> {
    match text(get, "eventSource")? {
        "s3.amazonaws.com" => text(get, "requestParameters.key"),
        "kms.amazonaws.com" => {
            let of_arn = |arn: &'a str| arn.split_once(":key/").map(|(_, id)| id);
            resource(get, &["AWS::KMS::Key"]).and_then(of_arn).or_else(|| {
                let id = text(get, "requestParameters.keyId")?;
                // An alias says which key only to KMS.
                of_arn(id).or(Some(id).filter(|id| !id.contains("alias/")))
            })
        }
        "iam.amazonaws.com" => text(get, "requestParameters.accessKeyId")
            .or_else(|| text(get, "responseElements.accessKey.accessKeyId")),
        _ => None,
    }
}

/// The ARN of the first resource of these types that has one.
fn resource<'a>(get: Get<'_, 'a>, kinds: &[&str]) -> Option<&'a str> {
    let Kind::Array(mut resources) = get("resources")?.kind() else { return None };
    resources.find_map(|one| {
        let kind = one.get("type")?.as_str()?;
        if kinds.contains(&kind) { one.get("ARN")?.as_str() } else { None }
    })
}
