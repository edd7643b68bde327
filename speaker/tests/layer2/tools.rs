//! Contract 02 §7: what arping, ndisc6 and tcpdump see is what the counters say.

use std::time::Instant;

use super::*;

const ASKED: u64 = 5;

impl Wire {
    /// A counter of an address; none that is not there yet has counted anything.
    pub fn counted(&self, counter: &str, address: &str) -> u64 {
        let prefix = format!("metallb_layer2_{counter}{{ip=\"{address}\"}} ");
        let text = self.metrics.encode();
        text.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok()).unwrap_or(0)
    }

    /// Waits until an announced address has been made known for the last time: three rounds later nothing more was
    /// sent. How many frames that were.
    pub fn until_quiet(&self, address: &str) -> u64 {
        let mut last = (0, Instant::now());
        until("the burst is over", Duration::from_secs(40), || {
            let sent = self.counted("gratuitous_sent", address);
            if sent != last.0 {
                last = (sent, Instant::now());
            }
            Ok(seen(sent > 0 && last.1.elapsed() > Duration::from_millis(3300), sent))
        })
        .unwrap();
        last.0
    }
}

/// Five rounds, fewer if the machine is busy: two frames each for IPv4, one for IPv6 (§2.8).
#[test]
fn the_frames_of_a_burst_are_as_many_for_tcpdump_as_for_the_counter() {
    let wire = Wire::with(|options| options.refresh = None);
    for (address, each, filter) in [
        (V4, 2, format!("arp and ether src {NODE_MAC}")),
        (V6, 1, format!("icmp6 and ip6[40] == 136 and ether src {NODE_MAC}")),
    ] {
        let dump = Dump::start(&wire.client, 1000, &filter);
        wire.announce(address);
        let sent = wire.until_quiet(address);
        let text = dump.stop();
        let seen = u64::try_from(text.matches(&format!("{NODE_MAC} > ")).count()).unwrap();
        assert_eq!(seen, sent, "{text}");
        assert!(
            sent > each && sent <= 5 * each && sent.is_multiple_of(each),
            "{sent} frames of {each} a round"
        );
    }
}

/// Contract 02 §7: each interface an address is made known on counts for itself.
#[test]
fn the_frames_of_a_burst_count_on_each_interface() {
    let two = |node: &Namespace, client: &Namespace| {
        connect(node, client);
        node.connect("eth1", "02:00:00:00:00:12", client, "eth1");
        client.sh("ip link set eth1 up");
        until_no_tentative(node, "eth1");
    };
    let wire = Wire::connected_by(Options { refresh: None, ..Options::default() }, two);
    for (address, each, filter) in [
        (V4, 4, format!("arp and ether src {NODE_MAC}")),
        (V6, 2, format!("icmp6 and ip6[40] == 136 and ether src {NODE_MAC}")),
    ] {
        let dump = Dump::start(&wire.client, 1000, &filter);
        wire.announce(address);
        let sent = wire.until_quiet(address);
        let text = dump.stop();
        let seen = u64::try_from(text.matches(&format!("{NODE_MAC} > ")).count()).unwrap();
        assert_eq!(2 * seen, sent, "{text}");
        assert!(
            sent > each && sent <= 5 * each && sent.is_multiple_of(each),
            "{sent} frames of {each} a round"
        );
    }
}

#[test]
fn every_question_of_arping_and_ndisc6_is_counted_and_every_answer_is_seen_by_tcpdump() {
    let wire = Wire::with(|options| options.refresh = None);
    let quiet = [V4, V6].map(|address| {
        wire.announce(address);
        wire.until_quiet(address)
    });
    for (address, ask, replies, filter) in [
        (V4, format!("arping -c {ASKED} -w 10 -I eth0 {V4}"), "reply from", "arp[6:2] == 2"),
        (
            V6,
            format!("ndisc6 -m -n -r {ASKED} -w 1000 {V6} eth0"),
            "target link-layer address",
            "icmp6 and ip6[40] == 136",
        ),
    ] {
        let mut answers = 0;
        let dump = Dump::start(&wire.client, 1000, &format!("ether src {NODE_MAC} and {filter}"));
        // ndisc6 ends with the first answer unless it waits for more of them: it is asked as often.
        while answers < ASKED {
            let (_, text) = wire.client.try_sh(&ask);
            let found = u64::try_from(text.to_lowercase().matches(replies).count()).unwrap();
            assert_ne!(found, 0, "{text}");
            answers += found;
        }
        let text = dump.stop();
        let seen = u64::try_from(text.matches(&format!("{NODE_MAC} > ")).count()).unwrap();
        assert!(seen == answers && text.contains(address), "{seen} of {answers}: {text}");
        // The tools saw all of them, so they are sent: the counter is not behind.
        assert_eq!(wire.counted("responses_sent", address), answers, "{address}");
        assert_eq!(wire.counted("requests_received", address), answers, "{address}");
    }
    let sent = [V4, V6].map(|address| wire.counted("gratuitous_sent", address));
    assert_eq!(sent, quiet, "questions make nothing known unasked");
}

#[test]
fn questions_for_others_are_counted_nowhere() {
    let wire = Wire::new();
    wire.announce(V4);
    wire.until_answered(V4);
    let before = wire.metrics.encode();
    for address in ["192.0.2.201", "2001:db8::1:201"] {
        wire.until_silent(address);
    }
    let after = wire.metrics.encode();
    assert!(!after.contains(".201") && !after.contains(":201"), "{after}");
    let requests = |text: &str| text.lines().filter(|line| line.contains("requests_received{")).count();
    assert_eq!(requests(&before), requests(&after));
}
