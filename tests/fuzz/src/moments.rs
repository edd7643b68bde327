//! The line of a snapshot that says when it was last true.

use metallb_announce::Moment;

pub(crate) const SEEDS: &[&str] = &[
    "metallb-true-at 0b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a69 00000000000000004711 00000000\n",
    "metallb-true-at 0B1E9D3E-1111-4c2f-8f7e-2f1d3c4b5a69 18446744073709551615",
    "metallb-true-at 0b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a69 18446744073709551616",
    "metallb-true-at 0b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a69 +0000000000000000001",
    "metallb-true-at ------------------------------------ 00000000000000000000",
    "metallb-speaker-snapshot 1 0 00000000\n",
];

/// A line as it is, and the same with the checksum that fits: read as a reader of fixed columns does, and never in two
/// spellings.
pub fn moments(data: &[u8]) {
    check(data);
    let text = data.get(..TEXT).unwrap_or(data);
    check(&[text, format!(" {:08x}\n", checksum(text)).as_bytes()].concat());
}

/// What of a line the checksum is over.
const TEXT: usize = 73;

fn check(line: &[u8]) {
    let read = Moment::parse(line).map(|moment| (moment.boot, moment.at.as_secs()));
    assert_eq!(read, columns(line), "{}", String::from_utf8_lossy(line));
}

/// The same by columns.
fn columns(line: &[u8]) -> Option<(String, u64)> {
    let (text, end) = line.split_at_checked(TEXT)?;
    let rest = text.strip_prefix(b"metallb-true-at ")?;
    let (boot, rest) = rest.split_at_checked(36)?;
    let digits = rest.strip_prefix(b" ")?;
    let seconds = digits.iter().try_fold(0u64, |sum, digit| {
        let digit = u64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        sum.checked_mul(10)?.checked_add(digit)
    })?;
    let is_hex = boot.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b'-'));
    let fits = end == format!(" {:08x}\n", checksum(text)).as_bytes();
    (is_hex && fits).then(|| Some((String::from_utf8(boot.to_vec()).ok()?, seconds)))?
}

/// CRC-32, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}
