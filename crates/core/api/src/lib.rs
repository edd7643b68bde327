//! The custom resources of MetalLB as Rust types, and the names they share with Kubernetes objects.
//!
//! Must not know: how objects are fetched, what their values mean (that is `metallb-config`),
//! or any client. A type here accepts every object the original's schema accepts.

mod common;
mod configuration_state;
mod crds;
mod ip_address_pool;
mod l2_advertisement;
mod metallb;
pub mod names;
mod service_l2_status;

pub use common::{Condition, LabelSelector};
pub use configuration_state::{
    ConfigurationResult, ConfigurationState, ConfigurationStateSpec, ConfigurationStateStatus,
};
pub use crds::crds;
pub use ip_address_pool::{IPAddressPool, IPAddressPoolSpec, IPAddressPoolStatus, ServiceAllocation};
pub use l2_advertisement::{
    L2Advertisement, L2AdvertisementSpec, L2AdvertisementStatus, PreferredNodeSelector,
};
pub use metallb::{FrrK8sConfig, LogLevel, MetalLB, MetalLBSpec, MetalLBStatus, WorkloadConfig};
pub use service_l2_status::{InterfaceInfo, ServiceL2Status, ServiceL2StatusSpec, ServiceL2StatusStatus};
