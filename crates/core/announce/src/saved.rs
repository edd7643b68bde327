//! What a speaker knows of the cluster, written down, so that one that is restarted while the API server is away can go on.
//!
//! One line names the format, its version, the body's length and its CRC-32; the body is JSON. Anything that is not whole,
//! not of this version or another node's is refused: knowing nothing is better than knowing something wrong.

use std::sync::Arc;

use metallb_api::{IPAddressPool, L2Advertisement};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::node::NodeView;
use crate::service::ServiceFacts;

mod moment;
#[cfg(test)]
mod oracle;
mod shared;
mod slice;
#[cfg(test)]
mod tests;

pub use moment::Moment;
pub use slice::SavedSlice;

/// The first word of the file.
const FORMAT: &str = "metallb-speaker-snapshot";
/// Raised whenever an older speaker would misunderstand, or a newer one miss, something.
const VERSION: u32 = 1;
/// More than a first line ever has.
const LONGEST_LINE: usize = 128;

/// Everything the decisions of a speaker are made of that comes from the API server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// The node whose speaker this was.
    pub node: String,
    /// The Services.
    pub services: Vec<SavedService>,
    /// The EndpointSlices.
    pub slices: Vec<SavedSlice>,
    /// The nodes.
    pub nodes: Vec<NodeView>,
    /// The pools, whole: they are parsed with the configuration.
    #[serde(with = "shared::list")]
    pub pools: Vec<Arc<IPAddressPool>>,
    /// The layer 2 advertisements, whole.
    #[serde(with = "shared::list")]
    pub advertisements: Vec<Arc<L2Advertisement>>,
    /// The speakers' pods.
    pub pods: Vec<SavedPod>,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct SavedService {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, for events about it.
    pub uid: Box<str>,
    /// What decides about it.
    #[serde(with = "shared")]
    pub facts: Arc<ServiceFacts>,
}

/// A speaker's pod.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct SavedPod {
    /// Its name.
    pub name: String,
    /// Its address as it was read; empty if it has none.
    pub address: Box<str>,
}

/// What was written can't be used.
#[derive(Debug, Error)]
pub enum SavedError {
    /// It does not begin like one.
    #[error("it is no snapshot of a speaker")]
    Foreign,
    /// An older or newer speaker wrote it.
    #[error("it has version {0}, this speaker reads version {VERSION}")]
    Version(u32),
    /// Something is missing or too much.
    #[error("it holds {found} bytes instead of {expected}")]
    Length {
        /// As the first line says.
        expected: u64,
        /// As it is.
        found: usize,
    },
    /// Something in it changed.
    #[error("its checksum is wrong")]
    Checksum,
    /// The body is none.
    #[error("its content can't be read")]
    Content(#[source] serde_json::Error),
    /// Another node's speaker wrote it.
    #[error("it is the snapshot of node {0:?}")]
    OtherNode(String),
}

impl Saved {
    /// The text that [`decode`](Self::decode) reads.
    ///
    /// # Errors
    /// Never, as far as is known: all keys are texts.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let body = serde_json::to_vec(self)?;
        let line = format!("{FORMAT} {VERSION} {} {:08x}\n", body.len(), crc32fast::hash(&body));
        let mut text = line.into_bytes();
        text.extend(body);
        Ok(text)
    }

    /// Reads what the speaker of `node` wrote.
    ///
    /// # Errors
    /// When it is not whole, or not meant for this speaker.
    pub fn decode(text: &[u8], node: &str) -> Result<Self, SavedError> {
        let (line, body) = split(text).ok_or(SavedError::Foreign)?;
        let Head { version, length, checksum } = Head::parse(line).ok_or(SavedError::Foreign)?;
        if version != VERSION {
            return Err(SavedError::Version(version));
        }
        if u64::try_from(body.len()) != Ok(length) {
            return Err(SavedError::Length { expected: length, found: body.len() });
        }
        if crc32fast::hash(body) != checksum {
            return Err(SavedError::Checksum);
        }
        let saved: Self = serde_json::from_slice(body).map_err(SavedError::Content)?;
        if saved.node == node { Ok(saved) } else { Err(SavedError::OtherNode(saved.node)) }
    }
}

/// The first line and what follows it.
fn split(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n')?;
    let (line, rest) = text.split_at_checked(end)?;
    Some((std::str::from_utf8(line).ok()?, rest.get(1..)?))
}

/// What the first line says.
struct Head {
    version: u32,
    length: u64,
    checksum: u32,
}

impl Head {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        if words.next() != Some(FORMAT) {
            return None;
        }
        let version = words.next()?.parse().ok()?;
        // Another version may say other things in another way.
        let length = words.next().and_then(|word| word.parse().ok());
        let checksum = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
        match (version, length, checksum) {
            (VERSION, Some(length), Some(checksum)) if words.next().is_none() => {
                Some(Self { version, length, checksum })
            }
            (VERSION, ..) => None,
            _ => Some(Self { version, length: 0, checksum: 0 }),
        }
    }
}
