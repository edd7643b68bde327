//! The driver: looks at the Secret and at whom API servers trust, presents, and, while it leads, takes the next step.
//!
//! One task owns it. It looks whenever one of the objects changes, while something is awaited, and every twelve hours
//! (contract 01 §9.1). Dropping it at any point is safe: the next look finds what is left to do.

mod owners;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::select_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use kube::{Api, Client};
use metallb_certificates::{AuthorityId, Held, Policy, Step, UnixSeconds, plan, takes_over};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::owners::Owners;
use self::step::StepError;
use super::follow::{Seen, follow};
use super::material::{AUTHORITIES, Material};
use super::presenter::Presenter;
use super::targets::{Slot, Target};
use super::{bundle, now};

/// Without any event it looks this often.
const CHECK: Duration = Duration::from_secs(12 * 60 * 60);
/// While something is awaited it looks this often.
const SOON: Duration = Duration::from_millis(500);
/// After failures it waits twice as long each time, up to this.
const LONGEST: Duration = Duration::from_secs(60);

/// Whose certificates, where they are kept, and who is told.
#[derive(Clone, Debug)]
pub struct RotationSettings {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// The names clients use, the first one being the certificate's common name.
    pub names: Vec<String>,
    /// Whose `caBundle`s follow the Secret. Those that do not exist are left out.
    pub targets: Vec<Target>,
    /// Field manager of what is written.
    pub manager: String,
    /// When to renew.
    pub policy: Policy,
}

/// Keeps a server's certificate fresh and trusted.
pub struct Rotation {
    settings: RotationSettings,
    client: Client,
    provider: Arc<CryptoProvider>,
    presenter: Presenter,
    secret: watch::Sender<Seen<Secret>>,
    targets: Vec<(Target, watch::Sender<Seen<DynamicObject>>)>,
    owners: Owners,
    /// Since when an authority is in every `caBundle`, as far as this process saw.
    known: BTreeMap<AuthorityId, UnixSeconds>,
    /// The watches; they end with this.
    _watches: JoinSet<()>,
}

/// What one target tells API servers.
struct Told {
    target: usize,
    state: Result<Vec<Slot>, String>,
}

/// What a look found.
struct Look {
    /// Whether the server's clients trust it; if not, why.
    verdict: Result<(), String>,
    /// Something is awaited that no event tells.
    pending: bool,
    /// Why something could not be written.
    trouble: Option<String>,
}

impl Rotation {
    /// Starts to follow the Secret and the targets. Needs a tokio runtime.
    #[must_use]
    pub fn start(client: Client, settings: RotationSettings, presenter: Presenter) -> Self {
        let mut watches = JoinSet::new();
        let waiting = || "waiting for the API server".to_owned();
        let secret = watch::Sender::new(Seen::Unknown(waiting()));
        let secrets = Api::<Secret>::namespaced(client.clone(), &settings.namespace);
        watches.spawn(follow(secrets, settings.secret.clone(), secret.clone()));
        let targets = settings.targets.iter().map(|target| {
            let seen = watch::Sender::new(Seen::Unknown(waiting()));
            watches.spawn(follow(target.api(client.clone()), target.name().to_owned(), seen.clone()));
            (target.clone(), seen)
        });
        let targets = targets.collect();
        let (provider, known) = (bundle::provider(), BTreeMap::new());
        Self {
            settings,
            client,
            provider,
            presenter,
            secret,
            targets,
            owners: Owners::default(),
            known,
            _watches: watches,
        }
    }

    /// Works for ever. Writes only while `leader` says so; `report` hears after each look whether the server presents
    /// a certificate that every target trusts, and if that could not be kept twice in a row, why.
    pub async fn run(
        mut self,
        mut leader: watch::Receiver<bool>,
        report: impl Fn(Result<(), String>, Option<&str>) + Send,
    ) {
        let mut secret = self.secret.subscribe();
        let mut targets: Vec<_> = self.targets.iter().map(|(_, seen)| seen.subscribe()).collect();
        let (mut failures, mut said) = (0, None);
        loop {
            secret.borrow_and_update();
            targets.iter_mut().for_each(|seen| drop(seen.borrow_and_update()));
            let leads = *leader.borrow_and_update();
            let look = self.look(leads).await;
            failures = if look.trouble.is_some() { failures + 1 } else { 0 };
            report(look.verdict, look.trouble.as_deref().filter(|_| failures > 1));
            if said != look.trouble {
                // What is served may be good for months yet: readiness alone would not tell.
                if let Some(reason) = &look.trouble {
                    tracing::warn!(reason, "certificates of the webhooks could not be kept, trying again");
                }
                said = look.trouble;
            }
            let pause = pause(look.pending, failures);
            tokio::select! {
                _ = secret.changed() => {}
                _ = any(&mut targets) => {}
                Ok(()) = leader.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn look(&mut self, leads: bool) -> Look {
        let now = now();
        let told = self.told();
        self.remember(&told, now);
        let seen = self.secret.borrow().clone();
        // Nobody tells when the time has come to make it.
        let pending = leads && matches!(seen, Seen::Missing);
        let secret = match seen {
            Seen::Unknown(reason) => Err(reason),
            Seen::Missing if leads && self.owners.may_make(now) => Ok(None),
            Seen::Missing => Err("it does not exist".to_owned()),
            Seen::There(secret) => Ok(Some(secret)),
        };
        let secret = match secret {
            Ok(secret) => secret,
            Err(reason) => return Look { pending, ..self.idle(&reason, &told, now) },
        };
        if let Some(secret) = &secret {
            self.owners.see(secret, now);
        }
        let data = self.data(secret.as_deref(), &told);
        let material = Material::parse(&data, &self.provider);
        let held = material.held(&self.settings.names, now, &self.provider);
        let up_to_date = self.offer(&material, &held, &told, now);
        let signer = held.signer().and_then(|signer| self.known.get(&signer.id).copied());
        let step = plan(&self.settings.policy, &held, signer, now);
        let pending = !up_to_date || step == Step::Wait;
        let done = match leads {
            true => self.lead(secret.as_deref(), data, &step, &self.vouching(&told, now)).await,
            false => Ok(()),
        };
        if secret.is_none() && leads && done.is_ok() {
            self.owners.made(now);
        }
        let trouble = done.as_ref().err().map(chain);
        let verdict = self.verdict(&self.told(), now).map_err(|reason| match &trouble {
            Some(trouble) => format!("{reason} ({trouble})"),
            None => reason,
        });
        Look { verdict, pending, trouble }
    }

    /// Without the Secret there is nothing to do; what is presented may be trusted all the same.
    fn idle(&self, reason: &str, told: &[Told], now: UnixSeconds) -> Look {
        let verdict = self.verdict(told, now);
        let verdict = verdict.map_err(|why| format!("{why} (Secret {}: {reason})", self.settings.secret));
        Look { verdict, pending: false, trouble: None }
    }

    /// What the Secret holds. If its authorities are lost, those that API servers are told to trust stand in for them:
    /// replicas still present certificates by them.
    fn data(&self, secret: Option<&Secret>, told: &[Told]) -> BTreeMap<String, ByteString> {
        let mut data = secret.and_then(|secret| secret.data.clone()).unwrap_or_default();
        if data.get(AUTHORITIES).is_none_or(|pem| bundle::certificates(&pem.0).is_empty()) {
            let slots = told.iter().filter_map(|told| told.state.as_ref().ok()).flatten();
            let bundles: BTreeSet<&[u8]> = slots.map(|slot| slot.pem.as_slice()).collect();
            data.insert(
                AUTHORITIES.to_owned(),
                ByteString(bundles.into_iter().collect::<Vec<_>>().join(&b'\n')),
            );
        }
        data
    }

    /// What every target that exists tells API servers.
    fn told(&self) -> Vec<Told> {
        let told = self.targets.iter().enumerate().filter_map(|(place, (target, seen))| {
            let state = match &*seen.borrow() {
                Seen::Missing => return None,
                Seen::Unknown(reason) => Err(reason.clone()),
                Seen::There(object) => Ok(target.slots(object, &self.settings.namespace)),
            };
            Some(Told { target: place, state })
        });
        told.collect()
    }

    /// Notes which authorities are in every `caBundle`, and since when.
    fn remember(&mut self, told: &[Told], now: UnixSeconds) {
        let slots: Option<Vec<&Slot>> = told
            .iter()
            .map(|told| told.state.as_ref().ok())
            .collect::<Option<Vec<_>>>()
            .map(|all| all.into_iter().flatten().collect());
        let mut sets = slots.unwrap_or_default().into_iter().map(Slot::authorities);
        let first = sets.next().unwrap_or_default();
        let everywhere: BTreeSet<AuthorityId> = sets.fold(first, |all, set| &all & &set);
        self.known.retain(|id, _| everywhere.contains(id));
        for id in everywhere {
            // The clock counts whole seconds: rounded up, so that nothing settles early. Should the clock have been put
            // back, nobody waits until it is there again.
            let at_most = now.after(Duration::from_secs(1));
            let since = self.known.entry(id).or_insert(at_most);
            *since = at_most.min(*since);
        }
    }

    /// Presents the Secret's certificate, unless that has to wait; says whether it is presented.
    fn offer(&self, material: &Material, held: &Held, told: &[Told], now: UnixSeconds) -> bool {
        let (Some(offered), Some(leaf)) = (material.certified(), held.leaf) else { return true };
        let presented = self.presenter.presented();
        if presented.as_ref().is_some_and(|presented| presented.cert == offered.cert) {
            return true;
        }
        let trusted = presented.map(|presented| self.distrust(&presented.cert, told, now).is_none());
        let since = leaf.issuer.and_then(|issuer| self.known.get(&issuer));
        let settled = since.is_some_and(|since| since.after(self.settings.policy.settle) <= now);
        let change = takes_over(trusted, settled && leaf.validity.contains(now));
        if change {
            tracing::info!(secret = self.settings.secret, "webhook certificate presented");
            self.presenter.present(offered);
        }
        change
    }

    /// Tells the targets whom to trust and takes the next step, whether or not they could be told: that step is judged
    /// by what they are seen to say.
    async fn lead(
        &self,
        secret: Option<&Secret>,
        data: BTreeMap<String, ByteString>,
        step: &Step,
        vouching: &[CertificateDer<'static>],
    ) -> Result<(), StepError> {
        let pem = secret.and_then(|secret| secret.data.as_ref()?.get(AUTHORITIES));
        let told = match pem.and_then(|pem| bundle::tellable(&pem.0)) {
            Some(pem) => self.tell(&bundle::with(&pem, vouching)).await,
            None => Ok(()),
        };
        if let Some(written) = self.carry_out(secret, data, step).await? {
            self.secret.send_replace(Seen::There(Arc::new(written)));
        }
        told
    }

    /// The authorities API servers are told of that vouch for what is presented. They stay told as long as it is, though
    /// somebody replaced the Secret: API servers do not learn of a new one in the same instant.
    fn vouching(&self, told: &[Told], now: UnixSeconds) -> Vec<CertificateDer<'static>> {
        let Some(presented) = self.presenter.presented() else { return Vec::new() };
        let slots = told.iter().filter_map(|told| told.state.as_ref().ok()).flatten();
        let mut authorities: Vec<_> = slots.flat_map(|slot| bundle::certificates(&slot.pem)).collect();
        authorities.sort_by(|one, other| one.as_ref().cmp(other.as_ref()));
        authorities.dedup();
        authorities.retain(|authority| {
            bundle::vouches(std::slice::from_ref(authority), &presented.cert, now, &self.provider)
        });
        authorities
    }

    /// All targets are tried, whatever happens to one.
    async fn tell(&self, pem: &[u8]) -> Result<(), StepError> {
        let mut outcome = Ok(());
        for (target, seen) in &self.targets {
            let Seen::There(object) = seen.borrow().clone() else { continue };
            let by = (self.settings.namespace.as_str(), self.settings.manager.as_str());
            match target.tell(self.client.clone(), &object, pem, by).await {
                Ok(None) => {}
                Ok(Some(written)) => {
                    tracing::info!(%target, "caBundle written");
                    seen.send_replace(Seen::There(Arc::new(written)));
                }
                Err(source) => outcome = Err(StepError::Tell { target: target.to_string(), source }),
            }
        }
        outcome
    }

    fn verdict(&self, told: &[Told], now: UnixSeconds) -> Result<(), String> {
        let presented = self.presenter.presented().ok_or("no certificate yet")?;
        if !presented.cert.first().is_some_and(|leaf| bundle::names_fit(leaf, &self.settings.names)) {
            return Err(format!("the certificate is not for {}", self.settings.names.join(", ")));
        }
        self.distrust(&presented.cert, told, now).map_or(Ok(()), Err)
    }

    /// Who does not trust a certificate now, and why.
    fn distrust(&self, chain: &[CertificateDer<'static>], told: &[Told], now: UnixSeconds) -> Option<String> {
        told.iter().find_map(|Told { target, state }| {
            let target = self.targets.get(*target).map(|(target, _)| target.to_string()).unwrap_or_default();
            match state {
                Err(reason) => Some(format!("{target}: {reason}")),
                Ok(slots) => {
                    let trusts = |slot: &Slot| {
                        bundle::vouches(&bundle::certificates(&slot.pem), chain, now, &self.provider)
                    };
                    (!slots.iter().all(trusts)).then(|| {
                        format!("{target}: its caBundle does not vouch for the certificate that is served")
                    })
                }
            }
        })
    }
}

/// Resolves when one of the targets changes; never if there are none.
async fn any(targets: &mut [watch::Receiver<Seen<DynamicObject>>]) {
    if targets.is_empty() {
        std::future::pending::<()>().await;
    }
    select_all(targets.iter_mut().map(|seen| Box::pin(seen.changed()))).await.0.ok();
}

fn pause(pending: bool, failures: u32) -> Duration {
    match failures {
        0 if pending => SOON,
        0 => CHECK,
        _ => Duration::from_secs(2_u64.saturating_pow(failures - 1)).min(LONGEST),
    }
}

/// An error with its causes; what the API server says without the structure it came in.
fn chain(error: &StepError) -> String {
    let cause = std::error::Error::source(error);
    if let Some(kube::Error::Api(status)) = cause.and_then(|cause| cause.downcast_ref::<kube::Error>()) {
        return format!("{error}: {} ({})", status.message, status.code);
    }
    let causes = std::iter::successors(cause, |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract 01 §9.1, "every 12 h".
    #[test]
    fn the_secret_is_looked_at_twice_a_day_and_soon_while_something_is_awaited_or_fails() {
        assert_eq!(pause(false, 0), Duration::from_secs(12 * 60 * 60));
        assert!(pause(true, 0) <= Duration::from_secs(60));
        let failures = [1, 2, 3, u32::MAX].map(|failures| pause(false, failures));
        assert_eq!(failures, [1, 2, 4, LONGEST.as_secs()].map(Duration::from_secs));
    }
}
