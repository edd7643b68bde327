//! Several processes on one cluster: who acts, who waits, and what remains when one dies.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use metallb_controller::{Campaign, run_for_office};
use metallb_telemetry::health::Health;
use metallb_testkit::{ApiServer, Failure};
use serde_json::json;

use crate::world::*;

/// A replica that takes part in an election.
struct Replica {
    running: Running,
    campaign: Campaign,
}

fn start_replica(server: &ApiServer, pod: &str) -> Replica {
    let health = Health::default();
    let client = server.client("metallb-system");
    let campaign = run_for_office(client, "metallb-system", "metallb-controller", pod, &health);
    let leadership = campaign.leadership();
    Replica { running: start_with(server, leadership, health, ""), campaign }
}

impl Replica {
    /// As on SIGTERM.
    async fn stop(self) {
        self.running.stop().await;
        drop(tokio::time::timeout(Duration::from_secs(1), self.campaign.release()).await);
    }

    fn leads(&self) -> bool {
        self.campaign.leadership().holds_now()
    }

    /// As on SIGKILL.
    async fn kill(self) {
        self.running.task.abort();
        drop(self.campaign);
        drop(self.running.task.await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_standby_writes_nothing_and_takes_over_in_step() {
    let server = server(&["192.0.2.0/24"]);
    (0..20).for_each(|number| server.put(&service(&format!("old-{number:02}"))));
    let first = start_replica(&server, "a");
    quiet().await;
    let second = start_replica(&server, "b");
    quiet().await;
    assert!(first.leads() && !second.leads() && second.running.health.readyz().ok);
    assert!(!second.running.metrics.encode().contains("metallb_allocator_addresses_total{"));
    // What the first one writes last, the second one must not hand out again, however late its watches are.
    server.hold_watches(true);
    first.stop().await;
    server.hold_watches(false);
    server.put(&service("new"));
    server.take_requests();
    quiet().await;
    assert!(second.leads());
    assert_eq!(ip(&server, "new").as_deref(), Some("192.0.2.20"));
    assert_eq!(requests(&server, "services/status").len(), 1, "nothing but the new one is written");
    assert!(
        second.running.metrics.encode().contains(r#"metallb_allocator_addresses_in_use_total{pool="p"} 21"#)
    );
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deposed_leader_writes_nothing_and_reads_again_when_it_leads_again() {
    let server = server(&["192.0.2.0/24"]);
    let first = start_replica(&server, "a");
    quiet().await;
    // Cut off from the Lease alone: everything else would still work.
    server.forbid("update leases");
    server.forbid("get leases");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(!first.leads());
    server.put(&service("web"));
    quiet().await;
    assert_eq!(ip(&server, "web"), None);
    server.allow("update leases");
    server.allow("get leases");
    quiet().await;
    assert!(first.leads());
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    first.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_can_not_list_says_what_it_waits_for() {
    let server = server(&["192.0.2.0/24"]);
    let only = start_replica(&server, "a");
    quiet().await;
    assert_eq!(only.running.health.readyz().text, "ok");
    server.forbid("update leases");
    server.forbid("get leases");
    tokio::time::sleep(Duration::from_secs(15)).await;
    server.forbid("list communities");
    server.allow("update leases");
    server.allow("get leases");
    quiet().await;
    server.put(&service("web"));
    quiet().await;
    assert!(only.leads());
    let report = only.running.health.readyz();
    let said = "assigning addresses: not yet: communities.metallb.io: not allowed to list";
    assert!(report.ok && report.text.contains(said), "{report:?}");
    assert_eq!(ip(&server, "web"), None);
    server.allow("list communities");
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(only.running.health.readyz().text, "ok");
    only.stop().await;
}

/// The rights of the original: no Leases, BGP peers only to be listed, of Services only the status.
#[tokio::test(start_paused = true)]
async fn under_the_original_s_rights_the_only_replica_works() {
    let server = server(&["192.0.2.0/24"]);
    for missing in
        ["leases", "watch bgppeers", "update services default", "merge-patch services", "apply services"]
    {
        server.forbid(missing);
    }
    let only = start_replica(&server, "a");
    server.put(&service("web"));
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    let report = only.running.health.readyz();
    assert!(report.ok && report.text.contains("leader election"), "{report:?}");
    only.stop().await;
}

/// Kills the process before or after each write of a story, and starts another one.
#[tokio::test(start_paused = true)]
async fn a_process_killed_at_any_write_loses_and_doubles_no_address() {
    for failure in [Failure::Unreachable, Failure::AnswerLost] {
        let mut nth = 0;
        while killed_at(nth, failure).await {
            nth += 1;
        }
        assert!(nth >= 12, "the story has {nth} writes only");
    }
}

/// Whether the story has an `nth` write.
async fn killed_at(nth: usize, failure: Failure) -> bool {
    let server = server(&["192.0.2.0/29"]);
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| server.put(&service(name)));
    server.cut_off_at_write(nth, failure);
    let first = start_replica(&server, "x");
    quiet().await;
    let before = names.map(|name| ip(&server, name));
    let edit = json!({"metadata": {"annotations": {"metallb.io/loadBalancerIPs": "192.0.2.6"}}});
    server.edit::<Service>(Some("default"), "d", &edit);
    server.put(&service("e"));
    quiet().await;
    let cut = server.is_cut_off();
    first.kill().await;
    server.fail_all(None);
    let second = start_replica(&server, "y");
    tokio::time::sleep(Duration::from_secs(40)).await;
    let after = ["a", "b", "c", "d", "e"].map(|name| ip(&server, name).unwrap());
    let distinct: BTreeSet<&String> = after.iter().collect();
    assert_eq!(distinct.len(), 5, "{failure:?} at {nth}: {after:?}");
    assert_eq!(after[3], "192.0.2.6", "{failure:?} at {nth}");
    for (before, after) in before.iter().zip(&after).take(3) {
        assert!(
            before.as_ref().is_none_or(|before| before == after),
            "{failure:?} at {nth}: {before:?} {after}"
        );
    }
    second.stop().await;
    cut
}
