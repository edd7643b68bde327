//! Inclusive address ranges, and the text of a pool entry.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::family::{IpFamily, canonical, from_bits, to_bits};
use crate::prefix::Prefix;

#[cfg(test)]
mod tests;

/// All addresses from the first to the last, both included, of one family. Never empty.
///
/// Parses from a pool entry: `192.0.2.0/24` (host bits are masked off) or `192.0.2.10 - 192.0.2.20`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IpRange {
    family: IpFamily,
    first: u128,
    last: u128,
}

/// A text or a pair is no range.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RangeError {
    /// There is no `-`, and it is no prefix either.
    #[error("invalid CIDR {entry:?}")]
    Prefix {
        /// The whole entry.
        entry: String,
    },
    /// What stands before the `-` is no address.
    #[error("invalid IP range {entry:?}: invalid start IP {start:?}")]
    Start {
        /// The whole entry.
        entry: String,
        /// The part that is no address.
        start: String,
    },
    /// What stands after the `-` is no address.
    #[error("invalid IP range {entry:?}: invalid end IP {end:?}")]
    End {
        /// The whole entry.
        entry: String,
        /// The part that is no address.
        end: String,
    },
    /// The range runs backwards.
    #[error("invalid IP range {entry:?}: start IP \"{start}\" is after the end IP \"{end}\"")]
    Reversed {
        /// The whole entry.
        entry: String,
        /// The first address.
        start: IpAddr,
        /// The last address.
        end: IpAddr,
    },
    /// One end is IPv4, the other IPv6.
    #[error(
        "invalid IP range {entry:?}: start IP \"{start}\" and end IP \"{end}\" are of different IP families"
    )]
    MixedFamilies {
        /// The whole entry.
        entry: String,
        /// The first address.
        start: IpAddr,
        /// The last address.
        end: IpAddr,
    },
    /// It is IPv6 and holds 4-in-6 addresses, which are IPv4 wherever they are read.
    #[error("invalid IP range {entry:?}: it holds IPv6 addresses and those of ::ffff:0:0/96, which are IPv4")]
    Mapped {
        /// The whole entry.
        entry: String,
    },
}

/// The 4-in-6 addresses: whoever reads one reads an IPv4 address.
const MAPPED: (u128, u128) = (0xffff << 32, (0xffff << 32) + u32::MAX as u128);

impl IpRange {
    /// The range between two addresses, both included.
    ///
    /// # Errors
    /// When the families differ, `first` is after `last`, or an IPv6 range holds 4-in-6 addresses.
    pub fn new(first: IpAddr, last: IpAddr) -> Result<Self, RangeError> {
        Self::between(first, last, || format!("{first}-{last}"))
    }

    fn between(first: IpAddr, last: IpAddr, entry: impl Fn() -> String) -> Result<Self, RangeError> {
        let (start, end) = (canonical(first), canonical(last));
        let family = IpFamily::of(start);
        if family != IpFamily::of(end) {
            return Err(RangeError::MixedFamilies { entry: entry(), start, end });
        }
        if start > end {
            return Err(RangeError::Reversed { entry: entry(), start, end });
        }
        let range = Self { family, first: to_bits(start), last: to_bits(end) };
        let holds_mapped = family == IpFamily::V6 && range.first <= MAPPED.1 && MAPPED.0 <= range.last;
        if holds_mapped { Err(RangeError::Mapped { entry: entry() }) } else { Ok(range) }
    }

    /// A prefix so short that the 4-in-6 addresses are a hole in its midst is usable; one that ends with them is not.
    fn of_prefix(prefix: Prefix, entry: &str) -> Result<Self, RangeError> {
        let range = Self::from(prefix);
        let ends_in_ipv4 = range.family == IpFamily::V6 && (MAPPED.0..=MAPPED.1).contains(&range.last);
        if ends_in_ipv4 { Err(RangeError::Mapped { entry: entry.to_owned() }) } else { Ok(range) }
    }

    /// The family of every address in the range.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        self.family
    }

    /// The lowest address.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        self.address(self.first)
    }

    /// The highest address.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        self.address(self.last)
    }

    /// The bounds as integers, for arithmetic; see [`IpRange::address`] for the way back.
    #[must_use]
    pub fn bounds(&self) -> (u128, u128) {
        (self.first, self.last)
    }

    /// The address behind an integer of this range's family; integers beyond the family saturate.
    #[must_use]
    pub fn address(&self, bits: u128) -> IpAddr {
        from_bits(self.family, bits)
    }

    /// The integer behind an address, if the range holds it.
    #[must_use]
    pub fn position(&self, address: IpAddr) -> Option<u128> {
        self.contains(address).then(|| to_bits(address))
    }

    /// Whether the address lies in the range; 4-in-6 addresses count as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        IpFamily::of(address) == self.family && (self.first..=self.last).contains(&to_bits(address))
    }

    /// How many addresses; `u128::MAX` for the whole of IPv6, which holds one more.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// The n-th address, counted from zero.
    #[must_use]
    pub fn nth(&self, n: u128) -> Option<IpAddr> {
        let bits = self.first.checked_add(n)?;
        (bits <= self.last).then(|| self.address(bits))
    }

    /// Whether the two ranges have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.family == other.family && self.first <= other.last && other.first <= self.last
    }

    /// The fewest prefixes that cover exactly this range, in ascending order.
    #[must_use]
    pub fn prefixes(&self) -> Vec<Prefix> {
        let mut prefixes = Vec::new();
        let mut next = Some(self.first);
        while let Some(start) = next.filter(|start| *start <= self.last) {
            let Some(prefix) = self.largest_prefix_at(start) else { break };
            next = prefix.bounds().1.checked_add(1);
            prefixes.push(prefix);
        }
        prefixes
    }

    /// The shortest prefix that begins at `start` and ends within the range.
    fn largest_prefix_at(&self, start: u128) -> Option<Prefix> {
        (0..=self.family.bits())
            .filter_map(|length| Prefix::new(self.address(start), length).ok())
            .find(|prefix| prefix.bounds().0 == start && prefix.bounds().1 <= self.last)
    }
}

impl From<Prefix> for IpRange {
    fn from(prefix: Prefix) -> Self {
        let (first, last) = prefix.bounds();
        Self { family: prefix.family(), first, last }
    }
}

impl FromStr for IpRange {
    type Err = RangeError;

    fn from_str(entry: &str) -> Result<Self, RangeError> {
        let Some((start, end)) = entry.split_once('-') else {
            let prefix: Prefix = entry.parse().map_err(|_| RangeError::Prefix { entry: entry.to_owned() })?;
            return Self::of_prefix(prefix, entry);
        };
        let first = start
            .trim()
            .parse()
            .map_err(|_| RangeError::Start { entry: entry.to_owned(), start: start.to_owned() })?;
        let last = end
            .trim()
            .parse()
            .map_err(|_| RangeError::End { entry: entry.to_owned(), end: end.to_owned() })?;
        Self::between(first, last, || entry.to_owned())
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first(), self.last())
    }
}
