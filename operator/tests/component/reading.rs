//! How a pass asks: reads side by side, writes one after the other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use metallb_operator::operator::Report;
use metallb_testkit::{ApiServer, Failure};
use tokio::time::{Instant, sleep};

use crate::scenario::{NAMESPACE, Scenario, lines};
use crate::webhook::{LONG_AGO, put_pod, trust};

/// How long the server thinks about every request.
const THOUGHT: Duration = Duration::from_millis(10);

/// What is under way, and what was.
#[derive(Debug, Default)]
struct Traffic {
    reads: usize,
    writes: usize,
    /// The most reads at the same time.
    most: usize,
    /// Whether something was asked for while a write was under way.
    disturbed: bool,
}

impl Traffic {
    fn count(&mut self, method: &Method) -> &mut usize {
        if *method == Method::GET { &mut self.reads } else { &mut self.writes }
    }

    fn begin(&mut self, method: &Method) {
        *self.count(method) += 1;
        self.most = self.most.max(self.reads);
        self.disturbed |= self.writes > 0 && self.reads + self.writes > 1;
    }
}

/// A client of a server that takes its time.
fn slow(server: &ApiServer) -> (Client, Arc<Mutex<Traffic>>) {
    let (behind, traffic) = (server.client(NAMESPACE), Arc::new(Mutex::new(Traffic::default())));
    let seen = traffic.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (behind, traffic, method) = (behind.clone(), traffic.clone(), request.method().clone());
        async move {
            traffic.lock().unwrap().begin(&method);
            sleep(THOUGHT).await;
            let answer = behind.send(request).await;
            *traffic.lock().unwrap().count(&method) -= 1;
            answer
        }
    });
    (Client::new(service, NAMESPACE), seen)
}

#[tokio::test(start_paused = true)]
async fn reads_are_made_side_by_side_and_writes_one_after_the_other() {
    for registers in [false, true] {
        let mut scenario = Scenario::with_resource();
        scenario.operator.registers = registers;
        put_pod(&scenario, "True", LONG_AGO);
        scenario.pass().await;
        if registers {
            trust(&scenario, "eA==").await;
        }
        let (client, traffic) = slow(&scenario.server);
        scenario.operator.client = client;
        scenario.pass().await;
        scenario.run_workloads();
        scenario.pass().await;
        let started = Instant::now();
        assert_eq!(scenario.pass().await, Report::default());
        // The resources beside the definition and our own webhook, 15 lists, eight at once, the API servers beside them, and what was
        // not listed whole.
        assert_eq!(started.elapsed(), THOUGHT * (1 + 2 + 1), "registers: {registers}");
        let traffic = traffic.lock().unwrap();
        assert_eq!((traffic.most, traffic.disturbed), (9, false), "{traffic:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_lost_on_the_way_is_not_asked_for_the_rest() {
    let scenario = Scenario::settled().await;
    for (what, most) in [("list validatingwebhookconfigurations", 11), ("get configmaps", 22)] {
        scenario.server.fail_next(what, Failure::Unreachable);
        scenario.pass().await;
        let asked = lines(&scenario.server.take_requests());
        assert!(asked.len() <= most, "{what}: {asked:#?}");
    }
}
