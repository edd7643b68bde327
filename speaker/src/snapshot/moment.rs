//! When something was so, by a clock that nobody can set.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use metallb_linux::since_boot;

/// Another one each time the machine is started.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const ID_LENGTH: usize = 36;
/// The first word of the line.
const WORD: &str = "metallb-true-at";
/// How many bytes the line takes: it is replaced in place.
pub(super) const LINE: usize = WORD.len() + 1 + ID_LENGTH + 1 + 20 + 1 + 8 + 1;

/// A moment in one run of the machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    /// Which run.
    pub(super) boot: String,
    /// How long after its start.
    pub(super) at: Duration,
}

impl Moment {
    /// # Errors
    /// When it can't be told which run of the machine this is.
    pub(crate) fn now() -> Result<Self> {
        let boot = std::fs::read_to_string(BOOT_ID)?.trim_end().to_owned();
        match is_id(&boot) {
            true => Ok(Self { boot, at: since_boot() }),
            false => Err(Error::new(ErrorKind::InvalidData, format!("{BOOT_ID} holds {boot:?}"))),
        }
    }

    /// The line that [`parse`](Self::parse) reads, with its end. It is as long for every moment.
    pub(super) fn line(&self) -> String {
        let text = format!("{WORD} {} {:020}", self.boot, self.at.as_secs());
        format!("{text} {:08x}\n", crc32fast::hash(text.as_bytes()))
    }

    /// What a line says; None if it is none or spoilt.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(line).ok()?.split(' ').skip(1);
        let (boot, seconds) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let moment = Self { boot, at: Duration::from_secs(seconds) };
        (is_id(&moment.boot) && moment.line().as_bytes() == line).then_some(moment)
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_and_is_as_long_for_every_moment() {
        let now = Moment::now().unwrap();
        for seconds in [0, 1, now.at.as_secs(), u64::MAX] {
            let moment = Moment { at: Duration::from_secs(seconds), ..now.clone() };
            let line = moment.line();
            assert_eq!((line.len(), Moment::parse(line.as_bytes())), (LINE, Some(moment)), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_spoilt_anywhere_says_nothing() {
        let line = Moment::now().unwrap().line().into_bytes();
        for (at, bit) in (0..line.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut spoilt = line.clone();
            spoilt[at] ^= 1 << bit;
            assert_eq!(Moment::parse(&spoilt), None, "{}", String::from_utf8_lossy(&spoilt));
        }
        for length in 0..line.len() {
            assert_eq!(Moment::parse(&line[..length]), None, "{length}");
        }
    }
}
