//! Wires everything together and runs until asked to stop.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use kube::Client;
use metallb_announce::{Holders, Installed};
use metallb_api::names::SPEAKER_EVENT_SOURCE;
use metallb_cluster::{Access, Component, ConfigurationReporter, ConnectError, EventSink};
use metallb_linux::{LinkError, since_boot, time_of_day};
use metallb_process::{NamespaceError, Shutdown};
use metallb_serve::{Document, Probe, TlsSettings, Verdict};
use metallb_telemetry::health::Health;
use metallb_telemetry::logs;
use metallb_telemetry::metrics::{MemberMetrics, Metrics, RegisterError};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::condition::Conditions;
use crate::conflicts;
use crate::exclusion::{EXCLUSION_FILE, Exclusion, ExclusionError};
use crate::executor::Executor;
use crate::flags::Settings;
use crate::history::{self, History};
use crate::interfaces::{InterfaceWatch, Interfaces};
use crate::layer2::{self, Fence, FenceOwner, Layer2};
use crate::membership::{self, CONFIG_FILE, ConfigError, Membership, RingSettings};
use crate::owner::{LONGEST_SILENCE, Lost, Owner, Resume, Ring, View, ViewSettings};
use crate::snapshot::{self, Contents, Keeper};
use crate::status::{StatusSettings, StatusWriter};
use crate::stores::Stores;
use crate::tidy::Tidy;

/// The speaker can't start or go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// Signals can't be listened for.
    #[error("listening for signals")]
    Signals(#[source] io::Error),
    /// The layer 2 thread does not start.
    #[error("starting the layer 2 thread")]
    Thread(#[source] io::Error),
    /// The thread that follows the other speakers does not start.
    #[error("joining the other speakers")]
    Membership(#[source] io::Error),
    /// The configuration of memberlist can't be used.
    #[error(transparent)]
    MemberConfig(#[from] ConfigError),
    /// The namespace is unknown.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// There is no way to the API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The exclusion file can't be used.
    #[error(transparent)]
    Exclusion(#[from] ExclusionError),
    /// The kernel does not tell about interfaces.
    #[error(transparent)]
    Links(#[from] LinkError),
    /// A part of the speaker ended.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// A metric exists twice.
    #[error(transparent)]
    Metrics(#[from] RegisterError),
}

/// Runs the speaker until it is asked to stop.
///
/// # Errors
/// When it can't start, or a part of it ends by itself. An API server that can't be reached is no such case: it is tried for as long as it takes.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let shutdown = Shutdown::on_signals(logs::finish).map_err(RunError::Signals)?;
    outlive_quit().map_err(RunError::Signals)?;
    // Two sockets for each interface, and some for multicast groups: there may be thousands.
    if let Err(error) = metallb_process::allow_open_files() {
        tracing::warn!(%error, "the number of open files stays as it is: on a node with many interfaces some may stay silent");
    }
    let namespace = metallb_process::namespace(&settings.namespace)?;
    let client = metallb_cluster::connect(settings.kubeconfig.as_deref()).await?;
    let (interface_watch, interfaces) = InterfaceWatch::new(Exclusion::read(Path::new(EXCLUSION_FILE))?)?;
    let (health, metrics) = (Health::default(), Metrics::default());
    log_start(&settings, &namespace);
    let members = metrics.members()?;
    let membership = ring_settings(&settings, Path::new(CONFIG_FILE))?;
    let membership = membership.map(|ring| Membership::start(ring, members.clone()));
    let membership = membership.transpose().map_err(RunError::Membership)?;
    let pulse = membership.as_ref().map(Membership::pulse);
    let ring = membership.map(|membership| (membership, members));
    let owner = build_owner(&client, &settings, &namespace, (interfaces, ring), (&health, &metrics))?;

    // All of these live as long as the process: they are aborted when the set is dropped.
    let mut helpers = JoinSet::new();
    helpers.spawn(interface_watch.run());
    if let Some(pulse) = pulse {
        helpers.spawn(pulse.report(health.clone()));
    }
    let moves = Document { path: history::PATH, read: Box::new(owner.history.reader()) };
    serve(&mut helpers, &settings, (&health, &metrics), &client, vec![moves]);
    owner.run(shutdown).await?;
    tracing::info!("stopped");
    Ok(())
}

/// SIGQUIT ends nothing, as in the original (contract 02 §0). The handler outlasts what is returned here.
fn outlive_quit() -> io::Result<()> {
    signal(SignalKind::quit()).map(drop)
}

/// Starts everything the owner needs: stores, the layer 2 thread and the tasks that write.
pub(crate) fn build_owner(
    client: &Client,
    settings: &Settings,
    namespace: &str,
    (interfaces, membership): (watch::Receiver<Interfaces>, Option<(Membership, MemberMetrics)>),
    (health, metrics): (&Health, &Metrics),
) -> Result<Owner, RunError> {
    let counters = metrics.speaker()?;
    let (fence, fence_owner) = fence(settings);
    let stores = Stores::follow(client, namespace, settings.members.as_ref());
    let resume = resume(settings, namespace, &stores, metrics)?;
    let statuses = StatusSettings {
        namespace: namespace.to_owned(),
        node: settings.node.clone(),
        pod: settings.pod.clone(),
    };
    let events = EventSink::new(client.clone(), SPEAKER_EVENT_SOURCE, &settings.node);
    let (told, found) = mpsc::channel(conflicts::WAITING);
    // Ends with the layer 2 thread.
    tokio::spawn(conflicts::tell(found, stores.services.clone(), events.clone()));
    let pulse = membership.as_ref().map(|(membership, _)| membership.pulse()).unwrap_or_default();
    let options = layer2::Options { fence, pulse, conflicts: Some(told), ..layer2::Options::default() };
    let executor = Executor {
        node: settings.node.clone(),
        layer2: Layer2::start(interfaces.clone(), counters.clone(), options).map_err(RunError::Thread)?,
        events,
        metrics: counters,
        statuses: StatusWriter::start(client.clone(), statuses),
        services: stores.services.clone(),
    };
    let component = Component::Speaker(settings.node.clone());
    Ok(Owner {
        history: History::new(settings.node.clone()),
        conditions: Conditions::start(client.clone(), settings.node.clone(), stores.services.clone()),
        reporter: ConfigurationReporter::start(client.clone(), namespace, component, &settings.pod),
        metrics: metrics.client()?,
        ready: health.ready_when("cluster"),
        heartbeat: health.alive_within("owner", LONGEST_SILENCE),
        view: View::new(view_settings(settings)),
        installed: Installed::default(),
        holders: Holders::new(&settings.node, time_of_day(), since_boot()),
        is_behind: true,
        has_begun: false,
        is_complete: false,
        withheld: BTreeMap::new(),
        resume,
        tidy: Tidy::default(),
        ring: membership.map(|(membership, metrics)| Ring::new(membership, fence_owner, metrics)),
        stores,
        interfaces,
        executor,
    })
}

/// Reads what an earlier speaker knew, and keeps what this one knows.
fn resume(
    settings: &Settings,
    namespace: &str,
    stores: &Stores,
    metrics: &Metrics,
) -> Result<Resume, RunError> {
    let (contents, metrics) = (Contents::new(stores, &settings.node, namespace), metrics.snapshot()?);
    let Some(file) = &settings.snapshot else { return Ok(Resume::new(None, contents, metrics)) };
    let found = snapshot::read(file, &settings.node, snapshot::now()).unwrap_or_else(|error| {
        let path = file.path.display();
        tracing::warn!(%path, error = logs::chain(&error), "snapshot left alone");
        None
    });
    let changes = stores.watches.listen();
    // Ends when the stores are not followed any more.
    tokio::spawn(Keeper::new(file.path.clone(), contents.clone(), changes, metrics.clone()).run());
    Ok(Resume::new(found, contents, metrics))
}

/// How to take part in the ring; nothing if every node counts.
fn ring_settings(settings: &Settings, file: &Path) -> Result<Option<RingSettings>, ConfigError> {
    let Some(members) = &settings.members else { return Ok(None) };
    Ok(Some(RingSettings {
        name: settings.node.clone(),
        address: members.address,
        port: members.port,
        secret: members.secret.clone(),
        handover: membership::HANDOVER,
        profile: membership::profile(file, members.is_wan)?,
        heartbeats: members.heartbeats,
    }))
}

/// A stall closes the fence if others may take over meanwhile, and only heartbeats make them that fast.
fn fence(settings: &Settings) -> (Fence, Option<FenceOwner>) {
    match settings.members.as_ref().and_then(|members| members.heartbeats) {
        Some(heartbeats) => {
            let (fence, owner) = Fence::attended(heartbeats.longest_stall());
            (fence, Some(owner))
        }
        None => (Fence::unattended(), None),
    }
}

fn view_settings(settings: &Settings) -> ViewSettings {
    ViewSettings {
        node: settings.node.clone(),
        class: settings.class.clone(),
        ignore_exclude_label: settings.ignore_exclude_label,
    }
}

fn log_start(settings: &Settings, namespace: &str) {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), node = settings.node, namespace, "speaker starts");
    if settings.members.is_none() {
        tracing::info!(
            "not following the other speakers: METALLB_ML_LABELS or METALLB_ML_BIND_ADDR is not set"
        );
        tracing::info!("every node of the cluster counts as one with a live speaker");
    }
    for remark in settings.tls.remarks() {
        tracing::warn!("{remark}");
    }
    tracing::info!(bgp_type = %settings.bgp, "BGP is not served yet, whatever its type: only layer 2 is announced");
}

fn serve(
    helpers: &mut JoinSet<()>,
    settings: &Settings,
    (health, metrics): (&Health, &Metrics),
    client: &Client,
    documents: Vec<Document>,
) {
    let probes = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.probe_port));
    let health = health.clone();
    let report = move |probe| {
        let report = match probe {
            Probe::Health => health.healthz(),
            Probe::Ready => health.readyz(),
        };
        (report.ok, report.text)
    };
    helpers.spawn(async move { metallb_serve::probes(&[probes], report).await });
    if let Some(port) = settings.metrics_port {
        helpers.spawn(serve_metrics(port, settings.tls.clone(), metrics.clone(), client.clone(), documents));
    }
}

async fn serve_metrics(
    port: u16,
    tls: TlsSettings,
    metrics: Metrics,
    client: Client,
    documents: Vec<Document>,
) {
    let client = Arc::new(client);
    let authorize = move |bearer: Option<String>, path: &'static str| {
        let client = client.clone();
        async move { verdict(metallb_cluster::may_get(&client, bearer, path).await) }
    };
    let (addresses, encode) = (metallb_serve::everywhere(port), move || metrics.encode());
    if let Err(error) = metallb_serve::metrics_and(documents, &addresses, tls, encode, authorize).await {
        tracing::error!(error = logs::chain(&error), "metrics not served");
    }
}

fn verdict(access: Access) -> Verdict {
    match access {
        Access::Allowed => Verdict::Allowed,
        Access::Unauthenticated => Verdict::Unauthenticated,
        Access::Forbidden => Verdict::Forbidden,
        Access::Unknown => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use metallb_membership::Settings as Tunables;

    use super::*;
    use crate::flags::Flags;

    #[test]
    fn the_ring_has_the_profile_asked_for() {
        for (more, expected) in [
            (&[][..], Tunables::lan()),
            (&["--ml-wan-config"], Tunables::wan()),
            (&["--ml-wan-config=false"], Tunables::lan()),
        ] {
            let flags = ["speaker", "--node-name=n1", "--ml-labels=a=b", "--ml-bindaddr=::1"];
            let flags = Flags::try_parse_from(flags.iter().chain(more)).unwrap();
            let settings = flags.parse_settings().unwrap();
            let ring = ring_settings(&settings, Path::new("/does/not/exist")).unwrap().unwrap();
            assert_eq!((ring.name.as_str(), ring.profile), ("n1", expected), "{more:?}");
        }
    }
}
