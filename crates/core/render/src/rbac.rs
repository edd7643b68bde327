//! What the controller and the speakers may do.
//!
//! Names and rules are those users know; what is gone from Kubernetes (pod security policies) is left out. The one
//! additions: speakers watch their fellow pods and say in Services who announces them, and controllers agree over a Lease on
//! who leads.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::names::WEBHOOK_CONFIGURATION;

use crate::backend::Platform;
use crate::environment::Monitors;
use crate::labels::{self, Component, OWNED_BY};
use crate::monitors::READER;
use crate::openshift::{SECURITY_GROUP, SPEAKER_CONSTRAINTS};
use crate::pod::MEMBERLIST_SECRET;

#[cfg(test)]
pub(crate) mod tests;

const READ: &[&str] = &["get", "list", "watch"];
const EVERYTHING: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
/// The operands' accounts, named after them.
const CONTROLLER: &str = Component::Controller.name();
const SPEAKER: &str = Component::Speaker.name();
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// The operands' CRDs that carry a webhook's certificate or may come to.
const CONFIGURATION_CRDS: [&str; 7] = [
    "bfdprofiles.metallb.io",
    "bgpadvertisements.metallb.io",
    "bgppeers.metallb.io",
    "ipaddresspools.metallb.io",
    "l2advertisements.metallb.io",
    "communities.metallb.io",
    "configurationstates.metallb.io",
];

/// A role with the service accounts it is bound to.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// Name of the role.
    pub(crate) role: &'static str,
    /// Name of the binding.
    pub(crate) binding: &'static str,
    /// Names of the accounts.
    pub(crate) to: &'static [&'static str],
    pub(crate) rules: Vec<PolicyRule>,
}

/// A rule without names: it holds for all objects of these resources.
pub(crate) fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

/// A rule for the objects of these names only.
pub(crate) fn named_rule(group: &str, resource: &str, names: &[&str], verbs: &[&str]) -> PolicyRule {
    PolicyRule { resource_names: Some(owned(names)), ..rule(group, &[resource], verbs) }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// What the operands may do in the whole cluster.
pub(crate) fn cluster_grants(monitors: Monitors) -> Vec<Grant> {
    let mut grants = Vec::from(operand_grants());
    if monitors == Monitors::Pods {
        grants.push(Grant {
            role: READER,
            binding: READER,
            to: &[READER],
            rules: vec![PolicyRule {
                non_resource_urls: Some(vec!["/metrics".to_owned()]),
                verbs: vec!["get".to_owned()],
                ..PolicyRule::default()
            }],
        });
    }
    grants
}

fn operand_grants() -> [Grant; 3] {
    [
        Grant {
            role: "metallb-system:controller",
            binding: "metallb-system:controller",
            to: &[CONTROLLER],
            rules: controller_cluster_rules(),
        },
        Grant {
            role: "metallb-system:speaker",
            binding: "metallb-system:speaker",
            to: &[SPEAKER],
            rules: speaker_cluster_rules(),
        },
        // Metrics are only given to those who may read them: the daemons ask the API server who that is.
        Grant {
            role: "metallb-system:kube-rbac-proxy",
            binding: "kube-rbac-proxy",
            to: &[CONTROLLER, SPEAKER],
            rules: vec![
                rule("authentication.k8s.io", &["tokenreviews"], &["create"]),
                rule("authorization.k8s.io", &["subjectaccessreviews"], &["create"]),
            ],
        },
    ]
}

/// What the operands may do in their own namespace.
pub(crate) fn namespace_grants(platform: Platform) -> [Grant; 3] {
    // Speakers find each other by their pods; without this right they list them again and again.
    let mut speaker = vec![rule("", &["pods"], &["watch"])];
    if platform == Platform::OpenShift {
        let constraints = "securitycontextconstraints";
        speaker.push(named_rule(SECURITY_GROUP, constraints, &[SPEAKER_CONSTRAINTS], &["use"]));
    }
    [
        Grant {
            role: "controller",
            binding: "controller",
            to: &[CONTROLLER],
            rules: controller_namespace_rules(),
        },
        Grant {
            role: "pod-lister",
            binding: "pod-lister",
            to: &[CONTROLLER, SPEAKER],
            rules: shared_namespace_rules(),
        },
        Grant { role: "speaker", binding: "speaker", to: &[SPEAKER], rules: speaker },
    ]
}

fn controller_cluster_rules() -> Vec<PolicyRule> {
    let webhooks = "validatingwebhookconfigurations";
    let crds = "customresourcedefinitions";
    vec![
        rule("", &["services", "namespaces"], READ),
        rule("", &["nodes"], &["list"]),
        rule("", &["services/status"], &["update"]),
        rule("", &["events"], &["create", "patch"]),
        named_rule("admissionregistration.k8s.io", webhooks, &[WEBHOOK_CONFIGURATION], EVERYTHING),
        rule("admissionregistration.k8s.io", &[webhooks], &["list", "watch"]),
        named_rule("apiextensions.k8s.io", crds, &CONFIGURATION_CRDS, EVERYTHING),
        rule("apiextensions.k8s.io", &[crds], &["list", "watch"]),
        rule("metallb.io", &["configurationstates"], EVERYTHING),
        rule("metallb.io", &["configurationstates/status"], &["get", "patch", "update"]),
    ]
}

fn speaker_cluster_rules() -> Vec<PolicyRule> {
    let statuses = [
        "servicel2statuses",
        "servicel2statuses/status",
        "configurationstates",
        "configurationstates/status",
    ];
    let write = ["get", "list", "watch", "create", "update", "delete"];
    vec![
        rule("frrk8s.metallb.io", &["frrconfigurations"], &write),
        rule("metallb.io", &statuses, &["*"]),
        rule("", &["services", "endpoints", "nodes", "namespaces"], READ),
        // The condition `metallb.io/Announced`; without this right Services have none.
        rule("", &["services/status"], &["patch"]),
        rule("discovery.k8s.io", &["endpointslices"], READ),
        rule("", &["events"], &["create", "patch"]),
    ]
}

fn controller_namespace_rules() -> Vec<PolicyRule> {
    let configuration =
        ["bfdprofiles", "bgppeers", "ipaddresspools", "bgpadvertisements", "l2advertisements", "communities"];
    vec![
        // Creating and listing can't be limited to names, and nobody can lead without reading who does.
        rule("coordination.k8s.io", &["leases"], &["create", "get", "list", "update", "watch"]),
        rule("", &["secrets"], EVERYTHING),
        named_rule("", "secrets", &[MEMBERLIST_SECRET], &["list"]),
        named_rule("apps", "deployments", &["controller"], &["get"]),
        rule("metallb.io", &configuration, READ),
        rule("metallb.io", &["ipaddresspools/status"], &["update"]),
    ]
}

fn shared_namespace_rules() -> Vec<PolicyRule> {
    let configuration =
        ["bfdprofiles", "bgppeers", "l2advertisements", "bgpadvertisements", "ipaddresspools", "communities"];
    vec![
        rule("", &["pods"], &["list", "get"]),
        rule("", &["secrets", "configmaps"], READ),
        rule("metallb.io", &configuration, READ),
        rule("metallb.io", &["servicebgpstatuses", "servicebgpstatuses/status"], &["*"]),
    ]
}

pub(crate) fn service_account(component: Component, namespace: &str) -> ServiceAccount {
    ServiceAccount { metadata: in_namespace(component.name(), namespace), ..ServiceAccount::default() }
}

/// Role and binding in the whole cluster.
pub(crate) fn cluster_objects(grant: &Grant, namespace: &str) -> (ClusterRole, ClusterRoleBinding) {
    let role = ClusterRole {
        metadata: in_cluster(grant.role, namespace),
        rules: Some(grant.rules.clone()),
        ..ClusterRole::default()
    };
    let binding = ClusterRoleBinding {
        metadata: in_cluster(grant.binding, namespace),
        role_ref: role_ref("ClusterRole", grant.role),
        subjects: Some(subjects(grant, namespace)),
    };
    (role, binding)
}

/// Role and binding in the operands' namespace.
pub(crate) fn namespace_objects(grant: &Grant, namespace: &str) -> (Role, RoleBinding) {
    let role = Role { metadata: in_namespace(grant.role, namespace), rules: Some(grant.rules.clone()) };
    let binding = RoleBinding {
        metadata: in_namespace(grant.binding, namespace),
        role_ref: role_ref("Role", grant.role),
        subjects: Some(subjects(grant, namespace)),
    };
    (role, binding)
}

pub(crate) fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: RBAC_GROUP.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
}

/// A service account as one who is granted something.
pub(crate) fn subject(name: &str, namespace: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
        api_group: None,
    }
}

fn subjects(grant: &Grant, namespace: &str) -> Vec<Subject> {
    grant.to.iter().map(|account| subject(account, namespace)).collect()
}

fn in_namespace(name: &str, namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels::app()),
        ..ObjectMeta::default()
    }
}

fn in_cluster(name: &str, namespace: &str) -> ObjectMeta {
    let mut labels = labels::app();
    labels.insert(OWNED_BY.to_owned(), namespace.to_owned());
    ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() }
}
