//! The objects made of a configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use metallb_api::{
    BFDProfile, BGPAdvertisement, BGPPeer, Community, CommunityAlias, CommunitySpec, IPAddressPool,
    IPAddressPoolSpec, L2Advertisement,
};
use metallb_config::{BgpType, Config, RawConfig};

use crate::advertisements::build_advertisements;
use crate::error::LegacyError;
use crate::input::{Legacy, Pool, Source};
use crate::name::{Renamed, compatible};
use crate::peers::{BFD_PROFILE, build_peer, build_profile};

const POOL: &str = "IpAddressPool";
/// The one object that holds all communities.
const COMMUNITIES: &str = "communities";

/// Custom resources that say what the old configuration said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// The namespace of all of them.
    pub namespace: String,
    /// The peers, in their order.
    pub peers: Vec<BGPPeer>,
    /// The pools, in their order.
    pub pools: Vec<IPAddressPool>,
    /// How pools are announced over BGP.
    pub bgp_advertisements: Vec<BGPAdvertisement>,
    /// How pools are announced by ARP and NDP.
    pub l2_advertisements: Vec<L2Advertisement>,
    /// The BFD profiles, in their order.
    pub bfd_profiles: Vec<BFDProfile>,
    /// The names of communities, if there are any.
    pub communities: Option<Community>,
    /// The names that are others now.
    pub renamed: Vec<Renamed>,
}

/// Converts a configuration. What comes out is valid, as far as can be told without the cluster it is for.
///
/// # Errors
/// When the text can't be read, something in it can't be converted, or the result is not valid.
pub fn convert(source: &Source) -> Result<Resources, LegacyError> {
    let legacy = Legacy::parse(&source.config)?;
    let mut resources = Resources { namespace: source.namespace.clone(), ..Resources::default() };
    resources.add_peers(&legacy)?;
    legacy.address_pools.iter().try_for_each(|pool| resources.add_pool(pool))?;
    resources.add_profiles(&legacy)?;
    resources.add_communities(&legacy);
    resources.namespaced();
    resources.check()?;
    Ok(resources)
}

impl Resources {
    fn add_peers(&mut self, legacy: &Legacy) -> Result<(), LegacyError> {
        for (number, peer) in (1..).zip(&legacy.peers) {
            let spec = build_peer(number, peer, &mut self.renamed)?;
            self.peers.push(BGPPeer::new(&format!("peer{number}"), spec));
        }
        Ok(())
    }

    fn add_pool(&mut self, pool: &Pool) -> Result<(), LegacyError> {
        let name = compatible(POOL, &pool.name, &mut self.renamed)?;
        let advertisements = build_advertisements(pool, &name)?;
        let spec = IPAddressPoolSpec {
            addresses: pool.addresses.clone(),
            auto_assign: pool.auto_assign,
            avoid_buggy_ips: pool.avoid_buggy_ips.then_some(true),
            service_allocation: None,
        };
        self.pools.push(IPAddressPool::new(&name, spec));
        if let Some(spec) = advertisements.layer2 {
            let name = format!("l2advertisement{}", self.l2_advertisements.len() + 1);
            self.l2_advertisements.push(L2Advertisement::new(&name, spec));
        }
        for spec in advertisements.bgp {
            let name = format!("bgpadvertisement{}", self.bgp_advertisements.len() + 1);
            self.bgp_advertisements.push(BGPAdvertisement::new(&name, spec));
        }
        Ok(())
    }

    fn add_profiles(&mut self, legacy: &Legacy) -> Result<(), LegacyError> {
        for profile in &legacy.bfd_profiles {
            let name = compatible(BFD_PROFILE, &profile.name, &mut self.renamed)?;
            self.bfd_profiles.push(BFDProfile::new(&name, build_profile(profile)));
        }
        Ok(())
    }

    fn add_communities(&mut self, legacy: &Legacy) {
        let alias =
            |(name, value): (&String, &String)| CommunityAlias { name: name.clone(), value: value.clone() };
        // The map is sorted by name.
        let aliases: Vec<_> = legacy.bgp_communities.iter().map(alias).collect();
        let spec = CommunitySpec { communities: Some(aliases) };
        self.communities = (!legacy.bgp_communities.is_empty()).then(|| Community::new(COMMUNITIES, spec));
    }

    fn namespaced(&mut self) {
        let Self { namespace, peers, pools, bgp_advertisements, l2_advertisements, .. } = self;
        let Self { bfd_profiles, communities, .. } = self;
        let peers = peers.iter_mut().map(|object| &mut object.metadata);
        let pools = pools.iter_mut().map(|object| &mut object.metadata);
        let bgp = bgp_advertisements.iter_mut().map(|object| &mut object.metadata);
        let layer2 = l2_advertisements.iter_mut().map(|object| &mut object.metadata);
        let profiles = bfd_profiles.iter_mut().map(|object| &mut object.metadata);
        let communities = communities.iter_mut().map(|object| &mut object.metadata);
        for metadata in peers.chain(pools).chain(bgp).chain(layer2).chain(profiles).chain(communities) {
            metadata.namespace = Some(namespace.clone());
        }
    }

    /// The same rules as for objects in a cluster, but none of a single BGP engine: which one it will be is open.
    fn check(&self) -> Result<(), LegacyError> {
        let pools = self.pools.iter().map(|pool| pool.metadata.name.as_deref());
        refuse_repetition(POOL, pools)?;
        let profiles = self.bfd_profiles.iter().map(|profile| profile.metadata.name.as_deref());
        refuse_repetition(BFD_PROFILE, profiles)?;
        let refusals = metallb_config::parse(&self.to_raw(), &Config::default()).refusals;
        if refusals.is_empty() {
            return Ok(());
        }
        let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        Err(LegacyError::Invalid(reasons.join("\n")))
    }

    fn to_raw(&self) -> RawConfig {
        RawConfig {
            pools: shared(&self.pools),
            l2_advertisements: shared(&self.l2_advertisements),
            bgp_advertisements: shared(&self.bgp_advertisements),
            peers: shared(&self.peers),
            bfd_profiles: shared(&self.bfd_profiles),
            communities: self.communities.iter().cloned().map(Arc::new).collect(),
            bgp_type: BgpType::Other,
            ..RawConfig::default()
        }
    }
}

fn shared<T: Clone>(objects: &[T]) -> Vec<Arc<T>> {
    objects.iter().cloned().map(Arc::new).collect()
}

fn refuse_repetition<'a>(
    kind: &'static str,
    names: impl Iterator<Item = Option<&'a str>>,
) -> Result<(), LegacyError> {
    let mut seen = BTreeSet::new();
    match names.flatten().find(|name| !seen.insert(*name)) {
        Some(name) => Err(LegacyError::SameName { kind, name: name.to_owned() }),
        None => Ok(()),
    }
}
