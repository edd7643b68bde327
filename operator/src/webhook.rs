//! The webhook for `MetalLB` resources: refuses at once what a pass would refuse later, with the same words, by the same rules.
//!
//! An edit that leaves the spec alone is let through, whatever stands there: labels of a resource of another release stay editable.

use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use metallb_api::MetalLBSpec;
use metallb_api::names::OPERATOR_FIELD_MANAGER;
use metallb_process::Shutdown;
use metallb_render::{
    Environment, OPERATOR_WEBHOOK_CERT_SECRET, OPERATOR_WEBHOOK_CONFIGURATION, OPERATOR_WEBHOOK_PATH,
    Platform, Settings, SpecError, read_spec,
};
use metallb_serve::{TlsError, TlsSettings, follow_settings};
use metallb_telemetry::health::Gate;
use metallb_webhook::{
    AdmissionRequest, Limits, Operation, Presenter, Reviewer, Rotation, RotationSettings, Route, Server,
    Target, Verdict, follow_files,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::operator::Memory;

/// Where API servers expect it.
const PORT: u16 = 9443;

/// How the webhook is served.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Folder of a certificate somebody else keeps fresh; otherwise it is kept in a Secret here.
    pub files: Option<PathBuf>,
    /// The Service that API servers call.
    pub service: String,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// The protocol versions, suites and curves, by the newest of which hands are shaken.
    pub tls: watch::Receiver<TlsSettings>,
}

/// Answers about `MetalLB` resources.
#[derive(Clone, Debug)]
pub struct Answers {
    /// What the installer decided.
    pub environment: Environment,
    /// What kind of cluster this is.
    pub platform: Platform,
}

impl Answers {
    fn judge(&self, request: &AdmissionRequest) -> Verdict {
        let spec = |object: &Value| object.get("spec").cloned().unwrap_or_default();
        let (new, old) = (spec(&request.object), spec(&request.old_object));
        let is_judged = match request.operation {
            Operation::Create => true,
            Operation::Update => new != old,
            Operation::Delete | Operation::Connect => false,
        };
        if !is_judged {
            return Verdict::default();
        }
        match read_spec(new) {
            Err(error) => Verdict::undecodable(format!("the spec can't be read: {error}")),
            Ok(spec) => match self.check(&spec, &request.namespace) {
                Err(error) => Verdict::denied(error.to_string()),
                Ok(()) => Verdict::default(),
            },
        }
    }

    /// What this release can't do is nothing to the operator of another namespace: there only the documented rules hold.
    fn check(&self, spec: &MetalLBSpec, namespace: &str) -> Result<(), SpecError> {
        if namespace != self.environment.namespace {
            return Settings::check(spec, &self.environment);
        }
        Settings::parse(spec, &self.environment, self.platform).map(drop)
    }
}

impl Reviewer for Answers {
    type Subject = ();

    fn route(&self, path: &str) -> Option<Route<()>> {
        (path == OPERATOR_WEBHOOK_PATH).then_some(Route::Admission(()))
    }

    async fn admit(&self, (): (), request: AdmissionRequest) -> Verdict {
        let verdict = self.judge(&request);
        if let Some(denial) = &verdict.denied {
            let (namespace, name) = (&request.namespace, &request.name);
            tracing::info!(namespace, name, reason = denial.message, "resource refused");
        }
        verdict
    }

    fn convert(&self, _: Value, desired_api_version: &str) -> Result<Value, String> {
        Err(format!("MetalLB has one version, {desired_api_version} is not it"))
    }
}

/// Serves until asked to stop, and then until requests under way are answered. Only a leader writes certificates.
///
/// # Errors
/// When the TLS settings leave nothing to speak.
pub async fn serve(
    client: Client,
    answers: Answers,
    mut settings: WebhookSettings,
    tell: Teller,
    shutdown: Shutdown,
) -> Result<(), TlsError> {
    let presenter = Presenter::default();
    let protocols: &'static [&'static str] = if settings.http2 { &["h2", "http/1.1"] } else { &["http/1.1"] };
    let certificates = Arc::new(presenter.clone());
    let make = move |tls: &TlsSettings| tls.server_config_with(certificates.clone(), protocols);
    let first = make(&settings.tls.borrow_and_update())?;
    let (configs, tls) = watch::channel(Arc::new(first));
    let listener = metallb_serve::bind(&metallb_serve::everywhere(PORT), "webhook").await;
    let Teller { leader, ready, memory } = tell;
    let show = move |outcome: Result<(), String>, trouble: Option<&str>| {
        memory.note_certificate(trouble);
        match outcome {
            Ok(()) => ready.open(),
            Err(reason) => ready.close(reason),
        }
    };
    // Aborted when this function returns.
    let mut tasks = JoinSet::new();
    tasks.spawn(follow_settings(settings.tls, configs, make));
    let namespace = answers.environment.namespace.clone();
    match settings.files {
        Some(folder) => drop(tasks.spawn(async move { follow_files(&folder, &presenter, show).await })),
        None => {
            let rotation = Rotation::start(client, rotation(&namespace, &settings.service), presenter);
            tasks.spawn(rotation.run(leader, show));
        }
    }
    let stop = async move { shutdown.requested().await };
    Server::following(answers, tls, Limits::default()).serve(listener, stop).await;
    Ok(())
}

/// Whom the webhook tells, and who tells it.
#[derive(Debug)]
pub struct Teller {
    /// Whether this process leads.
    pub leader: watch::Receiver<bool>,
    /// Open while API servers accept what is served.
    pub ready: Gate,
    /// Where the operator finds why the certificate could not be kept.
    pub memory: Memory,
}

/// How its certificate is kept, for clients that call this Service.
#[must_use]
pub fn rotation(namespace: &str, service: &str) -> RotationSettings {
    RotationSettings {
        namespace: namespace.to_owned(),
        secret: OPERATOR_WEBHOOK_CERT_SECRET.to_owned(),
        names: vec![format!("{service}.{namespace}.svc")],
        targets: vec![Target::ValidatingWebhooks(OPERATOR_WEBHOOK_CONFIGURATION.to_owned())],
        manager: OPERATOR_FIELD_MANAGER.to_owned(),
        policy: Default::default(),
    }
}
