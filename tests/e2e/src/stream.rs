//! A TCP connection through an address while its owner fails: whether it lives on.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use metallb_testbed::Bed;

use crate::lan::CLIENT;

/// Between two lines of the request, which is sent slowly so that there always is something under way.
const PACE: Duration = Duration::from_millis(20);
/// How long the rest of the answer is waited for.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What became of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// The whole request was answered, this long after its last line.
    Survived(Duration),
    /// It was reset, this long after it was opened.
    Reset(Duration),
    /// Nothing came, however long one waits for it.
    Stalled,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Survived(wait) => write!(f, "survived ({} ms for the rest)", wait.as_millis()),
            Self::Reset(after) => write!(f, "reset after {} ms", after.as_millis()),
            Self::Stalled => write!(f, "stalled for more than {} ms", PATIENCE.as_millis()),
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Fate>>,
}

impl Stream {
    /// Connects from the client machine to port 80 of the address.
    pub fn open(bed: &Bed, address: IpAddr) -> Result<Self> {
        let to = SocketAddr::new(address, 80);
        let socket = bed.in_network_of(CLIENT, || Ok(TcpStream::connect_timeout(&to, PATIENCE)?))?;
        socket.set_nodelay(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || drip(socket, &stopped));
        Ok(Self { stop, thread })
    }

    /// Ends the request; what becomes of it, [`Self::finish`] says.
    pub fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Ends the request and says what became of the connection.
    pub fn finish(self) -> Result<Fate> {
        self.end();
        let fate = self.thread.join().map_err(|_| anyhow!("the thread of a connection panicked"))?;
        Ok(fate?)
    }
}

/// Sends a request line by line until told to stop, then its end, and reads the answer.
fn drip(mut socket: TcpStream, stop: &AtomicBool) -> io::Result<Fate> {
    let begin = Instant::now();
    let outcome = (|| {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(b"GET / HTTP/1.0\r\n")?;
        while !stop.load(Ordering::Relaxed) {
            thread::park_timeout(PACE);
            socket.write_all(b"A: 1\r\n")?;
        }
        let last = Instant::now();
        socket.write_all(b"\r\n")?;
        let length = socket.read_to_end(&mut Vec::new())?;
        Ok(if length > 0 { Fate::Survived(last.elapsed()) } else { Fate::Reset(begin.elapsed()) })
    })();
    match outcome.map_err(|error: io::Error| (error.kind(), error)) {
        Ok(fate) => Ok(fate),
        Err((io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe, _)) => {
            Ok(Fate::Reset(begin.elapsed()))
        }
        Err((io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, _)) => Ok(Fate::Stalled),
        Err((io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable, _)) => Ok(Fate::Stalled),
        Err((_, error)) => Err(error),
    }
}
