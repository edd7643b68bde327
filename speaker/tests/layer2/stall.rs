//! A process that is stopped and goes on: the fence holds back what waited in its sockets.

use nix::sys::signal::Signal;

use super::process::Process;
use super::*;

fn is_answered(client: &Namespace, address: &str) -> bool {
    let (_, text) = client.try_sh(&question(address));
    text.to_lowercase().contains(NODE_MAC)
}

#[test]
fn a_process_that_was_stopped_answers_nothing_until_the_fence_is_opened() {
    let (node, client) = (Namespace::new(), Namespace::new());
    connect(&node, &client);
    let mut process = Process::start(&node, 0);
    for address in [V4, V6] {
        until("answered before", DEADLINE, || Ok(seen(is_answered(&client, address), address))).unwrap();
    }
    process.stop();
    // Each asks for a second, so the stop is longer than the bound; the questions wait in the sockets.
    for address in [V4, V6] {
        assert!(!is_answered(&client, address), "{address} is answered by a stopped process");
    }
    let mut dump =
        Dump::start(&client, 1, &format!("ether src {NODE_MAC} and (arp or (icmp6 and ip6[40] == 136))"));
    process.signal(Signal::SIGCONT);
    process.until("stalled");
    for address in [V4, V6] {
        assert!(!is_answered(&client, address), "{address} is answered behind a closed fence");
    }
    assert!(dump.is_waiting(), "something was sent behind a closed fence");
    process.signal(Signal::SIGUSR1);
    process.until("opened");
    // The neighbours are told that the addresses are here, without having asked.
    let sent = dump.finish();
    assert!(sent.contains(V4) || sent.contains(V6), "{sent}");
    for address in [V4, V6] {
        until("answered again", DEADLINE, || Ok(seen(is_answered(&client, address), address))).unwrap();
    }
}
