//! GuardDuty, by its JSON over REST: whether a detector detects.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::Caller;
use super::inputs::Inputs;
use super::signed::{Request, json_refusal};
use super::xml::capitalised;
use crate::actions::Answer;
use crate::error::{CloudError, CloudErrorKind};

/// Makes one call of this service.
pub(super) async fn call(caller: &Caller<'_>, mut inputs: Inputs) -> Result<Answer, CloudError> {
    let (method, path, body) = match caller.call.api.as_str() {
        "ListDetectors" => ("GET", list_path(&mut inputs)?, String::new()),
        "GetDetector" => ("GET", detector_path(&mut inputs)?, String::new()),
        "UpdateDetector" => ("POST", detector_path(&mut inputs)?, update(&mut inputs)?.to_string()),
        _ => return Err(inputs.unknown_api()),
    };
    inputs.end()?;
    let headers = vec![("content-type", "application/json".to_owned())];
    let request = Request { service: "guardduty", method, path, headers, body };
    let (request_id, body) = caller.signed(&request, json_refusal).await?;
    let body = if body.trim().is_empty() { "{}".to_owned() } else { body };
    let body = serde_json::from_str(&body).map_err(|error| {
        caller.error(CloudErrorKind::Transient, format!("the answer cannot be read: {error}"))
    })?;
    Ok(Answer { request_id, body: named(body) })
}

fn list_path(inputs: &mut Inputs) -> Result<String, CloudError> {
    let token = inputs.text("NextToken")?;
    Ok(match token {
        Some(token) => {
            format!("/detector?nextToken={}", utf8_percent_encode(&token, NON_ALPHANUMERIC))
        }
        None => "/detector".to_owned(),
    })
}

/// The id is part of the path, so that all in it that is not a letter or digit is encoded.
fn detector_path(inputs: &mut Inputs) -> Result<String, CloudError> {
    let id = inputs.name("DetectorId")?.unwrap_or_default();
    Ok(format!("/detector/{}", utf8_percent_encode(&id, NON_ALPHANUMERIC)))
}

fn update(inputs: &mut Inputs) -> Result<Value, CloudError> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    put("enable", inputs.flag("Enable")?.map(Value::from));
    let frequency = inputs.text("FindingPublishingFrequency")?;
    put("findingPublishingFrequency", frequency.map(Value::from));
    let features = inputs.structures("Features", |one| {
        let mut feature = switch(one)?;
        let more = one.structures("AdditionalConfiguration", switch)?;
        if let (Some(more), Some(feature)) = (more, feature.as_object_mut()) {
            feature.insert("additionalConfiguration".to_owned(), Value::Array(more));
        }
        Ok(feature)
    })?;
    put("features", features.map(Value::Array));
    Ok(Value::Object(body))
}

fn switch(one: &mut Inputs) -> Result<Value, CloudError> {
    let name = one.name("Name")?.unwrap_or_default();
    let status = one.name("Status")?.unwrap_or_default();
    Ok(serde_json::json!({"name": name, "status": status}))
}

/// Names as SDKs write them. The keys of tags are the account's own.
fn named(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let named = |(name, value): (String, Value)| {
                let value = if name == "tags" { value } else { named(value) };
                (capitalised(&name), value)
            };
            Value::Object(members.into_iter().map(named).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(named).collect()),
        other => other,
    }
}
