//! The old configuration as it was written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::LegacyError;

/// Where the objects go when the `ConfigMap` does not say.
const DEFAULT_NAMESPACE: &str = "metallb-system";

/// A configuration, and the namespace it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// The namespace of what is made of it.
    pub namespace: String,
    /// The text under `data.config`.
    pub config: String,
}

impl Source {
    /// The configuration in a `ConfigMap`, given as YAML or JSON.
    ///
    /// # Errors
    /// When it is none, or holds no configuration.
    pub fn in_config_map(text: &str) -> Result<Self, LegacyError> {
        let object: ConfigMap = yaml("the ConfigMap", text)?;
        if object.kind != "ConfigMap" {
            return Err(LegacyError::Kind);
        }
        Self::of(object.metadata.namespace.as_deref(), object.data.and_then(|mut data| data.remove("config")))
    }

    /// The configuration of a `ConfigMap` that was read already.
    ///
    /// # Errors
    /// When it holds none.
    pub fn of(namespace: Option<&str>, config: Option<String>) -> Result<Self, LegacyError> {
        let config = config.ok_or(LegacyError::NoData)?;
        let namespace = namespace.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_NAMESPACE).to_owned();
        Ok(Self { namespace, config })
    }

    /// A configuration without the `ConfigMap` around it.
    #[must_use]
    pub fn only_data(text: &str) -> Self {
        Self { namespace: DEFAULT_NAMESPACE.to_owned(), config: text.to_owned() }
    }
}

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    data: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    namespace: Option<String>,
}

/// Everything the old configuration could say. MetalLB refused fields it did not know, and so is done here: a
/// misspelled one would be lost without a word.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Legacy {
    pub(crate) peers: Vec<Peer>,
    pub(crate) address_pools: Vec<Pool>,
    pub(crate) bgp_communities: BTreeMap<String, String>,
    pub(crate) bfd_profiles: Vec<BfdProfile>,
}

impl Legacy {
    pub(crate) fn parse(text: &str) -> Result<Self, LegacyError> {
        let legacy: Option<Self> = yaml("the configuration", text)?;
        Ok(legacy.unwrap_or_default())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Peer {
    pub(crate) my_asn: u32,
    pub(crate) peer_asn: u32,
    pub(crate) peer_address: String,
    pub(crate) source_address: String,
    pub(crate) peer_port: u16,
    pub(crate) hold_time: String,
    pub(crate) keepalive_time: String,
    #[serde(rename = "router-id")]
    pub(crate) router_id: String,
    pub(crate) node_selectors: Vec<NodeSelector>,
    pub(crate) password: String,
    pub(crate) bfd_profile: String,
    pub(crate) ebgp_multihop: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct NodeSelector {
    pub(crate) match_labels: BTreeMap<String, String>,
    pub(crate) match_expressions: Vec<Expression>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expression {
    pub(crate) key: String,
    pub(crate) operator: String,
    pub(crate) values: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Pool {
    pub(crate) protocol: String,
    pub(crate) name: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) avoid_buggy_ips: bool,
    pub(crate) auto_assign: Option<bool>,
    pub(crate) bgp_advertisements: Vec<Advertisement>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Advertisement {
    pub(crate) aggregation_length: Option<i32>,
    pub(crate) aggregation_length_v6: Option<i32>,
    pub(crate) localpref: Option<u32>,
    pub(crate) communities: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct BfdProfile {
    pub(crate) name: String,
    pub(crate) receive_interval: Option<i32>,
    pub(crate) transmit_interval: Option<i32>,
    pub(crate) detect_multiplier: Option<i32>,
    pub(crate) echo_interval: Option<i32>,
    pub(crate) echo_mode: bool,
    pub(crate) passive_mode: bool,
    pub(crate) minimum_ttl: Option<i32>,
}

fn yaml<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, LegacyError> {
    serde_saphyr::from_str(text).map_err(|source| LegacyError::Yaml { what, source: Box::new(source) })
}
