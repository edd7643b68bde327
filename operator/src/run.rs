//! Wires everything together.

use std::collections::BTreeMap;
use std::ffi::OsString;

use anyhow::Context as _;
use metallb_cluster::EventSink;
use metallb_process::Shutdown;
use metallb_render::{Environment, Monitors, Tls};
use metallb_serve::{Probe, TlsSettings};
use metallb_telemetry::health::Health;
use metallb_telemetry::logs::{self, Level};

use crate::flags::Flags;
use crate::operator::Operator;
use crate::owner::{Owner, STUCK};
use crate::watches::follow;

/// Source component of the operator's events.
const EVENT_SOURCE: &str = "metallb-operator";

/// Runs until asked to stop.
///
/// # Errors
/// When the environment makes no sense or no API server is named; nothing that may pass by itself.
pub fn blocking(flags: &Flags, variables: impl Iterator<Item = (OsString, OsString)>) -> anyhow::Result<()> {
    logs::init(Level::Info);
    // Somebody else in the process may have been first: then there is one, which is all that is needed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment = Environment::parse(&texts(variables))?;
    check_tls(&environment.tls)?;
    tracing::info!(?environment, ?flags, "starting");
    warn_of_what_comes_later(flags, &environment);
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(serve(flags, environment))
}

/// Variables that are no text are nobody's we know.
fn texts(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The values are handed on to the workloads: better that this pod says what is wrong than that theirs do.
fn check_tls(tls: &Tls) -> anyhow::Result<()> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let min_version = tls.min_version.as_deref().unwrap_or("VersionTLS13");
    let settings =
        TlsSettings::parse(min_version, &text(&tls.cipher_suites), &text(&tls.curve_preferences), "")?;
    for remark in settings.remarks() {
        tracing::warn!("{remark}");
    }
    Ok(())
}

fn warn_of_what_comes_later(flags: &Flags, environment: &Environment) {
    if flags.enable_leader_election {
        tracing::info!("there is no leader election yet: run one replica");
    }
    if flags.metrics_addr != "0" {
        tracing::warn!(address = flags.metrics_addr, "the operator serves no metrics yet");
    }
    if environment.monitors != Monitors::None {
        tracing::warn!(monitors = ?environment.monitors, "monitors are not deployed yet");
    }
}

async fn serve(flags: &Flags, environment: Environment) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals().context("listening for signals")?;
    let client = metallb_cluster::connect(flags.kubeconfig.as_deref()).await?;
    let health = Health::default();
    let ready = health.ready_when("MetalLB resources");
    let (watches, resources) = follow(&client, &environment.namespace);
    let events = EventSink::new(client.clone(), EVENT_SOURCE, "");
    let operator = Operator { client, environment, events };
    let alive = health.alive_within("operator loop", STUCK);
    let owner = Owner { operator, watches, resources, ready, alive };
    let addresses = metallb_serve::everywhere(flags.port);
    let probes = metallb_serve::probes(&addresses, move |probe| {
        let report = match probe {
            Probe::Health => health.healthz(),
            Probe::Ready => health.readyz(),
        };
        (report.ok, report.text)
    });
    // Both futures are dropped on the way out: a pass cut short is finished by the next operator.
    tokio::select! {
        () = owner.run() => {}
        () = probes => {}
        () = shutdown.requested() => tracing::info!("stopping"),
    }
    Ok(())
}
