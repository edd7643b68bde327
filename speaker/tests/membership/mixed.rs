//! Members of ours and of theirs in one ring.

use std::time::Duration;

use metallb_announce::elect;
use metallb_interop::{Peer, PeerOptions};
use metallb_speaker::membership::RingSettings;
use metallb_testbed::Signal;

use crate::ours::{Net, Ours, REACTION, secret_file};

const SECRET: &str = "6Xk0J1mTtZ0rWq9yB3sVfA";

/// What a ring does to what it sends.
#[derive(Clone, Copy)]
struct Cover {
    compress: bool,
    secret: &'static str,
}

/// Nothing, and all.
const BOTH: [Cover; 2] = [Cover { compress: false, secret: "" }, Cover { compress: true, secret: SECRET }];

impl Cover {
    /// A member of theirs that joins who is there.
    fn theirs(self, net: Net, host: u8, join: &[u8]) -> PeerOptions {
        let mut options = net.theirs(host);
        (options.compress, options.secret) = (self.compress, self.secret.into());
        options.join = join.iter().map(|host| net.socket(*host)).collect();
        options
    }

    /// A member of ours.
    fn ours(self, net: Net, host: u8) -> RingSettings {
        let mut settings = net.ours(host);
        settings.profile.enable_compression = self.compress;
        settings.secret = (!self.secret.is_empty()).then(|| secret_file("mixed", self.secret));
        settings
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn we_join_theirs_and_they_join_us_whatever_is_compressed_or_encrypted() {
    for (compress, secret) in [(false, ""), (true, ""), (false, SECRET), (true, SECRET)] {
        let (net, cover) = (Net::new(), Cover { compress, secret });
        let (first, second) = (cover.theirs(net, 1, &[]), cover.theirs(net, 3, &[2]));
        let mut first = Peer::start(&first).unwrap();
        let mut us = Ours::start(cover.ours(net, 2), &[net.ip(1), net.ip(2)]);
        us.until(&["go-1", "rs-2"]).await;
        let joined = first.wait("join", "rs-2", REACTION).unwrap();
        // Contract 02 §1.3: without heartbeats it says no more of itself than theirs.
        assert_eq!(joined.meta, "");
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
    for cover in BOTH {
        let net = Net::new();
        let mut them = Peer::start(&cover.theirs(net, 1, &[])).unwrap();
        let other = Peer::start(&cover.theirs(net, 3, &[1])).unwrap();
        let mut us = Ours::start(cover.ours(net, 2), &[net.ip(1)]);
        us.until(&["go-1", "go-3", "rs-2"]).await;
        them.command("leave", "").unwrap();
        us.until(&["go-3", "rs-2"]).await;
        let started = std::time::Instant::now();
        us.membership.leave().await;
        assert!(started.elapsed().as_millis() < 1500, "a goodbye takes at most a second");
        other.wait("leave", "rs-2", REACTION).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deaths_are_noticed_in_both_directions_and_the_dead_are_joined_when_they_are_back() {
    for cover in BOTH {
        let net = Net::new();
        let options = cover.theirs(net, 1, &[]);
        let them = Peer::start(&options).unwrap();
        let mut us = Ours::start(cover.ours(net, 2), &[net.ip(1)]);
        us.until(&["go-1", "rs-2"]).await;
        drop(them);
        us.until(&["rs-2"]).await;
        let them = Peer::start(&options).unwrap();
        us.until(&["go-1", "rs-2"]).await;
        them.wait("join", "rs-2", REACTION).unwrap();
        drop(us);
        them.wait("leave", "rs-2", REACTION).unwrap();
    }
}

/// Theirs and ours each elect by the members they see, theirs by code of its own: all agree with the contract's vectors.
#[tokio::test(flavor = "multi_thread")]
async fn elections_of_a_mixed_ring_are_those_of_the_contract() {
    let cover = Cover { compress: true, secret: SECRET };
    let a_b_c = ["node-a", "node-b", "node-c"];
    for (names, vectors) in [
        (&["iris1", "iris2"][..], &[("10.20.30.1", "iris2"), ("10.20.30.2", "iris1")][..]),
        (&a_b_c[..], &[("10.0.0.1", "node-b"), ("10.0.0.2", "node-b")]),
        // Without node-b, which is gone.
        (&["node-a", "node-c"], &[("10.0.0.2", "node-c")]),
        (&["kind-control-plane", "kind-worker", "kind-worker2"], &[("2001:db8::1", "kind-worker2")]),
    ] {
        let net = Net::new();
        let hosts = (1..).zip(names.iter().skip(1).copied());
        let mut theirs = cover.theirs(net, 100, &[]);
        names[0].clone_into(&mut theirs.name);
        let mut theirs = Peer::start(&theirs).unwrap();
        let mut ours: Vec<Ours> = hosts
            .map(|(host, name)| {
                let settings = RingSettings { name: name.to_owned(), ..cover.ours(net, host) };
                Ours::start(settings, &[net.ip(100)])
            })
            .collect();
        for us in &mut ours {
            us.until(names).await;
        }
        theirs.wait_each("join", &names[1..], REACTION).unwrap();
        for (address, winner) in vectors {
            let address = address.parse().unwrap();
            assert_eq!(theirs.elect(address).unwrap(), *winner, "theirs among {names:?} for {address}");
            for us in &ours {
                let members = us.members.borrow();
                let elected = elect(members.alive.iter().map(|name| (name.as_str(), 0)), address);
                assert_eq!(elected, Some(*winner), "ours among {names:?} for {address}");
            }
        }
    }
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
