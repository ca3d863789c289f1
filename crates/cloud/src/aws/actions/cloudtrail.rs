//! CloudTrail: whether a trail logs, and what.

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::types::{
    AdvancedEventSelector, AdvancedFieldSelector, DataResource, EventSelector, ReadWriteType, Trail,
};
use serde_json::Value;

use super::apis;
use super::inputs::Inputs;
use super::json::{list, object};
use crate::error::CloudError;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "GetTrailStatus" get_trail_status (set_name name("Name"))
        answer => object! {
            "IsLogging": answer.is_logging(),
            "LatestDeliveryError": answer.latest_delivery_error(),
            "LatestNotificationError": answer.latest_notification_error(),
            "LatestDeliveryTime": answer.latest_delivery_time(),
            "LatestNotificationTime": answer.latest_notification_time(),
            "StartLoggingTime": answer.start_logging_time(),
            "StopLoggingTime": answer.stop_logging_time(),
            "LatestDigestDeliveryError": answer.latest_digest_delivery_error(),
            "LatestDigestDeliveryTime": answer.latest_digest_delivery_time(),
        };
    "StartLogging" start_logging (set_name name("Name")) _ => object! {};
    "StopLogging" stop_logging (set_name name("Name")) _ => object! {};
    "GetTrail" get_trail (set_name name("Name"))
        answer => object! { "Trail": answer.trail().map(trail) };
    "UpdateTrail" update_trail (
        set_name name("Name"), set_s3_bucket_name text("S3BucketName"),
        set_s3_key_prefix text("S3KeyPrefix"),
        set_include_global_service_events flag("IncludeGlobalServiceEvents"),
        set_is_multi_region_trail flag("IsMultiRegionTrail"),
        set_enable_log_file_validation flag("EnableLogFileValidation"),
        set_cloud_watch_logs_log_group_arn text("CloudWatchLogsLogGroupArn"),
        set_cloud_watch_logs_role_arn text("CloudWatchLogsRoleArn"),
        set_kms_key_id text("KmsKeyId"))
        answer => object! { "Name": answer.name(), "TrailARN": answer.trail_arn() };
    "GetEventSelectors" get_event_selectors (set_trail_name name("TrailName"))
        answer => object! {
            "TrailARN": answer.trail_arn(),
            "EventSelectors": selectors(answer.event_selectors()),
            "AdvancedEventSelectors": advanced_selectors(answer.advanced_event_selectors()),
        };
    "PutEventSelectors" put_event_selectors (
        set_trail_name name("TrailName"),
        set_event_selectors structures("EventSelectors", selector),
        set_advanced_event_selectors structures("AdvancedEventSelectors", advanced_selector))
        answer => object! {
            "TrailARN": answer.trail_arn(),
            "EventSelectors": selectors(answer.event_selectors()),
            "AdvancedEventSelectors": advanced_selectors(answer.advanced_event_selectors()),
        };
}

fn trail(trail: &Trail) -> Value {
    object! {
        "Name": trail.name(),
        "S3BucketName": trail.s3_bucket_name(),
        "S3KeyPrefix": trail.s3_key_prefix(),
        "SnsTopicARN": trail.sns_topic_arn(),
        "IncludeGlobalServiceEvents": trail.include_global_service_events(),
        "IsMultiRegionTrail": trail.is_multi_region_trail(),
        "HomeRegion": trail.home_region(),
        "TrailARN": trail.trail_arn(),
        "LogFileValidationEnabled": trail.log_file_validation_enabled(),
        "CloudWatchLogsLogGroupArn": trail.cloud_watch_logs_log_group_arn(),
        "CloudWatchLogsRoleArn": trail.cloud_watch_logs_role_arn(),
        "KmsKeyId": trail.kms_key_id(),
        "HasCustomEventSelectors": trail.has_custom_event_selectors(),
        "HasInsightSelectors": trail.has_insight_selectors(),
        "IsOrganizationTrail": trail.is_organization_trail(),
    }
}

/// A trail has selectors of one kind; the other is absent rather than empty.
fn selectors(given: &[EventSelector]) -> Option<Vec<Value>> {
    let made = list(given, |one| {
        object! {
            "ReadWriteType": one.read_write_type().map(ReadWriteType::as_str),
            "IncludeManagementEvents": one.include_management_events(),
            "DataResources": list(one.data_resources(), |resource| object! {
                "Type": resource.r#type(),
                "Values": resource.values(),
            }),
            "ExcludeManagementEventSources": one.exclude_management_event_sources(),
        }
    });
    (!made.is_empty()).then_some(made)
}

fn advanced_selectors(given: &[AdvancedEventSelector]) -> Option<Vec<Value>> {
    let some = |texts: &[String]| (!texts.is_empty()).then(|| Value::from(texts));
    let made = list(given, |one| {
        object! {
            "Name": one.name(),
            "FieldSelectors": list(one.field_selectors(), |field| object! {
                "Field": field.field(),
                "Equals": some(field.equals()),
                "StartsWith": some(field.starts_with()),
                "EndsWith": some(field.ends_with()),
                "NotEquals": some(field.not_equals()),
                "NotStartsWith": some(field.not_starts_with()),
                "NotEndsWith": some(field.not_ends_with()),
            }),
        }
    });
    (!made.is_empty()).then_some(made)
}

fn selector(from: &mut Inputs) -> Result<EventSelector, CloudError> {
    Ok(EventSelector::builder()
        .set_read_write_type(from.choice("ReadWriteType", ReadWriteType::try_parse)?)
        .set_include_management_events(from.flag("IncludeManagementEvents")?)
        .set_data_resources(from.structures("DataResources", |resource| {
            Ok(DataResource::builder()
                .set_type(resource.name("Type")?)
                .set_values(resource.texts("Values")?)
                .build())
        })?)
        .set_exclude_management_event_sources(from.texts("ExcludeManagementEventSources")?)
        .build())
}

fn advanced_selector(from: &mut Inputs) -> Result<AdvancedEventSelector, CloudError> {
    AdvancedEventSelector::builder()
        .set_name(from.text("Name")?)
        .set_field_selectors(from.structures("FieldSelectors", |field| {
            AdvancedFieldSelector::builder()
                .set_field(field.name("Field")?)
                .set_equals(field.texts("Equals")?)
                .set_starts_with(field.texts("StartsWith")?)
                .set_ends_with(field.texts("EndsWith")?)
                .set_not_equals(field.texts("NotEquals")?)
                .set_not_starts_with(field.texts("NotStartsWith")?)
                .set_not_ends_with(field.texts("NotEndsWith")?)
                .build()
                .map_err(|error| field.incomplete(&error))
        })?)
        .build()
        .map_err(|error| from.incomplete(&error))
}
