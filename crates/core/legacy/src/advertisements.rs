//! How the old pools were announced.

use metallb_api::{BGPAdvertisementSpec, L2AdvertisementSpec};

use crate::error::LegacyError;
use crate::input::{Advertisement, Pool};

/// The advertisements of one pool.
pub(crate) struct Advertisements {
    pub(crate) layer2: Option<L2AdvertisementSpec>,
    pub(crate) bgp: Vec<BGPAdvertisementSpec>,
}

/// What announces this pool, which is called `name` now.
///
/// A protocol that does not exist is refused (the original made a pool of it that nobody announces, D21).
pub(crate) fn build_advertisements(pool: &Pool, name: &str) -> Result<Advertisements, LegacyError> {
    let pools = || Some(vec![name.to_owned()]);
    let mut bgp: Vec<_> = pool.bgp_advertisements.iter().map(|old| build_bgp(old, name)).collect();
    let layer2 = match pool.protocol.as_str() {
        "layer2" => Some(L2AdvertisementSpec { ip_address_pools: pools(), ..L2AdvertisementSpec::default() }),
        "bgp" if bgp.is_empty() => {
            bgp.push(BGPAdvertisementSpec { ip_address_pools: pools(), ..BGPAdvertisementSpec::default() });
            None
        }
        "bgp" => None,
        other => {
            let (pool, protocol) = (pool.name.clone(), other.to_owned());
            return Err(LegacyError::Protocol { pool, protocol });
        }
    };
    Ok(Advertisements { layer2, bgp })
}

fn build_bgp(old: &Advertisement, pool: &str) -> BGPAdvertisementSpec {
    BGPAdvertisementSpec {
        aggregation_length: old.aggregation_length,
        aggregation_length_v6: old.aggregation_length_v6,
        local_pref: old.localpref.filter(|preference| *preference != 0).map(i64::from),
        communities: Some(old.communities.clone()).filter(|communities| !communities.is_empty()),
        ip_address_pools: Some(vec![pool.to_owned()]),
        ..BGPAdvertisementSpec::default()
    }
}
