//! How rules tell durations.

/// What Go reads as a duration.
pub(super) const DURATION: &str = "^[-+]?(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|^[-+]?0$";
