//! What an image holds and how it starts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Error;

/// An image of one layer on nothing (`FROM scratch`), for the architecture this program was built for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Image {
    /// The full name under which an engine stores the image: `registry/name:tag`.
    pub reference: String,
    /// The program and its fixed arguments.
    pub entrypoint: Vec<String>,
    /// Arguments used when the pod gives none.
    pub cmd: Vec<String>,
    /// Environment, by name.
    pub env: BTreeMap<String, String>,
    /// `uid:gid` in numbers (there is no passwd file to look a name up in); empty means root.
    pub user: String,
    /// Labels, by name.
    pub labels: BTreeMap<String, String>,
    /// The files of the layer, in any order.
    pub files: Vec<File>,
}

/// One regular file, owned by root. Parent directories come along with mode 0755.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// Place in the image, with or without the leading slash.
    pub path: String,
    /// Permission bits, such as `0o755`.
    pub mode: u32,
    /// What is in it.
    pub content: Content,
}

/// Where the bytes of a file come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file of this machine; its own mode and times do not matter.
    Source(PathBuf),
}

impl Content {
    pub(crate) fn read(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::Source(path) => {
                std::fs::read(path).map_err(|source| Error::Read { path: path.clone(), source })
            }
        }
    }
}

impl Image {
    pub(crate) fn tag(&self) -> Result<&str, Error> {
        tag_of(&self.reference)
    }
}

/// The tag of an image reference.
///
/// # Errors
/// When `reference` is not `registry/name:tag`: containerd would store such a name, but Kubernetes could never ask
/// for it.
pub fn tag_of(reference: &str) -> Result<&str, Error> {
    let refused = || Error::Reference(reference.to_owned());
    let (name, tag) = reference.rsplit_once(':').ok_or_else(refused)?;
    let (registry, path) = name.split_once('/').ok_or_else(refused)?;
    let (host, port) = registry.split_once(':').map_or((registry, None), |(host, port)| (host, Some(port)));
    let digits = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    let whole = is_plain(host) && port.is_none_or(digits) && path.split('/').all(is_plain) && is_plain(tag);
    if whole { Ok(tag) } else { Err(refused()) }
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
