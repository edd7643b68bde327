//! Entries of an address pool.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use metallb_net::{IpRange, Prefix};

use crate::text;

pub(crate) const SEEDS: &[&str] = &[
    "192.0.2.0/24",
    "192.0.2.10-192.0.2.20",
    " 10.0.0.1 - 10.0.0.1 ",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/124",
    "fc00:f853:ccd:e793::-fc00:f853:ccd:e793::ff",
    "::ffff:1.2.3.0/120",
    "::ffff:0:0/95",
    "::1-::1:0:0:0",
    "1.2.3.4-::5",
    "1.2.3.4/33",
    "-",
    "/",
];

/// A pool entry: read twice, by us and by others, and written again.
pub fn ranges(data: &[u8]) {
    let text = text::of(data);
    let read = text.parse::<IpRange>().ok();
    assert_eq!(read.map(|range| (range.first(), range.last())), read_by_others(&text), "{text:?}");
    if let Some(range) = read {
        check_range(&range);
    }
    if let Ok(prefix) = text.parse::<Prefix>() {
        assert!(read.is_none_or(|read| read == prefix.into()), "{text:?} as a prefix and as an entry");
        assert_eq!(prefix.to_string().parse(), Ok(prefix));
    }
}

/// The same by the standard library and, for the arithmetic, ipnet: first and last address.
fn read_by_others(text: &str) -> Option<(IpAddr, IpAddr)> {
    let Some((first, last)) = text.split_once('-') else { return read_prefix(text) };
    let (first, last): (IpAddr, IpAddr) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let (first, last) = (first.to_canonical(), last.to_canonical());
    let holds_mapped = first.is_ipv6() && first <= mapped(0) && mapped(u32::MAX) <= last;
    (first.is_ipv4() == last.is_ipv4() && first <= last && !holds_mapped).then_some((first, last))
}

fn read_prefix(text: &str) -> Option<(IpAddr, IpAddr)> {
    let (address, length) = text.split_once('/')?;
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length = length.parse().ok().filter(|_| digits)?;
    let net = IpNet::new(address.parse().ok()?, length).ok()?;
    // A 4-in-6 prefix is IPv4 if it holds nothing else, and nothing if it does.
    let (first, last) = (net.network().to_canonical(), net.broadcast().to_canonical());
    (first.is_ipv4() == last.is_ipv4()).then_some((first, last))
}

/// The 4-in-6 form of an IPv4 address.
fn mapped(bits: u32) -> IpAddr {
    Ipv4Addr::from_bits(bits).to_ipv6_mapped().into()
}

fn check_range(range: &IpRange) {
    assert_eq!(range.nth(0), Some(range.first()));
    // The whole of IPv6 holds one address more than a u128 counts.
    assert_eq!(range.nth(range.len()).is_some(), range.len() == u128::MAX, "{range} ends");
    check_prefixes(range);
    assert!(range.contains(range.first()) && range.contains(range.last()), "{range} holds its ends");
    // With the 4-in-6 addresses in its midst only a prefix is read again.
    let read_again = match range.prefixes().as_slice() {
        [prefix] => prefix.to_string().parse(),
        _ => range.to_string().parse(),
    };
    assert_eq!(read_again, Ok(*range), "{range} read again");
}

/// The prefixes follow one another without a gap from the first address to the last.
fn check_prefixes(range: &IpRange) {
    let mut next = Some(range.bounds().0);
    let prefixes = range.prefixes();
    assert!(prefixes.len() <= 2 * usize::from(range.family().bits()), "{range}: {} prefixes", prefixes.len());
    for prefix in prefixes {
        let part = IpRange::from(prefix);
        assert_eq!(part.family(), range.family());
        assert_eq!(Some(part.bounds().0), next, "{range} at {prefix}");
        assert!(part.last() <= range.last(), "{range} at {prefix}");
        next = part.bounds().1.checked_add(1);
    }
    assert_eq!(next, range.bounds().1.checked_add(1), "{range} is covered to its end");
}
