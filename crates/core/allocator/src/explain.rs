//! Why a Service does not have what it wants, pool by pool: the message of its condition.
//!
//! It names nothing that changes without need, so that a Service that waits is not written again and again.

use std::collections::BTreeSet;
use std::net::IpAddr;

use metallb_config::service::{ClusterFamily, Families, FamilyPolicy};
use metallb_config::{Config, Pool, ServiceView};
use metallb_net::{IpFamily, IpRange};

use crate::book::Book;
use crate::condition::{Condition, ConditionReason, LONGEST_MESSAGE};
use crate::refusal::{AllocationError, Refused};

/// Room that a first line leaves for the others, or at least for their number.
const RESERVE: usize = 64;

/// Both families in the order they are given out.
pub(crate) const BOTH: &[IpFamily] = &[IpFamily::V4, IpFamily::V6];

/// What keeps a pool from serving a Service. The most hopeful first: so they are told, for the list may be cut.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Shortage {
    /// Addresses have to be freed.
    Exhausted(String),
    /// The pool has no addresses of a family.
    LacksFamily(String),
    PinnedElsewhere,
    NotAutomatic,
    Refused,
}

impl Shortage {
    fn text(&self) -> &str {
        match self {
            Self::Exhausted(text) | Self::LacksFamily(text) => text,
            Self::PinnedElsewhere => "pinned to other Services by serviceAllocation",
            Self::NotAutomatic => "not assigned automatically (autoAssign is false)",
            Self::Refused => "its configuration is refused",
        }
    }
}

/// The condition of a Service that asked in vain; `allocated` if it keeps what it has meanwhile.
pub(crate) fn explain(
    book: &Book,
    view: &ServiceView,
    error: &AllocationError,
    allocated: bool,
) -> Condition {
    let (reason, lines) = match error {
        AllocationError::Refused(Refused::NotInConfig { addresses }) => {
            (ConditionReason::from(error), where_they_are(book.config(), addresses))
        }
        AllocationError::NothingAvailable => nowhere(book, view),
        AllocationError::PoolFull { pool } | AllocationError::PoolLacksFamily { pool, .. } => {
            (ConditionReason::from(error), in_pool(book, view, pool, &families_wanted(view)))
        }
        _ => (ConditionReason::from(error), Vec::new()),
    };
    Condition { allocated, reason, message: join(&error.to_string(), &lines) }
}

/// The condition of a Service that has an address of one family, and misses the other.
pub(crate) fn explain_second(
    book: &Book,
    view: &ServiceView,
    pool: &Pool,
    family: IpFamily,
    error: &AllocationError,
) -> Condition {
    let message = format!("cannot assign additional IP in PreferDualStack: {error}");
    let lines = in_pool(book, view, &pool.name, &[family]);
    Condition { allocated: true, reason: error.into(), message: join(&message, &lines) }
}

/// Another pool was named than there is: which there are.
pub(crate) fn hint_at_pools(config: &Config, name: &str) -> String {
    if config.refused_pools.contains(name) {
        return "its configuration is refused".to_owned();
    }
    let names: BTreeSet<&str> =
        config.pools.keys().chain(&config.refused_pools).map(String::as_str).collect();
    let shown = names.iter().scan(0, |length, name| {
        *length += name.len() + 2;
        (*length < LONGEST_MESSAGE / 2).then_some(*name)
    });
    let shown: Vec<&str> = shown.collect();
    let more = names.len() - shown.len();
    match (shown.join(", "), more) {
        (_, _) if names.is_empty() => "there are no pools".to_owned(),
        (list, 0) => format!("the pools are {list}"),
        (list, more) => format!("the pools are {list} and {more} more"),
    }
}

/// Nothing in particular was asked for, and no pool had it.
fn nowhere(book: &Book, view: &ServiceView) -> (ConditionReason, Vec<String>) {
    let families = families_wanted(view);
    if families.len() > 1 && view.family_policy == FamilyPolicy::SingleStack {
        let line = "the Service has two cluster addresses, though its ipFamilyPolicy is SingleStack";
        return (ConditionReason::InvalidClusterIps, vec![line.to_owned()]);
    }
    let config = book.config();
    let open = config.pools.values().filter_map(|pool| {
        let shortage = if !pool.admits(view) {
            Shortage::PinnedElsewhere
        } else if !pool.auto_assign {
            Shortage::NotAutomatic
        } else {
            shortage(book, view, pool, &families)?
        };
        Some((shortage, pool.name.as_str()))
    });
    let unread = config.refused_pools.iter().filter(|name| !config.pools.contains_key(*name));
    let refused = unread.map(|name| (Shortage::Refused, name.as_str()));
    let mut all: Vec<(Shortage, &str)> = open.chain(refused).collect();
    all.sort();
    let reason = match all.first() {
        Some((Shortage::Exhausted(_), _)) => ConditionReason::PoolExhausted,
        Some((Shortage::LacksFamily(_), _)) => ConditionReason::PoolLacksFamily,
        _ => ConditionReason::NoPool,
    };
    (reason, all.iter().map(|(shortage, name)| format!("pool {name}: {}", shortage.text())).collect())
}

fn in_pool(book: &Book, view: &ServiceView, name: &str, families: &[IpFamily]) -> Vec<String> {
    let pool = book.config().pools.get(name);
    let shortage = pool.and_then(|pool| shortage(book, view, pool, families));
    shortage.map(|shortage| format!("pool {name}: {}", shortage.text())).into_iter().collect()
}

/// What the pool lacks of the families. None if there is something free. Who needs both is told of both at once: which
/// of them is used up may change all the time.
fn shortage(book: &Book, view: &ServiceView, pool: &Pool, families: &[IpFamily]) -> Option<Shortage> {
    let usage = book.usage_of(&pool.name);
    let (there, missing): (Vec<IpFamily>, Vec<_>) =
        families.iter().partition(|family| usage.capacity(**family) > 0);
    let requires_all = view.family_policy != FamilyPolicy::PreferDualStack;
    let missing: Vec<String> = missing.iter().map(|family| format!("no {family} addresses")).collect();
    if there.is_empty() || requires_all && !missing.is_empty() {
        return (!missing.is_empty()).then(|| Shortage::LacksFamily(missing.join(", ")));
    }
    let counts: Vec<String> =
        there.iter().map(|family| format!("{} {family}", usage.capacity(*family))).collect();
    if requires_all && there.len() > 1 {
        let text = format!("no free pair among its {} addresses", counts.join(" and "));
        return Some(Shortage::Exhausted(text));
    }
    let in_use = |(family, count): (&IpFamily, &String)| {
        (usage.available(*family) == 0).then(|| format!("all {count} addresses in use"))
    };
    let used: Vec<String> = there.iter().zip(&counts).filter_map(in_use).chain(missing).collect();
    (!used.is_empty()).then(|| Shortage::Exhausted(used.join(", ")))
}

/// One line for each address, for it is in no pool, or they are in different ones.
fn where_they_are(config: &Config, addresses: &[IpAddr]) -> Vec<String> {
    let place = |address: IpAddr| {
        let has = |pool: &&Pool| pool.ranges.iter().any(|range: &IpRange| range.contains(address));
        match (config.pool_of_one(address), config.pools.values().find(has)) {
            (Some(pool), _) => format!("{address}: in pool {}", pool.name),
            (None, Some(pool)) => format!("{address}: avoided by pool {} (avoidBuggyIPs)", pool.name),
            (None, None) => format!("{address}: in no pool"),
        }
    };
    let refused = config.refused_pools.iter().filter(|name| !config.pools.contains_key(*name));
    let refused = refused.map(|name| format!("pool {name}: {}", Shortage::Refused.text()));
    addresses.iter().map(|address| place(*address)).chain(refused).collect()
}

/// The families of the Service's cluster addresses, in the order they are given out.
pub(crate) fn families_wanted(view: &ServiceView) -> Vec<IpFamily> {
    match &view.cluster_family {
        ClusterFamily::Known(Families::One(family)) => vec![*family],
        ClusterFamily::Known(Families::Both) => BOTH.to_vec(),
        ClusterFamily::NoAddress | ClusterFamily::Unknown(_) => Vec::new(),
    }
}

/// The first line and as many of the others as fit; the last line says how many do not.
pub(crate) fn join(first: &str, lines: &[String]) -> String {
    let mut message = cut(first, LONGEST_MESSAGE - RESERVE);
    for (index, line) in lines.iter().enumerate() {
        let left = lines.len() - index;
        let needed = if left == 1 { 0 } else { RESERVE };
        if message.len() + 1 + line.len() + needed > LONGEST_MESSAGE {
            message.push_str(&format!("\nand {left} more"));
            break;
        }
        message.push('\n');
        message.push_str(line);
    }
    message
}

/// At most so many bytes of the text.
fn cut(text: &str, limit: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit.saturating_sub(MARK.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned() + MARK
}
