//! What members say of their subnets.

use metallb_interop::Peer;
use metallb_net::Prefix;
use tokio::time::timeout;

use crate::ours::{Net, Ours, REACTION, heartbeats};

async fn until_said(ours: &mut Ours, name: &str, subnets: &[Prefix]) {
    let is_so =
        ours.members.wait_for(|members| members.subnets.get(name).is_some_and(|said| said == subnets));
    let is_so = timeout(REACTION, is_so).await.is_ok();
    assert!(is_so, "{subnets:?} expected of {name}, last seen {:?}", ours.members.borrow());
}

#[tokio::test(flavor = "multi_thread")]
async fn members_hear_of_each_others_subnets_and_one_of_the_original_is_not_disturbed() {
    let net = Net::new();
    let peer = Peer::start(&net.theirs(3)).unwrap();
    let start = |host| {
        let mut settings = net.ours(host);
        settings.heartbeats = heartbeats();
        Ours::start(settings, &[net.ip(1), net.ip(2), net.ip(3)])
    };
    let (mut first, mut second) = (start(1), start(2));
    let all = ["go-3", "rs-1", "rs-2"];
    first.until(&all).await;
    second.until(&all).await;
    assert!(second.members.borrow().subnets.is_empty(), "nobody was asked");
    let subnets: [Prefix; 2] = ["192.0.2.0/24", "2001:db8::/64"].map(|text| text.parse().unwrap());
    first.membership.set_subnets(Some(subnets.into()));
    until_said(&mut second, "rs-1", &subnets).await;
    until_said(&mut first, "rs-1", &subnets).await;
    second.membership.set_subnets(Some([].into()));
    until_said(&mut first, "rs-2", &[]).await;
    assert!(!first.members.borrow().subnets.contains_key("go-3"), "it knows nothing of that");
    first.until(&all).await;
    drop(peer);
}
