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

    /// When it goes on without those who do not tell.
    pub(crate) fn next_deadline(&self, tenure: &Tenure) -> Option<Duration> {
        tenure.patient_until().filter(|_| self.is_waiting)
    }
}
