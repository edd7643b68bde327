//! Every rendered object, compared with a file. `METALLB_RECORD=1 cargo test -p metallb-render` records anew.
#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use std::path::{Path, PathBuf};

use metallb_render::{
    Desired, Environment, Install, InstallImages, MemberlistKey, Owner, Platform, Settings, Unanswered,
    build, install, operator_webhooks,
};
use serde_json::{Value, json};

fn environment(extra: &[(&str, &str)]) -> Environment {
    let mandatory = [
        ("OPERATOR_NAMESPACE", "metallb-system"),
        ("CONTROLLER_IMAGE", "example/controller:1"),
        ("SPEAKER_IMAGE", "example/speaker:1"),
    ];
    let variables = mandatory.iter().chain(extra).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Environment::parse(&variables.collect()).unwrap()
}

fn render(spec: Value, extra: &[(&str, &str)]) -> Vec<Value> {
    render_on(Platform::Kubernetes, spec, extra)
}

fn render_on(platform: Platform, spec: Value, extra: &[(&str, &str)]) -> Vec<Value> {
    let environment = environment(extra);
    let spec = serde_json::from_value(spec).unwrap();
    let settings = Settings::parse(&spec, &environment, platform).unwrap();
    let owner = Owner {
        name: "metallb".to_owned(),
        uid: "11111111-2222-3333-4444-555555555555".to_owned(),
        definition: "99999999-8888-7777-6666-555555555555".to_owned(),
    };
    let objects = build(&settings, &environment, &owner, &MemberlistKey::new([7; 16])).unwrap();
    objects.iter().map(|Desired { object, .. }| serde_json::to_value(object).unwrap()).collect()
}

fn workloads(objects: Vec<Value>) -> Vec<Value> {
    objects.into_iter().filter(|o| o["kind"] == "Deployment" || o["kind"] == "DaemonSet").collect()
}

#[track_caller]
fn assert_golden(name: &str, objects: &[Value]) {
    let text: String = objects
        .iter()
        .map(|object| format!("---\n{}\n", serde_saphyr::to_string(object).unwrap().trim_end()))
        .collect();
    let file = golden_file(name);
    if std::env::var_os("METALLB_RECORD").is_some() {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    let difference = recorded.lines().zip(text.lines()).position(|(old, new)| old != new);
    assert!(
        recorded == text,
        "{} differs, first in line {:?}; record anew if meant",
        file.display(),
        difference
    );
}

fn golden_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).with_extension("yaml")
}

#[test]
fn section_2_7_an_empty_spec_renders_as_recorded() {
    assert_golden("default", &render(json!({}), &[]));
}

#[test]
fn the_native_back_end_renders_as_recorded() {
    assert_golden("native", &workloads(render(json!({"bgpBackend": "native"}), &[])));
}

/// What is rendered, without what is also rendered for an empty spec off OpenShift.
fn beyond_default(objects: Vec<Value>) -> Vec<Value> {
    let default = render(json!({}), &[]);
    objects.into_iter().filter(|object| !default.contains(object)).collect()
}

#[test]
fn openshift_renders_as_recorded() {
    assert_golden("openshift", &beyond_default(render_on(Platform::OpenShift, json!({}), &[])));
}

#[test]
fn openshift_with_service_monitors_renders_as_recorded() {
    let objects = render_on(Platform::OpenShift, json!({}), &[("DEPLOY_SERVICEMONITORS", "true")]);
    assert_golden("openshift-service-monitors", &beyond_default(objects));
}

#[test]
fn openshift_keeps_the_annotations_of_the_user() {
    let spec = json!({"speakerConfig": {"annotations": {"mine": "x"}}});
    let objects = workloads(render_on(Platform::OpenShift, spec, &[]));
    let annotations = &objects[1]["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(*annotations, json!({"mine": "x", "openshift.io/required-scc": "metallb-speaker"}));
}

#[test]
fn service_monitors_render_as_recorded() {
    let objects = render(json!({}), &[("DEPLOY_SERVICEMONITORS", "true")]);
    assert_golden("service-monitors", &beyond_default(objects));
}

#[test]
fn pod_monitors_render_as_recorded() {
    assert_golden("pod-monitors", &beyond_default(render(json!({}), &[("DEPLOY_PODMONITORS", "true")])));
}

/// Every field the original has.
fn every_field() -> Value {
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}}});
    let config = |name: &str| {
        json!({
            "priorityClassName": format!("{name}-priority"),
            "runtimeClassName": format!("{name}-runtime"),
            "affinity": affinity,
            "annotations": {"example.com/for": name},
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        })
    };
    json!({
        "image": "ignored",
        "bgpBackend": "native",
        "logLevel": "debug",
        "loadBalancerClass": "example.com/lb",
        "nodeSelector": {"speaker": "yes"},
        "speakerTolerations": [{"key": "s", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
        "controllerNodeSelector": {"controller": "yes"},
        "controllerTolerations": [{"key": "c", "operator": "Equal", "value": "v", "effect": "NoSchedule"}],
        "controllerConfig": config("controller"),
        "speakerConfig": config("speaker"),
    })
}

#[test]
fn every_field_of_the_spec_renders_as_recorded() {
    assert_golden("every-field", &workloads(render(every_field(), &[])));
}

/// Every field the original does not have.
fn every_option() -> Value {
    json!({
        "controllerReplicas": 2,
        "speakerMaxUnavailable": 3,
        "excludedInterfaces": ["^eth9$", "a: \"b\""],
        "imagePullSecrets": [{"name": "registry"}],
        "networkPolicy": {"apiPort": 443},
        "unknownPool": "AnyAutoAssign",
        "livenessPort": 7000,
        "livenessPeriod": 200,
        "snapshotMaxAge": 60,
    })
}

#[test]
fn section_8_17_every_option_renders_as_recorded() {
    assert_golden("options", &beyond_default(render(every_option(), &[])));
}

const TLS: [(&str, &str); 3] = [
    ("TLS_CIPHER_SUITES", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("TLS_CURVE_PREFERENCES", "29,23"),
    ("TLS_MIN_VERSION", "VersionTLS12"),
];

/// The arguments that may be there are all there, and each in its place.
#[test]
fn section_2_7_everything_at_once_on_openshift_renders_as_recorded() {
    let mut spec = every_field();
    spec.as_object_mut().unwrap().extend(every_option().as_object().unwrap().clone());
    spec["bgpBackend"] = json!("frr");
    let extra = [&TLS[..], &[("DEPLOY_SERVICEMONITORS", "true")]].concat();
    assert_golden("openshift-everything", &workloads(render_on(Platform::OpenShift, spec, &extra)));
}

#[test]
fn openshift_with_pod_monitors_renders_as_recorded() {
    let objects = render_on(Platform::OpenShift, json!({}), &[("DEPLOY_PODMONITORS", "true")]);
    assert_golden("openshift-pod-monitors", &beyond_default(objects));
}

#[test]
fn section_4_5_the_operators_webhook_renders_as_recorded() {
    let of =
        |unanswered| operator_webhooks("metallb-system", "99999999-8888-7777-6666-555555555555", unanswered);
    let objects = [Unanswered::Allow, Unanswered::Refuse]
        .map(|it| serde_json::to_value(of(it).unwrap().object).unwrap());
    assert_golden("operator-webhook", &objects);
}

#[test]
fn without_memberlist_nothing_of_it_is_in_the_pods() {
    let objects = render(json!({"memberlistEnabled": false}), &[]);
    let pods: String = workloads(objects).iter().map(ToString::to_string).collect();
    assert!(!pods.to_lowercase().contains("memberlist") && !pods.contains("METALLB_ML_"), "{pods}");
}

#[test]
fn other_patterns_of_interfaces_make_other_speakers() {
    let speaker = |spec| workloads(render(spec, &[])).pop().unwrap();
    let of = |patterns: &[&str]| speaker(json!({"excludedInterfaces": patterns}));
    let all = [speaker(json!({})), of(&[]), of(&["^a$"]), of(&["^a$", "^b$"])];
    for (nth, one) in all.iter().enumerate() {
        assert!(all.iter().skip(nth + 1).all(|other| one["spec"]["template"] != other["spec"]["template"]));
    }
}

#[test]
fn the_resource_decides_over_network_policies_before_the_environment() {
    let has = |spec, extra: &[(&str, &str)]| render(spec, extra).iter().any(|o| o["kind"] == "NetworkPolicy");
    let off = [("DISABLE_NETWORK_POLICIES", "true")];
    assert!(has(json!({"networkPolicy": {"enabled": true}}), &off));
    assert!(!has(json!({"networkPolicy": {"enabled": false}}), &[]));
    assert!(!has(json!({"networkPolicy": {}}), &off));
}

#[test]
fn every_variable_of_the_environment_renders_as_recorded() {
    let extra =
        [("MEMBER_LIST_BIND_PORT", "7947"), ("METRICS_PORT", "9999"), ("OPERAND_LIVENESS_PORT", "17473")];
    let extra = [&extra[..], &TLS].concat();
    assert_golden("every-variable", &workloads(render(json!({}), &extra)));
}

#[test]
fn section_4_the_installation_renders_as_recorded() {
    let objects = install(&Install {
        namespace: "metallb-system".to_owned(),
        images: InstallImages {
            operator: "example/operator:1".to_owned(),
            controller: "example/controller:1".to_owned(),
            speaker: "example/speaker:1".to_owned(),
        },
        crds: Vec::new(),
    });
    assert_golden("install", &objects.unwrap());
}
