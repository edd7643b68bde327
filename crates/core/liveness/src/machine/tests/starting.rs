//! Processes that were just started, and those who come back.

use super::network::*;
use crate::{Action, Member};

/// A ring in which n1 has a new process that does not answer yet; the others count it.
fn restarted(nodes: usize) -> Network {
    let mut network = Network::of(nodes);
    network.kill("n1");
    network.run(200);
    network.start("n1", 77);
    tell_of_the_new_process(&mut network);
    network
}

fn tell_of_the_new_process(network: &mut Network) {
    let names: Vec<String> = network.nodes.keys().cloned().collect();
    let of = |name: &String| if name == "n1" { 77 } else { boot(name) };
    let members = names.iter().map(|name| Member { is_starting: name == "n1", ..member(name, of(name)) });
    let (members, now) = (members.collect::<Vec<_>>(), network.now);
    names.iter().for_each(|name| network.node(name).machine.peers(members.clone(), now));
}

fn who_know(network: &Network) -> Vec<&str> {
    let know = network.nodes.iter().filter(|(name, node)| *name != "n1" && node.machine.answers("n1"));
    know.map(|(name, _)| name.as_str()).collect()
}

#[test]
fn its_watchers_hear_at_once_that_one_answers_and_once() {
    let mut network = restarted(3);
    network.until("", 600);
    assert!(who_know(&network).is_empty());
    network.node("n1").machine.set_answers();
    network.node("n1").machine.set_answers();
    let now = network.now;
    let due = network.node("n1").machine.next_deadline();
    network.run(u32::try_from((due - now).as_millis()).unwrap() + 1);
    assert_eq!(who_know(&network), ["n0", "n2"]);
    network.run(1_000);
    // The metadata of before come late.
    tell_of_the_new_process(&mut network);
    assert_eq!(who_know(&network), ["n0", "n2"]);
    let told = network.log.iter().filter(|(_, _, action)| *action == Action::Answers("n1".to_owned()));
    assert_eq!(told.count(), 2);
}

#[test]
fn one_that_began_to_answer_beyond_a_partition_is_known_to_when_it_is_heard() {
    let mut network = restarted(10);
    network.until("", 600);
    let (here, there) = (["n0", "n2", "n3", "n4"], ["n1", "n5", "n6", "n7", "n8", "n9"]);
    for one in here {
        there.iter().for_each(|other| network.cut(one, other));
    }
    network.run(10);
    network.node("n1").machine.set_answers();
    network.run(2_000);
    assert!(here.iter().all(|name| !who_know(&network).contains(name)), "{:?}", who_know(&network));
    network.cut.clear();
    network.run(150);
    assert!(here.iter().all(|name| who_know(&network).contains(name)), "{:?}", who_know(&network));
}

/// They take it to live on the word of those who watch it.
#[test]
fn those_who_do_not_hear_one_ask_whether_it_answers_when_it_counts_again() {
    let mut network = restarted(10);
    network.run(100);
    network.node("n1").machine.set_answers();
    network.until("", 600);
    network.run(2);
    assert_eq!(who_know(&network).len(), 9);
}

/// n0, or n0 and a watcher of it, were cut off, hold those they watched to be down, and meet some whom they never heard.
/// These were listed all the time, or are listed again.
#[test]
fn one_that_was_cut_off_tells_nobody_whom_it_does_not_hear() {
    for (cut_off, is_listed_anew) in [(1, false), (1, true), (2, false), (2, true)] {
        let mut network = Network::of(10);
        let kin = network.node("n0").machine.kin.clone();
        let names: Vec<String> = network.nodes.keys().cloned().collect();
        let (watchers, strangers): (Vec<String>, Vec<String>) =
            names.into_iter().filter(|name| name != "n0").partition(|name| kin.contains(&boot(name)));
        let (partner, watchers) = watchers.split_at(cut_off - 1);
        let island: Vec<String> = partner.iter().cloned().chain(["n0".to_owned()]).collect();
        for one in &island {
            watchers.iter().chain(&strangers).for_each(|other| network.cut(one, other));
        }
        network.run(4_000);
        assert!(watchers.iter().all(|watcher| network.node("n0").down.contains(watcher)));
        // Memberlist has dropped them at those whom they watched: these are silent still.
        let now = network.now;
        let list = |names: &[&[String]]| -> Vec<Member> {
            names.iter().flat_map(|names| names.iter()).map(|name| member(name, boot(name))).collect()
        };
        for watcher in watchers {
            network.node(watcher).machine.peers(list(&[watchers, &strangers]), now);
        }
        for stranger in &strangers {
            network.node(stranger).machine.peers(list(&[&island, watchers, &strangers]), now);
        }
        if is_listed_anew {
            network.node("n0").machine.peers(list(&[partner, watchers]), now);
            network.node("n0").machine.peers(list(&[partner, watchers, &strangers]), now);
        }
        network.cut.clear();
        for _ in 0..400 {
            network.run(1);
            let is_held = |name: &String| watchers.iter().any(|one| network.nodes[name].down.contains(one));
            assert!(!strangers.iter().any(is_held), "{cut_off} {is_listed_anew}: {}", network.standing());
        }
    }
}

/// A process that starts when n0 is back hears from it who is down, but for those whom n0 found dead while it heard nobody,
/// or before it stood still: they may live, and the new process, which does not watch them, would believe it.
#[test]
fn a_new_process_is_told_nothing_doubtful() {
    for (what, stands_still, is_told) in
        [("cut off", false, false), ("stood still", true, false), ("well", true, true)]
    {
        let mut network = Network::of(10);
        let kin = network.node("n0").machine.kin.clone();
        let names: Vec<String> = network.nodes.keys().cloned().collect();
        let (watchers, others): (Vec<String>, Vec<String>) =
            names.into_iter().filter(|name| name != "n0").partition(|name| kin.contains(&boot(name)));
        let fallen = watchers[0].clone();
        if stands_still {
            network.freeze(&fallen, true);
            network.run(500);
        } else {
            watchers.iter().chain(&others).for_each(|other| network.cut("n0", other));
            network.run(4_000);
        }
        assert!(network.node("n0").down.contains(&fallen), "{what}");
        if stands_still && !is_told {
            network.freeze("n0", true);
            network.run(2_000);
            network.freeze("n0", false);
            network.run(500);
        }
        let watched = network.node("n0").machine.neighbours.clone();
        let newcomer = others.iter().find(|name| watched.contains(&boot(name))).unwrap().clone();
        network.cut.retain(|(one, other)| *one != newcomer && *other != newcomer);
        // Only n0 knows of it, and tells it all it has to tell.
        watchers.iter().chain(&others).for_each(|other| network.cut(&newcomer, other));
        network.start(&newcomer, 77);
        let all = |network: &Network| -> Vec<Member> {
            network.nodes.iter().map(|(name, node)| member(name, node.machine.boot)).collect()
        };
        let (members, now) = (all(&network), network.now);
        for name in ["n0", &newcomer] {
            network.node(name).machine.peers(members.clone(), now);
        }
        network.run(300);
        assert_eq!(network.node(&newcomer).down.contains(&fallen), is_told, "{what}: {}", network.standing());
    }
}
