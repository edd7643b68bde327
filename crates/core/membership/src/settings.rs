//! The tunables of memberlist: two profiles, and a file that replaces one (contract 02 §1.3).

mod file;

use std::time::Duration;

pub use file::SettingsError;

/// What can be tuned. The names are those of the configuration file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// For connecting, and for each exchange over a stream.
    pub tcp_timeout: Duration,
    /// How many members are asked to ping one that does not answer.
    pub indirect_checks: u32,
    /// A message is gossiped this often, times the logarithm of the members' number.
    pub retransmit_mult: u32,
    /// Probe intervals a suspect has at least, times the logarithm of the members' number.
    pub suspicion_mult: u32,
    /// How many times as long a suspect has while nobody else suspects it.
    pub suspicion_max_timeout_mult: u32,
    /// Between two exchanges of all state with some member; zero means never.
    pub push_pull_interval: Duration,
    /// For the answer to a direct ping.
    pub probe_timeout: Duration,
    /// Between two probes; zero means never.
    pub probe_interval: Duration,
    /// No ping over a stream beside indirect ones.
    pub disable_tcp_pings: bool,
    /// How many times as slow a member gets that finds itself unwell.
    pub awareness_max_multiplier: u32,
    /// How many members get gossip each time.
    pub gossip_nodes: u32,
    /// Between two rounds of gossip; zero means never.
    pub gossip_interval: Duration,
    /// How long the dead still get gossip.
    pub gossip_to_the_dead_time: Duration,
    /// With a secret: what is not encrypted is refused.
    pub gossip_verify_incoming: bool,
    /// With a secret: what is sent is encrypted.
    pub gossip_verify_outgoing: bool,
    /// Compression of what gets smaller by it.
    pub enable_compression: bool,
    /// How many received messages may wait.
    pub handoff_queue_depth: usize,
    /// Bytes of a datagram's payload.
    pub udp_buffer_size: usize,
    /// Between two looks at the length of the queue of messages to gossip.
    pub queue_check_interval: Duration,
}

impl Settings {
    /// For nodes close to each other.
    #[must_use]
    pub const fn lan() -> Self {
        Self {
            tcp_timeout: Duration::from_secs(10),
            indirect_checks: 3,
            retransmit_mult: 4,
            suspicion_mult: 4,
            suspicion_max_timeout_mult: 6,
            push_pull_interval: Duration::from_secs(30),
            probe_timeout: Duration::from_millis(500),
            probe_interval: Duration::from_secs(1),
            disable_tcp_pings: false,
            awareness_max_multiplier: 8,
            gossip_nodes: 3,
            gossip_interval: Duration::from_millis(200),
            gossip_to_the_dead_time: Duration::from_secs(30),
            gossip_verify_incoming: true,
            gossip_verify_outgoing: true,
            enable_compression: true,
            handoff_queue_depth: 1024,
            udp_buffer_size: 1400,
            queue_check_interval: Duration::from_secs(30),
        }
    }

    /// For nodes far from each other.
    #[must_use]
    pub const fn wan() -> Self {
        Self {
            tcp_timeout: Duration::from_secs(30),
            suspicion_mult: 6,
            push_pull_interval: Duration::from_secs(60),
            probe_timeout: Duration::from_secs(3),
            probe_interval: Duration::from_secs(5),
            gossip_nodes: 4,
            gossip_interval: Duration::from_millis(500),
            gossip_to_the_dead_time: Duration::from_secs(60),
            ..Self::lan()
        }
    }
}

#[cfg(test)]
mod tests;
