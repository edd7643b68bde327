use crate::wire::message::{Alive, Message, PeerState, PushPull, State, Versions};

use super::super::{MOST_MEMBERS, MOST_META};
use super::{
    Machine, Note, START, Settings, accusation, address, alive, drain, events, identity, member_of, name,
    notes, run, seconds, sent, state,
};

use Message::{Dead, Suspect};

fn is_alive(number: usize, incarnation: u32) -> Message {
    Message::Alive(alive(number, incarnation))
}

fn hear(machine: &mut Machine, messages: &[Message]) {
    for message in messages {
        machine.datagram(address(2), message.clone(), START);
    }
}

fn push_pull(peers: Vec<(State, Alive)>) -> PushPull {
    let peers = peers.into_iter().map(|(state, alive)| PeerState { state, alive }).collect();
    PushPull { is_join: false, peers, user_state: Vec::new() }
}

/// Node 1 is alive in its fifth life.
#[test]
fn what_is_said_about_a_member_counts_if_it_is_later_or_worse() {
    let suspect = |life, from| Suspect(accusation(1, life, from));
    let dead = |life, from| Dead(accusation(1, life, from));
    let (there, doubted) = (State::Alive, State::Suspect);
    let cases = [
        ("alive in an earlier life is old news", vec![is_alive(1, 4)], (there, 5), vec![]),
        ("alive in the same life is old news", vec![is_alive(1, 5)], (there, 5), vec![]),
        ("alive in a later life is no event", vec![is_alive(1, 6)], (there, 6), vec![]),
        ("suspect in an earlier life is settled", vec![suspect(4, 2)], (there, 5), vec![]),
        ("suspect in this life is no event yet", vec![suspect(5, 2)], (doubted, 5), vec![]),
        ("suspect in a life not known yet", vec![suspect(9, 2)], (doubted, 9), vec![]),
        (
            "alive in the same life does not clear a suspect",
            vec![suspect(5, 2), is_alive(1, 5)],
            (doubted, 5),
            vec![],
        ),
        ("alive in the next life does", vec![suspect(5, 2), is_alive(1, 6)], (there, 6), vec![]),
        ("dead in an earlier life is settled", vec![dead(4, 2)], (there, 5), vec![]),
        ("dead", vec![dead(5, 2)], (State::Dead, 5), vec!["failed"]),
        ("said by itself: it left", vec![dead(5, 1)], (State::Left, 5), vec!["left"]),
        ("a suspect may die", vec![suspect(5, 2), dead(5, 2)], (State::Dead, 5), vec!["failed"]),
        ("one dies once", vec![dead(5, 2), dead(5, 3), dead(6, 3)], (State::Dead, 5), vec!["failed"]),
        ("the dead are not suspected", vec![dead(5, 2), suspect(6, 2)], (State::Dead, 5), vec!["failed"]),
        ("who died cannot leave", vec![dead(5, 2), dead(5, 1)], (State::Dead, 5), vec!["failed"]),
        ("who left cannot die", vec![dead(5, 1), dead(5, 2)], (State::Left, 5), vec!["left"]),
        (
            "alive in the same life wakes no dead",
            vec![dead(5, 2), is_alive(1, 5)],
            (State::Dead, 5),
            vec!["failed"],
        ),
        (
            "alive in the next life does",
            vec![dead(5, 2), is_alive(1, 6)],
            (there, 6),
            vec!["failed", "joined"],
        ),
        ("who left may come back", vec![dead(5, 1), is_alive(1, 6)], (there, 6), vec!["left", "joined"]),
        (
            "a replay of an earlier life changes nothing",
            vec![is_alive(1, 7), is_alive(1, 5), suspect(5, 2), dead(5, 2), dead(5, 1), suspect(6, 3)],
            (there, 7),
            vec![],
        ),
        ("the last life there can be", vec![dead(u32::MAX, 2)], (State::Dead, u32::MAX), vec!["failed"]),
    ];
    for (what, messages, expected, expected_events) in cases {
        let mut machine = member_of(9, Settings::lan());
        hear(&mut machine, &messages);
        assert_eq!(state(&machine, 1), Some(expected), "{what}");
        let events = events(&drain(&mut machine));
        let expected: Vec<_> = expected_events.into_iter().map(|event| (event, name(1))).collect();
        assert_eq!(events, expected, "{what}");
        let counts = matches!(state(&machine, 1), Some((State::Alive | State::Suspect, _)));
        assert_eq!(machine.members().any(|member| member.name == name(1)), counts, "{what}: suspects count");
    }
}

#[test]
fn a_stranger_is_known_only_once_it_is_alive() {
    let cases = [
        ("suspect", Suspect(accusation(5, 1, 2)), None),
        ("dead", Dead(accusation(5, 1, 2)), None),
        ("alive before its first life", is_alive(5, 0), None),
        ("alive without a name", Message::Alive(Alive { node: String::new(), ..alive(5, 1) }), None),
        ("alive", is_alive(5, 1), Some((State::Alive, 1))),
    ];
    for (what, message, expected) in cases {
        let mut machine = member_of(3, Settings::lan());
        hear(&mut machine, &[message]);
        assert_eq!(state(&machine, 5), expected, "{what}");
        assert_eq!(machine.known().count(), 4 + usize::from(expected.is_some()), "{what}");
    }
}

#[test]
fn other_metadata_is_an_update() {
    let mut machine = member_of(3, Settings::lan());
    hear(&mut machine, &[Message::Alive(Alive { meta: vec![1], ..alive(1, 6) })]);
    assert_eq!(events(&drain(&mut machine)), [("updated", name(1))]);
    assert_eq!(machine.member(&name(1)).expect("known").meta, [1]);
}

#[test]
fn impossible_versions_are_left_out() {
    for versions in [[0, 5, 2, 0, 0, 0], [1, 0, 0, 0, 0, 0], [3, 2, 2, 0, 0, 0]] {
        let mut machine = member_of(3, Settings::lan());
        hear(&mut machine, &[Message::Alive(Alive { versions: Versions(versions), ..alive(5, 1) })]);
        assert_eq!(state(&machine, 5), None, "{versions:?}");
        assert_eq!(notes(&drain(&mut machine)), [Note::Incompatible { name: name(5) }], "{versions:?}");
    }
}

#[test]
fn an_exchange_leaves_out_who_is_not_understood_and_takes_the_others() {
    for versions in [[1, 5, 6, 0, 0, 0], [3, 5, 3, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 5, 2, 1, 2, 1]] {
        let mut machine = member_of(3, Settings::lan());
        let foreign = Alive { versions: Versions(versions), ..alive(5, 1) };
        machine.merge(push_pull(vec![(State::Alive, foreign), (State::Alive, alive(6, 1))]), START);
        assert_eq!(state(&machine, 5), None, "{versions:?}");
        assert_eq!(state(&machine, 6), Some((State::Alive, 1)), "{versions:?}");
    }
}

#[test]
fn a_name_stays_with_its_address_until_its_member_left() {
    let elsewhere = || Message::Alive(Alive { address: address(77), ..alive(1, 9) });
    let cases = [
        ("alive", vec![], false),
        ("suspect", vec![Suspect(accusation(1, 5, 2))], false),
        ("dead: nothing is reclaimed", vec![Dead(accusation(1, 5, 2))], false),
        ("left", vec![Dead(accusation(1, 5, 1))], true),
    ];
    for (what, before, moves) in cases {
        let mut machine = member_of(3, Settings::lan());
        hear(&mut machine, &before);
        drain(&mut machine);
        hear(&mut machine, &[elsewhere(), elsewhere()]);
        let actions = drain(&mut machine);
        let conflict = Note::Conflict { name: name(1), known: address(1), claimed: address(77) };
        let member = machine.member(&name(1)).expect("known");
        if moves {
            assert_eq!((member.address, member.state), (address(77), State::Alive), "{what}");
            assert_eq!(events(&actions), [("joined", name(1))], "{what}");
        } else {
            assert_eq!(member.address, address(1), "{what}");
            assert_eq!((events(&actions), notes(&actions)), (vec![], vec![conflict]), "{what}: noted once");
        }
    }
}

#[test]
fn an_address_is_the_same_in_either_form_and_passed_on_as_it_came() {
    let mapped = std::net::SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x0a00, 5], 7946));
    let mut machine = member_of(3, Settings::lan());
    hear(&mut machine, &[Message::Alive(Alive { address: mapped, ..alive(5, 1) }), is_alive(5, 2)]);
    assert_eq!(notes(&drain(&mut machine)), []);
    assert_eq!(
        machine.member(&name(5)).map(|member| (member.address, member.incarnation)),
        Some((address(5), 2))
    );
    hear(&mut machine, &[Message::Alive(Alive { address: mapped, ..alive(6, 1) })]);
    let told = machine.local_state(false).peers.into_iter().find(|peer| peer.alive.node == name(6));
    assert_eq!(told.map(|peer| peer.alive.address), Some(mapped));
}

#[test]
fn whoever_leaves_its_port_out_listens_where_we_do() {
    let mut machine = member_of(3, Settings::lan());
    let without = std::net::SocketAddr::new(address(5).ip(), 0);
    hear(&mut machine, &[Message::Alive(Alive { address: without, ..alive(5, 1) })]);
    assert_eq!(machine.member(&name(5)).map(|member| member.address), Some(address(5)));
    assert!(machine.local_state(false).peers.iter().all(|peer| peer.alive.address.port() == 7946));
}

#[test]
fn who_died_may_come_back_elsewhere_once_it_is_forgotten() {
    let mut machine = member_of(3, Settings::lan());
    hear(&mut machine, &[Dead(accusation(1, 5, 2))]);
    run(&mut machine, START, START + seconds(45.0));
    assert_eq!(state(&machine, 1), None);
    let elsewhere = Alive { address: address(77), ..alive(1, 1) };
    machine.datagram(address(2), Message::Alive(elsewhere), START + seconds(45.0));
    assert_eq!(machine.member(&name(1)).expect("known").address, address(77));
}

#[test]
fn a_namesake_neither_steals_our_name_nor_is_passed_on() {
    let mut machine = member_of(3, Settings::lan());
    let theirs = Message::Alive(Alive { address: address(66), ..alive(0, 99) });
    hear(&mut machine, &[theirs.clone(), theirs]);
    let actions = drain(&mut machine);
    assert_eq!(notes(&actions), [Note::Conflict { name: name(0), known: address(0), claimed: address(66) }]);
    let me = machine.member(&name(0)).expect("known");
    assert_eq!((me.address, me.incarnation, me.state), (address(0), 1, State::Alive));
    assert_eq!((sent(&actions), machine.gossip_waiting()), (vec![], 0));
}

#[test]
fn who_passes_on_what_we_say_of_ourselves_counts_us_whoever_else_claims_our_name() {
    let mut machine = member_of(3, Settings::lan());
    let theirs = Message::Alive(Alive { address: address(66), ..alive(0, 1) });
    let conflict = Note::Conflict { name: name(0), known: address(0), claimed: address(66) };
    for (what, message, notes_of_it) in [
        ("nobody claims it", is_alive(0, 1), vec![]),
        ("somebody does", theirs.clone(), vec![conflict.clone()]),
        ("said again", theirs.clone(), vec![]),
        ("an earlier life here says nothing of this one", is_alive(0, 0), vec![]),
        ("our own words", is_alive(0, 1), vec![Note::Accepted]),
        ("said again", is_alive(0, 1), vec![]),
        ("the other one, again", theirs, vec![conflict]),
    ] {
        hear(&mut machine, &[message]);
        assert_eq!(notes(&drain(&mut machine)), notes_of_it, "{what}");
    }
}

#[test]
fn an_accusation_is_contradicted_with_a_later_life() {
    let peers = |state, life| push_pull(vec![(state, alive(0, life))]);
    type Happens = Box<dyn Fn(&mut Machine)>;
    let cases: [(&str, Happens, u32); 11] = [
        ("suspect", Box::new(|m| hear(m, &[Suspect(accusation(0, 1, 2))])), 2),
        ("suspect in a life we don't remember", Box::new(|m| hear(m, &[Suspect(accusation(0, 7, 2))])), 8),
        ("dead", Box::new(|m| hear(m, &[Dead(accusation(0, 7, 2))])), 8),
        ("somebody says goodbye in our name", Box::new(|m| hear(m, &[Dead(accusation(0, 7, 0))])), 8),
        ("an echo of an earlier life", Box::new(|m| hear(m, &[is_alive(0, 7)])), 8),
        ("settled already", Box::new(|m| hear(m, &[Suspect(accusation(0, 0, 2))])), 1),
        ("our own words", Box::new(|m| hear(m, &[is_alive(0, 1)])), 1),
        ("dead in an exchange", Box::new(move |m| m.merge(peers(State::Dead, 3), START)), 4),
        ("suspect in an exchange", Box::new(move |m| m.merge(peers(State::Suspect, 3), START)), 4),
        ("left in an exchange", Box::new(move |m| m.merge(peers(State::Left, 3), START)), 4),
        (
            "after the last life comes the first",
            Box::new(|m| hear(m, &[Dead(accusation(0, u32::MAX, 2))])),
            1,
        ),
    ];
    for (what, happens, life) in cases {
        let mut machine = member_of(3, Settings::lan());
        happens(&mut machine);
        assert_eq!(state(&machine, 0), Some((State::Alive, life)), "{what}");
        let is_news = usize::from(life != 1 || what.contains("the last life"));
        assert_eq!(machine.gossip_waiting(), is_news, "{what}");
        assert_eq!(machine.unwell() as usize, is_news, "{what}: whoever is accused is slow");
    }
}

#[test]
fn the_accuser_learns_the_truth_at_once() {
    let mut machine = member_of(3, Settings::lan());
    hear(&mut machine, &[Suspect(accusation(0, 1, 3))]);
    assert_eq!(sent(&drain(&mut machine)), [(address(3), vec![is_alive(0, 2)])]);
}

#[test]
fn an_accuser_that_is_unknown_is_answered_where_it_spoke_from() {
    let mut machine = Machine::new(identity(0), Settings::lan(), 7, START);
    for (message, life) in [(Suspect(accusation(0, 1, 9)), 2), (Dead(accusation(0, 4, 9)), 5)] {
        machine.datagram(address(9), message, START);
        assert_eq!(sent(&drain(&mut machine)), [(address(9), vec![is_alive(0, life)])]);
    }
}

#[test]
fn whoever_is_new_or_back_is_told_of_us_at_once() {
    let cases = [
        ("new", vec![is_alive(5, 1)], 1),
        ("known", vec![is_alive(1, 6)], 0),
        ("back", vec![Dead(accusation(1, 5, 1)), is_alive(1, 6)], 1),
    ];
    for (what, messages, times) in cases {
        let mut machine = member_of(3, Settings::lan());
        hear(&mut machine, &messages);
        let told =
            sent(&drain(&mut machine)).into_iter().filter(|(_, told)| told[..] == [is_alive(0, 1)]).count();
        assert_eq!(told, times, "{what}");
    }
}

#[test]
fn those_who_left_are_not_waited_for_to_confirm() {
    let mut machine = member_of(9, Settings::lan());
    let goodbyes: Vec<_> = (3..=9).map(|number| Dead(accusation(number, 5, number))).collect();
    hear(&mut machine, &goodbyes);
    hear(&mut machine, &[Suspect(accusation(1, 5, 2))]);
    assert_eq!(machine.suspicions[&name(1)].ends(), seconds(4.0), "three are a small cluster");
}

#[test]
fn other_metadata_in_our_name_is_of_an_earlier_life() {
    let mut machine = member_of(3, Settings::lan());
    hear(&mut machine, &[Message::Alive(Alive { meta: vec![9], ..alive(0, 1) })]);
    assert_eq!(state(&machine, 0), Some((State::Alive, 2)));
}

#[test]
fn new_metadata_begins_a_new_life_of_which_all_who_are_there_hear_at_once_and_by_gossip() {
    let mut machine = member_of(3, Settings::lan());
    hear(&mut machine, &[Dead(accusation(3, 5, 3))]);
    drain(&mut machine);
    machine.rumours = Default::default();
    machine.set_meta(vec![1, 2], START);
    assert_eq!(state(&machine, 0), Some((State::Alive, 2)));
    let announced = Message::Alive(Alive { meta: vec![1, 2], ..alive(0, 2) });
    let told = sent(&drain(&mut machine));
    assert_eq!(told, [1, 2].map(|other| (address(other), vec![announced.clone()])));
    let news: Vec<_> =
        sent(&run(&mut machine, START, START + seconds(0.2))).into_iter().flat_map(|to| to.1).collect();
    assert!(news.contains(&announced), "{news:?}");
}

#[test]
fn whoever_joins_anew_introduces_the_life_that_others_will_believe() {
    let mut machine = Machine::new(identity(5), Settings::lan(), 7, START);
    let said = vec![(State::Alive, alive(1, 5)), (State::Left, alive(5, 8)), (State::Alive, alive(9, 5))];
    machine.merge(push_pull(said), START);
    let told = sent(&drain(&mut machine));
    let me = Message::Alive(alive(5, 9));
    assert_eq!(told, [1, 9].map(|other| (address(other), vec![me.clone()])));
}

#[test]
fn a_member_in_doubt_is_asked_and_a_stranger_or_one_that_is_gone_is_not() {
    let mut machine = member_of(3, Settings::lan());
    hear(&mut machine, &[Dead(accusation(3, 5, 3))]);
    drain(&mut machine);
    [1, 3, 9].into_iter().for_each(|number| machine.ask(&name(number)));
    let asked = sent(&drain(&mut machine));
    let is_ping =
        |said: &(_, Vec<Message>)| matches!(&said.1[..], [Message::Ping(ping)] if ping.node == name(1));
    assert!(matches!(&asked[..], [said] if said.0 == address(1) && is_ping(said)), "{asked:?}");
}

#[test]
fn metadata_that_does_not_fit_is_not_announced() {
    let mut machine = member_of(3, Settings::lan());
    machine.set_meta(vec![0; MOST_META], START);
    assert_eq!(notes(&drain(&mut machine)), []);
    machine.set_meta(vec![0; MOST_META + 1], START);
    assert_eq!(notes(&drain(&mut machine)), [Note::MetaTooLong { length: MOST_META + 1 }]);
    assert!(machine.member(&name(0)).expect("known").meta.is_empty());
}

#[test]
fn in_an_exchange_the_dead_are_suspects_and_the_answer_is_what_was_known_before() {
    let mut machine = member_of(3, Settings::lan());
    hear(&mut machine, &[Dead(accusation(3, 5, 2))]);
    let answer =
        machine.push_pull(push_pull(vec![(State::Dead, alive(1, 5)), (State::Left, alive(2, 5))]), START);
    let known: Vec<_> = answer.peers.iter().map(|peer| (peer.alive.node.clone(), peer.state)).collect();
    let (there, dead) = (State::Alive, State::Dead);
    assert_eq!(known, [(name(0), there), (name(1), there), (name(2), there), (name(3), dead)]);
    assert_eq!(state(&machine, 1), Some((State::Suspect, 5)), "it may still contradict");
    assert_eq!(state(&machine, 2), Some((State::Left, 5)));
}

#[test]
fn whoever_leaves_tells_everybody_at_once_and_is_silent_then() {
    let mut machine = member_of(3, Settings::lan());
    hear(&mut machine, &[Dead(accusation(3, 5, 2))]);
    machine.rumours = Default::default();
    drain(&mut machine);
    machine.leave(START);
    let goodbye = Dead(accusation(0, 1, 0));
    let said = sent(&drain(&mut machine));
    assert_eq!(said, [(address(1), vec![goodbye.clone()]), (address(2), vec![goodbye])]);
    assert!(!machine.has_left(), "it is to be gossiped, too");
    hear(&mut machine, &[is_alive(0, 9), Suspect(accusation(0, 9, 2)), Dead(accusation(0, 9, 2))]);
    machine.set_meta(vec![1], START);
    assert_eq!(state(&machine, 0), Some((State::Left, 1)), "nothing brings it back");
    let actions = run(&mut machine, START, START + seconds(1.0));
    assert!(machine.has_left(), "within a second");
    let others = sent(&actions).into_iter().flat_map(|(_, messages)| messages);
    assert!(others.into_iter().all(|message| matches!(message, Dead(_))), "no probe any more");
    assert_eq!(machine.next_deadline().map(|deadline| deadline > START), Some(true));
}

#[test]
fn alone_one_has_left_at_once() {
    let mut machine = Machine::new(identity(0), Settings::lan(), 7, START);
    machine.leave(START);
    assert!(machine.has_left());
}

#[test]
fn made_up_members_do_not_fill_the_memory() {
    let mut machine = member_of(MOST_MEMBERS - 1, Settings::lan());
    hear(&mut machine, &[is_alive(MOST_MEMBERS, 1)]);
    assert_eq!(machine.known().count(), MOST_MEMBERS);
    assert_eq!(notes(&drain(&mut machine)), [Note::TooMany { name: name(MOST_MEMBERS) }]);
}
