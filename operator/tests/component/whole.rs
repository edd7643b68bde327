//! The owner task as it runs, woken by real watches.

use std::cell::Cell;
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use metallb_api::MetalLB;
use metallb_operator::owner::Owner;
use metallb_operator::watches::follow;
use metallb_telemetry::health::Health;
use metallb_testkit::Failure;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::scenario::{NAMESPACE, Scenario, lines};

fn start(scenario: &Scenario, health: &Health) -> JoinHandle<()> {
    let (watches, resources) = follow(&scenario.operator.client, NAMESPACE);
    let ready = health.ready_when("MetalLB resources");
    tokio::spawn(Owner { operator: scenario.operator.clone(), watches, resources, ready }.run())
}

/// Time is virtual in these tests: waiting costs nothing and ends when nothing more is going on.
async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

#[tokio::test(start_paused = true)]
async fn everything_follows_from_what_happens_in_the_cluster() {
    let (scenario, health) = (Scenario::empty(), Health::default());
    let owner = start(&scenario, &health);
    until("ready without a resource", || health.readyz().ok).await;

    scenario.put("metallb", &json!({}));
    until("workloads", || scenario.speaker().is_some()).await;
    scenario.run_workloads();
    until("available", || scenario.told("metallb").len() == 2).await;

    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    until("the speakers are back", || scenario.speaker().is_some()).await;

    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    until("nothing is left", || scenario.server.objects().is_empty()).await;
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn a_missing_crd_is_named_and_waited_for() {
    let (scenario, health) = (Scenario::empty(), Health::default());
    scenario.server.forget_kind("metallbs");
    let owner = start(&scenario, &health);
    let named = "the API server does not know metallbs.metallb.io: is its CRD installed?";
    until("named", || health.readyz().text.contains(named)).await;
    scenario.server.learn_kind("metallbs");
    scenario.put("metallb", &json!({}));
    until("workloads", || scenario.speaker().is_some()).await;
    until("ready", || health.readyz().ok).await;
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_server_is_waited_for() {
    let (scenario, health) = (Scenario::with_resource(), Health::default());
    scenario.server.fail_all(Some(Failure::Unreachable));
    let owner = start(&scenario, &health);
    until("not ready", || health.readyz().text.contains("MetalLB resources: ")).await;
    assert!(!health.readyz().ok);
    scenario.server.fail_all(None);
    until("workloads", || scenario.speaker().is_some()).await;
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_overcome_without_any_change_in_the_cluster() {
    let (scenario, health) = (Scenario::with_resource(), Health::default());
    let owner = start(&scenario, &health);
    until("workloads", || scenario.speaker().is_some()).await;
    until("told", || scenario.resource("metallb").status.is_some()).await;
    scenario.server.fail_all(Some(Failure::Status(503)));
    scenario.put("metallb", &json!({"logLevel": "debug"}));
    scenario.server.take_requests();
    let tries = Cell::new(0);
    let count = || {
        lines(&scenario.server.take_requests())
            .iter()
            .filter(|line| line.starts_with("list metallbs"))
            .count()
    };
    until("tried several times", || tries.replace(tries.get() + count()) >= 3).await;
    scenario.server.fail_all(None);
    let debug = || {
        let speaker = serde_json::to_value(scenario.speaker()).unwrap();
        speaker["spec"]["template"]["spec"]["containers"][0]["args"][2] == "--log-level=debug"
    };
    until("applied in the end", debug).await;
    owner.abort();
}
