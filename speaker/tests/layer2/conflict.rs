//! Another station that answers for an address of ours.

use super::*;

#[test]
fn a_station_that_claims_an_announced_address_is_told_by_name_and_not_fought() {
    let mut wire = Wire::new();
    wire.announce(V4);
    wire.announce(V6);
    wire.until_answered(V4);
    // Whatever is heard within the first ten seconds may be the owner before us.
    wire.client.sh(&format!("ip addr add {V4}/32 dev eth0"));
    let conflict = until("the conflict is told", Duration::from_secs(40), || {
        wire.client.sh(&format!("arping -c 1 -w 1 -U -I eth0 -s {V4} {V4}"));
        Ok(match wire.conflicts.try_recv() {
            Ok(conflict) => Seen::Done(conflict),
            Err(error) => Seen::NotYet(error.to_string()),
        })
    })
    .unwrap();
    assert_eq!((conflict.address, conflict.interface.as_str()), (ip(V4), "eth0"));
    let text = wire.client.sh("ip link show eth0");
    assert!(text.contains(&conflict.mac.to_string()), "{conflict:?} is not of {text}");
    let metrics = wire.metrics.encode();
    assert!(metrics.contains(&format!("metallb_layer2_conflicts_total{{ip=\"{V4}\"}}")), "{metrics}");
    wire.client.sh(&format!("ip addr del {V4}/32 dev eth0"));
    wire.until_answered(V4);
}

#[test]
fn a_station_that_claims_an_announced_ipv6_address_is_told_and_not_fought() {
    let mut wire = Wire::with(|options| options.refresh = None);
    for address in [V4, V6] {
        wire.announce(address);
    }
    wire.until_answered(V6);
    // Whatever is heard within the first ten seconds may be the owner before us.
    let conflict = until("the conflict is told", Duration::from_secs(40), || {
        handover::claim(&wire, V6);
        Ok(match wire.conflicts.try_recv() {
            Ok(conflict) => Seen::Done(conflict),
            Err(error) => Seen::NotYet(error.to_string()),
        })
    })
    .unwrap();
    let Conflict { address, mac, interface } = conflict;
    assert_eq!(
        (address, mac.to_string().as_str(), interface.as_str()),
        (ip(V6), "02:00:00:00:00:77", "eth0")
    );
    let metrics = wire.metrics.encode();
    assert!(metrics.contains(&format!("metallb_layer2_conflicts_total{{ip=\"{V6}\"}}")), "{metrics}");
    // The burst is over by now: nothing more is said unasked, however often the other one speaks.
    let said = |wire: &Wire| [V4, V6].map(|address| wire.counted("gratuitous_sent", address));
    let before = said(&wire);
    for _ in 0..3 {
        handover::claim(&wire, V6);
        wire.until_answered(V6);
    }
    assert_eq!(said(&wire), before);
}
