//! The snapshot decisions are made on, kept up to date from the stores: only what changed is parsed again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metallb_announce::{
    EndpointIndex, Inputs, NodeView, OwnInterfaces, Precedence, SliceKey, Snapshot, Speakers, Subnets,
    Tenure, World,
};
use metallb_cluster::{Changes, ObjectKey};
use metallb_config::{Config, Node, RawConfig, ServiceKey};

use crate::interfaces::Interfaces;
use crate::stores::Stores;

/// What never changes while the process runs.
#[derive(Clone, Debug)]
pub(crate) struct ViewSettings {
    /// This node.
    pub(crate) node: String,
    /// The load balancer class served.
    pub(crate) class: String,
    /// Whether the exclude label is ignored.
    pub(crate) ignore_exclude_label: bool,
}

/// The snapshot, and what is needed to bring it up to date.
#[derive(Debug)]
pub(crate) struct View {
    settings: ViewSettings,
    snapshot: Option<Snapshot>,
    /// What speakers say of their subnets, if that counts.
    subnets: Option<Subnets>,
    refusals: Option<Vec<String>>,
}

/// What a refresh brought.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The Services to decide about anew.
    pub(crate) touched: BTreeSet<ServiceKey>,
    /// Those of them that changed themselves.
    pub(crate) edited: BTreeSet<ServiceKey>,
    /// Those that did not, and whose owner is another one for what others hold or have.
    pub(crate) chosen: BTreeSet<ServiceKey>,
    /// Whether nothing was known before.
    pub(crate) is_first: bool,
    /// What all Services had in common until now, if that changed.
    pub(crate) before: Option<World>,
    /// Services that changed in a way that is no matter for a decision: perhaps their condition.
    pub(crate) heard: BTreeSet<ServiceKey>,
    /// The objects refused, when that changed since the last time.
    pub(crate) refusals: Option<Vec<String>>,
}

impl View {
    pub(crate) fn new(settings: ViewSettings) -> Self {
        Self { settings, snapshot: None, subnets: None, refusals: None }
    }

    /// What is known; none before the first refresh.
    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Gives room back.
    pub(crate) fn tighten(&mut self) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.tighten();
        }
    }

    /// What speakers say of their subnets, for the next refresh; none if it does not count.
    pub(crate) fn set_subnets(&mut self, subnets: Option<Subnets>) {
        self.subnets = subnets;
    }

    /// Chooses the owners the contract alone does not choose, after a refresh.
    pub(crate) fn choose(&mut self, seen: &mut Seen, tenure: &mut Tenure, now: Duration) {
        let Some(snapshot) = self.snapshot.as_mut() else { return };
        let moved = snapshot.choose(&seen.touched, tenure, now);
        seen.chosen = moved.difference(&seen.touched).cloned().collect();
        seen.touched.extend(seen.chosen.iter().cloned());
    }

    /// Takes in what changed. Everything must have been listed once. `speakers` are those that are alive, and whether
    /// one of them may know no election but the contract's.
    pub(crate) fn refresh(
        &mut self,
        stores: &Stores,
        interfaces: &Interfaces,
        speakers: (Speakers, bool),
    ) -> Seen {
        let mut seen = Seen { is_first: self.snapshot.is_none(), ..Seen::default() };
        let own = own_interfaces(interfaces);
        let inputs = self.shared_inputs(stores, own, speakers, &mut seen);
        let mut snapshot = match (self.snapshot.take(), inputs) {
            (Some(snapshot), None) => snapshot,
            (Some(snapshot), Some(inputs)) => {
                seen.touched.extend(snapshot.services.keys().cloned());
                seen.before = Some(snapshot.world);
                Snapshot { world: World::new(inputs), ..snapshot }
            }
            (None, inputs) => Snapshot {
                world: World::new(inputs.unwrap_or_else(|| self.unknown())),
                services: BTreeMap::new(),
                endpoints: EndpointIndex::default(),
                precedence: Precedence::default(),
            },
        };
        refresh_services(&mut snapshot, stores, &mut seen);
        refresh_endpoints(&mut snapshot, stores, &mut seen.touched);
        self.snapshot = Some(snapshot);
        seen
    }

    /// What all Services have in common, if it changed. The configuration is parsed again only if its objects did: a
    /// member that is lost must not wait for that.
    fn shared_inputs(
        &mut self,
        stores: &Stores,
        interfaces: OwnInterfaces,
        (speakers, has_plain): (Speakers, bool),
        seen: &mut Seen,
    ) -> Option<Inputs> {
        let current = self.snapshot.as_ref().map(|snapshot| snapshot.world.inputs());
        let has_changes = stores.take_shared_changes();
        let inputs = match current {
            Some(current) if !has_changes => {
                let is_same = current.interfaces == interfaces && current.subnets == self.subnets;
                if is_same && (&current.speakers, current.has_plain) == (&speakers, has_plain) {
                    return None;
                }
                Inputs { speakers, has_plain, interfaces, subnets: self.subnets.clone(), ..current.clone() }
            }
            current => {
                let previous = current.map(|inputs| inputs.config.clone()).unwrap_or_default();
                let parsed = metallb_config::parse(&raw_config(stores), &previous);
                let refusals = parsed.refusals.iter().map(ToString::to_string).collect();
                if self.refusals.as_ref() != Some(&refusals) {
                    seen.refusals = Some(refusals.clone());
                    self.refusals = Some(refusals);
                }
                let nodes = stores.nodes.all();
                let nodes = nodes.iter().map(|node| known_node(&node.view, &speakers)).collect();
                Inputs { config: parsed.config, nodes, speakers, has_plain, interfaces, ..self.unknown() }
            }
        };
        let current = self.snapshot.as_ref().map(|snapshot| snapshot.world.inputs());
        log_changes(current, &inputs);
        (current != Some(&inputs)).then_some(inputs)
    }

    /// A world of which nothing is known but this speaker's own settings.
    fn unknown(&self) -> Inputs {
        Inputs {
            me: self.settings.node.clone(),
            class: self.settings.class.clone(),
            ignore_exclude_label: self.settings.ignore_exclude_label,
            config: Config::default(),
            nodes: BTreeMap::new(),
            speakers: Speakers::On(BTreeSet::new()),
            has_plain: false,
            interfaces: OwnInterfaces::new(),
            subnets: self.subnets.clone(),
        }
    }
}

/// Tells of what an admin would look for when nothing is announced.
fn log_changes(before: Option<&Inputs>, now: &Inputs) {
    let is_known = |inputs: &Inputs| inputs.nodes.contains_key(&inputs.me);
    if !is_known(now) && before.is_none_or(is_known) {
        let node = now.me.as_str();
        tracing::warn!(
            node,
            "the cluster has no node of this name, nothing is announced: check METALLB_NODE_NAME"
        );
    }
}

fn raw_config(stores: &Stores) -> RawConfig {
    RawConfig {
        pools: stores.pools.all().iter().map(|pool| pool.object.clone()).collect(),
        l2_advertisements: stores.advertisements.all(),
        nodes: stores.nodes.all().iter().map(|node| config_node(&node.view)).collect(),
        ..RawConfig::default()
    }
}

/// A node by its name. Whether it seems to be down is no matter where speakers watch each other.
fn known_node(node: &NodeView, speakers: &Speakers) -> (String, NodeView) {
    let seems_down = node.seems_down && *speakers == Speakers::EveryNode;
    (node.name.clone(), NodeView { seems_down, ..node.clone() })
}

fn config_node(node: &NodeView) -> Node {
    Node { name: node.name.clone(), labels: node.labels.clone() }
}

fn own_interfaces(interfaces: &Interfaces) -> OwnInterfaces {
    interfaces.iter().map(|interface| (interface.name.clone(), interface.subnets.clone())).collect()
}

fn refresh_services(snapshot: &mut Snapshot, stores: &Stores, seen: &mut Seen) {
    let known = snapshot.services.keys().cloned();
    let keys: BTreeSet<ServiceKey> = match stores.services.take_changes() {
        Changes::Keys(keys) => keys.into_iter().map(service_key).collect(),
        Changes::All => {
            let now = stores.services.entries().into_iter().map(|(key, _)| service_key(key));
            now.chain(known).collect()
        }
    };
    for key in keys {
        let now = stores.services.get(&key.namespace, &key.name).map(|service| service.facts.clone());
        if snapshot.services.get(&key) == now.as_ref() {
            if let (Some(known), Some(now)) = (snapshot.services.get_mut(&key), now) {
                // That of the store: otherwise each status that is written would leave another copy here.
                *known = now;
            }
            seen.heard.insert(key);
            continue;
        }
        seen.touched.insert(key.clone());
        seen.edited.insert(key.clone());
        match now {
            Some(view) => snapshot.services.insert(key, view),
            None => snapshot.services.remove(&key),
        };
    }
}

fn refresh_endpoints(snapshot: &mut Snapshot, stores: &Stores, touched: &mut BTreeSet<ServiceKey>) {
    let keys: BTreeSet<SliceKey> = match stores.slices.take_changes() {
        Changes::Keys(keys) => keys.into_iter().map(slice_key).collect(),
        Changes::All => {
            let now = stores.slices.entries().into_iter().map(|(key, _)| slice_key(key));
            now.chain(snapshot.endpoints.keys().cloned()).collect()
        }
    };
    for key in keys {
        let now = stores.slices.get(&key.namespace, &key.name).map(|slice| slice.view.clone());
        let services = snapshot.endpoints.set(key, now);
        // Slices of Services that are not there (yet) touch nothing: the Service will when it comes.
        // The key that is there already, so that all who keep it share its texts.
        let known = services.iter().filter_map(|service| snapshot.services.get_key_value(service));
        touched.extend(known.map(|(key, _)| key.clone()));
    }
}

pub(crate) fn service_key(key: ObjectKey) -> ServiceKey {
    ServiceKey { namespace: key.namespace.unwrap_or_default(), name: key.name }
}

pub(crate) fn slice_key(key: ObjectKey) -> SliceKey {
    SliceKey { namespace: key.namespace.unwrap_or_default(), name: key.name }
}
