//! The device rules as a program for the kernel's BPF machine (BPF_PROG_TYPE_CGROUP_DEVICE).
//!
//! Register 2 holds the kind, 3 the accesses that are still undecided, 4 and 5 major and minor. The rules are asked
//! from the last to the first; one that matches decides its accesses. A denied access ends the program with 0, and
//! when nothing is left undecided it ends with 1. See bpf_cgroup_dev_ctx in include/uapi/linux/bpf.h and the
//! instruction set in Documentation/bpf/standardization/.

use super::{Access, Kind, Rule};

const LOAD_WORD: u8 = 0x61; // LDX | MEM | W
const MOV_REG: u8 = 0xbc; // ALU | MOV | X
const MOV: u8 = 0xb4; // ALU | MOV | K
const AND: u8 = 0x54; // ALU | AND | K
const SHIFT_RIGHT: u8 = 0x74; // ALU | RSH | K
const JUMP_NE: u8 = 0x56; // JMP32 | JNE | K
const JUMP_SET: u8 = 0x46; // JMP32 | JSET | K
const JUMP: u8 = 0x05; // JMP | JA
const EXIT: u8 = 0x95; // JMP | EXIT

/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
const BLOCK: u32 = 1;
const CHAR: u32 = 2;

/// Compiles `rules`; the last one that says something decides, and silence denies.
pub fn program(rules: &[Rule]) -> Vec<u64> {
    // What stands before a rule about everything is never asked.
    let start = rules.iter().rposition(|rule| matches!(rule, Rule::All { .. }));
    let (default, rules) = match start {
        Some(start) => {
            (rules.get(start).is_some_and(Rule::allow), rules.get(start + 1..).unwrap_or_default())
        }
        None => (false, rules),
    };
    let mut code = vec![
        insn(LOAD_WORD, 3, 1, 0, 0),
        insn(MOV_REG, 2, 3, 0, 0),
        insn(AND, 2, 0, 0, 0xffff),
        insn(SHIFT_RIGHT, 3, 0, 0, 16),
        insn(LOAD_WORD, 4, 1, 0, 4),
        insn(LOAD_WORD, 5, 1, 0, 8),
    ];
    for rule in rules.iter().rev() {
        code.extend(block(rule));
    }
    code.extend(answer(default));
    code
}

/// One rule: falls through to the next one's block unless it has decided.
fn block(rule: &Rule) -> Vec<u64> {
    let Rule::Some { allow, nodes, access } = *rule else { return Vec::new() };
    let kind = match nodes.kind {
        Kind::Block => BLOCK,
        Kind::Char => CHAR,
    };
    let tests = [Some((2, kind)), nodes.major.map(|major| (4, major)), nodes.minor.map(|minor| (5, minor))];
    let tests: Vec<_> = tests.into_iter().flatten().collect();
    let decide = match (allow, access) {
        (_, Access::ALL) => answer(allow).to_vec(),
        (true, some) => {
            let rest = !some.bits();
            let mut code = vec![insn(AND, 3, 0, 0, rest), insn(JUMP_NE, 3, 0, 2, 0)];
            code.extend(answer(true));
            code
        }
        (false, some) => {
            let mut code = vec![insn(JUMP_SET, 3, 0, 1, some.bits()), insn(JUMP, 0, 0, 2, 0)];
            code.extend(answer(false));
            code
        }
    };
    // A test that fails jumps behind the block.
    let length = tests.len() + decide.len();
    let jumps = tests.iter().enumerate().map(|(index, (register, value))| {
        let over = i16::try_from(length - index - 1).unwrap_or(i16::MAX);
        insn(JUMP_NE, *register, 0, over, *value)
    });
    jumps.chain(decide).collect()
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
