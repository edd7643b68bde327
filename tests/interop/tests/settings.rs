//! A configuration file says the same to us as it says to Go (contract 02 §1.3).

use anyhow::{Result, ensure};
use metallb_membership::Settings;

const DURATIONS: [&str; 7] = [
    "TCPTimeout",
    "PushPullInterval",
    "ProbeTimeout",
    "ProbeInterval",
    "GossipInterval",
    "GossipToTheDeadTime",
    "QueueCheckInterval",
];
const NUMBERS: [&str; 8] = [
    "IndirectChecks",
    "RetransmitMult",
    "SuspicionMult",
    "SuspicionMaxTimeoutMult",
    "AwarenessMaxMultiplier",
    "GossipNodes",
    "HandoffQueueDepth",
    "UDPBufferSize",
];
const SWITCHES: [&str; 4] =
    ["DisableTcpPings", "GossipVerifyIncoming", "GossipVerifyOutgoing", "EnableCompression"];

/// Of every type, at its limits and beyond them.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "7",
    "1.0",
    "1.5",
    "1e2",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "[]",
    "{}",
    "[1]",
    r#""""#,
    r#""0""#,
    r#""+0""#,
    r#""-0""#,
    r#""1""#,
    r#""5s""#,
    r#""-5s""#,
    r#""+5s""#,
    r#""1m30s""#,
    r#""1h""#,
    r#""1.5s""#,
    r#"".5s""#,
    r#""5.s""#,
    r#""1d""#,
    r#""100ms""#,
    r#""1us""#,
    r#""1µs""#,
    r#""1μs""#,
    r#""1ns""#,
    r#""1s1s""#,
    r#""1ms1h""#,
    r#""2562047h47m16.854775807s""#,
    r#""2562047h47m16.854775808s""#,
    r#""9999999999999999999s""#,
    r#""1 s""#,
    r#"" 1s""#,
    r#""s""#,
    r#"".s""#,
    r#""-""#,
    r#""1S""#,
    r#""0.000000000000000001s""#,
    r#""\u0031s""#,
    r#""true""#,
    r#""1_0s""#,
    r#""0x1s""#,
    r#""1e3s""#,
];

/// Around one member: as it is, twice in either order, in another case, beside unknown ones.
const SHAPES: &[&str] = &[
    "{REST, KEY: VALUE}",
    "{KEY: VALUE, REST}",
    "{REST, KEY: VALUE, KEY: null}",
    "{REST, LOWER: VALUE}",
    "{REST, KEY: VALUE, UPPER: VALUE, \"Unknown\": {\"TCPTimeout\": 7}}",
];

const ODD: &[&str] = &[
    "",
    " ",
    "null",
    "{}",
    "[]",
    "7",
    "\"\"",
    "{",
    "{REST",
    "{REST}",
    "{REST,}",
    "{REST} ",
    "{REST}\n{REST}",
    "{REST} x",
    "\u{feff}{REST}",
    "{REST, \"a\": 01}",
    "{REST, 'a': 1}",
    "{REST, \"a\": NaN}",
    "{REST, // no\n \"a\": 1}",
];

fn files() -> Vec<String> {
    let rest: Vec<String> = DURATIONS.iter().map(|key| format!("\"{key}\": \"3s\"")).collect();
    let rest = rest.join(", ");
    let keys = DURATIONS.iter().chain(&NUMBERS).chain(&SWITCHES);
    let members = keys.flat_map(|key| VALUES.iter().map(move |value| (key, value)));
    let shaped = members.flat_map(|(key, value)| {
        let fill = |shape: &&str| {
            shape
                .replace("KEY", &format!("\"{key}\""))
                .replace("LOWER", &format!("\"{}\"", key.to_lowercase()))
                .replace("UPPER", &format!("\"{}\"", key.to_uppercase()))
                .replace("VALUE", value)
        };
        SHAPES.iter().map(fill).collect::<Vec<_>>()
    });
    let odd = ODD.iter().map(|file| (*file).to_owned());
    shaped.chain(odd).map(|file| file.replace("REST", &rest)).collect()
}

/// In the order of Go's program.
fn values(settings: &Settings) -> Vec<i64> {
    let Settings {
        tcp_timeout,
        push_pull_interval,
        probe_timeout,
        probe_interval,
        gossip_interval,
        gossip_to_the_dead_time,
        queue_check_interval,
        ..
    } = settings;
    let durations = [
        tcp_timeout,
        push_pull_interval,
        probe_timeout,
        probe_interval,
        gossip_interval,
        gossip_to_the_dead_time,
        queue_check_interval,
    ];
    let counts = [
        settings.indirect_checks,
        settings.retransmit_mult,
        settings.suspicion_mult,
        settings.suspicion_max_timeout_mult,
        settings.awareness_max_multiplier,
        settings.gossip_nodes,
    ];
    let sizes = [settings.handoff_queue_depth, settings.udp_buffer_size];
    let switches = [
        settings.disable_tcp_pings,
        settings.gossip_verify_incoming,
        settings.gossip_verify_outgoing,
        settings.enable_compression,
    ];
    let durations = durations.map(|it| i64::try_from(it.as_nanos()).unwrap_or(i64::MAX));
    let sizes = sizes.map(|it| i64::try_from(it).unwrap_or(i64::MAX));
    durations.into_iter().chain(counts.map(i64::from)).chain(sizes).chain(switches.map(i64::from)).collect()
}

/// What ours make of values that the original passes on as they are: below zero is never, and counts end at 32 bits.
fn within_bounds(theirs: &[i64]) -> Vec<i64> {
    let counts = DURATIONS.len()..DURATIONS.len() + 6;
    let most = |at: usize| if counts.contains(&at) { i64::from(u32::MAX) } else { i64::MAX };
    theirs.iter().enumerate().map(|(at, value)| (*value).clamp(0, most(at))).collect()
}

#[test]
fn each_file_says_the_same_to_go_and_to_us() -> Result<()> {
    let files = files();
    let theirs = metallb_interop::settings(&files)?;
    ensure!(theirs.len() == files.len(), "{} answers to {} files", theirs.len(), files.len());
    let read = theirs.iter().flatten().count();
    ensure!(read > 1000 && files.len() - read > 1000, "{read} of {} are read", files.len());
    let differ = files.iter().zip(&theirs).filter_map(|(file, theirs)| {
        let ours = Settings::parse_file(file).ok().map(|settings| values(&settings));
        (ours != theirs.as_deref().map(within_bounds))
            .then(|| format!("{file}: ours {ours:?}, Go's {theirs:?}"))
    });
    let differ: Vec<String> = differ.collect();
    let first: Vec<&String> = differ.iter().take(10).collect();
    ensure!(differ.is_empty(), "{} of {} differ, such as {first:#?}", differ.len(), files.len());
    Ok(())
}
