//! CloudTrail, GuardDuty, Config and Systems Manager, and the services by which somebody is told something.

use serde_json::{Map, Value, json};

use super::Risk::{R1, R2, R3};
use super::common::{change, flag, list, number, object, read, text};
use super::effect::Fill::{ListOf, Same};
use super::effect::{Custom, Effect, Read, Shape, Switch, at, call_like, covers, only, unreadable};
use super::{Api, Input};
use crate::call::Call;

const TRAIL: &[&str] = &["arn:{partition}:cloudtrail:{region}:{account}:trail/{Name}"];
const TRAIL_OF_SELECTORS: &[&str] =
    &["arn:{partition}:cloudtrail:{region}:{account}:trail/{TrailName}"];
const DETECTOR: &[&str] = &["arn:{partition}:guardduty:{region}:{account}:detector/{DetectorId}"];

const START_LOGGING: Effect = Effect {
    reads: &[Read { api: "GetTrailStatus", inputs: &[("Name", Same)] }],
    inverses: &["StartLogging", "StopLogging"],
    shape: Shape::Switch(Switch {
        list: None,
        path: &["IsLogging"],
        on: "true",
        name: "IsLogging",
        wants: Ok(true),
        keys: &["Name"],
        calls: [Some("StartLogging"), Some("StopLogging")],
    }),
};

const STOP_LOGGING: Effect = Effect {
    reads: &[Read { api: "GetTrailStatus", inputs: &[("Name", Same)] }],
    inverses: &["StartLogging", "StopLogging"],
    shape: Shape::Switch(Switch {
        list: None,
        path: &["IsLogging"],
        on: "true",
        name: "IsLogging",
        wants: Ok(false),
        keys: &["Name"],
        calls: [Some("StartLogging"), Some("StopLogging")],
    }),
};

const START_RECORDER: Effect = Effect {
    reads: &[Read {
        api: "DescribeConfigurationRecorderStatus",
        inputs: &[("ConfigurationRecorderNames", ListOf("ConfigurationRecorderName"))],
    }],
    inverses: &["StartConfigurationRecorder", "StopConfigurationRecorder"],
    shape: Shape::Switch(Switch {
        list: Some("ConfigurationRecordersStatus"),
        path: &["recording"],
        on: "true",
        name: "recording",
        wants: Ok(true),
        keys: &["ConfigurationRecorderName"],
        calls: [Some("StartConfigurationRecorder"), Some("StopConfigurationRecorder")],
    }),
};

const STOP_RECORDER: Effect = Effect {
    reads: &[Read {
        api: "DescribeConfigurationRecorderStatus",
        inputs: &[("ConfigurationRecorderNames", ListOf("ConfigurationRecorderName"))],
    }],
    inverses: &["StartConfigurationRecorder", "StopConfigurationRecorder"],
    shape: Shape::Switch(Switch {
        list: Some("ConfigurationRecordersStatus"),
        path: &["recording"],
        on: "true",
        name: "recording",
        wants: Ok(false),
        keys: &["ConfigurationRecorderName"],
        calls: [Some("StartConfigurationRecorder"), Some("StopConfigurationRecorder")],
    }),
};

const DETECTOR_ENABLED: Effect = Effect {
    reads: &[Read { api: "GetDetector", inputs: &[("DetectorId", Same)] }],
    inverses: &["UpdateDetector"],
    shape: Shape::Switch(Switch {
        list: None,
        path: &["Status"],
        on: "ENABLED",
        name: "Enable",
        wants: Err("Enable"),
        keys: &["DetectorId"],
        calls: [Some("UpdateDetector"), Some("UpdateDetector")],
    }),
};

/// A trail has selectors of one kind, basic or advanced; both are kept and that which was there is put back.
const SELECTORS: Effect = Effect {
    reads: &[Read { api: "GetEventSelectors", inputs: &[("TrailName", Same)] }],
    inverses: &["PutEventSelectors"],
    shape: Shape::Custom(Custom {
        state: |_, answers| {
            let Some(answer) = only(answers) else { return Value::Null };
            let kept = KINDS.iter().filter_map(|kind| {
                let selectors = answer.get(*kind)?.as_array().filter(|items| !items.is_empty())?;
                Some(((*kind).to_owned(), Value::from(selectors.clone())))
            });
            Value::Object(kept.collect())
        },
        is_achieved: |call, state| {
            let wanted = || KINDS.iter().filter_map(|kind| Some((*kind, call.inputs.get(*kind)?)));
            wanted().next().is_some()
                && wanted()
                    .all(|(kind, wanted)| state.get(kind).is_some_and(|had| covers(had, wanted)))
        },
        restore: |call, before| {
            let kept = before.as_object().filter(|kept| !kept.is_empty())?;
            let mut back = call_like(call, "PutEventSelectors", &["TrailName"]);
            back.inputs.extend(kept.clone());
            Some(vec![back])
        },
    }),
};

const KINDS: [&str; 2] = ["EventSelectors", "AdvancedEventSelectors"];

/// Only what the call changes is kept of a trail.
const UPDATE_TRAIL: Effect = Effect {
    reads: &[Read { api: "GetTrail", inputs: &[("Name", Same)] }],
    inverses: &["UpdateTrail"],
    shape: Shape::Custom(Custom {
        state: |call, answers| {
            let Some(answer) = only(answers) else { return Value::Null };
            let Some(trail) = at(answer, &["Trail"]) else { return unreadable("Trail") };
            let kept = trail_settings(call).map(|(input, member, _)| {
                let value = at(trail, &[member]).cloned().unwrap_or(Value::Null);
                (input.to_owned(), value)
            });
            Value::Object(kept.collect::<Map<_, _>>())
        },
        is_achieved: |call, state| {
            trail_settings(call).next().is_some()
                && trail_settings(call).all(|(input, _, wanted)| {
                    // An empty text and false are how a trail is told that it has no such thing.
                    let had = state.get(input).unwrap_or(&Value::Null);
                    covers(&json!({ input: had }), &json!({ input: wanted }))
                        || had.is_null() && (wanted == "" || wanted == false)
                })
        },
        restore: |call, before| {
            let kept = before.as_object()?;
            let mut back = call_like(call, "UpdateTrail", &["Name"]);
            for (input, value) in kept {
                let value = match value {
                    Value::Null if call.inputs.get(input).is_some_and(Value::is_boolean) => {
                        Value::Bool(false)
                    }
                    Value::Null => Value::from(""),
                    value => value.clone(),
                };
                back.inputs.insert(input.clone(), value);
            }
            Some(vec![back])
        },
    }),
};

/// The settings of a trail that a call changes: the input, its name in the answer, the value.
fn trail_settings(call: &Call) -> impl Iterator<Item = (&str, &str, &Value)> {
    call.inputs.iter().filter(|(input, _)| *input != "Name").map(|(input, wanted)| {
        let member = match input.as_str() {
            "EnableLogFileValidation" => "LogFileValidationEnabled",
            other => other,
        };
        (input.as_str(), member, wanted)
    })
}

/// What another document does can't be told from here.
const AUTOMATION: Effect = Effect {
    reads: &[Read { api: "DescribeAutomationExecutions", inputs: &[] }],
    inverses: &[],
    shape: Shape::Custom(Custom {
        state: |_, _| Value::Null,
        is_achieved: |_, _| false,
        restore: |_, _| None,
    }),
};

const NAME: &[Input] = &[text("Name")];
const RECORDER: &[Input] = &[text("ConfigurationRecorderName")];

/// CloudTrail.
pub(super) const CLOUDTRAIL: &[Api] = &[
    read("cloudtrail", "GetTrail", NAME, TRAIL),
    read("cloudtrail", "GetTrailStatus", NAME, TRAIL),
    read("cloudtrail", "GetEventSelectors", &[text("TrailName")], TRAIL_OF_SELECTORS),
    change("cloudtrail", "StartLogging", R1, NAME, TRAIL, &START_LOGGING),
    change("cloudtrail", "StopLogging", R2, NAME, TRAIL, &STOP_LOGGING).only_undoes(),
    change(
        "cloudtrail",
        "PutEventSelectors",
        R1,
        &[
            text("TrailName"),
            list("EventSelectors").optional(),
            list("AdvancedEventSelectors").optional(),
        ],
        TRAIL_OF_SELECTORS,
        &SELECTORS,
    ),
    change(
        "cloudtrail",
        "UpdateTrail",
        R1,
        &[
            text("Name"),
            text("S3BucketName").optional(),
            text("S3KeyPrefix").optional(),
            flag("IncludeGlobalServiceEvents").optional(),
            flag("IsMultiRegionTrail").optional(),
            flag("EnableLogFileValidation").optional(),
            text("CloudWatchLogsLogGroupArn").optional(),
            text("CloudWatchLogsRoleArn").optional(),
            text("KmsKeyId").optional(),
        ],
        TRAIL,
        &UPDATE_TRAIL,
    ),
];

/// GuardDuty, Config and Systems Manager.
pub(super) const OTHERS: &[Api] = &[
    read("guardduty", "ListDetectors", &[], &[]),
    read("guardduty", "GetDetector", &[text("DetectorId")], DETECTOR),
    change(
        "guardduty",
        "UpdateDetector",
        R1,
        &[text("DetectorId"), flag("Enable")],
        DETECTOR,
        &DETECTOR_ENABLED,
    ),
    read(
        "config",
        "DescribeConfigurationRecorderStatus",
        &[list("ConfigurationRecorderNames").optional()],
        &[],
    ),
    change("config", "StartConfigurationRecorder", R1, RECORDER, &[], &START_RECORDER),
    change("config", "StopConfigurationRecorder", R2, RECORDER, &[], &STOP_RECORDER).only_undoes(),
    read(
        "ssm",
        "GetParameter",
        &[text("Name"), flag("WithDecryption").optional()],
        &["arn:{partition}:ssm:{region}:{account}:parameter/{Name}"],
    ),
    read(
        "ssm",
        "GetCalendarState",
        &[list("CalendarNames"), text("AtTime").optional()],
        &["arn:{partition}:ssm:{region}:{account}:document/{CalendarNames}"],
    ),
    read("ssm", "DescribeAutomationExecutions", &[list("Filters").optional()], &[]).planned(),
    change(
        "ssm",
        "StartAutomationExecution",
        R3,
        &[
            text("DocumentName"),
            text("DocumentVersion").optional(),
            object("Parameters").optional(),
            text("ClientToken").optional(),
        ],
        &["arn:{partition}:ssm:{region}:{account}:automation-definition/{DocumentName}:*"],
        &AUTOMATION,
    ),
];

/// Services by which somebody is told something.
pub(super) const TELLING: &[Api] = &[
    read(
        "sns",
        "Publish",
        &[text("TopicArn"), text("Message"), text("Subject").optional()],
        &["{TopicArn}"],
    )
    .telling(),
    read(
        "sqs",
        "SendMessage",
        &[
            text("QueueUrl"),
            text("MessageBody"),
            text("MessageGroupId").optional(),
            text("MessageDeduplicationId").optional(),
        ],
        &["arn:{partition}:sqs:*:*:{QueueUrl}"],
    )
    .telling(),
    read(
        "securityhub",
        "BatchImportFindings",
        &[list("Findings")],
        &["arn:{partition}:securityhub:{region}:{account}:product/{account}/default"],
    )
    .telling(),
    read(
        "securityhub",
        "BatchUpdateFindings",
        &[
            list("FindingIdentifiers"),
            object("Note").optional(),
            object("Severity").optional(),
            text("VerificationState").optional(),
            number("Confidence").optional(),
            object("UserDefinedFields").optional(),
            object("Workflow").optional(),
        ],
        &["arn:{partition}:securityhub:{region}:{account}:hub/default"],
    )
    .telling(),
    read(
        "securityhub",
        "GetFindings",
        &[
            object("Filters").optional(),
            number("MaxResults").optional(),
            text("NextToken").optional(),
        ],
        &["arn:{partition}:securityhub:{region}:{account}:hub/default"],
    ),
];
