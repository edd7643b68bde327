//! A bed with MetalLB installed, seen through kubectl.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, Seen, seen};
use serde_json::Value;

use crate::manifest::{self, NAMESPACE};

/// Ample for anything that starts pods; each wait says what it last saw when it gives up.
pub const STARTUP: Duration = Duration::from_secs(90);
/// Ample for a controller or speaker to act.
pub const REACTION: Duration = Duration::from_secs(20);

/// A running cluster with the operator in it.
#[derive(Debug)]
pub struct Cluster {
    /// The machines, the wire and the faults.
    pub bed: Bed,
}

impl Cluster {
    /// Loads the images; nothing is installed.
    pub fn with_images(bed: Bed) -> Result<Self> {
        for image in ["controller", "speaker", "operator"] {
            let archive = repository().join("artifacts/images").join(format!("{image}.tar"));
            bed.load_image(&archive)
                .with_context(|| format!("loading {} (built by `make images`)", archive.display()))?;
        }
        Ok(Self { bed })
    }

    /// Installs the operator as it is shipped. Doing it again changes nothing.
    pub fn install(&self) -> Result<()> {
        self.apply(&std::fs::read_to_string(repository().join("bundle/install.yaml"))?)
    }

    /// Loads the images, installs the operator with `kubectl apply` and waits until it is ready.
    pub fn with_operator(bed: Bed) -> Result<Self> {
        let cluster = Self::with_images(bed)?;
        cluster.install()?;
        cluster.wait_deployment("metallb-operator-controller-manager")?;
        Ok(cluster)
    }

    /// The same with a `MetalLB` resource that has become available, and takes pools.
    pub fn with_metallb(bed: Bed) -> Result<Self> {
        let cluster = Self::with_operator(bed)?;
        cluster.apply(&manifest::metallb("metallb"))?;
        cluster.wait_available()?;
        cluster.wait_admission()?;
        Ok(cluster)
    }

    /// Runs kubectl.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        Ok(self.bed.kubectl(args)?.stdout)
    }

    /// What `kubectl get … -o json` gives.
    pub fn get(&self, args: &[&str]) -> Result<Value> {
        self.bed.get_json(args)
    }

    /// Applies manifests.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        self.bed.apply(yaml).map(|_| ())
    }

    /// The header of who may get a path of daemons' metrics ports.
    pub fn bearer_of(&self, path: &str) -> Result<String> {
        self.apply(&manifest::reader_of(path))?;
        let token = self.kubectl(&["create", "token", "reader", "-n", "default"])?;
        Ok(format!("Authorization: Bearer {}", token.trim()))
    }

    /// Waits until the `MetalLB` resource says Available for its current generation.
    pub fn wait_available(&self) -> Result<()> {
        wait::until("MetalLB Available", STARTUP, || {
            let resource = self.get(&["metallb", "metallb", "-n", NAMESPACE])?;
            let available = condition(&resource, "Available");
            Ok(seen(available.as_deref() == Some("True"), &resource["status"]))
        })
    }

    /// Waits until the API server reaches the webhooks: it may hear of their endpoint a moment after the pod is ready.
    pub fn wait_admission(&self) -> Result<()> {
        let pool = manifest::pool("unborn", "[192.0.2.1/32]");
        wait::until("pools are admitted", STARTUP, || {
            let tried = self.bed.feed(&["create", "--dry-run=server", "--filename=-"], &pool);
            Ok(seen(tried.is_ok(), format!("{:?}", tried.err())))
        })
    }

    /// Waits until a Deployment of MetalLB's namespace has a ready, up-to-date replica.
    pub fn wait_deployment(&self, name: &str) -> Result<()> {
        wait::until(&format!("Deployment {name} ready"), STARTUP, || {
            let deployment = self.get(&["deployment", name, "-n", NAMESPACE])?;
            let status = &deployment["status"];
            let current = status["observedGeneration"] == deployment["metadata"]["generation"];
            let ready = current && status["updatedReplicas"] == 1 && status["readyReplicas"] == 1;
            Ok(seen(ready && status["replicas"] == 1, status))
        })
    }

    /// Waits until all pods of the Deployment `web` are ready.
    pub fn wait_web(&self) -> Result<()> {
        wait::until("web pods ready", STARTUP, || {
            let web = self.get(&["deployment", "web", "-n", "default"])?;
            Ok(seen(web["status"]["readyReplicas"] == web["spec"]["replicas"], &web["status"]))
        })
    }

    /// Waits until a Service of namespace `default` has a ready endpoint. After an outage of the API server it may take
    /// kube-controller-manager half a minute to try again to hear of Services.
    pub fn wait_endpoint(&self, service: &str) -> Result<()> {
        let label = format!("kubernetes.io/service-name={service}");
        wait::until(&format!("ready endpoint of Service {service}"), STARTUP, || {
            let slices = self.get(&["endpointslices", "-n", "default", "-l", &label])?;
            let endpoints = items(&slices).iter().filter_map(|slice| slice["endpoints"].as_array());
            let is_ready = endpoints.flatten().any(|endpoint| endpoint["conditions"]["ready"] == true);
            Ok(seen(is_ready, &slices["items"]))
        })
    }

    /// The addresses of a Service of namespace `default`, as its status has them.
    pub fn addresses(&self, service: &str) -> Result<Vec<IpAddr>> {
        addresses(&self.get(&["service", service, "-n", "default"])?)
    }

    /// Waits until a Service has this many addresses.
    pub fn wait_addresses(&self, service: &str, count: usize) -> Result<Vec<IpAddr>> {
        wait::until(&format!("{count} addresses of Service {service}"), REACTION, || {
            let found = self.addresses(service)?;
            Ok(if found.len() == count { Seen::Done(found) } else { Seen::NotYet(format!("{found:?}")) })
        })
    }

    /// Waits until a Service has one address.
    pub fn wait_address(&self, service: &str) -> Result<IpAddr> {
        let found = self.wait_addresses(service, 1)?;
        found.first().copied().context("waited for one address")
    }

    /// The one address of a Service.
    pub fn address(&self, service: &str) -> Result<IpAddr> {
        match self.addresses(service)?.as_slice() {
            [address] => Ok(*address),
            other => bail!("Service {service} has {other:?}, one address is due"),
        }
    }

    /// Waits for an event with this reason on an object, and returns its message.
    pub fn wait_event(&self, namespace: &str, object: &str, reason: &str) -> Result<String> {
        wait::until(&format!("event {reason} on {object}"), REACTION, || {
            let events = self.get(&["events", "-n", namespace])?;
            let about = |event: &&Value| event["involvedObject"]["name"] == object;
            let found: Vec<&Value> = items(&events).iter().filter(about).collect();
            let wanted = found.iter().find(|event| event["reason"] == reason);
            Ok(match wanted.and_then(|event| event["message"].as_str()) {
                Some(message) => Seen::Done(message.to_owned()),
                None => Seen::NotYet(format!(
                    "{:?}",
                    found.iter().map(|event| &event["reason"]).collect::<Vec<_>>()
                )),
            })
        })
    }

    /// The node and name of each running speaker pod.
    pub fn speakers(&self) -> Result<Vec<(String, String)>> {
        let pods = self.get(&["pods", "-n", NAMESPACE, "-l", "app=metallb,component=speaker"])?;
        let pair = |pod: &Value| (text(&pod["spec"]["nodeName"]), text(&pod["metadata"]["name"]));
        Ok(items(&pods).iter().map(pair).collect())
    }

    /// Name of the speaker pod of a node.
    pub fn speaker_on(&self, node: &str) -> Result<String> {
        let found = self.speakers()?.into_iter().find(|(on, _)| on == node);
        found.map(|(_, pod)| pod).ok_or_else(|| anyhow!("no speaker pod on {node}"))
    }
}

/// Status of a condition of an object, if it is there and speaks of the object's current generation.
#[must_use]
pub fn condition(object: &Value, kind: &str) -> Option<String> {
    let all = object["status"]["conditions"].as_array()?;
    let found = all.iter().find(|condition| condition["type"] == kind)?;
    let current = found["observedGeneration"] == object["metadata"]["generation"];
    current.then(|| text(&found["status"]))
}

/// The addresses in a Service's status.
pub fn addresses(service: &Value) -> Result<Vec<IpAddr>> {
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array();
    let parse = |entry: &Value| text(&entry["ip"]).parse().with_context(|| format!("ingress entry {entry}"));
    ingress.into_iter().flatten().map(parse).collect()
}

/// The items of a list.
#[must_use]
pub fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

/// A JSON string as text; empty when it is none.
#[must_use]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The root of this repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
