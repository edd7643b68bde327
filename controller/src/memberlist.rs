//! The Secret the speakers encrypt their membership with (contract 01 §7.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use metallb_cluster::Pace;

use crate::telling::brief;

/// Key of the Secret's data.
const SECRET_KEY: &str = "secretkey";

/// Which Secret is needed, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Memberlist {
    pub(crate) namespace: String,
    pub(crate) secret: String,
    /// The Deployment that owns it; may be empty.
    pub(crate) deployment: String,
}

impl Memberlist {
    /// Creates the Secret if it is missing; tries until it is there. An existing one is never changed.
    pub(crate) async fn ensure(self, client: Client) {
        let mut last_error = String::new();
        for pause in Pace::default() {
            let error = match self.create_if_missing(&client).await {
                Ok(()) => return,
                Err(error) => brief(&error),
            };
            if error != last_error {
                tracing::error!(op = "createMemberlistSecret", secret = self.secret, error, "trying again");
                last_error = error;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn create_if_missing(&self, client: &Client) -> Result<(), kube::Error> {
        let api: Api<Secret> = Api::namespaced(client.clone(), &self.namespace);
        // A list, since that is what the original's rights are for.
        let by_name = ListParams::default().fields(&format!("metadata.name={}", self.secret));
        if !api.list(&by_name).await?.items.is_empty() {
            return Ok(());
        }
        // Without an owner the Secret outlives an uninstallation, which harms nobody.
        let owner = self.owner(client).await;
        let secret = self.build_secret(owner.as_ref().ok().cloned().flatten(), rand::random());
        match api.create(&PostParams::default(), &secret).await {
            Ok(_) => {
                let without_owner = owner.err().map(|error| brief(&error));
                let secret = self.secret.as_str();
                tracing::info!(
                    op = "createMemberlistSecret",
                    secret,
                    without_owner,
                    "memberlist secret created"
                );
                Ok(())
            }
            // Somebody was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn owner(&self, client: &Client) -> Result<Option<OwnerReference>, kube::Error> {
        if self.deployment.is_empty() {
            return Ok(None);
        }
        let api: Api<Deployment> = Api::namespaced(client.clone(), &self.namespace);
        let uid = api.get(&self.deployment).await?.metadata.uid;
        Ok(uid.map(|uid| OwnerReference {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: self.deployment.clone(),
            uid,
            ..OwnerReference::default()
        }))
    }

    fn build_secret(&self, owner: Option<OwnerReference>, key: [u8; 16]) -> Secret {
        let text = ByteString(STANDARD_NO_PAD.encode(key).into_bytes());
        Secret {
            metadata: ObjectMeta {
                name: Some(self.secret.clone()),
                namespace: Some(self.namespace.clone()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            data: Some([(SECRET_KEY.to_owned(), text)].into()),
            ..Secret::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use metallb_testkit::ApiServer;
    use serde_json::json;

    use super::*;

    fn memberlist(deployment: &str) -> Memberlist {
        Memberlist { namespace: "n".into(), secret: "s".into(), deployment: deployment.into() }
    }

    fn secret(server: &ApiServer) -> Secret {
        server.get(Some("n"), "s").unwrap()
    }

    #[tokio::test]
    async fn the_key_is_sixteen_random_bytes_as_unpadded_base64() {
        let server = ApiServer::default();
        memberlist("").ensure(server.client("n")).await;
        let ByteString(text) = &secret(&server).data.unwrap()[SECRET_KEY];
        assert_eq!((text.len(), STANDARD_NO_PAD.decode(text).unwrap().len()), (22, 16));
        let other = ApiServer::default();
        memberlist("").ensure(other.client("n")).await;
        assert_ne!(secret(&other).data, secret(&server).data);
    }

    #[tokio::test]
    async fn the_deployment_owns_it_and_may_be_missing() {
        let server = ApiServer::default();
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "controller", "namespace": "n", "uid": "u"},
        });
        server.put(&serde_json::from_value::<Deployment>(deployment).unwrap());
        memberlist("controller").ensure(server.client("n")).await;
        let owners = secret(&server).metadata.owner_references.unwrap();
        assert_eq!(
            (owners[0].kind.as_str(), owners[0].name.as_str(), owners.len()),
            ("Deployment", "controller", 1)
        );
        let without = ApiServer::default();
        memberlist("gone").ensure(without.client("n")).await;
        assert_eq!(secret(&without).metadata.owner_references, None);
    }

    #[tokio::test]
    async fn an_existing_secret_is_never_changed() {
        let server = ApiServer::default();
        memberlist("").ensure(server.client("n")).await;
        server.forbid_writes();
        memberlist("").ensure(server.client("n")).await;
        assert_eq!(server.forbidden_writes(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again() {
        let server = ApiServer::default();
        server.fail_nth(0, metallb_testkit::Failure::Unreachable);
        server.fail_nth(1, metallb_testkit::Failure::Status(500));
        memberlist("").ensure(server.client("n")).await;
        assert!(secret(&server).data.is_some());
    }
}
