//! What the server says.

use std::convert::Infallible;

use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use serde_json::{Value, json};

/// An answer on the wire.
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The outcome of a request.
pub(super) enum Answer {
    Object(Value),
    Refusal(Refusal),
    /// A stream of events that begins after this version.
    Watch(u64),
    /// No answer: the connection breaks.
    Lost,
}

/// Why a request is not carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// What is to blame in the object, if that is known.
    pub(super) field: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(code: u16, message: impl Into<String>) -> Self {
        let reason = match code {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Expired",
            415 => "UnsupportedMediaType",
            422 => "Invalid",
            429 => "TooManyRequests",
            500 => "InternalError",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "Unknown",
        };
        Self { code, reason, message: message.into(), field: None }
    }

    pub(super) fn of_field(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    pub(super) fn status(&self) -> Value {
        let causes: Vec<Value> = self.field.iter().map(|field| json!({"field": field})).collect();
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code, "details": {"causes": causes},
        })
    }
}

pub(super) fn reply(code: u16, content: &Value) -> Reply {
    let body = Full::new(Bytes::from(content.to_string())).boxed_unsync();
    let mut reply = Response::new(body);
    *reply.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/json");
    reply.headers_mut().insert(http::header::CONTENT_TYPE, json);
    reply
}
