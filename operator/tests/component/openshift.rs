use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use metallb_operator::disposition::Disposition;
use metallb_operator::operator::Report;
use metallb_operator::platform::detect;
use metallb_render::{ApiServer, Platform};
use metallb_telemetry::health::Health;
use serde_json::json;

use crate::scenario::{AVAILABLE, NAMESPACE, Scenario};

fn openshift() -> Scenario {
    let mut scenario = Scenario::with_resource();
    scenario.operator.platform = Platform::OpenShift;
    scenario
}

#[tokio::test]
async fn the_speakers_constraints_come_and_go_with_the_resource() {
    let scenario = openshift();
    scenario.settle().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
    assert!(scenario.objects().contains(&"SecurityContextConstraints metallb-speaker".to_owned()));
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());

    let scenario = openshift();
    scenario.settle().await;
    scenario.server.remove::<metallb_api::MetalLB>(Some(NAMESPACE), "metallb");
    scenario.pass().await;
    assert_eq!(scenario.objects(), [""; 0]);
}

#[tokio::test]
async fn native_is_refused_on_openshift_with_the_words_of_the_original() {
    let scenario = openshift();
    scenario.put("metallb", &json!({"bgpBackend": "native"}));
    scenario.pass().await;
    let told = scenario.told("metallb");
    assert!(told[0].contains("native mode is not supported on openshift"), "{told:?}");
}

/// A client of a server that fails once and then serves these groups.
fn serving(groups: &'static [&'static str]) -> kube::Client {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let asked = std::sync::Arc::new(asked);
    let service = tower::service_fn(move |_: http::Request<kube::client::Body>| {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        async move {
            if first {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
            }
            let groups: Vec<_> = groups
                .iter()
                .map(|name| {
                    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
                    json!({"name": name, "versions": [version], "preferredVersion": version})
                })
                .collect();
            let list = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}).to_string();
            Ok(http::Response::new(kube::client::Body::from(list.into_bytes())))
        }
    });
    kube::Client::new(service, "metallb-system")
}

#[tokio::test(start_paused = true)]
async fn section_2_1_routes_and_constraints_tell_openshift_and_a_failure_to_ask_is_waited_out() {
    for (groups, platform) in [
        (&["apps", "route.openshift.io", "security.openshift.io"][..], Platform::OpenShift),
        // Routes alone: no constraints could be applied there.
        (&["apps", "route.openshift.io"][..], Platform::Kubernetes),
        (&["apps", "config.openshift.io", "security.openshift.io"][..], Platform::Kubernetes),
    ] {
        let health = Health::default();
        let ready = health.ready_when("MetalLB resources");
        assert_eq!(detect(&serving(groups), &ready).await, platform);
        assert!(health.readyz().text.contains("could not ask what kind of cluster this is"));
    }
}

fn put_profile(scenario: &Scenario, profile: &serde_json::Value) {
    let object = json!({"apiVersion": "config.openshift.io/v1", "kind": "APIServer",
        "metadata": {"name": "cluster"}, "spec": {"tlsSecurityProfile": profile}});
    scenario.server.put_raw::<ApiServer>("cluster", &object);
}

fn args_of_speaker(scenario: &Scenario) -> String {
    let speaker = serde_json::to_value(scenario.speaker()).unwrap();
    speaker["spec"]["template"]["spec"]["containers"][0]["args"].to_string()
}

#[tokio::test]
async fn section_3_4_the_tls_profile_of_the_cluster_is_followed_and_what_is_not_spoken_is_told() {
    let scenario = openshift();
    scenario.settle().await;
    assert!(!args_of_speaker(&scenario).contains("--tls-min-version"), "no profile is served");
    put_profile(&scenario, &json!({"type": "Modern"}));
    scenario.settle().await;
    assert!(args_of_speaker(&scenario).contains("--tls-min-version=VersionTLS13"));
    put_profile(&scenario, &json!({"type": "Old"}));
    scenario.settle().await;
    assert!(args_of_speaker(&scenario).contains("--tls-min-version=VersionTLS12"));
    let told = scenario.told("metallb");
    assert_eq!(scenario.operator.metrics.repairs.get(), 0, "nobody had broken anything");
    assert!(
        told[0].ends_with("; TLS profile Old: TLS 1.0, TLS 1.1 and their suites are not spoken here"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_profile_that_asks_for_what_is_not_spoken_stops_nothing() {
    let scenario = openshift();
    put_profile(&scenario, &json!({"type": "Custom", "custom": {"ciphers": ["RC4-SHA"]}}));
    scenario.settle().await;
    let told = scenario.told("metallb");
    assert!(
        told[0].starts_with("Available ") && told[0].contains("suites not spoken here: RC4-SHA"),
        "{told:?}"
    );
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    scenario.pass().await;
    assert!(args_of_speaker(&scenario).contains("--tls-min-version=VersionTLS13"));
}

#[tokio::test]
async fn while_the_profile_can_not_be_read_what_runs_keeps_its_settings_and_all_else_goes_on() {
    let scenario = openshift();
    put_profile(&scenario, &json!({"type": "Modern"}));
    scenario.settle().await;
    scenario.server.forbid("get apiservers");
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    let report = scenario.pass().await;
    assert_eq!(report.changes, ["DaemonSet metallb-system/speaker created"]);
    assert_eq!(report.disposition, Some(Disposition::Refused), "it is tried again");
    assert!(args_of_speaker(&scenario).contains("--tls-min-version=VersionTLS13"));
    scenario.run_workloads();
    scenario.pass().await;
    let told = scenario.told("metallb");
    assert!(
        told[0].contains("could not read APIServer cluster: ")
            && told[0].ends_with("; the TLS settings stay as they are"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_controller_that_is_gone_comes_back_with_the_settings_of_the_speakers_while_the_profile_can_not_be_read()
 {
    let scenario = openshift();
    put_profile(&scenario, &json!({"type": "Modern"}));
    scenario.settle().await;
    let args = || {
        let controller = serde_json::to_value(scenario.controller()).unwrap();
        controller["spec"]["template"]["spec"]["containers"][0]["args"].clone()
    };
    let before = args();
    scenario.server.forbid("get apiservers");
    scenario.server.remove::<Deployment>(Some(NAMESPACE), "controller");
    assert_eq!(scenario.pass().await.changes, ["Deployment metallb-system/controller created"]);
    assert_eq!(args(), before);
}

#[tokio::test]
async fn nothing_is_started_with_settings_that_are_not_known() {
    let scenario = openshift();
    scenario.server.forbid("get apiservers");
    scenario.pass().await;
    assert!(scenario.told("metallb")[0].starts_with("Degraded "));
    assert!(scenario.speaker().is_none());
}
