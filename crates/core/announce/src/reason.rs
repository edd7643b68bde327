//! Why a Service is not announced by this node.

use std::fmt;
use std::net::IpAddr;

/// Why this node does not announce a Service. [`Self::code`] is the log's `reason`, the `Display` the explanation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SkipReason {
    /// The object is gone.
    ServiceDeleted,
    /// `spec.type` is another.
    NotLoadBalancer,
    /// The load balancer class belongs to another implementation.
    OtherClass,
    /// The controller has given no address yet.
    NoIpAllocated,
    /// An entry of the status is no address.
    InvalidIp,
    /// The addresses are not all in one pool.
    IpNotAllowed,
    /// The announced addresses were replaced.
    LoadBalancerIpChanged,
    /// Nobody could answer the traffic.
    NoServingEndpoint,
    /// A shared address would be announced from several nodes.
    SharedIpWithServiceSelector,
    /// No advertisement of the pool is for this Service and this node.
    NoMatchingAdvertisement,
    /// No advertisement of the pool is for this Service and this node, but for another node.
    NotSelected {
        /// The one that announces.
        owner: String,
    },
    /// No node has a live speaker, is available, selected and, where it matters, has an endpoint.
    NoCandidate,
    /// Another node was elected.
    OtherNode {
        /// The one that announces.
        owner: String,
    },
    /// This node was elected but has none of the interfaces asked for.
    NoSuchInterface {
        /// The addresses nobody announces for that.
        addresses: Vec<IpAddr>,
    },
}

impl SkipReason {
    /// The word the contract gives this case (02 §2.1, §2.2); cases it does not know have words of our own.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ServiceDeleted => "serviceDeleted",
            Self::NotLoadBalancer => "notLoadBalancer",
            Self::OtherClass => "otherLoadBalancerClass",
            Self::NoIpAllocated => "noIPAllocated",
            Self::InvalidIp => "invalidIP",
            Self::IpNotAllowed => "ipNotAllowed",
            Self::LoadBalancerIpChanged => "loadBalancerIPChanged",
            Self::NoServingEndpoint | Self::NoCandidate | Self::OtherNode { .. } => "notOwner",
            Self::SharedIpWithServiceSelector => "sharedIPWithServiceSelector",
            Self::NoMatchingAdvertisement | Self::NotSelected { .. } => "noMatchingAdvertisement",
            Self::NoSuchInterface { .. } => "announceFailed",
        }
    }

    /// The node that was elected instead of this one.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::OtherNode { owner } | Self::NotSelected { owner } => Some(owner),
            Self::ServiceDeleted
            | Self::NotLoadBalancer
            | Self::OtherClass
            | Self::NoIpAllocated
            | Self::InvalidIp
            | Self::IpNotAllowed
            | Self::LoadBalancerIpChanged
            | Self::NoServingEndpoint
            | Self::SharedIpWithServiceSelector
            | Self::NoMatchingAdvertisement
            | Self::NoCandidate
            | Self::NoSuchInterface { .. } => None,
        }
    }

    /// Whether an admin should look, as opposed to things being as they should.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        match self {
            Self::SharedIpWithServiceSelector
            | Self::InvalidIp
            | Self::IpNotAllowed
            | Self::NoSuchInterface { .. } => true,
            Self::ServiceDeleted
            | Self::NotLoadBalancer
            | Self::OtherClass
            | Self::NoIpAllocated
            | Self::LoadBalancerIpChanged
            | Self::NoServingEndpoint
            | Self::NoMatchingAdvertisement
            | Self::NotSelected { .. }
            | Self::NoCandidate
            | Self::OtherNode { .. } => false,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceDeleted => f.write_str("the Service is gone"),
            Self::NotLoadBalancer => f.write_str("the Service is not of type LoadBalancer"),
            Self::OtherClass => f.write_str("its load balancer class is not ours"),
            Self::NoIpAllocated => f.write_str("it has no address yet"),
            Self::InvalidIp => f.write_str("its status holds an entry that is no IP address"),
            Self::IpNotAllowed => f.write_str("its addresses are not all in one IPAddressPool"),
            Self::LoadBalancerIpChanged => f.write_str("it got other addresses"),
            Self::NoServingEndpoint => f.write_str("no endpoint can serve"),
            Self::SharedIpWithServiceSelector => f.write_str(
                "it shares its address while an L2Advertisement selects Services: remove one or the other",
            ),
            Self::NoMatchingAdvertisement => f.write_str("no L2Advertisement selects its pool and this node"),
            Self::NotSelected { owner } => {
                write!(f, "no L2Advertisement selects its pool and this node, node {owner} announces it")
            }
            Self::NoCandidate => f.write_str("no node with a live speaker may announce it"),
            Self::OtherNode { owner } => write!(f, "node {owner} announces it"),
            Self::NoSuchInterface { .. } => {
                f.write_str("this node has none of the interfaces its L2Advertisements name")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_the_word_of_the_contract() {
        let owner = || "n2".to_owned();
        for (reason, code) in [
            (SkipReason::ServiceDeleted, "serviceDeleted"),
            (SkipReason::NotLoadBalancer, "notLoadBalancer"),
            (SkipReason::OtherClass, "otherLoadBalancerClass"),
            (SkipReason::NoIpAllocated, "noIPAllocated"),
            (SkipReason::InvalidIp, "invalidIP"),
            (SkipReason::IpNotAllowed, "ipNotAllowed"),
            (SkipReason::LoadBalancerIpChanged, "loadBalancerIPChanged"),
            (SkipReason::NoServingEndpoint, "notOwner"),
            (SkipReason::SharedIpWithServiceSelector, "sharedIPWithServiceSelector"),
            (SkipReason::NoMatchingAdvertisement, "noMatchingAdvertisement"),
            (SkipReason::NotSelected { owner: owner() }, "noMatchingAdvertisement"),
            (SkipReason::NoCandidate, "notOwner"),
            (SkipReason::OtherNode { owner: owner() }, "notOwner"),
            (SkipReason::NoSuchInterface { addresses: vec![] }, "announceFailed"),
        ] {
            assert_eq!(reason.code(), code, "{reason:?}");
        }
    }
}
