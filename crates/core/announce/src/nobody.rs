//! Why nobody announces a Service, as every speaker sees it: no word of it depends on who looks.

use std::collections::BTreeSet;
use std::fmt;

use metallb_api::names::LABEL_EXCLUDE_BALANCERS;
use metallb_config::Pool;

use crate::decision::Case;
use crate::world::Bar;

/// The most nodes that are named; others are counted.
const NAMED: usize = 3;

/// Why nobody announces a Service that has addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Nobody {
    /// No endpoint can serve.
    NoEndpoint,
    /// No advertisement of its pool is for it.
    NoAdvertisement {
        /// The pool.
        pool: String,
        /// The advertisements of the pool, which select other Services.
        others: usize,
    },
    /// It shares its address while an advertisement selects Services.
    SharedAddress,
    /// No node may announce it.
    NoNode(Barred),
}

/// The nodes that could announce a Service if nothing kept them from it, each by the first thing that does.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Barred {
    /// Nodes an advertisement selects.
    pub selected: usize,
    /// Of them those without a live speaker.
    pub without_speaker: Tally,
    /// Those whose network is unavailable.
    pub network_unavailable: Tally,
    /// Those labelled to stay out.
    pub excluded: Tally,
    /// Those without an endpoint that can serve, where only such may announce.
    pub without_endpoint: Tally,
    /// Nodes with a live speaker that no advertisement selects.
    pub not_selected: Tally,
}

/// Some nodes: how many, and the first of them by name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    count: usize,
    first: Vec<String>,
}

impl<'a> FromIterator<&'a str> for Tally {
    fn from_iter<T: IntoIterator<Item = &'a str>>(nodes: T) -> Self {
        let mut tally = Self::default();
        nodes.into_iter().for_each(|node| tally.add(node));
        tally
    }
}

impl Tally {
    fn add(&mut self, node: &str) {
        self.count = self.count.saturating_add(1);
        if self.first.len() < NAMED {
            self.first.push(node.to_owned());
        }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// A line of its own, or nothing for none.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
        if self.count == 0 {
            return Ok(());
        }
        write!(f, "\n{} {what}: {}", self.count, self.first.join(", "))?;
        match self.count.saturating_sub(self.first.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Nobody {
    /// Of a Service no node of the case may announce; none if one may.
    pub(crate) fn of(case: &Case<'_>, pool: &Pool) -> Option<Self> {
        if case.advertisements.is_empty() {
            let others = pool.l2_advertisements.len();
            return Some(Self::NoAdvertisement { pool: pool.name.clone(), others });
        }
        case.candidates().is_empty().then(|| Self::NoNode(Barred::of(case)))
    }
}

impl Barred {
    fn of(case: &Case<'_>) -> Self {
        let selected: BTreeSet<&String> = case.advertisements.iter().flat_map(|ad| &ad.nodes).collect();
        let mut barred = Self { selected: selected.len(), ..Self::default() };
        for node in &selected {
            match case.world.bar(node) {
                Some(Bar::NoSpeaker) => barred.without_speaker.add(node),
                Some(Bar::NetworkUnavailable) => barred.network_unavailable.add(node),
                Some(Bar::Excluded) => barred.excluded.add(node),
                None => barred.without_endpoint.add(node),
            }
        }
        for node in case.world.live().filter(|node| !selected.contains(node)) {
            barred.not_selected.add(node);
        }
        barred
    }

    /// Whether no speaker is alive where one should announce.
    pub(crate) fn lacks_speakers(&self) -> bool {
        self.selected > 0 && self.without_speaker.count == self.selected
    }
}

impl fmt::Display for Nobody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEndpoint => f.write_str("no endpoint can serve"),
            Self::NoAdvertisement { pool, others: 0 } => {
                write!(f, "no L2Advertisement is for IPAddressPool {pool}")
            }
            Self::NoAdvertisement { pool, others } => write!(
                f,
                "none of the {others} L2Advertisements of IPAddressPool {pool} selects this Service by its labels"
            ),
            Self::SharedAddress => f.write_str(
                "it shares its address while an L2Advertisement selects Services: remove one or the other",
            ),
            Self::NoNode(barred) => barred.fmt(f),
        }
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.selected {
            0 => f.write_str("its L2Advertisements select no node")?,
            1 => f.write_str("the node its L2Advertisements select may not announce it")?,
            some => write!(f, "none of the {some} nodes its L2Advertisements select may announce it")?,
        }
        self.without_speaker.write(f, "without a live speaker")?;
        self.network_unavailable.write(f, "with condition NetworkUnavailable")?;
        self.excluded.write(f, &format!("with label {LABEL_EXCLUDE_BALANCERS}"))?;
        self.without_endpoint.write(f, "without an endpoint that can serve (externalTrafficPolicy Local)")?;
        self.not_selected.write(f, "with a live speaker, not selected")
    }
}
