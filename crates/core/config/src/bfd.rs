//! How quickly a dead session is noticed.

use std::time::Duration;

/// Timers and modes of BFD. What is None is left to the back-end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BfdProfile {
    /// Name of the BFDProfile.
    pub name: String,
    /// Least time between packets we can take.
    pub receive_interval: Option<Duration>,
    /// Least time between packets we send.
    pub transmit_interval: Option<Duration>,
    /// Packets that may be missed before the session is down.
    pub detect_multiplier: Option<u8>,
    /// Least time between echo packets we can take.
    pub echo_interval: Option<Duration>,
    /// Whether echo packets are sent.
    pub echo_mode: bool,
    /// Whether we wait for the peer to begin.
    pub passive_mode: bool,
    /// Over several hops: the least TTL of a packet we take.
    pub minimum_ttl: Option<u8>,
}
