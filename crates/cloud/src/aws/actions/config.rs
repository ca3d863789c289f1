//! AWS Config, by its JSON: whether a recorder records.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Map, Value};

use super::Caller;
use super::inputs::Inputs;
use super::signed::{Request, json_refusal};
use crate::actions::Answer;
use crate::error::{CloudError, CloudErrorKind};

/// Makes one call of this service.
pub(super) async fn call(caller: &Caller<'_>, mut inputs: Inputs) -> Result<Answer, CloudError> {
    let mut body = Map::new();
    match caller.call.api.as_str() {
        "DescribeConfigurationRecorderStatus" => {
            if let Some(names) = inputs.texts("ConfigurationRecorderNames")? {
                body.insert("ConfigurationRecorderNames".to_owned(), Value::from(names));
            }
        }
        "StartConfigurationRecorder" | "StopConfigurationRecorder" => {
            let name = inputs.name("ConfigurationRecorderName")?;
            body.insert("ConfigurationRecorderName".to_owned(), Value::from(name));
        }
        _ => return Err(inputs.unknown_api()),
    }
    inputs.end()?;
    let request = Request {
        service: "config",
        method: "POST",
        path: "/".to_owned(),
        headers: vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", format!("StarlingDoveService.{}", caller.call.api)),
        ],
        body: Value::Object(body).to_string(),
    };
    let (request_id, body) = caller.signed(&request, json_refusal).await?;
    let body = if body.trim().is_empty() { "{}".to_owned() } else { body };
    let mut body: Value = serde_json::from_str(&body).map_err(|error| {
        caller.error(CloudErrorKind::Transient, format!("the answer cannot be read: {error}"))
    })?;
    if let Some(Value::Array(statuses)) = body.get_mut("ConfigurationRecordersStatus") {
        statuses.iter_mut().for_each(spell_out_times);
    }
    Ok(Answer { request_id, body })
}

/// The wire has seconds of Unix time; answers have text.
fn spell_out_times(status: &mut Value) {
    for name in ["lastStartTime", "lastStopTime", "lastStatusChangeTime"] {
        let Some(value) = status.get_mut(name) else { continue };
        let text = value
            .as_f64()
            .and_then(|seconds| DateTime::from_secs_f64(seconds).fmt(Format::DateTime).ok());
        if let Some(text) = text {
            *value = Value::from(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_spelled_out() {
        let mut status = json!({"name": "default", "lastStartTime": 1_700_000_000});
        spell_out_times(&mut status);
        assert_eq!(status, json!({"name": "default", "lastStartTime": "2023-11-14T22:13:20Z"}));
    }
}
