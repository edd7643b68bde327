//! Peers and BFD profiles.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::SecretReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use metallb_api::{BFDProfileSpec, BGPPeerSpec};
use metallb_config::GoDuration;

use crate::error::LegacyError;
use crate::input::{BfdProfile, Expression, NodeSelector, Peer};
use crate::name::{Renamed, compatible};

const DEFAULT_HOLD: &str = "90s";
const SHORTEST_HOLD: u64 = 3;
pub(crate) const BFD_PROFILE: &str = "BFDProfile";

/// The peer with this number, counted from one.
pub(crate) fn build_peer(
    number: usize,
    peer: &Peer,
    renamed: &mut Vec<Renamed>,
) -> Result<BGPPeerSpec, LegacyError> {
    let bfd_profile = match peer.bfd_profile.as_str() {
        "" => None,
        name => Some(compatible(BFD_PROFILE, name, renamed)?),
    };
    let selectors: Vec<LabelSelector> = peer.node_selectors.iter().map(build_selector).collect();
    Ok(BGPPeerSpec {
        my_asn: peer.my_asn.into(),
        peer_asn: given(peer.peer_asn).map(i64::from),
        peer_address: text(&peer.peer_address),
        source_address: text(&peer.source_address),
        peer_port: given(peer.peer_port).map(i32::from),
        hold_time: Some(hold_time(number, &peer.hold_time)?),
        keepalive_time: keepalive_time(number, &peer.keepalive_time)?,
        router_id: text(&peer.router_id),
        node_selectors: (!selectors.is_empty()).then_some(selectors),
        password: text(&peer.password),
        password_secret: Some(SecretReference::default()),
        bfd_profile,
        ebgp_multi_hop: peer.ebgp_multihop.then_some(true),
        ..BGPPeerSpec::default()
    })
}

pub(crate) fn build_profile(profile: &BfdProfile) -> BFDProfileSpec {
    BFDProfileSpec {
        receive_interval: profile.receive_interval,
        transmit_interval: profile.transmit_interval,
        detect_multiplier: profile.detect_multiplier,
        echo_interval: profile.echo_interval,
        echo_mode: Some(profile.echo_mode),
        passive_mode: Some(profile.passive_mode),
        minimum_ttl: profile.minimum_ttl,
    }
}

fn hold_time(peer: usize, value: &str) -> Result<String, LegacyError> {
    let seconds = whole_seconds(peer, "hold-time", if value.is_empty() { DEFAULT_HOLD } else { value })?;
    if seconds != 0 && seconds < SHORTEST_HOLD {
        return Err(LegacyError::HoldTime { peer, value: value.to_owned() });
    }
    Ok(written(seconds))
}

fn keepalive_time(peer: usize, value: &str) -> Result<Option<String>, LegacyError> {
    if value.is_empty() {
        return Ok(None);
    }
    whole_seconds(peer, "keepalive-time", value).map(|seconds| Some(written(seconds)))
}

fn whole_seconds(peer: usize, field: &'static str, value: &str) -> Result<u64, LegacyError> {
    let duration: Result<GoDuration, _> = value.parse();
    let wrong = |_| LegacyError::Duration { peer, field, value: value.to_owned() };
    duration.map(|duration| duration.0.as_secs()).map_err(wrong)
}

fn written(seconds: u64) -> String {
    GoDuration(std::time::Duration::from_secs(seconds)).to_string()
}

fn build_selector(selector: &NodeSelector) -> LabelSelector {
    let NodeSelector { match_labels, match_expressions } = selector;
    let expressions: Vec<_> = match_expressions.iter().map(build_expression).collect();
    LabelSelector {
        match_labels: Some(match_labels.clone()).filter(|labels: &BTreeMap<_, _>| !labels.is_empty()),
        match_expressions: (!expressions.is_empty()).then_some(expressions),
    }
}

fn build_expression(expression: &Expression) -> LabelSelectorRequirement {
    let Expression { key, operator, values } = expression;
    LabelSelectorRequirement {
        key: key.clone(),
        operator: operator.clone(),
        values: Some(values.clone()).filter(|values| !values.is_empty()),
    }
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// The old configuration could not tell zero from nothing.
fn given<N: Default + PartialEq>(number: N) -> Option<N> {
    (number != N::default()).then_some(number)
}
