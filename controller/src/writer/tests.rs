//! What is sent, and what is not any more.

use std::time::Duration;

use metallb_allocator::{Assignment, Reason};
use metallb_cluster::Watches;
use metallb_testkit::{ApiServer, Failure};
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::leadership::Tenure;
use crate::logged::Log;

async fn write(server: &ApiServer) -> Write {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "LoadBalancer"},
    });
    server.put::<Service>(&serde_json::from_value(service).unwrap());
    let mut watches = Watches::default();
    let services = Api::<Service>::all(server.client("default"));
    let store = watches.add_packed(services, kube::runtime::watcher::Config::default(), "services");
    while !watches.all_synced() {
        watches.changed().await;
    }
    let key = ServiceKey { namespace: "default".into(), name: "web".into() };
    let assignment = Assignment { addresses: vec!["192.0.2.1".parse().unwrap()], pool: Some("p".to_owned()) };
    let record = Record { assignment, condition: None };
    let decision = Decision { key, reason: Reason::Pending, write: None, events: Vec::new() };
    Write { service: store.get("default", "web").unwrap(), record, decision }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_not_sent_when_the_office_ended_after_it_was_begun_and_is_when_it_goes_on() {
    let server = ApiServer::default();
    let write = write(&server).await;
    let (tenure, leadership) = crate::leadership::until();
    let until = |seconds| Tenure::Until(Instant::now() + Duration::from_secs(seconds), 1);
    tenure.send_replace(until(10));
    let mut writer = Writer::new(server.client("default"), leadership, 1);
    writer.submit(write);
    assert_eq!(writer.tries.len(), 1, "begun");
    tenure.send_replace(until(0));
    server.take_requests();
    let waited = tokio::time::timeout(Duration::from_secs(5), writer.ended()).await;
    assert!(waited.is_err() && server.take_requests().is_empty() && !writer.is_idle());
    tenure.send_replace(until(10));
    assert!(matches!(writer.ended().await, Ended::Written(_)));
    assert_eq!(server.take_requests().len(), 1);
}

/// Contract 01 §4.10 "status write failed".
#[tokio::test(start_paused = true)]
async fn a_write_that_failed_is_logged_and_tried_again() {
    let (log, _guard) = Log::begin();
    let server = ApiServer::default();
    let write = write(&server).await;
    server.fail_nth(0, Failure::Status(500));
    let mut writer = Writer::new(server.client("default"), Leadership::always(), 1);
    writer.submit(write);
    assert!(matches!(writer.ended().await, Ended::Written(_)));
    assert_eq!((writer.failures, server.take_requests().len() >= 2), (1, true));
    assert_eq!(log.lines(("op", "updateServiceStatus"), &["level", "service"]), ["error default/web"]);
}
