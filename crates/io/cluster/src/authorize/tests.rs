//! Contract 01 §6, metrics listener: TokenReview, then SubjectAccessReview.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// The paths and objects the server was asked about.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that knows one token, of a user who may read or not; or one that is out of order.
fn server(asked: Asked, allowed: Option<bool>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let asked = asked.clone();
        async move {
            let (head, body) = request.into_parts();
            let sent: Value = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
            let path = head.uri.path().to_owned();
            let known = sent["spec"]["token"] == "known";
            let status = match path.ends_with("/tokenreviews") {
                true => {
                    json!({"authenticated": known, "user": {"username": "u", "uid": "7", "groups": ["g"]}})
                }
                false => json!({"allowed": allowed == Some(true)}),
            };
            asked.lock().unwrap().push((path, sent));
            let code = if allowed.is_some() { 201 } else { 500 };
            let answer = match allowed {
                Some(_) => json!({"metadata": {}, "spec": {}, "status": status}),
                None => json!({"status": "Failure", "code": 500, "message": "no", "reason": "InternalError"}),
            };
            let response = Response::builder().status(code).body(Body::from(answer.to_string().into_bytes()));
            Ok::<_, Infallible>(response.unwrap())
        }
    });
    Client::new(service, "default")
}

#[tokio::test]
async fn who_may_read_is_asked_of_the_api_server_and_nobody_else_is_let_in() {
    let (tokens, access) =
        ("/apis/authentication.k8s.io/v1/tokenreviews", "/apis/authorization.k8s.io/v1/subjectaccessreviews");
    // (token, whether its user may read, what comes of it, what was asked)
    let table = [
        (None, Some(true), Access::Unauthenticated, vec![]),
        (Some("unknown"), Some(true), Access::Unauthenticated, vec![tokens]),
        (Some("known"), Some(false), Access::Forbidden, vec![tokens, access]),
        (Some("known"), Some(true), Access::Allowed, vec![tokens, access]),
        (Some("known"), None, Access::Unknown, vec![tokens]),
    ];
    for (token, allowed, expected, paths) in table {
        let asked = Asked::default();
        let client = server(asked.clone(), allowed);
        let found = may_get(&client, token.map(str::to_owned), "/metrics").await;
        assert_eq!(found, expected, "{token:?} {allowed:?}");
        let asked = asked.lock().unwrap();
        assert_eq!(asked.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), paths);
        if let Some((_, review)) = asked.get(1) {
            let spec = json!({
                "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
                "user": "u", "uid": "7", "groups": ["g"],
            });
            assert_eq!(review["spec"], spec);
        }
    }
}
