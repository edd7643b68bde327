//! Rules of a `MetalLB`: what one object shows of what the operator's webhook refuses, in its words.
//!
//! Left to the webhook, which knows more:
//! - whether an external frr-k8s has a namespace, and whether `livenessPort` is memberlist's: that depends on the
//!   operator's environment as well;
//! - `native` on OpenShift: on the platform;
//! - `frr-k8s`, which only this release refuses: a definition may outlive the release it came with;
//! - patterns of `excludedInterfaces`: speakers read other regular expressions than the API server does;
//! - prefixes of addresses that do not exist: only their form is looked at.
//!
//! The name of the resource is nobody's to refuse: the operator tells in a condition that it acts upon one name only.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;

use super::lists::{BLANK, first, none, short};
use super::{Rules, at, rule, saying};

const METALLB: (&str, &str) = ("metallbs", "v1beta1");

/// The preferences that have a weight, with what the texts call them.
const WEIGHTED: [(&str, &str); 4] = [
    (
        "spec.speakerConfig.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution",
        "SpeakerConfig NodeAffinity",
    ),
    (
        "spec.speakerConfig.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution",
        "SpeakerConfig PodAffinity",
    ),
    (
        "spec.controllerConfig.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution",
        "ControllerConfig NodeAffinity",
    ),
    (
        "spec.controllerConfig.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution",
        "ControllerConfig PodAffinity",
    ),
];

pub(super) fn rules() -> Vec<Rules> {
    let mut rules = vec![
        at(METALLB, "spec.controllerTolerations", [tolerations("Controller")]),
        at(METALLB, "spec.speakerTolerations", [tolerations("Speaker")]),
    ];
    rules.extend(WEIGHTED.map(|(place, what)| at(METALLB, place, [weights(what)])));
    rules.push(at(METALLB, "spec.bgpBackend", [backend()]));
    rules.push(at(METALLB, "spec.frrk8sConfig.alwaysBlock", [prefixes()]));
    rules.push(short(METALLB, "spec.frrk8sConfig.alwaysBlock.*"));
    rules
}

fn tolerations(component: &str) -> ValidationRule {
    let limited = "has(self[i].tolerationSeconds) && self[i].tolerationSeconds > 0";
    let evicts = "has(self[i].effect) && self[i].effect == 'NoExecute'";
    let message = format!("{component}Toleration effect must be NoExecute when tolerationSeconds is set");
    rule(none(&format!("{limited} && !({evicts})")), &message)
}

fn weights(what: &str) -> ValidationRule {
    let message = format!("{what} set with invalid weight for preferred scheduling term");
    rule(none("(self[i].weight < 1 || self[i].weight > 100)"), &message)
}

fn backend() -> ValidationRule {
    rule(
        "self in ['', 'native', 'frr', 'frr-k8s', 'frr-k8s-external']",
        "invalid BGP Backend, must be one of native, frr, frr-k8s, frr-k8s-external",
    )
}

fn prefixes() -> ValidationRule {
    let offends = format!("!self[i].matches(r'^{BLANK}*[0-9a-fA-F:.]+/[0-9]+{BLANK}*$')");
    let shown = format!("'invalid CIDR ' + {} + ' in AlwaysBlock'", first(&offends));
    saying(shown, rule(none(&offends), "invalid CIDR in AlwaysBlock"))
}
