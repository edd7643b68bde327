//! What others say about members, and which of it counts: the later life, and within one life the worse news.

use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::{Accusation, Alive, Message, PeerState, State, Versions};

use super::action::{Action, Event, Note};
use super::member::{Member, Record};
use super::suspicion::Suspicion;
use super::{MOST_MEMBERS, Machine, versions};

impl Machine {
    /// Somebody is said to be alive.
    pub(super) fn hear_alive(&mut self, mut alive: Alive, now: Duration) {
        let address = self.reach(alive.address);
        // Passed on, it must not depend on who reads it.
        alive.address.set_port(address.port());
        if !versions::are_possible(alive.versions) {
            self.note(Note::Incompatible { name: alive.node });
        } else if alive.node == self.me {
            self.hear_of_myself(&alive, address);
        } else if let Some(record) = self.roster.get_mut(&alive.node) {
            let is_elsewhere = record.member.address != address;
            if is_elsewhere && record.member.state != State::Left {
                let known = record.member.address;
                if record.rival.replace(address) != Some(address) {
                    self.note(Note::Conflict { name: alive.node, known, claimed: address });
                }
            } else if is_elsewhere || alive.incarnation > record.member.incarnation {
                self.believe(alive, now);
            }
        } else if alive.incarnation > 0 && !alive.node.is_empty() {
            self.welcome(alive, now);
        }
    }

    /// Somebody speaks in our name: another process that has it, or an echo of an earlier life.
    fn hear_of_myself(&mut self, alive: &Alive, address: SocketAddr) {
        let Some(record) = self.roster.get_mut(&self.me).filter(|_| !self.leaving) else { return };
        let known = record.member.address;
        if address != known {
            if record.rival.replace(address) != Some(address) {
                self.note(Note::Conflict { name: alive.node.clone(), known, claimed: address });
            }
            return;
        }
        let me = &record.member;
        let is_echo =
            alive.incarnation == me.incarnation && alive.meta == me.meta && alive.versions == me.versions;
        let is_later = alive.incarnation >= me.incarnation;
        if is_echo {
            // Only what is believed is passed on.
            if record.rival.take().is_some() {
                self.note(Note::Accepted);
            }
        } else if is_later {
            self.refute("", alive.incarnation, None);
        }
    }

    fn welcome(&mut self, alive: Alive, now: Duration) {
        if self.roster.len() >= MOST_MEMBERS {
            self.note(Note::TooMany { name: alive.node });
            return;
        }
        let member = Member {
            name: alive.node.clone(),
            address: self.reach(alive.address),
            meta: Vec::new(),
            state: State::Dead,
            versions: alive.versions,
            incarnation: 0,
        };
        let record = Record { member, written: alive.address, changed: now, rival: None };
        self.roster.insert(record, &mut self.dice);
        self.believe(alive, now);
    }

    fn believe(&mut self, alive: Alive, now: Duration) {
        self.suspicions.remove(&alive.node);
        self.spread(&alive.node.clone(), &Message::Alive(alive.clone()));
        let address = self.reach(alive.address);
        let Some(record) = self.roster.get_mut(&alive.node) else { return };
        let was_there = record.member.is_there();
        let says_something_else = record.member.meta != alive.meta;
        if record.member.state != State::Alive {
            record.changed = now;
        }
        record.rival = None;
        record.written = alive.address;
        record.member = Member {
            name: alive.node,
            address,
            meta: alive.meta,
            state: State::Alive,
            versions: alive.versions,
            incarnation: alive.incarnation,
        };
        let member = record.member.clone();
        if !was_there {
            self.introduce_myself(&member.contact());
            self.actions.push_back(Action::Event(Event::Joined(member)));
        } else if says_something_else {
            self.actions.push_back(Action::Event(Event::Updated(member)));
        }
    }

    /// Somebody is said not to answer.
    pub(super) fn hear_suspect(
        &mut self,
        accusation: Accusation,
        heard_from: Option<SocketAddr>,
        now: Duration,
    ) {
        let Some(record) = self.roster.get_mut(&accusation.node) else { return };
        if accusation.incarnation < record.member.incarnation {
            return;
        }
        if let Some(suspicion) = self.suspicions.get_mut(&accusation.node) {
            if suspicion.confirm(&accusation.from) {
                self.spread(&accusation.node.clone(), &Message::Suspect(accusation));
            }
        } else if record.member.state != State::Alive {
            // Dead, or gone: nothing worse can be said.
        } else if accusation.node == self.me {
            self.refute(&accusation.from, accusation.incarnation, heard_from);
        } else {
            record.member.incarnation = accusation.incarnation;
            record.member.state = State::Suspect;
            record.changed = now;
            // The original counts those who are gone, too, and then waits for them to confirm.
            let members = self.members().count();
            let suspicion = Suspicion::new(accusation.from.clone(), members, &self.settings, now);
            self.suspicions.insert(accusation.node.clone(), suspicion);
            self.spread(&accusation.node.clone(), &Message::Suspect(accusation));
        }
    }

    /// Somebody is said to be dead, or says goodbye.
    pub(super) fn hear_dead(
        &mut self,
        accusation: Accusation,
        heard_from: Option<SocketAddr>,
        now: Duration,
    ) {
        let Some(record) = self.roster.get_mut(&accusation.node) else { return };
        if accusation.incarnation < record.member.incarnation {
            return;
        }
        self.suspicions.remove(&accusation.node);
        if !record.member.is_there() {
            return;
        }
        let is_me = accusation.node == self.me;
        if is_me && !self.leaving {
            self.refute(&accusation.from, accusation.incarnation, heard_from);
            return;
        }
        let by_itself = accusation.node == accusation.from;
        record.member.incarnation = accusation.incarnation;
        record.member.state = if by_itself { State::Left } else { State::Dead };
        record.changed = now;
        let member = record.member.clone();
        self.spread(&accusation.node.clone(), &Message::Dead(accusation));
        if !is_me {
            let event = if by_itself { Event::Left(member) } else { Event::Failed(member) };
            self.actions.push_back(Action::Event(event));
        }
    }

    /// One line of what another member knows.
    pub(super) fn hear_of(&mut self, peer: PeerState, now: Duration) {
        let Alive { incarnation, node, .. } = &peer.alive;
        match peer.state {
            State::Alive if versions::understand_each_other(peer.alive.versions, Versions::OURS) => {
                self.hear_alive(peer.alive, now);
            }
            State::Alive => self.note(Note::Incompatible { name: peer.alive.node }),
            State::Left => {
                let (incarnation, node) = (*incarnation, node.clone());
                self.hear_dead(Accusation { incarnation, from: node.clone(), node }, None, now);
            }
            // Dead for others is suspect for us: it may still contradict.
            State::Dead | State::Suspect => {
                let accusation = self.accuse(node.clone(), *incarnation);
                self.hear_suspect(accusation, None, now);
            }
        }
    }

    /// The time of suspects that did not contradict is over.
    pub(super) fn condemn(&mut self, now: Duration) {
        let over = self.suspicions.iter().filter(|(_, suspicion)| suspicion.ends() <= now);
        let over: Vec<_> = over.map(|(name, _)| name.clone()).collect();
        for name in over {
            let Some(record) = self.roster.get(&name) else { continue };
            let accusation = self.accuse(name, record.member.incarnation);
            self.hear_dead(accusation, None, now);
        }
    }
}
