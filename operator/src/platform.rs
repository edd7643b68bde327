//! What kind of cluster this is, asked once at the start: a cluster does not become another one.

use kube::Client;
use metallb_cluster::Pace;
use metallb_render::Platform;
use metallb_telemetry::health::Gate;

use crate::disposition::explain;

/// Only OpenShift serves both groups. Some other clusters have routes, but no constraints that could be applied.
const OPENSHIFT: [&str; 2] = ["route.openshift.io", "security.openshift.io"];

/// Asks until there is an answer. The original ends instead, and is started again and again.
pub async fn detect(client: &Client, ready: &Gate) -> Platform {
    let mut pace = Pace::default();
    loop {
        match client.list_api_groups().await {
            Ok(served) => {
                let is_served = |name: &str| served.groups.iter().any(|group| group.name == name);
                return match OPENSHIFT.into_iter().all(is_served) {
                    true => Platform::OpenShift,
                    false => Platform::Kubernetes,
                };
            }
            Err(error) => {
                let reason = format!("could not ask what kind of cluster this is: {}", explain(&error));
                tracing::warn!(reason, "trying again");
                ready.close(reason);
            }
        }
        match pace.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => tokio::task::yield_now().await,
        }
    }
}
