//! The configuration in force, kept in step with the pools, communities and namespaces of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, ObjectReference};
use kube::Resource;
use metallb_api::{Community, IPAddressPool};
use metallb_cluster::{Changes, ConfigurationReporter, EventSink, Malformed, Store};
use metallb_config::{Config, Kind, RawConfig, Refusal, parse};
use metallb_telemetry::metrics::ClientMetrics;

use crate::telling::tell_refusal;

/// What the configuration is made of.
pub(crate) struct Sources {
    pub(crate) pools: Store<IPAddressPool>,
    pub(crate) communities: Store<Community>,
    pub(crate) namespaces: Store<Namespace>,
}

/// Reads the configuration and reports whether it is accepted.
pub(crate) struct Configuration {
    sources: Sources,
    in_force: Option<Arc<Config>>,
    refused: Refused,
    /// What the admin was told. None: nothing, that is another replica's business.
    told: Option<Refused>,
    reporter: ConfigurationReporter,
    events: EventSink,
    metrics: ClientMetrics,
}

/// Why objects are refused.
type Refused = BTreeMap<(Kind, String), Reason>;

/// Why an object is refused, and how events name it.
#[derive(Clone, Debug, PartialEq)]
struct Reason {
    text: String,
    about: ObjectReference,
}

impl Configuration {
    pub(crate) fn new(
        sources: Sources,
        reporter: ConfigurationReporter,
        events: EventSink,
        metrics: ClientMetrics,
    ) -> Self {
        Self { sources, in_force: None, refused: Refused::new(), told: None, reporter, events, metrics }
    }

    /// The configuration in force, read again if anything changed: the same value if it is the same as before.
    pub(crate) fn refresh(&mut self) -> Arc<Config> {
        let nothing = Changes::default();
        // All are asked: what is taken from one does not answer for the others.
        let Sources { pools, communities, namespaces } = &self.sources;
        let changes = [pools.take_changes(), communities.take_changes(), namespaces.take_changes()];
        if let Some(config) = &self.in_force
            && changes.iter().all(|change| *change == nothing)
        {
            return Arc::clone(config);
        }
        let previous = self.in_force.clone().unwrap_or_default();
        let raw = self.sources.read();
        let parsed = parse(&raw, &previous);
        self.metrics.updates.inc();
        self.refused = self.build_refused(&raw, parsed.refusals);
        self.count();
        let config = if *previous == parsed.config { previous } else { Arc::new(parsed.config) };
        self.in_force = Some(Arc::clone(&config));
        config
    }

    /// Tells the admin what is new: the one who leads does.
    pub(crate) fn tell(&mut self) {
        if self.in_force.is_none() {
            return;
        }
        let told = self.told.take().unwrap_or_default();
        for ((kind, name), reason) in &self.refused {
            let known = told.get(&(*kind, name.clone())).is_some_and(|told| told.text == reason.text);
            if !known {
                tell_refusal(&self.events, kind.as_str(), &reason.about, &reason.text);
            }
        }
        self.reporter.report(self.refused.values().map(|reason| reason.text.clone()).collect());
        self.told = Some(self.refused.clone());
    }

    /// Tells nothing any more: another replica does.
    pub(crate) fn hush(&mut self) {
        self.told = None;
        self.reporter.pause();
    }

    fn count(&self) {
        self.metrics.config_loaded.set(1);
        self.metrics.config_stale.set(i64::from(!self.refused.is_empty()));
        self.metrics.set_refused(self.refused.keys().map(|(kind, name)| (kind.as_str(), name.as_str())));
    }

    fn build_refused(&self, raw: &RawConfig, refusals: Vec<Refusal>) -> Refused {
        let reason = |refusal: Refusal| {
            let about = match refusal.kind {
                Kind::Community => find(&raw.communities, &refusal.name),
                // Nothing else is read here.
                _ => find(&raw.pools, &refusal.name),
            };
            let text = refusal.to_string();
            ((refusal.kind, refusal.name), Reason { text, about: about.unwrap_or_default() })
        };
        let mut refused: Refused = refusals.into_iter().map(reason).collect();
        for pool in self.sources.pools.malformed() {
            // What could not be read says more than what its empty stand-in is refused for.
            let name = pool.metadata.name.clone().unwrap_or_default();
            let text = format!("parsing address pool {name}: {}", pool.why);
            let about = stand_in(&pool).object_ref(&());
            refused.insert((Kind::IPAddressPool, name), Reason { text, about });
        }
        for community in self.sources.communities.malformed() {
            let name = community.metadata.name.clone().unwrap_or_default();
            let text = format!("parsing Community {name}: {}", community.why);
            let metadata = community.metadata.clone();
            let about = Community { metadata, ..Community::default() }.object_ref(&());
            refused.insert((Kind::Community, name), Reason { text, about });
        }
        refused
    }
}

fn find<K: Resource<DynamicType = ()>>(objects: &[Arc<K>], name: &str) -> Option<ObjectReference> {
    let object = objects.iter().find(|object| object.meta().name.as_deref() == Some(name))?;
    Some(object.object_ref(&()))
}

impl Sources {
    fn read(&self) -> RawConfig {
        let namespace = |namespace: &Arc<Namespace>| metallb_config::Namespace {
            name: namespace.metadata.name.clone().unwrap_or_default(),
            labels: namespace.metadata.labels.clone().unwrap_or_default(),
        };
        let mut pools = self.pools.all();
        // A pool of which no version could be read yet is refused like a wrong one: what it may have given out stays.
        let known =
            |malformed: &Malformed| pools.iter().any(|pool| pool.metadata.name == malformed.metadata.name);
        let unknown: Vec<_> = self.pools.malformed().into_iter().filter(|pool| !known(pool)).collect();
        pools.extend(unknown.iter().map(|pool| Arc::new(stand_in(pool))));
        RawConfig {
            pools,
            communities: self.communities.all(),
            namespaces: self.namespaces.all().iter().map(namespace).collect(),
            ..RawConfig::default()
        }
    }
}

/// A pool with no addresses, which is refused by name.
fn stand_in(malformed: &Malformed) -> IPAddressPool {
    IPAddressPool { metadata: malformed.metadata.clone(), ..IPAddressPool::default() }
}
