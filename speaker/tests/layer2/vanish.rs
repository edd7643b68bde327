//! Interfaces that go away all at once, as the VLANs of a trunk do.

use std::thread;

use nix::sys::signal::Signal;

use super::process::Process;
use super::*;

const PAIRS: usize = 50;
/// For each link one for each protocol, and one for groups.
const SOCKETS: u64 = 3 * 2 * PAIRS as u64;
/// Between a question on another link and its answer: less than what is taken for a stall. Closed one after the other the
/// sockets hold answers up for seconds.
const LONGEST: Duration = Duration::from_millis(300);

fn until_files(process: &Process, what: &str, holds: impl Fn(u64) -> bool) {
    until(what, DEADLINE, || {
        let files = process.files();
        Ok(seen(holds(files), files))
    })
    .unwrap();
}

fn answered(client: &Namespace) {
    until("answered", DEADLINE, || {
        let (_, text) = client.try_sh(&question(V4));
        Ok(seen(text.to_lowercase().contains(NODE_MAC), text))
    })
    .unwrap();
}

#[test]
fn interfaces_that_go_down_or_away_at_once_hold_up_no_answer_on_another_one() {
    let (node, client) = (Namespace::new(), Namespace::new());
    connect(&node, &client);
    client.sh(&format!("ip link set eth0 address {}", flood::CLIENT));
    let add = |number| format!("link add a{number} group 7 type veth peer name b{number}");
    storm::for_each(PAIRS, &node, add);
    storm::for_each(PAIRS, &node, |number| format!("link set b{number} group 7"));
    for command in ["ip link set group 7 down", "ip link del group 7"] {
        let mut process = Process::start(&node, 0);
        // Then the thread that answers has opened what it needs for itself.
        answered(&client);
        let before = process.files();
        node.sh("ip link set group 7 up");
        until_files(&process, "all have their sockets", |files| files >= before + SOCKETS);
        // What happened while they came does not count.
        process.signal(Signal::SIGUSR1);
        process.until("opened");
        answered(&client);
        let waits = thread::scope(|scope| {
            let asking = scope.spawn(|| flood::waits(&client));
            node.sh(command);
            // Those of the link that stays may not all have been open at the start.
            until_files(&process, "all sockets are closed", |files| files <= before + 3);
            asking.join().unwrap()
        });
        process.signal(Signal::SIGUSR1);
        let said = process.until("opened");
        assert!(!said.contains(&"stalled".to_owned()), "{command}: {said:?}");
        let longest = *waits.last().unwrap();
        assert!(longest < LONGEST, "{command}: {longest:?} at most of {} answers", waits.len());
    }
}
