//! Opens, updates and closes links as interfaces come, change and go.

use std::collections::BTreeMap;

use metallb_l2::{Input, Subject};
use metallb_linux::{Protocol, SocketError};
use metallb_telemetry::logs;
use tokio::time::Instant;

use super::{Driver, FIRST_RETRY, LAST_RETRY};
use crate::layer2::port::Port;
use crate::layer2::spec::{LinkSpec, LinkStep, diff};

impl Driver {
    /// Brings links in line with the interfaces. What fails is tried again.
    pub(super) fn sync_links(&mut self) {
        let interfaces = self.interfaces.borrow_and_update().clone();
        self.macs = interfaces.iter().filter_map(|interface| interface.mac).collect();
        let wanted = interfaces.iter().filter_map(|interface| LinkSpec::of(interface).ok());
        let wanted: BTreeMap<u32, LinkSpec> = wanted.map(|spec| (spec.link.index, spec)).collect();
        let open = self.ports.iter().map(|(index, port)| (*index, port.spec().clone())).collect();
        self.failing.retain(|index| wanted.contains_key(index));
        let was_broken = self.retry.take();
        let mut is_broken = false;
        for step in diff(&open, &wanted) {
            is_broken |= match step {
                LinkStep::Close(index) => {
                    self.close(index);
                    false
                }
                LinkStep::Open(spec) => !self.open(spec),
                LinkStep::Update { spec, announce } => !self.update(spec, announce),
            };
        }
        for port in self.ports.values_mut() {
            // Thousands of groups take a while, which is no stall.
            is_broken |= !port.sync_groups(&self.table, || {
                self.gate.permits();
            });
        }
        if is_broken {
            let pause = was_broken.map_or(FIRST_RETRY, |(_, pause)| (pause * 2).min(LAST_RETRY));
            self.retry = Some((Instant::now() + pause, pause));
        }
    }

    /// Looks after links again before long, though nothing may have changed.
    pub(super) fn retry_soon(&mut self) {
        self.retry.get_or_insert((Instant::now() + FIRST_RETRY, FIRST_RETRY));
    }

    fn open(&mut self, spec: LinkSpec) -> bool {
        let (index, name) = (spec.link.index, spec.link.name.clone());
        match Port::open(spec, &self.reach) {
            Ok((port, streams)) => {
                self.failing.remove(&index);
                self.inbox.extend(streams);
                log_responders(port.spec(), None);
                self.ports.insert(index, port);
                self.announce_link(index);
                true
            }
            Err(error) => self.log_failure(index, &name, &error),
        }
    }

    pub(super) fn close(&mut self, index: u32) {
        if let Some(port) = self.ports.remove(&index) {
            tracing::warn!(interface = port.name(), "interface no longer usable, not announcing on it");
        }
        self.burst.handle(self.now(), Input::Withdraw(Subject::Link(index)));
    }

    fn update(&mut self, spec: LinkSpec, announce: bool) -> bool {
        let index = spec.link.index;
        let Some(port) = self.ports.get_mut(&index) else { return true };
        let old = port.spec().clone();
        match port.update(spec, &self.reach) {
            Ok(streams) => {
                self.failing.remove(&index);
                self.inbox.extend(streams);
                log_responders(port.spec(), Some(&old));
                if announce {
                    self.announce_link(index);
                }
                true
            }
            Err(error) => self.log_failure(index, &old.link.name, &error),
        }
    }

    /// False: it failed.
    fn log_failure(&mut self, index: u32, interface: &str, error: &SocketError) -> bool {
        if self.failing.insert(index) {
            let error = logs::chain(error);
            tracing::error!(interface, error, "can't announce on interface, trying again");
        }
        false
    }
}

fn log_responders(new: &LinkSpec, old: Option<&LinkSpec>) {
    let interface = new.link.name.as_str();
    let is_created = |protocol| new.speaks(protocol) && !old.is_some_and(|old| old.speaks(protocol));
    if is_created(Protocol::Arp) {
        tracing::info!(interface, "created ARP responder for interface");
    }
    if is_created(Protocol::Ndp) {
        tracing::info!(interface, "created NDP responder for interface");
    }
}
