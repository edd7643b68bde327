//! Writes container images as OCI layout archives: the same input gives the same bytes and the same digest.
//!
//! Must not know: what is in an image, how its files were built, or who loads it. No container engine is called.

mod archive;
mod digest;
mod image;
mod layer;

pub use archive::write_archive;
pub use digest::Digest;
pub use image::{Content, File, Image, tag_of};

use std::path::PathBuf;

/// Why no archive was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image has no usable name.
    #[error(
        "image reference {0:?} is not of the form registry/name:tag; give it a registry, a name and a tag"
    )]
    Reference(String),
    /// A file would land outside the image's root, or its path has no single meaning.
    #[error(
        "file {0:?} of the image: the path must name something below the root, without `.`, `..` or `//`"
    )]
    UnsafePath(String),
    /// Two files want the same place, or one lies below another.
    #[error("file {0:?} of the image collides with another file; name each path once")]
    Collision(String),
    /// The source of a file cannot be read.
    #[error("cannot read {}, the content of an image file; build it first", .path.display())]
    Read {
        /// The source on this machine.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A layer or the archive around it could not be put together.
    #[error("cannot pack {0:?} into a tar archive")]
    Pack(String, #[source] std::io::Error),
    /// A document of the image could not be written as JSON.
    #[error("cannot write the image's {0} as JSON")]
    Json(&'static str, #[source] serde_json::Error),
    /// The finished archive could not be stored.
    #[error("cannot write the image archive {}", .path.display())]
    Write {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
