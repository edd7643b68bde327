//! The last moves of addresses to and from this node, for people who look back.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::jiff::{Timestamp, Unit};
use metallb_announce::{Cause, Shift};
use serde::Serialize;
use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// Where they can be read.
pub(crate) const PATH: &str = "/debug/ownership";
/// How many are kept.
pub(crate) const KEPT: usize = 256;
/// The version of the schema, which only grows when a field changes its meaning.
const VERSION: u32 = 1;

/// The owner's side. It ends with the owner; readers see what was last.
#[derive(Debug)]
pub(crate) struct History {
    node: String,
    moves: watch::Sender<VecDeque<Move>>,
    /// Since when, and why, this node answers for nothing.
    silence: Option<(Silence, Duration)>,
}

/// Why a node that is a member answers for nothing until it has heard the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Silence {
    /// It stood still.
    Stall,
    /// The interface of its address had no carrier.
    Carrier,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Move {
    at: String,
    service: Option<String>,
    addresses: Vec<IpAddr>,
    from: Option<String>,
    to: Option<String>,
    cause: &'static str,
    /// From the fault being noticed to the first announcement, or to the last answer.
    seconds: f64,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    node: &'a str,
    moves: &'a VecDeque<Move>,
}

impl History {
    pub(crate) fn new(node: String) -> Self {
        Self { node, moves: watch::Sender::new(VecDeque::new()), silence: None }
    }

    /// What reads it as JSON.
    pub(crate) fn reader(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let (node, moves) = (self.node.clone(), self.moves.subscribe());
        move || {
            let document = Document { version: VERSION, node: &node, moves: &moves.borrow() };
            serde_json::to_string(&document).unwrap_or_default()
        }
    }

    /// Keeps what has moved. `took` says how long, by cause.
    pub(crate) fn record(&self, shifts: Vec<Shift>, took: impl Fn(Cause) -> Duration) {
        let at = before_now(Duration::ZERO);
        let build = |shift: Shift| Move {
            at: at.clone(),
            service: Some(shift.service.to_string()),
            addresses: shift.addresses,
            from: shift.from,
            to: shift.to,
            cause: shift.cause.as_str(),
            seconds: took(shift.cause).as_secs_f64(),
        };
        self.keep(shifts.into_iter().map(build).collect());
    }

    /// Keeps that this node has fallen silent, or answers again. With why it is silent comes how long it had been when that
    /// was noticed. `now` counts from the machine's start.
    pub(crate) fn set_silence(&mut self, silence: Option<(Silence, Duration)>, now: Duration) {
        let begun = silence.map(|(why, gap)| (why, now.saturating_sub(gap)));
        match (self.silence, begun) {
            (None, Some((why, since))) => {
                let node = Some(self.node.clone());
                self.keep_silence((node, None), why, (now.saturating_sub(since), Duration::ZERO));
                self.silence = begun;
            }
            (Some((why, since)), None) => {
                let node = Some(self.node.clone());
                self.keep_silence((None, node), why, (Duration::ZERO, now.saturating_sub(since)));
                self.silence = None;
            }
            // Of a clock that stood still one part of the process may tell before the other.
            (Some((why, before)), Some((_, since))) => self.silence = Some((why, before.min(since))),
            (None, None) => {}
        }
    }

    /// Of all addresses this node owns. It began, or ended, so long `ago`.
    fn keep_silence(
        &self,
        (from, to): (Option<String>, Option<String>),
        why: Silence,
        (ago, took): (Duration, Duration),
    ) {
        let at = before_now(ago);
        let (service, addresses, cause) = (None, Vec::new(), why.as_str());
        self.keep(vec![Move { at, service, addresses, from, to, cause, seconds: took.as_secs_f64() }]);
    }

    fn keep(&self, new: Vec<Move>) {
        if new.is_empty() {
            return;
        }
        self.moves.send_modify(|moves| {
            moves.extend(new);
            let surplus = moves.len().saturating_sub(KEPT);
            drop(moves.drain(..surplus));
        });
    }
}

impl Silence {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stall => "Stall",
            Self::Carrier => "Carrier",
        }
    }
}

fn before_now(time: Duration) -> String {
    let now = Timestamp::now();
    let at = now.checked_sub(time).unwrap_or(now);
    at.round(Unit::Millisecond).unwrap_or(at).to_string()
}
