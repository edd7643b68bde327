//! Why a configuration can't be converted.

use serde_saphyr::Error as YamlError;

/// Nothing was converted.
#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    /// The object is of another kind.
    #[error("not a configmap")]
    Kind,
    /// The `ConfigMap` has no `config`.
    #[error("bad ConfigMap: no data")]
    NoData,
    /// The text is no YAML, or has fields the old configuration did not have.
    #[error("reading {what}")]
    Yaml {
        /// The object or the configuration in it.
        what: &'static str,
        /// What is wrong, and where.
        #[source]
        source: Box<YamlError>,
    },
    /// No letter is left of the name.
    #[error("failed to make {kind} K8S compatible: {name}")]
    Name {
        /// What it names, in the original's words.
        kind: &'static str,
        /// The name given.
        name: String,
    },
    /// Two names are the same once Kubernetes can take them.
    #[error("{kind} {name}: two of this name")]
    SameName {
        /// What it names, in the original's words.
        kind: &'static str,
        /// The name both would have.
        name: String,
    },
    /// A pool would not be announced, and nobody would say so.
    #[error("address pool {pool}: unknown protocol {protocol:?}: use \"layer2\" or \"bgp\"")]
    Protocol {
        /// The pool.
        pool: String,
        /// What was given.
        protocol: String,
    },
    /// A timer of a peer is no duration.
    #[error("peer {peer}: invalid {field} {value:?}: use a duration such as 90s")]
    Duration {
        /// The peer, by its number.
        peer: usize,
        /// The field.
        field: &'static str,
        /// What was given.
        value: String,
    },
    /// The hold time of a peer is too short.
    #[error("peer {peer}: invalid hold-time {value:?}: must be 0 or >=3s")]
    HoldTime {
        /// The peer, by its number.
        peer: usize,
        /// What was given.
        value: String,
    },
    /// The objects are not valid, each with its reason.
    #[error("{0}")]
    Invalid(String),
    /// The objects can't be written.
    #[error("writing {kind}")]
    Write {
        /// Kind of the object.
        kind: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
