use k8s_openapi::api::core::v1 as core;
use metallb_testkit::ApiServer;

use super::*;
use crate::stores::Stores;
use crate::testing::{NAMESPACE, service, until};

fn events(server: &ApiServer) -> Vec<(String, String)> {
    let names = server.objects().into_iter().filter(|name| name.contains("default/") && name.contains('.'));
    let names = names.filter_map(|name| name.rsplit('/').next().map(str::to_owned));
    let events = names.filter_map(|name| server.get::<core::Event>(Some("default"), &name));
    let told = |event: &core::Event| {
        let said = (event.type_.as_deref(), event.reason.as_deref());
        assert_eq!(said, (Some("Warning"), Some("addressConflict")), "{event:?}");
    };
    events
        .inspect(told)
        .map(|event| (event.involved_object.name.unwrap_or_default(), event.message.unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn every_service_that_has_the_address_is_told_and_no_other() {
    let server = ApiServer::default();
    for (name, address) in [("web", "192.0.2.200"), ("shares", "192.0.2.200"), ("other", "192.0.2.201")] {
        server.put(&service(name, address));
    }
    let client = server.client(NAMESPACE);
    let stores = Stores::follow(&client, NAMESPACE, None);
    until("services are listed", || stores.services.all().len(), |seen| *seen == 3).await;
    let (sender, found) = mpsc::channel(WAITING);
    let events_of = EventSink::new(client, "metallb-speaker", "n1");
    let task = tokio::spawn(tell(found, stores.services.clone(), events_of));
    let mac = metallb_net::MacAddr([2, 0, 0, 0, 0, 0x50]);
    let address = "192.0.2.200".parse().unwrap();
    sender.send(Conflict { address, mac, interface: "eth0".to_owned() }).await.unwrap();
    let seen = until("events", || events(&server), |seen| seen.len() == 2).await;
    let text = "another station, 02:00:00:00:00:50 on interface eth0, answers for 192.0.2.200, which this node announces";
    for name in ["web", "shares"] {
        assert!(seen.contains(&(name.to_owned(), text.to_owned())), "{seen:?}");
    }
    drop(sender);
    task.await.unwrap();
}
