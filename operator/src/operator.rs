//! One pass over everything: all steps, for every resource.

use std::collections::BTreeSet;

use futures::future::{OptionFuture, join, join3};
use kube::Client;
use kube::api::DynamicObject;
use metallb_api::names::METALLB_NAME;
use metallb_cluster::{Event, EventSink, EventType};
use metallb_render::{
    BuildError, Environment, Platform, Policy, Readiness, Reason, Settings, State, Tls, TlsProfile,
};
use metallb_telemetry::logs::chain;
use metallb_telemetry::metrics::OperatorMetrics;
use tokio::sync::watch;

use crate::api_ports::{ApiPortsError, api_ports, doubtful_port, opened_before};
use crate::apply::{Applied, ApplyError};
use crate::build::{Prepared, build};
use crate::cluster_tls::{ClusterTlsError, read_profile, running_tls};
use crate::deeds::{Occasion, REPAIRED, deed, removal};
use crate::definition::{DefinitionError, definition_uid};
use crate::dereference::{Found, dereference, reference};
use crate::disposition::Disposition;
use crate::inventory::{Inventory, Listed, PruneError, Wanted};
use crate::others::{OthersError, look_for_others};
use crate::progress::obstacle;
use crate::register::{Pending, RegisterError, register, registration};
use crate::status;
use crate::validate::{ValidateError, validate};

/// What a pass works with.
#[derive(Clone)]
pub struct Operator {
    /// The API server.
    pub client: Client,
    /// What the installer decided.
    pub environment: Environment,
    /// What kind of cluster this is.
    pub platform: Platform,
    /// Takes events about the resources.
    pub events: EventSink,
    /// What is counted.
    pub metrics: OperatorMetrics,
    /// What it remembers of its last look at the resource.
    pub memory: Memory,
    /// Whether its own webhook is served, so that API servers are to ask it.
    pub registers: bool,
}

/// What is fine with the original, and mostly a slip of the pen.
const NO_SPEAKER: &str = "no speaker runs: spec.nodeSelector and spec.speakerConfig.affinity, or what else the DaemonSet has of it, fit no \
                          node, or spec.speakerTolerations none that is tainted";

/// What a process remembers of its last look at the resource. Clones remember the same.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The surroundings it went by; nothing before the first.
    surroundings: watch::Sender<Option<Environment>>,
    /// Whether its webhook could not be registered.
    is_unregistered: watch::Sender<bool>,
    /// Why the certificate of its webhook could not be kept.
    certificate: watch::Sender<Option<String>>,
    /// What was told of leftovers that resist.
    leftovers: watch::Sender<Option<String>>,
    /// What was told of others that run beside it.
    neighbours: watch::Sender<Option<String>>,
}

impl Memory {
    /// Notes why the certificate of its webhook could not be kept; nothing if it is.
    pub fn note_certificate(&self, trouble: Option<&str>) {
        note(&self.certificate, trouble);
    }

    /// The same, with a signal when that changes.
    #[must_use]
    pub fn certificate(&self) -> watch::Receiver<Option<String>> {
        self.certificate.subscribe()
    }

    /// What the user should know of it.
    fn remark(&self) -> Option<String> {
        let trouble = self.certificate.borrow().clone()?;
        Some(format!("the certificate of the operator's webhook could not be kept: {trouble}"))
    }

    fn occasion(&self, environment: &Environment) -> Occasion {
        match &*self.surroundings.borrow() {
            None => Occasion::First,
            Some(last) if last != environment => Occasion::Surroundings,
            Some(_) => Occasion::Later,
        }
    }
}

/// Notes what is told; says whether that is news.
fn note(told: &watch::Sender<Option<String>>, text: Option<&str>) -> bool {
    told.send_if_modified(|told| {
        let is_news = told.as_deref() != text;
        *told = text.map(str::to_owned);
        is_news
    })
}

/// A resource is not as it should be, by the step that failed.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Step 2.
    #[error(transparent)]
    Validate(#[from] ValidateError),
    /// On the way to it: the cluster's own settings.
    #[error(transparent)]
    ClusterTls(#[from] ClusterTlsError),
    /// And where its API servers listen.
    #[error(transparent)]
    ApiPorts(#[from] ApiPortsError),
    /// And whom everything is to belong to.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Step 3.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Before anything is written.
    #[error(transparent)]
    Others(#[from] OthersError),
    /// Step 4.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Step 5, or what there is could not be seen in the first place.
    #[error(transparent)]
    Prune(#[from] PruneError),
}

impl ReconcileError {
    /// What it means for the next pass.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Validate(error) => error.disposition(),
            Self::ClusterTls(error) => error.disposition(),
            Self::ApiPorts(error) => error.disposition(),
            Self::Definition(error) => error.disposition(),
            Self::Build(_) => Disposition::Bug,
            Self::Others(error) => error.disposition(),
            Self::Apply(error) => error.disposition(),
            Self::Prune(error) => error.disposition(),
        }
    }
}

/// What a pass knows of its surroundings before it looks after a resource.
struct Around {
    /// UID of the definition of the kind.
    definition: Result<String, DefinitionError>,
    /// Resources of other namespaces.
    elsewhere: Vec<Found>,
    /// Why API servers can't be told to ask our webhook.
    unregistered: Option<String>,
}

/// What came of a pass.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// What was written, one line an object.
    pub changes: Vec<String>,
    /// What went wrong, in one line each.
    pub problems: Vec<String>,
    /// When to try again; `None` if nothing went wrong.
    pub disposition: Option<Disposition>,
    /// All is as asked for, but does not run yet.
    pub settling: bool,
    /// Why API servers do not insist on our webhook's answer yet.
    pub lenient: Option<Pending>,
    /// Another MetalLB runs beside this one.
    pub crowded: bool,
}

impl Report {
    fn problem(&mut self, problem: String, disposition: Disposition) {
        self.problems.push(problem);
        self.disposition = self.disposition.max(Some(disposition));
    }
}

impl Operator {
    /// Looks at everything once. Safe to cancel: the next pass finds what is left to do.
    pub async fn pass(&self) -> Report {
        let mut report = Report::default();
        let namespace = &self.environment.namespace;
        let live = OptionFuture::from(self.registers.then(|| registration(&self.client)));
        let (all, definition, live) =
            join3(dereference(&self.client), definition_uid(&self.client), live).await;
        let all = match all {
            Ok(all) => all,
            Err(error) => {
                report.problem(chain(&error), error.disposition());
                return report;
            }
        };
        let (found, elsewhere): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|resource| resource.namespace == *namespace);
        let unregistered = match live {
            Some(live) => self.register(&definition, live, &mut report).await,
            None => None,
        };
        let around = Around { definition, elsewhere, unregistered };
        for resource in &found {
            self.look_after(resource, &around, &mut report).await;
        }
        if found.iter().any(|resource| resource.name == METALLB_NAME) {
            self.memory.leftovers.send_replace(None);
        } else {
            self.show(&Applied::default());
            self.memory.neighbours.send_replace(None);
            self.clear_away(&mut report).await;
        }
        report
    }

    /// Tells API servers to ask our webhook. What keeps it from that keeps nothing else, and is a remark if it lasts: it was
    /// refused, or failed the last time as well.
    async fn register(
        &self,
        definition: &Result<String, DefinitionError>,
        live: Result<Option<DynamicObject>, RegisterError>,
        report: &mut Report,
    ) -> Option<String> {
        match register(&self.client, &self.environment.namespace, definition.clone(), live).await {
            Ok(registered) => {
                self.memory.is_unregistered.send_replace(false);
                report.changes.extend(registered.change);
                report.lenient = registered.pending;
                None
            }
            Err(error) => {
                let (problem, disposition) = (chain(&error), error.disposition());
                report.problem(problem.clone(), disposition);
                let is_trouble = disposition != Disposition::Conflict;
                let was_trouble = self.memory.is_unregistered.send_replace(is_trouble);
                (is_trouble && (was_trouble || disposition <= Disposition::Refused)).then_some(problem)
            }
        }
    }

    /// Says of the resource that a pass did not come to an end, without a look at anything else.
    pub async fn tell_slowness(&self, problem: &str) {
        let Ok(found) = dereference(&self.client).await else { return };
        let namespace = &self.environment.namespace;
        let is_it = |found: &&Found| found.namespace == *namespace && found.name == METALLB_NAME;
        if let Some(found) = found.iter().find(is_it).filter(|found| !found.is_being_deleted) {
            self.tell(found, &status::failed(problem, None), &mut Report::default()).await;
        }
    }

    /// One resource. Whatever happens, its status is written exactly once, at the end.
    async fn look_after(&self, found: &Found, around: &Around, report: &mut Report) {
        if found.is_being_deleted {
            // Applying now would only be in the way of the garbage collector.
            if found.name == METALLB_NAME {
                self.show(&Applied::default());
                if !found.finalizers.is_empty() {
                    self.tell(found, &status::leaving(found), report).await;
                }
            }
            return;
        }
        let (applied, error) = self.reconcile(found, around, report).await;
        if found.name == METALLB_NAME {
            self.show(&applied);
            report.settling = applied.is_known() && applied.readiness() != Readiness::Ready;
        }
        report.changes.extend(applied.changes.iter().cloned());
        if let Some(error) = &error {
            let problem = format!("MetalLB {}: {}", found.name, chain(error));
            match error {
                // The resource that counts may be fine, and does not wait for this one.
                ReconcileError::Validate(ValidateError::Name) => report.problems.push(problem),
                error => report.problem(problem, error.disposition()),
            }
        }
        self.tell(found, &status::judge(found, &applied, error.as_ref()), report).await;
    }

    /// Whether each workload runs, for dashboards and alerts; nothing where that is not known.
    pub fn show(&self, applied: &Applied) {
        self.metrics.ready.reset();
        for (workload, runs) in applied.running() {
            self.metrics.ready.with_label_values(&[workload]).set(i64::from(runs));
        }
    }

    /// What was changed, as an event, whether all went well or not.
    fn tell_deeds(&self, found: &Found, applied: &Applied, environment: Environment, is_partial: bool) {
        let occasion = self.memory.occasion(&environment);
        if !is_partial || !applied.changes.is_empty() {
            self.memory.surroundings.send_replace(Some(environment));
        }
        let Some(deed) = deed(found, &applied.changes, occasion) else { return };
        if deed.reason == REPAIRED {
            self.metrics.repairs.inc_by(u64::try_from(applied.changes.len()).unwrap_or(u64::MAX));
        }
        self.events.publish(deed);
    }

    /// All steps for one resource: how far they went, and what stopped them.
    async fn reconcile(
        &self,
        found: &Found,
        around: &Around,
        report: &mut Report,
    ) -> (Applied, Option<ReconcileError>) {
        match self.prepare(found, around, report).await {
            Ok((prepared, listed, environment)) => {
                let (applied, error) = self.carry_out(found, prepared, listed).await;
                self.tell_deeds(found, &applied, environment, error.is_some());
                (applied, error)
            }
            Err(error) => (Applied::default(), Some(error)),
        }
    }

    /// Everything before the first write: what is to be there, what is, and the surroundings both go by.
    async fn prepare(
        &self,
        found: &Found,
        around: &Around,
        report: &mut Report,
    ) -> Result<(Prepared, Listed, Environment), ReconcileError> {
        let settings = validate(found, &self.environment, self.platform)?;
        let definition = around.definition.clone()?;
        let (surroundings, listed) =
            join(self.surroundings(&settings, report), self.inventory().list()).await;
        let ((mut environment, remarks), listed) = (surroundings?, listed?);
        if environment.api_is_hidden {
            environment.api_ports = opened_before(&listed);
        }
        let mut prepared = build(found, definition, &settings, &environment)?;
        prepared.doubt = doubtful_port(settings.options.network_policy, &environment);
        prepared.remarks.extend(prepared.doubt.clone());
        prepared.remarks.extend(remarks);
        prepared.remarks.extend(around.unregistered.clone());
        prepared.remarks.extend(self.memory.remark());
        let neighbours = look_for_others(&self.client, found, &around.elsewhere, &listed).await?;
        report.crowded = neighbours.is_some();
        self.tell_of_neighbours(found, neighbours.as_ref());
        prepared.remarks.extend(neighbours);
        Ok((prepared, listed, environment))
    }

    /// Others that came to run beside this one, as an event: the resource stays `Available`, and nobody looks there.
    fn tell_of_neighbours(&self, found: &Found, neighbours: Option<&String>) {
        let is_news = note(&self.memory.neighbours, neighbours.map(String::as_str));
        if let Some(message) = neighbours.filter(|_| is_news) {
            let (kind, reason) = (EventType::Warning, "AnotherMetalLB".to_owned());
            self.events.publish(Event { about: found.reference(), kind, reason, message: message.clone() });
        }
    }

    /// What the installer decided, with what is found in the cluster, and remarks about that.
    async fn surroundings(
        &self,
        settings: &Settings,
        report: &mut Report,
    ) -> Result<(Environment, Vec<String>), ReconcileError> {
        let mut environment = self.environment.clone();
        let mut remarks = Vec::new();
        let ports = async {
            match settings.options.network_policy {
                Policy::Off => Ok(BTreeSet::new()),
                Policy::Found | Policy::Port(_) => api_ports(&self.client).await,
            }
        };
        let (tls, ports) = join(self.cluster_tls(report), ports).await;
        let (tls, remark) = tls?;
        environment.tls = tls;
        remarks.extend(remark);
        match ports {
            Ok(found) => environment.api_ports = found,
            Err(error) if error.is_lasting() => {
                environment.api_is_hidden = true;
                let effect = "the operator has no NetworkPolicy, and the controller's opens networkPolicy.apiPort, or \
                              what it did and 6443";
                remarks.push(format!("{}; {effect}", chain(&error)));
            }
            Err(error) => return Err(error.into()),
        }
        Ok((environment, remarks))
    }

    /// The cluster's TLS profile, or what the installer decided where there is none, and a remark about it.
    async fn cluster_tls(&self, report: &mut Report) -> Result<(Tls, Option<String>), ClusterTlsError> {
        match read_profile(&self.client, self.platform).await {
            Ok(None) => {
                let remark = self.environment.tls_remarks.join("; ");
                Ok((self.environment.tls.clone(), Some(remark).filter(|text| !text.is_empty())))
            }
            Ok(Some(TlsProfile { tls, remark })) => Ok((tls, Some(remark).filter(|text| !text.is_empty()))),
            Err(error) => {
                let running = running_tls(&self.client, &self.environment.namespace).await;
                let Some(tls) = running else { return Err(error) };
                let problem = chain(&error);
                report.problem(problem.clone(), error.disposition());
                Ok((tls, Some(format!("{problem}; the TLS settings stay as they are"))))
            }
        }
    }

    async fn carry_out(
        &self,
        found: &Found,
        prepared: Prepared,
        listed: Listed,
    ) -> (Applied, Option<ReconcileError>) {
        let doubt = prepared.doubt.clone();
        let (mut applied, result) = prepared.apply(&self.client, &listed).await;
        let runs = applied.readiness() == Readiness::Ready;
        let may_prune = result.as_ref().err().is_none_or(ApplyError::is_harmless);
        let mut error = result.err().map(ReconcileError::from);
        if may_prune {
            let wanted = Wanted { uid: &found.uid, objects: &applied.objects, runs };
            let cleared = self.inventory().prune(listed, &wanted).await;
            applied.changes.extend(cleared.deleted);
            error = error.or(cleared.failure.map(ReconcileError::from));
        }
        if runs && applied.wants_no_speaker() {
            applied.remarks.push(NO_SPEAKER.to_owned());
        }
        let lacking: Vec<&str> =
            applied.running().filter(|(_, runs)| !runs).map(|(workload, _)| workload).collect();
        if let Some(workload) = lacking.first().filter(|_| applied.is_known()) {
            let obstacle = obstacle(&self.client, &found.namespace, workload).await;
            let parts = [obstacle, doubt.filter(|_| lacking.contains(&"controller"))].into_iter().flatten();
            applied.obstacle = parts.reduce(|obstacle, doubt| format!("{obstacle}; {doubt}"));
        }
        (applied, error)
    }

    fn inventory(&self) -> Inventory<'_> {
        let Self { client, environment, platform, .. } = self;
        Inventory { client, namespace: &environment.namespace, platform: *platform }
    }

    async fn tell(&self, found: &Found, state: &State, report: &mut Report) {
        match status::write(&self.client, found, state).await {
            Ok(event) => event.into_iter().for_each(|event| self.events.publish(event)),
            Err(error) => report.problem(chain(&error), Disposition::of(&error.cause)),
        }
    }

    async fn clear_away(&self, report: &mut Report) {
        let cleared = self.inventory().remove_leftovers().await;
        removal(&self.environment.namespace, &cleared.deleted)
            .into_iter()
            .for_each(|event| self.events.publish(event));
        report.changes.extend(cleared.deleted);
        let problem = cleared.failure.as_ref().map(|error| chain(error));
        let lasting =
            cleared.failure.as_ref().is_some_and(|error| error.disposition() <= Disposition::Refused);
        // There is no resource any more that could say so.
        if note(&self.memory.leftovers, problem.as_deref().filter(|_| lasting))
            && let Some(message) = problem.clone().filter(|_| lasting)
        {
            let about = reference(&self.environment.namespace, METALLB_NAME, None);
            let reason = Reason::FailedToSyncMetalLBResources.as_str().to_owned();
            self.events.publish(Event { about, kind: EventType::Warning, reason, message });
        }
        if let Some((error, problem)) = cleared.failure.zip(problem) {
            report.problem(problem, error.disposition());
        }
    }
}
