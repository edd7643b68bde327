//! Tells the Services concerned that another station answers for their address.

use k8s_openapi::api::core::v1::Service;
use metallb_cluster::{Event, EventSink, EventType, Store};
use tokio::sync::mpsc;

use crate::executor::reference;
use crate::layer2::Conflict;

#[cfg(test)]
mod tests;

/// Conflicts under way. They are rare; what does not fit is in the log and counted.
pub(crate) const WAITING: usize = 64;

/// Publishes an event for each Service that has the address, until nobody finds conflicts any more.
pub(crate) async fn tell(mut found: mpsc::Receiver<Conflict>, services: Store<Service>, events: EventSink) {
    while let Some(conflict) = found.recv().await {
        for service in services.all().iter().filter(|service| has_address(service, &conflict)) {
            let Conflict { address, mac, interface } = &conflict;
            let message = format!(
                "another station, {mac} on interface {interface}, answers for {address}, which this node announces"
            );
            let (kind, reason) = (EventType::Warning, "addressConflict".to_owned());
            events.publish(Event { about: reference(service), kind, reason, message });
        }
    }
}

fn has_address(service: &Service, conflict: &Conflict) -> bool {
    let ingress = service.status.iter().flat_map(|status| status.load_balancer.iter());
    let entries = ingress.flat_map(|balancer| balancer.ingress.iter().flatten());
    let addresses = entries.filter_map(|entry| entry.ip.as_deref()?.parse().ok());
    addresses.map(metallb_net::canonical).any(|ip| ip == conflict.address)
}
