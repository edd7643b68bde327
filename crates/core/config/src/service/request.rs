//! Which addresses a Service asks for.

use std::net::IpAddr;

use metallb_api::names;
use metallb_net::canonical;

use super::family::{FamilyError, families_of};
use super::preferred;
use crate::raw::Labels;

/// A request for addresses cannot be understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// The annotation and the field are both set.
    #[error("service can not have both {} and svc.Spec.LoadBalancerIP", names::LOAD_BALANCER_IPS)]
    BothWays,
    /// The annotation holds something that is no address.
    #[error("invalid {}: {value:?}", names::LOAD_BALANCER_IPS)]
    Annotation {
        /// The whole value.
        value: String,
    },
    /// The field holds something that is no address.
    #[error("invalid spec.loadBalancerIP {value:?}")]
    Field {
        /// The whole value.
        value: String,
    },
    /// The addresses are neither one nor one of each family.
    #[error(transparent)]
    Families(#[from] FamilyError),
}

pub(super) fn requested_ips(annotations: &Labels, field: Option<&str>) -> Result<Vec<IpAddr>, RequestError> {
    let annotation = preferred(annotations, names::LOAD_BALANCER_IPS, names::LOAD_BALANCER_IPS_DEPRECATED);
    let not_empty = |text: &&str| !text.is_empty();
    let addresses = match (annotation.filter(not_empty), field.filter(not_empty)) {
        (None, None) => return Ok(Vec::new()),
        (Some(_), Some(_)) => return Err(RequestError::BothWays),
        (Some(value), None) => parse_annotation(value)?,
        (None, Some(value)) => vec![parse_field(value)?],
    };
    families_of(&addresses)?;
    Ok(addresses)
}

fn parse_annotation(value: &str) -> Result<Vec<IpAddr>, RequestError> {
    let addresses: Result<Vec<IpAddr>, _> =
        value.split(',').map(|item| item.trim().parse().map(canonical)).collect();
    addresses.map_err(|_| RequestError::Annotation { value: value.to_owned() })
}

fn parse_field(value: &str) -> Result<IpAddr, RequestError> {
    value.parse().map(canonical).map_err(|_| RequestError::Field { value: value.to_owned() })
}
