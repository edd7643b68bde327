//! Joins and leaves multicast groups, on a thread of its own.
//!
//! Before Linux 6.17 the kernel does both behind the lock that whoever makes or removes an interface holds: for long, where
//! many pods go at once. The thread that neighbours wait for hands an order over and goes on, but for an announcement over IPv6, which
//! waits a moment for its groups: whoever hears it may ask at once.

use std::io;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use metallb_l2::GroupChange;
use metallb_linux::Memberships;
use tokio::sync::mpsc;

use crate::prompt;

#[cfg(test)]
mod tests;

/// Orders under way: those of ten thousand addresses that are taken over at once, and more. What finds no room is tried
/// again like what failed.
const ORDERS: usize = 16 * 1024;
/// The kernel needs some microseconds, and long only where others hold its lock.
const SETTLING: Duration = Duration::from_millis(2);
/// Failures under way. The thread waits until they are taken.
const FAILURES: usize = 64;

/// The groups of a link. Once they are dropped they are left before long, and what was ordered for them is not done any more.
/// No more than one thread locks them, so nobody waits for another.
pub(super) type LinkGroups = Arc<Mutex<Memberships>>;

/// No groups yet, on the link with this index.
pub(super) fn groups_of(index: u32) -> LinkGroups {
    Arc::new(Mutex::new(Memberships::new(index)))
}

/// A change to be made.
#[derive(Debug)]
pub(super) struct Order {
    /// The link.
    pub(super) index: u32,
    /// Its groups.
    pub(super) groups: Weak<Mutex<Memberships>>,
    /// What to do.
    pub(super) change: GroupChange,
    /// The pause after which it is tried again; none the first time.
    pub(super) tried_after: Option<Duration>,
}

impl Order {
    /// Whether the link still has these groups.
    pub(super) fn is_wanted(&self) -> bool {
        self.groups.strong_count() > 0
    }

    fn carry_out(&self) -> io::Result<()> {
        let Some(groups) = self.groups.upgrade() else { return Ok(()) };
        let mut memberships = groups.lock().unwrap_or_else(PoisonError::into_inner);
        match self.change {
            GroupChange::Join(group) => memberships.join(group),
            GroupChange::Leave(group) => memberships.leave(group),
        }
    }
}

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Request {
    /// To change a group.
    Change(Order),
    /// To say that all before is done.
    Tell(std_mpsc::Sender<()>),
}

/// What could not be done.
#[derive(Debug)]
pub(super) struct Failure {
    /// What was ordered.
    pub(super) order: Order,
    /// What the kernel said.
    pub(super) error: io::Error,
}

/// The thread, as the one knows it that orders.
#[derive(Debug)]
pub(super) struct Groups {
    orders: mpsc::Sender<Request>,
    failures: mpsc::Receiver<Failure>,
    /// How long an announcement waits for the groups it needs, at most.
    pub(super) settling: Duration,
}

impl Groups {
    /// Starts the thread. It ends by itself when this is dropped; nobody waits for that, since it may wait for the kernel.
    pub(super) fn start() -> io::Result<Self> {
        let (orders, mut received) = mpsc::channel(ORDERS);
        let (told, failures) = mpsc::channel(FAILURES);
        prompt::spawn("groups", move || carry_out_all(&mut received, &told))?;
        Ok(Self { orders, failures, settling: SETTLING })
    }

    /// One that does nothing, what it was told, and how it says that something failed.
    #[cfg(test)]
    pub(super) fn recorded() -> (Self, mpsc::Receiver<Request>, mpsc::Sender<Failure>) {
        let (orders, received) = mpsc::channel(ORDERS);
        // As if the thread made them while they are taken.
        let (told, failures) = mpsc::channel(FAILURES * 4);
        (Self { orders, failures, settling: SETTLING }, received, told)
    }

    /// Has it done before long, after all that was ordered before. False when there is no room.
    pub(super) fn order(&self, order: Order) -> bool {
        self.orders.try_send(Request::Change(order)).is_ok()
    }

    /// Waits until all that was ordered is done, but not for long.
    pub(super) fn settle(&self) {
        let (tell, told) = std_mpsc::channel();
        if self.orders.try_send(Request::Tell(tell)).is_ok() {
            // If it takes longer, it comes after the announcement.
            let _ = told.recv_timeout(self.settling);
        }
    }

    /// The next thing that could not be done, if there is one already.
    pub(super) fn failed(&mut self) -> Option<Failure> {
        self.failures.try_recv().ok()
    }

    /// The next thing that could not be done, once there is one. Safe to cancel.
    pub(super) async fn failure(&mut self) -> Option<Failure> {
        self.failures.recv().await
    }
}

/// One after the other: none overtakes another.
fn carry_out_all(orders: &mut mpsc::Receiver<Request>, told: &mpsc::Sender<Failure>) {
    while let Some(request) = orders.blocking_recv() {
        match request {
            Request::Change(order) => {
                if let Err(error) = order.carry_out() {
                    // At the end nobody takes it any more.
                    let _ = told.blocking_send(Failure { order, error });
                }
            }
            // Who asked may have gone on.
            Request::Tell(done) => drop(done.send(())),
        }
    }
}
