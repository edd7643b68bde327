//! Programs the kernel runs on each frame, so that only what may need an answer wakes the process.
//!
//! Offsets count from the Ethernet header. Besides its bytes a frame is judged by what the kernel says of it: a frame
//! for another station or of an unknown VLAN is "other host", and one of a known VLAN belongs to the VLAN's own
//! interface although it arrived through its parent, whose socket sees it as well.

use socket2::SockFilter;

/// How the kernel classified a frame, as offset of a load.
const PACKET_TYPE: u32 = ancillary(libc::SKF_AD_PKTTYPE);
/// The interface a frame belongs to, as offset of a load.
const INTERFACE: u32 = ancillary(libc::SKF_AD_IFINDEX);

#[expect(
    clippy::cast_sign_loss,
    reason = "the kernel defines ancillary offsets as negative numbers seen unsigned"
)]
const fn ancillary(field: libc::c_int) -> u32 {
    (libc::SKF_AD_OFF + field) as u32
}

const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const JUMP_IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// One condition on a frame: a field and the only value that passes.
struct Condition {
    load: u32,
    offset: u32,
    value: u32,
}

const fn byte(offset: u32, value: u32) -> Condition {
    Condition { load: LOAD_BYTE, offset, value }
}

const fn half(offset: u32, value: u32) -> Condition {
    Condition { load: LOAD_HALF, offset, value }
}

const fn on_interface(index: u32) -> Condition {
    Condition { load: LOAD_WORD, offset: INTERFACE, value: index }
}

/// ARP requests on the interface, to everybody or to this station.
pub(crate) fn arp_requests(index: u32) -> Vec<SockFilter> {
    program(u32::from(libc::PACKET_BROADCAST), &[on_interface(index), half(20, 1)])
}

/// Neighbour solicitations from the interface's link, to a group or to this station.
pub(crate) fn neighbour_solicitations(index: u32) -> Vec<SockFilter> {
    let fields = [on_interface(index), byte(20, 58), byte(21, 255), byte(54, 135), byte(55, 0)];
    program(u32::from(libc::PACKET_MULTICAST), &fields)
}

/// Passes frames whose packet type is at most `type_at_most` (types count from "this host" over "broadcast" and
/// "multicast" to "other host") and that meet all conditions.
fn program(type_at_most: u32, conditions: &[Condition]) -> Vec<SockFilter> {
    let checks = conditions.len() + 1;
    let mut program = vec![
        instruction(LOAD_WORD, (0, 0), PACKET_TYPE),
        instruction(JUMP_IF_GREATER, (to_refusal(checks, 0), 0), type_at_most),
    ];
    for (position, condition) in conditions.iter().enumerate() {
        program.push(instruction(condition.load, (0, 0), condition.offset));
        program.push(instruction(JUMP_IF_EQUAL, (0, to_refusal(checks, position + 1)), condition.value));
    }
    program.push(instruction(RETURN, (0, 0), u32::MAX));
    program.push(instruction(RETURN, (0, 0), 0));
    program
}

/// How many instructions lie between the check at this position and the refusing return.
fn to_refusal(checks: usize, position: usize) -> u8 {
    // Two instructions for each check that follows, and the accepting return. Programs are short.
    u8::try_from((checks - position - 1) * 2 + 1).unwrap_or(u8::MAX)
}

fn instruction(code: u32, (if_true, if_false): (u8, u8), operand: u32) -> SockFilter {
    SockFilter::new(u16::try_from(code).unwrap_or(u16::MAX), if_true, if_false, operand)
}
