//! Random walks over everything that can happen between two steps: whatever a replica presents stays trusted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::serving::takes_over;

const TARGETS: usize = 2;
const REPLICAS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The leader carries out the next step; the write may be its last deed.
    Step,
    /// The leader writes the authorities of the Secret into one `caBundle`.
    Tell(usize),
    /// A replica looks at the Secret and the `caBundle`s.
    Look(usize),
    /// Another replica leads, and remembers nothing.
    Crash,
    /// Time passes: longer than API servers and watches take.
    Minutes,
    /// Time passes, with everybody at work.
    Weeks,
    /// Somebody damages the Secret; not more often than old authorities are kept (`KEPT`) between two quiet times.
    LoseKey,
    /// Somebody damages the Secret.
    LoseLeaf,
}

#[derive(Clone, Debug)]
struct World {
    now: UnixSeconds,
    made: u8,
    secret: Held,
    /// What the `caBundle`s hold.
    told: [BTreeSet<AuthorityId>; TARGETS],
    /// What API servers make of them, a moment later.
    trusted: [BTreeSet<AuthorityId>; TARGETS],
    presented: [Option<Leaf>; REPLICAS],
    /// Since when an authority is in every `caBundle`, as far as anybody remembers.
    known: BTreeMap<AuthorityId, UnixSeconds>,
    /// Keys lost since everybody was last at work for weeks.
    lost: usize,
}

impl World {
    fn new() -> Self {
        Self {
            now: NOW,
            made: 0,
            secret: Held::default(),
            told: Default::default(),
            trusted: Default::default(),
            presented: Default::default(),
            known: BTreeMap::new(),
            lost: 0,
        }
    }

    fn next(&self) -> Step {
        let signer = self.secret.signer().and_then(|signer| self.known.get(&signer.id));
        plan(&Policy::default(), &self.secret, signer.copied(), self.now)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step => self.step(),
            Event::Tell(target) => self.tell(target),
            Event::Look(replica) => self.look(replica),
            Event::Crash => self.known.clear(),
            Event::Minutes => self.pass(Duration::from_secs(120)),
            Event::Weeks => {
                self.settle();
                self.pass(21 * DAY);
                self.settle();
                self.lost = 0;
            }
            Event::LoseKey if self.lost == KEPT => {}
            Event::LoseKey => {
                self.lost += 1;
                self.secret.authorities.iter_mut().for_each(|authority| authority.signs = false);
            }
            Event::LoseLeaf => self.secret.leaf = None,
        }
        self.observe();
    }

    /// Everybody remembers since when an authority is in every `caBundle`.
    fn observe(&mut self) {
        let [first, second] = &self.told;
        let everywhere: BTreeSet<AuthorityId> = first.intersection(second).copied().collect();
        self.known.retain(|id, _| everywhere.contains(id));
        for id in everywhere {
            self.known.entry(id).or_insert(self.now);
        }
    }

    fn step(&mut self) {
        match self.next() {
            Step::Keep | Step::Wait => {}
            Step::Leaf(_) => self.sign(),
            Step::Authority { trusted, .. } => self.renew(&trusted),
            Step::Both { trusted, .. } => {
                self.renew(&trusted);
                self.sign();
            }
            Step::Prune { trusted } => self.secret.authorities.retain(|a| a.signs || trusted.contains(&a.id)),
        }
    }

    fn renew(&mut self, trusted: &[AuthorityId]) {
        self.made += 1;
        let validity = Validity { from: self.now, until: self.now.after(AUTHORITY_LIFETIME) };
        self.secret.authorities.retain(|authority| trusted.contains(&authority.id));
        self.secret.authorities.iter_mut().for_each(|authority| authority.signs = false);
        self.secret.authorities.insert(0, authority(self.made, validity, true));
    }

    fn sign(&mut self) {
        let issuer = self.secret.signer().map(|signer| signer.id);
        let validity = Validity { from: self.now, until: self.now.after(LEAF_LIFETIME) };
        self.secret.leaf = Some(Leaf { validity, issuer, names_fit: true, has_key: true });
    }

    fn tell(&mut self, target: usize) {
        self.told[target] = self.secret.authorities.iter().map(|authority| authority.id).collect();
    }

    fn look(&mut self, replica: usize) {
        let Some(offered) = self.secret.leaf else { return };
        let presented = self.presented[replica].as_ref().map(|leaf| self.trusts(&self.told, leaf));
        let since = offered.issuer.and_then(|issuer| self.known.get(&issuer));
        let settled = since.is_some_and(|since| since.after(Policy::default().settle) <= self.now);
        if takes_over(presented, settled && offered.validity.contains(self.now)) {
            self.presented[replica] = Some(offered);
        }
    }

    fn trusts(&self, bundles: &[BTreeSet<AuthorityId>], leaf: &Leaf) -> bool {
        let valid = leaf.validity.contains(self.now);
        valid && leaf.issuer.is_some_and(|issuer| bundles.iter().all(|bundle| bundle.contains(&issuer)))
    }

    /// Time passes, and API servers hear of what was written before.
    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.trusted = self.told.clone();
    }

    /// Everybody works until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..8 {
            (0..TARGETS).for_each(|target| self.happen(Event::Tell(target)));
            self.happen(Event::Minutes);
            self.happen(Event::Step);
            (0..TARGETS).for_each(|target| self.happen(Event::Tell(target)));
            (0..REPLICAS).for_each(|replica| self.happen(Event::Look(replica)));
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Step),
        8 => (0..TARGETS).prop_map(Event::Tell),
        8 => (0..REPLICAS).prop_map(Event::Look),
        2 => Just(Event::Crash),
        4 => Just(Event::Minutes),
        2 => Just(Event::Weeks),
        1 => Just(Event::LoseKey),
        1 => Just(Event::LoseLeaf),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_is_presented_and_trusted_stays_trusted(events in prop::collection::vec(event(), 0..120)) {
        let mut world = World::new();
        for event in events {
            let before = world.clone();
            world.happen(event);
            for (replica, was) in before.presented.iter().enumerate() {
                let Some(was) = was else { continue };
                let now = world.presented[replica].unwrap();
                // Told is what is written; trusted is what API servers have made of it.
                for (then, after) in [(&before.told, &world.told), (&before.trusted, &world.trusted)] {
                    if before.trusts(&before.told, was) && before.trusts(then, was) {
                        prop_assert!(world.trusts(after, &now), "{event:?}: {before:?} became {world:?}");
                    }
                }
            }
        }
        world.settle();
        prop_assert_eq!(world.next(), Step::Keep);
        for leaf in world.presented {
            prop_assert!(world.trusts(&world.trusted, &leaf.unwrap()));
        }
    }

    #[test]
    fn the_second_pass_is_silent(events in prop::collection::vec(event(), 0..60)) {
        let mut world = World::new();
        events.into_iter().for_each(|event| world.happen(event));
        world.settle();
        let before = world.secret.clone();
        world.happen(Event::Step);
        prop_assert_eq!(before, world.secret);
    }
}
