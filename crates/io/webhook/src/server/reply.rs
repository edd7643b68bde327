//! One request and its answer.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use serde_json::Value;
use tokio::time::timeout;

use super::{Limits, Reviewer, Route};
use crate::admission::{decode_admission, encode_admission};
use crate::conversion::decode_conversion;
use crate::envelope::BadRequest;

/// A status other than 200, with its reason.
struct Refusal(StatusCode, String);

impl From<BadRequest> for Refusal {
    fn from(error: BadRequest) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

pub(super) async fn reply<R: Reviewer>(
    reviewer: &R,
    limits: Limits,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    match review(reviewer, limits, request).await {
        Ok(answer) => response(StatusCode::OK, "application/json", answer.to_string()),
        Err(Refusal(status, text)) => {
            tracing::debug!(%status, reason = text, "request refused");
            response(status, "text/plain; charset=utf-8", text + "\n")
        }
    }
}

async fn review<R: Reviewer>(
    reviewer: &R,
    limits: Limits,
    request: Request<Incoming>,
) -> Result<Value, Refusal> {
    let path = request.uri().path();
    let route = reviewer
        .route(path)
        .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("nothing is served at {path}")))?;
    if request.method() != Method::POST {
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "only POST is served".to_owned()));
    }
    let body = read(limits, request.into_body()).await?;
    match route {
        Route::Admission(subject) => {
            let request = decode_admission(&body)?;
            let uid = request.uid.clone();
            Ok(encode_admission(&uid, &reviewer.admit(subject, request).await))
        }
        Route::Conversion => {
            Ok(decode_conversion(&body)?.answer(|object, version| reviewer.convert(object, version)))
        }
    }
}

async fn read(limits: Limits, mut body: Incoming) -> Result<Bytes, Refusal> {
    // What is announced to be too large need not be kept.
    if body.size_hint().lower() > u64::try_from(limits.body).unwrap_or(u64::MAX) {
        return Err(too_large(limits, body).await);
    }
    match timeout(limits.patience, Limited::new(&mut body, limits.body).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limits, body).await),
        Ok(Err(error)) => {
            Err(Refusal(StatusCode::BAD_REQUEST, format!("the body can't be received: {error}")))
        }
        Err(_) => Err(Refusal(StatusCode::REQUEST_TIMEOUT, "the body took too long".to_owned())),
    }
}

/// Throws away what the client still sends, within bounds: before it is done it may not read the answer.
async fn too_large(limits: Limits, mut body: Incoming) -> Refusal {
    let all = async {
        let mut bytes = limits.body.saturating_mul(4);
        while let Some(Ok(frame)) = body.frame().await {
            bytes = bytes.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if bytes == 0 {
                return;
            }
        }
    };
    // The answer is the same if it takes longer.
    let _ = timeout(limits.patience, all).await;
    Refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have at most {} bytes", limits.body))
}

fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
