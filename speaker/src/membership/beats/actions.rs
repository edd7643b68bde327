//! What the machine wants done, and what it has to tell.

use metallb_liveness::{Action, Note};
use metallb_telemetry::logs;

use super::Beats;

impl Beats {
    /// True if it changes who counts, or whether this node may answer.
    pub(super) fn carry_out(&mut self, action: Action) -> bool {
        match action {
            Action::Send { to, bytes } => {
                let sent = self.socket.as_ref().map(|socket| socket.send(to, &bytes));
                if let Some(Err(error)) = sent {
                    tracing::debug!(%to, error = logs::chain(&error), "heartbeat not sent");
                }
                return false;
            }
            Action::Note(note) => {
                log(&note);
                return false;
            }
            Action::Down(node) => {
                tracing::warn!(node, "the speaker of this node does not answer, it counts no more")
            }
            Action::Up(node) => tracing::info!(node, "the speaker of this node counts again"),
            Action::Answers(node) => tracing::debug!(node, "its heartbeats say that it answers"),
            Action::Held(true) => {
                tracing::warn!(
                    "the other speakers do not count this one for a while, for it came and went too often: \
                     answering only where nobody else could"
                );
            }
            Action::Held(false) => {}
            Action::Fence(true) => tracing::warn!("answering nothing until the other speakers are heard"),
            Action::Fence(false) => {}
        }
        true
    }
}

fn log(note: &Note) {
    match note {
        Note::Suspected { name, evidence, silent } => {
            let milliseconds = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(node = name, ?evidence, milliseconds, "heartbeats missed");
        }
        Note::Told { name, by } => tracing::info!(node = name, by, "told that the speaker of a node is down"),
        Note::Refuted => tracing::warn!("the others took this speaker for dead, contradicted"),
        Note::Held { name, hold } => {
            let seconds = hold.as_secs();
            tracing::warn!(
                node = name,
                seconds,
                "the speaker of this node comes and goes, it stays out for a while"
            );
        }
        Note::Confirmed => tracing::info!("the other speakers count this one, it may answer"),
        Note::Unopposed { members: 0 } => tracing::info!("no other speaker takes part, answering"),
        Note::Unopposed { members } => tracing::warn!(
            members,
            "most of the other speakers were not heard in time, answering without their word"
        ),
        Note::Stalled(gap) => {
            let milliseconds = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(milliseconds, "this process did not run for a while");
        }
        Note::Overruled(name) => {
            tracing::warn!(
                node = name,
                "memberlist hears a node whose heartbeats are missing: is their port blocked?"
            );
        }
    }
}
