//! Knocks at a Service's door many times a second, each time with a new connection and a request, and keeps what came of it.
//!
//! Who asks for a hardware address sees who answers the question; who knocks sees the whole way, packet filters and endpoints included.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use metallb_e2e::lan::CLIENT;
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, seen};
use socket2::SockRef;

/// Between two knocks.
const PACE: Duration = Duration::from_millis(20);
/// What is not answered by then is lost. A kernel sends again after a second what was lost on the way: that is too late.
const LIMIT: Duration = Duration::from_millis(900);
/// So many answers in a row say that the way is there.
const ENOUGH: usize = 10;

/// One knock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knock {
    at: Instant,
    /// How long its answer took, or why there is none.
    outcome: Result<Duration, ErrorKind>,
}

/// Knocks until it is told to stop, or dropped.
#[derive(Debug)]
pub(crate) struct Knocks {
    log: Arc<Mutex<Vec<Knock>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// All knocks, in the order in which they were made.
#[derive(Debug)]
pub(crate) struct Tally {
    knocks: Vec<Knock>,
    end: Instant,
}

impl Knocks {
    /// Begins to knock at port 80 of the address from the client machine.
    pub(crate) fn start(bed: &Bed, address: IpAddr) -> Result<Self> {
        let (log, stop) = (Arc::<Mutex<Vec<Knock>>>::default(), Arc::new(AtomicBool::new(false)));
        let (to, heard, stopped) = (SocketAddr::new(address, 80), log.clone(), stop.clone());
        // A thread lives in the network of the one that made it.
        let thread = bed.in_network_of(CLIENT, || Ok(thread::spawn(move || run(to, &heard, &stopped))))?;
        Ok(Self { log, stop, thread: Some(thread) })
    }

    /// Waits until knocks are answered.
    pub(crate) fn wait_answered(&self, deadline: Duration) -> Result<()> {
        wait::until("knocks that are answered", deadline, || {
            let log = lock(&self.log);
            let answered = log.iter().rev().take_while(|knock| knock.outcome.is_ok()).count();
            Ok(seen(answered >= ENOUGH, format!("{:?}", log.last())))
        })
    }

    /// Stops, waits for what is under way, and tells of the knocks since a moment.
    pub(crate) fn finish(mut self, since: Instant) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().map(JoinHandle::join);
        ensure!(thread.is_some_and(|ended| ended.is_ok()), "the thread that knocks panicked");
        let mut knocks = lock(&self.log).clone();
        knocks.retain(|knock| knock.at >= since);
        knocks.sort_by_key(|knock| knock.at);
        Ok(Tally { knocks, end: Instant::now() })
    }
}

impl Drop for Knocks {
    fn drop(&mut self) {
        // What is under way ends by itself, within the limit.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Tally {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.knocks.len()
    }

    /// Those nobody answered: when, seen from the first one, and why.
    pub(crate) fn lost(&self) -> Vec<(Duration, ErrorKind)> {
        let first = self.knocks.first().map_or(self.end, |knock| knock.at);
        let lost = |knock: &Knock| Some((knock.at.duration_since(first), knock.outcome.err()?));
        self.knocks.iter().filter_map(lost).collect()
    }

    /// The longest time from a knock to the first answer to it or to a later one.
    pub(crate) fn longest_wait(&self) -> Duration {
        let (mut answered, mut longest) = (self.end, Duration::ZERO);
        for knock in self.knocks.iter().rev() {
            if let Ok(took) = knock.outcome {
                answered = answered.min(knock.at + took);
            }
            longest = longest.max(answered.saturating_duration_since(knock.at));
        }
        longest
    }
}

fn lock(log: &Mutex<Vec<Knock>>) -> MutexGuard<'_, Vec<Knock>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each knock has a thread of its own: one that gets no answer holds up no other.
fn run(to: SocketAddr, log: &Mutex<Vec<Knock>>, stop: &AtomicBool) {
    thread::scope(|scope| {
        let mut next = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            scope.spawn(move || {
                let at = Instant::now();
                let outcome = knock(to, at).map(|()| at.elapsed()).map_err(|error| error.kind());
                lock(log).push(Knock { at, outcome });
            });
            next = (next + PACE).max(Instant::now());
            // Each knock that ends wakes this thread up.
            while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            {
                thread::park_timeout(left);
            }
        }
    });
}

fn knock(to: SocketAddr, at: Instant) -> io::Result<()> {
    let left = || LIMIT.checked_sub(at.elapsed()).filter(|left| !left.is_zero()).ok_or(ErrorKind::TimedOut);
    let mut socket = TcpStream::connect_timeout(&to, left()?)?;
    // What is closed by a reset leaves no connection behind that is remembered for minutes, here, on nodes or in pods.
    SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
    socket.set_nodelay(true)?;
    socket.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    socket.set_read_timeout(Some(left()?))?;
    match socket.read_to_end(&mut Vec::new())? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// When each knock was made and its answer came, in milliseconds; how many are lost, and the longest wait.
type Row<'a> = (&'a [(u64, Option<u64>)], usize, u64);

/// The test of [`Tally`]: the harness of this file runs no others.
pub(crate) fn waits_are_told_right() -> Result<()> {
    let start = Instant::now();
    let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
    let table: [Row<'_>; 6] = [
        (&[(0, Some(2)), (20, Some(21))], 0, 2),
        // Lost, and the next one is answered.
        (&[(0, Some(1)), (20, None), (40, Some(42)), (60, Some(61))], 1, 22),
        // Late, while a later one was answered before.
        (&[(0, Some(1)), (20, Some(500)), (40, Some(41))], 0, 21),
        // All late: the first answer ends the wait, also of those before.
        (&[(0, Some(300)), (20, Some(301)), (40, Some(302))], 0, 300),
        // Nobody answers until the end. A pause of the one who knocks is no wait.
        (&[(0, Some(1)), (700, None), (720, None)], 2, 300),
        (&[(0, Some(1)), (900, Some(901))], 0, 1),
    ];
    for (knocks, lost, longest) in table {
        let knock = |&(made, answered): &(u64, Option<u64>)| Knock {
            at: at(made),
            outcome: answered.map(|answered| at(answered) - at(made)).ok_or(ErrorKind::TimedOut),
        };
        let tally = Tally { knocks: knocks.iter().map(knock).collect(), end: at(1000) };
        let found = (tally.lost().len(), tally.longest_wait());
        let due = (lost, Duration::from_millis(longest));
        if found != due {
            return Err(anyhow!("{knocks:?}: {found:?} instead of {due:?}"));
        }
    }
    Ok(())
}
