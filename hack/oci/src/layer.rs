//! The layer: a tar of the image's files, without anything of the machine that made it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use crate::{Digest, Error, File};

/// A finished layer.
pub(crate) struct Layer {
    /// The compressed tar.
    pub(crate) blob: Vec<u8>,
    /// Digest of the tar before compression, which the image's configuration lists.
    pub(crate) diff_id: Digest,
}

/// Packs `files`, sorted by path, each after its parent directories.
pub(crate) fn build_layer(files: &[File]) -> Result<Layer, Error> {
    let placed = place(files)?;
    let directories = parents(&placed)?;
    let mut tar = Tar::new();
    for directory in &directories {
        tar.add_directory(directory)?;
    }
    for (path, file) in &placed {
        tar.add_file(path, file.mode, &file.content.read()?)?;
    }
    let plain = tar.finish()?;
    Ok(Layer { diff_id: Digest::of(&plain), blob: gzip(&plain)? })
}

fn place(files: &[File]) -> Result<BTreeMap<String, &File>, Error> {
    let mut placed = BTreeMap::new();
    for file in files {
        if placed.insert(relative(&file.path)?, file).is_some() {
            return Err(Error::Collision(file.path.clone()));
        }
    }
    Ok(placed)
}

/// The path below the root. Only plain components are taken, so no engine can be led astray.
fn relative(path: &str) -> Result<String, Error> {
    let below = path.strip_prefix('/').unwrap_or(path);
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    if below.split('/').all(plain) { Ok(below.to_owned()) } else { Err(Error::UnsafePath(path.to_owned())) }
}

fn parents(placed: &BTreeMap<String, &File>) -> Result<BTreeSet<String>, Error> {
    let mut directories = BTreeSet::new();
    for path in placed.keys() {
        directories.extend(path.match_indices('/').filter_map(|(end, _)| path.get(..end)).map(str::to_owned));
    }
    match directories.iter().find(|directory| placed.contains_key(*directory)) {
        Some(both) => Err(Error::Collision(both.clone())),
        None => Ok(directories),
    }
}

/// The header is written by hand: level, time and system of the machine must not show.
fn gzip(plain: &[u8]) -> Result<Vec<u8>, Error> {
    const UNKNOWN_SYSTEM: u8 = 255; // RFC 1952 §2.3.1
    let failed = |source| Error::Pack("layer".to_owned(), source);
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .operating_system(UNKNOWN_SYSTEM)
        .write(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).map_err(failed)?;
    encoder.finish().map_err(failed)
}

/// A tar in memory whose entries belong to root and date from the epoch.
pub(crate) struct Tar {
    builder: tar::Builder<Vec<u8>>,
}

impl Tar {
    pub(crate) fn new() -> Self {
        Self { builder: tar::Builder::new(Vec::new()) }
    }

    pub(crate) fn add_directory(&mut self, path: &str) -> Result<(), Error> {
        self.append(tar::EntryType::Directory, &format!("{path}/"), 0o755, &[])
    }

    pub(crate) fn add_file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), Error> {
        self.append(tar::EntryType::Regular, path, mode, content)
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        self.builder.into_inner().map_err(|source| Error::Pack("end of archive".to_owned(), source))
    }

    fn append(&mut self, kind: tar::EntryType, path: &str, mode: u32, content: &[u8]) -> Result<(), Error> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode & 0o7777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        self.builder
            .append_data(&mut header, path, content)
            .map_err(|source| Error::Pack(path.to_owned(), source))
    }
}
