//! Neighbour solicitations and advertisements from the wire.

use etherparse::{Icmpv6Slice, Icmpv6Type, NetSlice, SlicedPacket, TransportSlice};
use metallb_l2::{Advertisement, AnnouncedTable, Interfaces, Solicitation, answer_ndp, claim_ndp};

use crate::arp::{OURS, link};
use crate::binary;

pub(crate) const SEEDS: &[&str] = &[
    // A solicitation with the asker's hardware address, one to the address alone, and a probe for duplicates.
    "x3333ff00020002000000005086dd6000000000203afffe800000000000000000000000000050ff0200000000000000000001ff000200870000000000000020010db80000000000000000000002000101020000000050",
    "x02000000001102000000005086dd6000000000183afffe80000000000000000000000000005020010db8000000000000000000000200870000000000000020010db8000000000000000000000200",
    "x3333ff00020002000000005086dd6000000000183aff00000000000000000000000000000000ff0200000000000000000001ff000200870000000000000020010db8000000000000000000000200",
    "x3333ff00020002000000005086dd6000000000283afffe800000000000000000000000000050ff0200000000000000000001ff000200870000000000000020010db80000000000000000000002000e010102030405060101020000000050",
    // Advertisements, asked for and not.
    "x02000000001102000000005086dd6000000000203afffe800000000000000000000000000050fe800000000000000000000000000011880000006000000020010db80000000000000000000002000201020000000050",
    "x33330000000102000000005086dd6000000000203afffe800000000000000000000000000050ff020000000000000000000000000001880000002000000020010db80000000000000000000002000201020000000050",
    "x",
];

const CHECKSUM: usize = 56;

/// A frame, as it is and with the checksum it should have: what is read from it another codec reads as well, and what
/// is answered for its target is a valid advertisement of it.
pub fn ndp(data: &[u8]) {
    let bytes = binary::of(data);
    check(&bytes);
    let mut mended = bytes.into_owned();
    if let Some(checksum) = right_checksum(&mended) {
        mended.splice(CHECKSUM..CHECKSUM + 2, checksum.to_be_bytes());
        check(&mended);
    }
}

fn check(bytes: &[u8]) {
    let mut table = AnnouncedTable::default();
    assert!(answer_ndp(bytes, &link(), &table).is_err() && claim_ndp(bytes, &link(), &table).is_none());
    if let Ok(asked) = Solicitation::decode(bytes) {
        assert_eq!(by_oracle(bytes, 135), Some(asked.target.octets()), "{asked:?}");
        table.set(asked.target.into(), Interfaces::All);
    }
    if let Ok(heard) = Advertisement::decode(bytes) {
        assert_eq!(by_oracle(bytes, 136), Some(heard.target.octets()), "{heard:?}");
        table.set(heard.target.into(), Interfaces::All);
        assert_eq!(claim_ndp(bytes, &link(), &table).is_some(), heard.mac != OURS);
    }
    if let Ok(answer) = answer_ndp(bytes, &link(), &table) {
        let answered = by_oracle(&answer.frame, 136).map(Into::into).map(std::net::IpAddr::V6);
        // Addresses that are IPv4 in disguise are announced as what they are.
        assert_eq!(answered.map(|target| target.to_canonical()), Some(answer.address.to_canonical()));
    }
}

/// The target that the other codec reads from a message of this type that came from the link and is undamaged.
fn by_oracle(bytes: &[u8], kind: u8) -> Option<[u8; 16]> {
    let sliced = SlicedPacket::from_ethernet(bytes).ok()?;
    let Some(NetSlice::Ipv6(ip)) = sliced.net else { return None };
    let Some(TransportSlice::Icmpv6(message)) = sliced.transport else { return None };
    let header = ip.header();
    let is_whole = message.is_checksum_valid(header.source(), header.destination());
    let is_kind = (message.type_u8(), message.code_u8()) == (kind, 0);
    let is_known = matches!(
        message.icmp_type(),
        Icmpv6Type::NeighborSolicitation | Icmpv6Type::NeighborAdvertisement(_)
    );
    let target = message.payload().get(..16)?.try_into().ok()?;
    (is_whole && is_kind && is_known && header.hop_limit() == 255).then_some(target)
}

/// What the other codec says the checksum should be.
fn right_checksum(bytes: &[u8]) -> Option<u16> {
    let sliced = SlicedPacket::from_ethernet(bytes).ok()?;
    let Some(NetSlice::Ipv6(ip)) = sliced.net else { return None };
    let Some(TransportSlice::Icmpv6(message)) = sliced.transport else { return None };
    let message: Icmpv6Slice<'_> = message;
    let header = ip.header();
    message.icmp_type().calc_checksum(header.source(), header.destination(), message.payload()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_but_the_empty_one_is_a_message_once_its_checksum_is_right() {
        for seed in SEEDS.iter().filter(|seed| seed.len() > 1) {
            let mut bytes = binary::of(seed.as_bytes()).into_owned();
            let checksum = right_checksum(&bytes).unwrap();
            bytes.splice(CHECKSUM..CHECKSUM + 2, checksum.to_be_bytes());
            assert!(Solicitation::decode(&bytes).is_ok() || Advertisement::decode(&bytes).is_ok(), "{seed}");
        }
    }
}
