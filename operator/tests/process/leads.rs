//! Who of several operators works, and how one ends.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::coordination::v1::Lease;
use metallb_testbed::wait::{seen, until};
use nix::sys::signal::Signal;

use crate::client::until_ready;
use crate::program::{Cluster, DEADLINE, NAMESPACE};

/// Who holds the original's Lease; empty for nobody.
fn holder(cluster: &Cluster) -> String {
    let lease: Option<Lease> = cluster.server.get(Some(NAMESPACE), "metallb.io.metallboperator");
    lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
}

fn has_speakers(cluster: &Cluster) -> bool {
    cluster.server.get::<DaemonSet>(Some(NAMESPACE), "speaker").is_some()
}

fn until_there_are_speakers(cluster: &Cluster) {
    until("the DaemonSet", DEADLINE, || Ok(seen(has_speakers(cluster), "none"))).unwrap();
}

#[test]
fn a_signal_ends_it_with_status_0_and_the_lease_is_given_back() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let cluster = Cluster::new();
        let mut operator = cluster.start(&["-enable-leader-election"], &[("HOSTNAME", "operator-a")]);
        let first = operator.says("starting");
        assert!(first.to_string().contains("example/speaker:1"), "the configuration is logged: {first}");
        until_there_are_speakers(&cluster);
        assert!(holder(&cluster).starts_with("operator-a"), "{}", holder(&cluster));
        operator.signal(signal);
        assert_eq!(operator.ends(), Some(0), "{signal}");
        assert_eq!(holder(&cluster), "", "{signal}");
    }
}

#[test]
fn who_does_not_hold_the_lease_waits_and_takes_over_when_it_is_given_back() {
    let cluster = Cluster::new();
    let mut first = cluster.start(&["--enable-leader-election"], &[("HOSTNAME", "operator-a")]);
    until_there_are_speakers(&cluster);
    // Both share a network here: the second one's webhook is served when the first one's port is free.
    let flags = ["--enable-leader-election", "--port=8081"];
    let _second = cluster.start(&flags, &[("HOSTNAME", "operator-b")]);
    until_listening_and_waiting(&cluster);
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ends(), Some(0));
    until("the second leads", DEADLINE, || {
        let holder = holder(&cluster);
        Ok(seen(holder.starts_with("operator-b"), holder))
    })
    .unwrap();
    cluster.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    until_there_are_speakers(&cluster);
    until_ready(8081);
}

/// The second one is there, and leaves the work to the first.
fn until_listening_and_waiting(cluster: &Cluster) {
    crate::client::until_listening("127.0.0.1:8081");
    assert!(holder(cluster).starts_with("operator-a"), "{}", holder(cluster));
}
