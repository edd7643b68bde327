//! What moved to or from this node, and what caused it: for people who look back.

use std::collections::BTreeSet;
use std::net::IpAddr;

use metallb_config::ServiceKey;

use crate::decision::Verdict;
use crate::installed::Installed;
use crate::plan::Services;
use crate::world::World;

#[cfg(test)]
mod tests;

/// Addresses of a Service that came to this node or went from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shift {
    /// The Service.
    pub service: ServiceKey,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The node that was to announce them until now; none if none was.
    pub from: Option<String>,
    /// The node that is to announce them from now on; none if none is.
    pub to: Option<String>,
    /// What caused it.
    pub cause: Cause,
}

/// What causes a shift. Of several that come together, the first in this order that touches the nodes concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// This speaker looked for the first time.
    Start,
    /// The speaker of the node it went from said goodbye.
    MemberLeft,
    /// That speaker is taken for dead.
    MemberFailed,
    /// The speaker of the node it went to counts now.
    MemberJoined,
    /// This node came and went too often of late, or does not any more: it answers where nobody else could.
    Held,
    /// The condition or a label of one of the nodes changed.
    Node,
    /// The interfaces of this node changed, or the subnets another one has.
    Interfaces,
    /// The configuration changed.
    Configuration,
    /// The Service itself changed: its addresses, labels or policy.
    Service,
    /// What the others hold, or how much a node may have, changed: `preempt` or `spread` of an advertisement. Or whether
    /// these and `subnets` count, since a speaker that knows nothing of them came or went.
    Terms,
    /// Where it can be served changed.
    Endpoints,
}

impl Cause {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::MemberLeft => "MemberLeft",
            Self::MemberFailed => "MemberFailed",
            Self::MemberJoined => "MemberJoined",
            Self::Held => "Held",
            Self::Node => "Node",
            Self::Interfaces => "Interfaces",
            Self::Configuration => "Configuration",
            Self::Service => "Service",
            Self::Terms => "Terms",
            Self::Endpoints => "Endpoints",
        }
    }

    /// Whether it began with a change of the list of members.
    #[must_use]
    pub fn is_of_members(self) -> bool {
        matches!(self, Self::MemberLeft | Self::MemberFailed | Self::MemberJoined | Self::Held)
    }
}

/// What changed between two looks.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Whether nothing was looked at before.
    pub is_first: bool,
    /// What all Services had in common until now, if that changed.
    pub before: Option<&'a World>,
    /// What they have in common now.
    pub now: &'a World,
    /// The nodes whose speaker said goodbye.
    pub left: &'a BTreeSet<String>,
    /// The Services there are now.
    pub services: &'a Services,
    /// The Services that changed themselves.
    pub edited: &'a BTreeSet<ServiceKey>,
    /// Services that did not, and have another owner for what others hold or have.
    pub chosen: &'a BTreeSet<ServiceKey>,
}

/// What these verdicts move, before they are carried out: the last of them, `most` at most.
#[must_use]
pub fn shifts(
    installed: &Installed,
    verdicts: &[(ServiceKey, Verdict)],
    change: &Change<'_>,
    most: usize,
) -> Vec<Shift> {
    let shift = |(key, verdict): &(ServiceKey, Verdict)| shift(installed, key, verdict, change);
    let mut shifts: Vec<Shift> = verdicts.iter().rev().filter_map(shift).take(most).collect();
    shifts.reverse();
    shifts
}

fn shift(installed: &Installed, key: &ServiceKey, verdict: &Verdict, change: &Change<'_>) -> Option<Shift> {
    let me = change.now.inputs().me.as_str();
    let (addresses, from, to) = match (installed.announced_addresses(key), verdict) {
        (None, Verdict::Announce(new)) => (new.addresses.clone(), installed.owner_elsewhere(key), Some(me)),
        (Some(old), Verdict::Announce(new)) if old != new.addresses => {
            (new.addresses.clone(), None, Some(me))
        }
        (Some(old), Verdict::Skip(reason)) => {
            let (moved, to) = change.moved(key, old, reason.owner());
            (moved, Some(me), to)
        }
        (Some(_), Verdict::Announce(_) | Verdict::Orphan(_)) | (None, _) => return None,
    };
    let cause = change.cause(key, from, to);
    Some(Shift {
        service: key.clone(),
        addresses,
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        cause,
    })
}

impl Change<'_> {
    /// Which of a Service's old addresses another node announces, and which one does. One that the Service has no more is
    /// nobody's.
    fn moved<'n>(
        &self,
        service: &ServiceKey,
        old: &[IpAddr],
        owner: Option<&'n str>,
    ) -> (Vec<IpAddr>, Option<&'n str>) {
        let now = self.services.get(service).and_then(|service| service.addresses.as_deref());
        let is_kept = |address: &&IpAddr| now.is_some_and(|now| now.contains(*address));
        let kept: Vec<IpAddr> = old.iter().filter(is_kept).copied().collect();
        if kept.is_empty() { (old.to_vec(), None) } else { (kept, owner) }
    }

    fn cause(&self, service: &ServiceKey, from: Option<&str>, to: Option<&str>) -> Cause {
        if self.is_first {
            return Cause::Start;
        }
        if let Some(cause) = self.before.and_then(|before| self.shared_cause(before, from, to)) {
            return cause;
        }
        match (self.edited.contains(service), self.chosen.contains(service)) {
            (true, _) => Cause::Service,
            (false, true) => Cause::Terms,
            (false, false) => Cause::Endpoints,
        }
    }

    /// The cause among what all Services have in common; none if that did not cause it.
    fn shared_cause(&self, before: &World, from: Option<&str>, to: Option<&str>) -> Option<Cause> {
        if let Some(lost) = from.filter(|node| before.is_alive(node) && !self.now.is_alive(node)) {
            return Some(match (self.now.is_held(lost), self.left.contains(lost)) {
                (true, _) => Cause::Held,
                (false, true) => Cause::MemberLeft,
                (false, false) => Cause::MemberFailed,
            });
        }
        if let Some(risen) = to.filter(|node| !before.is_alive(node) && self.now.is_alive(node)) {
            return Some(if before.is_held(risen) { Cause::Held } else { Cause::MemberJoined });
        }
        let mut concerned = from.into_iter().chain(to);
        if concerned.any(|node| before.standing(node) != self.now.standing(node)) {
            return Some(Cause::Node);
        }
        if before.inputs().config != self.now.inputs().config {
            return Some(Cause::Configuration);
        }
        if before.has_wishes() != self.now.has_wishes() {
            return Some(Cause::Terms);
        }
        let has_others = self.now.asks_for_subnets() && before.inputs().subnets != self.now.inputs().subnets;
        let is_same = before.inputs().interfaces == self.now.inputs().interfaces && !has_others;
        (!is_same).then_some(Cause::Interfaces)
    }
}
