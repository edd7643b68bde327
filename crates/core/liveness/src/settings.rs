//! How fast, and how patient.

use std::time::Duration;

/// The tunables. What is not a period follows from one: [`Settings::every`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Between two heartbeats of a member.
    pub period: Duration,
    /// How many others watch a member, at most; all do while there are no more. Rounded up to an even number.
    pub watchers: usize,
    /// Silence that makes a member suspect, where heartbeats come regularly.
    pub silence: Duration,
    /// The same where they come irregularly: what was seen lately is added, up to this.
    pub patience: Duration,
    /// What a silent member gets to contradict before witnesses count.
    pub grace: Duration,
    /// After this long without a second witness and without anybody who vouches, one witness is enough.
    pub lone: Duration,
    /// The same for one that hears nobody at all; and how long a fence waits for those who do not answer.
    pub alone: Duration,
    /// How long a new process that has not joined waits for somebody who announces this layer; and one whose memberlist gave
    /// up others while it was without carrier for the next of them to be found.
    pub joining: Duration,
    /// A gap of the own clock that may have been taken for death.
    pub stall: Duration,
    /// Heartbeats after which a member that was down counts again.
    pub fresh: u8,
    /// Within this time, going down again counts as flapping.
    pub flapping: Duration,
    /// How long the third fall in that time holds a member down; each further one twice as long.
    pub hold: Duration,
    /// The longest hold.
    pub hold_at_most: Duration,
    /// How long a verdict stands against memberlist, which still counts the member.
    pub verdict: Duration,
}

impl Settings {
    /// The settings that belong to a period: 350 ms of silence at 100 ms.
    #[must_use]
    pub fn every(period: Duration) -> Self {
        let silence = period * 7 / 2;
        Self {
            period,
            watchers: 4,
            silence,
            patience: period * 10,
            grace: period * 2 / 5,
            lone: period * 5,
            alone: period * 30,
            joining: period * 10,
            stall: silence,
            fresh: 3,
            flapping: Duration::from_secs(60),
            hold: Duration::from_secs(5),
            hold_at_most: Duration::from_secs(60),
            verdict: Duration::from_secs(60),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::every(Duration::from_millis(100))
    }
}
