//! Why a Service can't have an address.

use std::net::IpAddr;

use metallb_config::Quoted;
use metallb_config::service::{FamilyError, Port, RequestError, ServiceKey};

/// These very addresses can't be held by this Service (contract 01 §4.5).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// No pool holds them all.
    #[error("{} is not allowed in config", Quoted(addresses))]
    NotInConfig {
        /// The addresses.
        addresses: Vec<IpAddr>,
    },
    /// The pool is pinned to other Services.
    #[error("pool {pool} not compatible for ip assignment")]
    NotCompatible {
        /// The pool.
        pool: String,
    },
    /// Other Services hold an address, and sharing was not agreed.
    #[error("can't change sharing key for \"{service}\", address also in use by {}", join(others))]
    InUse {
        /// Who asked.
        service: ServiceKey,
        /// Who has it.
        others: Vec<ServiceKey>,
    },
    /// Another Service listens on the same port of a shared address.
    #[error("port {port} is already in use on \"{address}\"")]
    PortInUse {
        /// The port.
        port: Port,
        /// The address.
        address: IpAddr,
    },
}

fn join(keys: &[ServiceKey]) -> String {
    keys.iter().map(ServiceKey::to_string).collect::<Vec<_>>().join(",")
}

/// No addresses were found for a Service (contract 01 §4.10).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AllocationError {
    /// The request can't be understood.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The requested addresses are neither one nor one of each family.
    #[error(transparent)]
    Family(#[from] FamilyError),
    /// The families of the cluster addresses can't be told.
    #[error(transparent)]
    Cluster(FamilyError),
    /// The requested addresses can't be had.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The requested addresses are of other families than the Service.
    #[error("requested loadBalancer IP(s) {} does not match the ipFamily of the service", Quoted(addresses))]
    FamilyMismatch {
        /// The addresses.
        addresses: Vec<IpAddr>,
    },
    /// The requested addresses are not in the requested pool.
    #[error(
        "requested loadBalancer IP(s) {} is not compatible with requested address pool {pool}",
        Quoted(addresses)
    )]
    PoolMismatch {
        /// The addresses.
        addresses: Vec<IpAddr>,
        /// The pool.
        pool: String,
    },
    /// There is no pool of the requested name.
    #[error("unknown pool {pool:?}: {hint}")]
    UnknownPool {
        /// The name.
        pool: String,
        /// What there is instead.
        hint: String,
    },
    /// The requested pool is used up.
    #[error("no available IPs in pool {pool}")]
    PoolFull {
        /// The pool.
        pool: String,
    },
    /// The requested pool has nothing of the families wanted.
    #[error("no available IPs in pool {pool} for {families} IPFamily")]
    PoolLacksFamily {
        /// The pool.
        pool: String,
        /// `ipv4`, `ipv6` or `dual`.
        families: String,
    },
    /// No pool has anything for the Service.
    #[error("no available IPs")]
    NothingAvailable,
}
