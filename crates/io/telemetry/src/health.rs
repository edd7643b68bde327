//! Whether the daemon is alive (its loops turn) and ready (it sees what it must see).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The verdict of a probe: `text` lists what is wrong, one line each, or says `ok`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Whether the probe passes.
    pub ok: bool,
    /// What to answer.
    pub text: String,
}

/// All gates and heartbeats of a daemon. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Name to the reason why the gate is closed; `None` is open.
    gates: BTreeMap<&'static str, Option<String>>,
    notes: BTreeMap<&'static str, String>,
    beats: BTreeMap<&'static str, Beat>,
}

#[derive(Debug)]
struct Beat {
    last: Instant,
    longest: Duration,
}

/// A precondition of being ready.
#[derive(Clone, Debug)]
pub struct Gate {
    name: &'static str,
    health: Health,
}

/// A loop's sign of life.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    name: &'static str,
    health: Health,
}

impl Health {
    /// Adds a precondition of being ready. It starts closed.
    #[must_use]
    pub fn ready_when(&self, name: &'static str) -> Gate {
        let gate = Gate { name, health: self.clone() };
        gate.close("not yet");
        gate
    }

    /// Adds a loop that must beat at least every `longest`, counted from now.
    #[must_use]
    pub fn alive_within(&self, name: &'static str, longest: Duration) -> Heartbeat {
        self.lock().beats.insert(name, Beat { last: Instant::now(), longest });
        Heartbeat { name, health: self.clone() }
    }

    /// Says something to whoever asks whether the daemon is ready, ready or not; None says nothing any more.
    pub fn note(&self, about: &'static str, text: Option<String>) {
        let mut state = self.lock();
        match text {
            Some(text) => drop(state.notes.insert(about, text)),
            None => drop(state.notes.remove(about)),
        }
    }

    /// Ready when every gate is open and the daemon is alive.
    #[must_use]
    pub fn readyz(&self) -> Report {
        let state = self.lock();
        let closed = state.gates.iter().filter_map(|(name, why)| Some(format!("{name}: {}", why.as_ref()?)));
        let mut report = report(closed.chain(state.overdue(Instant::now())));
        for (about, text) in &state.notes {
            report.text = format!("{}\n{about}: {text}", report.text);
        }
        report
    }

    /// Alive when every loop has beaten in time.
    #[must_use]
    pub fn healthz(&self) -> Report {
        report(self.lock().overdue(Instant::now()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave half a map behind: every change is one insert.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn overdue(&self, now: Instant) -> impl Iterator<Item = String> {
        self.beats.iter().filter_map(move |(name, beat)| {
            let age = now.saturating_duration_since(beat.last);
            (age > beat.longest).then(|| format!("{name}: no sign of life for {} s", age.as_secs()))
        })
    }
}

fn report(problems: impl Iterator<Item = String>) -> Report {
    let lines: Vec<String> = problems.collect();
    if lines.is_empty() {
        return Report { ok: true, text: "ok".to_owned() };
    }
    Report { ok: false, text: lines.join("\n") }
}

impl Gate {
    /// The precondition holds.
    pub fn open(&self) {
        self.health.lock().gates.insert(self.name, None);
    }

    /// The precondition does not hold, for this reason.
    pub fn close(&self, reason: impl Into<String>) {
        self.health.lock().gates.insert(self.name, Some(reason.into()));
    }
}

impl Heartbeat {
    /// The loop turned.
    pub fn beat(&self) {
        if let Some(beat) = self.health.lock().beats.get_mut(self.name) {
            beat.last = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_names_every_closed_gate_with_its_reason() {
        let health = Health::default();
        let (first, second) = (health.ready_when("services"), health.ready_when("pools"));
        assert!(!health.readyz().ok);
        first.open();
        second.close("CRD missing");
        assert_eq!(health.readyz(), Report { ok: false, text: "pools: CRD missing".to_owned() });
        second.open();
        assert_eq!(health.readyz(), Report { ok: true, text: "ok".to_owned() });
    }

    #[test]
    fn a_note_is_told_and_does_not_count() {
        let health = Health::default();
        health.note("leader election", Some("not allowed".to_owned()));
        assert_eq!(health.readyz(), Report { ok: true, text: "ok\nleader election: not allowed".to_owned() });
        health.note("leader election", None);
        assert_eq!(health.readyz().text, "ok");
    }

    #[test]
    fn a_loop_that_stops_beating_fails_both_probes() {
        let health = Health::default();
        let beat = health.alive_within("owner", Duration::ZERO);
        while health.healthz().ok {}
        assert!(health.healthz().text.starts_with("owner: no sign of life"));
        assert!(!health.readyz().ok);
        let calm = health.alive_within("owner", Duration::from_secs(600));
        beat.beat();
        calm.beat();
        assert!(health.healthz().ok);
    }
}
