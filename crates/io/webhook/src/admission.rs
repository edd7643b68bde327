//! `AdmissionReview` of `admission.k8s.io/v1`: may this object be stored?

use serde::Deserialize;
use serde_json::{Value, json};

use crate::envelope::{BadRequest, Envelope};

const KIND: &str = "AdmissionReview";
const VERSION: &str = "admission.k8s.io/v1";

/// What happens to the object.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is removed.
    Delete,
    /// Somebody connects to it; no webhook of ours asks for that.
    Connect,
}

/// One question.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRequest {
    /// Repeated in the answer.
    #[serde(default)]
    pub uid: String,
    /// What happens to the object.
    pub operation: Operation,
    /// Where the object is, or shall be; empty for kinds without namespace.
    #[serde(default)]
    pub namespace: String,
    /// The object's name; empty when the API server shall make one up.
    #[serde(default)]
    pub name: String,
    /// The object as it shall be; null when it is removed. As it was sent, unknown fields included.
    #[serde(default)]
    pub object: Value,
    /// The object as it is; null when it is made.
    #[serde(default)]
    pub old_object: Value,
}

/// The answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// Why not, and the HTTP status that says so; nothing if the object is good.
    pub denied: Option<Denial>,
    /// What the user is told in either case.
    pub warnings: Vec<String>,
}

/// A refusal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial {
    /// 403 for an object that breaks a rule, 400 for one that can't be read.
    pub code: u16,
    /// What the user reads.
    pub message: String,
}

impl Verdict {
    /// The object breaks a rule.
    #[must_use]
    pub fn denied(message: impl Into<String>) -> Self {
        Self { denied: Some(Denial { code: 403, message: message.into() }), warnings: Vec::new() }
    }

    /// The object can't be read.
    #[must_use]
    pub fn undecodable(message: impl Into<String>) -> Self {
        Self { denied: Some(Denial { code: 400, message: message.into() }), warnings: Vec::new() }
    }
}

/// Reads a question.
///
/// # Errors
/// When the body is no admission review that could be answered.
pub fn decode_admission(body: &[u8]) -> Result<AdmissionRequest, BadRequest> {
    let review: Envelope<AdmissionRequest> = serde_json::from_slice(body)?;
    let (_, request) = review.open(KIND, &[VERSION])?;
    if request.uid.is_empty() {
        return Err(BadRequest::NoUid);
    }
    Ok(request)
}

/// Writes the answer to the question with this uid.
pub(crate) fn encode_admission(uid: &str, verdict: &Verdict) -> Value {
    let Verdict { denied, warnings } = verdict;
    let response = json!({
        "uid": uid, "allowed": denied.is_none(), "status": status(denied.as_ref()), "warnings": warnings,
    });
    json!({"apiVersion": VERSION, "kind": KIND, "response": response})
}

fn status(denied: Option<&Denial>) -> Value {
    match denied {
        None => json!({"code": 200}),
        Some(Denial { code, message }) => {
            let reason = if *code == 403 { "Forbidden" } else { "BadRequest" };
            json!({"status": "Failure", "code": code, "reason": reason, "message": message})
        }
    }
}

#[cfg(test)]
mod tests;
