//! The certificate an operator presents to API servers, and that it answers them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Secret;
use metallb_api::MetalLB;
use metallb_testbed::wait::{seen, until};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;

use crate::client::{Tls, post, until_ready};
use crate::listens::{NAME, WEBHOOK};
use crate::program::{Cluster, DEADLINE, NAMESPACE};

/// A folder with the webhook's certificate, gone with this.
pub struct Folder {
    path: PathBuf,
    certificate: String,
}

impl Folder {
    pub fn with_certificate() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("metallb-operator-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()]).unwrap();
        std::fs::write(path.join("tls.crt"), cert.pem()).unwrap();
        std::fs::write(path.join("tls.key"), signing_key.serialize_pem()).unwrap();
        Self { path, certificate: cert.pem() }
    }

    /// The flag by which an operator finds it.
    pub fn flag(&self) -> String {
        format!("--cert-dir={}", self.path.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

const SECRET: &str = "metallb-operator-webhook-server-cert";

/// Those the API server is told to trust.
fn trusted(cluster: &Cluster) -> Option<Vec<u8>> {
    let name = "metallb-operator-webhook-configuration";
    let configuration: ValidatingWebhookConfiguration = cluster.server.get(None, name)?;
    let webhooks = configuration.webhooks.unwrap();
    webhooks.into_iter().next().unwrap().client_config.ca_bundle.map(|bundle| bundle.0)
}

fn put_empty_secret(cluster: &Cluster) {
    let secret = json!({"metadata": {"name": SECRET, "namespace": NAMESPACE}});
    cluster.server.put::<Secret>(&serde_json::from_value(secret).unwrap());
}

/// What the webhook says of a resource with this spec.
fn review(authorities: &[u8], name: &str, spec: &str) -> String {
    let spec: serde_json::Value = serde_json::from_str(spec).unwrap();
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": "CREATE", "namespace": NAMESPACE, "name": "metallb",
        "kind": {"group": "metallb.io", "version": "v1beta1", "kind": "MetalLB"},
        "resource": {"group": "metallb.io", "version": "v1beta1", "resource": "metallbs"},
        "userInfo": {}, "object": {"spec": spec}}});
    let client = Tls { authorities: Some(authorities), protocols: &["http/1.1"], ..Tls::default() };
    let stream = client.connect(WEBHOOK, name).unwrap();
    post(stream, "/validate-metallb-io-v1beta1-metallb", &review.to_string())
}

#[test]
fn section_4_4_api_servers_trust_what_is_made_and_are_answered() {
    for (flags, name) in
        [(&[][..], NAME), (&["--cert-service-name=another-service"], "another-service.metallb-system.svc")]
    {
        let cluster = Cluster::new();
        put_empty_secret(&cluster);
        let _operator = cluster.start(flags, &[]);
        until_ready(8080);
        let authorities = trusted(&cluster).unwrap();
        let good = review(&authorities, name, "{}");
        assert!(good.contains("\"allowed\":true"), "{good}");
        let bad = review(&authorities, name, r#"{"bgpBackend": "bird"}"#);
        assert!(bad.contains("\"allowed\":false") && bad.contains("invalid BGP Backend"), "{bad}");
        let secret: Secret = cluster.server.get(Some(NAMESPACE), SECRET).unwrap();
        let keys: Vec<String> = secret.data.unwrap().into_keys().collect();
        assert_eq!(keys, ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    }
}

/// Controller and speakers come up, as their controllers in a real cluster see to.
fn run_workloads(cluster: &Cluster) {
    until("workloads", DEADLINE, || {
        let speaker: Option<DaemonSet> = cluster.server.get(Some(NAMESPACE), "speaker");
        let controller: Option<Deployment> = cluster.server.get(Some(NAMESPACE), "controller");
        let (Some(speaker), Some(controller)) = (speaker, controller) else {
            return Ok(seen(false, "none"));
        };
        let status = json!({"observedGeneration": speaker.metadata.generation, "desiredNumberScheduled": 1,
            "currentNumberScheduled": 1, "numberReady": 1, "updatedNumberScheduled": 1, "numberMisscheduled": 0});
        cluster.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &status);
        let status = json!({"observedGeneration": controller.metadata.generation, "replicas": 1,
            "readyReplicas": 1, "updatedReplicas": 1});
        cluster.server.set_status::<Deployment>(Some(NAMESPACE), "controller", &status);
        Ok(seen(true, "both"))
    })
    .unwrap();
}

#[test]
fn a_certificate_that_can_not_be_kept_is_told_by_the_resource_until_it_can() {
    let cluster = Cluster::new();
    put_empty_secret(&cluster);
    let _operator = cluster.start(&[], &[]);
    until_ready(8080);
    run_workloads(&cluster);
    cluster.server.forbid("merge-patch secrets");
    cluster.server.edit::<Secret>(Some(NAMESPACE), SECRET, &json!({"data": {"ca.key": null}}));
    let remark =
        format!("the certificate of the operator's webhook could not be kept: writing Secret {SECRET}: ");
    for is_told in [true, false] {
        until("the remark comes and goes", DEADLINE, || {
            let resource: Option<MetalLB> = cluster.server.get(Some(NAMESPACE), "metallb");
            let told = serde_json::to_value(resource)?["status"].to_string();
            Ok(seen(told.contains("\"Available\"") && told.contains(&remark) == is_told, told))
        })
        .unwrap();
        cluster.server.allow("merge-patch secrets");
    }
}

#[test]
fn section_4_3_without_rotation_the_certificate_of_the_folder_is_presented_and_none_is_made() {
    let cluster = Cluster::new();
    put_empty_secret(&cluster);
    let folder = Folder::with_certificate();
    let _operator = cluster.start(&["--disable-cert-rotation", &folder.flag()], &[]);
    until_ready(8080);
    let answer = review(folder.certificate.as_bytes(), NAME, "{}");
    assert!(answer.contains("\"allowed\":true"), "{answer}");
    let secret: Secret = cluster.server.get(Some(NAMESPACE), SECRET).unwrap();
    assert_eq!(secret.data, None);
}
