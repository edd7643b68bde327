//! Members of ours and of theirs in one ring.

use std::time::Duration;

use metallb_interop::Peer;
use metallb_testbed::Signal;

use crate::ours::{Net, Ours, REACTION, secret_file};

const SECRET: &str = "6Xk0J1mTtZ0rWq9yB3sVfA";

#[tokio::test(flavor = "multi_thread")]
async fn we_join_theirs_and_they_join_us_whatever_is_compressed_or_encrypted() {
    for (compress, secret) in [(false, ""), (true, ""), (false, SECRET), (true, SECRET)] {
        let net = Net::new();
        let (mut first, mut second) = (net.theirs(1), net.theirs(3));
        second.join = vec![net.socket(2)];
        let mut ours = net.ours(2);
        ours.profile.enable_compression = compress;
        ours.secret = (!secret.is_empty()).then(|| secret_file("mixed", secret));
        for options in [&mut first, &mut second] {
            (options.compress, options.secret) = (compress, secret.into());
        }
        let mut first = Peer::start(&first).unwrap();
        let mut us = Ours::start(ours, &[net.ip(1), net.ip(2)]);
        us.until(&["go-1", "rs-2"]).await;
        first.wait("join", "rs-2", REACTION).unwrap();
        // The one that comes later knows only us, and hears of the first.
        let mut second = Peer::start(&second).unwrap();
        us.until(&["go-1", "go-3", "rs-2"]).await;
        first.wait("join", "go-3", REACTION).unwrap();
        for theirs in [&mut first, &mut second] {
            assert_eq!(theirs.members().unwrap(), ["go-1", "go-3", "rs-2"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_understood_in_both_directions() {
    let net = Net::new();
    let mut them = Peer::start(&net.theirs(1)).unwrap();
    let other = Peer::start(&{
        let mut options = net.theirs(3);
        options.join = vec![net.socket(1)];
        options
    })
    .unwrap();
    let mut us = Ours::start(net.ours(2), &[net.ip(1)]);
    us.until(&["go-1", "go-3", "rs-2"]).await;
    them.command("leave", "").unwrap();
    us.until(&["go-3", "rs-2"]).await;
    let started = std::time::Instant::now();
    us.membership.leave().await;
    assert!(started.elapsed().as_millis() < 1500, "a goodbye takes at most a second");
    other.wait("leave", "rs-2", REACTION).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deaths_are_noticed_in_both_directions_and_the_dead_are_joined_when_they_are_back() {
    let net = Net::new();
    let options = net.theirs(1);
    let them = Peer::start(&options).unwrap();
    let mut us = Ours::start(net.ours(2), &[net.ip(1)]);
    us.until(&["go-1", "rs-2"]).await;
    drop(them);
    us.until(&["rs-2"]).await;
    let them = Peer::start(&options).unwrap();
    us.until(&["go-1", "rs-2"]).await;
    them.wait("join", "rs-2", REACTION).unwrap();
    drop(us);
    them.wait("leave", "rs-2", REACTION).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stood_still_is_out_and_counts_again_when_it_goes_on() {
    let net = Net::new();
    let them = Peer::start(&net.theirs(1)).unwrap();
    let mut us = Ours::start(net.ours(2), &[net.ip(1)]);
    us.until(&["go-1", "rs-2"]).await;
    them.signal(Signal::SIGSTOP).unwrap();
    us.until(&["rs-2"]).await;
    them.signal(Signal::SIGCONT).unwrap();
    us.until(&["go-1", "rs-2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_passed_on_as_it_is() {
    let net = Net::new();
    let mut ours = net.ours(2);
    ours.heartbeats = crate::ours::heartbeats();
    let mut them = Peer::start(&net.theirs(1)).unwrap();
    let mut us = Ours::start(ours, &[net.ip(1)]);
    us.until(&["go-1", "rs-2"]).await;
    let join = them.wait("join", "rs-2", REACTION).unwrap();
    assert!(join.meta.starts_with("4d4c4201"), "{join:?}");
    // Theirs may say what they like of themselves: nobody sends them heartbeats.
    them.command("meta", "4d4c4277").unwrap();
    us.quiet(Duration::from_secs(1)).await;
}

/// `METALLB_RING_SECONDS` says how long the ring has to hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_ring_holds_without_a_false_death() {
    let seconds = std::env::var("METALLB_RING_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let net = Net::new();
    let secret = secret_file("holds", SECRET);
    let theirs = |host, join: &[std::net::SocketAddr]| {
        let mut options = net.theirs(host);
        (options.secret, options.join, options.speed) = (SECRET.into(), join.to_vec(), 1);
        Peer::start(&options).unwrap()
    };
    let ours = |host| {
        let mut settings = net.ours(host);
        settings.profile = metallb_membership::Settings::lan();
        settings.secret = Some(secret.clone());
        settings.heartbeats = crate::ours::heartbeats();
        Ours::start(settings, &[net.ip(1)])
    };
    let first = theirs(1, &[]);
    let second = theirs(2, &[net.socket(1)]);
    let mut us = [ours(3), ours(4), ours(5)];
    for member in &mut us {
        member.until(&["go-1", "go-2", "rs-3", "rs-4", "rs-5"]).await;
    }
    let [one, two, three] = &mut us;
    let time = Duration::from_secs(seconds);
    tokio::join!(one.quiet(time), two.quiet(time), three.quiet(time));
    for peer in [first, second] {
        peer.never("leave").unwrap();
    }
}
