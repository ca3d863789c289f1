//! Makes the buckets, queues and tables that the rest of this crate reads, for tests and drills.
//!
//! Nothing here runs in the service: what it does needs rights that a worker should not have.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_organizations::types::Tag;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Event, NotificationConfiguration,
    QueueConfiguration,
};
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;

use crate::aws::{Aws, from_sdk};
use crate::error::{CloudError, CloudErrorKind};

/// How long a new table may take until it can be used.
const TABLE_READY: Duration = Duration::from_secs(120);

/// Makes a bucket in the configured region. `Ok`: it exists and is ours.
pub async fn create_bucket(aws: &Aws, bucket: &str) -> Result<(), CloudError> {
    // S3 takes every region but its first as a constraint.
    let place = aws.region().filter(|region| *region != "us-east-1").map(|region| {
        CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region))
            .build()
    });
    aws.s3()
        .create_bucket()
        .bucket(bucket)
        .set_create_bucket_configuration(place)
        .send()
        .await
        .map_err(|failure| from_sdk("create bucket", bucket, &failure))?;
    Ok(())
}

/// Writes an object and gives its etag.
pub async fn put_object(
    aws: &Aws,
    bucket: &str,
    key: &str,
    bytes: impl Into<Bytes>,
) -> Result<Option<String>, CloudError> {
    let answer = aws
        .s3()
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(ByteStream::from(bytes.into()))
        .send()
        .await
        .map_err(|failure| from_sdk("put", &format!("{bucket}/{key}"), &failure))?;
    Ok(answer.e_tag)
}

/// Makes a table with the keys that [`crate::AwsTable`] has, and waits until it can be used.
pub async fn create_table(aws: &Aws, name: &str) -> Result<(), CloudError> {
    let unbuilt = |failure: aws_sdk_dynamodb::error::BuildError| {
        CloudError::new(CloudErrorKind::Invalid, "create table", name, failure.to_string())
    };
    let client = aws.dynamodb();
    let mut request =
        client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (key, role) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(key)
            .attribute_type(ScalarAttributeType::S)
            .build();
        let element = KeySchemaElement::builder().attribute_name(key).key_type(role).build();
        request = request
            .attribute_definitions(attribute.map_err(unbuilt)?)
            .key_schema(element.map_err(unbuilt)?);
    }
    request.send().await.map_err(|failure| from_sdk("create table", name, &failure))?;
    let ready = client.wait_until_table_exists().table_name(name).wait(TABLE_READY).await;
    ready.map_err(|failure| {
        CloudError::new(CloudErrorKind::Transient, "create table", name, failure.to_string())
    })?;
    Ok(())
}

/// Makes a queue with these attributes (`VisibilityTimeout`, `RedrivePolicy`, `FifoQueue`, …) and
/// gives its URL.
pub async fn create_queue(
    aws: &Aws,
    name: &str,
    attributes: &BTreeMap<String, String>,
) -> Result<String, CloudError> {
    let mut request = aws.sqs().create_queue().queue_name(name);
    for (attribute, value) in attributes {
        request = request.attributes(QueueAttributeName::from(attribute.as_str()), value);
    }
    let answer =
        request.send().await.map_err(|failure| from_sdk("create queue", name, &failure))?;
    answer.queue_url.ok_or_else(|| unanswered("create queue", name))
}

/// The ARN of a queue.
pub async fn queue_arn(aws: &Aws, url: &str) -> Result<String, CloudError> {
    let mut found = attributes(aws, url, &[QueueAttributeName::QueueArn]).await?;
    found.remove("QueueArn").ok_or_else(|| unanswered("read attributes", url))
}

/// About how many messages can be received, and how many are in flight.
pub async fn queue_depth(aws: &Aws, url: &str) -> Result<(u64, u64), CloudError> {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let found = attributes(aws, url, &names).await?;
    let number = |name: &QueueAttributeName| {
        found
            .get(name.as_str())
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| unanswered("read attributes", url))
    };
    Ok((number(&names[0])?, number(&names[1])?))
}

/// Tells the queue of every object that is written to the bucket. The queue's policy must let S3
/// send to it.
pub async fn set_bucket_notification(
    aws: &Aws,
    bucket: &str,
    queue_arn: &str,
) -> Result<(), CloudError> {
    let unbuilt = |failure: &aws_sdk_s3::error::BuildError| {
        CloudError::new(CloudErrorKind::Invalid, "notify", bucket, failure.to_string())
    };
    let queue = QueueConfiguration::builder()
        .queue_arn(queue_arn)
        .events(Event::from("s3:ObjectCreated:*"))
        .build()
        .map_err(|failure| unbuilt(&failure))?;
    aws.s3()
        .put_bucket_notification_configuration()
        .bucket(bucket)
        .notification_configuration(
            NotificationConfiguration::builder().queue_configurations(queue).build(),
        )
        .send()
        .await
        .map_err(|failure| from_sdk("notify", bucket, &failure))?;
    Ok(())
}

async fn attributes(
    aws: &Aws,
    url: &str,
    names: &[QueueAttributeName],
) -> Result<BTreeMap<String, String>, CloudError> {
    let answer = aws
        .sqs()
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(names.to_vec()))
        .send()
        .await
        .map_err(|failure| from_sdk("read attributes", url, &failure))?;
    let found = answer.attributes.unwrap_or_default();
    Ok(found.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect())
}

fn unanswered(operation: &'static str, resource: &str) -> CloudError {
    CloudError::new(
        CloudErrorKind::Transient,
        operation,
        resource,
        "the answer does not hold what was asked for",
    )
}

/// Makes an organization of the configured account, with a unit below the root of this name and in it an account with
/// this name and tag; gives the account's id. `Ok`: they exist.
pub async fn create_organization(
    aws: &Aws,
    unit: &str,
    account: &str,
    (key, value): (&str, &str),
) -> Result<String, CloudError> {
    let client = aws.organizations();
    let failed = |what: &'static str| {
        move || {
            CloudError::new(CloudErrorKind::Invalid, "create", what, "the answer does not name it")
        }
    };
    client
        .create_organization()
        .send()
        .await
        .map_err(|failure| from_sdk("create", "organization", &failure))?;
    let roots = client.list_roots().send().await;
    let roots = roots.map_err(|failure| from_sdk("list", "roots", &failure))?;
    let root = roots.roots().first().and_then(|root| root.id()).ok_or_else(failed("root"))?;
    let made = client.create_organizational_unit().parent_id(root).name(unit).send().await;
    let made = made.map_err(|failure| from_sdk("create", unit, &failure))?;
    let unit_id =
        made.organizational_unit().and_then(|unit| unit.id()).ok_or_else(failed("unit"))?;
    let tag = Tag::builder().key(key).value(value).build();
    let tag = tag.map_err(|error| {
        CloudError::new(CloudErrorKind::Invalid, "create", key, error.to_string())
    })?;
    let request = client.create_account().email("account@example.com").account_name(account);
    let made = request.tags(tag).send().await;
    let made = made.map_err(|failure| from_sdk("create", account, &failure))?;
    let status = made.create_account_status();
    let id = status.and_then(|status| status.account_id()).ok_or_else(failed("account"))?;
    let moved = client.move_account().account_id(id).source_parent_id(root);
    let moved = moved.destination_parent_id(unit_id).send().await;
    moved.map_err(|failure| from_sdk("move", account, &failure))?;
    Ok(id.to_owned())
}
