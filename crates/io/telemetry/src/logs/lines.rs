//! Lines on their way out: a thread of their own writes them, so that nobody who logs waits for whoever reads the log.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Lines that wait at most, for the thread to be run or for the log to be read: half a megabyte. Services that move log one
/// each, and there may be thousands of them.
pub(super) const WAITING: usize = 2048;
/// What the last lines get to be written. Whoever stops a process waits for that.
const LONGEST_FLUSH: Duration = Duration::from_millis(500);

/// Takes lines, whole ones. Never waits: one too many is lost, and counted.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    queue: NonBlocking,
    lost: ErrorCounter,
    /// How many of those that were lost the log tells of. Two threads that log at once may both tell of the same.
    told: Arc<AtomicUsize>,
}

impl Lines {
    /// Lines that are written to that until the guard is [flushed](flush), so many of them waiting at most.
    pub(super) fn start(output: impl Write + Send + 'static, waiting: usize) -> (Self, WorkerGuard) {
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(waiting);
        let (queue, guard) = builder.thread_name("log").finish(output);
        let lost = queue.error_counter();
        (Self { queue, lost, told: Arc::default() }, guard)
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = self.lost.dropped_lines();
        let untold = lost.saturating_sub(self.told.load(Ordering::Relaxed));
        if untold == 0 {
            return self.queue.write(line);
        }
        // Together, so that what is told takes no line's place.
        self.queue.write_all(&[loss(untold).as_bytes(), line].concat())?;
        if self.lost.dropped_lines() == lost {
            self.told.fetch_max(lost, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line that tells of so many lost ones.
fn loss(lines: usize) -> String {
    let line = json!({
        "ts": super::timestamp(), "level": "warn", "caller": concat!("lines.rs:", line!()),
        "msg": "lines of the log were lost: it was not read in time", "lines": lines,
    });
    format!("{line}\n")
}

/// Waits until the lines are written, but not for long if nobody reads them. Later ones are lost.
pub(super) fn flush(guard: WorkerGuard) {
    let (ended, is_ended) = mpsc::channel::<()>();
    // Not here: a guard that waits in vain prints that to the standard output, which may be the one nobody reads.
    let flushing = thread::Builder::new().spawn(move || drop((guard, ended)));
    // Without a thread it was dropped here, which is as good as always.
    if flushing.is_ok() {
        // The other end is dropped when all is done: an error either way.
        let _ = is_ended.recv_timeout(LONGEST_FLUSH);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};

    use serde_json::Value;

    use super::*;

    /// Ample for a line that is not held up.
    const DEADLINE: Duration = Duration::from_secs(20);

    /// An output that takes a line when the test reads it.
    struct Unread {
        begun: Sender<()>,
        read: SyncSender<String>,
    }

    impl Write for Unread {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // At the end of the test nobody is left.
            let _ = self.begun.send(());
            let _ = self.read.send(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(lines: &mut Lines, number: usize) {
        lines.write_all(format!("{number}\n").as_bytes()).unwrap();
    }

    #[test]
    fn an_output_that_nobody_reads_holds_nobody_up_and_what_was_lost_is_told_with_the_next_line_that_fits() {
        let ((begun, begins), (read, output)) = (channel(), sync_channel(0));
        let (mut lines, _guard) = Lines::start(Unread { begun, read }, 4);
        say(&mut lines, 0);
        begins.recv_timeout(DEADLINE).unwrap();
        (1..10).for_each(|number| say(&mut lines, number));
        for number in 0..5 {
            assert_eq!(output.recv_timeout(DEADLINE).unwrap(), format!("{number}\n"));
        }
        say(&mut lines, 10);
        let text = output.recv_timeout(DEADLINE).unwrap();
        let (told, line) = text.split_once('\n').unwrap();
        assert_eq!(line, "10\n");
        let told: Value = serde_json::from_str(told).unwrap();
        assert_eq!((told["level"].as_str(), told["lines"].as_u64()), (Some("warn"), Some(5)), "{told}");
        say(&mut lines, 11);
        assert_eq!(output.recv_timeout(DEADLINE).unwrap(), "11\n", "told once");
    }

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_said_last_is_written_before_the_end() {
        let buffer = Buffer::default();
        let (mut lines, guard) = Lines::start(buffer.clone(), 1000);
        (0..1000).for_each(|number| say(&mut lines, number));
        flush(guard);
        let written = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().last(), Some("999"));
    }
}
