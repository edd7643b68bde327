//! The session with a BGP peer: who, where, and how fast.

use std::net::IpAddr;
use std::time::Duration;

use metallb_api::BGPPeerSpec;
use metallb_net::canonical;

use crate::go_duration::GoDuration;
use crate::peer::{Asn, PeerAsn, PeerTarget, Timers};

/// A session cannot be what it shall be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// `myASN` is 0.
    #[error("missing local ASN")]
    NoLocalAsn,
    /// An AS number is none.
    #[error("invalid {what} ASN {value}: must be between 1 and 4294967295")]
    Asn {
        /// Whose it is.
        what: &'static str,
        /// The number.
        value: i64,
    },
    /// It is not said which AS number the peer has.
    #[error("missing peer ASN and dynamicASN")]
    NoRemoteAsn,
    /// It is said twice.
    #[error("both peer ASN and dynamicASN specified")]
    TwoRemoteAsns,
    /// `dynamicASN` is none of its two values.
    #[error("invalid dynamicASN {value}")]
    DynamicAsn {
        /// The value.
        value: String,
    },
    /// There are no hops within an AS.
    #[error("invalid ebgp-multihop parameter set for an ibgp peer")]
    InternalMultiHop,
    /// It is not said where the peer is.
    #[error("peer has no Address or Interface specified")]
    NoTarget,
    /// It is said twice.
    #[error("peer has both Address and Interface specified")]
    TwoTargets,
    /// A duration is none.
    #[error("invalid {field} {text:?}: must be a duration like 90s or 1m30s, not negative")]
    Duration {
        /// The field.
        field: &'static str,
        /// The text.
        text: String,
    },
    /// The hold time is too short.
    #[error("invalid BGPPeer timers: invalid hold time \"&Duration{{Duration:{hold},}}\": must be 0 or >=3s")]
    ShortHold {
        /// The hold time.
        hold: String,
    },
    /// BGP cannot say such a hold time (RFC 4271 §4.2).
    #[error(
        "invalid BGPPeer timers: invalid hold time \"&Duration{{Duration:{hold},}}\": must be at most 65535s"
    )]
    LongHold {
        /// The hold time.
        hold: String,
    },
    /// The session would be dead before a sign of life.
    #[error(
        "invalid BGPPeer timers: invalid keepaliveTime \"&Duration{{Duration:{keepalive},}}\", must be lower than holdTime \"&Duration{{Duration:{hold},}}\""
    )]
    LongKeepalive {
        /// The keepalive time.
        keepalive: String,
        /// The hold time.
        hold: String,
    },
    /// The connect time is too short or too long.
    #[error("connect time should be between 1 seconds to 65535")]
    ConnectTime,
    /// The connect time has a fraction.
    #[error("connect time should contain a whole number of seconds")]
    ConnectFraction,
    /// `peerAddress` is none.
    #[error("invalid BGPPeer address {text:?}")]
    Address {
        /// The text.
        text: String,
    },
    /// `routerID` is no address.
    #[error("invalid router ID {text:?}")]
    RouterId {
        /// The text.
        text: String,
    },
    /// `sourceAddress` is none.
    #[error("invalid source IP {text:?}")]
    Source {
        /// The text.
        text: String,
    },
    /// `peerPort` is none.
    #[error("invalid peer port {port}: must be between 1 and 65535")]
    Port {
        /// The number.
        port: i32,
    },
}

/// The AS number, unless it is 0 or not given.
pub(super) fn asn(what: &'static str, value: Option<i64>) -> Result<Option<Asn>, SessionError> {
    let value = value.unwrap_or(0);
    u32::try_from(value).map(Asn::new).map_err(|_| SessionError::Asn { what, value })
}

pub(super) fn parse_remote_asn(spec: &BGPPeerSpec, local: Asn) -> Result<PeerAsn, SessionError> {
    let number = asn("peer", spec.peer_asn)?;
    match (number, spec.dynamic_asn.as_deref().filter(|text| !text.is_empty())) {
        (None, None) => Err(SessionError::NoRemoteAsn),
        (Some(_), Some(_)) => Err(SessionError::TwoRemoteAsns),
        (None, Some("internal")) => Ok(PeerAsn::Internal),
        (None, Some("external")) => Ok(PeerAsn::External),
        (None, Some(value)) => Err(SessionError::DynamicAsn { value: value.to_owned() }),
        (Some(number), None) if number == local && spec.ebgp_multi_hop == Some(true) => {
            Err(SessionError::InternalMultiHop)
        }
        (Some(number), None) => Ok(PeerAsn::Number(number)),
    }
}

pub(super) fn parse_target(spec: &BGPPeerSpec) -> Result<PeerTarget, SessionError> {
    let interface = spec.interface.as_deref().filter(|text| !text.is_empty());
    match (spec.peer_address.as_deref().filter(|text| !text.is_empty()), interface) {
        (None, None) => Err(SessionError::NoTarget),
        (Some(_), Some(_)) => Err(SessionError::TwoTargets),
        (None, Some(name)) => Ok(PeerTarget::Interface(name.to_owned())),
        (Some(text), None) => match text.parse() {
            Ok(address) => Ok(PeerTarget::Address(canonical(address))),
            Err(_) => Err(SessionError::Address { text: text.to_owned() }),
        },
    }
}

/// An optional address; empty is the same as absent.
pub(super) fn address(
    text: &Option<String>,
    error: impl Fn(String) -> SessionError,
) -> Result<Option<IpAddr>, SessionError> {
    let text = text.as_ref().filter(|text| !text.is_empty());
    text.map(|text| text.parse().map(canonical).map_err(|_| error(text.clone()))).transpose()
}

/// Contract 01 §3.3 rule 3: one timer gives the other.
pub(super) fn parse_timers(spec: &BGPPeerSpec) -> Result<Option<Timers>, SessionError> {
    let hold = duration("holdTime", &spec.hold_time)?;
    let keepalive = duration("keepaliveTime", &spec.keepalive_time)?;
    let (hold, keepalive) = match (hold, keepalive) {
        (None, None) => return Ok(None),
        (Some(hold), None) => (hold, hold / 3),
        (None, Some(keepalive)) => (keepalive.saturating_mul(3), keepalive),
        (Some(hold), Some(keepalive)) => (hold, keepalive),
    };
    let text = |duration| GoDuration(duration).to_string();
    match hold.as_secs() {
        1 | 2 => Err(SessionError::ShortHold { hold: text(hold) }),
        0..=65_535 if keepalive > hold => {
            Err(SessionError::LongKeepalive { keepalive: text(keepalive), hold: text(hold) })
        }
        0..=65_535 => Ok(Some(Timers { hold, keepalive })),
        _ => Err(SessionError::LongHold { hold: text(hold) }),
    }
}

pub(super) fn parse_connect_time(spec: &BGPPeerSpec) -> Result<Option<Duration>, SessionError> {
    let Some(time) = duration("connectTime", &spec.connect_time)? else { return Ok(None) };
    match time.as_secs() {
        1..=65_535 if time.subsec_nanos() == 0 => Ok(Some(time)),
        1..=65_535 => Err(SessionError::ConnectFraction),
        _ => Err(SessionError::ConnectTime),
    }
}

fn duration(field: &'static str, text: &Option<String>) -> Result<Option<Duration>, SessionError> {
    let parse = |text: &String| match text.parse::<GoDuration>() {
        Ok(duration) => Ok(duration.0),
        Err(_) => Err(SessionError::Duration { field, text: text.clone() }),
    };
    text.as_ref().map(parse).transpose()
}
