//! Who does not know the secret stays outside; a new secret takes over without a gap.

use std::time::{Duration, Instant};

use metallb_interop::Peer;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::ours::{Net, Ours, REACTION, heartbeats, secret_file};

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_or_none_keeps_both_sides_apart() {
    for (ours, theirs) in [("one", "other"), ("one", ""), ("", "other")] {
        let net = Net::new();
        let mut settings = net.ours(2);
        settings.secret = (!ours.is_empty()).then(|| secret_file("apart", ours));
        let mut options = net.theirs(1);
        options.secret = theirs.into();
        let mut them = Peer::start(&options).unwrap();
        let mut us = Ours::start(settings, &[net.ip(1)]);
        us.until(&["rs-2"]).await;
        let joined = them.command("join", &net.socket(2).to_string());
        assert!(joined.is_err(), "{ours:?} {theirs:?}: {joined:?}");
        us.quiet(Duration::from_millis(500)).await;
        assert_eq!(them.members().unwrap(), ["go-1"], "{ours:?} {theirs:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_starts_with_another_secret_beside_a_ring_answers_nothing_until_the_secret_could_have_arrived()
 {
    for theirs in [true, false] {
        let net = Net::new();
        let ours = |host, secret: &str| {
            let mut settings = net.ours(host);
            settings.secret = Some(secret_file(&format!("outside-{theirs}-{secret}"), secret));
            settings.handover = HANDOVER;
            settings.heartbeats = heartbeats();
            Ours::start(settings, &[net.ip(1)])
        };
        let _ring = if theirs {
            let mut options = net.theirs(1);
            options.secret = "one".into();
            (Some(Peer::start(&options).unwrap()), None)
        } else {
            let mut first = ours(1, "one");
            first.opens().await;
            (None, Some(first))
        };
        let (began, mut us) = (Instant::now(), ours(2, "other"));
        us.opens().await;
        let after = began.elapsed();
        assert!((HANDOVER..HANDOVER * 2).contains(&after), "theirs: {theirs}, after {after:?}");
        us.until(&["rs-2"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_is_accepted_before_anybody_sends_with_it() {
    let net = Net::new();
    let hex = |secret: &str| secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (old, new) = ("the old secret", "the new secret");
    let file = secret_file("rotation", old);
    let settings = |host| {
        let mut settings = net.ours(host);
        settings.secret = Some(file.clone());
        settings.heartbeats = heartbeats();
        settings
    };
    let mut options = net.theirs(1);
    options.secret = old.into();
    let mut them = Peer::start(&options).unwrap();
    let mut us = Ours::start(settings(2), &[net.ip(1)]);
    let mut more = Ours::start(settings(3), &[net.ip(1)]);
    us.until(&["go-1", "rs-2", "rs-3"]).await;
    more.until(&["go-1", "rs-2", "rs-3"]).await;
    std::fs::write(&file, new).unwrap();
    // Each looks at the file every two seconds.
    us.quiet(Duration::from_secs(5)).await;
    // A member that starts now knows only the new one: those that know both speak to it with that.
    let mut newcomer = Ours::start(settings(4), &[net.ip(2), net.ip(3)]);
    newcomer.until(&["go-1", "rs-2", "rs-3", "rs-4"]).await;
    for member in [&mut us, &mut more] {
        member.until(&["go-1", "rs-2", "rs-3", "rs-4"]).await;
        member.quiet(Duration::from_secs(4)).await;
    }
    newcomer.membership.leave().await;
    us.until(&["go-1", "rs-2", "rs-3"]).await;
    more.until(&["go-1", "rs-2", "rs-3"]).await;
    them.command("add-secret", &hex(new)).unwrap();
    them.command("use-secret", &hex(new)).unwrap();
    us.quiet(Duration::from_secs(5)).await;
    more.quiet(Duration::from_millis(1)).await;
    assert_eq!(them.members().unwrap(), ["go-1", "rs-2", "rs-3"]);
}

/// How long a new secret is only accepted, here.
const HANDOVER: Duration = Duration::from_secs(6);

/// Whether one that knows only this secret can join there. What it asks is understood in any case, the answer perhaps not.
fn can_join(net: Net, host: u8, there: u8, secret: &str) -> bool {
    let mut options = net.theirs(host);
    options.secret = secret.into();
    Peer::start(&options).unwrap().command("join", &net.socket(there).to_string()).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_is_sent_with_once_every_node_had_time_to_read_it() {
    let net = Net::new();
    let file = secret_file("handover", "old");
    let [mut us, mut more] = [2, 3].map(|host| {
        let mut settings = net.ours(host);
        (settings.secret, settings.handover) = (Some(file.clone()), HANDOVER);
        settings.heartbeats = heartbeats();
        Ours::start(settings, &[net.ip(2), net.ip(3)])
    });
    us.until(&["rs-2", "rs-3"]).await;
    more.until(&["rs-2", "rs-3"]).await;
    std::fs::write(&file, "new").unwrap();
    let time = HANDOVER + Duration::from_secs(6);
    tokio::join!(us.quiet(time), more.quiet(time));
    assert!(!can_join(net, 5, 2, "old"), "it is answered with the new one");
    assert!(can_join(net, 6, 2, "new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_waits_for_speakers_of_the_original_which_never_read_it() {
    let net = Net::new();
    let file = secret_file("waiting", "old");
    let mut options = net.theirs(1);
    options.secret = "old".into();
    let mut them = Peer::start(&options).unwrap();
    let [mut us, mut more] = [2, 3].map(|host| {
        let mut settings = net.ours(host);
        (settings.secret, settings.handover) = (Some(file.clone()), HANDOVER);
        settings.heartbeats = heartbeats();
        Ours::start(settings, &[net.ip(1)])
    });
    let all = ["go-1", "rs-2", "rs-3"];
    us.until(&all).await;
    more.until(&all).await;
    std::fs::write(&file, "new").unwrap();
    let time = HANDOVER * 3;
    tokio::join!(us.quiet(time), more.quiet(time));
    assert_eq!(them.members().unwrap(), all);
    // Started again, it has read the new one: nobody is left who does not know it.
    drop(them);
    us.until(&["rs-2", "rs-3"]).await;
    options.secret = "new".into();
    options.join = vec![net.socket(2)];
    let mut them = Peer::start(&options).unwrap();
    us.until(&all).await;
    more.until(&all).await;
    let time = HANDOVER + Duration::from_secs(6);
    tokio::join!(us.quiet(time), more.quiet(time));
    assert_eq!(them.members().unwrap(), all);
    assert!(!can_join(net, 5, 2, "old"), "it is answered with the new one");
}

/// Whether a ping of memberlist's that is not encrypted is answered there.
async fn answers_plain_text(net: Net, there: u8) -> bool {
    let stranger = UdpSocket::bind((net.ip(9), 0)).await.unwrap();
    // Message 0, and a map of the sequence number and the name of who is asked.
    let ping = [&b"\0\x82\xa5SeqNo\x07\xa4Node\xa4"[..], format!("rs-{there}").as_bytes()].concat();
    stranger.send_to(&ping, net.socket(there)).await.unwrap();
    timeout(Duration::from_millis(500), stranger.recv(&mut [0; 2048])).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_without_a_secret_gets_one_node_by_node_without_a_gap() {
    let net = Net::new();
    let files = [1, 2, 3].map(|host| secret_file(&format!("first-{host}"), ""));
    let [mut first, mut second, mut third] = [1, 2, 3].map(|host| {
        let mut settings = net.ours(host);
        settings.secret = Some(files[usize::from(host) - 1].clone());
        (settings.handover, settings.heartbeats) = (HANDOVER, heartbeats());
        Ours::start(settings, &[net.ip(1), net.ip(2), net.ip(3)])
    });
    for member in [&mut first, &mut second, &mut third] {
        member.until(&["rs-1", "rs-2", "rs-3"]).await;
    }
    for file in &files {
        std::fs::write(file, "the first secret").unwrap();
        let time = Duration::from_secs(3);
        tokio::join!(first.quiet(time), second.quiet(time), third.quiet(time));
    }
    // The last one got it three seconds ago, and the others may not have it for twice six.
    assert!(answers_plain_text(net, 3).await);
    let time = HANDOVER * 3;
    tokio::join!(first.quiet(time), second.quiet(time), third.quiet(time));
    let waited = Instant::now();
    for host in [1, 2, 3] {
        while answers_plain_text(net, host).await {
            assert!(waited.elapsed() < REACTION, "rs-{host} still takes what is not encrypted");
        }
    }
    assert!(can_join(net, 5, 1, "the first secret"));
    assert!(!can_join(net, 6, 1, ""));
}
