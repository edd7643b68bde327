//! All members known, and whose turn it is to be probed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::dice::Dice;
use super::member::{Contact, Member, Record};

/// Members by name, and their names in random order: within one round each is probed once, so nobody is
/// overlooked for longer than two rounds.
#[derive(Debug, Default)]
pub(super) struct Roster {
    records: BTreeMap<String, Record>,
    order: Vec<String>,
    turn: usize,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Record> {
        self.records.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Record> {
        self.records.get_mut(name)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// A new one, at a random place: at the end it might wait for a whole round.
    pub(super) fn insert(&mut self, record: Record, dice: &mut Dice) {
        let name = record.member.name.clone();
        if self.records.insert(name.clone(), record).is_none() {
            let place = dice.below(self.order.len());
            self.order.push(name);
            let last = self.order.len() - 1;
            self.order.swap(place, last);
        }
    }

    /// Up to `count` of those that qualify, each as likely as any other, in any order.
    pub(super) fn choose(
        &self,
        count: u32,
        dice: &mut Dice,
        qualifies: impl Fn(&Record) -> bool,
    ) -> Vec<Contact> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut chosen: Vec<&Member> = Vec::new();
        for (earlier, record) in self.records.values().filter(|record| qualifies(record)).enumerate() {
            if chosen.len() < count {
                chosen.push(&record.member);
            } else if let Some(place) = chosen.get_mut(dice.below(earlier + 1)) {
                *place = &record.member;
            }
        }
        // Or else the first by name would always hear first, and more.
        dice.shuffle(&mut chosen);
        chosen.into_iter().map(Member::contact).collect()
    }

    /// Whose turn it is, apart from `me`. After each round the order is shuffled, and members are forgotten that went
    /// away more than `grace` ago.
    pub(super) fn next_to_probe(
        &mut self,
        me: &str,
        now: Duration,
        grace: Duration,
        dice: &mut Dice,
    ) -> Option<&Member> {
        for _ in 0..=self.order.len() {
            let Some(name) = self.order.get(self.turn) else {
                self.forget(now, grace);
                dice.shuffle(&mut self.order);
                self.turn = 0;
                continue;
            };
            self.turn += 1;
            let is_there = self.records.get(name).is_some_and(|record| record.member.is_there());
            if is_there && name != me {
                let name = name.clone();
                return self.records.get(&name).map(|record| &record.member);
            }
        }
        None
    }

    fn forget(&mut self, now: Duration, grace: Duration) {
        self.records
            .retain(|_, record| record.member.is_there() || now.saturating_sub(record.changed) <= grace);
        let records = &self.records;
        self.order.retain(|name| records.contains_key(name));
    }
}
