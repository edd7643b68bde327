//! `metallb_speaker_*` and `metallb_layer2_*`: what a node announces and answers.

use prometheus::proto::MetricType;
use prometheus::{Histogram, HistogramOpts};

use super::{Metrics, RegisterError, Series};

/// Around the bounds that are promised: 2 ms and 10 ms.
const ANNOUNCE_SECONDS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The series of a speaker. Layer 2 counters carry no `_total`: the original's do not either.
#[derive(Clone, Debug)]
pub struct SpeakerMetrics {
    /// 1 while announced; labels `service` (namespace/name), `protocol`, `node`, `ip`.
    pub announced: Series,
    /// ARP requests and neighbour solicitations for an announced address; label `ip`.
    pub requests_received: Series,
    /// Answers sent; label `ip`.
    pub responses_sent: Series,
    /// Gratuitous frames sent, each one counted; label `ip`.
    pub gratuitous_sent: Series,
    /// Frames by which another station claims an announced address; label `ip`.
    pub conflicts: Series,
    /// From seeing why an address is to be announced to the first frame that makes it known.
    pub announce: Histogram,
}

impl SpeakerMetrics {
    pub(super) fn register(metrics: &Metrics) -> Result<Self, RegisterError> {
        let announced = Series::register(
            metrics,
            MetricType::GAUGE,
            ("metallb_speaker_announced", "1 for each address this node announces."),
            &["service", "protocol", "node", "ip"],
        )?;
        let announce = HistogramOpts::new(
            "metallb_layer2_announce_seconds",
            "From seeing the change that makes this node announce an address to the first frame that makes it known.",
        );
        let announce = Histogram::with_opts(announce.buckets(ANNOUNCE_SECONDS.to_vec()))?;
        metrics.registry.register(Box::new(announce.clone()))?;
        let counter = |name: &str, help: &str| layer2_counter(metrics, name, help);
        Ok(Self {
            announced,
            announce,
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

fn layer2_counter(metrics: &Metrics, name: &str, help: &str) -> Result<Series, RegisterError> {
    let name = format!("metallb_layer2_{name}");
    Series::register(metrics, MetricType::COUNTER, (name.as_str(), help), &["ip"])
}
