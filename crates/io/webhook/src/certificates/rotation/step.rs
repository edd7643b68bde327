//! Carrying out one step: one write to the Secret.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use metallb_certificates::{AuthorityId, Step, UnixSeconds};
use rustls::pki_types::CertificateDer;
use serde_json::json;

use super::Rotation;
use crate::certificates::material::{AUTHORITIES, AUTHORITY_KEY, LEAF, LEAF_KEY, Material};
use crate::certificates::mint::{self, MintError};
use crate::certificates::{bundle, now};

/// A step failed. It is taken again after a while.
#[derive(Debug, thiserror::Error)]
pub(in crate::certificates) enum StepError {
    /// Making certificates failed.
    #[error("making certificates")]
    Mint(#[from] MintError),
    /// The Secret was not made.
    #[error("creating Secret {name}")]
    Create {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// The Secret was not written.
    #[error("writing Secret {name}")]
    Write {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// A target was not told.
    #[error("writing the caBundle of {target}")]
    Tell {
        /// Which one.
        target: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
}

type Data = BTreeMap<String, ByteString>;

impl Rotation {
    /// The Secret after the step; nothing if there was nothing to do.
    pub(super) async fn carry_out(
        &self,
        secret: Option<&Secret>,
        before: Data,
        step: &Step,
    ) -> Result<Option<Secret>, StepError> {
        let data = match step {
            Step::Keep | Step::Wait => return Ok(None),
            Step::Leaf(why) => {
                tracing::info!(reason = %why, "webhook certificate is made anew");
                self.signed(before)?
            }
            Step::Authority { why, trusted } => {
                tracing::info!(reason = %why, "authority of the webhook certificates is made anew");
                renewed(before, trusted, now())?
            }
            Step::Both { why, trusted } => {
                tracing::info!(reason = %why, "webhook certificate and its authority are made anew");
                self.signed(renewed(before, trusted, now())?)?
            }
            Step::Prune { trusted } => {
                tracing::info!("old authorities of the webhook certificates go");
                self.pruned(before, trusted)
            }
        };
        self.write(secret, data).await.map(Some)
    }

    /// With a new leaf by the authority that signs.
    fn signed(&self, mut data: Data) -> Result<Data, StepError> {
        let (names, now) = (&self.settings.names, now());
        let material = Material::parse(&data, &self.provider);
        let held = material.held(names, now, &self.provider);
        let signer =
            held.signer().and_then(|signer| material.signer(signer.id)).ok_or(MintError::Authority)?;
        let leaf = mint::leaf(signer.0, signer.1, names, now)?;
        data.insert(LEAF.to_owned(), ByteString(leaf.certificate.into_bytes()));
        data.insert(LEAF_KEY.to_owned(), ByteString(leaf.key.into_bytes()));
        Ok(data)
    }

    /// Without authorities that are neither trusted any more nor sign.
    fn pruned(&self, mut data: Data, trusted: &[AuthorityId]) -> Data {
        let material = Material::parse(&data, &self.provider);
        let signer =
            material.held(&self.settings.names, now(), &self.provider).signer().map(|signer| signer.id);
        let keep: Vec<AuthorityId> = signer.into_iter().chain(trusted.iter().copied()).collect();
        data.insert(AUTHORITIES.to_owned(), ByteString(chosen(&material.authorities, &keep).into_bytes()));
        data
    }

    /// Refused by the API server if somebody else wrote meanwhile.
    async fn write(&self, secret: Option<&Secret>, data: Data) -> Result<Secret, StepError> {
        let name = self.settings.secret.clone();
        let api = Api::<Secret>::namespaced(self.client.clone(), &self.settings.namespace);
        let manager = Some(self.settings.manager.clone());
        match secret {
            None => {
                // Its owner may be why it went: then this one goes as well, though whoever makes it is still there.
                let metadata = ObjectMeta {
                    name: Some(name.clone()),
                    owner_references: Some(self.owners.all().to_vec()).filter(|owners| !owners.is_empty()),
                    ..ObjectMeta::default()
                };
                let secret = Secret { metadata, data: Some(data), ..Secret::default() };
                let params = PostParams { field_manager: manager, ..PostParams::default() };
                api.create(&params, &secret).await.map_err(|source| StepError::Create { name, source })
            }
            Some(secret) => {
                let version = &secret.metadata.resource_version;
                let patch = json!({"metadata": {"resourceVersion": version}, "data": data});
                let params = PatchParams { field_manager: manager, ..PatchParams::default() };
                let written = api.patch(&name, &params, &Patch::Merge(patch)).await;
                written.map_err(|source| StepError::Write { name, source })
            }
        }
    }
}

/// With a new authority before those that stay trusted.
fn renewed(mut data: Data, trusted: &[AuthorityId], now: UnixSeconds) -> Result<Data, StepError> {
    let before = bundle::certificates(data.get(AUTHORITIES).map_or(&[], |pem| pem.0.as_slice()));
    let authority = mint::authority(now)?;
    let authorities = authority.certificate + &chosen(&before, trusted);
    data.insert(AUTHORITIES.to_owned(), ByteString(authorities.into_bytes()));
    data.insert(AUTHORITY_KEY.to_owned(), ByteString(authority.key.into_bytes()));
    Ok(data)
}

/// The chosen ones of these certificates as PEM.
fn chosen(certificates: &[CertificateDer<'static>], ids: &[AuthorityId]) -> String {
    certificates
        .iter()
        .filter(|certificate| ids.contains(&bundle::id(certificate)))
        .map(bundle::pem)
        .collect()
}
