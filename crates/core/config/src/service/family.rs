//! Which families a Service wants.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::ServiceSpec;
use metallb_net::{IpFamily, canonical};

use crate::quoted::Quoted;

/// `spec.ipFamilyPolicy`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FamilyPolicy {
    /// One family; also what an absent policy means.
    #[default]
    SingleStack,
    /// Both families if there are any, else one.
    PreferDualStack,
    /// Both families or nothing.
    RequireDualStack,
}

/// One family or both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Families {
    /// Only this one.
    One(IpFamily),
    /// IPv4 and IPv6.
    Both,
}

/// The families of a Service's cluster addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClusterFamily {
    /// The API server has not assigned a cluster address.
    NoAddress,
    /// The addresses are fine.
    Known(Families),
    /// They are not, and this is why.
    Unknown(FamilyError),
}

/// A list of addresses is neither one address nor one of each family.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FamilyError {
    /// Something is no address, for instance `None`.
    #[error("IPFamilyForAddresses: Invalid address {list}")]
    NoAddress {
        /// The list, quoted.
        list: String,
    },
    /// Two addresses of one family.
    #[error("IPFamilyForAddresses: same address family {list}")]
    SameFamily {
        /// The list, quoted.
        list: String,
    },
    /// Neither one nor two.
    #[error("IPFamilyForAddresses: invalid ips length {count} {list}")]
    Count {
        /// How many there are.
        count: usize,
        /// The list, quoted.
        list: String,
    },
}

/// The families of one address, or of two of different families.
///
/// # Errors
/// For any other list.
pub fn families_of(addresses: &[IpAddr]) -> Result<Families, FamilyError> {
    let list = || Quoted(addresses).to_string();
    match addresses {
        [one] => Ok(Families::One(IpFamily::of(*one))),
        [a, b] if IpFamily::of(*a) == IpFamily::of(*b) => Err(FamilyError::SameFamily { list: list() }),
        [_, _] => Ok(Families::Both),
        other => Err(FamilyError::Count { count: other.len(), list: list() }),
    }
}

/// `clusterIPs`, or `clusterIP` if that list is empty.
pub(super) fn cluster_ips(spec: &ServiceSpec) -> Vec<String> {
    match spec.cluster_ips.as_deref() {
        Some(addresses) if !addresses.is_empty() => addresses.to_vec(),
        _ => spec.cluster_ip.iter().filter(|address| !address.is_empty()).cloned().collect(),
    }
}

pub(super) fn cluster_family(cluster_ips: &[String]) -> ClusterFamily {
    if cluster_ips.is_empty() {
        return ClusterFamily::NoAddress;
    }
    let addresses: Result<Vec<IpAddr>, _> =
        cluster_ips.iter().map(|text| text.parse().map(canonical)).collect();
    let families = addresses
        .map_err(|_| FamilyError::NoAddress { list: Quoted(cluster_ips).to_string() })
        .and_then(|addresses| families_of(&addresses));
    families.map_or_else(ClusterFamily::Unknown, ClusterFamily::Known)
}

pub(super) fn policy(text: Option<&str>) -> FamilyPolicy {
    match text {
        Some("PreferDualStack") => FamilyPolicy::PreferDualStack,
        Some("RequireDualStack") => FamilyPolicy::RequireDualStack,
        _ => FamilyPolicy::SingleStack,
    }
}

pub(super) fn primary(families: Option<&[String]>) -> IpFamily {
    match families.and_then(<[String]>::first).map(String::as_str) {
        Some("IPv6") => IpFamily::V6,
        _ => IpFamily::V4,
    }
}
