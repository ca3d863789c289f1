//! S3: who may read a bucket, and whether it keeps what is overwritten.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    AccessControlPolicy, BucketCannedAcl, BucketVersioningStatus, Grant, Grantee, Owner,
    Permission, PublicAccessBlockConfiguration, Type, VersioningConfiguration,
};
use serde_json::Value;

use super::inputs::Inputs;
use super::json::{list, object};
use super::{Caller, apis};
use crate::error::CloudError;

fn client(caller: &Caller<'_>, config: &SdkConfig) -> Client {
    let builder = aws_sdk_s3::config::Builder::from(config);
    Client::from_conf(builder.force_path_style(caller.actions.path_style).build())
}

apis! { client;
    "GetPublicAccessBlock" get_public_access_block (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"))
        answer => object! {
            "PublicAccessBlockConfiguration": answer.public_access_block_configuration().map(|block| object! {
                "BlockPublicAcls": block.block_public_acls(),
                "IgnorePublicAcls": block.ignore_public_acls(),
                "BlockPublicPolicy": block.block_public_policy(),
                "RestrictPublicBuckets": block.restrict_public_buckets(),
            }),
        };
    "PutPublicAccessBlock" put_public_access_block (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"),
        set_public_access_block_configuration structure("PublicAccessBlockConfiguration", public_access_block))
        _ => object! {};
    "DeletePublicAccessBlock" delete_public_access_block (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"))
        _ => object! {};
    "GetBucketPolicy" get_bucket_policy (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"))
        answer => object! { "Policy": answer.policy() };
    "PutBucketPolicy" put_bucket_policy (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"),
        set_policy name("Policy"))
        _ => object! {};
    "DeleteBucketPolicy" delete_bucket_policy (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"))
        _ => object! {};
    "GetBucketVersioning" get_bucket_versioning (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"))
        answer => object! {
            "Status": answer.status().map(BucketVersioningStatus::as_str),
            "MFADelete": answer.mfa_delete().map(|status| status.as_str()),
        };
    // Without `MFADelete`: only the root user can change it, which nothing here is.
    "PutBucketVersioning" put_bucket_versioning (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"),
        set_versioning_configuration structure("VersioningConfiguration", versioning))
        _ => object! {};
    "GetBucketAcl" get_bucket_acl (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"))
        answer => object! {
            "Owner": answer.owner().map(owner),
            "Grants": list(answer.grants(), grant),
        };
    "PutBucketAcl" put_bucket_acl (
        set_bucket name("Bucket"), set_expected_bucket_owner text("ExpectedBucketOwner"),
        set_acl choice("ACL", BucketCannedAcl::try_parse),
        set_access_control_policy structure("AccessControlPolicy", access_control_policy))
        _ => object! {};
}

fn public_access_block(from: &mut Inputs) -> Result<PublicAccessBlockConfiguration, CloudError> {
    Ok(PublicAccessBlockConfiguration::builder()
        .set_block_public_acls(from.flag("BlockPublicAcls")?)
        .set_ignore_public_acls(from.flag("IgnorePublicAcls")?)
        .set_block_public_policy(from.flag("BlockPublicPolicy")?)
        .set_restrict_public_buckets(from.flag("RestrictPublicBuckets")?)
        .build())
}

fn versioning(from: &mut Inputs) -> Result<VersioningConfiguration, CloudError> {
    let status = from.required_choice("Status", BucketVersioningStatus::try_parse)?;
    Ok(VersioningConfiguration::builder().set_status(status).build())
}

fn owner(owner: &Owner) -> Value {
    object! { "DisplayName": owner.display_name(), "ID": owner.id() }
}

fn grant(grant: &Grant) -> Value {
    object! {
        "Grantee": grant.grantee().map(|grantee| object! {
            "DisplayName": grantee.display_name(),
            "EmailAddress": grantee.email_address(),
            "ID": grantee.id(),
            "URI": grantee.uri(),
            "Type": grantee.r#type().as_str(),
        }),
        "Permission": grant.permission().map(Permission::as_str),
    }
}

fn access_control_policy(from: &mut Inputs) -> Result<AccessControlPolicy, CloudError> {
    let owner = from.structure("Owner", |owner| {
        Ok(Owner::builder()
            .set_display_name(owner.text("DisplayName")?)
            .set_id(owner.text("ID")?)
            .build())
    })?;
    let grants = from.structures("Grants", |grant| {
        Ok(Grant::builder()
            .set_grantee(grant.structure("Grantee", grantee)?)
            .set_permission(grant.required_choice("Permission", Permission::try_parse)?)
            .build())
    })?;
    Ok(AccessControlPolicy::builder().set_owner(owner).set_grants(grants).build())
}

fn grantee(from: &mut Inputs) -> Result<Grantee, CloudError> {
    Grantee::builder()
        .set_display_name(from.text("DisplayName")?)
        .set_email_address(from.text("EmailAddress")?)
        .set_id(from.text("ID")?)
        .set_uri(from.text("URI")?)
        .set_type(from.required_choice("Type", Type::try_parse)?)
        .build()
        .map_err(|error| from.incomplete(&error))
}
