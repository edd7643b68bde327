//! This moment, by a clock that nobody can set.

use std::io::{Error, ErrorKind, Result};

use metallb_announce::Moment;
use metallb_linux::since_boot;

/// Another one each time the machine is started.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// # Errors
/// When it can't be told which run of the machine this is.
pub(crate) fn now() -> Result<Moment> {
    let boot = std::fs::read_to_string(BOOT_ID)?.trim_end().to_owned();
    match Moment::is_boot(&boot) {
        true => Ok(Moment { boot, at: since_boot() }),
        false => Err(Error::new(ErrorKind::InvalidData, format!("{BOOT_ID} holds {boot:?}"))),
    }
}
