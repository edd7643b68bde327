//! Admission and conversion on the real API server, and certificates that change under load.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use metallb_e2e::cluster::{STARTUP, items, text};
use metallb_e2e::manifest::{self, NAMESPACE};
use metallb_e2e::{Cluster, suite};
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, seen};
use serde_json::{Value, json};

/// How long a rotation may take: notice, renew, publish, let it be heard, serve.
const ROTATION: Duration = Duration::from_secs(150);
/// How long requests go on once everything is fresh.
const SETTLED: Duration = Duration::from_secs(3);
/// The machine that makes certificates.
const WORKSHOP: &str = "cp";

fn main() -> ExitCode {
    suite::run(
        "webhooks",
        prepare,
        vec![
            ("good objects of every kind are taken, in both versions of a peer", good_objects),
            ("wrong objects of every kind are refused with the reason", wrong_objects),
            (
                "a MetalLB resource that can't be acted upon is refused, and an answer is insisted on",
                wrong_resource,
            ),
            ("an object outside MetalLB's namespace is refused", foreign_namespace),
            ("a BFD profile in use can't be deleted", profile_in_use),
            ("a peer reads the same in both versions, and loses nothing", both_versions),
            ("peers stored as v1beta1 are read, edited and stored anew", stored_v1beta1),
            ("certificates are renewed under load and no request fails", |cluster| {
                renewal(cluster, CONTROLLERS)
            }),
            ("the operator's certificate is renewed in the same way", |cluster| renewal(cluster, OPERATORS)),
            ("a webhook certificate that somebody deletes is made again", |cluster| {
                deletion(cluster, CONTROLLERS)
            }),
            ("the operator's certificate that somebody deletes is made again", |cluster| {
                deletion(cluster, OPERATORS)
            }),
        ],
    )
}

fn prepare(bed: Bed) -> Result<Cluster> {
    let cluster = Cluster::with_metallb(bed)?;
    wait::until("webhooks that serve", STARTUP, || {
        let tried = try_apply(&cluster, &pool("first", "[192.0.2.0/28]"))?;
        Ok(seen(tried.is_none(), tried.unwrap_or_default()))
    })?;
    Ok(cluster)
}

/// Applies; gives what kubectl complains about, if it does.
fn try_apply(cluster: &Cluster, yaml: &str) -> Result<Option<String>> {
    Ok(cluster.bed.feed(&["apply", "--filename=-"], yaml).err().map(|error| format!("{error:#}")))
}

fn object(version: &str, kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: metallb.io/{version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\nspec: {spec}\n"
    )
}

fn pool(name: &str, addresses: &str) -> String {
    object("v1beta1", "IPAddressPool", name, &format!("{{addresses: {addresses}}}"))
}

fn good_objects(cluster: &Cluster) -> Result<()> {
    let good = [
        pool("good", "[198.51.100.0/28, \"2001:db8::/120\"]"),
        object("v1beta1", "L2Advertisement", "good", "{ipAddressPools: [good]}"),
        object("v1beta1", "Community", "good", "{communities: [{name: no-export, value: \"65535:65281\"}]}"),
        object(
            "v1beta1",
            "BGPAdvertisement",
            "good",
            "{ipAddressPools: [good], communities: [no-export], aggregationLength: 32}",
        ),
        object("v1beta1", "BFDProfile", "good", "{receiveInterval: 300}"),
        object("v1beta2", "BGPPeer", "good", "{myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.101}"),
        object("v1beta1", "BGPPeer", "good-old", "{myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.102}"),
    ];
    for yaml in good {
        let refused = try_apply(cluster, &yaml)?;
        ensure!(refused.is_none(), "{yaml}\n{refused:?}");
    }
    Ok(())
}

fn wrong_objects(cluster: &Cluster) -> Result<()> {
    // What it takes a second object to see is refused by the webhook alone: no rule of the CRD can.
    let wrong = [
        (
            pool("overlap", "[198.51.100.8-198.51.100.9]"),
            "CIDR \"198.51.100.8/31\" in pool \"overlap\" overlaps with already defined CIDR \"198.51.100.0/28\"",
        ),
        (
            pool("reversed", "[192.0.2.9-192.0.2.1]"),
            "start IP \"192.0.2.9\" is after the end IP \"192.0.2.1\"",
        ),
        (
            object("v1beta1", "L2Advertisement", "twice", "{ipAddressPools: [good, good]}"),
            "duplicate definition of ipAddressPools",
        ),
        (
            object("v1beta1", "Community", "again", "{communities: [{name: no-export, value: \"1:2\"}]}"),
            "duplicate definition of community \"no-export\"",
        ),
        (
            object("v1beta1", "Community", "wrong", "{communities: [{name: other, value: \"1:2:3:4\"}]}"),
            "parsing community \"other\": invalid community value",
        ),
        (
            object("v1beta1", "BGPAdvertisement", "wrong", "{ipAddressPools: [good], aggregationLength: 26}"),
            "is more specific than the aggregation length",
        ),
        (
            object("v1beta2", "BGPPeer", "wrong", "{myASN: 64512, peerASN: 64513, peerAddress: nowhere}"),
            "invalid BGPPeer address \"nowhere\"",
        ),
        (
            object("v1beta1", "BGPPeer", "wrong-old", "{myASN: 64512, peerASN: 64513, peerAddress: nowhere}"),
            "invalid BGPPeer address \"nowhere\"",
        ),
        (object("v1beta1", "BFDProfile", "wrong", "{receiveInterval: 5}"), "spec.receiveInterval"),
    ];
    for (yaml, reason) in wrong {
        let refused = try_apply(cluster, &yaml)?.with_context(|| format!("taken:\n{yaml}"))?;
        ensure!(refused.contains(reason), "{yaml}\nrefused without {reason:?}:\n{refused}");
    }
    // An edit is looked at like a new object.
    let refused =
        try_apply(cluster, &pool("first", "[198.51.100.0/30]"))?.context("an overlapping edit was taken")?;
    ensure!(refused.contains("overlaps with already defined CIDR \"198.51.100.0/28\""), "{refused}");
    Ok(())
}

fn foreign_namespace(cluster: &Cluster) -> Result<()> {
    let yaml = pool("foreign", "[203.0.113.0/28]").replace(NAMESPACE, "default");
    let refused = try_apply(cluster, &yaml)?.context("taken")?;
    ensure!(refused.contains(&format!("resource must be created in {NAMESPACE} namespace")), "{refused}");
    Ok(())
}

fn profile_in_use(cluster: &Cluster) -> Result<()> {
    let spec = "{myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.105, bfdProfile: good}";
    cluster.apply(&object("v1beta2", "BGPPeer", "watched", spec))?;
    let delete = ["delete", "bfdprofile", "good", "-n", NAMESPACE];
    let said = cluster.bed.try_kubectl(&delete)?;
    ensure!(!said.status.success(), "a profile in use was deleted");
    let reason = "failed to delete BFDProfile good, used by BGPPeer watched";
    ensure!(said.stderr.contains(reason), "{}", said.stderr);
    cluster.kubectl(&["delete", "bgppeer", "watched", "-n", NAMESPACE])?;
    cluster.kubectl(&delete)?;
    Ok(())
}

fn both_versions(cluster: &Cluster) -> Result<()> {
    let spec = "{myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.103, passwordSecret: {name: s}, keepaliveTime: 5s, holdTime: 15s}";
    cluster.apply(&object("v1beta2", "BGPPeer", "both", spec))?;
    let old = cluster.get(&["bgppeers.v1beta1.metallb.io", "both", "-n", NAMESPACE])?;
    ensure!(
        old["apiVersion"] == "metallb.io/v1beta1" && old["spec"]["peerAddress"] == "192.0.2.103",
        "{old}"
    );
    // An edit through the old version keeps what only the new one can say.
    let patch = r#"{"spec":{"peerPort":1179}}"#;
    cluster.kubectl(&[
        "patch",
        "bgppeers.v1beta1.metallb.io",
        "both",
        "-n",
        NAMESPACE,
        "--type=merge",
        "-p",
        patch,
    ])?;
    let new = cluster.get(&["bgppeers.v1beta2.metallb.io", "both", "-n", NAMESPACE])?;
    let spec = &new["spec"];
    ensure!(spec["passwordSecret"]["name"] == "s" && spec["peerPort"] == 1179, "{new}");
    ensure!(spec["holdTime"] == "15s" && spec["keepaliveTime"] == "5s", "{new}");
    // Unset timers stay unset.
    let good = cluster.get(&["bgppeers.v1beta2.metallb.io", "good-old", "-n", NAMESPACE])?;
    ensure!(good["spec"]["holdTime"].is_null(), "{good}");
    Ok(())
}

/// As a cluster looks that was installed when v1beta1 was what is stored.
fn stored_v1beta1(cluster: &Cluster) -> Result<()> {
    let store = |version: &str| -> Result<()> {
        let crd = cluster.get(&["crd", "bgppeers.metallb.io"])?;
        let versions = crd["spec"]["versions"].as_array().context("no versions")?.iter();
        let patch: Vec<Value> = versions
            .enumerate()
            .map(|(index, at)| {
                json!({"op": "replace", "path": format!("/spec/versions/{index}/storage"), "value": at["name"] == version})
            })
            .collect();
        let patch = serde_json::to_string(&patch)?;
        cluster.kubectl(&["patch", "crd", "bgppeers.metallb.io", "--type=json", "-p", &patch]).map(|_| ())
    };
    store("v1beta1")?;
    let spec =
        "{myASN: 64512, peerASN: 64514, peerAddress: 192.0.2.104, nodeSelectors: [{matchLabels: {a: b}}]}";
    cluster.apply(&object("v1beta1", "BGPPeer", "veteran", spec))?;
    store("v1beta2")?;
    let read = || cluster.get(&["bgppeers.v1beta2.metallb.io", "veteran", "-n", NAMESPACE]);
    let before = read()?;
    ensure!(before["spec"]["nodeSelectors"][0]["matchLabels"]["a"] == "b", "{before}");
    ensure!(before["spec"]["peerASN"] == 64514 && before["spec"]["holdTime"].is_null(), "{before}");
    // Any write stores the new version.
    cluster.kubectl(&["label", "bgppeers.v1beta2.metallb.io", "veteran", "-n", NAMESPACE, "touched=yes"])?;
    let after = read()?;
    // A write fills in the defaults of the new version; what was there stays.
    let kept = before["spec"].as_object().into_iter().flatten();
    ensure!(kept.clone().count() >= 4, "{before}");
    for (field, value) in kept {
        ensure!(after["spec"][field] == *value, "{field} was {value}: {after}");
    }
    ensure!(after["spec"]["holdTime"].is_null(), "{after}");
    let list = cluster.get(&["bgppeers", "-n", NAMESPACE])?;
    ensure!(items(&list).iter().all(|item| item["apiVersion"] == "metallb.io/v1beta2"), "{list}");
    Ok(())
}

/// A certificate that is kept in a Secret.
#[derive(Clone, Copy)]
struct Certificate {
    secret: &'static str,
    service: &'static str,
    /// The configuration of the webhooks that trust it, and the definition.
    trusted_by: (&'static str, Option<&'static str>),
}

const CONTROLLERS: Certificate = Certificate {
    secret: "metallb-webhook-cert",
    service: "metallb-webhook-service",
    trusted_by: ("metallb-webhook-configuration", Some("bgppeers.metallb.io")),
};
const OPERATORS: Certificate = Certificate {
    secret: "metallb-operator-webhook-server-cert",
    service: "metallb-operator-webhook-service",
    trusted_by: ("metallb-operator-webhook-configuration", None),
};

/// Requests that need the webhooks, one after the other, until told to stop.
struct Load {
    stop: AtomicBool,
    done: AtomicU32,
}

impl Load {
    fn run(&self, cluster: &Cluster) -> Result<()> {
        let admitted = [pool("first", "[192.0.2.0/28]"), manifest::metallb("metallb")];
        while !self.stop.load(Ordering::Relaxed) {
            for object in &admitted {
                cluster.bed.feed(
                    &["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename=-"],
                    object,
                )?;
            }
            cluster.kubectl(&["get", "bgppeers.v1beta1.metallb.io", "both", "-n", NAMESPACE])?;
            self.done.fetch_add(3, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Does `change` while requests run; gives how many ran. One that fails fails the test.
fn under_load(cluster: &Cluster, change: impl FnOnce() -> Result<()>) -> Result<u32> {
    let load = Load { stop: AtomicBool::new(false), done: AtomicU32::new(0) };
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| load.run(cluster));
        let changed = change();
        load.stop.store(true, Ordering::Relaxed);
        match runner.join() {
            Ok(ran) => ran.context("a request failed meanwhile")?,
            Err(_) => bail!("the load panicked"),
        }
        changed
    })?;
    Ok(load.done.load(Ordering::Relaxed))
}

fn renewal(cluster: &Cluster, certificate: Certificate) -> Result<()> {
    let aged = certificate.aged(cluster)?;
    let ran = under_load(cluster, || {
        cluster.apply(&aged)?;
        certificate.wait_fresh(cluster)?;
        wait::throughout("the fresh certificate in use", SETTLED, || {
            let trusted = certificate.bundles(cluster)?.iter().all(|bundle| !bundle.is_empty());
            Ok(seen(trusted, "a webhook without caBundle"))
        })
    })?;
    ensure!(ran >= 20, "only {ran} requests ran during the rotation");
    Ok(())
}

/// The operator's own webhook. It insists once its pod is known to be ready.
fn wrong_resource(cluster: &Cluster) -> Result<()> {
    wait::until("failurePolicy Fail and a caBundle", STARTUP, || {
        let name = "metallb-operator-webhook-configuration";
        let webhook = cluster.get(&["validatingwebhookconfiguration", name])?["webhooks"][0].clone();
        let trusted = !text(&webhook["clientConfig"]["caBundle"]).is_empty();
        Ok(seen(trusted && webhook["failurePolicy"] == "Fail", webhook.to_string()))
    })?;
    let wrong = object("v1beta1", "MetalLB", "metallb", "{bgpBackend: frr-k8s}");
    let told = try_apply(cluster, &wrong)?.context("a back end that is not there was taken")?;
    let expected = "denied the request: unsupported bgp backend frr-k8s";
    ensure!(told.contains("metallbvalidationwebhook.metallb.io") && told.contains(expected), "{told}");
    cluster.wait_available()
}

impl Certificate {
    /// The Secret with a CA and a certificate that expire in a month: both are due.
    fn aged(&self, cluster: &Cluster) -> Result<String> {
        let Self { secret, service, .. } = self;
        let host = format!("{service}.{NAMESPACE}.svc");
        let make = format!(
            "set -e; d=$(mktemp -d); cd $d
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /O=metallb/CN=cert 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN={host} 2>/dev/null
printf 'subjectAltName=DNS:{host}\\nextendedKeyUsage=serverAuth\\n' > ext
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out tls.crt -extfile ext 2>/dev/null
for f in ca.crt ca.key tls.crt tls.key; do printf '%s: ' $f; base64 -w0 $f; echo; done; rm -r $d"
        );
        let data = cluster.bed.run(WORKSHOP, &["bash", "-c", &make])?.stdout;
        let indented: String = data.lines().map(|line| format!("  {line}\n")).collect();
        Ok(format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {secret}, namespace: {NAMESPACE}}}\ndata:\n{indented}"
        ))
    }

    /// Waits until the certificate that is served lives for more than 90 days, and whoever is to trust it does.
    fn wait_fresh(&self, cluster: &Cluster) -> Result<()> {
        wait::until("a fresh certificate in the Secret, trusted everywhere", ROTATION, || {
            let secret = cluster.get(&["secret", self.secret, "-n", NAMESPACE])?;
            let data = &secret["data"];
            let bundles = self.bundles(cluster)?;
            let trusted = !bundles.is_empty()
                && bundles.iter().all(|bundle| *bundle == bundles[0] && !bundle.is_empty());
            Ok(seen(
                is_fresh(cluster, &text(&data["tls.crt"]))? && trusted,
                format!("{} bundles", bundles.len()),
            ))
        })
    }

    /// The caBundle of each webhook and of the conversion.
    fn bundles(&self, cluster: &Cluster) -> Result<Vec<String>> {
        let (configuration, definition) = self.trusted_by;
        let webhooks = cluster.get(&["validatingwebhookconfiguration", configuration])?;
        let of_webhooks = webhooks["webhooks"].as_array().into_iter().flatten();
        let mut bundles: Vec<String> =
            of_webhooks.map(|webhook| text(&webhook["clientConfig"]["caBundle"])).collect();
        if let Some(definition) = definition {
            let crd = cluster.get(&["crd", definition])?;
            bundles.push(text(&crd["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"]));
        }
        Ok(bundles)
    }
}

fn is_fresh(cluster: &Cluster, certificate: &str) -> Result<bool> {
    let check = format!("echo {certificate} | base64 -d | openssl x509 -noout -checkend 7776000");
    Ok(!certificate.is_empty() && cluster.bed.try_run(WORKSHOP, &["bash", "-c", &check])?.status.success())
}

fn deletion(cluster: &Cluster, certificate: Certificate) -> Result<()> {
    let ran = under_load(cluster, || {
        cluster.kubectl(&["delete", "secret", certificate.secret, "-n", NAMESPACE])?;
        wait::until("the Secret, filled again", ROTATION, || {
            let secrets = cluster.get(&["secrets", "-n", NAMESPACE])?;
            let secret = items(&secrets).iter().find(|item| item["metadata"]["name"] == certificate.secret);
            let filled = secret.is_some_and(|secret| !text(&secret["data"]["tls.crt"]).is_empty());
            Ok(seen(filled, format!("{}", secret.is_some())))
        })?;
        certificate.wait_fresh(cluster)
    })?;
    ensure!(ran >= 2, "only {ran} requests ran meanwhile");
    cluster.apply(&manifest::pool("after", "[203.0.113.0/28]")).context("after the Secret was deleted")
}
