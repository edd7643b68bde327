//! The owner of the speaker's state: one task that looks at what changed, decides, and has effects carried out.

mod holders;
mod resume;
mod ring;
mod subnets;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use metallb_announce::{
    Change, Effect, Holders, Installed, Notice, Shift, Snapshot, Speakers, Verdict, shifts,
};
use metallb_cluster::ConfigurationReporter;
use metallb_config::ServiceKey;
use metallb_linux::since_boot;
use metallb_process::Shutdown;
use metallb_telemetry::health::{Gate, Heartbeat};
use metallb_telemetry::metrics::ClientMetrics;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::condition::Conditions;
use crate::executor::Executor;
use crate::history::{self, History};
use crate::interfaces::Interfaces;
use crate::stores::Stores;
use crate::tidy::{self, Tidy};
pub(crate) use resume::Resume;
pub(crate) use ring::Ring;
use view::Seen;
pub(crate) use view::{View, ViewSettings, service_key, slice_key};

/// The loop turns at least this often, to show that it does.
const BEAT: Duration = Duration::from_secs(5);
/// A loop that did not turn for this long hangs.
pub(crate) const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// A part of the speaker that must not end has ended.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Lost {
    /// Nobody answers ARP and NDP any more.
    #[error("the layer 2 thread ended by itself")]
    Layer2,
    /// Nobody follows the interfaces any more.
    #[error("the watch of interfaces ended by itself")]
    Interfaces,
    /// Nobody follows the other speakers any more.
    #[error("the membership thread ended by itself")]
    Membership,
}

/// What a turn of the loop is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Woken {
    /// Something has changed: it is to be looked at.
    ByChange,
    /// There is something to tell the others, or they told something: perhaps nothing new.
    ByHolders,
}

/// Owns the state and everything it acts through.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) stores: Stores,
    pub(crate) interfaces: watch::Receiver<Interfaces>,
    /// None when every node counts.
    pub(crate) ring: Option<Ring>,
    pub(crate) executor: Executor,
    pub(crate) conditions: Conditions,
    pub(crate) history: History,
    pub(crate) reporter: ConfigurationReporter,
    pub(crate) metrics: ClientMetrics,
    pub(crate) ready: Gate,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) view: View,
    pub(crate) installed: Installed,
    pub(crate) holders: Holders,
    /// Whether something has changed that no pass has looked at.
    pub(crate) is_behind: bool,
    /// Whether this node answered once after everything was listed.
    pub(crate) has_begun: bool,
    /// Whether it is known of every Service what its status objects are to say.
    pub(crate) is_complete: bool,
    /// Services whose announcement, or a change of it, nobody was told of, and whether it is a new one.
    pub(crate) withheld: BTreeMap<ServiceKey, bool>,
    pub(crate) resume: Resume,
    pub(crate) tidy: Tidy,
}

impl Owner {
    /// Works until it is asked to stop, then ends all answers.
    ///
    /// # Errors
    /// When a part of the speaker ended by itself: it can't do its work any more and should be started anew.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Lost> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outcome = loop {
            let holders_due = self.holders_due();
            let woken = tokio::select! {
                () = shutdown.requested() => break Ok(()),
                () = self.stores.watches.changed() => Woken::ByChange,
                changed = self.interfaces.changed() => match changed {
                    Ok(()) => Woken::ByChange,
                    Err(_) => break Err(Lost::Interfaces),
                },
                changed = ring_changed(self.ring.as_mut()) => match changed {
                    Ok(woken) => woken,
                    Err(lost) => break Err(lost),
                },
                () = self.resume.due() => Woken::ByChange,
                () = self.tidy.due() => {
                    self.give_back().await;
                    Woken::ByChange
                }
                () = holders_due => Woken::ByHolders,
                _ = beat.tick() => Woken::ByChange,
            };
            self.is_behind |= woken == Woken::ByChange;
            self.heartbeat.beat();
            let is_known = self.resume.is_known(&self.stores, since_boot());
            if !self.stores.watches.all_synced() {
                self.ready.close(self.stores.why_waiting());
            }
            if !is_known {
                continue;
            }
            let now = since_boot();
            if !self.refresh_ring(now) {
                self.ready.close("the other speakers not heard yet".to_owned());
            } else if !self.hear_holders(now) {
                self.ready.close("what the other speakers hold is not known yet");
            } else if self.has_to_decide(now) && !self.pass().await {
                break Err(Lost::Layer2);
            }
        };
        if let Some(ring) = self.ring {
            if outcome.is_ok() && ring.has_others() {
                self.executor.hand_over().await;
            }
            ring.leave().await;
        }
        self.executor.stop();
        outcome
    }

    async fn give_back(&mut self) {
        self.executor.tighten().await;
        self.stores.services.tighten();
        self.stores.slices.tighten();
        self.view.tighten();
        self.installed.tighten();
        self.tidy.give_back();
    }

    /// Looks at what changed since the last time and makes it true. False when nothing can be made true any more.
    async fn pass(&mut self) -> bool {
        self.is_behind = false;
        let since = self.stores.watches.take_since();
        let started = since_boot();
        let interfaces = self.interfaces.borrow_and_update().clone();
        let has_plain = self.has_plain();
        let speakers = self.ring.as_ref().map_or(Speakers::EveryNode, Ring::speakers);
        self.view.set_subnets(self.ring.as_ref().and_then(|ring| ring.subnets(has_plain)));
        let mut seen = self.view.refresh(&self.stores, &interfaces, (speakers, has_plain));
        if let (Some(ring), Some(snapshot)) = (self.ring.as_ref(), self.view.snapshot()) {
            ring.tell_subnets(&snapshot.world, &interfaces);
        }
        self.view.choose(&mut seen, &mut self.holders.tenure, started);
        if let Some(refusals) = seen.refusals.take() {
            self.report(refusals);
        }
        if !seen.touched.is_empty() {
            self.metrics.updates.inc_by(u64::try_from(seen.touched.len()).unwrap_or(u64::MAX));
        }
        self.tidy.note(seen.touched.len().saturating_add(seen.heard.len()));
        let touched = std::mem::take(&mut seen.touched);
        let verdicts = self.view.snapshot().map(|snapshot| verdicts(snapshot, touched)).unwrap_or_default();
        let shifts = self.shifts(&verdicts, &seen);
        let mut effects = self.advance(&verdicts);
        if self.ring.as_ref().is_some_and(Ring::is_fenced) {
            // While nothing was answered the heirs may have announced themselves unheard.
            effects.iter_mut().for_each(Effect::end_at_once);
        }
        let has_announced = effects.iter().any(|effect| matches!(effect, Effect::Announce { .. }));
        let is_running = self.executor.execute(&effects, since).await;
        self.tell_holders();
        self.look_back(shifts, started);
        let again = self.ring.as_mut().is_some_and(|ring| ring.passed(has_announced));
        let is_fenced = self.ring.as_ref().is_some_and(Ring::is_fenced);
        self.tell(effects, again, is_fenced);
        // A snapshot does not tell what is said of Services, or what status objects are left over; and who answers nothing
        // would contradict those who do.
        let is_synced = self.stores.watches.all_synced();
        if is_synced && !is_fenced {
            self.review(verdicts, seen);
        } else {
            self.conditions.miss();
        }
        if is_fenced && std::mem::take(&mut self.is_complete) {
            self.executor.statuses.hold_back();
        }
        if is_synced {
            self.report_readiness();
        }
        is_running
    }

    /// Sees to it that what the cluster says of announcements is so, once they are made.
    fn review(&mut self, verdicts: Vec<(ServiceKey, Verdict)>, seen: Seen) {
        if let Some(snapshot) = self.view.snapshot() {
            let looked_at = verdicts.into_iter().map(|(key, _)| key).chain(seen.heard);
            self.conditions.look(snapshot, &self.installed, looked_at.collect());
        }
        if !std::mem::replace(&mut self.is_complete, true) {
            self.executor.statuses.complete();
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            // So is a start.
            self.tidy.note(tidy::MUCH);
        }
    }

    fn report_readiness(&mut self) {
        // An update of all speakers waits for this before it goes on to the next node.
        if self.ring.as_ref().is_none_or(Ring::answers) {
            self.ready.open();
        } else {
            self.ready.close("the other speakers have not confirmed this one yet");
        }
    }

    /// Tells people what effects did. What is announced is told of only when this node answers for it; all of it `again` when
    /// others may have said meanwhile that they do.
    fn tell(&mut self, effects: Vec<Effect>, again: bool, is_fenced: bool) {
        if again {
            self.withheld.extend(self.installed.announced().map(|(service, _)| (service.clone(), true)));
        }
        for effect in effects {
            match effect {
                Effect::Tell { service, notice: Notice::Announced { is_new, .. } } => {
                    *self.withheld.entry(service).or_default() |= is_new;
                }
                Effect::Tell { service, notice } => self.executor.tell(&service, notice),
                _ => {}
            }
        }
        if is_fenced {
            return;
        }
        for (service, is_new) in std::mem::take(&mut self.withheld) {
            if let Some(announcement) = self.installed.announcement(&service) {
                self.executor.tell(&service, Notice::Announced { announcement, is_new });
            }
        }
    }

    /// The steps that make the verdicts true.
    fn advance(&mut self, verdicts: &[(ServiceKey, Verdict)]) -> Vec<Effect> {
        let Some(snapshot) = self.view.snapshot() else { return Vec::new() };
        self.installed.advance(verdicts.iter().map(|(key, verdict)| (key, verdict)), &snapshot.services)
    }

    /// What the verdicts move to or from this node.
    fn shifts(&self, verdicts: &[(ServiceKey, Verdict)], seen: &Seen) -> Vec<Shift> {
        let Some(snapshot) = self.view.snapshot().filter(|_| !verdicts.is_empty()) else { return Vec::new() };
        let left = self.ring.as_ref().map(|ring| ring.news().0).unwrap_or_default();
        let Seen { is_first, before, edited, chosen, .. } = seen;
        let (before, now, services) = (before.as_ref(), &snapshot.world, &snapshot.services);
        let change = Change { is_first: *is_first, before, now, left: &left, services, edited, chosen };
        shifts(&self.installed, verdicts, &change, history::KEPT)
    }

    /// Keeps what has moved, and how long that took since the pass `started` or members changed.
    fn look_back(&mut self, shifts: Vec<Shift>, started: Duration) {
        let now = since_boot();
        let of_members = self.ring.as_ref().map(|ring| ring.news().1).unwrap_or_default();
        let of_others = now.saturating_sub(started);
        self.history.record(shifts, |cause| if cause.is_of_members() { of_members } else { of_others });
        self.history.set_silence(self.ring.as_ref().and_then(Ring::silence), now);
    }

    fn report(&self, refusals: Vec<String>) {
        for error in &refusals {
            tracing::error!(error, "failed to parse the configuration");
        }
        if !refusals.is_empty() {
            self.metrics.update_errors.inc();
        }
        self.metrics.config_loaded.set(1);
        self.metrics.config_stale.set(i64::from(!refusals.is_empty()));
        self.reporter.report(refusals);
    }
}

async fn ring_changed(ring: Option<&mut Ring>) -> Result<Woken, Lost> {
    match ring {
        Some(ring) => ring.changed().await,
        None => std::future::pending().await,
    }
}

fn verdicts(
    snapshot: &Snapshot,
    touched: impl IntoIterator<Item = ServiceKey>,
) -> Vec<(ServiceKey, Verdict)> {
    touched.into_iter().map(|key| (key.clone(), snapshot.verdict(&key))).collect()
}
