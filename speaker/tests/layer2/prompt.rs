//! Whatever else goes on, neighbours are answered at once.

use std::thread;

use super::*;

/// No gap may be longer.
const LONGEST: Duration = Duration::from_millis(50);
/// A busy machine may need more than one.
const ATTEMPTS: usize = 3;
const MANY: u32 = 10_000;
/// The first Linux that changes groups without the lock of those who make and remove interfaces.
const LOCKLESS: (u32, u32) = (6, 17);

/// Somebody asks for an address all the time, and meanwhile this is done, which learns whether that still goes on.
fn assert_prompt(meanwhile: impl Fn(&Wire, &dyn Fn() -> bool)) {
    let longest = || {
        let wire = Wire::new();
        wire.client.sh(&format!("ip link set eth0 address {}", flood::CLIENT));
        wire.announce(V4);
        wire.until_answered(V4);
        let waits = thread::scope(|scope| {
            let asking = scope.spawn(|| flood::waits(&wire.client));
            meanwhile(&wire, &|| !asking.is_finished());
            asking.join().unwrap()
        });
        *waits.last().unwrap()
    };
    let mut seen = Vec::new();
    let is_prompt = (0..ATTEMPTS).any(|_| {
        let longest = longest();
        seen.push(longest);
        longest < LONGEST
    });
    assert!(is_prompt, "the longest wait of each attempt: {seen:?}");
}

/// The version of the kernel.
fn kernel() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = text.split(['.', '-']).map_while(|number| number.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn an_address_is_answered_for_while_thousands_of_others_are_taken_over_at_once() {
    assert_prompt(|wire, _| {
        let before = wire.counted("responses_sent", V4);
        until("somebody asks", DEADLINE, || Ok(seen(wire.counted("responses_sent", V4) > before, "")))
            .unwrap();
        let address = |number: u32| IpAddr::V4((0x0a00_0000 + number).into());
        let announce = |number| Command::Announce { address: address(number), interfaces: Scope::All };
        wire.send_all((0..MANY).map(announce).collect());
    });
}

#[test]
fn an_address_is_answered_for_while_pods_and_ipv6_addresses_come_and_go() {
    if kernel() >= LOCKLESS {
        let text = b"NOT TESTED: since Linux 6.17 nobody waits for others to change groups\n";
        std::io::Write::write_all(&mut std::io::stderr(), text).unwrap();
        return;
    }
    assert_prompt(|wire, goes_on| {
        while goes_on() {
            let addresses = (0x300..0x320).map(|last| ip(&format!("2001:db8::1:{last:x}")));
            let addresses: Vec<IpAddr> = addresses.collect();
            let announce = |address: &IpAddr| Command::Announce { address: *address, interfaces: Scope::All };
            wire.send_all(addresses.iter().map(announce).collect());
            // A pod and its node: both end at once, with their interfaces.
            let (host, pod) = (Namespace::new(), Namespace::new());
            host.connect("veth0", NODE_MAC, &pod, "eth0");
            drop((host, pod));
            let withdraw = |address: &IpAddr| Command::Withdraw { address: *address };
            wire.send_all(addresses.iter().map(withdraw).collect());
        }
    });
}
