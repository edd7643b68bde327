//! Durations as Go writes them, which is how the API has them: `90s`, `1m30s`, `500ms`.
//!
//! kube-core has a type for these texts, but it panics on some of them and prints them in another form.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration that is not negative. Parses and prints as Go does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct GoDuration(pub Duration);

/// The text is no duration, a negative one, or one of more than 292 years.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoDuration;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// Go counts nanoseconds in an int64.
const MAX_NANOSECONDS: u64 = i64::MAX.unsigned_abs();

impl FromStr for GoDuration {
    type Err = NoDuration;

    fn from_str(text: &str) -> Result<Self, NoDuration> {
        let (is_negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let mut total = 0u64;
        // The only number that needs no unit.
        if rest == "0" {
            rest = "";
        } else if rest.is_empty() {
            return Err(NoDuration);
        }
        while !rest.is_empty() {
            let (nanoseconds, after) = parse_term(rest)?;
            total = total.checked_add(nanoseconds).filter(|sum| *sum <= MAX_NANOSECONDS).ok_or(NoDuration)?;
            rest = after;
        }
        if is_negative && total > 0 {
            return Err(NoDuration);
        }
        Ok(Self(Duration::from_nanos(total)))
    }
}

/// One number with its unit, in nanoseconds, and what follows it.
fn parse_term(text: &str) -> Result<(u64, &str), NoDuration> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(NoDuration);
    }
    let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let unit = unit(name).ok_or(NoDuration)?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| NoDuration)? };
    let nanoseconds =
        whole.checked_mul(unit).and_then(|sum| sum.checked_add(part_of(unit, fraction))).ok_or(NoDuration)?;
    Ok((nanoseconds, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit(name: &str) -> Option<u64> {
    match name {
        "ns" => Some(1),
        // The micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(MICROSECOND),
        "ms" => Some(MILLISECOND),
        "s" => Some(SECOND),
        "m" => Some(MINUTE),
        "h" => Some(HOUR),
        _ => None,
    }
}

/// The nanoseconds behind the decimal point; less than one is nothing.
fn part_of(unit: u64, fraction: &str) -> u64 {
    let (mut part, mut weight) = (0, unit);
    for digit in fraction.chars().filter_map(|digit| digit.to_digit(10)) {
        part += u64::from(digit) * weight / 10;
        weight /= 10;
    }
    part
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        match nanoseconds {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{nanoseconds}ns"),
            MICROSECOND..MILLISECOND => write_decimal(f, nanoseconds, MICROSECOND, "\u{b5}s"),
            MILLISECOND..SECOND => write_decimal(f, nanoseconds, MILLISECOND, "ms"),
            _ => {
                let (hours, minutes) = (nanoseconds / HOUR, nanoseconds % HOUR / MINUTE);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write_decimal(f, nanoseconds % MINUTE, SECOND, "s")
            }
        }
    }
}

fn write_decimal(f: &mut fmt::Formatter<'_>, nanoseconds: u64, unit: u64, name: &str) -> fmt::Result {
    write!(f, "{}", nanoseconds / unit)?;
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", nanoseconds % unit);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        write!(f, ".{fraction}")?;
    }
    f.write_str(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written_as_go_does() {
        let table = [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("-0s", 0, "0s"),
            ("+90s", 90 * SECOND, "1m30s"),
            ("1m30s", 90 * SECOND, "1m30s"),
            ("1h", HOUR, "1h0m0s"),
            ("500ms", 500 * MILLISECOND, "500ms"),
            ("1.5s", 1500 * MILLISECOND, "1.5s"),
            (".5s", 500 * MILLISECOND, "500ms"),
            ("1.s", SECOND, "1s"),
            ("1500us", 1500 * MICROSECOND, "1.5ms"),
            ("7\u{b5}s", 7 * MICROSECOND, "7\u{b5}s"),
            ("7\u{3bc}s", 7 * MICROSECOND, "7\u{b5}s"),
            ("3ns", 3, "3ns"),
            ("1s1s", 2 * SECOND, "2s"),
            ("61.25s", 61 * SECOND + 250 * MILLISECOND, "1m1.25s"),
            ("0.3s", 300 * MILLISECOND, "300ms"),
            ("9223372036854775807ns", MAX_NANOSECONDS, "2562047h47m16.854775807s"),
        ];
        for (text, nanoseconds, printed) in table {
            let duration: GoDuration = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(duration.0, Duration::from_nanos(nanoseconds), "{text}");
            assert_eq!(duration.to_string(), printed, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let wrong = [
            "",
            "-",
            "+",
            "1",
            "s",
            ".s",
            "1 s",
            " 1s",
            "1s ",
            "-1s",
            "--1s",
            "1h-5s",
            "1d",
            "1e3s",
            "9223372036854775808ns",
            "99999999999999999999h",
            "\u{661}s",
            "1\u{e9}",
        ];
        for text in wrong {
            assert_eq!(text.parse::<GoDuration>(), Err(NoDuration), "{text:?}");
        }
    }
}
