//! What this member says of itself.

use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::Message;

use super::action::Note;
use super::member::{Contact, Member};
use super::{MOST_META, Machine};

impl Machine {
    /// Begins a new life with this metadata.
    pub(super) fn announce(&mut self, mut meta: Vec<u8>) {
        if meta.len() > MOST_META {
            self.note(Note::MetaTooLong { length: meta.len() });
            meta.clear();
        }
        if let Some(record) = self.roster.get_mut(&self.me) {
            record.member.meta = meta;
        }
        self.begin_life_after(0);
    }

    /// Contradicts somebody who takes us for suspect, dead, or for what we were in an earlier life.
    pub(super) fn refute(&mut self, accuser: &str, life: u32, heard_from: Option<SocketAddr>) {
        // From an exchange, or said in our name: nobody says who it was.
        let accuser = if accuser == self.me { "" } else { accuser };
        self.health.worsen(1);
        self.note(Note::Refuted { accuser: accuser.to_owned() });
        self.begin_life_after(life);
        // The others learn of it by gossip; the accuser at once. After a restart nobody is known yet.
        match self.member(accuser).map(Member::contact) {
            Some(accuser) => self.introduce_myself(&accuser),
            None => {
                if let Some(to) = heard_from {
                    self.tell_of_myself(to, false);
                }
            }
        }
    }

    /// Tells one member that we are alive: gossip reaches everybody, but not for sure.
    pub(super) fn introduce_myself(&mut self, to: &Contact) {
        self.tell_of_myself(to.address, to.takes_checksums());
    }

    /// Tells everybody what we say of ourselves now.
    pub(super) fn introduce_myself_to_all(&mut self) {
        let others = self.members().filter(|member| member.name != self.me);
        for other in others.map(Member::contact).collect::<Vec<_>>() {
            self.introduce_myself(&other);
        }
    }

    fn tell_of_myself(&mut self, to: SocketAddr, with_checksum: bool) {
        if let Some(me) = self.roster.get(&self.me).filter(|_| !self.leaving) {
            let alive = Message::Alive(me.alive());
            self.send_only(to, with_checksum, &[alive]);
        }
    }

    /// Tells everybody of a life later than this one and than all before. After the last number there is comes the
    /// first: others take a while to forget the old ones, but then believe it.
    fn begin_life_after(&mut self, life: u32) {
        let Some(record) = self.roster.get_mut(&self.me).filter(|_| !self.leaving) else { return };
        let latest = record.member.incarnation.max(life);
        record.member.incarnation = latest.checked_add(1).unwrap_or(1);
        let alive = Message::Alive(record.alive());
        let me = self.me.clone();
        self.spread(&me, &alive);
    }

    /// Tells everybody at once, not by gossip alone: until they know, they send us what is not answered any more.
    pub(super) fn say_goodbye(&mut self, now: Duration) {
        let Some(record) = self.roster.get(&self.me) else { return };
        if self.leaving {
            return;
        }
        let goodbye = self.accuse(self.me.clone(), record.member.incarnation);
        self.leaving = true;
        self.probe = None;
        self.hear_dead(goodbye.clone(), None, now);
        let others = self.members().map(Member::contact).collect::<Vec<_>>();
        for other in others {
            self.send_only(other.address, other.takes_checksums(), &[Message::Dead(goodbye.clone())]);
        }
    }
}
