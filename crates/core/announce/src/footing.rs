//! Whether this node may rely on what it knows of the others' claims before it answers for anything.
//!
//! ```text
//!            ┌────────── fence closed ───────────┐
//!            ▼                                   │
//!   Closed ─────▶ Opening ── all is known ──▶ Open ◀── all is known ──┐
//!     │              ▲        or patience is over  │                  │
//!     └──▶ Held ─────┴──────── counts again ───────┴─▶ (Open, waiting)┘
//! ```

use std::time::Duration;

use crate::tenure::Tenure;

/// Whether this node answers, as far as it matters for what it holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Position {
    /// It does.
    #[default]
    Open,
    /// It does not: others may have taken over what it holds.
    Closed,
    /// Only where nobody else could: others have taken over the rest.
    Held,
    /// It will as soon as it knows what the others hold.
    Opening,
}

/// Where this node stands, and whether it waits for what the others hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Footing {
    position: Position,
    is_waiting: bool,
}

impl Footing {
    /// Takes in where this node stands now, before it hears the others.
    pub(crate) fn set(&mut self, position: Position, tenure: &mut Tenure, now: Duration) {
        let before = std::mem::replace(&mut self.position, position);
        let returns = match (before, position) {
            (Position::Closed | Position::Held, Position::Open) => true,
            (before, Position::Opening) => before != position,
            (_, Position::Open) => return,
            (_, Position::Closed | Position::Held) => false,
        };
        if returns || before != position {
            tenure.doubt(now);
        }
        self.is_waiting = match position {
            Position::Open | Position::Opening => self.is_waiting || returns,
            Position::Closed | Position::Held => false,
        };
    }

    /// Whether it may go on: what it decides rests on what the others hold, as far as they have told in time. To be
    /// called when they were heard.
    pub(crate) fn is_sure(&mut self, tenure: &mut Tenure, now: Duration) -> bool {
        self.is_waiting &= !tenure.is_known(now);
        if !self.is_waiting && matches!(self.position, Position::Open | Position::Opening) {
            tenure.trust();
        }
        !self.is_waiting
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// When it goes on without those who do not tell.
    pub(crate) fn next_deadline(&self, tenure: &Tenure) -> Option<Duration> {
        tenure.patient_until().filter(|_| self.is_waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_before_it_answers_and_before_it_counts_again_and_not_otherwise() {
        use Position::{Closed, Held, Open, Opening};
        let at = Duration::from_millis;
        let mut tenure = Tenure::new("a", at(0));
        tenure.set_wanted(true);
        tenure.set_peers([("a", 1), ("b", 1)], at(0));
        let mut footing = Footing::default();
        for (now, position, is_sure, why) in [
            (0, Opening, false, "a new process"),
            (499, Opening, false, "the other one may still answer"),
            (500, Opening, true, "it did not"),
            (501, Open, true, "it answers"),
            (1000, Open, true, "nothing has happened"),
            (1001, Closed, true, "it answers for nothing anyhow"),
            (1100, Opening, false, "others may have taken over"),
            (1600, Opening, true, "they had time to say so"),
            (1601, Open, true, "it answers"),
            (2000, Held, true, "others have taken over"),
            (3000, Open, false, "what they hold is to be known now"),
            (3499, Open, false, "they may still answer"),
            (3500, Open, true, "they did not"),
            (3501, Open, true, "nothing has happened"),
        ] {
            footing.set(position, &mut tenure, at(now));
            assert_eq!(footing.is_sure(&mut tenure, at(now)), is_sure, "at {now}: {why}");
            assert_eq!(footing.next_deadline(&tenure).is_some(), !is_sure, "at {now}: {why}");
        }
    }
}
