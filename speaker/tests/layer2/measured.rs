//! How long it took to make an address known: counted once for each address that is new here, and for nothing else.

use std::time::Instant;

use super::*;

/// How many times were measured.
fn measured(wire: &Wire) -> u64 {
    let text = wire.metrics.encode();
    let count = text.lines().find_map(|line| line.strip_prefix("metallb_layer2_announce_seconds_count "));
    count.unwrap().parse().unwrap()
}

fn send_seen(wire: &Wire, commands: Vec<Command>, since: Option<Instant>) {
    let (runtime, layer2) = (wire.runtime.as_ref().unwrap(), wire.layer2.as_ref().unwrap());
    assert!(runtime.block_on(layer2.send_seen(commands, since)));
}

#[test]
fn the_time_of_an_address_is_measured_when_it_is_new_and_its_reason_was_seen() {
    let wire = Wire::with(|options| options.refresh = None);
    let begin = Instant::now();
    let announce = |address: &str| Command::Announce { address: ip(address), interfaces: Scope::All };
    send_seen(&wire, [V4, V6].map(announce).to_vec(), Some(begin));
    until("both are measured", DEADLINE, || Ok(seen(measured(&wire) == 2, measured(&wire)))).unwrap();
    let text = wire.metrics.encode();
    let sum = text.lines().find_map(|line| line.strip_prefix("metallb_layer2_announce_seconds_sum "));
    let sum: f64 = sum.unwrap().parse().unwrap();
    assert!(sum > 0.0 && sum <= 2.0 * begin.elapsed().as_secs_f64(), "{sum}");
    // Once more, at another's request, periodically, after the link was away: made known, but not new.
    let sent = || wire.counted("gratuitous_sent", V4);
    let before = sent();
    let every = Some(Duration::from_millis(500));
    let again = vec![Command::Remind { address: ip(V4) }, Command::Refresh { address: ip(V4), every }];
    send_seen(&wire, again, Some(begin));
    until("it is made known again", DEADLINE, || Ok(seen(sent() > before + 10, sent()))).unwrap();
    wire.node.sh("ip link set eth0 down");
    wire.until_silent(V4);
    wire.node.sh("ip link set eth0 up");
    wire.until_answered(V4);
    // Nobody saw why.
    send_seen(&wire, vec![announce("192.0.2.201")], None);
    wire.until_answered("192.0.2.201");
    assert_eq!(measured(&wire), 2);
}
