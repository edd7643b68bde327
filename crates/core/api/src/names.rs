//! Names that users, other programs and older releases rely on, each once.

/// Annotation that names the pool a Service wants its addresses from.
pub const ADDRESS_POOL: &str = "metallb.io/address-pool";
/// Older spelling of [`ADDRESS_POOL`], still honoured.
pub const ADDRESS_POOL_DEPRECATED: &str = "metallb.universe.tf/address-pool";
/// Annotation that asks for one address or one of each family, comma separated.
pub const LOAD_BALANCER_IPS: &str = "metallb.io/loadBalancerIPs";
/// Older spelling of [`LOAD_BALANCER_IPS`], still honoured.
pub const LOAD_BALANCER_IPS_DEPRECATED: &str = "metallb.universe.tf/loadBalancerIPs";
/// Annotation whose equal value lets Services share an address.
pub const ALLOW_SHARED_IP: &str = "metallb.io/allow-shared-ip";
/// Older spelling of [`ALLOW_SHARED_IP`], still honoured.
pub const ALLOW_SHARED_IP_DEPRECATED: &str = "metallb.universe.tf/allow-shared-ip";
/// Annotation the controller writes: the pool the addresses come from.
pub const ALLOCATED_FROM_POOL: &str = "metallb.io/ip-allocated-from-pool";
/// The former name of [`ALLOCATED_FROM_POOL`]: old releases wrote it, nobody reads it.
pub const ALLOCATED_FROM_POOL_DEPRECATED: &str = "metallb.universe.tf/ip-allocated-from-pool";
/// Condition of a Service the controller writes: whether it has the addresses it wants, and if not, why.
pub const CONDITION_ALLOCATED: &str = "metallb.io/Allocated";
/// Prefix of every deprecated annotation.
pub const DEPRECATED_PREFIX: &str = "metallb.universe.tf";

/// Label of a `ServiceL2Status` or `ServiceBGPStatus`: the node that announces.
pub const LABEL_ANNOUNCING_NODE: &str = "metallb.io/node";
/// Label of a `ServiceL2Status` or `ServiceBGPStatus`: name of the Service.
pub const LABEL_SERVICE_NAME: &str = "metallb.io/service-name";
/// Label of a `ServiceL2Status` or `ServiceBGPStatus`: namespace of the Service.
pub const LABEL_SERVICE_NAMESPACE: &str = "metallb.io/service-namespace";
/// Label of a `ConfigurationState`: `controller` or `speaker`.
pub const LABEL_COMPONENT_TYPE: &str = "metallb.io/component-type";
/// Label of a speaker's `ConfigurationState`: its node.
pub const LABEL_NODE_NAME: &str = "metallb.io/node-name";
/// Node label that keeps a node from announcing.
pub const LABEL_EXCLUDE_BALANCERS: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// Label that joins an EndpointSlice to its Service.
pub const LABEL_SLICE_SERVICE: &str = "kubernetes.io/service-name";

/// Service in front of the controller's webhooks.
pub const WEBHOOK_SERVICE: &str = "metallb-webhook-service";
/// The configuration that sends the API server to those webhooks.
pub const WEBHOOK_CONFIGURATION: &str = "metallb-webhook-configuration";
/// Where that Service answers conversions.
pub const CONVERSION_PATH: &str = "/convert";

/// Source component of the controller's events.
pub const CONTROLLER_EVENT_SOURCE: &str = "metallb-controller";
/// Source component of the speakers' events.
pub const SPEAKER_EVENT_SOURCE: &str = "metallb-speaker";
/// Field manager of everything the operator applies.
pub const OPERATOR_FIELD_MANAGER: &str = "metallb-operator";
/// The only name a `MetalLB` resource may have.
pub const METALLB_NAME: &str = "metallb";
