//! The TLS settings of the operator's own webhook and metrics: the installer's, or the cluster's profile where there is one.
//!
//! Every replica serves, whoever leads: this waits for no pass.

use std::time::Duration;

use kube::Client;
use metallb_cluster::{Listener, Pace};
use metallb_render::{Environment, Platform, Tls};
use metallb_serve::{TlsError, TlsSettings};
use tokio::sync::watch;

use crate::cluster_tls::read_profile;

/// Takes what makes no sense beside the rest out of the environment, and parses what is left. The values are handed on to the
/// workloads: better that this pod says what is wrong than that theirs do, and end.
///
/// # Errors
/// When a word is not known, even where it would have no effect.
pub fn settle(environment: &mut Environment) -> Result<TlsSettings, TlsError> {
    parse_from("VersionTLS12", &environment.tls)?;
    (environment.tls, environment.tls_remarks) = std::mem::take(&mut environment.tls).settled();
    let settings = parse(&environment.tls)?;
    for remark in environment.tls_remarks.iter().chain(settings.remarks()) {
        tracing::warn!("{remark}");
    }
    Ok(settings)
}

fn parse(tls: &Tls) -> Result<TlsSettings, TlsError> {
    parse_from(tls.min_version.as_deref().unwrap_or("VersionTLS13"), tls)
}

fn parse_from(min_version: &str, tls: &Tls) -> Result<TlsSettings, TlsError> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    TlsSettings::parse(min_version, &text(&tls.cipher_suites), &text(&tls.curve_preferences), "")
}

/// What is served with, and who is told when that changes.
#[derive(Debug)]
pub struct OwnTls {
    installed: Tls,
    last: Tls,
    settings: watch::Sender<TlsSettings>,
}

impl OwnTls {
    /// What the installer decided, until there is something else. Listeners go by what the receiver has.
    #[must_use]
    pub fn new(installed: &Tls, settings: TlsSettings) -> (Self, watch::Receiver<TlsSettings>) {
        let (settings, newest) = watch::channel(settings);
        (Self { installed: installed.clone(), last: installed.clone(), settings }, newest)
    }

    /// Serves by this profile from now on; by what the installer decided where there is none.
    pub fn adopt(&mut self, profile: Option<Tls>) {
        let wanted = profile.unwrap_or_else(|| self.installed.clone());
        if wanted == self.last {
            return;
        }
        match parse(&wanted) {
            Ok(settings) => {
                tracing::info!(tls = ?wanted, "webhook and metrics are served by other TLS settings");
                self.settings.send_replace(settings);
            }
            Err(error) => tracing::warn!(%error, tls = ?wanted, "TLS profile can't be used, settings stay"),
        }
        self.last = wanted;
    }
}

/// Follows the profile of the cluster, for ever; safe to cancel. `news` tells when to look.
pub async fn follow_profile(client: &Client, platform: Platform, mut news: Listener, mut own: OwnTls) {
    if platform != Platform::OpenShift {
        return;
    }
    let mut pace = Pace::default();
    loop {
        let again = match read_profile(client, platform).await {
            Ok(profile) => {
                own.adopt(profile.map(|profile| profile.tls));
                pace = Pace::default();
                None
            }
            // Who leads says so in the resource.
            Err(error) => {
                tracing::debug!(%error, "TLS settings stay as they are");
                pace.next()
            }
        };
        tokio::select! {
            is_followed = news.changed() => if !is_followed { return },
            () = after(again) => {}
        }
    }
}

/// Resolves after the pause, or never.
async fn after(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
