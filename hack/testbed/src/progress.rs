//! What a person sees while a bed works: one line per step, with the time since the start.

use std::time::Instant;

/// Prints steps with the time since it was made. Copies share the start.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    start: Instant,
    quiet: bool,
}

impl Progress {
    /// Starts the clock.
    pub fn new(quiet: bool) -> Progress {
        Progress { start: Instant::now(), quiet }
    }

    /// Says that a step is done.
    #[expect(clippy::print_stderr, reason = "the one place that reports progress to a person")]
    pub fn step(&self, text: &str) {
        if !self.quiet {
            eprintln!("{:6.1}s {text}", self.start.elapsed().as_secs_f64());
        }
    }
}
