//! How often an address is made known though nothing happens.

use super::*;

/// A new address is made known five times, twice each: so many packets are no burst.
const MORE_THAN_A_BURST: u64 = 30;

#[test]
fn an_address_is_made_known_as_often_as_it_is_said_of_it() {
    let wire = Wire::new();
    wire.send_all(vec![
        Command::Announce { address: ip(V4), interfaces: Scope::All },
        Command::Refresh { address: ip(V4), every: Some(Duration::from_millis(100)) },
    ]);
    until("it is made known again and again", DEADLINE, || {
        let series = format!("metallb_layer2_gratuitous_sent{{ip=\"{V4}\"}} ");
        let text = wire.metrics.encode();
        let sent = text.lines().find_map(|line| line.strip_prefix(series.as_str())?.parse::<u64>().ok());
        Ok(seen(sent.is_some_and(|sent| sent > MORE_THAN_A_BURST), format!("{sent:?}")))
    })
    .unwrap();
}
