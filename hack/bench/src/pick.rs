//! The scenarios by name.

use clap::ValueEnum;

/// A scenario that can be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Scenario {
    /// Memory without Services.
    Idle,
    /// Everything pending at start.
    Fill,
    /// A start with everything assigned, and what a further range of a pool costs then.
    Restart,
    /// Services created one at a time.
    Single,
}

impl Scenario {
    /// Whether it is among those asked for; none asked for means all.
    pub(crate) fn is_in(self, chosen: &[Self]) -> bool {
        chosen.is_empty() || chosen.contains(&self)
    }
}
