use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::json;

use super::*;
use crate::backend::Platform;
use crate::environment::Monitors;
use crate::kinds::kinds;
use crate::operator_webhooks::OPERATOR_WEBHOOK_CONFIGURATION;
use crate::rbac::tests::{gives, rights_of};
use crate::rbac::{cluster_grants, namespace_grants};

fn manifest() -> Vec<Value> {
    install(&Install {
        namespace: "metallb-system".to_owned(),
        images: InstallImages {
            operator: "example/operator:1".to_owned(),
            controller: "example/controller:1".to_owned(),
            speaker: "example/speaker:1".to_owned(),
        },
        crds: vec![json!({"kind": "CustomResourceDefinition", "metadata": {"name": "metallbs.metallb.io"}})],
    })
    .unwrap()
}

#[test]
fn one_apply_in_this_order_works() {
    let kinds: Vec<String> = manifest().iter().map(|o| o["kind"].as_str().unwrap().to_owned()).collect();
    let expected = [
        "Namespace",
        "CustomResourceDefinition",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
    ];
    assert_eq!(kinds, expected);
}

/// Whoever has something under such a name should know before he applies anything.
#[test]
fn every_name_outside_of_namespaces_stands_in_the_docs() {
    let docs = include_str!("../../../../../docs/operator.md");
    let (_, named) = docs.split_once("Names outside of namespaces are fixed").unwrap();
    let (named, _) = named.split_once("\n\n").unwrap();
    let manifest = manifest();
    let is_ours = |object: &&Value| {
        object["metadata"]["namespace"].is_null()
            && !["Namespace", "CustomResourceDefinition"].iter().any(|kind| object["kind"] == *kind)
    };
    let installed = manifest.iter().filter(is_ours);
    let installed = installed.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned());
    let kept = kinds(Platform::OpenShift).into_iter().flat_map(|kind| kind.names);
    let kept = kept.map(|name| (*name).to_owned());
    let names: Vec<String> =
        installed.chain(kept).chain([OPERATOR_WEBHOOK_CONFIGURATION.to_owned()]).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(named.contains(&format!("`{name}`")), "docs/operator.md lacks {name}");
    }
}

#[test]
fn the_images_given_are_the_images_used() {
    let manifest = manifest();
    let container = &manifest.last().unwrap()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "example/operator:1");
    assert_eq!(container["env"][0], json!({"name": "SPEAKER_IMAGE", "value": "example/speaker:1"}));
    assert_eq!(container["env"][1], json!({"name": "CONTROLLER_IMAGE", "value": "example/controller:1"}));
}

#[test]
fn the_operator_holds_every_right_it_grants() {
    let cluster = rights::cluster_rules();
    let mut namespace = rights::namespace_rules();
    namespace.extend(cluster.clone());
    for (grants, held) in [
        (cluster_grants(Monitors::Pods), &cluster),
        (Vec::from(namespace_grants(Platform::OpenShift)), &namespace),
    ] {
        for right in grants.iter().flat_map(|grant| &grant.rules).flat_map(rights_of) {
            assert!(held.iter().any(|rule| gives(rule, &right)), "not held: {right:?}");
        }
    }
}

#[test]
fn the_right_to_read_metrics_is_held_to_be_granted() {
    let urls = |rule: &PolicyRule| rule.non_resource_urls.clone();
    assert!(rights::cluster_rules().iter().any(|rule| urls(rule) == Some(vec!["/metrics".to_owned()])));
}

/// What the profile `restricted` of Kubernetes' Pod Security Standards asks of a pod.
#[test]
fn section_8_9_the_operators_pod_keeps_to_the_restricted_profile() {
    let manifest = manifest();
    let pod = &manifest.last().unwrap()["spec"]["template"]["spec"];
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[field].is_null(), "{field}");
    }
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    let allowed = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for volume in volumes {
        assert!(allowed.iter().any(|kind| !volume[kind].is_null()), "{volume}");
    }
    let context = &pod["securityContext"];
    assert_eq!(context["runAsNonRoot"], true);
    // OpenShift's constraints refuse whoever chooses, and choose themselves.
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert!(context[field].is_null(), "{field}");
    }
    assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
    assert!(context["seLinuxOptions"].is_null() && context["sysctls"].is_null());
    for container in pod["containers"].as_array().unwrap() {
        let own = &container["securityContext"];
        assert_eq!(own["allowPrivilegeEscalation"], false);
        assert_eq!(own["capabilities"], json!({"drop": ["ALL"]}));
        for field in ["privileged", "procMount", "runAsUser", "runAsNonRoot", "seccompProfile"] {
            assert!(own[field].is_null(), "{field}");
        }
        let ports = container["ports"].as_array().unwrap();
        assert!(ports.iter().all(|port| port["hostPort"].is_null()), "{ports:?}");
    }
    assert!(pod["initContainers"].is_null());
}

#[test]
fn section_8_8_secrets_and_network_policies_are_held_in_the_namespace_alone_and_no_pod_may_be_deleted() {
    for rule in rights::cluster_rules() {
        let all: Vec<&String> = rule.resources.iter().flatten().collect();
        for resource in ["secrets", "networkpolicies", "podsecuritypolicies"] {
            assert!(!all.iter().any(|word| *word == resource), "{rule:?}");
        }
    }
    for rule in rights::cluster_rules().iter().chain(&rights::namespace_rules()) {
        let pods = rule.resources.iter().flatten().any(|word| word == "pods");
        assert!(
            !pods || rule.verbs.iter().all(|verb| ["get", "list", "watch"].contains(&verb.as_str())),
            "{rule:?}"
        );
    }
}

#[test]
fn no_right_is_held_on_every_resource_or_group() {
    for rule in rights::cluster_rules().iter().chain(&rights::namespace_rules()) {
        let words = rule.api_groups.iter().chain(&rule.resources).flatten();
        assert!(words.into_iter().all(|word| word != "*"), "{rule:?}");
    }
}
