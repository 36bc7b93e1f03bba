//! Runs a filter as the kernel would: the part of classic BPF that seccomp accepts. For tests.
//!
//! Takes what the two compilers write and nothing else: anything unknown is an error, so that a test can't pass by
//! mistake.

/// `struct seccomp_data`, without the instruction pointer.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The number.
    pub nr: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// The arguments.
    pub args: [u64; 6],
}

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// How far to jump if the comparison holds.
    pub jt: u8,
    /// How far to jump if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Splits the bytes of an array of `struct sock_filter`.
///
/// `big_endian` is the byte order both of the array and of the machine that the filter is for.
pub fn decode(bytes: &[u8], big_endian: bool) -> Vec<Instruction> {
    assert_eq!(bytes.len() % 8, 0, "not an array of struct sock_filter");
    let instruction = |b: &[u8]| {
        let (code, k) = ([b[0], b[1]], [b[4], b[5], b[6], b[7]]);
        let (code, k) = match big_endian {
            true => (u16::from_be_bytes(code), u32::from_be_bytes(k)),
            false => (u16::from_le_bytes(code), u32::from_le_bytes(k)),
        };
        Instruction { code, jt: b[2], jf: b[3], k }
    };
    bytes.chunks(8).map(instruction).collect()
}

fn word(call: &Call, offset: u32, big_endian: bool) -> Result<u32, String> {
    match offset {
        0 => Ok(call.nr),
        4 => Ok(call.arch),
        16..64 if offset.is_multiple_of(4) => {
            let arg = call.args[(offset as usize - 16) / 8];
            let high = offset.is_multiple_of(8) == big_endian;
            Ok(if high { (arg >> 32) as u32 } else { arg as u32 })
        }
        _ => Err(format!("load at offset {offset}")),
    }
}

/// The value that the filter returns for the call, and how many instructions it took.
pub fn run(program: &[Instruction], call: &Call, big_endian: bool) -> Result<(u32, usize), String> {
    let (mut at, mut accumulator, mut steps) = (0_usize, 0_u32, 0);
    loop {
        let instruction = program.get(at).ok_or_else(|| format!("ran past the end, to {at}"))?;
        let Instruction { code, jt, jf, k } = *instruction;
        steps += 1;
        at += 1;
        let taken = match code {
            0x20 => {
                accumulator = word(call, k, big_endian)?;
                continue;
            }
            0x54 => {
                accumulator &= k;
                continue;
            }
            0x05 => {
                at += k as usize;
                continue;
            }
            0x06 => return Ok((k, steps)),
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            0x45 => accumulator & k != 0,
            _ => return Err(format!("instruction {code:#x} at {}", at - 1)),
        };
        at += usize::from(if taken { jt } else { jf });
    }
}
