use metallb_api::MetalLBSpec;
use serde_json::{Value, json};

use super::*;
use crate::backend::Platform;
use crate::desired::Mode;

mod speakers;

fn built(spec: Value, extra: &[(&str, &str)]) -> Vec<Desired> {
    built_on(Platform::Kubernetes, spec, extra)
}

fn built_on(platform: Platform, spec: Value, extra: &[(&str, &str)]) -> Vec<Desired> {
    build_with(platform, spec, &environment(extra))
}

fn environment(extra: &[(&str, &str)]) -> Environment {
    let mandatory = [
        ("OPERATOR_NAMESPACE", "metallb-system"),
        ("CONTROLLER_IMAGE", "example/controller:1"),
        ("SPEAKER_IMAGE", "example/speaker:1"),
    ];
    let variables = mandatory.iter().chain(extra).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Environment::parse(&variables.collect()).unwrap()
}

fn build_with(platform: Platform, spec: Value, environment: &Environment) -> Vec<Desired> {
    let spec: MetalLBSpec = serde_json::from_value(spec).unwrap();
    let settings = Settings::parse(&spec, environment, platform).unwrap();
    let owner = Owner {
        name: "metallb".to_owned(),
        uid: "the-uid".to_owned(),
        definition: "the-uid-of-the-definition".to_owned(),
    };
    build(&settings, environment, &owner, &MemberlistKey::new([7; 16])).unwrap()
}

fn names(objects: &[Desired]) -> Vec<String> {
    objects.iter().map(ToString::to_string).collect()
}

fn pod_of<'a>(objects: &'a [Desired], kind: &str) -> &'a Value {
    let workload = objects.iter().find(|object| object.resource.kind == kind).unwrap();
    &workload.object.data["spec"]["template"]["spec"]
}

#[test]
fn rights_come_before_pods_and_the_controller_before_the_speakers() {
    let expected = [
        "NetworkPolicy metallb-system/controller",
        "NetworkPolicy metallb-system/metallb-operator-controller-manager",
        "ServiceAccount metallb-system/controller",
        "ServiceAccount metallb-system/speaker",
        "Secret metallb-system/metallb-memberlist",
        "Secret metallb-system/metallb-webhook-cert",
        "ConfigMap metallb-system/metallb-excludel2",
        "ClusterRole metallb-system:controller",
        "ClusterRoleBinding metallb-system:controller",
        "ClusterRole metallb-system:speaker",
        "ClusterRoleBinding metallb-system:speaker",
        "ClusterRole metallb-system:kube-rbac-proxy",
        "ClusterRoleBinding kube-rbac-proxy",
        "Role metallb-system/controller",
        "RoleBinding metallb-system/controller",
        "Role metallb-system/pod-lister",
        "RoleBinding metallb-system/pod-lister",
        "Role metallb-system/speaker",
        "RoleBinding metallb-system/speaker",
        "Service metallb-system/metallb-webhook-service",
        "Deployment metallb-system/controller",
        "DaemonSet metallb-system/speaker",
        "ValidatingWebhookConfiguration metallb-webhook-configuration",
    ];
    assert_eq!(names(&built(json!({}), &[])), expected);
}

#[test]
fn every_object_in_the_namespace_belongs_to_the_resource_and_every_other_to_the_definition() {
    let owner = json!([{
        "apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "name": "metallb", "uid": "the-uid",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    // A controller it would be of the resources of its kind; nor does anybody wait for these.
    let definition = json!([{
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "name": "metallbs.metallb.io",
        "uid": "the-uid-of-the-definition",
    }]);
    let all = [&[][..], &[SERVICES], &[PODS]].map(|extra| built_on(Platform::OpenShift, json!({}), extra));
    for object in all.into_iter().flatten() {
        let metadata = serde_json::to_value(&object.object.metadata).unwrap();
        match object.namespace() {
            Some(_) => assert_eq!(metadata["ownerReferences"], owner, "{object}"),
            None => {
                assert_eq!(metadata["ownerReferences"], definition, "{object}");
                assert_eq!(metadata["labels"]["metallb.io/owned-by"], "metallb-system", "{object}");
            }
        }
    }
}

#[test]
fn only_the_memberlist_key_is_chosen_once_and_kept_while_it_is_not_used() {
    for spec in [json!({}), json!({"memberlistEnabled": false})] {
        let objects = built(spec.clone(), &[]);
        let once = objects.iter().filter(|object| object.mode == Mode::CreateOnce).map(ToString::to_string);
        let once: Vec<String> = once.collect();
        assert_eq!(once, ["Secret metallb-system/metallb-memberlist"], "{spec}");
    }
}

#[test]
fn network_policies_can_be_switched_off() {
    let off: (Value, &[(&str, &str)]) = (json!({}), &[("DISABLE_NETWORK_POLICIES", "true")]);
    for (spec, extra) in [off, (json!({"networkPolicy": {"enabled": false, "apiPort": 443}}), &[])] {
        let objects = built(spec.clone(), extra);
        assert!(objects.iter().all(|object| object.resource.kind != "NetworkPolicy"), "{spec}");
    }
}

#[test]
fn the_operator_is_not_kept_from_an_api_server_nobody_tells_where_it_is() {
    let named = |host| vec![("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", "443")];
    for (variables, expected) in [
        (named("10.96.0.1"), 2),
        (named("fd00:96::1"), 2),
        (named(""), 2),
        (named("cluster.example.net"), 1),
        (vec![("KUBECONFIG", "/etc/kubeconfig")], 1),
    ] {
        let objects = built(json!({}), &variables);
        let policies = objects.iter().filter(|object| object.resource.kind == "NetworkPolicy").count();
        assert_eq!(policies, expected, "{variables:?}");
    }
}

#[test]
fn the_service_of_the_api_server_is_opened_at_its_address_alone_and_names_can_be_looked_up() {
    let usual = json!({"ports": [{"port": 6443, "protocol": "TCP"}]});
    let at = |block: &str| json!({"ports": [{"port": 443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": block}}]});
    let both = json!({"ports": [{"port": 6443, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}]});
    let names = json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"},
        {"port": 5353, "protocol": "UDP"}, {"port": 5353, "protocol": "TCP"}]});
    for (host, port, expected) in [
        ("10.96.0.1", "443", json!([usual, at("10.96.0.1/32")])),
        ("fd00:96::1", "443", json!([usual, at("fd00:96::1/128")])),
        ("10.96.0.1", "6443", json!([usual])),
        ("cluster.example.net", "443", json!([both, names])),
        ("", "443", json!([usual])),
    ] {
        let variables = [("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", port)];
        let objects = built(json!({}), &variables);
        let policies = objects.iter().filter(|object| object.resource.kind == "NetworkPolicy");
        for policy in policies {
            assert_eq!(policy.object.data["spec"]["egress"], expected, "{host} {port} {policy}");
        }
    }
}

/// Pods, opened ports of others, and opened ports of the pods, of each NetworkPolicy.
fn policies(spec: Value, api_ports: &[u16], metrics: Option<u16>) -> Vec<(Value, Vec<Value>, Vec<Value>)> {
    let mut environment = environment(&[]);
    environment.api_ports = api_ports.iter().copied().collect();
    environment.operator_metrics = metrics;
    let objects = build_with(Platform::Kubernetes, spec, &environment);
    let policies = objects.iter().filter(|object| object.resource.kind == "NetworkPolicy");
    let ports = |rules: &Value| {
        let ports = rules[0]["ports"].as_array().unwrap().iter();
        ports.map(|port| (&port["protocol"] == "TCP").then(|| port["port"].clone()).unwrap()).collect()
    };
    policies
        .map(|policy| {
            let spec = &policy.object.data["spec"];
            assert_eq!(spec["policyTypes"], json!(["Egress", "Ingress"]));
            (spec["podSelector"]["matchLabels"].clone(), ports(&spec["egress"]), ports(&spec["ingress"]))
        })
        .collect()
}

#[test]
fn section_4_6_the_operators_policy_opens_the_webhook_the_metrics_and_the_api_server() {
    let usual: &[u16] = &[];
    let asked = json!({"networkPolicy": {"apiPort": 7443}});
    for (spec, known, metrics, of_controller, of_operator) in [
        (json!({}), usual, None, &[6443][..], &[6443][..]),
        (json!({}), &[443], None, &[6443, 443], &[6443, 443]),
        (json!({}), &[443, 6443, 16443], Some(8443), &[6443, 443, 16443], &[6443, 443, 16443]),
        // Wrong, it is to keep nobody from putting it right.
        (asked, &[443], Some(8443), &[7443], &[6443, 443, 7443]),
    ] {
        let pods = |component: &str| json!({"app": "metallb", "component": component});
        let ports = |ports: &[i32]| ports.iter().map(|port| json!(port)).collect::<Vec<_>>();
        let served = [json!(9443)].into_iter().chain(metrics.map(|port| json!(port))).collect();
        let expected = [
            (pods("controller"), ports(of_controller), vec![json!("metricshttps"), json!("webhook-server")]),
            (
                json!({"control-plane": "controller-manager", "metallb.io/component": "operator"}),
                ports(of_operator),
                served,
            ),
        ];
        assert_eq!(policies(spec.clone(), known, metrics), expected, "{spec} {known:?}");
    }
}

#[test]
fn the_operator_does_not_shut_itself_in_where_nothing_is_known_of_the_api_server() {
    let variables = [("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];
    for (spec, ports) in
        [(json!({}), &[6443, 443, 16443][..]), (json!({"networkPolicy": {"apiPort": 7443}}), &[443, 7443])]
    {
        let mut environment = environment(&variables);
        (environment.api_is_hidden, environment.api_ports) = (true, [16443].into());
        let objects = build_with(Platform::Kubernetes, spec, &environment);
        let policies = objects.iter().filter(|object| object.resource.kind == "NetworkPolicy");
        let told: Vec<_> =
            policies.map(|policy| (policy.name(), policy.object.data["spec"]["egress"].clone())).collect();
        let ports: Vec<Value> = ports.iter().map(|port| json!({"port": port, "protocol": "TCP"})).collect();
        assert_eq!(
            told,
            [("controller", json!([{"ports": ports}]))],
            "what may be behind the Service as well"
        );
    }
}

/// Every operator that was made with the same tools has the label by which ours is selected, maybe in the same namespace.
#[test]
fn the_operators_policy_is_about_the_pods_of_its_deployment_and_no_other() {
    let image = || "x".to_owned();
    let images = crate::InstallImages { operator: image(), controller: image(), speaker: image() };
    let install = crate::Install { namespace: "ns".to_owned(), images, crds: Vec::new() };
    let manifest = crate::install(&install).unwrap();
    let spec = &manifest.last().unwrap()["spec"];
    let guarded = policies(json!({}), &[], None)[1].0.clone();
    assert_eq!(guarded, spec["template"]["metadata"]["labels"]);
    assert_ne!(guarded, spec["selector"]["matchLabels"]);
}

#[test]
fn each_back_end_runs_one_speaker_container_that_knows_its_name() {
    for (backend, bgp_type) in [("native", None), ("frr", Some("frr"))] {
        let objects = built(json!({"bgpBackend": backend}), &[]);
        for kind in ["Deployment", "DaemonSet"] {
            let containers = pod_of(&objects, kind)["containers"].as_array().unwrap();
            assert_eq!(containers.len(), 1, "{backend}");
            let variables = containers[0]["env"].as_array().unwrap();
            let told = variables.iter().find(|variable| variable["name"] == "METALLB_BGP_TYPE");
            assert_eq!(
                told.map(|variable| variable["value"].as_str().unwrap()),
                bgp_type,
                "{backend} {kind}"
            );
        }
    }
}

#[test]
fn the_user_wins_over_the_built_in_node_selector() {
    let objects = built(json!({"nodeSelector": {"kubernetes.io/os": "windows", "a": "b"}}), &[]);
    let selector = &pod_of(&objects, "DaemonSet")["nodeSelector"];
    assert_eq!(*selector, json!({"kubernetes.io/os": "windows", "a": "b"}));
}

#[test]
fn section_1_2_every_log_level_reaches_both_as_it_is_written() {
    for level in ["all", "debug", "info", "warn", "error", "none"] {
        let objects = built(json!({"logLevel": level}), &[]);
        for kind in ["Deployment", "DaemonSet"] {
            let args = &pod_of(&objects, kind)["containers"][0]["args"];
            assert_eq!(args[2], format!("--log-level={level}"), "{kind}");
        }
    }
}

#[test]
fn section_9_each_kind_is_reviewed_under_the_names_and_paths_of_the_original() {
    let objects = built(json!({}), &[]);
    let found =
        objects.iter().find(|object| object.resource.kind == "ValidatingWebhookConfiguration").unwrap();
    let webhooks = found.object.data["webhooks"].as_array().unwrap();
    let told = webhooks.iter().map(|webhook| {
        let rule = &webhook["rules"][0];
        let words = |field: &str| {
            let words = rule[field].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
            words.collect::<Vec<_>>().join(",")
        };
        let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap();
        let name = webhook["name"].as_str().unwrap();
        format!("{name} {path} {}/{} {}", words("apiVersions"), words("resources"), words("operations"))
    });
    let expected = [
        "bgppeersvalidationwebhook.metallb.io /validate-metallb-io-v1beta2-bgppeer v1beta2/bgppeers CREATE,UPDATE",
        "bgpadvertisementvalidationwebhook.metallb.io /validate-metallb-io-v1beta1-bgpadvertisement v1beta1/bgpadvertisements CREATE,UPDATE",
        "bfdprofilevalidationwebhook.metallb.io /validate-metallb-io-v1beta1-bfdprofile v1beta1/bfdprofiles CREATE,DELETE",
        "communityvalidationwebhook.metallb.io /validate-metallb-io-v1beta1-community v1beta1/communities CREATE,UPDATE",
        "ipaddresspoolvalidationwebhook.metallb.io /validate-metallb-io-v1beta1-ipaddresspool v1beta1/ipaddresspools CREATE,UPDATE",
        "l2advertisementvalidationwebhook.metallb.io /validate-metallb-io-v1beta1-l2advertisement v1beta1/l2advertisements CREATE,UPDATE",
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    for webhook in webhooks {
        assert_eq!(webhook["failurePolicy"], "Fail");
        assert_eq!(webhook["sideEffects"], "None");
        assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]));
        assert!(webhook["clientConfig"].get("caBundle").is_none(), "the controller's to write");
    }
}

const SERVICES: (&str, &str) = ("DEPLOY_SERVICEMONITORS", "true");
const PODS: (&str, &str) = ("DEPLOY_PODMONITORS", "true");

/// What is built more than without these variables.
fn added_by(platform: Platform, extra: &[(&str, &str)]) -> Vec<String> {
    let before = names(&built(json!({}), &[]));
    let mut names = names(&built_on(platform, json!({}), extra));
    names.retain(|name| !before.contains(name));
    names
}

#[test]
fn section_2_5_monitors_and_constraints_come_only_when_asked_for() {
    let (vanilla, openshift) = (Platform::Kubernetes, Platform::OpenShift);
    let of_services = [
        "Service metallb-system/controller-monitor-service",
        "Service metallb-system/speaker-monitor-service",
        "ServiceMonitor metallb-system/controller-monitor",
        "ServiceMonitor metallb-system/speaker-monitor",
    ];
    let constraints = "SecurityContextConstraints metallb-speaker";
    assert_eq!(added_by(vanilla, &[SERVICES]), of_services);
    assert_eq!(added_by(openshift, &[]), [constraints]);
    assert_eq!(added_by(openshift, &[SERVICES]), [&[constraints], &of_services[..]].concat());
    let of_pods = [
        "ServiceAccount metallb-system/metrics-reader",
        "Secret metallb-system/metrics-token",
        "ClusterRole metrics-reader",
        "ClusterRoleBinding metrics-reader",
        "PodMonitor metallb-system/controller",
        "PodMonitor metallb-system/speaker",
    ];
    assert_eq!(added_by(vanilla, &[PODS]), of_pods);
}

#[test]
fn section_8_7_pod_monitors_select_the_pods_there_are() {
    let objects = built(json!({}), &[PODS]);
    for kind in ["Deployment", "DaemonSet"] {
        let workload = objects.iter().find(|object| object.resource.kind == kind).unwrap();
        let monitor = objects
            .iter()
            .find(|object| object.resource.kind == "PodMonitor" && object.name() == workload.name())
            .unwrap();
        let (labels, chosen) =
            (&workload.object.data["spec"]["template"]["metadata"]["labels"], &monitor.object.data);
        assert_eq!(*labels, chosen["spec"]["selector"]["matchLabels"], "{kind}");
    }
}

#[test]
fn section_8_7_a_job_label_is_one_that_is_there() {
    for (extra, labels) in [(SERVICES, "/metadata/labels"), (PODS, "/spec/template/metadata/labels")] {
        let objects = built(json!({}), &[extra]);
        let objects: Vec<Value> =
            objects.iter().map(|desired| serde_json::to_value(&desired.object).unwrap()).collect();
        let kind = |object: &Value| object["kind"].as_str().unwrap().to_owned();
        let monitors: Vec<&Value> =
            objects.iter().filter(|object| kind(object).ends_with("Monitor")).collect();
        assert_eq!(monitors.len(), 2);
        for monitor in monitors {
            let selector = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
            let is_selected = |labels: &&Value| selector.iter().all(|(name, value)| labels[name] == *value);
            let selected = objects.iter().filter_map(|object| object.pointer(labels)).find(is_selected);
            let job = monitor["spec"]["jobLabel"].as_str();
            assert!(job.is_none_or(|job| selected.unwrap().get(job).is_some()), "{monitor}");
        }
    }
}

#[test]
fn section_8_11_no_pod_waits_for_a_certificate_that_nobody_makes() {
    let mounts = |platform, extra: &[(&str, &str)]| {
        let objects = built_on(platform, json!({}), extra);
        ["Deployment", "DaemonSet"].map(|kind| pod_of(&objects, kind).to_string().contains("-certs-secret"))
    };
    assert_eq!(mounts(Platform::OpenShift, &[]), [false, false]);
    assert_eq!(mounts(Platform::Kubernetes, &[SERVICES]), [false, false]);
    assert_eq!(mounts(Platform::OpenShift, &[SERVICES]), [true, true]);
}

#[test]
fn every_kind_that_is_built_is_known_to_the_inventory() {
    for platform in [Platform::Kubernetes, Platform::OpenShift] {
        let known = crate::kinds(platform);
        for extra in [&[][..], &[SERVICES], &[PODS]] {
            for object in built_on(platform, json!({}), extra) {
                let kind = known.iter().find(|kind| kind.resource == object.resource);
                let kind = kind.unwrap_or_else(|| panic!("{object} is not in the inventory"));
                assert_eq!(kind.namespaced, object.namespace().is_some(), "{object}");
                assert!(kind.namespaced || kind.names.contains(&object.name()), "{object} would never go");
                let types = object.object.types.as_ref().unwrap();
                assert_eq!(
                    (&types.kind, &types.api_version),
                    (&kind.resource.kind, &kind.resource.api_version)
                );
            }
        }
    }
}

#[test]
fn a_speaker_asks_for_a_share_of_the_cpu_unless_the_user_says_what_it_asks_for() {
    let share = json!({"requests": {"cpu": "50m"}});
    for (spec, speaker) in [
        (json!({}), share),
        (json!({"speakerConfig": {"resources": {}}}), json!({})),
        (
            json!({"speakerConfig": {"resources": {"limits": {"memory": "99Mi"}}}}),
            json!({"limits": {"memory": "99Mi"}}),
        ),
    ] {
        let objects = built(spec.clone(), &[]);
        let resources = |kind: &str| pod_of(&objects, kind)["containers"][0].get("resources").cloned();
        assert_eq!(resources("DaemonSet"), Some(speaker), "{spec}");
        assert_eq!(resources("Deployment"), None, "{spec}");
    }
}

/// The API server lets nobody change a selector: another one would mean another workload, and a gap between them.
#[test]
fn section_2_6_labels_and_selectors_are_those_of_every_release() {
    let objects = built(json!({}), &[]);
    for (kind, name) in [("Deployment", "controller"), ("DaemonSet", "speaker")] {
        let workload = objects.iter().find(|object| object.resource.kind == kind).unwrap();
        assert_eq!(workload.name(), name);
        let spec = &workload.object.data["spec"];
        let pods = json!({"app": "metallb", "component": name});
        assert_eq!(spec["selector"], json!({"matchLabels": pods}), "{kind}");
        assert_eq!(spec["template"]["metadata"]["labels"], pods, "{kind}");
        let own = json!({"helm.sh/chart": "metallb-0.0.0", "app": "metallb", "component": name,
            "app.kubernetes.io/version": "v0.0.0", "app.kubernetes.io/managed-by": "Helm"});
        assert_eq!(json!(workload.object.metadata.labels), own, "{kind}");
    }
    let members = pod_of(&objects, "DaemonSet")["containers"][0]["env"].as_array().unwrap();
    let filter = members.iter().find(|variable| variable["name"] == "METALLB_ML_LABELS").unwrap();
    assert_eq!(filter["value"], "app=metallb,component=speaker");
}

#[test]
fn section_2_4_images_go_through_as_they_were_given() {
    for image in ["r/x:1@sha256:ab", "r/x@sha256:ab", "registry:5000/x", "registry:5000/x:1"] {
        let objects = built(json!({}), &[("CONTROLLER_IMAGE", image), ("SPEAKER_IMAGE", image)]);
        for kind in ["Deployment", "DaemonSet"] {
            assert_eq!(pod_of(&objects, kind)["containers"][0]["image"], image, "{kind}");
        }
    }
}

/// What the service CA of OpenShift makes for these objects.
fn certificates(objects: &[Desired]) -> Vec<String> {
    let annotation = "service.beta.openshift.io/serving-cert-secret-name";
    let services = objects.iter().filter(|object| object.resource.kind == "Service");
    services
        .filter_map(|object| object.object.metadata.annotations.as_ref()?.get(annotation).cloned())
        .collect()
}

#[test]
fn section_8_11_no_pod_waits_for_a_secret_or_config_map_that_nobody_makes() {
    for platform in [Platform::Kubernetes, Platform::OpenShift] {
        for extra in [&[][..], &[SERVICES], &[PODS]] {
            let objects = built_on(platform, json!({}), extra);
            let is_made = |kind: &str, name: &str| {
                objects.iter().any(|object| object.resource.kind == kind && object.name() == name)
                    || kind == "Secret" && certificates(&objects).iter().any(|secret| secret == name)
            };
            let volumes = ["Deployment", "DaemonSet"].map(|kind| pod_of(&objects, kind)["volumes"].clone());
            let volumes: Vec<&Value> = volumes.iter().flat_map(|list| list.as_array().unwrap()).collect();
            assert!(volumes.len() > 3, "{volumes:?}");
            for volume in volumes {
                let needed = [("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")];
                for (kind, source, field) in needed {
                    let Some(name) = volume[source][field].as_str() else { continue };
                    let is_optional = volume[source]["optional"] == true;
                    assert!(is_optional || is_made(kind, name), "{volume} on {platform:?} with {extra:?}");
                }
            }
        }
    }
}

/// It is for a process of its own, which here is none: the controller answers webhooks, with its own settings.
#[test]
fn section_3_2_no_config_map_of_tls_settings_is_made() {
    for platform in [Platform::Kubernetes, Platform::OpenShift] {
        let names = names(&built_on(platform, json!({}), &[("TLS_MIN_VERSION", "VersionTLS12")]));
        assert!(!names.iter().any(|name| name.contains("metallb-tls-config")), "{names:?}");
    }
}
