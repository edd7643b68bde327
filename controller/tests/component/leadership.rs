//! Replicas over one Lease in memory: who leads, from when on, and what the Lease says.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use metallb_controller::{Campaign, Leadership, run_for_office};
use metallb_telemetry::health::Health;
use metallb_testkit::{ApiServer, Failure};
use tokio::time::Instant;

const LEASE: &str = "metallb-controller";

fn run(server: &ApiServer, pod: &str, health: &Health) -> Campaign {
    run_for_office(server.client("metallb-system"), "metallb-system", LEASE, pod, health)
}

/// Waits until this process leads, and says how long that took.
async fn leads(leadership: &Leadership) -> Duration {
    let asked = Instant::now();
    let wait = async { drop(leadership.leader().wait_for(|leads| *leads).await.unwrap()) };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
    asked.elapsed()
}

fn lease(server: &ApiServer) -> LeaseSpec {
    server.get::<Lease>(Some("metallb-system"), LEASE).unwrap().spec.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_a_record_of_client_go() {
    let server = ApiServer::default();
    let campaign = run(&server, "controller-a", &Health::default());
    leads(&campaign.leadership()).await;
    let spec = lease(&server);
    let holder = spec.holder_identity.clone().unwrap();
    let random = holder.strip_prefix("controller-a_").unwrap();
    assert!(random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{holder}");
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(15), Some(0)));
    assert!(spec.acquire_time.is_some() && spec.renew_time.is_some());
    assert!(campaign.leadership().holds_now());
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_hands_over_within_two_seconds_and_empties_the_lease() {
    let server = ApiServer::default();
    let first = run(&server, "controller-a", &Health::default());
    leads(&first.leadership()).await;
    let second = run(&server, "controller-b", &Health::default());
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(!*second.leadership().leader().borrow());
    let told = first.leadership();
    first.release().await;
    assert!(!told.holds_now());
    let took = leads(&second.leadership()).await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
    assert_eq!(lease(&server).lease_transitions, Some(1), "as client-go counts");
    second.release().await;
    assert_eq!(lease(&server).holder_identity.as_deref(), Some(""));
}

#[tokio::test(start_paused = true)]
async fn a_crash_hands_over_within_twenty_seconds() {
    let server = ApiServer::default();
    let first = run(&server, "controller-a", &Health::default());
    leads(&first.leadership()).await;
    let second = run(&server, "controller-b", &Health::default());
    tokio::time::sleep(Duration::from_secs(40)).await;
    drop(first);
    let took = leads(&second.leadership()).await;
    assert!((Duration::from_secs(12)..=Duration::from_secs(20)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_again_in_the_same_pod_waits_for_nobody() {
    let server = ApiServer::default();
    let first = run(&server, "controller-a", &Health::default());
    leads(&first.leadership()).await;
    drop(first);
    let second = run(&server, "controller-a", &Health::default());
    let took = leads(&second.leadership()).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_cut_off_stops_by_its_own_clock_before_another_leads() {
    let server = ApiServer::default();
    let campaign = run(&server, "controller-a", &Health::default());
    let leadership = campaign.leadership();
    leads(&leadership).await;
    for failure in [Failure::Unreachable, Failure::Status(500), Failure::Status(429), Failure::AnswerLost] {
        server.fail_all(Some(failure));
        let cut = Instant::now();
        leadership.leader().wait_for(|leads| !*leads).await.unwrap();
        let took = cut.elapsed();
        assert!(took <= Duration::from_secs(10) && !leadership.holds_now(), "{failure:?}: {took:?}");
        server.fail_all(None);
        assert!(leads(&leadership).await <= Duration::from_secs(10), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_leases_the_only_replica_leads_and_says_so() {
    let server = ApiServer::default();
    server.forbid("leases");
    let health = Health::default();
    let campaign = run(&server, "controller-a", &health);
    let took = leads(&campaign.leadership()).await;
    assert!(took <= Duration::from_secs(5), "{took:?}");
    server.take_requests();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(campaign.leadership().holds_now());
    let asked = server.take_requests().len();
    assert!((10..=100).contains(&asked), "{asked} requests in five minutes");
    let report = health.readyz();
    assert!(report.ok && report.text.contains("leader election: leading without a Lease"), "{report:?}");
    // The right comes: it takes the Lease without having stopped.
    let mut leader = campaign.leadership().leader();
    leader.mark_unchanged();
    server.allow("leases");
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(!leader.has_changed().unwrap());
    assert!(lease(&server).holder_identity.unwrap().starts_with("controller-a_"));
    assert_eq!(health.readyz().text, "ok");
}
