//! The probes of the kubelet: `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::answer::{Answer, Query};
use crate::{bind, connection};

/// Which probe is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Probe {
    /// `/healthz`: is the process worth keeping?
    Health,
    /// `/readyz`: does it do its work?
    Ready,
}

/// Serves both probes on the first of `addresses` that can be had, for ever; `report` says pass or fail and why.
pub async fn probes<R>(addresses: &[SocketAddr], report: R)
where
    R: Fn(Probe) -> (bool, String) + Send + Sync + 'static,
{
    let report = Arc::new(report);
    let listener = bind::bind(addresses, "probes").await;
    let serve = |stream| {
        let report = report.clone();
        connection::answer(stream, move |query| std::future::ready(reply(&query, report.as_ref())))
    };
    connection::accept(listener, serve).await;
}

fn reply(query: &Query, report: &impl Fn(Probe) -> (bool, String)) -> Answer {
    let probe = match query.path.trim_end_matches('/') {
        "/healthz" => Probe::Health,
        "/readyz" => Probe::Ready,
        _ => return Answer::new(404, "not found\n"),
    };
    let (passes, text) = report(probe);
    Answer::new(if passes { 200 } else { 503 }, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_answers_for_itself() {
        let report = |probe| match probe {
            Probe::Health => (true, "ok".to_owned()),
            Probe::Ready => (false, "services: not yet".to_owned()),
        };
        for (path, status) in [("/healthz", 200), ("/healthz/", 200), ("/readyz", 503), ("/metrics", 404)] {
            let query = Query { path: path.to_owned(), reads: true, bearer: None };
            assert_eq!(reply(&query, &report).status, status, "{path}");
        }
    }
}
