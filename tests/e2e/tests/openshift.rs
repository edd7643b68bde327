//! The operator on a cluster that serves what OpenShift does: constraints, and a TLS profile that is followed.
//!
//! The definitions stand in for OpenShift's own, which take whatever is written; nobody judges pods by the constraints.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::{REACTION, STARTUP, items, text};
use metallb_e2e::manifest::{self, NAMESPACE};
use metallb_e2e::{Cluster, suite};
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, seen};

/// The speakers' metrics.
const METRICS: u16 = 9120;

fn main() -> ExitCode {
    suite::run(
        "openshift",
        prepare,
        vec![
            ("the speakers' constraints are there, and the speakers ask for them", constraints),
            ("native is refused in the original's words, and what runs goes on", native),
            ("the cluster's TLS profile is followed, and what is not spoken is told", profile),
            ("the constraints go with the resource", removal),
        ],
    )
}

fn prepare(bed: Bed) -> Result<Cluster> {
    let cluster = Cluster::with_images(bed)?;
    let definitions = [
        ("route.openshift.io", "Route", "routes", "Namespaced"),
        ("config.openshift.io", "APIServer", "apiservers", "Cluster"),
        ("security.openshift.io", "SecurityContextConstraints", "securitycontextconstraints", "Cluster"),
    ];
    for (group, kind, plural, scope) in definitions {
        cluster.apply(&definition(group, kind, plural, scope))?;
        cluster.kubectl(&["wait", "--for=condition=Established", &format!("crd/{plural}.{group}")])?;
    }
    cluster.install()?;
    cluster.wait_deployment("metallb-operator-controller-manager")?;
    cluster.apply(&manifest::metallb("metallb"))?;
    cluster.wait_available()?;
    Ok(cluster)
}

fn definition(group: &str, kind: &str, plural: &str, scope: &str) -> String {
    let singular = kind.to_lowercase();
    format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  names: {{kind: {kind}, plural: {plural}, singular: {singular}}}
  scope: {scope}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"
    )
}

fn constraints(cluster: &Cluster) -> Result<()> {
    let constraints = cluster.get(&["securitycontextconstraints", "metallb-speaker"])?;
    ensure!(constraints["metadata"]["labels"]["metallb.io/owned-by"] == NAMESPACE, "{constraints}");
    ensure!(constraints["allowHostNetwork"] == true, "{constraints}");
    for (node, pod) in cluster.speakers()? {
        let pod = cluster.get(&["pod", &pod, "-n", NAMESPACE])?;
        let asked = &pod["metadata"]["annotations"]["openshift.io/required-scc"];
        ensure!(asked == "metallb-speaker", "on {node}: {asked}");
    }
    let account = format!("system:serviceaccount:{NAMESPACE}:speaker");
    let may = ["auth", "can-i", "use", "securitycontextconstraints.security.openshift.io/metallb-speaker"];
    let may = cluster.kubectl(&[&may[..], &["-n", NAMESPACE, "--as", &account]].concat())?;
    ensure!(may.trim() == "yes", "{may}");
    // Somebody edits them.
    cluster.kubectl(&[
        "patch",
        "securitycontextconstraints",
        "metallb-speaker",
        "--type=merge",
        "-p",
        r#"{"allowHostNetwork":false}"#,
    ])?;
    wait::until("the constraints as they were", REACTION, || {
        let constraints = cluster.get(&["securitycontextconstraints", "metallb-speaker"])?;
        Ok(seen(constraints["allowHostNetwork"] == true, constraints))
    })
}

fn native(cluster: &Cluster) -> Result<()> {
    let patch = |backend: &str| {
        let patch = format!(r#"{{"spec":{{"bgpBackend":{backend}}}}}"#);
        cluster.kubectl(&["patch", "metallb", "metallb", "-n", NAMESPACE, "--type=merge", "-p", &patch])
    };
    let refused = patch("\"native\"").err().context("it was taken")?;
    let words = "native mode is not supported on openshift";
    ensure!(format!("{refused:#}").contains(words), "{refused:#}");
    cluster.wait_available()
}

fn profile(cluster: &Cluster) -> Result<()> {
    put_profile(cluster, "{type: Modern}")?;
    wait_flag(cluster, "--tls-min-version=VersionTLS13")?;
    ensure!(!speaks(cluster, "1.2")? && speaks(cluster, "1.3")?, "Modern is TLS 1.3 alone");
    put_profile(cluster, "{type: Intermediate}")?;
    wait_flag(cluster, "--tls-min-version=VersionTLS12")?;
    ensure!(speaks(cluster, "1.2")? && speaks(cluster, "1.3")?, "Intermediate is TLS 1.2 and more");
    put_profile(
        cluster,
        "{type: Custom, custom: {minTLSVersion: VersionTLS12, ciphers: [RC4-SHA, ECDHE-RSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES128-GCM-SHA256]}}",
    )?;
    wait::until("word of the suite that is not spoken", STARTUP, || {
        let resource = cluster.get(&["metallb", "metallb", "-n", NAMESPACE])?;
        let said = resource["status"]["conditions"].to_string();
        Ok(seen(said.contains("suites not spoken here: RC4-SHA"), said))
    })?;
    cluster.wait_available()
}

fn put_profile(cluster: &Cluster, profile: &str) -> Result<()> {
    cluster.apply(&format!(
        "apiVersion: config.openshift.io/v1\nkind: APIServer\nmetadata: {{name: cluster}}\nspec: {{tlsSecurityProfile: {profile}}}\n"
    ))
}

/// Waits until all speakers run with this flag.
fn wait_flag(cluster: &Cluster, flag: &str) -> Result<()> {
    wait::until(&format!("speakers with {flag}"), STARTUP, || {
        let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", "app=metallb,component=speaker"])?;
        let has_flag = |pod: &serde_json::Value| {
            let args = pod["spec"]["containers"][0]["args"].as_array().cloned().unwrap_or_default();
            args.iter().any(|arg| arg == flag)
        };
        let with: Vec<String> = items(&pods)
            .iter()
            .filter(|pod| has_flag(pod))
            .map(|pod| text(&pod["metadata"]["name"]))
            .collect();
        Ok(seen(with.len() == 3 && items(&pods).len() == 3, format!("{with:?}")))
    })?;
    cluster.wait_available()
}

/// Whether a speaker's metrics are served over this version of TLS, at the latest.
fn speaks(cluster: &Cluster, version: &str) -> Result<bool> {
    let (node, _) = cluster.speakers()?.into_iter().next().context("no speaker")?;
    let url = format!("https://{}:{METRICS}/metrics", address_of(cluster, &node)?);
    // Whoever has no token is refused, once the handshake is through.
    let ask = ["curl", "-sk", "-m5", "-o", "/dev/null", "--tls-max", version, &url];
    Ok(cluster.bed.try_run(&node, &ask)?.status.success())
}

fn address_of(cluster: &Cluster, node: &str) -> Result<String> {
    let node = cluster.get(&["node", node])?;
    let addresses = node["status"]["addresses"].as_array().cloned().unwrap_or_default();
    let internal = addresses.iter().find(|address| address["type"] == "InternalIP");
    Ok(text(&internal.context("the node has no address")?["address"]))
}

fn removal(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["delete", "metallb", "metallb", "-n", NAMESPACE])?;
    wait::until("no constraints left", STARTUP, || {
        let left = cluster.kubectl(&["get", "securitycontextconstraints", "-o", "name"])?;
        Ok(seen(left.trim().is_empty(), left))
    })
}
