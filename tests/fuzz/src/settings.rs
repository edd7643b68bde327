//! The configuration file of memberlist.

use std::time::Duration;

use metallb_config::GoDuration;
use metallb_membership::Settings;
use serde_json::{Map, Value, json};

use crate::text;

pub(crate) const SEEDS: &[&str] = &[
    r#"{"TCPTimeout":"10s","IndirectChecks":3,"RetransmitMult":4,"SuspicionMult":4,"SuspicionMaxTimeoutMult":6,"PushPullInterval":"30s","ProbeTimeout":"500ms","ProbeInterval":"1s","DisableTcpPings":false,"AwarenessMaxMultiplier":8,"GossipNodes":3,"GossipInterval":"200ms","GossipToTheDeadTime":"30s","GossipVerifyIncoming":true,"GossipVerifyOutgoing":true,"EnableCompression":true,"HandoffQueueDepth":1024,"UDPBufferSize":1400,"QueueCheckInterval":"30s"}"#,
    r#"{"tcptimeout":"-1s","PUSHPULLINTERVAL":"0","ProbeTimeout":"1m","ProbeInterval":"1h","GossipInterval":"+7us","GossipToTheDeadTime":".5s","QueueCheckInterval":"1ns"}"#,
    r#""GossipNodes":-1,"gossipnodes":null,"#,
    r#""UDPBufferSize":9223372036854775807,"#,
    r#"{"TCPTimeout":"1.s"}"#,
    "null",
    "{}",
];

/// A configuration file: what is taken is an object that Go's rules take as well, and written again it says the same.
pub fn settings(data: &[u8]) {
    let text = text::of(data);
    let Ok(settings) = Settings::parse_file(&text) else { return };
    assert!(serde_json::from_str::<Map<String, Value>>(&text).is_ok(), "{text:?}");
    let written = write(&settings).to_string();
    let read = Settings::parse_file(&written);
    assert!(read.as_ref().is_ok_and(|read| *read == settings), "{text:?}: {written}: {read:?}");
}

fn write(settings: &Settings) -> Value {
    let duration = |duration: Duration| GoDuration(duration).to_string();
    json!({
        "TCPTimeout": duration(settings.tcp_timeout),
        "IndirectChecks": settings.indirect_checks,
        "RetransmitMult": settings.retransmit_mult,
        "SuspicionMult": settings.suspicion_mult,
        "SuspicionMaxTimeoutMult": settings.suspicion_max_timeout_mult,
        "PushPullInterval": duration(settings.push_pull_interval),
        "ProbeTimeout": duration(settings.probe_timeout),
        "ProbeInterval": duration(settings.probe_interval),
        "DisableTcpPings": settings.disable_tcp_pings,
        "AwarenessMaxMultiplier": settings.awareness_max_multiplier,
        "GossipNodes": settings.gossip_nodes,
        "GossipInterval": duration(settings.gossip_interval),
        "GossipToTheDeadTime": duration(settings.gossip_to_the_dead_time),
        "GossipVerifyIncoming": settings.gossip_verify_incoming,
        "GossipVerifyOutgoing": settings.gossip_verify_outgoing,
        "EnableCompression": settings.enable_compression,
        "HandoffQueueDepth": settings.handoff_queue_depth,
        "UDPBufferSize": settings.udp_buffer_size,
        "QueueCheckInterval": duration(settings.queue_check_interval),
    })
}
