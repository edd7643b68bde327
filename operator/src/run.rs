//! Wires everything together.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use metallb_cluster::{Access, Campaign, EventSink, Leadership, Office, may_get};
use metallb_process::Shutdown;
use metallb_render::{Environment, Platform};
use metallb_serve::{Probe, TlsSettings, Verdict, everywhere};
use metallb_telemetry::health::{Gate, Health};
use metallb_telemetry::logs::{self, Level};
use metallb_telemetry::metrics::{Metrics, OperatorMetrics};
use tokio::sync::watch;

use crate::flags::Flags;
use crate::guard::guarded;
use crate::operator::{Memory, Operator};
use crate::own_tls::{self, OwnTls, follow_profile};
use crate::owner::{Owner, STUCK};
use crate::platform::detect;
use crate::watches::{Scope, follow};
use crate::webhook::{self, Answers, Teller, WebhookSettings};

/// The original's name: two operators never work at once.
const LEASE: &str = "metallb.io.metallboperator";
/// How long giving up the office may take at the end.
const RELEASE: Duration = Duration::from_millis(1000);
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
    let variables = texts(variables);
    let mut environment = Environment::parse(&variables)?;
    let pod = variables.get("HOSTNAME").cloned().unwrap_or_default();
    let tls = own_tls::settle(&mut environment)?;
    tracing::info!(?environment, ?flags, "starting");
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(serve(flags, Start { environment, tls, pod }))
}

/// What the process starts with.
struct Start {
    environment: Environment,
    tls: TlsSettings,
    /// Name of the pod; empty outside of one.
    pod: String,
}

/// Variables that are no text are nobody's we know.
fn texts(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Serves metrics to whoever may read them, until this is dropped; nothing without an address.
async fn serve_metrics(
    addresses: Vec<SocketAddr>,
    tls: watch::Receiver<TlsSettings>,
    metrics: Metrics,
    client: Client,
) {
    if addresses.is_empty() {
        return std::future::pending().await;
    }
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
    if let Err(error) = metallb_serve::metrics_following(&addresses, tls, encode, authorize).await {
        tracing::error!(error = logs::chain(&error), "metrics are not served");
    }
    std::future::pending().await
}

/// Where metrics are served, given in Go's form: `:8443` is everywhere, `0` and nothing is nowhere.
fn metrics_addresses(text: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let port = text.strip_prefix(':').unwrap_or(text);
    match port.parse() {
        Ok(0) => return Ok(Vec::new()),
        Ok(port) => return Ok(everywhere(port).into()),
        Err(_) if text.is_empty() => return Ok(Vec::new()),
        Err(_) => {}
    }
    let invalid = || format!("invalid --metrics-addr {text:?}: give :port, address:port, or 0 for none");
    let addresses = text.to_socket_addrs().with_context(invalid)?;
    Ok(addresses.filter(|address| address.port() != 0).collect())
}

/// The port by which others reach these addresses.
fn reachable_port(addresses: &[SocketAddr]) -> Option<u16> {
    addresses.iter().find(|address| !address.ip().is_loopback()).map(SocketAddr::port)
}

async fn serve(flags: &Flags, mut start: Start) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals(logs::finish).context("listening for signals")?;
    let client = metallb_cluster::connect(flags.kubeconfig.as_deref()).await?;
    let (health, metrics) = (Health::default(), Metrics::default());
    let counts = metrics.operator(env!("CARGO_PKG_VERSION"))?;
    let addresses = metrics_addresses(&flags.metrics_addr)?;
    start.environment.operator_metrics = reachable_port(&addresses);
    start.environment.api_is_elsewhere |= flags.kubeconfig.is_some();
    let (own_tls, tls) = OwnTls::new(&start.environment.tls, start.tls.clone());
    let metrics = serve_metrics(addresses, tls.clone(), metrics, client.clone());
    let ready = health.ready_when("MetalLB resources");
    let campaign = flags.enable_leader_election.then(|| campaign(&client, &start, &health));
    let leadership = campaign.as_ref().map_or_else(Leadership::always, Campaign::leadership);
    let (found, platform) = watch::channel(None);
    let memory = Memory::default();
    let webhook = tokio::spawn(webhook(Webhook {
        client: guarded(client.clone(), leadership.clone()),
        settings: webhook_settings(flags, tls),
        environment: start.environment.clone(),
        teller: Teller {
            leader: leadership.leader(),
            ready: health.ready_when("webhook"),
            memory: memory.clone(),
        },
        platform,
        shutdown: shutdown.clone(),
    }));
    let work = work(
        client,
        start.environment,
        ready,
        Surroundings { health: health.clone(), leadership, found, counts, own_tls, memory },
    );
    let addresses = everywhere(flags.port);
    let probes = metallb_serve::probes(&addresses, move |probe| {
        let report = match probe {
            Probe::Health => health.healthz(),
            Probe::Ready => health.readyz(),
        };
        (report.ok, report.text)
    });
    // Both futures are dropped on the way out: a pass cut short is finished by the next operator.
    tokio::select! {
        () = work => {}
        () = probes => {}
        () = metrics => {}
        () = shutdown.requested() => tracing::info!("stopping"),
    }
    if let Some(campaign) = campaign {
        // Unreleased, it costs the next operator the time a crash costs.
        let _ = tokio::time::timeout(RELEASE, campaign.release()).await;
    }
    // A panic ends the process anyhow.
    let _ = webhook.await;
    Ok(())
}

fn campaign(client: &Client, start: &Start, health: &Health) -> Campaign {
    let office = Office {
        namespace: &start.environment.namespace,
        lease: LEASE,
        process: "metallb-operator",
        pod: &start.pod,
    };
    let health = health.clone();
    Campaign::start(client.clone(), &office, move |text| health.note("leader election", text))
}

fn webhook_settings(flags: &Flags, tls: watch::Receiver<TlsSettings>) -> WebhookSettings {
    WebhookSettings {
        files: flags.disable_cert_rotation.then(|| flags.cert_dir.clone()),
        service: flags.cert_service_name.clone(),
        http2: flags.webhook_http2,
        tls,
    }
}

/// What the webhook's task works with.
struct Webhook {
    client: Client,
    settings: WebhookSettings,
    environment: Environment,
    teller: Teller,
    platform: watch::Receiver<Option<Platform>>,
    shutdown: Shutdown,
}

/// Serves the webhook once it is known what kind of cluster this is: its answers depend on it.
async fn webhook(task: Webhook) {
    let Webhook { client, settings, environment, teller, mut platform, shutdown } = task;
    let platform = tokio::select! {
        found = platform.wait_for(Option::is_some) => found.ok().and_then(|found| *found),
        () = shutdown.requested() => None,
    };
    let Some(platform) = platform else { return };
    let answers = Answers { environment, platform };
    if let Err(error) = webhook::serve(client, answers, settings, teller, shutdown).await {
        tracing::error!(error = logs::chain(&error), "the webhook is not served");
    }
}

/// What the work is told, and tells.
struct Surroundings {
    health: Health,
    leadership: Leadership,
    found: watch::Sender<Option<Platform>>,
    counts: OperatorMetrics,
    own_tls: OwnTls,
    memory: Memory,
}

/// Looks after the resources; never returns.
async fn work(client: Client, environment: Environment, ready: Gate, around: Surroundings) {
    let platform = detect(&client, &ready).await;
    tracing::info!(?platform, "cluster found");
    let Surroundings { health, leadership, found, counts, own_tls, memory } = around;
    found.send_replace(Some(platform));
    let scope = Scope { namespace: &environment.namespace, platform, monitors: environment.monitors };
    let (watches, resources) = follow(&client, &scope);
    let events = EventSink::new(client.clone(), EVENT_SOURCE, "");
    let own_tls = follow_profile(&client, platform, watches.listen(), own_tls);
    let operator = Operator {
        client: guarded(client.clone(), leadership.clone()),
        environment,
        platform,
        events,
        metrics: counts,
        memory,
        registers: true,
    };
    let alive = health.alive_within("operator loop", STUCK);
    let owner = Owner { operator, watches, resources, ready, alive, leader: leadership.leader() };
    tokio::join!(owner.run(), own_tls);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(suites: &str, min_version: &str) -> Result<Environment, String> {
        let variables = [
            ("OPERATOR_NAMESPACE", "ns"),
            ("CONTROLLER_IMAGE", "c"),
            ("SPEAKER_IMAGE", "s"),
            ("TLS_CIPHER_SUITES", suites),
            ("TLS_MIN_VERSION", min_version),
        ];
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut environment = Environment::parse(&variables.collect()).unwrap();
        own_tls::settle(&mut environment).map_err(|error| error.to_string())?;
        Ok(environment)
    }

    #[test]
    fn section_3_3_suites_beside_tls_1_3_end_nothing_and_unknown_words_do() {
        const SUITE: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        for (min_version, suites, remarks) in [
            ("", None, 1),
            ("VersionTLS13", None, 1),
            ("VersionTLS12", Some(SUITE), 0),
            ("VersionTLS10", Some(SUITE), 1),
        ] {
            let environment = settled(SUITE, min_version).unwrap();
            assert_eq!(environment.tls.cipher_suites.as_deref(), suites, "{min_version}");
            assert_eq!(environment.tls_remarks.len(), remarks, "{min_version}");
        }
        for (suites, min_version, flag) in [
            ("TLS_NONSENSE", "VersionTLS13", "tls-cipher-suites"),
            ("TLS_NONSENSE", "VersionTLS12", "tls-cipher-suites"),
            ("", "VersionTLS9", "tls-min-version"),
        ] {
            let error = settled(suites, min_version).unwrap_err();
            assert!(error.starts_with(&format!("parsing {flag}: ")), "{error}");
        }
    }

    #[test]
    fn metrics_are_served_only_where_an_address_says_so() {
        for (address, served) in [
            ("0", &[][..]),
            ("", &[]),
            (":0", &[]),
            (":8443", &["[::]:8443", "0.0.0.0:8443"]),
            ("0.0.0.0:9090", &["0.0.0.0:9090"]),
            ("127.0.0.1:9090", &["127.0.0.1:9090"]),
            ("[::]:1", &["[::]:1"]),
        ] {
            let expected: Vec<SocketAddr> = served.iter().map(|text| text.parse().unwrap()).collect();
            let addresses = metrics_addresses(address).unwrap();
            assert_eq!(addresses, expected, "{address}");
            let is_reached = !served.is_empty() && !address.starts_with("127.");
            assert_eq!(reachable_port(&addresses).is_some(), is_reached, "{address}");
        }
        for address in ["x", ":x", "127.0.0.1", "127.0.0.1:70000"] {
            let error = metrics_addresses(address).unwrap_err().to_string();
            let expected =
                format!("invalid --metrics-addr {address:?}: give :port, address:port, or 0 for none");
            assert_eq!(error, expected);
        }
    }
}
