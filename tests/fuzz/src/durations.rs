//! Durations in Go's form.

use std::time::Duration;

use metallb_config::GoDuration;

use crate::text;

pub(crate) const SEEDS: &[&str] = &[
    "90s",
    "1m30s",
    "1h0m0.5s",
    "500ms",
    "+0",
    "-1s",
    ".5s",
    "1.s",
    "7\u{b5}s",
    "9223372036854775807ns",
    "1",
    "",
];

/// A duration: written and read again it is the same, and it is what adding up its terms in 128 bits gives.
pub fn durations(data: &[u8]) {
    let text = text::of(data);
    let Ok(duration) = text.parse::<GoDuration>() else { return };
    assert_eq!(duration.to_string().parse(), Ok(duration), "{text:?}");
    if let Some(sum) = sum(text.trim_start_matches(['+', '-'])) {
        let apart = sum.abs_diff(duration.0.as_nanos());
        // Digits beyond the nanosecond are cut off, term by term.
        let terms = text.chars().filter(char::is_ascii_alphabetic).count();
        assert!(apart <= terms as u128, "{text:?}: {sum} and {:?}", duration.0);
    }
    assert!(duration.0 <= Duration::from_nanos(i64::MAX.unsigned_abs()), "{text:?}");
}

/// The terms added up; nothing if a number is too long for this.
fn sum(mut text: &str) -> Option<u128> {
    let mut sum = 0u128;
    while !text.is_empty() && text != "0" {
        let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (value, rest) = text.split_at(number);
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let unit: u128 = match unit {
            "ns" => 1,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => 1_000,
        };
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        sum = sum.checked_add(whole.checked_mul(unit)?)?.checked_add(fraction.checked_mul(unit)? / scale)?;
        text = rest;
    }
    Some(sum)
}
