//! Changes that are meant to stop a Service, and give it back as it was.

use anyhow::{Result, ensure};
use metallb_e2e::cluster::REACTION;
use metallb_e2e::lan;
use metallb_e2e::manifest::Service;
use serde_json::json;

use crate::Fields;
use crate::change::Change;
use crate::stage::{Place, Stage, Workload};
use crate::watch::Bound;

/// Services of another class are served.
pub(crate) fn class() -> Change {
    let shown = [(Place::Flag("--lb-class"), json!(CLASS))];
    Change::new("a class of Services", json!({"loadBalancerClass": CLASS}), Bound::Free)
        .replacing(&Workload::BOTH)
        .seen(Workload::Controller, shown.clone())
        .seen(Workload::Speaker, shown)
        .there(serves_the_class_alone)
        .back(serves_again)
}

const CLASS: &str = "example.com/lan";

fn serves_the_class_alone(fields: &Fields, _: &Stage) -> Result<()> {
    let cluster = &fields.cluster;
    lan::wait_silence(&cluster.bed, fields.address, REACTION)?;
    // An address of its own: that of the other Service is nobody's now.
    let service = Service::named("classed").annotated("{metallb.io/loadBalancerIPs: 172.30.0.140}").yaml();
    let kind = "type: LoadBalancer";
    cluster.apply(&service.replace(kind, &format!("{kind}\n  loadBalancerClass: {CLASS}")))?;
    let address = cluster.wait_address("classed")?;
    let answer = lan::fetch(&cluster.bed, address)?;
    ensure!(answer.pod.starts_with("web-"), "{address} was answered by {answer:?}");
    cluster.kubectl(&["delete", "service", "classed", "-n", "default"]).map(drop)
}

/// An interface is left out, the only one there is.
pub(crate) fn interfaces() -> Change {
    let annotation = Place::At("/metadata/annotations/metallb.io~1excluded-interfaces");
    Change::new("an excluded interface", json!({"excludedInterfaces": ["^eth0$"]}), Bound::Free)
        .replacing(&[Workload::Speaker])
        .seen(Workload::Speaker, [(annotation, json!(r#"["^eth0$"]"#))])
        .there(|fields, _| lan::wait_silence(&fields.cluster.bed, fields.address, REACTION))
        .back(serves_again)
}

fn serves_again(fields: &Fields, _: &Stage) -> Result<()> {
    lan::wait_owner(&fields.cluster.bed, fields.address, None, REACTION)?;
    lan::fetch(&fields.cluster.bed, fields.address).map(drop)
}
