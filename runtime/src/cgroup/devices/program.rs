//! The device rules as a program for the kernel's BPF machine (BPF_PROG_TYPE_CGROUP_DEVICE).
//!
//! One section for block and one for character devices. In each the rules are asked from the last to the first; one
//! that matches decides its accesses. A denied access ends the program with 0, and when nothing is left undecided it
//! ends with 1. The kernel's verifier, not the program, is what takes time, and it pays by the branch: so there is
//! one for a rule, with major and minor in one register. See bpf_cgroup_dev_ctx in include/uapi/linux/bpf.h and the
//! instruction set in Documentation/bpf/standardization/.

use super::{Access, Kind, Nodes, Rule};

const LOAD_WORD: u8 = 0x61; // LDX | MEM | W
const LOAD_IMMEDIATE: u8 = 0x18; // LD | IMM | DW, two instructions wide
const COPY: u8 = 0xbf; // ALU64 | MOV | X
const MOV: u8 = 0xb4; // ALU | MOV | K
const AND: u8 = 0x54; // ALU | AND | K
const SHIFT_RIGHT: u8 = 0x74; // ALU | RSH | K
const SHIFT_LEFT: u8 = 0x67; // ALU64 | LSH | K
const OR: u8 = 0x4f; // ALU64 | OR | X
const JUMP_EQ: u8 = 0x16; // JMP32 | JEQ | K
const JUMP_NE: u8 = 0x56; // JMP32 | JNE | K
const JUMP_SET: u8 = 0x46; // JMP32 | JSET | K
const JUMP_EQ_REG: u8 = 0x1d; // JMP | JEQ | X
const JUMP_NE_REG: u8 = 0x5d; // JMP | JNE | X
const EXIT: u8 = 0x95; // JMP | EXIT

/// Register 0 is the answer, and before that a scratch register.
const SCRATCH: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
/// The accesses that are still undecided.
const LEFT: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
/// Major and minor: the upper and the lower half.
const NUMBER: u8 = 6;

/// `BPF_DEVCG_DEV_BLOCK`; everything else is `BPF_DEVCG_DEV_CHAR`.
const BLOCK: u32 = 1;

/// Compiles `rules`; the last one that says something decides, and silence denies. `None` if the rules are too many
/// for the reach of a jump, which is some eight thousand.
pub fn program(rules: &[Rule]) -> Option<Vec<u64>> {
    let block = section(rules, Kind::Block)?;
    let mut code = vec![
        insn(LOAD_WORD, LEFT, CONTEXT, 0, 0),
        insn(COPY, KIND, LEFT, 0, 0),
        insn(AND, KIND, 0, 0, 0xffff),
        insn(SHIFT_RIGHT, LEFT, 0, 0, 16),
        insn(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        insn(LOAD_WORD, MINOR, CONTEXT, 8, 0),
        insn(COPY, NUMBER, MAJOR, 0, 0),
        insn(SHIFT_LEFT, NUMBER, 0, 0, 32),
        insn(OR, NUMBER, MINOR, 0, 0),
        insn(JUMP_NE, KIND, 0, i16::try_from(block.len()).ok()?, BLOCK),
    ];
    code.extend(block);
    code.extend(section(rules, Kind::Char)?);
    Some(code)
}

/// An instruction, and whether it jumps to one of the answers at the section's end.
type Draft = (u64, Option<bool>);

/// The rules for one kind of device.
fn section(rules: &[Rule], kind: Kind) -> Option<Vec<u64>> {
    let mut default = false;
    let mut drafts = Vec::new();
    for rule in rules.iter().rev() {
        match *rule {
            Rule::Some { nodes, .. } if nodes.kind != kind => {}
            // About every device and access: what stands before it is never asked, and may not be in the program,
            // because the kernel refuses dead code.
            Rule::Some { allow, nodes: Nodes { major: None, minor: None, .. }, access: Access::ALL }
            | Rule::All { allow } => {
                default = allow;
                break;
            }
            Rule::Some { allow, nodes, access } => drafts.extend(ask(allow, nodes, access)),
        }
    }
    // The answers: the default, which is fallen into, and the other one.
    let end = drafts.len();
    let asked = |answer: bool| drafts.iter().any(|(_, jump)| *jump == Some(answer));
    let other = asked(!default).then(|| answer(!default));
    let mut code = Vec::with_capacity(end + 4);
    for (at, (insn, jump)) in drafts.iter().enumerate() {
        let distance = match jump {
            None => 0,
            Some(answer) => end - at - 1 + if *answer == default { 0 } else { 2 },
        };
        code.push(insn | u64::from(u16::try_from(i16::try_from(distance).ok()?).ok()?) << 16);
    }
    code.extend(answer(default));
    code.extend(other.into_iter().flatten());
    Some(code)
}

/// One rule. Goes on behind it unless it has decided.
fn ask(allow: bool, nodes: Nodes, access: Access) -> Vec<Draft> {
    if access == Access::ALL {
        return test(nodes, true, 0, Some(allow));
    }
    let decide: Vec<Draft> = if allow {
        vec![(insn(AND, LEFT, 0, 0, !access.bits()), None), (insn(JUMP_EQ, LEFT, 0, 0, 0), Some(true))]
    } else {
        vec![(insn(JUMP_SET, LEFT, 0, 0, access.bits()), Some(false))]
    };
    // At most two instructions are jumped over.
    let over = i16::try_from(decide.len()).unwrap_or(0);
    let mut code = test(nodes, false, over, None);
    code.extend(decide);
    code
}

/// Jumps if the device is one of `nodes` (or, with `equal` false, if it isn't): to an answer, or `over` so many
/// instructions. All devices need no test.
fn test(nodes: Nodes, equal: bool, over: i16, to: Option<bool>) -> Vec<Draft> {
    let one = |register, value| {
        let jump = if equal { JUMP_EQ } else { JUMP_NE };
        vec![(insn(jump, register, 0, over, value), to)]
    };
    match (nodes.major, nodes.minor) {
        (None, None) => Vec::new(),
        (Some(major), None) => one(MAJOR, major),
        (None, Some(minor)) => one(MINOR, minor),
        (Some(major), Some(minor)) => {
            let jump = if equal { JUMP_EQ_REG } else { JUMP_NE_REG };
            vec![
                (insn(LOAD_IMMEDIATE, SCRATCH, 0, 0, minor), None),
                (insn(0, 0, 0, 0, major), None),
                (insn(jump, NUMBER, SCRATCH, over, 0), to),
            ]
        }
    }
}

/// `return allow`.
fn answer(allow: bool) -> [u64; 2] {
    [insn(MOV, 0, 0, 0, u32::from(allow)), insn(EXIT, 0, 0, 0, 0)]
}

/// `struct bpf_insn { u8 code; u8 dst:4, src:4; s16 off; s32 imm; }` on a little-endian machine.
fn insn(code: u8, dst: u8, src: u8, offset: i16, value: u32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = value.to_le_bytes();
    u64::from_le_bytes([code, dst | (src << 4), low, high, a, b, c, d])
}
