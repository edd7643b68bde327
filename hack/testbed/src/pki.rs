//! The cluster's certificates and kubeconfigs, new for each bed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;

use crate::address::{API_PORT, API_SERVICE_V4, Place};

/// The user with every right.
pub(crate) const ADMIN: &str = "admin";
/// The scheduler's user.
pub(crate) const SCHEDULER: &str = "scheduler";
/// The user of every kube-proxy.
pub(crate) const PROXY: &str = "proxy";
/// The API server's own certificate.
pub(crate) const API_SERVER: &str = "apiserver";

/// Where the files of a bed lie.
#[derive(Clone, Debug)]
pub(crate) struct Pki {
    folder: PathBuf,
}

/// Whom a certificate is for.
struct Subject {
    /// The stem of its files.
    file: String,
    /// The Kubernetes user.
    user: String,
    /// The Kubernetes group, if it needs one.
    group: Option<&'static str>,
    /// Names and addresses it serves on.
    hosts: Vec<String>,
}

impl Pki {
    pub fn in_folder(folder: PathBuf) -> Pki {
        Pki { folder }
    }

    /// The authority that signed all certificates.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub fn certificate(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.crt"))
    }

    pub fn key(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.key"))
    }

    pub fn kubeconfig(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.conf"))
    }

    /// Signs the tokens of service accounts.
    pub fn service_account_key(&self) -> PathBuf {
        self.folder.join("service-account.key")
    }

    /// Verifies the tokens of service accounts.
    pub fn service_account_public_key(&self) -> PathBuf {
        self.folder.join("service-account.pub")
    }

    /// Makes everything for a cluster with `nodes` nodes.
    pub fn create(&self, nodes: u8) -> Result<()> {
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        let issuer = self.create_authority()?;
        for subject in subjects(nodes) {
            self.create_certificate(&issuer, &subject)?;
            let conf = kubeconfig(self, &subject.file).to_string();
            fs::write(self.kubeconfig(&subject.file), conf)?;
        }
        let tokens = KeyPair::generate()?;
        fs::write(self.service_account_key(), tokens.serialize_pem())?;
        fs::write(self.service_account_public_key(), tokens.public_key_pem())?;
        Ok(())
    }

    fn create_authority(&self) -> Result<Issuer<'static, KeyPair>> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "testbed");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        fs::write(self.ca(), params.self_signed(&key)?.pem())?;
        Ok(Issuer::new(params, key))
    }

    fn create_certificate(&self, issuer: &Issuer<'_, KeyPair>, subject: &Subject) -> Result<()> {
        let mut params = CertificateParams::new(subject.hosts.clone())
            .with_context(|| format!("certificate of {}", subject.user))?;
        params.distinguished_name.push(DnType::CommonName, subject.user.as_str());
        if let Some(group) = subject.group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        fs::write(self.certificate(&subject.file), params.signed_by(&key, issuer)?.pem())?;
        fs::write(self.key(&subject.file), key.serialize_pem())?;
        Ok(())
    }
}

fn subjects(nodes: u8) -> Vec<Subject> {
    let user = |file: &str, user: &str, group| Subject {
        file: file.to_owned(),
        user: user.to_owned(),
        group,
        hosts: Vec::new(),
    };
    let cp = Place::ControlPlane;
    let mut hosts: Vec<String> = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "localhost",
        "127.0.0.1",
        API_SERVICE_V4,
    ]
    .map(str::to_owned)
    .to_vec();
    hosts.extend([cp.v4().to_string(), cp.v6().to_string()]);
    let mut subjects = vec![
        Subject { hosts, ..user(API_SERVER, "kube-apiserver", None) },
        user(ADMIN, "admin", Some("system:masters")),
        user(SCHEDULER, "system:kube-scheduler", None),
        user(PROXY, "system:kube-proxy", None),
    ];
    subjects.extend(Place::nodes(nodes).map(|node| Subject {
        hosts: vec![node.to_string(), node.v4().to_string(), node.v6().to_string()],
        ..user(&node.to_string(), &format!("system:node:{node}"), Some("system:nodes"))
    }));
    subjects
}

fn kubeconfig(pki: &Pki, user: &str) -> serde_json::Value {
    let server = format!("https://{}:{API_PORT}", Place::ControlPlane.v4());
    let text = |path: &Path| path.to_string_lossy().into_owned();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {"server": server, "certificate-authority": text(&pki.ca())}}],
        "users": [{"name": user, "user": {
            "client-certificate": text(&pki.certificate(user)),
            "client-key": text(&pki.key(user)),
        }}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
        "current-context": "testbed",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_has_a_certificate_and_every_node_its_own() {
        let subjects = subjects(2);
        let users: Vec<_> = subjects.iter().map(|subject| subject.user.as_str()).collect();
        assert_eq!(
            users,
            [
                "kube-apiserver",
                "admin",
                "system:kube-scheduler",
                "system:kube-proxy",
                "system:node:n1",
                "system:node:n2"
            ]
        );
        assert_eq!(subjects[5].hosts, ["n2", "172.30.0.12", "fd00:30::12"]);
    }

    #[test]
    fn a_kubeconfig_points_at_the_server_and_at_its_users_files() {
        let conf = kubeconfig(&Pki::in_folder("/pki".into()), "n1");
        assert_eq!(conf["clusters"][0]["cluster"]["server"], "https://172.30.0.2:6443");
        assert_eq!(conf["users"][0]["user"]["client-key"], "/pki/n1.key");
    }
}
