//! Where an operator listens, and what it speaks there.

use std::net::TcpStream;

use k8s_openapi::api::coordination::v1::Lease;
use metallb_render::{ApiServer, SecurityContextConstraints};
use metallb_testbed::wait::{seen, until};
use nix::sys::signal::Signal;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde_json::json;

use crate::client::{Tls, get, listens, post, probe, protocol, until_listening, until_ready};
use crate::presents::Folder;
use crate::program::{Cluster, DEADLINE, NAMESPACE};

/// Where API servers reach the webhook.
pub const WEBHOOK: &str = "127.0.0.1:9443";
/// By which name.
pub const NAME: &str = "metallb-operator-webhook-service.metallb-system.svc";

#[test]
fn section_4_3_probes_are_served_over_both_families_on_the_port_of_the_flag() {
    for (flags, port) in [(&[][..], 8080), (&["-port=9090"], 9090)] {
        let cluster = Cluster::new();
        let _operator = cluster.start(flags, &[]);
        until_ready(port);
        for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
            assert!(probe(&address, "/readyz").starts_with("HTTP/1.1 200"), "{address}");
            assert!(probe(&address, "/healthz").starts_with("HTTP/1.1 200"), "{address}");
            assert!(probe(&address, "/metrics").starts_with("HTTP/1.1 404"), "{address}");
        }
        assert!(!listens("127.0.0.1:8443"), "no metrics unless asked for");
    }
}

/// Being started anew would not help.
#[test]
fn without_the_definition_it_is_alive_and_says_why_it_is_not_ready() {
    let cluster = Cluster::new();
    cluster.server.forget_kind("metallbs");
    let _operator = cluster.start(&[], &[]);
    until("the reason", DEADLINE, || {
        let answer = probe("127.0.0.1:8080", "/readyz");
        Ok(seen(answer.starts_with("HTTP/1.1 503") && answer.contains("is its CRD installed?"), answer))
    })
    .unwrap();
    assert!(probe("127.0.0.1:8080", "/healthz").starts_with("HTTP/1.1 200"));
    cluster.server.learn_kind("metallbs");
    until_ready(8080);
}

#[test]
fn section_4_3_the_webhook_speaks_http_2_only_when_told_to() {
    for (flags, spoken) in
        [(&[][..], "http/1.1"), (&["--webhook-http2=false"], "http/1.1"), (&["-webhook-http2"], "h2")]
    {
        let cluster = Cluster::new();
        let _operator = cluster.start(flags, &[]);
        until_ready(8080);
        let stream = Tls::default().connect(WEBHOOK, NAME).unwrap();
        assert_eq!(protocol(&stream), spoken, "{flags:?}");
        let only = Tls { protocols: &["http/1.1"], ..Tls::default() };
        assert_eq!(protocol(&only.connect(WEBHOOK, NAME).unwrap()), "http/1.1", "{flags:?}");
    }
}

#[test]
fn section_3_3_tls_1_3_is_spoken_and_1_2_only_where_the_environment_says_so() {
    let old = [("TLS_MIN_VERSION", "VersionTLS12")];
    for (variables, is_old_too) in
        [(&[][..], false), (&[("TLS_MIN_VERSION", "VersionTLS13")], false), (&old, true)]
    {
        let cluster = Cluster::new();
        let _operator = cluster.start(&["--metrics-addr=:8443"], variables);
        until_ready(8080);
        until_listening("127.0.0.1:8443");
        for address in [WEBHOOK, "127.0.0.1:8443"] {
            assert!(is_spoken(address, &TLS13), "{address} {variables:?}");
            assert_eq!(is_spoken(address, &TLS12), is_old_too, "{address} {variables:?}");
        }
    }
}

/// Whether somebody is answered there who speaks this version alone.
fn is_spoken(address: &str, version: &'static SupportedProtocolVersion) -> bool {
    Tls { versions: &[version], ..Tls::default() }.connect(address, NAME).is_ok()
}

fn put_profile(cluster: &Cluster, profile: &str) {
    let object = json!({"apiVersion": "config.openshift.io/v1", "kind": "APIServer",
        "metadata": {"name": "cluster"}, "spec": {"tlsSecurityProfile": {"type": profile}}});
    cluster.server.put_raw::<ApiServer>("cluster", &object);
}

#[test]
fn section_3_4_on_openshift_webhook_and_metrics_follow_the_profile_of_the_cluster_without_a_restart() {
    let cluster = Cluster::new();
    let route = json!({"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": "r"}});
    let there = TcpStream::connect(cluster.address).unwrap();
    assert!(post(there, "/apis/route.openshift.io/v1/routes", &route.to_string()).starts_with("HTTP/1.1 20"));
    let constraints = json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints",
        "metadata": {"name": "restricted-v2"}});
    cluster.server.put_raw::<SecurityContextConstraints>("restricted-v2", &constraints);
    put_profile(&cluster, "Modern");
    // A replica that only stands by serves as well.
    let other = json!({"metadata": {"name": "metallb.io.metallboperator", "namespace": NAMESPACE}, "spec": {
        "holderIdentity": "another", "leaseDurationSeconds": 3600, "renewTime": "2999-01-01T00:00:00.000000Z"}});
    cluster.server.put::<Lease>(&serde_json::from_value(other).unwrap());
    let folder = Folder::with_certificate();
    let flags =
        ["--metrics-addr=:8443", "--enable-leader-election", "--disable-cert-rotation", &folder.flag()];
    let variables = [("TLS_MIN_VERSION", "VersionTLS12"), ("HOSTNAME", "operator-a")];
    let _operator = cluster.start(&flags, &variables);
    until_listening("127.0.0.1:8443");
    until_listening(WEBHOOK);
    for (profile, old_too) in [("Modern", false), ("Intermediate", true), ("Modern", false)] {
        put_profile(&cluster, profile);
        for address in ["127.0.0.1:8443", WEBHOOK] {
            until(profile, DEADLINE, || Ok(seen(is_spoken(address, &TLS12) == old_too, address))).unwrap();
            assert!(is_spoken(address, &TLS13), "{profile} {address}");
        }
    }
}

#[test]
fn section_4_3_metrics_are_served_over_https_to_those_who_may_read_them() {
    let cluster = Cluster::new();
    let mut operator = cluster.start(&["-metrics-addr", ":8443"], &[]);
    let stream = Tls::default().until_connected("127.0.0.1:8443", "localhost");
    let answer = get(stream, "/metrics");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    operator.signal(Signal::SIGTERM);
    assert_eq!(operator.ends(), Some(0));
}
