//! Knocks at doors of a Service many times a second, each time with a new connection and a request, and keeps what came of it.
//!
//! Who asks for a hardware address sees who answers the question; who knocks sees the whole way, packet filters and endpoints included.

mod tally;
pub(crate) mod tests;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use metallb_e2e::lan::CLIENT;
use metallb_e2e::probe::come_first;
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, seen};
use socket2::SockRef;

use tally::Knock;
pub(crate) use tally::Tally;

/// Between two knocks.
const PACE: Duration = Duration::from_millis(20);
/// What is not answered by then is lost. A kernel sends again after a second what was lost on the way: that is too late.
const LIMIT: Duration = Duration::from_millis(900);
/// So many answers in a row say that the way is there.
const ENOUGH: usize = 10;

/// Knocks until it is told to stop, or dropped.
#[derive(Debug)]
pub(crate) struct Knocks {
    log: Arc<Mutex<Vec<Knock>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Knocks {
    /// Begins to knock from the client machine, at one door after the other.
    pub(crate) fn start(bed: &Bed, doors: Vec<SocketAddr>) -> Result<Self> {
        let (log, stop) = (Arc::<Mutex<Vec<Knock>>>::default(), Arc::new(AtomicBool::new(false)));
        let (heard, stopped) = (log.clone(), stop.clone());
        // A thread lives in the network of the one that made it.
        let thread =
            bed.in_network_of(CLIENT, || Ok(thread::spawn(move || run(&doors, &heard, &stopped))))?;
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

fn lock(log: &Mutex<Vec<Knock>>) -> MutexGuard<'_, Vec<Knock>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each knock has a thread of its own: one that gets no answer holds up no other.
fn run(doors: &[SocketAddr], log: &Mutex<Vec<Knock>>, stop: &AtomicBool) {
    come_first();
    thread::scope(|scope| {
        let mut next = Instant::now();
        for &door in doors.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
            scope.spawn(move || {
                let at = Instant::now();
                let outcome = knock(door, at).map(|()| at.elapsed()).map_err(|error| error.kind());
                lock(log).push(Knock { door, at, outcome });
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

fn knock(door: SocketAddr, at: Instant) -> io::Result<()> {
    let left = || LIMIT.checked_sub(at.elapsed()).filter(|left| !left.is_zero()).ok_or(ErrorKind::TimedOut);
    let mut socket = TcpStream::connect_timeout(&door, left()?)?;
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
