//! Many candidates, an API server that loses answers and goes away, clocks that run apart: never two leaders.

use std::collections::VecDeque;

use super::*;

/// The step of the simulated world's clock.
const STEP: Duration = Duration::from_millis(50);

/// A small generator: each seed is one story.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, sides: u64) -> u64 {
        self.roll() % sides
    }

    fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// The Lease in the API server, and how its watchers hear of it.
#[derive(Default)]
struct Server {
    lease: Option<Observed>,
    version: u64,
    down_until: Duration,
}

impl Server {
    fn write(&mut self, draft: &Draft) -> Answer {
        if draft.over != self.lease.as_ref().map(|lease| lease.version.clone()) {
            return Answer::Conflict;
        }
        self.version += 1;
        let Draft { holder, respected, acquired, transitions, .. } = draft.clone();
        let record = Record { holder, respected, acquired: acquired.or(Some(1)), transitions };
        let written = Observed { version: self.version.to_string(), record };
        self.lease = Some(written.clone());
        Answer::Written(written)
    }
}

/// A process with a clock of its own.
struct Process {
    election: Election,
    identity: String,
    /// Its clock: `origin + world time * rate`.
    origin: Duration,
    rate: f64,
    /// What is on its way to it: when it arrives in the world's time, in order.
    inbox: VecDeque<(Duration, Input)>,
    stopping: bool,
}

impl Process {
    fn start(number: u64, dice: &mut Dice, timings: Timings) -> Self {
        let identity = format!("pod-{number}_x");
        let me = Candidate { identity: identity.clone(), earlier_lives: format!("pod-{number}_") };
        let election = Election::new(me, timings, Duration::from_millis(dice.below(2000)));
        // Clocks that run up to 10 % too fast or too slow: far worse than real ones.
        let (origin, rate) = (
            Duration::from_secs(dice.below(100_000)),
            0.9 + f64::from(u32::try_from(dice.below(200)).unwrap()) / 1000.0,
        );
        Self { election, identity, origin, rate, inbox: VecDeque::new(), stopping: false }
    }

    fn clock(&self, world: Duration) -> Moment {
        self.origin + world.mul_f64(self.rate)
    }

    fn leads(&self, world: Duration) -> bool {
        self.election.is_leader(self.clock(world))
    }

    fn turn(&mut self, world: Duration, server: &mut Server, dice: &mut Dice) {
        let now = self.clock(world);
        while let Some((_, input)) = self.inbox.pop_front_if(|(due, _)| *due <= world) {
            self.election.handle(now, input);
        }
        self.election.handle(now, Input::Tick);
        if let Some(request) = self.election.poll_output(now) {
            let delay = Duration::from_millis(dice.below(800));
            let answer = exchange(&request, world, server, dice);
            // An answer that never comes is a timeout.
            let delay = if answer == Answer::Failed { Duration::from_secs(3) } else { delay };
            self.inbox.push_back((world + delay, Input::Answered(answer)));
        }
    }
}

fn exchange(request: &Request, world: Duration, server: &mut Server, dice: &mut Dice) -> Answer {
    if world < server.down_until || dice.happens(50) {
        return Answer::Failed;
    }
    let answer = match request {
        Request::Read => Answer::Read(server.lease.clone()),
        Request::Write(draft) => server.write(draft),
    };
    // It was done, and nobody hears of it.
    if dice.happens(50) { Answer::Failed } else { answer }
}

struct World {
    now: Duration,
    server: Server,
    processes: Vec<Process>,
    dice: Dice,
    started: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            server: Server::default(),
            processes: Vec::new(),
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            started: 0,
        };
        (0..3).for_each(|_| world.start());
        world
    }

    fn start(&mut self) {
        self.started += 1;
        self.processes.push(Process::start(self.started, &mut self.dice, Timings::default()));
    }

    /// What nobody wants: crashes, clean stops, outages, a deleted Lease.
    fn disturb(&mut self) {
        if self.dice.happens(2) {
            let victim = usize::try_from(self.dice.below(3)).unwrap();
            self.processes.remove(victim);
            self.start();
        }
        if self.dice.happens(2) {
            let victim = usize::try_from(self.dice.below(3)).unwrap();
            let now = self.processes[victim].clock(self.now);
            self.processes[victim].election.handle(now, Input::Release);
            self.processes[victim].stopping = true;
        }
        if self.dice.happens(2) {
            self.server.down_until = self.now + Duration::from_secs(self.dice.below(25));
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        let before = self.server.version;
        for process in &mut self.processes {
            process.turn(self.now, &mut self.server, &mut self.dice);
        }
        let stopped = |process: &Process| process.stopping && process.election.is_released();
        let gone = self.processes.iter().filter(|process| stopped(process)).count();
        self.processes.retain(|process| !stopped(process));
        (0..gone).for_each(|_| self.start());
        if self.server.version != before {
            self.tell();
        }
    }

    /// Watchers hear of it sooner or later, some not at all.
    fn tell(&mut self) {
        let Some(lease) = self.server.lease.clone() else { return };
        for process in &mut self.processes {
            if !self.dice.happens(200) {
                let due = self.now + Duration::from_millis(self.dice.below(500));
                process.inbox.push_back((due, Input::Seen(lease.clone())));
            }
        }
    }

    fn leaders(&self) -> Vec<&str> {
        let leading = self.processes.iter().filter(|process| process.leads(self.now));
        leading.map(|process| process.identity.as_str()).collect()
    }
}

#[test]
fn there_are_never_two_leaders_and_after_the_last_fault_there_soon_is_one() {
    let mut changes = 0;
    for seed in 1..=300 {
        let mut world = World::new(seed);
        while world.now < Duration::from_secs(180) {
            world.disturb();
            world.step();
            let leaders = world.leaders();
            assert!(leaders.len() <= 1, "seed {seed} at {:?}: {leaders:?}", world.now);
        }
        changes += transitions(&world);
        world.server.down_until = world.now;
        let calm = world.now;
        while world.leaders().is_empty() {
            world.step();
            assert!(
                world.now - calm < Duration::from_secs(26),
                "seed {seed}: nobody leads after {:?}",
                world.now - calm
            );
        }
    }
    assert!(changes > 600, "the office changed hands {changes} times only");
}

fn transitions(world: &World) -> i32 {
    world.server.lease.as_ref().map_or(0, |lease| lease.record.transitions)
}
