//! The webhooks (contract 01 §9): who asks, who answers, and with which certificate it is served.

mod answers;
mod live;
mod paths;
mod submitted;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use metallb_config::BgpType;
use metallb_process::Shutdown;
use metallb_serve::{TlsError, TlsSettings};
use metallb_telemetry::health::{Gate, Health};
use metallb_webhook::{Limits, Presenter, Rotation, RotationSettings, Server, Target, follow_files};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::answers::Answers;

/// Where API servers expect the webhooks.
const PORT: u16 = 9443;
/// The object that makes API servers ask.
const CONFIGURATION: &str = "metallb-webhook-configuration";
/// The kind with two versions.
const CONVERTED: &str = "bgppeers.metallb.io";
/// Field manager of certificates and `caBundle`s, as the original names itself.
const FIELD_MANAGER: &str = "MetalLB";

/// How the webhooks are served.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Where the certificate comes from.
    pub certificate: CertificateSource,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Whose rules apply to BGP.
    pub bgp_type: BgpType,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertificateSource {
    /// From a Secret that the controllers keep fresh themselves.
    Secret {
        /// Its name.
        name: String,
        /// The Service that API servers call.
        service: String,
    },
    /// From a folder that somebody else keeps fresh.
    Files(PathBuf),
}

/// Serves the webhooks until asked to stop, and then until requests under way are answered. Only a leader writes.
///
/// # Errors
/// When the TLS settings leave nothing to speak.
pub(crate) async fn serve(
    place: Place,
    settings: WebhookSettings,
    tls: TlsSettings,
    leader: watch::Receiver<bool>,
    shutdown: Shutdown,
) -> Result<(), TlsError> {
    let Place { client, namespace, health } = place;
    let presenter = Presenter::default();
    let protocols: &[&str] = if settings.http2 { &["h2", "http/1.1"] } else { &["http/1.1"] };
    let tls = tls.server_config_with(Arc::new(presenter.clone()), protocols)?;
    let readiness = Readiness::of(health.ready_when("webhooks"));
    let listener = metallb_serve::bind(&metallb_serve::everywhere(PORT), "webhooks").await;
    // Aborted when this function returns.
    let mut tasks = JoinSet::new();
    match settings.certificate {
        CertificateSource::Secret { name, service } => {
            let settings = rotation(&namespace, name, &service);
            let rotation = Rotation::start(client.clone(), settings, presenter);
            tasks.spawn(rotation.run(leader, move |outcome, _| readiness.show(outcome)));
        }
        CertificateSource::Files(folder) => {
            tasks.spawn(async move {
                follow_files(&folder, &presenter, move |outcome, _| readiness.show(outcome)).await;
            });
        }
    }
    let answers = Answers::new(client, namespace, settings.bgp_type);
    let stop = async move { shutdown.requested().await };
    Server::new(answers, tls, Limits::default()).serve(listener, stop).await;
    Ok(())
}

/// Where the webhooks run.
pub(crate) struct Place {
    pub(crate) client: Client,
    /// MetalLB's namespace.
    pub(crate) namespace: String,
    pub(crate) health: Health,
}

fn rotation(namespace: &str, secret: String, service: &str) -> RotationSettings {
    RotationSettings {
        namespace: namespace.to_owned(),
        secret,
        names: vec![format!("{service}.{namespace}.svc")],
        targets: vec![
            Target::ValidatingWebhooks(CONFIGURATION.to_owned()),
            Target::Conversion(CONVERTED.to_owned()),
        ],
        manager: FIELD_MANAGER.to_owned(),
        policy: Default::default(),
    }
}

/// Ready only while API servers accept what is served.
struct Readiness {
    gate: Gate,
    shown: watch::Sender<Result<(), String>>,
}

impl Readiness {
    fn of(gate: Gate) -> Self {
        Self { gate, shown: watch::Sender::new(Err(String::new())) }
    }

    fn show(&self, outcome: Result<(), String>) {
        let is_news = self.shown.send_replace(outcome.clone()) != outcome;
        match outcome {
            Ok(()) => {
                if is_news {
                    tracing::info!("webhooks are ready");
                }
                self.gate.open();
            }
            Err(reason) => {
                if is_news {
                    tracing::info!(reason, "webhooks are not ready");
                }
                self.gate.close(reason);
            }
        }
    }
}
