//! `ConversionReview` of `apiextensions.k8s.io`: the same objects in another version.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::envelope::{BadRequest, Envelope};

const KIND: &str = "ConversionReview";
/// Both have the same shape. The CRD of the original makes API servers ask in the older one (contract 01 §1).
const VERSIONS: &[&str] = &["apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"];

/// What shall be converted.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversionRequest {
    /// The version of the review, repeated in the answer.
    pub api_version: String,
    /// Repeated in the answer.
    pub uid: String,
    /// Group and version the objects shall have.
    pub desired_api_version: String,
    /// The objects as they were sent, unknown fields included.
    pub objects: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    uid: String,
    #[serde(rename = "desiredAPIVersion")]
    desired_api_version: String,
    #[serde(default)]
    objects: Vec<Value>,
}

/// Reads a request to convert.
///
/// # Errors
/// When the body is no conversion review that could be answered.
pub fn decode_conversion(body: &[u8]) -> Result<ConversionRequest, BadRequest> {
    let review: Envelope<Request> = serde_json::from_slice(body)?;
    let (api_version, request) = review.open(KIND, VERSIONS)?;
    let Request { uid, desired_api_version, objects } = request;
    if uid.is_empty() {
        return Err(BadRequest::NoUid);
    }
    Ok(ConversionRequest { api_version, uid, desired_api_version, objects })
}

impl ConversionRequest {
    /// Converts every object with `convert` and writes the answer: all of them in order, or the first failure.
    pub(crate) fn answer(self, convert: impl Fn(Value, &str) -> Result<Value, String>) -> Value {
        let Self { api_version, uid, desired_api_version, objects } = self;
        let converted: Result<Vec<Value>, String> =
            objects.into_iter().map(|object| convert(object, &desired_api_version)).collect();
        let response = match converted {
            Ok(objects) => {
                json!({"uid": uid, "convertedObjects": objects, "result": {"status": "Success"}})
            }
            Err(message) => json!({
                "uid": uid, "convertedObjects": [], "result": {"status": "Failure", "message": message},
            }),
        };
        json!({"apiVersion": api_version, "kind": KIND, "response": response})
    }
}

#[cfg(test)]
mod tests;
