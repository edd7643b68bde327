//! Which replica assigns addresses: the office of the controller, run for over a Lease.

use kube::Client;
use metallb_cluster::Office;
#[cfg(test)]
pub(crate) use metallb_cluster::Tenure;
pub(crate) use metallb_cluster::Term;
pub use metallb_cluster::{Campaign, Leadership};
use metallb_telemetry::health::Health;

/// What the probes call it.
const ELECTION: &str = "leader election";

/// Starts to run for the Lease `lease` in `namespace`. `pod` is part of the identity; it may be empty.
#[must_use]
pub fn run_for_office(
    client: Client,
    namespace: &str,
    lease: &'static str,
    pod: &str,
    health: &Health,
) -> Campaign {
    let office = Office { namespace, lease, process: "metallb-controller", pod };
    let health = health.clone();
    Campaign::start(client, &office, move |text| health.note(ELECTION, text))
}

/// Of a process in its first term, which may act until the moment that is sent.
#[cfg(test)]
pub(crate) fn until() -> (tokio::sync::watch::Sender<Tenure>, Leadership) {
    use tokio::sync::watch;
    let (tenure, holds) = watch::channel(Tenure::Until(tokio::time::Instant::now(), 1));
    (tenure, Leadership::told_by(watch::channel(true).1, holds))
}
