//! One network prefix.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::family::{IpFamily, canonical, from_bits, to_bits};

/// A network address and its length; host bits are zero.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix {
    base: IpAddr,
    length: u8,
}

/// A text or a pair is no prefix.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PrefixError {
    /// The text is not `<address>/<length>`.
    #[error("invalid CIDR {text:?}")]
    Syntax {
        /// What was given.
        text: String,
    },
    /// The family has fewer bits than the length.
    #[error("invalid CIDR \"{address}/{length}\"")]
    Length {
        /// The address given.
        address: IpAddr,
        /// The length given.
        length: u8,
    },
}

impl Prefix {
    /// The prefix of this length that holds `address`; host bits are masked off.
    ///
    /// A 4-in-6 address whose length reaches into the IPv4 part gives the IPv4 prefix.
    ///
    /// # Errors
    /// When the family of the address has fewer than `length` bits.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let error = PrefixError::Length { address, length };
        let (address, length) = match (address, canonical(address)) {
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) if (96..=128).contains(&length) => (v4, length - 96),
            (given, _) => (given, length),
        };
        let family = match address {
            IpAddr::V4(_) => IpFamily::V4,
            IpAddr::V6(_) => IpFamily::V6,
        };
        if length > family.bits() {
            return Err(error);
        }
        let bits = match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let base = from_bits(family, bits & !host_mask(family, length));
        Ok(Self { base, length })
    }

    /// The network address.
    #[must_use]
    pub fn base(&self) -> IpAddr {
        self.base
    }

    /// The number of leading bits that are fixed.
    #[must_use]
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The family of the prefix.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        IpFamily::of(self.base)
    }

    /// First and last address as integers.
    pub(crate) fn bounds(&self) -> (u128, u128) {
        let first = to_bits(self.base);
        (first, first | host_mask(self.family(), self.length))
    }
}

/// Ones where the host part is.
fn host_mask(family: IpFamily, length: u8) -> u128 {
    let host_bits = u32::from(family.bits().saturating_sub(length));
    1u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1)
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.length)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let error = || PrefixError::Syntax { text: text.to_owned() };
        let (address, length) = text.split_once('/').ok_or_else(error)?;
        let address: IpAddr = address.parse().map_err(|_| error())?;
        // `str::parse` takes a leading plus sign, which no prefix has.
        if !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let length: u8 = length.parse().map_err(|_| error())?;
        Self::new(address, length).map_err(|_| error())
    }
}
