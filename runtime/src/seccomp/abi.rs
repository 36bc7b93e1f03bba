//! What a filter has to know of an architecture: how it is told apart, how wide its arguments are, and its numbers.

use oci_spec::runtime::Arch;

use super::calls::{self, Numbers};

/// The bit that tells an x32 call from an x86_64 one: both have the same `AUDIT_ARCH_*`.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// The numbers of socketcall(2) and ipc(2), where the architecture has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multiplexers {
    pub(super) socketcall: u32,
    pub(super) ipc: u32,
}

/// An architecture as a filter sees it.
#[derive(Clone, Copy)]
pub(super) struct Abi {
    pub(super) arch: Arch,
    /// `AUDIT_ARCH_*` of linux/audit.h: `seccomp_data.arch`.
    pub(super) audit: u32,
    /// All 64 bits of an argument count, not only the lower 32.
    pub(super) wide: bool,
    pub(super) big_endian: bool,
    pub(super) multiplexers: Option<Multiplexers>,
    pub(super) numbers: &'static Numbers,
}

/// Bits of `AUDIT_ARCH_*`.
const WIDE: u32 = 0x8000_0000;
const LITTLE_ENDIAN: u32 = 0x4000_0000;

impl Abi {
    /// The ABI of `arch`. `None` for `SCMP_ARCH_NATIVE`, which is any.
    pub(super) fn of(arch: Arch) -> Option<Self> {
        // The values of SCMP_ARCH_* are those of AUDIT_ARCH_*, but for x32, which the kernel calls x86_64.
        let token = arch as u32;
        let audit = if arch == Arch::ScmpArchX32 { Arch::ScmpArchX86_64 as u32 } else { token };
        let (numbers, is_multiplexed) = match arch {
            Arch::ScmpArchX86_64 => (&calls::X86_64, false),
            Arch::ScmpArchX32 => (&calls::X32, false),
            Arch::ScmpArchX86 => (&calls::X86, true),
            Arch::ScmpArchAarch64 => (&calls::AARCH64, false),
            Arch::ScmpArchArm => (&calls::ARM, false),
            Arch::ScmpArchMips | Arch::ScmpArchMipsel => (&calls::MIPS, true),
            Arch::ScmpArchMips64 | Arch::ScmpArchMipsel64 => (&calls::MIPS64, false),
            Arch::ScmpArchPpc => (&calls::POWERPC, true),
            Arch::ScmpArchPpc64 | Arch::ScmpArchPpc64le => (&calls::POWERPC64, true),
            Arch::ScmpArchS390x => (&calls::S390X, true),
            Arch::ScmpArchRiscv64 => (&calls::RISCV64, false),
            Arch::ScmpArchLoongarch64 => (&calls::LOONGARCH64, false),
            Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32 => (&calls::MIPS_N32, false),
            Arch::ScmpArchS390 => (&calls::S390, true),
            Arch::ScmpArchParisc => (&calls::PARISC, false),
            Arch::ScmpArchParisc64 => (&calls::PARISC64, false),
            Arch::ScmpArchM68k => (&calls::M68K, true),
            Arch::ScmpArchSh | Arch::ScmpArchSheb => (&calls::SH, true),
            Arch::ScmpArchNative => return None,
        };
        // socketcall(2) and ipc(2) stand at the same place wherever they are.
        let multiplexers = Multiplexers { socketcall: numbers.first + 102, ipc: numbers.first + 117 };
        Some(Self {
            arch,
            audit,
            // Registers of n32 have 64 bits, and its arguments are 32 bits wide.
            wide: token & WIDE != 0 && !matches!(arch, Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32),
            big_endian: token & LITTLE_ENDIAN == 0,
            multiplexers: is_multiplexed.then_some(multiplexers),
            numbers,
        })
    }
}
