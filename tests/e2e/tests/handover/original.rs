//! The original's operator and what it made, as far as that can be seen in the API.

use std::path::PathBuf;

use anyhow::{Context, Result};
use metallb_e2e::Cluster;
use metallb_e2e::cluster::{STARTUP, repository, text};
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_testbed::wait::{self, seen};
use serde_json::{Value, json};

const OPERATOR: &str = include_str!("../../data/original/operator.yaml");
const OPERANDS: &str = include_str!("../../data/original/operands.yaml");
const OPERANDS_BEFORE: &str = include_str!("../../data/original/operands-before.yaml");

/// Services and the addresses they hold: none that would be given away next.
pub(crate) const SERVICES: [(&str, &str); 3] =
    [("one", "172.30.0.130"), ("two", "172.30.0.117"), ("three", "172.30.0.142")];

/// What its operator writes for itself.
const OWN: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: metallb-tls-config, namespace: metallb-system}
data: {TLS_CIPHER_SUITES: \"\", TLS_CURVE_PREFERENCES: \"\", TLS_MIN_VERSION: \"\"}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: metallb.io.metallboperator, namespace: metallb-system}
spec:
  holderIdentity: metallb-operator-controller-manager-0_0
  leaseDurationSeconds: 15
  leaseTransitions: 1
  acquireTime: \"2026-01-01T00:00:00.000000Z\"
  renewTime: \"2026-01-01T00:00:00.000000Z\"
";

/// What its controller makes.
const KEY: &str =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: metallb-memberlist, namespace: metallb-system}\n";

/// How its operator writes what it makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Writes {
    /// By server-side apply.
    Apply,
    /// By plain updates, as older releases do, which make no NetworkPolicy.
    Update,
}

/// An installation of the original.
pub(crate) struct Original {
    pub(crate) writes: Writes,
    /// Its resource.
    uid: String,
    /// Manifest of all its objects, its users' among them.
    pub(crate) objects: String,
    /// Names of all objects in its namespace.
    pub(crate) namespaced: Vec<String>,
}

impl Original {
    /// Installs it, and has Services hold addresses.
    pub(crate) fn install(cluster: &Cluster, writes: Writes) -> Result<Self> {
        let (webhooks, others): (Vec<String>, Vec<String>) =
            documents(&shipped()?).partition(|document| document.contains("ValidatingWebhookConfiguration"));
        cluster.apply(&others.join("---\n"))?;
        wait::until("definitions that are served", STARTUP, || {
            let users = format!("{}---\n{}", manifest::metallb("metallb"), pool());
            let tried = cluster.apply(&users);
            Ok(seen(tried.is_ok(), format!("{:?}", tried.err())))
        })?;
        // Nobody answers for them.
        cluster.apply(&webhooks.join("---\n"))?;
        certify(cluster)?;
        let resource = cluster.get(&["metallb", "metallb", "-n", NAMESPACE])?;
        let uid = text(&resource["metadata"]["uid"]);
        let mut original = Self { writes, uid, objects: String::new(), namespaced: Vec::new() };
        original.operate(cluster)?;
        original.control(cluster)?;
        original.wait_rolled_out(cluster)?;
        let services = SERVICES.map(|(name, _)| Service::named(name).yaml()).join("---\n");
        let resource = manifest::metallb("metallb");
        original.objects =
            [&shipped()?, original.operands(), OWN, KEY, &resource, &pool(), &services].join("\n---\n");
        original.namespaced = original.namespaced(cluster)?;
        Ok(original)
    }

    fn operands(&self) -> &'static str {
        match self.writes {
            Writes::Apply => OPERANDS,
            Writes::Update => OPERANDS_BEFORE,
        }
    }

    /// What its operator does.
    pub(crate) fn operate(&self, cluster: &Cluster) -> Result<()> {
        for document in documents(OWN) {
            update(cluster, &document)?;
        }
        for document in documents(self.operands()) {
            let object = self.owned(&document)?;
            match self.writes {
                Writes::Apply => apply(cluster, &object)?,
                Writes::Update => update(cluster, &object)?,
            }
        }
        let place = ["metallb/metallb", "-n", NAMESPACE, "--subresource=status", "--type=merge"];
        patch(cluster, "manager", &place, &told().to_string())
    }

    /// The object with the resource as its owner.
    fn owned(&self, document: &str) -> Result<String> {
        let mut object: Value = serde_saphyr::from_str(document).context("an operand is no YAML")?;
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "metallb.io/v1beta1", "kind": "MetalLB",
            "name": "metallb", "uid": self.uid, "controller": true, "blockOwnerDeletion": true}]);
        Ok(object.to_string())
    }

    /// What its controller does: the speakers' key, and addresses for Services.
    fn control(&self, cluster: &Cluster) -> Result<()> {
        cluster.apply(&manifest::web(2))?;
        let controller = cluster.get(&["deployment", "controller", "-n", NAMESPACE])?;
        let key = json!({"apiVersion": "v1", "kind": "Secret", "data": {"secretkey": "QUJDREVGR0hJSktMTU5PUFFSU1RVVg=="},
            "metadata": {"name": "metallb-memberlist", "namespace": NAMESPACE, "ownerReferences": [{"apiVersion": "apps/v1",
                "kind": "Deployment", "name": "controller", "uid": controller["metadata"]["uid"]}]}});
        cluster.bed.feed(&["create", "--field-manager=controller", "--filename=-"], &key.to_string())?;
        for (name, address) in SERVICES {
            cluster.apply(&Service::named(name).yaml())?;
            let place = [name, "-n", "default", "--type=merge"];
            let service = |args: &[&str], body: Value| {
                patch(cluster, "controller", &[&["service"], &place[..], args].concat(), &body.to_string())
            };
            service(&[], json!({"metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": "lan"}}}))?;
            let ingress = json!([{"ip": address, "ipMode": "VIP"}]);
            service(&["--subresource=status"], json!({"status": {"loadBalancer": {"ingress": ingress}}}))?;
        }
        cluster.wait_web()
    }

    /// Waits until what it runs is as it wants it.
    pub(crate) fn wait_rolled_out(&self, cluster: &Cluster) -> Result<()> {
        for name in ["controller", "metallb-operator-controller-manager", "metallb-operator-webhook-server"] {
            cluster.wait_deployment(name)?;
        }
        wait::until("speakers of the original on all nodes", STARTUP, || {
            let speakers = cluster.get(&["daemonset", "speaker", "-n", NAMESPACE])?;
            let status = &speakers["status"];
            let is_current = status["observedGeneration"] == speakers["metadata"]["generation"];
            Ok(seen(
                is_current && status["updatedNumberScheduled"] == 3 && status["numberReady"] == 3,
                status,
            ))
        })
    }

    /// Names of all objects in its namespace that somebody made on purpose.
    pub(crate) fn namespaced(&self, cluster: &Cluster) -> Result<Vec<String>> {
        let kinds = "deployments,daemonsets,services,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies,\
                     poddisruptionbudgets,leases,ipaddresspools,l2advertisements,metallbs";
        let names = cluster.kubectl(&["get", kinds, "-n", NAMESPACE, "--output=name"])?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Puts its manifest where an admin would have it.
    pub(crate) fn publish(&self, cluster: &Cluster) -> Result<()> {
        let file = cluster.bed.state().join("metallb-operator.yaml");
        std::fs::write(&file, shipped()?).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// What it tells of a resource: it never says of which generation.
fn told() -> Value {
    let states =
        [("Available", "True"), ("Upgradeable", "True"), ("Progressing", "False"), ("Degraded", "False")];
    let conditions = states.map(|(kind, status)| {
        json!({"type": kind, "status": status, "reason": kind, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    });
    json!({"status": {"conditions": conditions}})
}

fn apply(cluster: &Cluster, object: &str) -> Result<()> {
    let apply =
        ["apply", "--server-side", "--force-conflicts", "--field-manager=metallb-operator", "--filename=-"];
    cluster.bed.feed(&apply, object).map(|_| ())
}

/// Replaces an object, or creates it.
fn update(cluster: &Cluster, object: &str) -> Result<()> {
    let by = |verb| [verb, "--field-manager=manager", "--filename=-"];
    let replaced = cluster.bed.feed(&by("replace"), object);
    replaced.or_else(|_| cluster.bed.feed(&by("create"), object)).map(|_| ())
}

fn patch(cluster: &Cluster, manager: &str, what: &[&str], body: &str) -> Result<()> {
    let manager = format!("--field-manager={manager}");
    cluster.kubectl(&[&["patch"], what, &[&manager, "--patch", body]].concat()).map(|_| ())
}

fn pool() -> String {
    manifest::pool("lan", "[172.30.0.100-172.30.0.149]")
}

/// The objects of a manifest, each as it stands there.
fn documents(manifest: &str) -> impl Iterator<Item = String> {
    manifest.split("---\n").filter(|document| !document.trim().is_empty()).map(str::to_owned)
}

/// Its manifest: definitions, operator, rights, webhooks.
fn shipped() -> Result<String> {
    Ok(format!("{}---\n{OPERATOR}", crds()?))
}

/// Its definitions. Peers are converted by the server of its webhooks.
fn crds() -> Result<String> {
    let folder: PathBuf = repository().join("crates/core/api/tests/data");
    let mut all = String::new();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.sort();
    for file in files.iter().filter(|file| file.to_string_lossy().contains("metallb.io_")) {
        let mut crd: Value = serde_saphyr::from_str(&std::fs::read_to_string(file)?)
            .with_context(|| format!("{} is no YAML", file.display()))?;
        if crd["metadata"]["name"] == "bgppeers.metallb.io" {
            let service =
                json!({"name": "metallb-webhook-service", "namespace": NAMESPACE, "path": "/convert"});
            crd["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1beta1", "v1beta2"], "clientConfig": {"service": service}}});
        }
        all.push_str(&format!("---\n{crd}\n"));
    }
    Ok(all)
}

/// What keeps its certificates does: both Secrets are filled, and API servers trust what is in them.
fn certify(cluster: &Cluster) -> Result<()> {
    for (secret, service, webhooks) in [
        ("metallb-webhook-cert", "metallb-webhook-service", "metallb-webhook-configuration"),
        (
            "metallb-operator-webhook-server-cert",
            "metallb-operator-webhook-service",
            "metallb-operator-webhook-configuration",
        ),
    ] {
        let data = certificate(cluster, service)?;
        let authority = &data["ca.crt"];
        let filled = json!({"data": data}).to_string();
        patch(cluster, "manager", &["secret", secret, "-n", NAMESPACE, "--type=merge"], &filled)?;
        let configuration = cluster.get(&["validatingwebhookconfiguration", webhooks])?;
        let count = configuration["webhooks"].as_array().map_or(0, Vec::len);
        let trust = |index| json!({"op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": authority});
        let trusts: Vec<Value> = (0..count).map(trust).collect();
        let trusts = serde_json::to_string(&trusts)?;
        patch(cluster, "manager", &["validatingwebhookconfiguration", webhooks, "--type=json"], &trusts)?;
        if service == "metallb-webhook-service" {
            let trust =
                json!({"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": authority}}}}});
            patch(cluster, "manager", &["crd", "bgppeers.metallb.io", "--type=merge"], &trust.to_string())?;
        }
    }
    Ok(())
}

/// An authority for ten years and a certificate for one, with keys in the form the original writes.
fn certificate(cluster: &Cluster, service: &str) -> Result<Value> {
    let host = format!("{service}.{NAMESPACE}.svc");
    let make = format!(
        "set -e; d=$(mktemp -d); cd $d
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.pem -out ca.crt -days 3650 -subj /O=metallb/CN=cert -addext subjectAltName=DNS:cert 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout tls.pem -out tls.csr -subj /CN={host} 2>/dev/null
printf 'subjectAltName=DNS:{host}\\nextendedKeyUsage=serverAuth\\n' > ext
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.pem -CAcreateserial -days 365 -out tls.crt -extfile ext 2>/dev/null
for n in ca tls; do openssl rsa -traditional -in $n.pem -out $n.key 2>/dev/null; done
for f in ca.crt ca.key tls.crt tls.key; do printf '%s: ' $f; base64 -w0 $f; echo; done; rm -r $d"
    );
    let data = cluster.bed.run("cp", &["bash", "-c", &make])?.stdout;
    serde_saphyr::from_str(&data).context("the certificate is no YAML")
}
