//! Types of Kubernetes that several of our resources embed.

pub use k8s_openapi::api::core::v1::SecretReference;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
