//! Heartbeats between members of ours.

use std::time::{Duration, Instant};

use metallb_speaker::membership::Members;
use tokio::time::timeout;

use crate::ours::{Net, Ours, REACTION, heartbeats, secret_file};

/// Three of ours, which know each other.
async fn three(net: Net, secret: &str) -> [Ours; 3] {
    let all = [net.ip(1), net.ip(2), net.ip(3)];
    let mut ours = [1, 2, 3].map(|host| {
        let mut settings = net.ours(host);
        // As slow as usual: only heartbeats are fast enough for what is asked here.
        settings.profile = metallb_membership::Settings::lan();
        settings.heartbeats = heartbeats();
        settings.secret = (!secret.is_empty()).then(|| secret_file("heartbeats", secret));
        Ours::start(settings, &all)
    });
    for member in &mut ours {
        member.until(&["rs-1", "rs-2", "rs-3"]).await;
    }
    ours
}

/// How many heartbeats a member has believed.
pub fn received(member: &Ours) -> u64 {
    member.metric("metallb_speaker_heartbeats_received_total")
}

/// Contract 02 §7, and what docs/metrics.md adds.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_of_a_ring_and_of_one_that_is_gone() {
    let [mut first, mut second, third] = three(Net::new(), "").await;
    first.opens().await;
    second.opens().await;
    first.counts("metallb_speaker_heartbeats_received_total", 10).await;
    assert_eq!(first.metric("metallb_speaker_members"), 3);
    assert_eq!(first.metric("metallb_speaker_fenced"), 0);
    assert!(first.metric("metallb_speaker_member_events_total{event=\"NodeJoin\"}") >= 2);
    assert!(first.metric("metallb_speaker_heartbeats_sent_total") >= 10);
    for quiet in ["heartbeats_missed", "member_verdicts", "heartbeats_rejected", "member_packets_refused"] {
        assert_eq!(first.metric(&format!("metallb_speaker_{quiet}_total")), 0, "{quiet}");
    }
    drop(third);
    first.until(&["rs-1", "rs-2"]).await;
    second.until(&["rs-1", "rs-2"]).await;
    assert_eq!(first.metric("metallb_speaker_members"), 2);
    first.counts("metallb_speaker_member_events_total{event=\"NodeLeave\"}", 1).await;
    // Its port is closed, as both are told that send to it.
    first.counts("metallb_speaker_heartbeats_refused_total", 1).await;
    first.counts("metallb_speaker_heartbeats_missed_total", 1).await;
    // One finds it down, and tells the other.
    let verdicts = |member: &Ours| member.metric("metallb_speaker_member_verdicts_total");
    assert!(verdicts(&first) + verdicts(&second) >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_gone_is_missed_within_a_quarter_of_a_second() {
    for secret in ["", "secret"] {
        let [mut first, mut second, third] = three(Net::new(), secret).await;
        // Heartbeats flow: only who was heard can be missed.
        first.quiet(Duration::from_secs(3)).await;
        assert!(received(&first) > 10, "{}", received(&first));
        let killed = Instant::now();
        drop(third);
        first.until(&["rs-1", "rs-2"]).await;
        second.until(&["rs-1", "rs-2"]).await;
        let took = killed.elapsed();
        assert!(took < Duration::from_millis(600), "it took {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_back_counts_again() {
    let net = Net::new();
    let [mut first, _second, third] = three(net, "").await;
    first.quiet(Duration::from_secs(1)).await;
    drop(third);
    first.until(&["rs-1", "rs-2"]).await;
    let mut settings = net.ours(3);
    settings.heartbeats = heartbeats();
    let mut third = Ours::start(settings, &[net.ip(1), net.ip(2), net.ip(3)]);
    first.until(&["rs-1", "rs-2", "rs-3"]).await;
    third.until(&["rs-1", "rs-2", "rs-3"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_leaves_the_ring_to_memberlist_until_it_is_free() {
    let net = Net::new();
    let taken = std::net::UdpSocket::bind((net.ip(1), 7947)).unwrap();
    let [first, mut second, _third] = three(net, "").await;
    second.quiet(Duration::from_secs(3)).await;
    assert_eq!(received(&first), 0);
    drop(taken);
    second.quiet(Duration::from_secs(5)).await;
    assert!(received(&first) > 5, "{}", received(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_carrier_silences_only_where_there_is_somebody_to_take_over() {
    let net = Net::new();
    let mut settings = net.ours(1);
    settings.heartbeats = heartbeats();
    let mut only = Ours::start(settings, &[net.ip(1)]);
    let fenced = |fenced| move |members: &Members| members.is_settled && members.is_fenced == fenced;
    timeout(REACTION, only.members.wait_for(fenced(false))).await.expect("fenced").unwrap();
    only.membership.set_cut_off(true);
    let closed = timeout(Duration::from_secs(1), only.members.wait_for(fenced(true))).await.is_ok();
    assert!(!closed, "nobody else is there");
    only.membership.set_candidates([net.ip(1), net.ip(2)].into());
    timeout(REACTION, only.members.wait_for(fenced(true))).await.expect("not fenced").unwrap();
    only.membership.set_cut_off(false);
    timeout(REACTION, only.members.wait_for(fenced(false))).await.expect("fenced for ever").unwrap();
}
