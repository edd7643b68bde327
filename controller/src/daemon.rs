//! The process: listeners, the owner, and an orderly end.

use std::time::Duration;

use kube::Client;
use metallb_cluster::{Access, ConnectError, connect, may_get};
use metallb_process::Shutdown;
use metallb_serve::{Probe, TlsSettings, Verdict, everywhere};
use metallb_telemetry::health::Health;
use metallb_telemetry::metrics::{Metrics, RegisterError};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::flags::{Settings, WebhookMode};
use crate::leadership::{Campaign, Leadership, run_for_office};
use crate::memberlist::Memberlist;
use crate::owner::{Controller, Options};
use crate::webhooks::{self, Place};

/// How long giving up the office may take at the end.
const RELEASE: Duration = Duration::from_millis(1000);

/// The controller can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Signals can't be received.
    #[error("listening for signals")]
    Signals(#[source] std::io::Error),
    /// There is no way to the API server.
    #[error("connecting to the cluster")]
    Connect(#[from] ConnectError),
    /// A mistake in the program.
    #[error(transparent)]
    Metrics(#[from] RegisterError),
}

/// Runs the controller until it is asked to stop.
///
/// # Errors
/// When it can't start. Once it runs, everything that fails is tried again.
pub async fn run(settings: Settings) -> Result<(), StartError> {
    let shutdown = Shutdown::on_signals(metallb_telemetry::logs::finish).map_err(StartError::Signals)?;
    greet(&settings);
    let client = connect(settings.kubeconfig.as_deref()).await?;
    let (metrics, health) = (Metrics::default(), Health::default());
    // Aborted when this function returns.
    let mut tasks = JoinSet::new();
    listen(&mut tasks, &settings, &client, &metrics, &health);
    if !settings.memberlist_secret.is_empty() {
        tasks.spawn(memberlist(&settings).ensure(client.clone()));
    }
    let campaign = settings.leader_elect.then(|| campaign(&settings, &client, &health));
    let leadership = campaign.as_ref().map_or_else(Leadership::always, Campaign::leadership);
    let webhooks = webhooks(&settings, &client, &health, &shutdown, leadership.leader());
    if settings.webhook_mode == WebhookMode::OnlyWebhook {
        shutdown.requested().await;
    } else {
        let options = Options {
            namespace: settings.namespace,
            class: settings.class,
            pod: settings.pod,
            unknown_pool: settings.unknown_pool,
        };
        Controller::start(client, &options, leadership, &metrics, &health)?.run(shutdown).await;
    }
    if let Some(campaign) = campaign {
        // Unreleased, it costs the others the time a crash costs.
        let _ = tokio::time::timeout(RELEASE, campaign.release()).await;
    }
    // Requests under way are answered before the process ends.
    if let Some(webhooks) = webhooks {
        // A panic ends the process anyhow.
        let _ = webhooks.await;
    }
    Ok(())
}

/// Those that assign addresses and those that only serve webhooks have different duties, and a leader each.
fn campaign(settings: &Settings, client: &Client, health: &Health) -> Campaign {
    let lease = match settings.webhook_mode {
        WebhookMode::OnlyWebhook => "metallb-webhook",
        WebhookMode::Enabled | WebhookMode::Disabled => "metallb-controller",
    };
    run_for_office(client.clone(), &settings.namespace, lease, &settings.pod, health)
}

fn greet(settings: &Settings) {
    let version = env!("CARGO_PKG_VERSION");
    let commit = option_env!("METALLB_COMMIT").unwrap_or("unknown");
    let branch = option_env!("METALLB_BRANCH").unwrap_or("unknown");
    tracing::info!(version, commit, branch, "MetalLB controller starting version {version}");
    for remark in &settings.remarks {
        tracing::warn!("{remark}");
    }
    for remark in settings.tls.remarks() {
        tracing::warn!("{remark}");
    }
}

fn listen(tasks: &mut JoinSet<()>, settings: &Settings, client: &Client, metrics: &Metrics, health: &Health) {
    if let Some(port) = settings.probe_port {
        tasks.spawn(serve_probes(port, health.clone()));
    }
    if let Some(port) = settings.metrics_port {
        tasks.spawn(serve_metrics(port, settings.tls.clone(), metrics.clone(), client.clone()));
    }
}

/// Webhooks have a task of their own: addresses are assigned whether or not they can be served.
fn webhooks(
    settings: &Settings,
    client: &Client,
    health: &Health,
    shutdown: &Shutdown,
    leader: watch::Receiver<bool>,
) -> Option<JoinHandle<()>> {
    let webhooks = settings.webhooks.clone()?;
    let place =
        Place { client: client.clone(), namespace: settings.namespace.clone(), health: health.clone() };
    let (tls, shutdown) = (settings.tls.clone(), shutdown.clone());
    Some(tokio::spawn(async move {
        if let Err(error) = webhooks::serve(place, webhooks, tls, leader, shutdown).await {
            tracing::error!(error = metallb_telemetry::logs::chain(&error), "webhooks are not served");
        }
    }))
}

async fn serve_probes(port: u16, health: Health) {
    let report = move |probe| {
        let report = match probe {
            Probe::Health => health.healthz(),
            Probe::Ready => health.readyz(),
        };
        (report.ok, report.text)
    };
    metallb_serve::probes(&everywhere(port), report).await;
}

async fn serve_metrics(port: u16, tls: TlsSettings, metrics: Metrics, client: Client) {
    let authorize = move |bearer| {
        let client = client.clone();
        async move {
            match may_get(&client, bearer, "/metrics").await {
                Access::Allowed => Verdict::Allowed,
                Access::Unauthenticated => Verdict::Unauthenticated,
                Access::Forbidden => Verdict::Forbidden,
                Access::Unknown => Verdict::Unknown,
            }
        }
    };
    let encode = move || metrics.encode();
    if let Err(error) = metallb_serve::metrics(&everywhere(port), tls, encode, authorize).await {
        tracing::error!(error = metallb_telemetry::logs::chain(&error), "metrics are not served");
    }
}

fn memberlist(settings: &Settings) -> Memberlist {
    Memberlist {
        namespace: settings.namespace.clone(),
        secret: settings.memberlist_secret.clone(),
        deployment: settings.deployment.clone(),
    }
}
