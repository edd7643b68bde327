//! Requests for addresses nobody has, as many a second as were asked for.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use metallb_testbed::Bed;

use super::prober::Prober;

/// Requests a second.
pub(crate) const RATE: u32 = 100_000;
const PAUSE: Duration = Duration::from_micros(500);

/// A flood under way.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    begin: Instant,
    thread: JoinHandle<()>,
}

impl Flood {
    /// Begins.
    pub(crate) fn start(bed: &Bed) -> Result<Self> {
        let prober = Prober::start(bed)?;
        let foreign = (0..4096u32).map(|number| Ipv4Addr::from_bits(0x0ad4_0000 + number * 7));
        let frames: Vec<Vec<u8>> = foreign.map(|address| prober.question(address)).collect();
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let begin = Instant::now();
        let (stopped, count) = (stop.clone(), sent.clone());
        let thread = thread::spawn(move || {
            let mut next = frames.iter().cycle();
            while !stopped.load(Ordering::Relaxed) {
                let elapsed = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
                let due = elapsed * u64::from(RATE) / 1_000_000;
                // What a full queue has no room for was not asked, and is made up for after the pause.
                while count.load(Ordering::Relaxed) < due
                    && next.next().is_some_and(|frame| prober.send(frame))
                {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                thread::park_timeout(PAUSE);
            }
        });
        Ok(Self { stop, sent, begin, thread })
    }

    /// Ends; how many requests a second there were.
    pub(crate) fn stop(self) -> Result<f64> {
        let rate =
            f64::from(u32::try_from(self.sent.load(Ordering::Relaxed))?) / self.begin.elapsed().as_secs_f64();
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            bail!("the flood ended early");
        }
        Ok(rate)
    }
}
