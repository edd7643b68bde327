//! Nodes and what is wrong between them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;

pub(super) const MS: Duration = Duration::from_millis(1);

pub(super) struct Node {
    pub(super) machine: Liveness,
    pub(super) runs: bool,
    /// Its process is gone: its port is closed.
    pub(super) gone: bool,
    pub(super) down: BTreeSet<String>,
    pub(super) fenced: bool,
    pub(super) held: bool,
    inbox: Vec<(SocketAddr, Vec<u8>)>,
}

impl Node {
    fn has_work(&self, now: Duration) -> bool {
        self.runs && (!self.inbox.is_empty() || now >= self.machine.next_deadline())
    }
}

pub(super) struct Network {
    pub(super) now: Duration,
    pub(super) nodes: BTreeMap<String, Node>,
    /// One-way: from, to.
    pub(super) cut: BTreeSet<(String, String)>,
    /// What is cut is refused, by a firewall.
    pub(super) refuses: bool,
    pub(super) log: Vec<(Duration, String, Action)>,
}

pub(super) fn name(number: usize) -> String {
    format!("n{number}")
}

pub(super) fn address(name: &str) -> SocketAddr {
    let number: u8 = name[1..].parse().unwrap();
    SocketAddr::from(([10, 0, 0, number], 7947))
}

pub(super) fn keys() -> Keys {
    Keys::derive([&b"secret"[..]])
}

pub(super) fn boot(name: &str) -> u64 {
    name[1..].parse::<u64>().unwrap() + 1000
}

pub(super) fn member(name: &str, boot: u64) -> Member {
    Member { name: name.to_owned(), address: address(name), boot, is_starting: false }
}

impl Network {
    /// A ring that has run for a second.
    pub(super) fn of(nodes: usize) -> Self {
        let mut network = Self {
            now: Duration::from_secs(100),
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            refuses: false,
            log: Vec::new(),
        };
        (0..nodes).for_each(|number| network.start(&name(number), boot(&name(number))));
        network.set_members();
        network.run(1_100);
        assert_eq!(network.standing(), "", "a healthy ring says nothing");
        network
    }

    pub(super) fn start(&mut self, name: &str, boot: u64) {
        // Periods of different nodes begin at different times.
        let begin = self.now + MS * u32::try_from(boot * 37 % 100).unwrap();
        let machine = Liveness::new(name, boot, keys(), Settings::default(), begin);
        let (down, inbox) = (BTreeSet::new(), Vec::new());
        let node = Node { machine, runs: true, gone: false, down, fenced: false, held: false, inbox };
        self.nodes.insert(name.to_owned(), node);
    }

    /// Memberlist counts everybody.
    pub(super) fn set_members(&mut self) {
        let all: Vec<String> = self.nodes.keys().cloned().collect();
        self.set_members_of(&all);
    }

    /// Memberlist counts everybody, at these.
    pub(super) fn set_members_of(&mut self, names: &[String]) {
        let all: Vec<Member> =
            self.nodes.iter().map(|(name, node)| member(name, node.machine.boot)).collect();
        let now = self.now;
        names.iter().for_each(|name| self.node(name).machine.peers(all.clone(), now));
    }

    pub(super) fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).unwrap()
    }

    pub(super) fn kill(&mut self, name: &str) {
        let node = self.node(name);
        (node.runs, node.gone) = (false, true);
    }

    pub(super) fn freeze(&mut self, name: &str, frozen: bool) {
        self.node(name).runs = !frozen;
    }

    pub(super) fn cut(&mut self, one: &str, other: &str) {
        self.cut.insert((one.to_owned(), other.to_owned()));
        self.cut.insert((other.to_owned(), one.to_owned()));
    }

    pub(super) fn run(&mut self, milliseconds: u32) {
        for _ in 0..milliseconds {
            self.now += MS;
            // Answers to answers arrive in the same millisecond.
            for _ in 0..4 {
                let busy = self.nodes.iter().filter(|(_, node)| node.has_work(self.now));
                let busy: Vec<String> = busy.map(|(name, _)| name.clone()).collect();
                busy.iter().for_each(|name| self.turn(name));
            }
        }
    }

    fn turn(&mut self, name: &str) {
        let now = self.now;
        let node = self.node(name);
        for (from, bytes) in std::mem::take(&mut node.inbox) {
            node.machine.datagram(from, &bytes, now);
        }
        // A fence that closes wants a heartbeat at once.
        for _ in 0..2 {
            if now >= node.machine.next_deadline() {
                node.machine.tick(now);
            }
        }
        assert!(node.machine.next_deadline() > now, "{name} would spin");
        self.act_all(name);
        let doubted = self.doubted(name).into_iter();
        let gone: Vec<String> = doubted.filter(|other| self.nodes[other].gone).collect();
        for gone in gone {
            self.node(name).machine.refused_elsewhere(&gone, now);
        }
        self.act_all(name);
    }

    /// Whom a node wants memberlist to ask.
    pub(super) fn doubted(&self, name: &str) -> Vec<String> {
        self.nodes[name].machine.doubted().map(str::to_owned).collect()
    }

    fn act_all(&mut self, name: &str) {
        while let Some(action) = self.node(name).machine.poll() {
            self.act(name, action);
        }
    }

    fn act(&mut self, name: &str, action: Action) {
        let now = self.now;
        let node = self.node(name);
        match &action {
            Action::Send { to, bytes } => return self.deliver(name, *to, bytes),
            Action::Down(other) => assert!(node.down.insert(other.clone())),
            Action::Up(other) => assert!(node.down.remove(other)),
            Action::Fence(fenced) => node.fenced = *fenced,
            Action::Held(held) => node.held = *held,
            Action::Answers(_) | Action::Note(_) => {}
        }
        self.log.push((now, name.to_owned(), action));
    }

    fn deliver(&mut self, from: &str, to: SocketAddr, bytes: &[u8]) {
        let now = self.now;
        let receiver = self.nodes.keys().find(|name| address(name) == to).unwrap().clone();
        if self.cut.contains(&(from.to_owned(), receiver.clone())) {
            if self.refuses {
                self.node(from).machine.refused(to, now);
            }
            return;
        }
        if self.node(&receiver).gone {
            return self.node(from).machine.refused(to, now);
        }
        self.node(&receiver).inbox.push((address(from), bytes.to_vec()));
    }

    /// Who holds whom to be down, and who is fenced, of those who run.
    pub(super) fn standing(&self) -> String {
        let words = self.nodes.iter().filter(|(_, node)| node.runs).flat_map(|(name, node)| {
            let down = node.down.iter().map(move |other| format!("{name}:{other}"));
            let itself = [(node.fenced, "fenced"), (node.held, "held")].into_iter().filter(|(is, _)| *is);
            down.chain(itself.map(move |(_, what)| format!("{name}:{what}")))
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// How long it takes until the standing is this.
    pub(super) fn until(&mut self, standing: &str, at_most: u32) -> u32 {
        for passed in 0..=at_most {
            if self.standing() == standing {
                return passed;
            }
            self.run(1);
        }
        panic!("not {standing:?} within {at_most} ms, but {:?}: {:?}", self.standing(), self.log);
    }
}
