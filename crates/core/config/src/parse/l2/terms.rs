//! How addresses are held: the fields of a layer 2 advertisement that the original does not have. Absent they say what
//! the original does.

use std::time::Duration;

use metallb_api::L2AdvertisementSpec;

use super::L2Error;
use crate::config::{L2Advertisement, OnLink, Preempt, Spread};
use crate::go_duration::GoDuration;

const PREEMPT_DELAY: Duration = Duration::from_secs(60);

/// Below, thousands of addresses would make a flood of it.
const SHORTEST_REFRESH: Duration = Duration::from_secs(10);
const SHORTEST_DELAY: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A field has a value it cannot have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TermFault {
    /// It is none of those.
    #[error("use {0}")]
    Choice(&'static str),
    /// It is no duration.
    #[error("must be a duration like 90s or 5m, not negative")]
    Duration,
    /// The delay is out of bounds.
    #[error("must be from 1s to 24h")]
    Delay,
    /// There is a delay, and nothing it delays.
    #[error("only counts with preempt: Delayed; set that, or remove preemptDelay")]
    NotDelayed,
    /// The interval is out of bounds.
    #[error("must be from 10s to 24h, or 0s for never")]
    Refresh,
}

/// What the fields say.
pub(super) struct Terms {
    pub(super) preempt: Preempt,
    pub(super) spread: Spread,
    pub(super) refresh: Option<Duration>,
    pub(super) on_link: OnLink,
}

pub(super) fn parse_terms(name: &str, spec: &L2AdvertisementSpec) -> Result<Terms, L2Error> {
    Ok(Terms {
        preempt: parse_preempt(name, spec)?,
        spread: match spec.spread.as_deref() {
            None | Some("None") => Spread::None,
            Some("Bounded") => Spread::Bounded,
            Some(other) => return Err(wrong(name, "spread", other, TermFault::Choice("None or Bounded"))),
        },
        refresh: parse_refresh(name, spec)?,
        on_link: match spec.subnets.as_deref() {
            None | Some("Ignore") => OnLink::Ignore,
            Some("Prefer") => OnLink::Prefer,
            Some(other) => return Err(wrong(name, "subnets", other, TermFault::Choice("Ignore or Prefer"))),
        },
    })
}

fn parse_preempt(name: &str, spec: &L2AdvertisementSpec) -> Result<Preempt, L2Error> {
    let preempt = match spec.preempt.as_deref() {
        None | Some("Always") => Preempt::Always,
        Some("Never") => Preempt::Never,
        Some("Delayed") => Preempt::Delayed(PREEMPT_DELAY),
        Some(other) => {
            let choices = TermFault::Choice("Always, Delayed or Never");
            return Err(wrong(name, "preempt", other, choices));
        }
    };
    let Some(text) = spec.preempt_delay.as_deref() else { return Ok(preempt) };
    let refused = |fault| wrong(name, "preemptDelay", text, fault);
    let delay = duration(text).map_err(refused)?;
    match preempt {
        Preempt::Always | Preempt::Never => Err(refused(TermFault::NotDelayed)),
        Preempt::Delayed(_) if (SHORTEST_DELAY..=LONGEST).contains(&delay) => Ok(Preempt::Delayed(delay)),
        Preempt::Delayed(_) => Err(refused(TermFault::Delay)),
    }
}

fn parse_refresh(name: &str, spec: &L2AdvertisementSpec) -> Result<Option<Duration>, L2Error> {
    let Some(text) = spec.refresh_interval.as_deref() else { return Ok(Some(L2Advertisement::REFRESH)) };
    let refused = |fault| wrong(name, "refreshInterval", text, fault);
    match duration(text).map_err(refused)? {
        Duration::ZERO => Ok(None),
        interval if (SHORTEST_REFRESH..=LONGEST).contains(&interval) => Ok(Some(interval)),
        _ => Err(refused(TermFault::Refresh)),
    }
}

fn duration(text: &str) -> Result<Duration, TermFault> {
    text.parse::<GoDuration>().map(|duration| duration.0).map_err(|_| TermFault::Duration)
}

fn wrong(name: &str, field: &'static str, value: &str, fault: TermFault) -> L2Error {
    L2Error::Term { field, value: value.to_owned(), name: name.to_owned(), fault }
}
