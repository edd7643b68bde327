//! A cluster small enough for tests: Services as JSON, and an allocator whose decisions are carried out at once.

use std::collections::BTreeMap;

use metallb_config::service::parse as parse_service;
use metallb_config::{Namespace, RawConfig, parse};
use serde_json::{Value, json};

use super::super::*;
use crate::Condition;

/// Services and configuration, with the allocator that looks after them.
pub(super) struct World {
    pub(super) allocator: Allocator,
    config: Config,
    services: BTreeMap<ServiceKey, Value>,
    /// How often a Service was written.
    pub(super) writes: usize,
}

/// A pool object from its name and specification.
pub(super) fn pool(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": name}, "spec": spec})
}

/// A pool with just addresses.
pub(super) fn plain(name: &str, addresses: &[&str]) -> Value {
    pool(name, json!({"addresses": addresses}))
}

pub(super) fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: "default".into(), name: name.into() }
}

/// A LoadBalancer Service with one IPv4 cluster address and port 80; `patch` is merged into it.
pub(super) fn service(name: &str, patch: Value) -> Value {
    let mut service = json!({
        "metadata": {"name": name, "namespace": "default", "annotations": {}, "labels": {}},
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80, "protocol": "TCP"}]},
    });
    merge(&mut service, patch);
    service
}

/// JSON merge patch: null removes.
pub(super) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Both families, IPv4 first.
pub(super) fn dual(policy: &str) -> Value {
    json!({"spec": {
        "clusterIPs": ["10.96.0.1", "fd00::1"], "ipFamilyPolicy": policy, "ipFamilies": ["IPv4", "IPv6"],
    }})
}

/// Asks for addresses.
pub(super) fn requesting(addresses: &str) -> Value {
    json!({"metadata": {"annotations": {"metallb.io/loadBalancerIPs": addresses}}})
}

/// Asks for a pool.
pub(super) fn from_pool(name: &str) -> Value {
    json!({"metadata": {"annotations": {"metallb.io/address-pool": name}}})
}

/// Shares with those of the same key; listens on `port`.
pub(super) fn sharing(sharing_key: &str, port: u16) -> Value {
    json!({
        "metadata": {"annotations": {"metallb.io/allow-shared-ip": sharing_key}},
        "spec": {"ports": [{"port": port, "protocol": "TCP"}]},
    })
}

/// Holds addresses already, as an earlier controller wrote them.
pub(super) fn recorded(pool: &str, addresses: &[&str]) -> Value {
    let ingress: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip, "ipMode": "VIP"})).collect();
    json!({
        "metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": pool}},
        "status": {"loadBalancer": {"ingress": ingress}},
    })
}

pub(super) fn build_config(pools: &[Value], previous: &Config) -> Config {
    let pools = pools.iter().map(|pool| Arc::new(serde_json::from_value(pool.clone()).unwrap())).collect();
    let namespaces = vec![Namespace { name: "default".into(), labels: BTreeMap::new() }];
    parse(&RawConfig { pools, namespaces, ..RawConfig::default() }, previous).config
}

impl World {
    pub(super) fn new(pools: &[Value]) -> Self {
        Self::with_class(pools, "")
    }

    pub(super) fn with_class(pools: &[Value], class: &str) -> Self {
        let config = build_config(pools, &Config::default());
        let options = Options { class: class.into(), ..Options::default() };
        Self::with_options(options, config)
    }

    pub(super) fn with_options(options: Options, config: Config) -> Self {
        let allocator = Allocator::new(options, Arc::new(config.clone()));
        Self { allocator, config, services: BTreeMap::new(), writes: 0 }
    }

    /// Creates or changes a Service, without a look at it yet.
    pub(super) fn put(&mut self, name: &str, patch: Value) -> &mut Self {
        match self.services.get_mut(&key(name)) {
            Some(service) => merge(service, patch),
            None => drop(self.services.insert(key(name), service(name, patch))),
        }
        self.reread(&key(name));
        self
    }

    /// Leaves a Service that can't be read any more, but for its recorded addresses, as a new process finds it.
    pub(super) fn garble(&mut self, name: &str) -> &mut Self {
        self.allocator.reserve(Arc::new(self.view(&key(name))));
        self
    }

    pub(super) fn delete(&mut self, name: &str) -> &mut Self {
        self.services.remove(&key(name));
        self.allocator.forget(&key(name));
        self
    }

    pub(super) fn configure(&mut self, pools: &[Value]) -> &mut Self {
        self.config = build_config(pools, &self.config);
        self.allocator.set_config(Arc::new(self.config.clone()));
        self
    }

    /// A new process: all that remains is what is recorded.
    pub(super) fn restart(&mut self) -> &mut Self {
        self.allocator = Allocator::new(self.allocator.options.clone(), Arc::new(self.config.clone()));
        let keys: Vec<_> = self.services.keys().rev().cloned().collect();
        keys.iter().for_each(|key| self.reread(key));
        self
    }

    fn reread(&mut self, key: &ServiceKey) {
        self.allocator.observe(Arc::new(self.view(key)));
    }

    pub(super) fn view(&self, key: &ServiceKey) -> ServiceView {
        parse_service(&serde_json::from_value(self.services[key].clone()).unwrap())
    }

    /// The object as it stands, which serves as its version.
    pub(super) fn raw(&self, key: &ServiceKey) -> &Value {
        &self.services[key]
    }

    pub(super) fn has(&self, key: &ServiceKey, version: &Value) -> bool {
        self.services.get(key) == Some(version)
    }

    pub(super) fn keys(&self) -> Vec<ServiceKey> {
        self.services.keys().cloned().collect()
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Settles and carries out the decisions; gives the events as `name Reason: message`.
    pub(super) fn settle(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        let decisions = self.allocator.settle();
        for decision in &decisions {
            let tell =
                |event: &Event| format!("{} {}: {}", decision.key.name, event.reason.as_str(), event.message);
            events.extend(decision.events.iter().map(tell));
        }
        assert_eq!(self.allocator.settle(), [], "a second look decides nothing");
        for decision in decisions {
            self.write(&decision);
        }
        events
    }

    /// Settles until nothing is left to do: what is given up is free for others only once that is written.
    pub(super) fn run(&mut self) -> Vec<String> {
        let (mut events, mut rounds) = (Vec::new(), 0);
        while rounds < 4 {
            let writes = self.writes;
            events.extend(self.settle());
            if self.writes == writes {
                return events;
            }
            rounds += 1;
        }
        panic!("still writing after {rounds} rounds: {events:?}");
    }

    pub(super) fn write(&mut self, decision: &Decision) {
        let Some(Record { assignment, condition }) = &decision.write else { return };
        self.writes += 1;
        let condition = condition.as_ref().map(|condition| {
            let Condition { allocated, reason, message } = condition;
            assert!(message.len() <= 1024, "{message}");
            json!({
                "type": "metallb.io/Allocated", "status": if *allocated { "True" } else { "False" },
                "reason": reason.as_str(), "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        });
        let ingress: Vec<Value> =
            assignment.addresses.iter().map(|ip| json!({"ip": ip.to_string(), "ipMode": "VIP"})).collect();
        let patch = json!({
            "metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": assignment.pool}},
            "status": {"loadBalancer": {"ingress": ingress}, "conditions": Vec::from_iter(condition)},
        });
        merge(self.services.get_mut(&decision.key).unwrap(), patch);
        self.reread(&decision.key);
    }

    /// The recorded addresses, joined by blanks.
    pub(super) fn ips(&self, name: &str) -> String {
        let ips = self.view(&key(name)).recorded_ips();
        ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// The recorded condition: status, reason, and message.
    pub(super) fn condition(&self, name: &str) -> String {
        let said = self.view(&key(name)).recorded_condition.map(|condition| {
            let status = if condition.status == Some(true) { "True" } else { "False" };
            format!("{status} {}: {}", condition.reason, condition.message)
        });
        said.unwrap_or_default()
    }

    pub(super) fn recorded_pool(&self, name: &str) -> Option<String> {
        self.view(&key(name)).recorded_pool
    }

    pub(super) fn usage_of(&self, pool: &str) -> PoolUsage {
        self.allocator.usage().find(|(name, _)| *name == pool).unwrap().1
    }
}
