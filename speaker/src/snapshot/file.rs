//! The file: read with distrust, replaced as a whole.
//!
//! Its first line says when the rest was last known to be true, and is the only thing that is ever changed in place.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use metallb_announce::{Moment, Saved, SavedError};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::geteuid;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// No link is followed, and a pipe to which nobody listens is not waited for.
const DISTRUST: i32 = O_NOFOLLOW | O_NONBLOCK;
/// Ten times what ten thousand Services take: nothing larger is read.
const LARGEST: u64 = 64 * 1024 * 1024;
/// Nobody else needs to read it.
const MODE: u32 = 0o600;
/// Who may write it besides its owner: nobody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Where the file is and how long it counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SnapshotSettings {
    /// The file.
    pub path: PathBuf,
    /// Beyond this age it is not used.
    pub max_age: Duration,
}

/// The file is not used.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// It can't be read.
    #[error("it can't be read")]
    Read(#[source] io::Error),
    /// It is a folder, a device or the like.
    #[error("it is no regular file")]
    NoFile,
    /// Somebody else made it, or could have changed it.
    #[error("it belongs to user {owner} with mode {mode:o}: it must be this user's alone")]
    NotOurs {
        /// The owner's number.
        owner: u32,
        /// The permissions.
        mode: u32,
    },
    /// Which run of the machine this is can't be told.
    #[error("which boot this is can't be told")]
    Boot(#[source] io::Error),
    /// What was true before the machine started says nothing about now.
    #[error("it was written before the machine was started anew")]
    OtherBoot,
    /// No clock can be this wrong.
    #[error("it is of a time to come")]
    Future,
    /// It is too old.
    #[error("it is {}s old, more than --snapshot-max-age", .0.as_secs())]
    Old(Duration),
    /// It is larger than any snapshot.
    #[error("it holds {0} bytes, too many for a snapshot")]
    Large(u64),
    /// It holds something else.
    #[error(transparent)]
    Content(#[from] SavedError),
}

/// What a file held.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) saved: Saved,
    /// Later than this after the machine was started it is too old.
    pub(crate) expires: Duration,
}

/// What the file holds `now`; None if there is no file.
pub(crate) fn read(
    settings: &SnapshotSettings,
    node: &str,
    now: io::Result<Moment>,
) -> Result<Option<Found>, ReadError> {
    let opened = OpenOptions::new().read(true).custom_flags(DISTRUST).open(&settings.path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(ReadError::Read)?,
    };
    check(&file)?;
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text).map_err(ReadError::Read)?;
    let (line, text) = text.split_at_checked(Moment::LINE).ok_or(SavedError::Foreign)?;
    let written = Moment::parse(line).ok_or(SavedError::Foreign)?;
    check_age(&written, &now.map_err(ReadError::Boot)?, settings.max_age)?;
    let saved = Saved::decode(text, node)?;
    Ok(Some(Found { saved, expires: written.at.saturating_add(settings.max_age) }))
}

fn check_age(written: &Moment, now: &Moment, max_age: Duration) -> Result<(), ReadError> {
    if written.boot != now.boot {
        return Err(ReadError::OtherBoot);
    }
    match now.at.checked_sub(written.at) {
        Some(age) if age > max_age => Err(ReadError::Old(age)),
        Some(_) => Ok(()),
        None => Err(ReadError::Future),
    }
}

fn check(file: &File) -> Result<(), ReadError> {
    let metadata = file.metadata().map_err(ReadError::Read)?;
    if !metadata.is_file() {
        return Err(ReadError::NoFile);
    }
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != geteuid().as_raw() || mode & WRITABLE_BY_OTHERS != 0 {
        return Err(ReadError::NotOurs { owner, mode });
    }
    if metadata.len() > LARGEST {
        return Err(ReadError::Large(metadata.len()));
    }
    Ok(())
}

/// Replaces the file: whoever reads it finds the old text or the new one. Not forced onto the disk, since it need not
/// outlive the machine.
pub(super) fn write(path: &Path, now: &Moment, text: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let written = write_anew(&unfinished, now, text).and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        // Half a file would take room on a disk that may be full.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

fn write_anew(path: &Path, now: &Moment, text: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(now.line().as_bytes())?;
    file.write_all(text)
}

/// Says that the text is still what is so.
pub(super) fn touch(path: &Path, now: &Moment) -> io::Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(DISTRUST).open(path)?;
    check(&file).map_err(io::Error::other)?;
    file.write_all_at(now.line().as_bytes(), 0)
}
