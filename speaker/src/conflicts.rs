//! Tells the Services concerned that another station answers for their address.

use metallb_announce::ServiceFacts;
use metallb_cluster::{Event, EventSink, EventType, Store};
use tokio::sync::mpsc;

use crate::known::KnownService;
use crate::layer2::Conflict;
use crate::owner::service_key;

#[cfg(test)]
mod tests;

/// Conflicts under way. They are rare; what does not fit is in the log and counted.
pub(crate) const WAITING: usize = 64;

/// Publishes an event for each Service that has the address, until nobody finds conflicts any more.
pub(crate) async fn tell(
    mut found: mpsc::Receiver<Conflict>,
    services: Store<KnownService>,
    events: EventSink,
) {
    while let Some(conflict) = found.recv().await {
        let entries = services.entries();
        for (key, service) in
            entries.into_iter().filter(|(_, service)| has_address(&service.facts, &conflict))
        {
            let Conflict { address, mac, interface } = &conflict;
            let message = format!(
                "another station, {mac} on interface {interface}, answers for {address}, which this node announces"
            );
            let about = service.reference(&service_key(key));
            let (kind, reason) = (EventType::Warning, "addressConflict".to_owned());
            events.publish(Event { about, kind, reason, message });
        }
    }
}

fn has_address(service: &ServiceFacts, conflict: &Conflict) -> bool {
    let mut addresses = service.addresses.iter().flatten();
    addresses.any(|ip| metallb_net::canonical(*ip) == conflict.address)
}
