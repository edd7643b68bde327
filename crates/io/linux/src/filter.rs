//! Programs the kernel runs on each frame, so that only what may need an answer wakes the process.
//!
//! Offsets count from the Ethernet header. Besides its bytes a frame is judged by what the kernel says of it: a frame
//! for another station or of an unknown VLAN is "other host", and one of a known VLAN belongs to the VLAN's own
//! interface although it arrived through its parent, whose socket sees it as well.
//!
//! Jumps are relative, and conditional ones short. So each check is followed by its own refusal, and the search among
//! ranges is a tree of trees: each of the lower ones is short enough that all its leaves share one way in and one out.
//!
//! A program takes 4,096 instructions, and the memory a socket has for it (`net.core.optmem_max`) may hold fewer: 128 kB
//! since Linux 6.9, 20 kB before. An eBPF map would hold any number, but needs `CAP_BPF` on most systems.

use std::ops::RangeInclusive;

use socket2::SockFilter;

#[cfg(test)]
mod tests;

/// As many ranges as fit: the ARP program searches them twice, and the kernel takes 4,096 instructions.
pub(crate) const MOST_RANGES: usize = 960;
/// Ranges in one of the lower trees, which take about two instructions for each.
const SHORT: usize = 64;

/// The addresses of one family whose frames pass, word by word: the leading words each in a range, the last one in
/// one of several. Without ranges for the last word nothing passes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Targets {
    /// For IPv6, one range for each of the first three words.
    pub leading: Vec<RangeInclusive<u32>>,
    /// Disjoint, in order, at most [`Targets::MOST_RANGES`].
    pub last: Vec<RangeInclusive<u32>>,
}

impl Targets {
    /// As many ranges as a program can hold. The kernel may refuse so many: [`crate::SocketError::is_for_room`].
    pub const MOST_RANGES: usize = MOST_RANGES;
}

/// How the kernel classified a frame, as offset of a load.
const PACKET_TYPE: u32 = ancillary(libc::SKF_AD_PKTTYPE);
/// The interface a frame belongs to, as offset of a load.
const INTERFACE: u32 = ancillary(libc::SKF_AD_IFINDEX);

const ARP_OPERATION: u32 = 20;
const ARP_SENDER: u32 = 28;
const ARP_TARGET: u32 = 38;
const ARP_REQUEST: u32 = 1;
const NEXT_HEADER: u32 = 20;
const HOP_LIMIT: u32 = 21;
const ICMP_TYPE: u32 = 54;
const ICMP_CODE: u32 = 55;
/// The target of solicitations and advertisements alike.
const NDP_TARGET: u32 = 62;
const NDP_TARGET_LAST: u32 = NDP_TARGET + 12;

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
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const JUMP_IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const JUMP_IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// No frame at all.
pub(crate) fn nothing() -> Vec<Instruction> {
    let mut program = Program::default();
    program.refuse();
    program.0
}

/// On the interface, to everybody or to this station: ARP requests for the targets, and whatever comes from one.
pub(crate) fn arp(index: u32, targets: &Targets) -> Vec<Instruction> {
    let mut program = Program::begin(index, libc::PACKET_BROADCAST);
    let mut asked = Program::default();
    asked.load(LOAD_WORD, ARP_TARGET);
    asked.search(&targets.last);
    program.load(LOAD_HALF, ARP_OPERATION);
    program.push(JUMP_IF_EQUAL, (1, 0), ARP_REQUEST);
    program.jump(asked.0.len());
    program.0.append(&mut asked.0);
    program.load(LOAD_WORD, ARP_SENDER);
    program.search(&targets.last);
    program.refuse();
    program.0
}

/// On the interface, from its link, to a group or to this station: solicitations and advertisements of the targets.
pub(crate) fn ndp(index: u32, targets: &Targets) -> Vec<Instruction> {
    let mut program = Program::begin(index, libc::PACKET_MULTICAST);
    for (offset, value) in [(NEXT_HEADER, 58), (HOP_LIMIT, 255), (ICMP_CODE, 0)] {
        program.load(LOAD_BYTE, offset);
        program.require(value..=value);
    }
    program.load(LOAD_BYTE, ICMP_TYPE);
    program.require(135..=136);
    for (offset, range) in (NDP_TARGET..).step_by(4).zip(&targets.leading) {
        program.load(LOAD_WORD, offset);
        program.require(range.clone());
    }
    program.load(LOAD_WORD, NDP_TARGET_LAST);
    program.search(&targets.last);
    program.refuse();
    program.0
}

/// What the kernel calls `sock_filter`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instruction {
    code: u32,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

impl From<Instruction> for SockFilter {
    fn from(instruction: Instruction) -> Self {
        let Instruction { code, if_true, if_false, operand } = instruction;
        // All codes are below 256; a wrong one would be refused by the kernel.
        Self::new(u16::try_from(code).unwrap_or(u16::MAX), if_true, if_false, operand)
    }
}

/// A program under construction. Each part goes on behind itself or returns.
#[derive(Default)]
struct Program(Vec<Instruction>);

impl Program {
    /// Packet types count from "this host" over "broadcast" and "multicast" to "other host".
    fn begin(index: u32, type_at_most: u8) -> Self {
        let mut program = Self::default();
        program.load(LOAD_WORD, PACKET_TYPE);
        program.require(0..=u32::from(type_at_most));
        program.load(LOAD_WORD, INTERFACE);
        program.require(index..=index);
        program
    }

    fn push(&mut self, code: u32, (if_true, if_false): (u8, u8), operand: u32) {
        self.0.push(Instruction { code, if_true, if_false, operand });
    }

    fn load(&mut self, code: u32, offset: u32) {
        self.push(code, (0, 0), offset);
    }

    fn refuse(&mut self) {
        self.push(RETURN, (0, 0), 0);
    }

    fn accept(&mut self) {
        self.push(RETURN, (0, 0), u32::MAX);
    }

    fn jump(&mut self, over: usize) {
        self.push(JUMP, (0, 0), u32::try_from(over).unwrap_or(u32::MAX));
    }

    /// Refuses when what was loaded is outside.
    fn require(&mut self, range: RangeInclusive<u32>) {
        let (first, last) = range.into_inner();
        self.push(JUMP_IF_AT_LEAST, (1, 0), first);
        self.refuse();
        self.push(JUMP_IF_GREATER, (0, 1), last);
        self.refuse();
    }

    /// Accepts when what was loaded is in one of the ranges, and otherwise goes on behind.
    fn search(&mut self, ranges: &[RangeInclusive<u32>]) {
        let end = self.0.len() + tree_length(ranges);
        self.tree(ranges, end);
    }

    fn tree(&mut self, ranges: &[RangeInclusive<u32>], end: usize) {
        if ranges.len() <= SHORT {
            return self.short_tree(ranges, end);
        }
        let (left, right) = ranges.split_at(ranges.len() / 2);
        let over = tree_length(left);
        let middle = right.first().map_or(u32::MAX, |range| *range.start());
        if let Ok(over) = u8::try_from(over) {
            self.push(JUMP_IF_AT_LEAST, (over, 0), middle);
        } else {
            self.push(JUMP_IF_AT_LEAST, (0, 1), middle);
            self.jump(over);
        }
        self.tree(left, end);
        self.tree(right, end);
    }

    /// A tree whose leaves jump to the two instructions behind it: one that leaves, and one that accepts.
    fn short_tree(&mut self, ranges: &[RangeInclusive<u32>], end: usize) {
        let Some(first) = ranges.first() else { return };
        let leave = self.0.len() + short_length(ranges.len()) - 2;
        self.push(JUMP_IF_AT_LEAST, (0, self.distance(leave)), *first.start());
        self.branch(ranges, leave);
        self.jump(end.saturating_sub(leave + 1));
        self.accept();
    }

    /// What was loaded does not lie before the first of these, and it lies before the range that follows them.
    fn branch(&mut self, ranges: &[RangeInclusive<u32>], leave: usize) {
        match ranges.split_at(ranges.len() / 2) {
            ([], [range]) => {
                let over = self.distance(leave);
                self.push(JUMP_IF_GREATER, (over, over.saturating_add(1)), *range.end());
            }
            (left, [middle, ..]) => {
                let over = u8::try_from(branch_length(left.len())).unwrap_or(u8::MAX);
                self.push(JUMP_IF_AT_LEAST, (over, 0), *middle.start());
                self.branch(left, leave);
                self.branch(ranges.get(left.len()..).unwrap_or_default(), leave);
            }
            (_, []) => {}
        }
    }

    /// From behind the next instruction to the one at `target`, which is near.
    fn distance(&self, target: usize) -> u8 {
        u8::try_from(target.saturating_sub(self.0.len() + 1)).unwrap_or(u8::MAX)
    }
}

/// How many instructions [`Program::tree`] takes.
fn tree_length(ranges: &[RangeInclusive<u32>]) -> usize {
    if ranges.len() <= SHORT {
        return short_length(ranges.len());
    }
    let (left, right) = ranges.split_at(ranges.len() / 2);
    let over = tree_length(left);
    let choice = if over > usize::from(u8::MAX) { 2 } else { 1 };
    choice + over + tree_length(right)
}

fn short_length(ranges: usize) -> usize {
    if ranges == 0 { 0 } else { 1 + branch_length(ranges) + 2 }
}

/// A leaf for each, and a choice between each two.
fn branch_length(ranges: usize) -> usize {
    (2 * ranges).saturating_sub(1)
}
