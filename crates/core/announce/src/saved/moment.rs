//! When something was so, by a clock that nobody can set: the line above what is saved.

use std::time::Duration;

const ID_LENGTH: usize = 36;
/// The first word of the line.
const WORD: &str = "metallb-true-at";

/// A moment in one run of the machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Moment {
    /// Which run: the kernel's boot id.
    pub boot: String,
    /// How long after its start; seconds are written down.
    pub at: Duration,
}

impl Moment {
    /// How many bytes a line takes: it is replaced in place.
    pub const LINE: usize = WORD.len() + 1 + ID_LENGTH + 1 + 20 + 1 + 8 + 1;

    /// Whether this can name a run of a machine.
    #[must_use]
    pub fn is_boot(text: &str) -> bool {
        text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    }

    /// The line that [`parse`](Self::parse) reads, with its end. It is as long for every moment.
    #[must_use]
    pub fn line(&self) -> String {
        let text = format!("{WORD} {} {:020}", self.boot, self.at.as_secs());
        format!("{text} {:08x}\n", crc32fast::hash(text.as_bytes()))
    }

    /// What a line says; None if it is none or spoilt.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(line).ok()?.split(' ').skip(1);
        let (boot, seconds) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let moment = Self { boot, at: Duration::from_secs(seconds) };
        (Self::is_boot(&moment.boot) && moment.line().as_bytes() == line).then_some(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64) -> Moment {
        Moment { boot: "0b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a69".to_owned(), at: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_line_says_when_and_is_as_long_for_every_moment() {
        for seconds in [0, 1, 86_400, u64::MAX] {
            let line = moment(seconds).line();
            let read = Moment::parse(line.as_bytes());
            assert_eq!((line.len(), read), (Moment::LINE, Some(moment(seconds))), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_spoilt_anywhere_says_nothing() {
        let line = moment(4711).line().into_bytes();
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
