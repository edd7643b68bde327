//! `metallb_speaker_members` and others: the ring of speakers, as this one sees it.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::RegisterError;

/// Around the bounds that are promised: 250 ms and 600 ms.
const TAKEOVER_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What a speaker counts of the other speakers.
#[derive(Clone, Debug)]
pub struct MemberMetrics {
    /// Speakers that count, this one included.
    pub members: IntGauge,
    /// Changes of membership; label `event`: NodeJoin, NodeLeave or NodeUpdate.
    pub events: IntCounterVec,
    /// Datagrams of memberlist that were not understood or not meant for this ring.
    pub packets_refused: IntCounter,
    /// 1 while nothing is answered because the others have not been heard.
    pub fenced: IntGauge,
    /// From another speaker's loss being known here to its addresses being announced from here.
    pub takeover: Histogram,
    sent: IntCounter,
    received: IntCounter,
    rejected: IntCounter,
    refused: IntCounter,
    missed: IntCounter,
    verdicts: IntCounter,
}

/// Heartbeats since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeartbeatCounts {
    /// Sent.
    pub sent: u64,
    /// Received and believed.
    pub received: u64,
    /// Received and not believed.
    pub rejected: u64,
    /// Sent back by a node whose port is closed.
    pub refused: u64,
    /// How often a member was suspected.
    pub missed: u64,
    /// How often one was found down.
    pub verdicts: u64,
}

impl MemberMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, RegisterError> {
        let counter = |name: &str, help: &str| counter(registry, name, help);
        let events = Opts::new("metallb_speaker_member_events_total", "Changes of membership.");
        let events = IntCounterVec::new(events, &["event"])?;
        registry.register(Box::new(events.clone()))?;
        let takeover = HistogramOpts::new(
            "metallb_speaker_takeover_seconds",
            "From knowing that another speaker is gone to announcing its addresses.",
        );
        let takeover = Histogram::with_opts(takeover.buckets(TAKEOVER_SECONDS.to_vec()))?;
        registry.register(Box::new(takeover.clone()))?;
        Ok(Self {
            members: gauge(registry, "members", "Speakers that count, this one included.")?,
            events,
            packets_refused: counter(
                "member_packets_refused_total",
                "Datagrams of memberlist that could not be read, for want of the right key or otherwise.",
            )?,
            fenced: gauge(registry, "fenced", "1 while nothing is answered until other speakers are heard.")?,
            takeover,
            sent: counter("heartbeats_sent_total", "Heartbeats sent.")?,
            received: counter("heartbeats_received_total", "Heartbeats received and believed.")?,
            rejected: counter(
                "heartbeats_rejected_total",
                "Heartbeats forged, replayed, malformed or of a process not known (yet).",
            )?,
            refused: counter("heartbeats_refused_total", "Heartbeats sent back: the port is closed there.")?,
            missed: counter("heartbeats_missed_total", "Times another speaker was suspected.")?,
            verdicts: counter("member_verdicts_total", "Times heartbeats found another speaker down.")?,
        })
    }

    /// Brings the counters of heartbeats up to date.
    pub fn set_heartbeats(&self, counts: &HeartbeatCounts) {
        let HeartbeatCounts { sent, received, rejected, refused, missed, verdicts } = *counts;
        for (counter, count) in [
            (&self.sent, sent),
            (&self.received, received),
            (&self.rejected, rejected),
            (&self.refused, refused),
            (&self.missed, missed),
            (&self.verdicts, verdicts),
        ] {
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, RegisterError> {
    let counter = IntCounter::new(format!("metallb_speaker_{name}"), help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, RegisterError> {
    let gauge = IntGauge::new(format!("metallb_speaker_{name}"), help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_heartbeats_only_grow() {
        let registry = Registry::new();
        let metrics = MemberMetrics::register(&registry).unwrap();
        for (sent, expected) in [(5, 5), (7, 7), (7, 7), (3, 7)] {
            metrics.set_heartbeats(&HeartbeatCounts { sent, ..HeartbeatCounts::default() });
            assert_eq!(metrics.sent.get(), expected);
        }
    }
}
