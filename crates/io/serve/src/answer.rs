//! The little of HTTP that probes and metrics need.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Query {
    /// The path, without query string.
    pub path: String,
    /// Whether it is a GET (or HEAD): nothing else is served.
    pub reads: bool,
    /// The bearer token, if one was sent.
    pub bearer: Option<String>,
}

impl Query {
    pub(crate) fn from_request(request: &Request<Incoming>) -> Self {
        Self {
            path: request.uri().path().to_owned(),
            reads: matches!(*request.method(), Method::GET | Method::HEAD),
            bearer: request.headers().get(AUTHORIZATION).and_then(bearer),
        }
    }
}

fn bearer(value: &HeaderValue) -> Option<String> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// What is answered: a status and a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Body.
    pub text: String,
    content: &'static str,
}

impl Answer {
    /// Any status with a plain text.
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), content: PLAIN }
    }

    /// What was asked for, as JSON.
    pub(crate) fn json(text: String) -> Self {
        Self { status: 200, text, content: JSON }
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.text)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_taken_from_the_header() {
        for (header, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer ", None),
            ("Bearer", None),
        ] {
            assert_eq!(bearer(&HeaderValue::from_static(header)).as_deref(), token, "{header}");
        }
    }
}
