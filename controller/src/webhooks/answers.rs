//! The answers: the rules of `metallb-config`, applied to what was submitted and what stands in the cluster.

use kube::Client;
use metallb_api::conversion::convert;
use metallb_config::BgpType;
use metallb_config::admission::{self, needs, review};
use metallb_webhook::{AdmissionRequest, Operation, Reviewer, Route, Verdict};
use serde_json::Value;

use super::live::Live;
use super::paths::{self, Reviewed};
use super::submitted;

/// Answers admission and conversion reviews.
pub(super) struct Answers {
    live: Live,
}

impl Answers {
    pub(super) fn new(client: Client, namespace: String, bgp_type: BgpType) -> Self {
        Self { live: Live { client, namespace, bgp_type } }
    }

    async fn judge(
        &self,
        reviewed: &Reviewed,
        operation: admission::Operation,
        request: AdmissionRequest,
    ) -> Verdict {
        let AdmissionRequest { namespace, object, old_object, .. } = request;
        let object = if operation == admission::Operation::Delete { old_object } else { object };
        let submitted = match submitted::parse(reviewed, &namespace, object) {
            Ok(submitted) => submitted,
            Err(error) => return Verdict::undecodable(error.to_string()),
        };
        let existing = match self.live.read(needs(reviewed.kind, operation)).await {
            Ok(existing) => existing,
            Err(error) => return Verdict::denied(error.to_string()),
        };
        let admission::Verdict { denied, warnings } =
            review(&self.live.namespace, operation, &submitted, &existing);
        let verdict = denied.map_or_else(Verdict::default, Verdict::denied);
        Verdict { warnings, ..verdict }
    }
}

impl Reviewer for Answers {
    type Subject = &'static Reviewed;

    fn route(&self, path: &str) -> Option<Route<&'static Reviewed>> {
        paths::route(path)
    }

    async fn admit(&self, reviewed: &'static Reviewed, request: AdmissionRequest) -> Verdict {
        let operation = match request.operation {
            Operation::Create => admission::Operation::Create,
            Operation::Update => admission::Operation::Update,
            Operation::Delete => admission::Operation::Delete,
            Operation::Connect => return Verdict::undecodable("nobody connects to an object of MetalLB"),
        };
        let (namespace, name) = (request.namespace.clone(), request.name.clone());
        let verdict = self.judge(reviewed, operation, request).await;
        let kind = reviewed.kind.as_str();
        match &verdict.denied {
            Some(denial) => {
                tracing::info!(kind, namespace, name, ?operation, reason = denial.message, "object refused");
            }
            None => tracing::debug!(kind, namespace, name, ?operation, "object accepted"),
        }
        verdict
    }

    fn convert(&self, object: Value, desired_api_version: &str) -> Result<Value, String> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        convert(object, desired_api_version).map_err(|error| format!("{name}: {error}"))
    }
}
