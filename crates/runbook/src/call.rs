//! One call of an AWS API, by AWS's own names.

use serde_json::{Map, Value};

/// A call: the service as SDKs and Systems Manager name it (`iam`, `kms`, `sso-admin`, …), the API (`UpdateAccessKey`), and
/// its inputs by the names of the API reference. Inputs that are documents by themselves (policies) are text.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The service.
    pub service: String,
    /// The API.
    pub api: String,
    /// The inputs.
    pub inputs: Map<String, Value>,
}

impl Call {
    /// `iam:UpdateAccessKey`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.api)
    }

    /// An input that is text.
    #[must_use]
    pub fn text(&self, input: &str) -> Option<&str> {
        self.inputs.get(input).and_then(Value::as_str)
    }
}
