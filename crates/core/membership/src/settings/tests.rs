use std::time::Duration;

use super::*;

/// The configuration file that says what the LAN profile says.
const LAN: &str = r#"{
    "TCPTimeout": "10s", "IndirectChecks": 3, "RetransmitMult": 4, "SuspicionMult": 4, "SuspicionMaxTimeoutMult": 6,
    "PushPullInterval": "30s", "ProbeTimeout": "500ms", "ProbeInterval": "1s", "DisableTcpPings": false,
    "AwarenessMaxMultiplier": 8, "GossipNodes": 3, "GossipInterval": "200ms", "GossipToTheDeadTime": "30s",
    "GossipVerifyIncoming": true, "GossipVerifyOutgoing": true, "EnableCompression": true,
    "HandoffQueueDepth": 1024, "UDPBufferSize": 1400, "QueueCheckInterval": "30s"
}"#;

/// All that must be there.
const LEAST: &str = r#""TCPTimeout": "1s", "PushPullInterval": "2s", "ProbeTimeout": "3s", "ProbeInterval": "4s",
    "GossipInterval": "5s", "GossipToTheDeadTime": "6s", "QueueCheckInterval": "7s""#;

fn with(members: &str) -> String {
    format!("{{{LEAST}, {members}}}")
}

#[test]
fn the_lan_profile_is_what_a_file_of_its_values_says() {
    assert_eq!(Settings::parse_file(LAN).unwrap(), Settings::lan());
}

#[test]
fn the_wan_profile_differs_from_the_lan_profile_in_eight_values() {
    let wan = LAN
        .replace(r#""TCPTimeout": "10s""#, r#""TCPTimeout": "30s""#)
        .replace(r#""SuspicionMult": 4"#, r#""SuspicionMult": 6"#)
        .replace(r#""PushPullInterval": "30s""#, r#""PushPullInterval": "1m""#)
        .replace(r#""ProbeTimeout": "500ms""#, r#""ProbeTimeout": "3s""#)
        .replace(r#""ProbeInterval": "1s""#, r#""ProbeInterval": "5s""#)
        .replace(r#""GossipNodes": 3"#, r#""GossipNodes": 4"#)
        .replace(r#""GossipInterval": "200ms""#, r#""GossipInterval": "500ms""#)
        .replace(r#""GossipToTheDeadTime": "30s""#, r#""GossipToTheDeadTime": "60s""#);
    assert_eq!(Settings::parse_file(&wan).unwrap(), Settings::wan());
}

#[test]
fn numbers_and_switches_left_out_are_zero_and_off() {
    let settings = Settings::parse_file(&format!("{{{LEAST}}}")).unwrap();
    let expected = Settings {
        tcp_timeout: Duration::from_secs(1),
        indirect_checks: 0,
        retransmit_mult: 0,
        suspicion_mult: 0,
        suspicion_max_timeout_mult: 0,
        push_pull_interval: Duration::from_secs(2),
        probe_timeout: Duration::from_secs(3),
        probe_interval: Duration::from_secs(4),
        disable_tcp_pings: false,
        awareness_max_multiplier: 0,
        gossip_nodes: 0,
        gossip_interval: Duration::from_secs(5),
        gossip_to_the_dead_time: Duration::from_secs(6),
        gossip_verify_incoming: false,
        gossip_verify_outgoing: false,
        enable_compression: false,
        handoff_queue_depth: 0,
        udp_buffer_size: 0,
        queue_check_interval: Duration::from_secs(7),
    };
    assert_eq!(settings, expected);
}

#[test]
fn each_of_the_seven_durations_must_be_there_and_be_one() {
    for key in [
        "TCPTimeout",
        "PushPullInterval",
        "ProbeTimeout",
        "ProbeInterval",
        "GossipInterval",
        "GossipToTheDeadTime",
        "QueueCheckInterval",
    ] {
        let refused = |file: &str| match Settings::parse_file(file) {
            Err(SettingsError::Duration { key: named, .. }) => assert_eq!(named, key),
            other => panic!("{file}: {other:?}"),
        };
        refused(&LAN.replace(key, "Other"));
        for wrong in ["\"\"", "\"5\"", "\"1 s\"", "\"--1s\"", "\"-+1s\"", "\"-\"", "5", "null", "[]", "true"]
        {
            refused(&LAN.replace(&format!("\"{key}\": "), &format!("\"{key}\": {wrong}, \"Old{key}\": ")));
        }
    }
}

/// What stands in a file beside the durations, the value looked at, and what it is.
type Reading = (&'static str, fn(&Settings) -> u128, u128);

#[test]
fn values_are_read_as_go_reads_them() {
    let table: &[Reading] = &[
        (r#""gossipnodes": 7"#, |s| s.gossip_nodes.into(), 7),
        (r#""GossipNodes": 7, "GOSSIPNODES": 8"#, |s| s.gossip_nodes.into(), 8),
        (r#""GossipNodes": 7, "GossipNodes": null"#, |s| s.gossip_nodes.into(), 7),
        (r#""GossipNodes": null"#, |s| s.gossip_nodes.into(), 0),
        (r#""GossipNodes": -1"#, |s| s.gossip_nodes.into(), 0),
        (r#""GossipNodes": 5000000000"#, |s| s.gossip_nodes.into(), u32::MAX.into()),
        (r#""UDPBufferSize": -1"#, |s| s.udp_buffer_size.try_into().unwrap(), 0),
        (r#""UDPBufferSize": 9000, "Unknown": {"a": [1]}"#, |s| s.udp_buffer_size.try_into().unwrap(), 9000),
        (r#""DisableTcpPings": true"#, |s| s.disable_tcp_pings.into(), 1),
        (r#""ProbeInterval": "1m1.5s""#, |s| s.probe_interval.as_millis(), 61_500),
        (r#""PushPullInterval": "-5s""#, |s| s.push_pull_interval.as_millis(), 0),
        (r#""PushPullInterval": "0""#, |s| s.push_pull_interval.as_millis(), 0),
    ];
    for (members, value, expected) in table {
        let settings =
            Settings::parse_file(&with(members)).unwrap_or_else(|error| panic!("{members}: {error}"));
        assert_eq!(value(&settings), *expected, "{members}");
    }
}

#[test]
fn what_is_no_number_no_switch_or_no_object_is_refused() {
    for wrong in ["1.5", "1e1", "\"3\"", "true", "[]", "{}", "9223372036854775808"] {
        let outcome = Settings::parse_file(&with(&format!("\"GossipNodes\": {wrong}")));
        assert!(
            matches!(outcome, Err(SettingsError::Number { key: "GossipNodes", .. })),
            "{wrong}: {outcome:?}"
        );
    }
    for wrong in ["1", "\"true\"", "[]"] {
        let outcome = Settings::parse_file(&with(&format!("\"EnableCompression\": {wrong}")));
        assert!(
            matches!(outcome, Err(SettingsError::Switch { key: "EnableCompression", .. })),
            "{wrong}: {outcome:?}"
        );
    }
    for wrong in ["", "[]", "7", "\"\"", "{", &format!("{LAN} {LAN}"), &LAN[..LAN.len() - 1]] {
        assert!(matches!(Settings::parse_file(wrong), Err(SettingsError::Json(_))), "{wrong}");
    }
    // Go takes a null for an object without members.
    assert!(Settings::parse_file("null").is_err());
}

#[test]
fn a_refusal_names_the_key_the_value_and_what_to_do() {
    let file = LAN.replace("\"500ms\"", "\"500\"");
    assert_eq!(
        Settings::parse_file(&file).unwrap_err().to_string(),
        "ProbeTimeout of the memberlist configuration is \"500\": use a duration such as \"500ms\" or \"1m30s\""
    );
}
