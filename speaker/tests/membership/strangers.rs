//! Whoever reaches the port without the secret gets nowhere, and costs little.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ours::{Net, Ours, REACTION, secret_file};

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
