//! Contract 02 §7: what arping, ndisc6 and tcpdump see is what the counters say.

use super::*;

const ASKED: u64 = 5;

impl Wire {
    /// A counter of an address; none that is not there yet has counted anything.
    fn counted(&self, counter: &str, address: &str) -> u64 {
        let prefix = format!("metallb_layer2_{counter}{{ip=\"{address}\"}} ");
        let text = self.metrics.encode();
        text.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok()).unwrap_or(0)
    }

    /// Waits until an announced address has been made known for the last time.
    fn until_quiet(&self, address: &str, frames: u64) {
        until("the burst is over", DEADLINE, || {
            let sent = self.counted("gratuitous_sent", address);
            Ok(if sent > frames { Seen::Never(sent.to_string()) } else { seen(sent == frames, sent) })
        })
        .unwrap();
    }
}

/// Five rounds: two frames each for IPv4, one for IPv6 (§2.8).
#[test]
fn a_burst_is_ten_arp_frames_or_five_advertisements_for_tcpdump_and_counter_alike() {
    let wire = Wire::with(|options| options.refresh = None);
    for (address, frames, filter) in [
        (V4, 10, format!("arp and ether src {NODE_MAC}")),
        (V6, 5, format!("icmp6 and ip6[40] == 136 and ether src {NODE_MAC}")),
    ] {
        let seen = wire.capture(frames, &filter, || wire.announce(address));
        assert!(seen.matches(address).count() >= frames, "{seen}");
        wire.until_quiet(address, u64::try_from(frames).unwrap());
    }
}

#[test]
fn every_question_of_arping_and_ndisc6_is_counted_and_every_answer_is_seen_by_tcpdump() {
    let wire = Wire::with(|options| options.refresh = None);
    for (address, frames) in [(V4, 10), (V6, 5)] {
        wire.announce(address);
        wire.until_quiet(address, frames);
    }
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
        let dump = wire.capture(1, &format!("ether src {NODE_MAC} and {filter}"), || {
            // ndisc6 ends with the first answer unless it waits for more of them: it is asked as often.
            while answers < ASKED {
                let (_, text) = wire.client.try_sh(&ask);
                let found = u64::try_from(text.to_lowercase().matches(replies).count()).unwrap();
                assert_ne!(found, 0, "{text}");
                answers += found;
            }
        });
        assert!(dump.contains(address), "{dump}");
        // The tools saw all of them, so they are sent: the counter is not behind.
        assert_eq!(wire.counted("responses_sent", address), answers, "{address}");
        assert_eq!(wire.counted("requests_received", address), answers, "{address}");
    }
    assert_eq!(wire.counted("gratuitous_sent", V4), 10, "questions make nothing known unasked");
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
