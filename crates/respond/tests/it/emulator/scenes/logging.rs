//! What records and detects: trails, Config, GuardDuty.

use serde_json::{Value, json};

use super::{Drift, Ground, Scene};
use crate::emulator::aws::seen;
use crate::kit::ACCOUNT;

const CLOUDTRAIL: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101";

fn trail(ground: &Ground<'_>) -> String {
    let (trail, bucket) = (ground.name("trail"), ground.bucket());
    let inputs = json!({"Name": trail, "S3BucketName": bucket});
    ground.aws().json("cloudtrail", &format!("{CLOUDTRAIL}.CreateTrail"), &inputs);
    format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{trail}")
}

pub(in super::super) fn stopped_trail(ground: &Ground<'_>) -> Scene {
    let arn = trail(ground);
    let record = ground.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": arn}));
    let aws = ground.aws();
    let look = move || {
        let target = format!("{CLOUDTRAIL}.GetTrailStatus");
        aws.json("cloudtrail", &target, &json!({"Name": arn}))["IsLogging"].to_string()
    };
    Scene { record, look: Box::new(look), drift: Drift::None }
}

pub(in super::super) fn changed_selectors(ground: &Ground<'_>) -> Scene {
    let arn = trail(ground);
    let aws = ground.aws();
    let selectors = |kind: &str| {
        json!({"TrailName": arn, "EventSelectors": [{
            "ReadWriteType": kind, "IncludeManagementEvents": false,
            "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::"]}],
        }]})
    };
    let put = format!("{CLOUDTRAIL}.PutEventSelectors");
    aws.json("cloudtrail", &put, &selectors("WriteOnly"));
    let record =
        ground.record("cloudtrail.amazonaws.com", "PutEventSelectors", json!({"trailName": arn}));
    let other = selectors("ReadOnly");
    let (looking, drifting) = (aws.clone(), aws);
    let look = move || {
        let target = format!("{CLOUDTRAIL}.GetEventSelectors");
        seen(&looking.try_json("cloudtrail", &target, &json!({"TrailName": arn})))
    };
    let drift = move || {
        drifting.json("cloudtrail", &put, &other);
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), "ReadOnly") }
}

pub(in super::super) fn stopped_recorder(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws();
    let role = format!("arn:aws:iam::{ACCOUNT}:role/config");
    let recorder = json!({"ConfigurationRecorder": {"name": "default", "roleARN": role,
        "recordingGroup": {"allSupported": true, "includeGlobalResourceTypes": false}}});
    aws.json("config", "StarlingDoveService.PutConfigurationRecorder", &recorder);
    let bucket = ground.bucket();
    let channel = json!({"DeliveryChannel": {"name": "default", "s3BucketName": bucket}});
    aws.json("config", "StarlingDoveService.PutDeliveryChannel", &channel);
    let stop = json!({"ConfigurationRecorderName": "default"});
    aws.json("config", "StarlingDoveService.StopConfigurationRecorder", &stop);
    let parameters = json!({"configurationRecorderName": "default"});
    let record = ground.record("config.amazonaws.com", "StopConfigurationRecorder", parameters);
    let look = move || {
        let target = "StarlingDoveService.DescribeConfigurationRecorderStatus";
        let shown = aws.json("config", target, &json!({}));
        shown["ConfigurationRecordersStatus"][0]["recording"].to_string()
    };
    Scene { record, look: Box::new(look), drift: Drift::None }
}

pub(in super::super) fn suspended_detector(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws();
    let made = aws.rest("guardduty", "POST /detector", r#"{"enable": false}"#);
    let made: Value = serde_json::from_str(&made).unwrap();
    let id = made["detectorId"].as_str().unwrap().to_owned();
    let parameters = json!({"detectorId": id, "enable": false});
    let record = ground.record("guardduty.amazonaws.com", "UpdateDetector", parameters);
    let look = move || {
        let shown = aws.rest("guardduty", &format!("GET /detector/{id}"), "");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["status"].to_string()
    };
    Scene { record, look: Box::new(look), drift: Drift::None }
}
