//! Opens, updates and closes links as interfaces come, change and go.

use std::collections::BTreeMap;
use std::time::Duration;

use metallb_l2::{Input, Subject};
use metallb_linux::{Interface, Protocol, SocketError};
use metallb_telemetry::logs;
use tokio::time::Instant;

use super::{Driver, FIRST_RETRY, LAST_RETRY};
use crate::layer2::groups::Failure;
use crate::layer2::port::Port;
use crate::layer2::spec::{LinkSpec, LinkStep, PROTOCOLS, diff};

impl Driver {
    /// Brings links in line with the interfaces. What fails is tried again.
    pub(super) fn sync_links(&mut self) {
        let interfaces = self.interfaces.borrow_and_update().clone();
        self.macs = interfaces.iter().filter_map(|interface| interface.mac).collect();
        self.tell_passed_over(&interfaces);
        let wanted = interfaces.iter().filter_map(|interface| LinkSpec::of(interface).ok());
        let wanted: BTreeMap<u32, LinkSpec> = wanted.map(|spec| (spec.link.index, spec)).collect();
        let open = self.ports.iter().map(|(index, port)| (*index, port.spec().clone())).collect();
        self.failing.retain(|index| wanted.contains_key(index));
        let was_broken = self.retry.take().map(|(_, pause)| pause);
        let mut is_broken = false;
        for step in diff(&open, &wanted) {
            // Thousands of links take a while, which is no stall.
            self.gate.permits();
            is_broken |= match step {
                LinkStep::Close(index) => {
                    self.close(index);
                    false
                }
                LinkStep::Open(spec) => !self.open(spec),
                LinkStep::Update { spec, announce } => !self.update(spec, announce),
            };
        }
        for protocol in PROTOCOLS {
            is_broken |= !self.follow_on_ports(protocol);
        }
        for port in self.ports.values_mut() {
            self.gate.permits();
            is_broken |= !port.sync_groups(&self.table, &self.groups, was_broken);
        }
        if is_broken {
            bring_forward(&mut self.retry, next_pause(was_broken));
        }
    }

    /// Else an address would be announced there in words only, and nothing would say why.
    fn tell_passed_over(&mut self, interfaces: &[Interface]) {
        for (interface, reason) in self.passed_over.follow(interfaces) {
            self.gate.permits();
            tracing::info!(interface, %reason, "interface passed over, not announcing on it");
        }
    }

    /// Looks after links again before long, though nothing may have changed.
    pub(super) fn retry_soon(&mut self) {
        bring_forward(&mut self.retry, FIRST_RETRY);
    }

    /// A group could not be joined or left.
    pub(super) fn hear_failure(&mut self, failure: Failure) {
        let Failure { order, error } = failure;
        // The link may have been closed meanwhile, and opened anew.
        let port = self.ports.get_mut(&order.index).filter(|_| order.is_wanted());
        if port.is_some_and(|port| port.hear_failure(order.change, &error)) {
            bring_forward(&mut self.retry, next_pause(order.tried_after));
        }
    }

    fn open(&mut self, spec: LinkSpec) -> bool {
        let (index, name) = (spec.link.index, spec.link.name.clone());
        match Port::open(spec.clone(), &self.reach) {
            Err(error) if self.may_be_shorter(&error) => self.open(spec),
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
        let updated = port.update(spec.clone(), &self.reach);
        match updated {
            Ok(streams) => {
                self.failing.remove(&index);
                self.inbox.extend(streams);
                log_responders(&spec, Some(&old));
                if announce {
                    self.announce_link(index);
                }
                true
            }
            Err(error) if self.may_be_shorter(&error) => self.update(spec, announce),
            Err(error) => self.log_failure(index, &old.link.name, &error),
        }
    }

    /// Has the kernel let through what concerns the addresses announced now.
    pub(super) fn follow_reach(&mut self) {
        while self.reach.refresh(&self.table, Instant::now()) {
            for protocol in PROTOCOLS {
                if !self.follow_on_ports(protocol) {
                    self.retry_soon();
                }
            }
        }
    }

    /// False: some do not. Costs nothing where the filters are in force already.
    fn follow_on_ports(&mut self, protocol: Protocol) -> bool {
        let mut is_done = true;
        for port in self.ports.values_mut() {
            self.gate.permits();
            match port.follow(protocol, self.reach.filters(protocol)) {
                Ok(streams) => self.inbox.extend(streams),
                // All of them follow again.
                Err(error) if error.is_for_room() && self.reach.shorten() => return true,
                Err(error) => {
                    let (interface, error) = (port.name(), logs::chain(&error));
                    tracing::error!(interface, error, "the kernel does not follow the announced addresses");
                    is_done = false;
                }
            }
        }
        is_done
    }

    /// Whether the kernel had no room for the filters, and shorter ones are to be tried.
    fn may_be_shorter(&mut self, error: &SocketError) -> bool {
        error.is_for_room() && self.reach.shorten() && self.reach.refresh(&self.table, Instant::now())
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

/// Tries again after the pause at the latest: what else is broken may wait for longer.
fn bring_forward(retry: &mut Option<(Instant, Duration)>, pause: Duration) {
    let new = (Instant::now() + pause, pause);
    *retry = Some(retry.map_or(new, |planned| planned.min(new)));
}

/// How long to wait before what failed is tried again, which was after this pause the last time.
fn next_pause(last: Option<Duration>) -> Duration {
    last.map_or(FIRST_RETRY, |pause| (pause * 2).min(LAST_RETRY))
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
