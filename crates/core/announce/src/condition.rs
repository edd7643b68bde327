//! The condition `metallb.io/Announced`: which node announces a Service and on which interfaces, or why nobody does.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use metallb_config::Interfaces;

use crate::nobody::Nobody;
use crate::outlook::Outlook;

/// The condition's type.
pub const CONDITION_ANNOUNCED: &str = "metallb.io/Announced";

/// The most bytes a message may have.
const LONGEST_MESSAGE: usize = 1024;

/// What the condition says of a Service.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Condition {
    /// Whether it is announced.
    pub status: Standing,
    /// The reason, for machines.
    pub reason: String,
    /// For people: a line for each cause. At most 1024 bytes.
    pub message: String,
}

/// What stands in a Service, as far as it must be known to tell whether it is right: texts take ten times the room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Said {
    /// Whether it is announced.
    pub status: Standing,
    /// A digest of reason and message; good within one process.
    words: u64,
    /// A digest of the beginning of the message.
    beginning: u64,
}

/// Whether a Service is announced.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Standing {
    /// It is.
    True,
    /// Nobody announces it.
    False,
    /// A node was elected that does not say.
    Unknown,
}

/// The reasons of the condition `metallb.io/Announced`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AnnouncedReason {
    /// A node announces it.
    Announced,
    /// No endpoint can serve.
    NoEndpoint,
    /// No L2Advertisement is for its pool, or for such a Service.
    NoAdvertisement,
    /// It shares its address while an L2Advertisement selects Services.
    SharedAddress,
    /// No speaker is alive on any node its L2Advertisements select.
    NoSpeaker,
    /// Nodes its L2Advertisements select have a live speaker, and something else keeps them from announcing.
    NoCandidateNode,
    /// The elected node has none of the interfaces its L2Advertisements name.
    NoInterface,
    /// The elected node has not said whether it announces.
    NotReported,
}

impl AnnouncedReason {
    /// Every reason, for the documents.
    pub const ALL: [Self; 8] = [
        Self::Announced,
        Self::NoEndpoint,
        Self::NoAdvertisement,
        Self::SharedAddress,
        Self::NoSpeaker,
        Self::NoCandidateNode,
        Self::NoInterface,
        Self::NotReported,
    ];

    /// The reason as it stands in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "Announced",
            Self::NoEndpoint => "NoEndpoint",
            Self::NoAdvertisement => "NoAdvertisement",
            Self::SharedAddress => "SharedAddress",
            Self::NoSpeaker => "NoSpeaker",
            Self::NoCandidateNode => "NoCandidateNode",
            Self::NoInterface => "NoInterface",
            Self::NotReported => "NotReported",
        }
    }

    fn of(nobody: &Nobody) -> Self {
        match nobody {
            Nobody::NoEndpoint => Self::NoEndpoint,
            Nobody::NoAdvertisement { .. } => Self::NoAdvertisement,
            Nobody::SharedAddress => Self::SharedAddress,
            Nobody::NoNode(barred) if barred.lacks_speakers() => Self::NoSpeaker,
            Nobody::NoNode(_) => Self::NoCandidateNode,
        }
    }
}

impl Said {
    /// Reads a condition. A status Kubernetes does not know is as good as `Unknown`.
    #[must_use]
    pub fn read(status: &str, reason: &str, message: &str) -> Self {
        let status = match status {
            "True" => Standing::True,
            "False" => Standing::False,
            _ => Standing::Unknown,
        };
        let beginning = message.split_inclusive(' ').take(2).map(str::len).sum();
        let beginning = message.get(..beginning).unwrap_or_default();
        Self { status, words: digest(&(reason, message)), beginning: digest(&beginning) }
    }

    /// Whether it says what became of the election of this node.
    pub(crate) fn is_of(&self, owner: &str) -> bool {
        self.beginning == digest(&format!("node {owner} ").as_str())
    }
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Standing {
    /// The status as it stands in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Condition {
    fn new(status: Standing, reason: AnnouncedReason, mut message: String) -> Self {
        if message.len() > LONGEST_MESSAGE {
            message.truncate(message.floor_char_boundary(LONGEST_MESSAGE.saturating_sub('…'.len_utf8())));
            message.push('…');
        }
        Self { status, reason: reason.as_str().to_owned(), message }
    }

    /// What stands in a Service that says this.
    #[must_use]
    pub fn as_said(&self) -> Said {
        Said::read(self.status.as_str(), &self.reason, &self.message)
    }
}

impl Outlook {
    /// The condition a Service needs, as node `me` says it; none if it needs none.
    #[must_use]
    pub fn condition(&self, me: &str) -> Option<Condition> {
        Some(match self {
            Self::Nothing | Self::Unchanged | Self::NotHere => return None,
            Self::Here { interfaces, off_subnet, in_subnet, overruled } => {
                let mut message = format!("node {me} announces on {}", named(interfaces));
                for address in off_subnet {
                    // Writing to a string can't fail.
                    let _ = write!(
                        message,
                        "\nnode {me} has no address in the subnet of {address}: its neighbours may not ask for it"
                    );
                }
                if let Some(address) = in_subnet {
                    let _ = write!(
                        message,
                        "\nnode {me} has an interface in the subnet of {address}: those without are left out \
                         (subnets: Prefer)"
                    );
                }
                if let Some(overruled) = overruled {
                    let _ = write!(message, "\nnode {me} goes by the election of the original: {overruled}");
                }
                Condition::new(Standing::True, AnnouncedReason::Announced, message)
            }
            Self::NoInterface { interfaces } => {
                let what = match interfaces {
                    Interfaces::All => "interface that is not excluded from announcing".to_owned(),
                    Interfaces::Only(_) => named(interfaces),
                };
                let message = format!("node {me} was elected and has no {what}");
                Condition::new(Standing::False, AnnouncedReason::NoInterface, message)
            }
            Self::There { owner } => {
                let message = format!("node {owner} was elected and has not said whether it announces");
                Condition::new(Standing::Unknown, AnnouncedReason::NotReported, message)
            }
            Self::Nobody(nobody) => {
                Condition::new(Standing::False, AnnouncedReason::of(nobody), nobody.to_string())
            }
        })
    }
}

fn named(interfaces: &Interfaces) -> String {
    match interfaces {
        Interfaces::All => "all interfaces".to_owned(),
        Interfaces::Only(names) => {
            let word = if names.len() == 1 { "interface" } else { "interfaces" };
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("{word} {}", names.join(", "))
        }
    }
}
