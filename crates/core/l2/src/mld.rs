//! Reports of group membership (MLDv2, RFC 3810) as whole Ethernet frames.

use std::net::Ipv6Addr;

use metallb_net::MacAddr;

use crate::ndp::{NEXT_HEADER_ICMPV6, checksum, ipv6_frame, multicast_mac};
use crate::wire::Writer;

/// Where routers, and switches that snoop, hear of memberships (RFC 3810 §5.2.14).
const ALL_MLD_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
const NEXT_HEADER_HOP_BY_HOP: u8 = 0;
/// No router sends it on (RFC 3810 §5).
const HOP_LIMIT: u8 = 1;
/// ICMPv6 follows; routers look at it though it is for a group (RFC 2711); padding.
const ROUTER_ALERT: [u8; 8] = [NEXT_HEADER_ICMPV6, 0, 5, 2, 0, 0, 1, 0];
const TYPE_REPORT: u8 = 143;
/// From now on whatever is sent to the group is wanted, whoever sends it.
const CHANGE_TO_EXCLUDE: u8 = 4;

/// Says that the station `mac` has joined a group, as its kernel does a little later.
#[must_use]
pub fn membership_report(mac: MacAddr, link_local: Ipv6Addr, group: Ipv6Addr) -> Vec<u8> {
    let message = encode_message(group, 0);
    let message = encode_message(group, checksum(link_local, ALL_MLD_ROUTERS, &message));
    let payload = [&ROUTER_ALERT[..], &message].concat();
    let stations = [multicast_mac(ALL_MLD_ROUTERS), mac];
    ipv6_frame(stations, [link_local, ALL_MLD_ROUTERS], [NEXT_HEADER_HOP_BY_HOP, HOP_LIMIT], &payload)
}

/// One record without sources.
fn encode_message(group: Ipv6Addr, checksum: u16) -> Vec<u8> {
    Writer::default()
        .bytes(&[TYPE_REPORT, 0])
        .u16(checksum)
        .bytes(&[0, 0, 0, 1])
        .bytes(&[CHANGE_TO_EXCLUDE, 0, 0, 0])
        .bytes(&group.octets())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::solicited_node;
    use crate::ndp::tests::{OURS, v6};

    /// Byte for byte what a kernel sends when it joins; tcpdump finds the checksum correct.
    #[test]
    fn a_report_is_sent_to_all_routers_of_the_link_and_names_the_group() {
        let ethernet = "333300000016 020000000011 86dd";
        let ipv6 = "60000000 0024 00 01 fe800000000000000000000000000011 ff020000000000000000000000000016";
        let router_alert = "3a00 05020000 0100";
        let icmpv6 = "8f00 6ef8 0000 0001 04000000 ff0200000000000000000001ff000200";
        let expected = [ethernet, ipv6, router_alert, icmpv6].concat().replace(' ', "");
        let report = membership_report(OURS, v6("fe80::11"), solicited_node(v6("fd00:30::200")));
        let written: Vec<String> = report.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written.concat(), expected);
    }
}
