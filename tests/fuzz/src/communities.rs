//! BGP communities.

use metallb_config::Community;

use crate::text;

pub(crate) const SEEDS: &[&str] = &[
    "65000:1",
    "0:65535",
    "65536:1",
    "large:4294967295:0:7",
    "large:1:2",
    "small:1:2:3",
    "none",
    ":",
    "+1:1",
    "0:65535666666666666666666666666666",
];

/// A community: read twice, and written again.
pub fn communities(data: &[u8]) {
    let text = text::of(data);
    let read = text.parse::<Community>().ok();
    assert_eq!(read, read_again(&text), "{text:?}");
    if let Some(community) = read {
        let marker = if community.is_large() { "large:" } else { "" };
        assert_eq!(format!("{marker}{community}").parse(), Ok(community), "{text:?}");
    }
}

/// Contract 01 §3.3 rule 4, field by field.
fn read_again(text: &str) -> Option<Community> {
    let number = |field: &str| -> Option<u64> {
        let digits = !field.is_empty() && field.chars().all(|c| c.is_ascii_digit());
        // Beyond 64 bits it is too large for any field.
        digits.then(|| field.parse().ok()).flatten()
    };
    let (legacy, large) =
        (|field| u16::try_from(number(field)?).ok(), |field| u32::try_from(number(field)?).ok());
    let fields: Vec<&str> = text.split(':').collect();
    match *fields.as_slice() {
        [high, low] => Some(Community::Legacy { high: legacy(high)?, low: legacy(low)? }),
        ["large", first, second, third] => Some(Community::Large {
            administrator: large(first)?,
            data1: large(second)?,
            data2: large(third)?,
        }),
        _ => None,
    }
}
