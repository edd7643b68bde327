//! A client that writes only while this process leads.
//!
//! The signal that another one leads comes by way of the same loop that makes the passes. A process that was stopped for a while goes on in
//! the middle of a pass, and learns of it only afterwards: each write asks the clock.

use http::{Method, Request};
use kube::client::Body;
use kube::core::Status;
use kube::{Client, Error};
use metallb_cluster::Leadership;

/// The client, whose writes fail as if the API server refused them when this process does not lead.
#[must_use]
pub fn guarded(client: Client, leadership: Leadership) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, may) = (client.clone(), is_read(request.method()) || leadership.holds_now());
        async move { if may { client.send(request).await } else { Err(refusal()) } }
    });
    Client::new(service, namespace)
}

fn is_read(method: &Method) -> bool {
    method == Method::GET
}

fn refusal() -> Error {
    let message = "nothing is written: this operator does not lead any more";
    Error::Api(Box::new(Status::failure(message, "ServiceUnavailable").with_code(503)))
}
