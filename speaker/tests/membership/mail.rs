//! What speakers tell each other beside who is alive.

use std::net::UdpSocket;
use std::time::Duration;

use metallb_announce::Outgoing;
use metallb_speaker::membership::{Letter, RingSettings};
use tokio::time::timeout;

use crate::ours::{Net, Ours, REACTION, heartbeats, secret_file};

fn outgoing(to: &str, text: &str) -> Outgoing {
    Outgoing { to: to.to_owned(), bytes: text.as_bytes().to_vec() }
}

#[tokio::test]
async fn a_message_reaches_the_member_it_is_for_with_its_senders_name_and_nobody_else() {
    let net = Net::new();
    let secret = secret_file("mail", "a secret that is long enough");
    let settings = |host, secret| RingSettings { secret, heartbeats: heartbeats(), ..net.ours(host) };
    let all = [net.ip(1), net.ip(2), net.ip(3)];
    let [mut one, mut two, mut three] =
        [1, 2, 3].map(|host| Ours::start(settings(host, Some(secret.clone())), &all));
    let stranger = UdpSocket::bind((net.ip(4), 0)).unwrap();
    for member in [&mut one, &mut two, &mut three] {
        member.until(&["rs-1", "rs-2", "rs-3"]).await;
    }
    let boots: Vec<String> = two.members.borrow().boots.keys().cloned().collect();
    assert_eq!(boots, ["rs-1", "rs-2", "rs-3"]);
    // A user message without the secret.
    stranger.send_to(b"\x08who are you", net.socket(2)).unwrap();
    one.membership.mail().send(outgoing("rs-9", "nobody"));
    one.membership.mail().send(outgoing("rs-2", "hello"));
    one.membership.mail().send(outgoing("rs-2", "again"));
    for text in ["hello", "again"] {
        let letter = timeout(REACTION, two.membership.mail().next()).await.unwrap();
        assert_eq!(letter, Letter { from: "rs-1".to_owned(), bytes: text.as_bytes().to_vec() });
    }
    assert!(timeout(Duration::from_millis(100), three.membership.mail().next()).await.is_err());
}
