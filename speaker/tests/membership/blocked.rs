//! A firewall that begins to swallow heartbeats, in a network namespace that lives as long as its thread.

use std::process::Command;
use std::thread;
use std::time::Duration;

use metallb_speaker::membership::Heartbeats;
use nix::sched::{CloneFlags, unshare};

use crate::heartbeats::received;
use crate::ours::{Net, Ours};

/// Ten times as slow as usual, so that no busy machine makes a member late.
const PERIOD: Duration = Duration::from_secs(1);

const BLOCK: &str = "add table inet t; add chain inet t i { type filter hook input priority 0; }; \
     add rule inet t i udp dport 7947";

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program} does not start, is it installed? {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_port_that_gets_blocked_moves_nothing_and_deaths_are_noticed_soon_all_the_same() {
    in_a_namespace("drop");
}

#[test]
fn a_port_that_a_firewall_says_is_closed_moves_nothing_either() {
    in_a_namespace("reject");
}

fn in_a_namespace(verdict: &'static str) {
    let test = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root with CAP_NET_ADMIN");
        run("ip", &["link", "set", "lo", "up"]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(blocked(verdict));
    });
    test.join().unwrap();
}

async fn blocked(verdict: &str) {
    let net = Net::new();
    let [mut first, mut second] = [1, 2].map(|host| {
        let mut settings = net.ours(host);
        // memberlist alone would neither hear the others in time nor miss them.
        settings.profile.probe_interval = PERIOD * 60;
        settings.heartbeats = Some(Heartbeats { port: 7947, period: PERIOD });
        Ours::start(settings, &[net.ip(1), net.ip(2)])
    });
    first.until(&["rs-1", "rs-2"]).await;
    second.until(&["rs-1", "rs-2"]).await;
    tokio::join!(first.quiet(PERIOD * 4), second.quiet(PERIOD * 4));
    assert!(received(&first) > 0 && received(&second) > 0, "heartbeats flow");
    run("nft", &[&format!("{BLOCK} {verdict}")]);
    // They would be missed after three and a half periods.
    tokio::join!(first.quiet(PERIOD * 7), second.quiet(PERIOD * 7));
    drop(second);
    first.until(&["rs-1"]).await;
}
