//! What the operator may do: its own work, and everything it grants to others.
//!
//! Kubernetes lets nobody grant what he does not hold himself, so the operands' rules appear here word for word.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::names::WEBHOOK_CONFIGURATION;
use serde_json::Value;

use super::{OPERATOR_DEPLOYMENT, SERVICE_ACCOUNT, json, named};
use crate::backend::Platform;
use crate::build::DEFINITION;
use crate::environment::Monitors;
use crate::kinds::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES};
use crate::labels::FRR_K8S_WEBHOOKS;
use crate::monitors;
use crate::openshift::{CONFIG_GROUP, SECURITY_GROUP, SPEAKER_CONSTRAINTS};
use crate::operator_webhooks::OPERATOR_WEBHOOK_CONFIGURATION;
use crate::rbac::{Grant, cluster_grants, named_rule, namespace_grants, role_ref, rule, subject};

const READ: &[&str] = &["get", "list", "watch"];
const ROLE: &str = "metallb-manager-role";
const BINDING: &str = "metallb-manager-rolebinding";
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const WEBHOOKS: &str = "validatingwebhookconfigurations";
const CONSTRAINTS: &str = "securitycontextconstraints";

/// What keeping an object takes: see it, make it, change it, and delete it when it is no longer wanted. When everything
/// goes, that is left to the garbage collector.
const KEEP: &[&str] = &["create", "delete", "get", "list", "patch", "watch"];

pub(super) fn objects(namespace: &str) -> Result<[Value; 4], serde_json::Error> {
    let in_cluster = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let subjects = Some(vec![subject(SERVICE_ACCOUNT, namespace)]);
    let cluster_role =
        ClusterRole { metadata: in_cluster(ROLE), rules: Some(cluster_rules()), ..ClusterRole::default() };
    let cluster_binding = ClusterRoleBinding {
        metadata: in_cluster(BINDING),
        role_ref: role_ref("ClusterRole", ROLE),
        subjects: subjects.clone(),
    };
    let role = Role { metadata: named(ROLE, namespace), rules: Some(namespace_rules()) };
    let binding =
        RoleBinding { metadata: named(BINDING, namespace), role_ref: role_ref("Role", ROLE), subjects };
    Ok([json(&cluster_role)?, json(&cluster_binding)?, json(&role)?, json(&binding)?])
}

pub(super) fn cluster_rules() -> Vec<PolicyRule> {
    let grants = cluster_grants(Monitors::Pods);
    // Creating and listing can't be limited to names; changing and deleting can.
    let by_name = ["get", "patch", "delete"];
    let mut rules = vec![
        rule("metallb.io", &["metallbs"], &["list", "watch"]),
        rule("metallb.io", &["metallbs/status"], &["patch"]),
        // Asked of whoever makes an object belong to a MetalLB resource.
        rule("metallb.io", &["metallbs/finalizers"], &["update"]),
        rule(RBAC, &["clusterroles", "clusterrolebindings"], &["create", "list", "watch"]),
        named_rule(RBAC, "clusterroles", &CLUSTER_ROLES, &by_name),
        named_rule(RBAC, "clusterrolebindings", &CLUSTER_ROLE_BINDINGS, &by_name),
        rule(ADMISSION, &[WEBHOOKS], &["create", "list", "watch"]),
        named_rule(ADMISSION, WEBHOOKS, &[WEBHOOK_CONFIGURATION], &by_name),
        // OpenShift lets nobody change the owner of what he may not delete: the original's has none.
        named_rule(ADMISSION, WEBHOOKS, &[OPERATOR_WEBHOOK_CONFIGURATION], &by_name),
        named_rule(ADMISSION, WEBHOOKS, &[FRR_K8S_WEBHOOKS], &["get", "delete"]),
        // The owner of what is outside of namespaces.
        named_rule("apiextensions.k8s.io", "customresourcedefinitions", &[DEFINITION], &["get"]),
        // Whether another MetalLB runs, where there is a resource for one: listed by name, since all may be listed by the original.
        named_rule("apps", "deployments", &["controller", OPERATOR_DEPLOYMENT], &["list"]),
        rule(CONFIG_GROUP, &["apiservers"], READ),
        rule(SECURITY_GROUP, &[CONSTRAINTS], &["create", "list", "watch"]),
        named_rule(SECURITY_GROUP, CONSTRAINTS, &[SPEAKER_CONSTRAINTS], &by_name),
    ];
    rules.extend(granted(&grants));
    rules
}

pub(super) fn namespace_rules() -> Vec<PolicyRule> {
    let mut rules = vec![
        rule("", &["configmaps", "secrets", "serviceaccounts", "services"], KEEP),
        // Listed to say what keeps pods away.
        rule("", &["events"], &["create", "list", "patch"]),
        rule("", &["pods"], &["list"]),
        rule("apps", &["daemonsets", "deployments"], KEEP),
        // Who of several operators works, and what controllers leave behind.
        rule("coordination.k8s.io", &["leases"], &["create", "delete", "get", "list", "update", "watch"]),
        rule("networking.k8s.io", &["networkpolicies"], KEEP),
        rule("policy", &["poddisruptionbudgets"], KEEP),
        rule(monitors::GROUP, &["podmonitors", "servicemonitors"], KEEP),
        rule(RBAC, &["roles", "rolebindings"], KEEP),
    ];
    rules.extend(granted(&namespace_grants(Platform::OpenShift)));
    rules
}

fn granted(grants: &[Grant]) -> impl Iterator<Item = PolicyRule> {
    grants.iter().flat_map(|grant| grant.rules.iter().cloned())
}
