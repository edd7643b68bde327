//! The programs are run by a small machine of our own; the real packet tests run them in the kernel.

use super::*;

const INDEX: u32 = 7;

/// A frame, and what the kernel says of it.
struct Frame {
    bytes: Vec<u8>,
    packet_type: u8,
    index: u32,
}

fn load(frame: &Frame, code: u32, offset: u32) -> Option<u32> {
    match offset {
        PACKET_TYPE => return Some(frame.packet_type.into()),
        INTERFACE => return Some(frame.index),
        _ => {}
    }
    let width = match code {
        LOAD_WORD => 4,
        LOAD_HALF => 2,
        _ => 1,
    };
    let offset = usize::try_from(offset).unwrap();
    let bytes = frame.bytes.get(offset..offset + width)?;
    Some(bytes.iter().fold(0, |value, byte| (value << 8) | u32::from(*byte)))
}

/// Whether the frame passes, as the kernel decides it: a load beyond the end refuses, a jump goes forward only.
fn passes(program: &[Instruction], frame: &Frame) -> bool {
    let (mut at, mut value) = (0, 0);
    for _ in 0..program.len() {
        let Instruction { code, if_true, if_false, operand } = program[at];
        at += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { if_true } else { if_false });
        match code {
            LOAD_WORD | LOAD_HALF | LOAD_BYTE => match load(frame, code, operand) {
                Some(loaded) => value = loaded,
                None => return false,
            },
            JUMP => at += usize::try_from(operand).unwrap(),
            JUMP_IF_EQUAL => jump(value == operand),
            JUMP_IF_GREATER => jump(value > operand),
            JUMP_IF_AT_LEAST => jump(value >= operand),
            RETURN => return operand != 0,
            other => panic!("instruction {other}"),
        }
    }
    panic!("the program does not end");
}

fn arp_frame(operation: u8, sender: u32, target: u32) -> Frame {
    let mut bytes = vec![0; 60];
    bytes[21] = operation;
    bytes[28..32].copy_from_slice(&sender.to_be_bytes());
    bytes[38..42].copy_from_slice(&target.to_be_bytes());
    Frame { bytes, packet_type: libc::PACKET_BROADCAST, index: INDEX }
}

fn ndp_frame(kind: u8, target: [u32; 4]) -> Frame {
    let mut bytes = vec![0; 86];
    (bytes[20], bytes[21], bytes[54]) = (58, 255, kind);
    let target: Vec<u8> = target.into_iter().flat_map(u32::to_be_bytes).collect();
    bytes[62..78].copy_from_slice(&target);
    Frame { bytes, packet_type: libc::PACKET_MULTICAST, index: INDEX }
}

fn targets(last: &[RangeInclusive<u32>]) -> Targets {
    Targets { leading: Vec::new(), last: last.to_vec() }
}

#[test]
fn arp_requests_for_targets_and_whatever_comes_from_one_pass() {
    let program = arp(INDEX, &targets(&[10..=20, 30..=30]));
    let cases = [
        (1, 99, 10, true),
        (1, 99, 20, true),
        (1, 99, 30, true),
        (1, 99, 9, false),
        (1, 99, 21, false),
        (1, 99, 31, false),
        (2, 99, 15, false),
        (1, 15, 99, true),
        (2, 15, 99, true),
        (2, 99, 99, false),
    ];
    for (operation, sender, target, expected) in cases {
        let frame = arp_frame(operation, sender, target);
        assert_eq!(passes(&program, &frame), expected, "operation {operation}, {sender} to {target}");
    }
}

#[test]
fn frames_of_other_interfaces_for_other_stations_and_too_short_ones_are_refused() {
    let program = arp(INDEX, &targets(&[10..=20]));
    let good = || arp_frame(1, 0, 15);
    assert!(passes(&program, &good()));
    assert!(passes(&program, &Frame { packet_type: libc::PACKET_HOST, ..good() }));
    for packet_type in [libc::PACKET_MULTICAST, libc::PACKET_OTHERHOST, libc::PACKET_OUTGOING] {
        assert!(!passes(&program, &Frame { packet_type, ..good() }));
    }
    assert!(!passes(&program, &Frame { index: 8, ..good() }));
    let mut short = good();
    short.bytes.truncate(41);
    assert!(!passes(&program, &short));
    assert!(!passes(&arp(INDEX, &Targets::default()), &good()), "nothing is announced");
}

#[test]
fn solicitations_and_advertisements_of_targets_pass_if_they_come_from_the_link() {
    let leading = vec![0xfd00_0000..=0xfd00_0005, 0..=0, 0..=0];
    let program = ndp(INDEX, &Targets { leading, last: std::iter::once(5..=6).collect() });
    let passes = |frame: &Frame| super::tests::passes(&program, frame);
    for (kind, target, expected) in [
        (135, [0xfd00_0000, 0, 0, 5], true),
        (136, [0xfd00_0005, 0, 0, 6], true),
        (134, [0xfd00_0000, 0, 0, 5], false),
        (137, [0xfd00_0000, 0, 0, 5], false),
        (135, [0xfd00_0006, 0, 0, 5], false),
        (135, [0xfd00_0000, 0, 1, 5], false),
        (135, [0xfd00_0000, 0, 0, 7], false),
    ] {
        assert_eq!(passes(&ndp_frame(kind, target)), expected, "type {kind}, target {target:x?}");
    }
    for (offset, value) in [(20, 17), (21, 254), (55, 1)] {
        let mut frame = ndp_frame(135, [0xfd00_0000, 0, 0, 5]);
        frame.bytes[offset] = value;
        assert!(!passes(&frame), "byte {offset}");
    }
    let outgoing = Frame { packet_type: libc::PACKET_OUTGOING, ..ndp_frame(136, [0xfd00_0000, 0, 0, 5]) };
    assert!(!passes(&outgoing));
}

#[test]
fn a_search_finds_every_range_of_any_number_of_them() {
    for count in [1, 2, 3, 5, 8, 64, 65, 200, MOST_RANGES] {
        let ranges: Vec<_> = (0..u32::try_from(count).unwrap()).map(|n| n * 10 + 3..=n * 10 + 5).collect();
        let program = arp(INDEX, &targets(&ranges));
        let step = if count > 100 { 37 } else { 1 };
        for value in (0..u32::try_from(count).unwrap() * 10 + 10).step_by(step) {
            let expected = ranges.iter().any(|range| range.contains(&value));
            let asked = arp_frame(1, u32::MAX, value);
            assert_eq!(passes(&program, &asked), expected, "{value} among {count}");
            assert_eq!(passes(&program, &arp_frame(2, value, 0)), expected, "from {value} among {count}");
        }
    }
    let whole = arp(INDEX, &targets(&[0..=u32::MAX]));
    assert!(passes(&whole, &arp_frame(1, 1, 2)));
}

#[test]
fn the_longest_programs_fit_the_kernel() {
    const LONGEST: usize = 4096;
    let most = u32::try_from(MOST_RANGES).unwrap();
    let ranges: Vec<_> = (0..most).map(|n| n * 2..=n * 2).collect();
    let leading = vec![0..=1, 0..=1, 0..=1];
    for program in [arp(INDEX, &targets(&ranges)), ndp(INDEX, &Targets { leading, last: ranges.clone() })] {
        assert!(program.len() <= LONGEST, "{} instructions", program.len());
    }
}
