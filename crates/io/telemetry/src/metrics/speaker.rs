//! `metallb_speaker_*` and `metallb_layer2_*`: what a node announces and answers.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::RegisterError;

/// The series of a speaker. Layer 2 counters carry no `_total`: the original's do not either.
#[derive(Clone, Debug)]
pub struct SpeakerMetrics {
    /// 1 while announced; labels `service` (namespace/name), `protocol`, `node`, `ip`.
    pub announced: IntGaugeVec,
    /// ARP requests and neighbour solicitations for an announced address; label `ip`.
    pub requests_received: IntCounterVec,
    /// Answers sent; label `ip`.
    pub responses_sent: IntCounterVec,
    /// Gratuitous frames sent, each one counted; label `ip`.
    pub gratuitous_sent: IntCounterVec,
    /// Frames by which another station claims an announced address; label `ip`.
    pub conflicts: IntCounterVec,
}

impl SpeakerMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, RegisterError> {
        let announced = IntGaugeVec::new(
            Opts::new("metallb_speaker_announced", "1 for each address this node announces."),
            &["service", "protocol", "node", "ip"],
        )?;
        registry.register(Box::new(announced.clone()))?;
        let counter = |name: &str, help: &str| layer2_counter(registry, name, help);
        Ok(Self {
            announced,
            requests_received: counter(
                "requests_received",
                "ARP requests and neighbour solicitations received for announced addresses.",
            )?,
            responses_sent: counter("responses_sent", "Answers to such requests.")?,
            gratuitous_sent: counter(
                "gratuitous_sent",
                "Gratuitous ARP and unsolicited neighbour advertisement frames sent.",
            )?,
            conflicts: counter(
                "conflicts_total",
                "Frames by which another station claims an address this node announces.",
            )?,
        })
    }
}

fn layer2_counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounterVec, RegisterError> {
    let counter = IntCounterVec::new(Opts::new(format!("metallb_layer2_{name}"), help), &["ip"])?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}
