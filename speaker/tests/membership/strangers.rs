//! Whoever reaches the port without the secret gets nowhere, and costs little.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ours::{Net, Ours, REACTION, heartbeats, secret_file};

/// The head of an encrypted message that announces 7 MiB.
const HEAD: [u8; 5] = [10, 0, 112, 0, 0];
/// What each sends of it.
const SENT: usize = 2 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_send_much_and_never_end_are_cut_off_and_members_still_join() {
    let net = Net::new();
    let settings = |host| {
        let mut settings = net.ours(host);
        settings.profile.tcp_timeout = REACTION * 4;
        settings.secret = Some(secret_file("strangers", "a secret"));
        settings
    };
    let mut first = Ours::start(settings(1), &[net.ip(1)]);
    first.until(&["rs-1"]).await;
    let mut strangers = JoinSet::new();
    for _ in 0..20 {
        let mut stranger = TcpStream::connect(net.socket(1)).await.unwrap();
        strangers.spawn(async move {
            // One that is cut off can't send all of it.
            let _sent = stranger.write_all(&[&HEAD[..], &vec![0; SENT]].concat()).await;
            // There is no answer but the end.
            let _end = stranger.read(&mut [0]).await;
        });
    }
    // Of 40 MiB at most 16 are kept.
    for cut_off in 0..20 - 8 {
        let next = timeout(REACTION, strangers.join_next()).await;
        assert!(next.is_ok(), "only {cut_off} were cut off");
    }
    let mut second = Ours::start(settings(2), &[net.ip(1)]);
    second.until(&["rs-1", "rs-2"]).await;
    first.until(&["rs-1", "rs-2"]).await;
}

/// The longest payload of a datagram of IPv4.
const LONGEST: usize = 65_507;

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_too_long_to_be_anything_are_counted_and_harm_nobody() {
    let net = Net::new();
    let settings = |host| {
        let mut settings = net.ours(host);
        settings.heartbeats = heartbeats();
        settings
    };
    let mut first = Ours::start(settings(1), &[net.ip(1)]);
    first.until(&["rs-1"]).await;
    let stranger = UdpSocket::bind((net.ip(9), 0)).await.unwrap();
    // A compound message of theirs that would hold 255 others, noise, and a heartbeat's beginning.
    for start in [&[7, 255][..], &[0xa5; 64], b"MLB"] {
        let mut packet = start.to_vec();
        packet.resize(LONGEST, 0);
        for port in [7946, 7947] {
            assert_eq!(stranger.send_to(&packet, (net.ip(1), port)).await.unwrap(), LONGEST);
        }
    }
    for counter in
        ["metallb_speaker_member_packets_refused_total", "metallb_speaker_heartbeats_rejected_total"]
    {
        first.counts(counter, 3).await;
    }
    first.quiet(Duration::from_millis(100)).await;
    let mut second = Ours::start(settings(2), &[net.ip(1)]);
    second.until(&["rs-1", "rs-2"]).await;
    first.until(&["rs-1", "rs-2"]).await;
}
