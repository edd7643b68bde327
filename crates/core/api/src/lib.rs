//! The custom resources of MetalLB as Rust types, and the names they share with Kubernetes objects.
//!
//! Must not know: how objects are fetched, what their values mean (that is `metallb-config`),
//! or any client. A type here accepts every object the original's schema accepts.

mod bfd_profile;
mod bgp_advertisement;
mod bgp_peer;
pub mod bgp_peer_v1beta1;
mod common;
mod community;
mod configuration_state;
pub mod conversion;
mod crds;
mod ip_address_pool;
mod l2_advertisement;
mod metallb;
pub mod names;
mod service_bgp_status;
mod service_l2_status;

pub use bfd_profile::{BFDProfile, BFDProfileSpec, BFDProfileStatus};
pub use bgp_advertisement::{BGPAdvertisement, BGPAdvertisementSpec, BGPAdvertisementStatus};
pub use bgp_peer::{BGPPeer, BGPPeerSpec, BGPPeerStatus};
pub use common::{Condition, LabelSelector, SecretReference};
pub use community::{Community, CommunityAlias, CommunitySpec, CommunityStatus};
pub use configuration_state::{
    ConfigurationResult, ConfigurationState, ConfigurationStateSpec, ConfigurationStateStatus,
};
pub use crds::crds;
pub use ip_address_pool::{IPAddressPool, IPAddressPoolSpec, IPAddressPoolStatus, ServiceAllocation};
pub use l2_advertisement::{
    L2Advertisement, L2AdvertisementSpec, L2AdvertisementStatus, PreferredNodeSelector,
};
pub use metallb::{
    FrrK8sConfig, LogLevel, MetalLB, MetalLBSpec, MetalLBStatus, NetworkPolicyConfig, PullSecret,
    UnknownPool, WorkloadConfig,
};
pub use service_bgp_status::{ServiceBGPStatus, ServiceBGPStatusSpec, ServiceBGPStatusStatus};
pub use service_l2_status::{InterfaceInfo, ServiceL2Status, ServiceL2StatusSpec, ServiceL2StatusStatus};
