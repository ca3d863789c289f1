//! CloudTrail, GuardDuty and Config.

use serde_json::json;

use super::cases::*;

pub(super) fn logging_cases() -> Vec<Case> {
    let mut cases = switch(
        "cloudtrail",
        ["StartLogging", "StopLogging"],
        &json!({"Name": "t"}),
        |on| json!({"IsLogging": on}),
    );
    cases.extend(switch(
        "config",
        ["StartConfigurationRecorder", "StopConfigurationRecorder"],
        &json!({"ConfigurationRecorderName": "default"}),
        |on| json!({"ConfigurationRecordersStatus": [{"name": "default", "recording": on}]}),
    ));
    let detector = |on: bool| json!({"DetectorId": "d", "Enable": on});
    let status = |status: &str| Some(json!({"Status": status}));
    cases.push(case(
        "guardduty:UpdateDetector",
        detector(true),
        status("DISABLED"),
        status("ENABLED"),
        Some(vec![("UpdateDetector", detector(false))]),
    ));
    let basic = json!([{"ReadWriteType": "All", "IncludeManagementEvents": true}]);
    let filled = json!([{"ReadWriteType": "All", "IncludeManagementEvents": true, "DataResources": [], "ExcludeManagementEventSources": []}]);
    let advanced =
        json!([{"Name": "n", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]);
    cases.push(case(
        "cloudtrail:PutEventSelectors",
        json!({"TrailName": "t", "EventSelectors": basic}),
        Some(json!({"TrailARN": "arn", "AdvancedEventSelectors": advanced})),
        Some(json!({"TrailARN": "arn", "EventSelectors": filled})),
        Some(vec![(
            "PutEventSelectors",
            json!({"TrailName": "t", "AdvancedEventSelectors": advanced}),
        )]),
    ));
    cases.push(case("cloudtrail:UpdateTrail", json!({"Name": "t", "IsMultiRegionTrail": true, "EnableLogFileValidation": true, "KmsKeyId": "k"}),
        Some(json!({"Trail": {"Name": "t", "IsMultiRegionTrail": false, "S3BucketName": "b"}})), Some(json!({"Trail": {"IsMultiRegionTrail": true, "LogFileValidationEnabled": true, "KmsKeyId": "k"}})),
        Some(vec![("UpdateTrail", json!({"Name": "t", "IsMultiRegionTrail": false, "EnableLogFileValidation": false, "KmsKeyId": ""}))])));
    cases
}
