//! A classic BPF program, written from its end to its start.
//!
//! All jumps of BPF go forward and conditional ones reach 255 instructions. Written backwards, every target is
//! already there when a jump to it is written, so that what is out of reach is known and gets a stepping stone.

/// `BPF_MAXINSNS` of linux/bpf_common.h.
pub(super) const MAX_INSTRUCTIONS: usize = 4096;

/// The furthest that `jt` and `jf` reach.
const REACH: usize = 255;

// linux/bpf_common.h. The kernel evaluates exactly these (and BPF_JA) when it builds its table of calls that are
// always allowed (seccomp_is_const_allow).
const LD_W_ABS: u16 = 0x20;
const ALU_AND_K: u16 = 0x54;
const JMP_JA: u16 = 0x05;
const JMP_JEQ_K: u16 = 0x15;
const JMP_JGT_K: u16 = 0x25;
const JMP_JGE_K: u16 = 0x35;
const RET_K: u16 = 0x06;

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// A place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Where a jump goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The end of the program with this value.
    Return(u32),
    /// An instruction.
    At(Label),
}

/// A comparison of the accumulator with a constant; unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal,
    Greater,
    GreaterOrEqual,
}

#[derive(Default)]
pub(super) struct Program {
    reversed: Vec<Instruction>,
    /// The nearest `ret` of each value: a handful.
    returns: Vec<(u32, Label)>,
}

impl Program {
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(Instruction { code, jt, jf, k });
        Label(self.reversed.len() - 1)
    }

    /// The accumulator becomes the 32-bit word at `offset` of `struct seccomp_data`. Goes on with what was written
    /// last.
    pub(super) fn load(&mut self, offset: u32) -> Label {
        self.push(LD_W_ABS, 0, 0, offset)
    }

    /// The accumulator keeps the bits in `mask`. Goes on with what was written last.
    pub(super) fn and(&mut self, mask: u32) -> Label {
        self.push(ALU_AND_K, 0, 0, mask)
    }

    /// Goes to `yes` or `no`.
    pub(super) fn branch(&mut self, test: Test, k: u32, yes: Target, no: Target) -> Label {
        // The stepping stone for `no` may put one more instruction between here and `yes`.
        let yes = self.within_reach(yes, REACH - 1);
        let no = self.within_reach(no, REACH);
        let code = match test {
            Test::Equal => JMP_JEQ_K,
            Test::Greater => JMP_JGT_K,
            Test::GreaterOrEqual => JMP_JGE_K,
        };
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push(code, jt, jf, k)
    }

    /// `target`, past the load of the word at `offset` if that is what stands there: for jumps that are taken while
    /// the accumulator holds that word.
    pub(super) fn past_load(&self, target: Target, offset: u32) -> Target {
        match target {
            Target::At(Label(at)) => match self.reversed.get(at) {
                Some(Instruction { code: LD_W_ABS, k, .. }) if *k == offset => {
                    Target::At(Label(at.saturating_sub(1)))
                }
                _ => target,
            },
            Target::Return(_) => target,
        }
    }

    /// Instructions between the next one to be written and `label`.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label.0 - 1
    }

    /// A place from which `target` is reached, at most `reach` instructions away from the next one to be written.
    fn within_reach(&mut self, target: Target, reach: usize) -> Label {
        match target {
            Target::Return(value) => {
                let nearest = self.returns.iter().find(|(other, _)| *other == value);
                if let Some(&(_, label)) = nearest.filter(|(_, label)| self.distance(*label) <= reach) {
                    return label;
                }
                let label = self.push(RET_K, 0, 0, value);
                self.returns.retain(|(other, _)| *other != value);
                self.returns.push((value, label));
                label
            }
            Target::At(label) if self.distance(label) <= reach => label,
            Target::At(label) => {
                let distance = self.distance(label) as u32;
                self.push(JMP_JA, 0, 0, distance)
            }
        }
    }

    /// Makes `target` the next instruction.
    pub(super) fn go(&mut self, target: Target) -> Label {
        self.within_reach(target, 0)
    }

    /// Instructions so far.
    pub(super) fn len(&self) -> usize {
        self.reversed.len()
    }

    /// The array of `struct sock_filter` that seccomp(2) takes, native endian.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.reversed.len() * 8);
        for instruction in self.reversed.iter().rev() {
            let Instruction { code, jt, jf, k } = *instruction;
            let ([a, b], [c, d, e, f]) = (code.to_ne_bytes(), k.to_ne_bytes());
            bytes.extend_from_slice(&[a, b, jt, jf, c, d, e, f]);
        }
        bytes
    }
}
